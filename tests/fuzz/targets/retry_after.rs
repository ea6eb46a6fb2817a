//! How long Microsoft has us wait: a quarter of an hour at most, whatever it says.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use watchfloor::microsoft::fuzz::retry_after;

fuzz_target!(|value: &str| {
    for seconds in [0, 1_767_225_600] {
        let wait = retry_after(value, DateTime::from_timestamp(seconds, 0).expect("a time"));
        assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(15 * 60)), "{wait:?}");
    }
});
