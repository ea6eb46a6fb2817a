//! Who works on an incident, said by whoever begins, and whether it waits for its customer: shown to everybody else.

use crate::app::AppState;
use crate::model::{IncidentId, UserId, clock};
use crate::store;
use crate::store::incidents::Incident;
use crate::store::leases::{self, Lease};
use crate::store::lists::OPEN;
use crate::store::waiting;
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Posted, User};
use crate::web::scope::ScopedDb;
use axum::Router;
use axum::response::Redirect;
use axum::routing::post;
use serde::Deserialize;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents/{id}/work", post(work))
}

/// The part of the page.
pub struct WorkPart {
    /// Where its forms go.
    pub path: String,
    pub lease: Option<Lease>,
    /// It is the reader who works on it.
    pub mine: bool,
    /// It is open, so that it may wait for its customer.
    pub may_wait: bool,
}

impl WorkPart {
    /// For a reader; `lease`: who works on it now.
    pub fn new(user: &User, incident: &Incident, lease: Option<Lease>) -> Self {
        let mine = lease.as_ref().is_some_and(|lease| lease.user_id == user.id);
        Self { path: format!("/incidents/{}/work", incident.incident_id), lease, mine, may_wait: OPEN.contains(&incident.status) }
    }
}

/// The form: what is wanted, and of whom the page said that they work on it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    act: Act,
    #[serde(default)]
    shown: Option<UserId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Take,
    End,
    /// It waits for the customer's answer, or waits no more.
    Wait,
    Answered,
}

async fn work(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<IncidentId>,
    Posted(_, Wish { act, shown }): Posted<Wish>,
) -> Result<Redirect, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let of = store::incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    match act {
        Act::End => leases::end(&mut tx, &user.by(), &of, now).await?,
        Act::Wait => waiting::begin(&mut tx, &user.by(), &of, now).await?,
        Act::Answered => waiting::end(&mut tx, &user.by(), &of).await?,
        Act::Take => {
            if !leases::take(&mut tx, (&user.by(), &user.name), &of, shown, now).await? {
                let name = leases::current(&mut tx, of.tenant_id, id, now).await?.map_or_else(|| "Somebody".to_owned(), |lease| lease.name);
                let text = format!("{name} has begun to work on this since you opened the page. Load it again: there you can take over.");
                return Err(PageError::Conflict(text.into()));
            }
        }
    }
    tx.commit().await?;
    Ok(Redirect::to(&format!("/incidents/{id}")))
}
