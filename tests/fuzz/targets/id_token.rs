//! An id_token: nobody has the key, so no text is one; and claims, whoever signed them, prove what was expected or nothing.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use watchfloor::microsoft::fuzz::id_token::{EXPECTED, accepted};

/// What is looked at here. Others, which nobody reads, may hold what no value can, such as half of a surrogate pair.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    nonce: String,
    nbf: i64,
    exp: i64,
}

fuzz_target!(|text: &str| {
    let now = DateTime::from_timestamp(1_767_225_600, 0).expect("a time");
    assert!(accepted(text, false, now).is_none(), "a token without a signature of the key's counts");
    if let Some(person) = accepted(text, true, now) {
        let claims: Claims = serde_json::from_str(text).expect("it was read");
        assert_eq!(person.tid.to_string(), EXPECTED.0);
        assert_eq!(claims.nonce, EXPECTED.1);
        assert_eq!(claims.iss, format!("https://login.microsoftonline.com/{}/v2.0", EXPECTED.0));
        assert!(claims.nbf <= now.timestamp() + 300 && claims.exp > now.timestamp() - 300);
    }
});
