//! Secrets that must be read back lie in the database sealed: XChaCha20-Poly1305 under a master key that is not in the database.
//!
//! A sealed text is `v1:key:nonce:text`, with the key's id and the rest as base64url. What is sealed is bound to its place, that is table, column,
//! row and tenant, and opens in no other. It lives beside the SQL, because only a store function knows the place of what it writes: a caller
//! hands over a clear secret and gets one back. Every sealed column stands in [`columns`].

pub mod columns;
pub mod keys;
pub mod rotation;

use crate::model::TenantId;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use columns::Column;
use keys::MasterKey;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use std::sync::Arc;

const VERSION: &str = "v1";
const NONCE: usize = 24;

/// The master keys of a process: the first seals, all of them open. Cheap to clone; the default has none. `Debug` shows ids only.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    keys: Arc<Vec<MasterKey>>,
}

/// Why something was not sealed or not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// A process or command that works without secrets came upon one.
    #[error("this process has no master key")]
    NoKey,
    #[error("the master key {0} is not at hand")]
    UnknownKey(String),
    /// It was changed, or belongs to another row, column or tenant.
    #[error("what is sealed in {0} does not open at its place")]
    Damaged(&'static str),
    #[error("a secret could not be sealed")]
    Failed,
}

impl From<VaultError> for sqlx::Error {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "the vault refused");
        Self::Decode(error.into())
    }
}

/// Where a secret lies.
#[derive(Clone, Debug)]
pub struct Place {
    column: &'static Column,
    row: String,
    tenant: Option<TenantId>,
}

impl Place {
    fn text(&self) -> String {
        let tenant = self.tenant.map_or_else(|| "-".to_owned(), |tenant| tenant.to_string());
        format!("{}|{}|{}|{tenant}", self.column.table, self.column.name, self.row)
    }
}

/// The id of the key under which something is sealed; `None` for what is not sealed.
pub fn kid(sealed: &str) -> Option<&str> {
    sealed.strip_prefix(VERSION)?.strip_prefix(':')?.split(':').next()
}

impl Vault {
    /// With these keys, the one that seals first. The caller has seen to it that no two have the same id ([`keys::read_all`]).
    pub fn new(keys: Vec<MasterKey>) -> Self {
        Self { keys: Arc::new(keys) }
    }

