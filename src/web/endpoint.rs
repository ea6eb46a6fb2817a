//! Defender for Endpoint of one tenant: investigations and indicators as Microsoft lists them, and an alert made from an event.

use super::acting::refused;
use super::error::PageError;
use super::extract::{Analyst, Id, Nothing, Posted, Query, User};
use super::filters;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::cut;
use super::told::Told;
use crate::app::acting::Refusal;
use crate::app::triage::Event;
use crate::app::{AppState, questions, readings, triage};
use crate::model::{ChangeId, TenantId, clock};
use crate::store;
use crate::store::lookups::{self, Lookup, New};
use crate::store::tenants::Tenant;
use crate::sync::engine::Queue;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/tenants/{tenant}/endpoint", get(show))
        .route("/tenants/{tenant}/endpoint/ask", post(ask))
        .route("/tenants/{tenant}/endpoint/alert", get(event).post(create))
        .route("/tenants/{tenant}/endpoint/read", post(read))
}

/// Name, operation, heading, and the columns with the members they show.
type Question = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What can be asked.
const LISTS: [Question; 2] = [
    (
        "investigations",
        "endpoint.investigations.list",
        "Investigations",
        &[
            ("Id", "id"),
            ("Device", "computerDnsName"),
            ("State", "state"),
            ("Begun", "startTime"),
            ("Ended", "endTime"),
            ("Details", "statusDetails"),
        ],
    ),
    (
        "indicators",
        "endpoint.indicators.list",
        "Indicators",
        &[
            ("Indicator", "indicatorValue"),
            ("Kind", "indicatorType"),
            ("Action", "action"),
            ("Title", "title"),
            ("Severity", "severity"),
            ("Expires", "expirationTime"),
            ("By", "source"),
        ],
    ),
];

/// Records that are asked for and shown.
const ROWS: usize = 200;

/// A list with its latest answer.
struct Listed {
    name: &'static str,
    title: &'static str,
    heads: Vec<&'static str>,
    told: Option<Told>,
    rows: Vec<Vec<String>>,
    /// That there may be more than is listed.
    cut: Option<String>,
}

impl Listed {
    fn new(
        (name, title, members): (&'static str, &'static str, &[(&'static str, &str)]),
        lookup: Option<Lookup>,
        now: DateTime<Utc>,
    ) -> Self {
        let answer: Option<Value> = lookup.as_ref().and_then(|lookup| serde_json::from_str(lookup.answer.as_deref()?).ok());
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let row = |record: &Value| members.iter().map(|(_, member)| text(&record[*member])).collect();
        let records = answer.as_ref().and_then(|answer| answer["value"].as_array());
        let told = lookup.map(|lookup| Told::of(&lookup, now, records.is_some()));
        let cut = records.and_then(|records| cut(records.len(), ROWS));
        let rows = records.into_iter().flatten().take(ROWS).map(row).collect();
        Self { name, title, heads: members.iter().map(|(head, _)| *head).collect(), told, rows, cut }
    }
}

#[derive(Template)]
#[template(path = "tenants/endpoint.html")]
struct EndpointPage {
    user: User,
    tenant: Tenant,
    lists: Vec<Listed>,
}

impl EndpointPage {
    fn at(&self, action: &str) -> String {
        format!("/tenants/{}/endpoint/{action}", self.tenant.tenant_id)
    }
}

async fn show(user: User, db: ScopedDb, Id(tenant): Id<TenantId>) -> Result<Page<EndpointPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    let mut lists = Vec::new();
    for (name, operation, title, members) in LISTS {
        let latest = lookups::latest(&mut tx, tenant.tenant_id, operation, None).await?;
        lists.push(Listed::new((name, title, members), latest, now));
    }
    tx.commit().await?;
    Ok(Page(EndpointPage { user, tenant, lists }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct What {
    what: String,
}

async fn ask(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, What { what }): Posted<What>,
) -> Result<Redirect, PageError> {
    let (_, operation, ..) = LISTS.into_iter().find(|(name, ..)| *name == what).ok_or(PageError::NotFound)?;
    let top = ROWS.to_string();
    let new = New { operation, query: &[("$top", &top)], ..New::default() };
    questions::ask(&state.db, &state.queue, &user.scope, &user.by(), tenant, &new).await.map_err(refused)?;
    Ok(Redirect::to(&format!("/tenants/{tenant}/endpoint#{what}")))
}

/// Has the tenant's devices read now.
async fn read(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    readings::devices(&mut tx, &queue, &user.by(), tenant).await.map_err(refused)?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/devices?tenant={tenant}")))
}

#[derive(Template)]
#[template(path = "tenants/endpoint_alert.html")]
struct EventPage {
    user: User,
    tenant: Tenant,
    form: EventForm,
    problem: Option<&'static str>,
}

impl EventPage {
    fn action(&self) -> String {
        format!("/tenants/{}/endpoint/alert", self.tenant.tenant_id)
    }
}

/// What a hunting result or a device's page knows already.
#[derive(Default, Deserialize)]
struct Given {
    #[serde(default)]
    machine: String,
    #[serde(default)]
    event_time: String,
    #[serde(default)]
    report_id: String,
}

async fn event(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Query(given): Query<Given>,
) -> Result<Page<EventPage>, PageError> {
    let mut tx = db.begin().await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    tx.commit().await?;
    let Given { machine, event_time, report_id } = given;
    let form = EventForm { machine, event_time, report_id, severity: "Medium".to_owned(), ..EventForm::default() };
    Ok(Page(EventPage { user, tenant, form, problem: None }))
}

/// Its default has a new id.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventForm {
    change: ChangeId,
    machine: String,
    event_time: String,
    report_id: String,
    title: String,
    severity: String,
    category: String,
    description: String,
    recommended_action: String,
}

async fn create(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<EventForm>,
) -> Result<Response, PageError> {
    let event = Event {
        machine: &form.machine,
        event_time: &form.event_time,
        report_id: &form.report_id,
        title: &form.title,
        severity: &form.severity,
        category: &form.category,
        description: &form.description,
        recommended_action: &form.recommended_action,
    };
    let mut tx = db.begin().await?;
    let outcome = triage::create(&mut tx, &queue, &user.by(), tenant, form.change, &event).await;
    if let Err(Refusal::Wrong(_, why)) = outcome {
        let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(EventPage { user, tenant, form, problem: Some(why) })).into_response());
    }
    outcome.map_err(refused)?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/tenants/{tenant}/changes")).into_response())
}
