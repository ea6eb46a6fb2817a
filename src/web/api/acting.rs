//! Changing incidents, alerts and devices at Microsoft. Each call answers 202 with the change; `GET /changes/{id}` tells what becomes of it.

use super::bearer::{Bearer, Body, Id};
use super::changes::Change;
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::app::acting::{self, Act, Refusal};
use crate::app::triage::{self, Wish};
use crate::model::action::Deed;
use crate::model::{AlertId, ChangeId, DeviceId, IncidentId, Role};
use crate::store::{self, Scoped, changes, devices};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(incident)).routes(routes!(alert)).routes(routes!(act)).routes(routes!(action))
}

/// What an incident or alert is to be. Absent members stay as they are. Words are Microsoft's.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Triage {
    /// Active (alerts: New), InProgress, Resolved
    status: Option<String>,
    /// Any name; an empty one takes the owner away.
    assigned_to: Option<String>,
    /// TruePositive, InformationalExpectedActivity, FalsePositive
    classification: Option<String>,
    determination: Option<String>,
    /// Incidents only: replaces the list.
    tags: Option<Vec<String>>,
    comment: Option<String>,
}

impl From<Triage> for Wish {
    fn from(of: Triage) -> Self {
        let Triage { status, assigned_to, classification, determination, tags, comment } = of;
        Self { status, assigned_to, classification, determination, tags, comment, ..Self::default() }
    }
}

/// The id of the change: the same for the same `Idempotency-Key` of the same user.
pub(super) fn id(user: &Bearer, headers: &HeaderMap) -> Result<ChangeId, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(acting::fresh()) };
    let key = key.to_str().ok().filter(|key| (1..=200).contains(&key.len()));
    key.map(|key| acting::change_of(&user.by(), key)).ok_or_else(|| Problem::BadRequest("Idempotency-Key is not readable.".to_owned()))
}

pub(super) fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NoTenant => Problem::NotFound,
        Refusal::NotRead => Problem::Conflict("This tenant is not read at the moment.".to_owned()),
        Refusal::TooMany(wait) => {
            Problem::TooMany("Five of these within ten minutes are the most one person may ask for. Nothing was sent.".to_owned(), wait)
        }
        Refusal::Reused => Problem::field("Idempotency-Key", "It stands for another request already. Nothing was sent. Take a new one."),
        Refusal::Changed(_) => Problem::Conflict("It has changed meanwhile. Nothing was sent.".to_owned()),
        Refusal::Wrong(field, why) => Problem::field(field, why),
        Refusal::Failed(error) => Problem::Internal(error),
    }
}

/// Commits and answers with the change; a refused action stays in the audit log.
pub(super) async fn accepted(
    mut tx: Scoped,
    outcome: Result<(), Refusal>,
    change: ChangeId,
) -> Result<(StatusCode, Json<Change>), Problem> {
    if let Err(refusal @ Refusal::TooMany(_)) = outcome {
        tx.commit().await?;
        return Err(refused(refusal));
    }
    outcome.map_err(refused)?;
    let found = changes::get(&mut tx, change).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(found.into())))
}

/// Changes an incident. Analysts and better. Takes `Idempotency-Key`.
#[utoipa::path(patch, path = "/incidents/{id}", tag = "queue", params(("id" = uuid::Uuid, Path, description = "Watchfloor's id")), request_body = Triage, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn incident(
    user: Bearer,
    State(state): State<AppState>,
    Id(incident): Id<IncidentId>,
    headers: HeaderMap,
    Body(asked): Body<Triage>,
) -> Result<(StatusCode, Json<Change>), Problem> {
    user.needs(Role::Analyst)?;
    let change = id(&user, &headers)?;
    let mut tx = user.begin().await?;
    let of = store::incidents::get(&mut tx, incident).await?.ok_or(Problem::NotFound)?;
    let outcome = triage::incident(&mut tx, &state, (&user.by(), &user), &of, change, &asked.into()).await;
    accepted(tx, outcome, change).await
}

/// Changes an alert of Defender for Endpoint. Analysts and better. Takes `Idempotency-Key`.
#[utoipa::path(patch, path = "/alerts/{id}", tag = "queue", params(("id" = uuid::Uuid, Path, description = "Watchfloor's id")), request_body = Triage, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn alert(
    user: Bearer,
    State(state): State<AppState>,
    Id(alert): Id<AlertId>,
    headers: HeaderMap,
    Body(asked): Body<Triage>,
) -> Result<(StatusCode, Json<Change>), Problem> {
    user.needs(Role::Analyst)?;
    let change = id(&user, &headers)?;
    let mut tx = user.begin().await?;
    let of = store::alerts::get(&mut tx, alert).await?.ok_or(Problem::NotFound)?;
    let outcome = triage::alert(&mut tx, &state, (&user.by(), &user), &of, change, &asked.into()).await;
    accepted(tx, outcome, change).await
}

/// Something to be done to a device.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Action {
    /// isolate, isolate_selective, release, scan_quick, scan_full, collect_package, restrict, lift_restriction, quarantine_file, live_response,
    /// investigate, offboard
    action: String,
    /// Why. Microsoft gets it with the caller's login.
    comment: String,
    /// Of `quarantine_file`.
    #[serde(default)]
    sha1: String,
    /// Of `live_response`: PutFile, RunScript or GetFile.
    #[serde(default)]
    command: String,
    /// Of `live_response`: the file, script or path.
    #[serde(default)]
    target: String,
    /// Of `live_response`: the script's arguments.
    #[serde(default)]
    arguments: String,
}

/// Does something to a device. Responders and better; at most five times within ten minutes each of what hurts the work at a device. Takes `Idempotency-Key`.
#[utoipa::path(post, path = "/devices/{id}/actions", tag = "devices", params(("id" = uuid::Uuid, Path, description = "The device")), request_body = Action, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn act(
    user: Bearer,
    State(state): State<AppState>,
    Id(device): Id<DeviceId>,
    headers: HeaderMap,
    Body(asked): Body<Action>,
) -> Result<(StatusCode, Json<Change>), Problem> {
    user.needs(Role::Responder)?;
    let change = id(&user, &headers)?;
    let deed: Deed = asked.action.parse().map_err(|_| Problem::field("action", "is not one of the known actions"))?;
    let mut tx = user.begin().await?;
    let of = devices::get(&mut tx, device).await?.ok_or(Problem::NotFound)?;
    let what = Act { comment: asked.comment, sha1: asked.sha1, command: asked.command, target: asked.target, arguments: asked.arguments };
    let outcome = acting::act(&mut tx, &state.queue, &user.by(), &of, change, (deed, &what)).await;
    accepted(tx, outcome, change).await
}

/// What became of an action: the same as `GET /changes/{id}`.
#[utoipa::path(get, path = "/actions/{id}", tag = "devices", params(("id" = uuid::Uuid, Path, description = "The change")), responses(
    (status = OK, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn action(user: Bearer, Id(change): Id<ChangeId>) -> Result<Json<Change>, Problem> {
    let mut tx = user.begin().await?;
    let found = changes::get(&mut tx, change).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(found.into()))
}
