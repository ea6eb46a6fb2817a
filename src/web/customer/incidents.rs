//! The incidents that are shared with the customer, and what they are told of each. The list is walked under row-level security: there is nothing
//! to search for here.

use super::Customer;
use crate::app::AppState;
use crate::app::acting::Refusal;
use crate::app::notes::{self, LONGEST, Written};
use crate::model::{IncidentId, NoteId, Product, clock};
use crate::store::shares::{self, Shared, SharedAlert};
use crate::store::{incidents, notes as kept};
use crate::web::acting::refused;
use crate::web::error::PageError;
use crate::web::extract::{Id, Posted, Query};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::show::When;
use askama::Template;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;

const ROWS: i64 = 50;
/// So many notes are shown, the latest.
const NOTES: i64 = 200;
/// A character is at most four bytes, each written with three.
const BODY: usize = LONGEST * 12 + 4096;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/customer/incidents", get(list))
        .route("/customer/incidents/{id}", get(detail))
        .route("/customer/incidents/{id}/notes", post(answer).layer(DefaultBodyLimit::max(BODY)))
}

#[derive(Template)]
#[template(path = "customer/incidents.html")]
struct IncidentList {
    customer: Customer,
    incidents: Vec<Shared>,
    next: Option<IncidentId>,
    first: bool,
    now: DateTime<Utc>,
}

impl IncidentList {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }
}

#[derive(Deserialize)]
struct Place {
    after: Option<IncidentId>,
}

async fn list(customer: Customer, Query(Place { after }): Query<Place>) -> Result<Page<impl Template>, PageError> {
    let mut tx = customer.begin().await?;
    let mut rows = shares::list(&mut tx, customer.tenant, after, ROWS + 1).await?;
    tx.commit().await?;
    let more = i64::try_from(rows.len()).is_ok_and(|rows| rows > ROWS);
    if more {
        rows.pop();
    }
    let next = rows.last().filter(|_| more).map(|last| last.incident_id);
    Ok(Page(IncidentList { customer, incidents: rows, next, first: after.is_none(), now: clock::now() }))
}

#[derive(Template)]
#[template(path = "customer/incident.html")]
struct IncidentPage {
    customer: Customer,
    incident: Shared,
    alerts: Vec<SharedAlert>,
    notes: Vec<kept::Shared>,
    /// Where the form goes, and the id of the note that it would make.
    path: String,
    fresh: NoteId,
    text: String,
    problem: Option<&'static str>,
    now: DateTime<Utc>,
}

impl IncidentPage {
    fn product(alert: &SharedAlert) -> String {
        alert.product.parse::<Product>().map_or_else(|_| alert.product.clone(), |product| product.label().to_owned())
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }
}

async fn detail(customer: Customer, Id(id): Id<IncidentId>) -> Result<Page<impl Template>, PageError> {
    page(customer, id, String::new(), None).await
}

/// The page of a shared incident; `problem`: why an answer with this text was not taken.
async fn page(customer: Customer, id: IncidentId, text: String, problem: Option<&'static str>) -> Result<Page<IncidentPage>, PageError> {
    let mut tx = customer.begin().await?;
    let tenant = customer.tenant;
    let incident = shares::incident(&mut tx, tenant, id).await?.ok_or(PageError::NotFound)?;
    let alerts = shares::alerts(&mut tx, tenant, id).await?;
    let notes = kept::shared(&mut tx, tenant, id, NOTES).await?;
    tx.commit().await?;
    let path = format!("/customer/incidents/{id}/notes");
    Ok(Page(IncidentPage { customer, incident, alerts, notes, path, fresh: NoteId::new(), text, problem, now: clock::now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    note: NoteId,
    #[serde(default)]
    text: String,
}

async fn answer(customer: Customer, Id(id): Id<IncidentId>, Posted(_, sent): Posted<Sent, Customer>) -> Result<Response, PageError> {
    let mut tx = customer.begin().await?;
    shares::incident(&mut tx, customer.tenant, id).await?.ok_or(PageError::NotFound)?;
    let of = incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let written = Written { id: sent.note, text: &sent.text, shared: true };
    let (status, why) = match notes::add(&mut tx, (&customer.by(), &customer.name), &of, written, clock::now()).await {
        Ok(()) => {
            tx.commit().await?;
            return Ok(Redirect::to(&format!("/customer/incidents/{id}#note-{}", sent.note)).into_response());
        }
        Err(Refusal::Wrong(_, why)) => (StatusCode::UNPROCESSABLE_ENTITY, why),
        Err(Refusal::Reused) => {
            (StatusCode::CONFLICT, "You have sent this form before, with another text, which stands above. Send it again.")
        }
        Err(other) => return Err(refused(other)),
    };
    drop(tx);
    Ok((status, page(customer, id, sent.text, Some(why)).await?).into_response())
}
