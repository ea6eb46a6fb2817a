//! Who calls the API, and what the calls take: tokens, ids, queries and bodies whose rejections are problems.

use super::problem::Problem;
use crate::app::AppState;
use crate::auth::{Person, api_tokens};
use crate::model::{Role, Scope, TenantId};
use crate::store::audit::{Actor, By};
use crate::store::{Db, Scoped};
use crate::web::extract::client_ip;
use crate::web::refusals::Caller;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::ops::Deref;

/// Somebody with a token. A cookie is no token: the API cannot be reached from another site's page.
#[derive(Clone, Debug)]
pub struct Bearer {
    person: Person,
    ip: Option<String>,
    db: Db,
}

impl Deref for Bearer {
    type Target = Person;
    fn deref(&self) -> &Person {
        &self.person
    }
}

impl Bearer {
    /// A transaction over the token's tenants.
    pub async fn begin(&self) -> sqlx::Result<Scoped> {
        self.db.begin(&self.person.scope).await
    }

    /// For audit rows.
    pub fn by(&self) -> By {
        By { actor: Actor::User(self.id, self.login.clone()), ip: self.ip.clone() }
    }

    /// Refuses whoever may not do what `role` may.
    pub fn needs(&self, role: Role) -> Result<(), Problem> {
        if self.role.allows(role) { Ok(()) } else { Err(Problem::Forbidden) }
    }

    /// The tenants of the scope; `None` where it is every tenant.
    pub fn tenants(&self) -> Option<Vec<TenantId>> {
        match &self.scope {
            Scope::All => None,
            Scope::Tenants(tenants) => Some(tenants.clone()),
        }
    }
}

impl FromRequestParts<AppState> for Bearer {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(Problem::Unauthorized)?;
        let (scheme, token) = header.split_once(' ').ok_or(Problem::Unauthorized)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::Unauthorized);
        }
        let ip = client_ip(parts, &state.config);
        let person = api_tokens::identify(&state.db, &token.trim().into(), ip.clone()).await?.ok_or(Problem::Unauthorized)?;
        let caller = Self { person, ip, db: state.db.clone() };
        Caller::note(parts, caller.by(), None);
        Ok(caller)
    }
}

/// An id from the path; anything else there is "not found".
pub struct Id<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = crate::web::extract::Id::from_request_parts(parts, state).await;
        id.map(|id| Self(id.0)).map_err(|_| Problem::NotFound)
    }
}

/// The query string; a parameter may stand several times.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum_extra::extract::Query::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|error| Problem::BadRequest(error.body_text()))
    }
}

/// A JSON body; unknown members are refused by the types that are read.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = axum::Json::from_request(request, state).await;
        body.map(|body| Self(body.0)).map_err(|error| Problem::BadRequest(error.body_text()))
    }
}
