//! An id_token: nobody has the key, so no text is one; and claims, whoever signed them, prove what was expected or nothing.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use watchfloor::microsoft::fuzz::id_token::{EXPECTED, accepted};

fuzz_target!(|text: &str| {
    let now = DateTime::from_timestamp(1_767_225_600, 0).expect("a time");
    assert!(accepted(text, false, now).is_none(), "a token without a signature of the key's counts");
    if let Some(person) = accepted(text, true, now) {
        // A claim that nobody reads may hold what no value can, such as half of a surrogate pair.
        let Ok(claims) = serde_json::from_str::<serde_json::Value>(text) else { return };
        assert_eq!(person.tid.to_string(), EXPECTED.0);
        assert_eq!(claims["nonce"], EXPECTED.1);
        assert_eq!(claims["iss"], format!("https://login.microsoftonline.com/{}/v2.0", EXPECTED.0));
        let at = |name: &str| claims[name].as_i64().expect("a number");
        assert!(at("nbf") <= now.timestamp() + 300 && at("exp") > now.timestamp() - 300);
    }
});
