//! One device: what is known of it, what was and can be done to it, and questions to Microsoft about it.

use super::acting::{refused, settle};
use super::changes::Line;
use super::error::PageError;
use super::extract::{Analyst, Id, Posted, Query, Responder, User};
use super::filters;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::{When, cut};
use super::told::Told;
use crate::app::acting::{self, Act, Refusal};
use crate::app::{AppState, questions};
use crate::model::action::Deed;
use crate::model::{ChangeId, DeviceId, clock};
use crate::store;
use crate::store::alerts::Alert;
use crate::store::changes::{self, New};
use crate::store::devices::{self, Device};
use crate::store::lists::{self, Key, Order};
use crate::store::lookups::{self, Lookup};
use crate::sync::engine::Queue;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/devices/{device}", get(show))
        .route("/devices/{device}/ask", post(ask))
        .route("/devices/{device}/label", post(label))
        .route("/devices/{device}/act", get(confirm).post(act))
}

/// Questions a device's page offers: name, operation, label.
const QUESTIONS: [(&str, &str, &str); 4] = [
    ("users", "endpoint.machines.users", "Who signed in"),
    ("alerts", "endpoint.machines.alerts", "Alerts at Microsoft"),
    ("count", "endpoint.machines.alert_count", "Number of alerts at Microsoft"),
    ("actions", "endpoint.actions.list", "Actions at Microsoft"),
];

/// Records of an answer that are shown.
const LINES: usize = 50;

/// A question with its latest answer.
struct Answered {
    name: &'static str,
    label: &'static str,
    told: Option<Told>,
    /// One line a record.
    lines: Vec<String>,
    /// That there may be more than is listed.
    cut: Option<String>,
}

impl Answered {
    fn new(name: &'static str, label: &'static str, lookup: Option<Lookup>, now: DateTime<Utc>) -> Self {
        let answer: Option<Value> = lookup.as_ref().and_then(|lookup| serde_json::from_str(lookup.answer.as_deref()?).ok());
        let cut = answer.as_ref().and_then(|answer| cut(answer["value"].as_array()?.len(), LINES));
        let lines = answer.and_then(|answer| lines(name, &answer));
        let told = lookup.map(|lookup| Told::of(&lookup, now, lines.is_some()));
        Self { name, label, told, lines: lines.unwrap_or_default(), cut }
    }
}

/// The records of an answer, each in one line; what is missing is left out. `None`: it is no such answer.
fn lines(name: &str, answer: &Value) -> Option<Vec<String>> {
    let members: &[&str] = match name {
        "users" => &["id", "logonTypes", "lastSeen"],
        "alerts" => &["severity", "title", "status", "alertCreationTime"],
        "actions" => &["type", "scope", "status", "requestor", "requestorComment", "creationDateTimeUtc"],
        _ => return answer.is_number().then(|| vec![answer.to_string()]),
    };
    let line = |record: &Value| members.iter().filter_map(|member| record[*member].as_str()).collect::<Vec<_>>().join(" · ");
    Some(answer["value"].as_array()?.iter().take(LINES).map(line).collect())
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    user: User,
    device: Device,
    alerts: Vec<Alert>,
    lines: Vec<Line>,
    questions: Vec<Answered>,
    original: Option<String>,
    now: DateTime<Utc>,
}

