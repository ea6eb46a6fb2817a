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

    /// The same for what goes on after its request: only while the session of this hash lives and sees the same tenants.
    pub async fn begin_for(&self, session: &[u8]) -> anyhow::Result<Scoped> {
        let open = sessions::is_open(&self.db, session, &self.scope).await;
        anyhow::ensure!(open, "the reader has signed out or sees other tenants now");
        Ok(self.begin().await?)
    }
}

impl FromRequestParts<AppState> for ScopedDb {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        let user = User::from_request_parts(parts, state).await?;
        Ok(Self { db: state.db.clone(), scope: user.scope.clone() })
    }
}
