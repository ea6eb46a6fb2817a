//! Who is there: passwords, sign-in at Entra, sessions, one-time links, API tokens and form tokens.
//!
//! Secrets are 32 random bytes handed out once; the database keeps their SHA-256 only. Expiry is judged by the database's clock.

pub mod api_tokens;
pub mod customers;
pub mod entra;
pub mod form_tokens;
pub mod limits;
pub mod links;
pub mod passwords;
pub mod second;
pub mod secret;
pub mod sessions;
pub mod sign_in;
pub mod totp;
mod trips;

use crate::model::{Role, Scope, UserId};
use crate::store::sessions::Behind;
use crate::store::users::{Density, Identity, Theme};
use chrono::{DateTime, TimeDelta, Utc};
use passwords::HashError;

/// Why somebody was not let in, or an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// What was shown proves nothing: a login, a password or a link that is unknown, wrong, used up or locked; never said which.
    #[error("refused")]
    Refused,
    /// What was begun has ended, or there is nothing to go on with.
    #[error("nothing is under way")]
    Over,
    /// A sentence about the form for the person who filled it in.
    #[error("{0}")]
    Form(&'static str),
    /// Too many passwords are being checked.
    #[error("busy")]
    Busy,
    /// Too many attempts from one address, or in all; and how long until the next.
    #[error("too many attempts")]
    TooMany(TimeDelta),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl From<HashError> for AuthError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Other(cause) => Self::Other(cause),
        }
    }
}

impl From<sqlx::Error> for AuthError {
    fn from(error: sqlx::Error) -> Self {
        Self::Other(error.into())
    }
}

/// Somebody whose session or API token was accepted.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: UserId,
    pub login: String,
    pub name: String,
    pub role: Role,
    /// The tenants this person may see; offboarded tenants are in nobody's list of grants.
    pub scope: Scope,
    pub theme: Theme,
    pub density: Density,
    /// Whether single keys do things on pages.
    pub keys: bool,
    /// When this person said last that they have seen what had changed.
    pub looked_at: Option<DateTime<Utc>>,
    /// The administrator who looks at the portal as this person.
    pub behind: Option<Behind>,
}

impl From<Identity> for Person {
    fn from(row: Identity) -> Self {
        let scope = if row.all_tenants { Scope::All } else { Scope::Tenants(row.tenants) };
        let Identity { user_id: id, login, display_name: name, role, theme, density, keys, looked_at, behind, .. } = row;
        Self { id, login, name, role, scope, theme, density, keys, looked_at, behind }
    }
}
