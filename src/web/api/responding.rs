//! Changing devices and many alerts at once, alerts from events, and what came of an action: the rest of what answers with a change.

use super::acting::{Triage, accepted, id};
use super::bearer::{Bearer, Body, Id};
use super::changes::Change;
use super::problem::{Problem, ProblemBody};
use crate::app::acting;
use crate::app::triage::{self, Event};
use crate::app::{AppState, collected};
use crate::model::{AlertId, ChangeId, DeviceId, Role, TenantId};
use crate::store::changes::New;
use crate::store::{self, Scoped, changes, devices};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

type Answer = Result<(StatusCode, Json<Change>), Problem>;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(label)).routes(routes!(batch)).routes(routes!(create)).routes(routes!(cancel)).routes(routes!(link))
}

/// Exactly one member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Label {
    add_tag: Option<String>,
    remove_tag: Option<String>,
    /// Normal, Low, High
    value: Option<String>,
}

/// Adds or removes a device's tag, or sets its value. Analysts and better. Takes `Idempotency-Key`.
#[utoipa::path(patch, path = "/devices/{id}", tag = "devices", params(("id" = uuid::Uuid, Path, description = "Watchfloor's id")), request_body = Label, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn label(
    user: Bearer,
    State(state): State<AppState>,
    Id(device): Id<DeviceId>,
    headers: HeaderMap,
    Body(new): Body<Label>,
) -> Answer {
    user.needs(Role::Analyst)?;
    let change = id(&user, &headers)?;
    let mut tx = user.begin().await?;
    let of = devices::get(&mut tx, device).await?.ok_or(Problem::NotFound)?;
    let (operation, request) = match (new.add_tag, new.remove_tag, new.value) {
        (Some(tag), None, None) => ("endpoint.machines.tags", json!({ "Value": short("add_tag", &tag)?, "Action": "Add" })),
        (None, Some(tag), None) => ("endpoint.machines.tags", json!({ "Value": short("remove_tag", &tag)?, "Action": "Remove" })),
        (None, None, Some(value)) => ("endpoint.machines.update", json!({ "deviceValue": short("value", &value)? })),
        _ => return Err(Problem::field("value", "Say exactly one of add_tag, remove_tag and value.")),
    };
    let args = [of.external_id.as_str()];
    let wanted = New { operation, args: &args, subject: &of.name, request: Some(request), comment: None };
    let outcome = acting::want(&mut tx, &state.queue, &user.by(), of.tenant_id, change, &wanted).await;
    accepted(tx, outcome, change).await
}

fn short<'a>(field: &'static str, text: &'a str) -> Result<&'a str, Problem> {
    Some(text.trim())
        .filter(|text| !text.is_empty() && text.chars().count() <= 200)
        .ok_or_else(|| Problem::field(field, "1 to 200 characters."))
}

/// What several alerts are to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Batch {
    /// Watchfloor's ids of alerts of Defender for Endpoint; at most 100.
    alerts: Vec<uuid::Uuid>,
    change: Triage,
}

/// Changes several alerts of one tenant in one call to Microsoft. Analysts and better. Takes `Idempotency-Key`. Microsoft Graph has no such
/// call: where a tenant is changed through it, each alert becomes changes of its own, and the answer is the first of them.
#[utoipa::path(post, path = "/tenants/{id}/alerts/batch", tag = "queue", params(("id" = uuid::Uuid, Path, description = "The tenant")), request_body = Batch, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn batch(
    user: Bearer,
    State(state): State<AppState>,
    Id(tenant): Id<TenantId>,
    headers: HeaderMap,
    Body(new): Body<Batch>,
) -> Answer {
    user.needs(Role::Analyst)?;
    let change = id(&user, &headers)?;
    let mut tx = user.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    if !(1..=100).contains(&new.alerts.len()) {
        return Err(Problem::field("alerts", "1 to 100 alerts."));
    }
    let ids: BTreeSet<AlertId> = new.alerts.into_iter().map(AlertId).collect();
    let of = store::alerts::these(&mut tx, &ids.iter().copied().collect::<Vec<_>>()).await?;
    if of.len() < ids.len() || of.iter().any(|alert| alert.tenant_id != tenant) {
        return Err(Problem::NotFound);
    }
    if of.iter().any(|alert| alert.product != "defender_endpoint") {
        return Err(Problem::field("alerts", "Alerts of this product cannot be changed together."));
    }
    let outcome = triage::alerts(&mut tx, &state, (&user.by(), &user), (tenant, &of), change, &new.change.into()).await;
    accepted(tx, outcome, change).await
}

