//! Whether the customer sees an incident: said by staff, shown to staff.

use crate::app::AppState;
use crate::model::IncidentId;
use crate::store;
use crate::store::shares::{self, Share};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Posted, User};
use crate::web::scope::ScopedDb;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::post;
use serde::Deserialize;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents/{id}/share", post(share))
}

/// The part of the page.
pub struct SharePart {
    /// Where its form goes.
    pub path: String,
    pub share: Option<Share>,
    /// For who may share it. Where customers do not sign in, nothing is offered.
    pub can_change: bool,
}

impl SharePart {
    /// For a reader.
    pub fn new(user: &User, incident: IncidentId, share: Option<Share>) -> Self {
        let can_change = user.is_analyst() && (user.customers_sign_in || share.is_some());
        Self { path: format!("/incidents/{incident}/share"), share, can_change }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    shared: bool,
}

async fn share(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<IncidentId>,
    Posted(_, Wish { shared }): Posted<Wish>,
) -> Result<Redirect, PageError> {
    if shared && state.config.login.customers.is_none() {
        return Err(PageError::Conflict("Customers do not sign in at this portal.".into()));
    }
    let mut tx = db.begin().await?;
    let of = store::incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    shares::set(&mut tx, (&user.by(), &user.name), &of, shared).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/incidents/{id}#share")))
}
