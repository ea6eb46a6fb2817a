//! Data for a page: transactions that see what the reader may see.

use super::error::PageError;
use super::extract::User;
use crate::app::AppState;
use crate::auth::sessions;
use crate::model::Scope;
use crate::store::{Db, Scoped};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// The database as the signed-in user may see it.
#[derive(Clone, Debug)]
pub struct ScopedDb {
    db: Db,
    scope: Scope,
}

impl ScopedDb {
    /// A transaction over the user's tenants.
    pub async fn begin(&self) -> sqlx::Result<Scoped> {
        self.db.begin(&self.scope).await
    }

    /// Whether the session of this hash still lives and sees the same tenants.
    pub async fn is_open(&self, session: &[u8]) -> bool {
        sessions::is_open(&self.db, session, &self.scope).await
    }
}

impl FromRequestParts<AppState> for ScopedDb {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        let user = User::from_request_parts(parts, state).await?;
        Ok(Self { db: state.db.clone(), scope: user.scope.clone() })
    }
}
