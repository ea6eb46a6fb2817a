//! A form proves that our page made it: HMAC-SHA256 over its action path, keyed by the session's secret.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

/// The name of the hidden field.
pub const FIELD: &str = "form_token";

/// Makes and checks the form tokens of one session. `Debug` shows no key.
#[derive(Clone, Debug)]
pub struct FormKey(hmac::Key);

impl FormKey {
    /// The key of the session with this secret.
    pub fn of_session(secret: &SecretString) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()))
    }

    /// The token for a form that is posted to `path` (without a query).
    pub fn token(&self, path: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, path.as_bytes()))
    }

    /// Whether the token was made for this session and path; takes the same time for every wrong one.
    pub fn accepts(&self, path: &str, token: &str) -> bool {
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|tag| hmac::verify(&self.0, path.as_bytes(), &tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_session_and_path_only() {
        let (mine, other) = (FormKey::of_session(&"one".to_owned().into()), FormKey::of_session(&"two".to_owned().into()));
        let token = mine.token("/logout");
        assert!(mine.accepts("/logout", &token));
        for (key, path, token) in
            [(&other, "/logout", token.as_str()), (&mine, "/account", &token), (&mine, "/logout", ""), (&mine, "/logout", "!")]
        {
            assert!(!key.accepts(path, token), "{path} {token}");
        }
    }
}
