//! How an app proves itself to Entra: a secret, better a certificate, or a token of somebody Entra trusts.
//!
//! Forms: Microsoft's pages "Microsoft identity platform application authentication certificate credentials" and "Workload identity
//! federation".

mod certificate;
mod files;
mod keeper;
mod status;
mod vault;

pub(super) use keeper::{Keepers, Offer};
pub(super) use status::is_of_one_credential;
pub use status::{CredentialStatus, Verdict};
pub(super) use vault::Vaults;

use super::CallError;
use certificate::Certificate;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use url::Url;
use uuid::Uuid;

/// An app's credential. It never shows itself, and its memory is wiped when dropped.
pub(super) enum Credential {
    Secret(SecretString),
    Certificate(Box<Certificate>),
    /// A token of somebody the app registration trusts, sent as it is.
    Token(SecretString),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(hidden)",
            Self::Certificate(_) => "Certificate(hidden)",
            Self::Token(_) => "Token(hidden)",
        })
    }
}

impl Credential {
    /// Whether both are the same token.
    fn is_same_token(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Token(one), Self::Token(two)) if one.expose_secret() == two.expose_secret())
    }

    /// The form fields that go with a request to this token endpoint. An assertion of ours is good for this endpoint alone, once, for 5
    /// minutes.
    pub(super) fn proof(
        &self,
        client_id: Uuid,
        token_url: &Url,
        now: DateTime<Utc>,
    ) -> Result<Vec<(&'static str, SecretString)>, CallError> {
        let assertion = match self {
            Self::Secret(secret) => return Ok(vec![("client_secret", secret.clone())]),
            Self::Certificate(certificate) => certificate.assertion(client_id, token_url, now)?,
            Self::Token(token) => token.clone(),
        };
        Ok(vec![
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into()),
            ("client_assertion", assertion),
        ])
    }
}

/// A credential in memory.
pub(super) struct Loaded {
    /// Tells it from what stood in the same place before.
    pub(super) id: Uuid,
    pub(super) credential: Credential,
    /// Since when it is: of several the newest is used.
    made_at: DateTime<Utc>,
    /// `None`: not known, or renewed by somebody else all the time.
    ends_at: Option<DateTime<Utc>>,
    stamp: Stamp,
}

/// What shows that a credential has changed, without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    /// Time of change, size and number of each file.
    Files(Vec<(std::time::SystemTime, u64, u64)>),
    /// Key Vault's version.
    Version(String),
    /// A token of a managed identity is asked for again then.
    Until(DateTime<Utc>),
}

impl Loaded {
    fn new(credential: Credential, made_at: DateTime<Utc>, stamp: Stamp) -> Self {
        let ends_at = match &credential {
            Credential::Certificate(certificate) => Some(certificate.not_after),
            Credential::Secret(_) | Credential::Token(_) => None,
        };
        let made_at = match &credential {
            Credential::Certificate(certificate) => certificate.not_before,
            Credential::Secret(_) | Credential::Token(_) => made_at,
        };
        Self { id: Uuid::new_v4(), credential, made_at, ends_at, stamp }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.credential.fmt(f)
    }
}