impl DevicePage {
    /// Each form has one of its own.
    fn fresh() -> ChangeId {
        acting::fresh()
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn at(&self, action: &str) -> String {
        format!("/devices/{}/{action}", self.device.device_id)
    }
}

async fn show(user: User, db: ScopedDb, Id(id): Id<DeviceId>) -> Result<Page<DevicePage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let device = devices::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let tenant = device.tenant_id;
    let filter = lists::Filter { tenants: Some(vec![tenant]), text: Some(format!("device:{}", device.name)), ..lists::Filter::default() };
    let alerts = store::alerts::list(&mut tx, &filter, &Order::by(Key::Updated), None, 20).await?.rows;
    let changed = changes::recent(&mut tx, tenant, Some(&device.external_id), 20).await?;
    let mut questions = Vec::new();
    for (name, operation, label) in QUESTIONS {
        let latest = lookups::latest(&mut tx, tenant, operation, Some(&device.external_id)).await?;
        questions.push(Answered::new(name, label, latest, now));
    }
    let original = devices::original(&mut tx, tenant, id).await?;
    tx.commit().await?;
    let original = original.and_then(|text| serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).ok()?).ok());
    let lines = changed.into_iter().map(|change| Line::new(change, now)).collect();
    Ok(Page(DevicePage { user, device, alerts, lines, questions, original, now }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct What {
    what: String,
}

async fn ask(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<DeviceId>,
    Posted(_, What { what }): Posted<What>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let device = devices::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    tx.commit().await?;
    let (_, operation, _) = QUESTIONS.into_iter().find(|(name, ..)| *name == what).ok_or(PageError::NotFound)?;
    let filter = format!("machineId eq '{}'", device.external_id.replace('\'', "''"));
    let top = LINES.to_string();
    let query = if operation == "endpoint.actions.list" { vec![("$filter", filter.as_str()), ("$top", top.as_str())] } else { Vec::new() };
    let args = [device.external_id.as_str()];
    let new = lookups::New { operation, args: &args, query: &query, request: None };
    questions::ask(&state.db, &state.queue, &user.scope, &user.by(), device.tenant_id, &new).await.map_err(refused)?;
    Ok(Redirect::to(&format!("/devices/{id}#ask-{what}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelForm {
    change: ChangeId,
    #[serde(default)]
    add: Option<String>,
    #[serde(default)]
    remove: Option<String>,
    #[serde(default)]
    value: Option<String>,
}

/// A tag or the value of a device.
async fn label(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<DeviceId>,
    Posted(_, form): Posted<LabelForm>,
) -> Result<Redirect, PageError> {
    let given = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let (operation, text, request) = match (given(form.add), given(form.remove), given(form.value)) {
        (Some(tag), None, None) => ("endpoint.machines.tags", tag.clone(), json!({ "Value": tag, "Action": "Add" })),
        (None, Some(tag), None) => ("endpoint.machines.tags", tag.clone(), json!({ "Value": tag, "Action": "Remove" })),
        (None, None, Some(value)) => ("endpoint.machines.update", value.clone(), json!({ "deviceValue": value })),
        _ => return Err(PageError::BadRequest("Say one thing: a tag to add, a tag to remove, or a value. Nothing was sent.".into())),
    };
    if text.chars().count() > 200 {
        return Err(PageError::BadRequest("A tag has at most 200 characters. Nothing was sent.".into()));
    }
    let mut tx = db.begin().await?;
    let device = devices::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let args = [device.external_id.as_str()];
    let new = New { operation, args: &args, subject: &device.name, request: Some(request), comment: None };
    acting::want(&mut tx, &queue, &user.by(), device.tenant_id, form.change, &new).await.map_err(refused)?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/devices/{id}")))
}

#[derive(Template)]
#[template(path = "device_act.html")]
struct ConfirmPage {
    user: User,
    device: Device,
    deed: Deed,
    change: ChangeId,
    /// What was sent, if it comes back.
    act: Act,
    problem: Option<&'static str>,
}

impl ConfirmPage {
    fn action(&self) -> String {
        format!("/devices/{}/act", self.device.device_id)
    }
}

#[derive(Deserialize)]
struct Which {
    deed: Deed,
}

async fn confirm(
    Responder(user): Responder,
    db: ScopedDb,
    Id(id): Id<DeviceId>,
    Query(Which { deed }): Query<Which>,
) -> Result<Page<ConfirmPage>, PageError> {
    let mut tx = db.begin().await?;
    let device = devices::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    tx.commit().await?;
    Ok(Page(ConfirmPage { user, device, deed, change: acting::fresh(), act: Act::default(), problem: None }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActForm {
    change: ChangeId,
    deed: Deed,
    comment: String,
    #[serde(default)]
    sha1: String,
    #[serde(default)]
    command: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    arguments: String,
}

async fn act(
    State(queue): State<Queue>,
    Responder(user): Responder,
    db: ScopedDb,
    Id(id): Id<DeviceId>,
    Posted(_, form): Posted<ActForm>,
) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let device = devices::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let what = Act { comment: form.comment, sha1: form.sha1, command: form.command, target: form.target, arguments: form.arguments };
    let outcome = acting::act(&mut tx, &queue, &user.by(), &device, form.change, (form.deed, &what)).await;
    if let Err(Refusal::Wrong(_, why)) = outcome {
        let page = ConfirmPage { user, device, deed: form.deed, change: form.change, act: what, problem: Some(why) };
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response());
    }
    settle(tx, outcome).await?;
    Ok(Redirect::to(&format!("/devices/{id}#changes")).into_response())
}
