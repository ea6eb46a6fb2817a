//! What can be done with changes from a page, and what a refusal to make one is there.

use super::error::PageError;
use super::extract::{Id, Posted, Responder};
use super::scope::ScopedDb;
use super::show::left;
use crate::app::AppState;
use crate::app::acting::{self, Refusal};
use crate::app::collected;
use crate::model::{ChangeId, ChangeState, TenantId};
use crate::store::Scoped;
use crate::store::changes::{self, Change};
use crate::sync::engine::Queue;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde::Deserialize;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/tenants/{tenant}/changes/{change}/again", post(again))
        .route("/tenants/{tenant}/changes/{change}/cancel", post(cancel))
        .route("/tenants/{tenant}/changes/{change}/collected", post(collect))
}

/// What a refusal is on a page.
pub fn refused(refusal: Refusal) -> PageError {
    match refusal {
        Refusal::NoTenant => PageError::NotFound,
        Refusal::NotRead => PageError::Conflict("This tenant is not read at the moment. Nothing was sent.".into()),
        Refusal::TooMany(wait) => {
            let text =
                "You have done this to five devices within ten minutes, the most one person may. Nothing was sent. It is possible again in";
            PageError::TooMany(format!("{text} {}; until then ask a colleague.", left(wait)).into(), wait)
        }
        Refusal::Reused => PageError::Conflict(
            "This form has been sent already, with something else in it. See what became of that, load the page again and begin anew."
                .into(),
        ),
        Refusal::Changed(_) => PageError::Conflict("It has changed meanwhile. Nothing was sent. Load the page again and look.".into()),
        Refusal::Wrong(_, why) => PageError::BadRequest(why.into()),
        Refusal::Failed(error) => PageError::Internal(error),
    }
}

/// A change of a tenant of the reader's.
async fn find(tx: &mut Scoped, tenant: TenantId, change: ChangeId) -> Result<Change, PageError> {
    changes::get(tx, change).await?.filter(|found| found.tenant_id == tenant).ok_or(PageError::NotFound)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChange {
    change: ChangeId,
}

async fn again(
    State(queue): State<Queue>,
    Responder(user): Responder,
    db: ScopedDb,
    Id((tenant, change)): Id<(TenantId, ChangeId)>,
    Posted(_, form): Posted<NewChange>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let of = find(&mut tx, tenant, change).await?;
    if !matches!(of.state, ChangeState::Lost | ChangeState::Failed) {
        return Err(PageError::Conflict("Only what was not carried out can be asked for again.".into()));
    }
    let outcome = acting::again(&mut tx, &queue, &user.by(), &of, form.change).await;
    settle(tx, outcome).await?;
    Ok(Redirect::to(&format!("/tenants/{tenant}/changes")))
}

/// Commits; a refused action stays in the audit log.
pub async fn settle(tx: Scoped, outcome: Result<(), Refusal>) -> Result<(), PageError> {
    match outcome {
        Ok(()) | Err(Refusal::TooMany(_)) => tx.commit().await?,
        Err(_) => drop(tx),
    }
    outcome.map_err(refused)
}

async fn cancel(
    State(queue): State<Queue>,
    Responder(user): Responder,
    db: ScopedDb,
    Id((tenant, change)): Id<(TenantId, ChangeId)>,
    Posted(_, form): Posted<NewChange>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let of = find(&mut tx, tenant, change).await?;
    let outcome = acting::cancel(&mut tx, &queue, &user.by(), &of, form.change, "").await;
    settle(tx, outcome).await?;
    Ok(Redirect::to(&format!("/tenants/{tenant}/changes")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Of a live response: which command.
    #[serde(default)]
    index: Option<u32>,
}

/// Sends the browser to Microsoft's storage; the link stands nowhere else.
async fn collect(
    State(state): State<AppState>,
    Responder(user): Responder,
    db: ScopedDb,
    Id((tenant, change)): Id<(TenantId, ChangeId)>,
    Posted(_, form): Posted<Which>,
) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let of = find(&mut tx, tenant, change).await?;
    tx.commit().await?;
    match collected::link(&state.db, &state.microsoft, &user.by(), &of, form.index).await? {
        Ok(url) => Ok(Redirect::to(url.as_str()).into_response()),
        Err(error) => Err(PageError::Conflict(collected::why(&error).into())),
    }
}