/// An event that is to become an alert, as a hunting result names it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAlert {
    /// Microsoft's id of the device.
    machine: String,
    event_time: String,
    report_id: String,
    title: String,
    /// Low, Medium, High
    severity: String,
    category: String,
    description: String,
    recommended_action: String,
}

/// Makes an alert from an event on a device. Analysts and better. Takes `Idempotency-Key`.
#[utoipa::path(post, path = "/tenants/{id}/alerts", tag = "queue", params(("id" = uuid::Uuid, Path, description = "The tenant")), request_body = NewAlert, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create(
    user: Bearer,
    State(state): State<AppState>,
    Id(tenant): Id<TenantId>,
    headers: HeaderMap,
    Body(new): Body<NewAlert>,
) -> Answer {
    user.needs(Role::Analyst)?;
    let change = id(&user, &headers)?;
    let mut tx = user.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    let event = Event {
        machine: &new.machine,
        event_time: &new.event_time,
        report_id: &new.report_id,
        title: &new.title,
        severity: &new.severity,
        category: &new.category,
        description: &new.description,
        recommended_action: &new.recommended_action,
    };
    let outcome = triage::create(&mut tx, &state.queue, &user.by(), tenant, change, &event).await;
    accepted(tx, outcome, change).await
}

/// An action of the caller's scope.
async fn action(tx: &mut Scoped, change: ChangeId) -> Result<changes::Change, Problem> {
    changes::get(tx, change).await?.filter(|found| found.operation.starts_with("endpoint.act.")).ok_or(Problem::NotFound)
}

/// Cancels an action that runs. Responders and better. Takes `Idempotency-Key`.
#[utoipa::path(post, path = "/actions/{id}/cancel", tag = "devices", params(("id" = uuid::Uuid, Path, description = "The action's change")), responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn cancel(user: Bearer, State(state): State<AppState>, Id(of): Id<ChangeId>, headers: HeaderMap) -> Answer {
    user.needs(Role::Responder)?;
    let change = id(&user, &headers)?;
    let mut tx = user.begin().await?;
    let of = action(&mut tx, of).await?;
    let outcome = acting::cancel(&mut tx, &state.queue, &user.by(), &of, change, "").await;
    accepted(tx, outcome, change).await
}

/// Which result.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Of a live response: the number of its command, from 0. Absent: the package.
    index: Option<u32>,
}

/// Microsoft's link, which soon ends. It is stored nowhere.
#[derive(Serialize, ToSchema)]
struct Link {
    url: String,
}

/// Asks Microsoft for the link to a collected package or to the result of a live response. Responders and better.
#[utoipa::path(post, path = "/actions/{id}/link", tag = "devices", params(("id" = uuid::Uuid, Path, description = "The action's change")), request_body = Which, responses(
    (status = OK, body = Link),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn link(user: Bearer, State(state): State<AppState>, Id(of): Id<ChangeId>, Body(which): Body<Which>) -> Result<Json<Link>, Problem> {
    user.needs(Role::Responder)?;
    let mut tx = user.begin().await?;
    let of = action(&mut tx, of).await?;
    tx.commit().await?;
    match collected::link(&state.db, &state.microsoft, &user.by(), &of, which.index).await? {
        Ok(url) => Ok(Json(Link { url: url.into() })),
        Err(error) => Err(Problem::Conflict(collected::why(&error))),
    }
}
