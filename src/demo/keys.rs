//! The key with which the stand-in signs tokens, and their making and reading.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// Making a key takes a moment, so every stand-in of a process begins with the same.
static FIRST: LazyLock<Arc<RsaKeyPair>> = LazyLock::new(generate);

#[expect(clippy::expect_used, reason = "without a key there is no stand-in, and only a broken library fails here")]
fn generate() -> Arc<RsaKeyPair> {
    Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key"))
}

/// The keys published; the last one signs.
pub(super) struct Keys(Vec<Arc<RsaKeyPair>>);

impl Keys {
    pub fn new() -> Self {
        Self(vec![Arc::clone(&FIRST)])
    }

    pub fn rotate(&mut self) {
        self.0.push(generate());
    }

    /// The key set, with the issuer that each key may sign for.
    pub fn published(&self, issuer: &str) -> Value {
        let key = |pair: &Arc<RsaKeyPair>| {
            let public = pair.public_key();
            let (n, e) =
                (encode(public.modulus().big_endian_without_leading_zero()), encode(public.exponent().big_endian_without_leading_zero()));
            json!({"kty": "RSA", "use": "sig", "kid": kid(pair), "x5t": kid(pair), "n": n, "e": e, "issuer": issuer})
        };
        json!({"keys": self.0.iter().map(key).collect::<Vec<_>>()})
    }

    /// A signed token.
    pub fn sign(&self, claims: &Value) -> String {
        self.0.last().map_or_else(String::new, |pair| self.sign_as(claims, &kid(pair)))
    }

    /// A token signed with the key's published half as a secret that everybody has.
    pub fn sign_with_public_key(&self, claims: &Value) -> String {
        let Some(pair) = self.0.last() else { return String::new() };
        let text = text(&json!({"typ": "JWT", "alg": "HS256", "kid": kid(pair)}), claims);
        let key = hmac::Key::new(hmac::HMAC_SHA256, pair.public_key().as_ref());
        format!("{text}.{}", encode(hmac::sign(&key, text.as_bytes()).as_ref()))
    }

    /// A signed token that names its key so.
    pub fn sign_as(&self, claims: &Value, kid: &str) -> String {
        let Some(pair) = self.0.last() else { return String::new() };
        let text = text(&json!({"typ": "JWT", "alg": "RS256", "kid": kid, "x5t": kid}), claims);
        let mut signature = vec![0; pair.public_modulus_len()];
        let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature);
        if signed.is_ok() { format!("{text}.{}", encode(&signature)) } else { text }
    }

    /// The claims of a token that one of our keys has signed.
    pub fn read(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = decode(signature)?;
        let genuine = |pair: &Arc<RsaKeyPair>| {
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
            key.verify(signed.as_bytes(), &signature).is_ok()
        };
        if !self.0.iter().any(genuine) {
            return None;
        }
        serde_json::from_slice(&decode(signed.split('.').nth(1)?)?).ok()
    }
}

/// What of a token is signed.
fn text(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()))
}

/// A token without a signature, as nobody should accept.
pub(super) fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", encode(br#"{"typ":"JWT","alg":"none"}"#), encode(claims.to_string().as_bytes()))
}

fn kid(pair: &RsaKeyPair) -> String {
    encode(&aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, pair.public_key().as_ref()).as_ref()[..20])
}

pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
