//! What Microsoft, or anybody, sends a browser back with: whatever it is, it is one of four answers, and repeats nothing unchecked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watchfloor::microsoft::consent::{Callback, parse_callback};

fuzz_target!(|query: &str| {
    let word = |text: &str| text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic());
    match parse_callback(query) {
        Callback::Granted { state, .. } | Callback::SignedIn { state, .. } => assert!(!state.is_empty() && state.len() <= 512),
        Callback::Failed { state, failure } => {
            assert!(state.is_none_or(|state| !state.is_empty() && state.len() <= 512));
            assert!(word(&failure.error) && failure.subcode.as_deref().is_none_or(word));
            let _ = failure.meaning();
        }
        Callback::Unknown => {}
    }
});
