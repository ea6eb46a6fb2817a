//! `/tenants/{id}/lookups` and `/lookups/{id}`: questions to Microsoft that only read, and their answers.

use super::acting::refused;
use super::bearer::{Bearer, Body, Id};
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::app::questions;
use crate::model::{LookupId, LookupState, Role, TenantId};
use crate::store::lookups::{self, New};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(ask)).routes(routes!(get))
}

/// What to ask Microsoft about a tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The name of an operation that only reads, such as `cloud_apps.activities.list`.
    operation: String,
    /// Microsoft's ids, for the places in the operation's path.
    #[serde(default)]
    args: Vec<String>,
    /// Parameters of the address.
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// The body, where the operation takes one.
    #[serde(default)]
    body: Option<serde_json::Value>,
}

/// A question and, once there is one, its answer.
#[derive(Serialize, ToSchema)]
struct Lookup {
    id: uuid::Uuid,
    tenant_id: uuid::Uuid,
    operation: String,
    args: Vec<String>,
    /// asked, answered, failed
    state: String,
    /// Why it failed.
    reason: Option<String>,
    /// What Microsoft said: its JSON, or a text where it is none.
    answer: Option<serde_json::Value>,
    asked_at: DateTime<Utc>,
    answered_at: Option<DateTime<Utc>>,
}

impl From<lookups::Lookup> for Lookup {
    fn from(of: lookups::Lookup) -> Self {
        let answer = of.answer.map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)));
        Self {
            id: of.lookup_id.0,
            tenant_id: of.tenant_id.0,
            operation: of.operation,
            args: of.args,
            state: of.state.to_string(),
            reason: of.reason,
            answer,
            asked_at: of.asked_at,
            answered_at: of.answered_at,
        }
    }
}

/// Asks Microsoft about a tenant. Waits a few seconds for the answer: 200 with it, or 202, and then `GET /lookups/{id}` tells. Analysts and
/// better.
#[utoipa::path(post, path = "/tenants/{id}/lookups", tag = "lookups", params(("id" = uuid::Uuid, Path, description = "The tenant")), request_body = Question, responses(
    (status = OK, body = Lookup),
    (status = ACCEPTED, body = Lookup),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn ask(
    user: Bearer,
    State(state): State<AppState>,
    Id(tenant): Id<TenantId>,
    Body(question): Body<Question>,
) -> Result<(StatusCode, Json<Lookup>), Problem> {
    user.needs(Role::Analyst)?;
    let args: Vec<&str> = question.args.iter().map(String::as_str).collect();
    let query: Vec<(&str, &str)> = question.query.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let new = New { operation: &question.operation, args: &args, query: &query, request: question.body };
    let asked = questions::ask(&state.db, &state.queue, &user.scope, &user.by(), tenant, &new).await.map_err(refused)?;
    let status = if asked.state == LookupState::Asked { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(asked.into())))
}

/// A question and its answer. Answers are kept for a week.
#[utoipa::path(get, path = "/lookups/{id}", tag = "lookups", params(("id" = uuid::Uuid, Path, description = "The question")), responses(
    (status = OK, body = Lookup),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get(user: Bearer, Id(lookup): Id<LookupId>) -> Result<Json<Lookup>, Problem> {
    let mut tx = user.begin().await?;
    let found = lookups::get(&mut tx, lookup).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(found.into()))
}