    /// Whether there is a key with this id.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == kid)
    }

    /// The id of the key that seals.
    pub fn first(&self) -> Option<&str> {
        self.keys.first().map(MasterKey::kid)
    }

    /// A key for one purpose and salt, derived from the master key of this id.
    pub fn derived(&self, kid: &str, purpose: &str, salt: &[u8]) -> Result<SecretBox<[u8; 32]>, VaultError> {
        let key = self.keys.iter().find(|key| key.kid() == kid).ok_or_else(|| VaultError::UnknownKey(kid.to_owned()))?;
        key.derived(purpose, salt)
    }

    /// Seals a secret for one place.
    pub fn seal(&self, place: &Place, secret: &str) -> Result<String, VaultError> {
        let key = self.keys.first().ok_or(VaultError::NoKey)?;
        let mut nonce = [0_u8; NONCE];
        rand::fill(&mut nonce).map_err(|_| VaultError::Failed)?;
        let (place, cipher) = (place.text(), XChaCha20Poly1305::new(key.bytes().into()));
        let payload = Payload { msg: secret.as_bytes(), aad: place.as_bytes() };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Failed)?;
        Ok(format!("{VERSION}:{}:{}:{}", key.kid(), URL_SAFE_NO_PAD.encode(nonce), URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens what was sealed for this place.
    pub fn open(&self, place: &Place, sealed: &str) -> Result<SecretString, VaultError> {
        let damaged = VaultError::Damaged(place.column.table);
        let [VERSION, kid, nonce, text] = sealed.split(':').collect::<Vec<_>>()[..] else { return Err(damaged) };
        if self.keys.is_empty() {
            return Err(VaultError::NoKey);
        }
        let key = self.keys.iter().find(|key| key.kid() == kid).ok_or_else(|| VaultError::UnknownKey(kid.to_owned()))?;
        let decoded = URL_SAFE_NO_PAD.decode(nonce).ok().and_then(|nonce| <[u8; NONCE]>::try_from(nonce).ok());
        let (Some(nonce), Ok(text)) = (decoded, URL_SAFE_NO_PAD.decode(text)) else { return Err(damaged) };
        let payload = (XNonce::from(nonce), place.text());
        let opened = XChaCha20Poly1305::new(key.bytes().into()).decrypt(&payload.0, Payload { msg: &text, aad: payload.1.as_bytes() });
        opened.ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(SecretString::from).ok_or(damaged)
    }

    /// Seals anew, with the first key, what was sealed with any.
    fn reseal(&self, place: &Place, sealed: &str) -> Result<String, VaultError> {
        self.seal(place, self.open(place, sealed)?.expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use super::columns::{CONSENT_NONCE, CONSENT_VERIFIER, TRIP_NONCE};
    use super::*;

    const SECRET: &str = "a clear secret";

    #[test]
    fn what_is_sealed_opens_at_its_own_place_and_at_no_other() {
        let (vault, tenant) = (Vault::new(vec![MasterKey::random().unwrap()]), TenantId::new());
        let place = CONSENT_NONCE.at("7", Some(tenant));
        let sealed = vault.seal(&place, SECRET).unwrap();
        assert_eq!(vault.open(&place, &sealed).unwrap().expose_secret(), SECRET);
        assert!(!sealed.contains(SECRET) && sealed != vault.seal(&place, SECRET).unwrap(), "another nonce each time");
        for elsewhere in [
            CONSENT_NONCE.at("8", Some(tenant)),
            CONSENT_NONCE.at("7", Some(TenantId::new())),
            CONSENT_NONCE.at("7", None),
            CONSENT_VERIFIER.at("7", Some(tenant)),
            TRIP_NONCE.at("7", Some(tenant)),
        ] {
            assert!(matches!(vault.open(&elsewhere, &sealed), Err(VaultError::Damaged(_))), "{elsewhere:?}");
        }
    }

    #[test]
    fn a_changed_text_and_one_of_another_form_do_not_open() {
        let (vault, place) = (Vault::new(vec![MasterKey::random().unwrap()]), TRIP_NONCE.at("7", None));
        let sealed = vault.seal(&place, SECRET).unwrap();
        let parts: Vec<&str> = sealed.split(':').collect();
        for (part, text) in parts.iter().enumerate().skip(2) {
            for (at, _) in text.char_indices() {
                let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
                let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
                changed[part].replace_range(at..=at, other);
                let changed = changed.join(":");
                assert!(matches!(vault.open(&place, &changed), Err(VaultError::Damaged(_))), "{changed}");
            }
        }
        let bad =
            ["", SECRET, "v1", "v1:::", "v1::::", &sealed[..sealed.len() - 4], &format!("{sealed}:"), &sealed.replacen("v1", "v2", 1)];
        for bad in bad {
            assert!(vault.open(&place, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_key_seals_each_opens_and_an_unknown_one_is_named() {
        let ([old, new], place) = ([MasterKey::random().unwrap(), MasterKey::random().unwrap()], TRIP_NONCE.at("7", None));
        let before = Vault::new(vec![old.clone()]);
        let (sealed, both) = (before.seal(&place, SECRET).unwrap(), Vault::new(vec![new.clone(), old.clone()]));
        assert_eq!(both.open(&place, &sealed).unwrap().expose_secret(), SECRET);
        let resealed = both.reseal(&place, &sealed).unwrap();
        assert_eq!((kid(&sealed), kid(&resealed)), (Some(old.kid()), Some(new.kid())));
        let after = Vault::new(vec![new]);
        assert_eq!(after.open(&place, &resealed).unwrap().expose_secret(), SECRET, "the old key is not needed any more");
        assert_eq!(after.open(&place, &sealed).unwrap_err(), VaultError::UnknownKey(old.kid().to_owned()));
        assert_eq!(Vault::default().open(&place, &sealed).unwrap_err(), VaultError::NoKey);
        assert_eq!(Vault::default().seal(&place, SECRET).unwrap_err(), VaultError::NoKey);
    }
}
