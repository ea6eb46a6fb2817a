//! `/changes/{id}` and `/tenants/{id}/changes`: what was changed at Microsoft from here, and what became of it.

use super::bearer::{Bearer, Id, Query};
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::model::change::deed;
use crate::model::{ChangeId, TenantId};
use crate::store::{changes, tenants};
use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(list))
}

/// Something that was to be changed at Microsoft.
#[derive(Serialize, ToSchema)]
pub struct Change {
    pub id: uuid::Uuid,
    pub tenant_id: uuid::Uuid,
    /// The name of Microsoft's operation, such as `endpoint.act.isolate`.
    pub operation: String,
    /// The same for people.
    pub what: String,
    /// The device, incident or alert.
    pub subject: String,
    /// Microsoft's ids in the operation's path.
    pub args: Vec<String>,
    /// What is asked of Microsoft.
    pub request: Option<serde_json::Value>,
    pub comment: Option<String>,
    /// The login of whoever asked.
    pub actor: String,
    /// intended, sending, running, unknown, done, failed, cancelled, lost
    pub state: String,
    /// Why it did not go well, or is not known.
    pub reason: Option<String>,
    /// What happens next, for people.
    pub next: Option<String>,
    /// Microsoft's id of what it became.
    pub external_id: Option<String>,
    /// What Microsoft said of it last.
    pub answer: Option<serde_json::Value>,
    pub created_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl From<changes::Change> for Change {
    fn from(of: changes::Change) -> Self {
        Self {
            id: of.change_id.0,
            tenant_id: of.tenant_id.0,
            what: deed(&of.operation).to_owned(),
            operation: of.operation,
            subject: of.subject,
            args: of.args,
            request: of.request,
            comment: of.comment,
            actor: of.actor,
            state: of.state.to_string(),
            reason: of.reason,
            next: Some(of.state.next().to_owned()).filter(|next| !next.is_empty()),
            external_id: of.external_id,
            answer: of.answer,
            created_at: of.created_at,
            sent_at: of.sent_at,
            finished_at: of.finished_at,
        }
    }
}

/// One change.
#[utoipa::path(get, path = "/changes/{id}", tag = "changes", params(("id" = uuid::Uuid, Path, description = "The change")), responses(
    (status = OK, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get(user: Bearer, Id(change): Id<ChangeId>) -> Result<Json<Change>, Problem> {
    let mut tx = user.begin().await?;
    let found = changes::get(&mut tx, change).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(found.into()))
}

/// A page of changes.
#[derive(Serialize, ToSchema)]
struct Changes {
    data: Vec<Change>,
    /// Ask for the next page with it; null on the last page.
    next_cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChangesQuery {
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<uuid::Uuid>,
}

/// A tenant's changes, newest first.
#[utoipa::path(get, path = "/tenants/{id}/changes", tag = "changes", params(("id" = uuid::Uuid, Path, description = "The tenant"), ChangesQuery), responses(
    (status = OK, body = Changes),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer, Id(tenant): Id<TenantId>, Query(query): Query<ChangesQuery>) -> Result<Json<Changes>, Problem> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", "must be a number from 1 to 200"));
    }
    let mut tx = user.begin().await?;
    tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    let mut rows = changes::list(&mut tx, tenant, query.cursor.map(ChangeId), limit + 1).await?;
    tx.commit().await?;
    let more = i64::try_from(rows.len()).is_ok_and(|rows| rows > limit);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|last| last.change_id.to_string());
    Ok(Json(Changes { data: rows.into_iter().map(Change::from).collect(), next_cursor }))
}
