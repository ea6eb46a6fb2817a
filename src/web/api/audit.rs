//! `/audit`: what was done and refused.

use super::bearer::{Bearer, Query};
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::model::{Role, TenantId};
use crate::store;
use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What of the log is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    tenant: Option<uuid::Uuid>,
    /// The beginning of an action: `consent.` or `tenant.create`.
    action: Option<String>,
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<i64>,
}

/// One thing done or refused.
#[derive(Serialize, ToSchema)]
struct Entry {
    id: i64,
    at: DateTime<Utc>,
    /// user, customer, system, operator, stranger
    actor_kind: String,
    actor: String,
    ip: Option<String>,
    tenant: Option<uuid::Uuid>,
    action: String,
    object: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
    /// ok, refused, failed
    result: String,
    /// The number of the request that did it: its answer bore it as `x-request-id`.
    request: Option<String>,
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
struct AuditList {
    data: Vec<Entry>,
    next_cursor: Option<String>,
}

/// The audit log, newest first. Administrators only.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditQuery), responses(
    (status = OK, body = AuditList),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer, Query(query): Query<AuditQuery>) -> Result<Json<AuditList>, Problem> {
    user.needs(Role::Admin)?;
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", "must be a number from 1 to 200"));
    }
    let filter = store::audit::Filter {
        tenant: query.tenant.map(TenantId),
        action: query.action,
        before: query.cursor,
        ..store::audit::Filter::default()
    };
    let mut tx = user.begin().await?;
    let rows = store::audit::list(&mut tx, &filter, limit).await?;
    tx.commit().await?;
    let full = i64::try_from(rows.len()).is_ok_and(|rows| rows == limit);
    let next_cursor = if full { rows.last().map(|row| row.audit_id.to_string()) } else { None };
    let data = rows.into_iter().map(|row| Entry {
        id: row.audit_id,
        at: row.at,
        actor_kind: row.actor_kind,
        actor: row.actor,
        ip: row.ip,
        tenant: row.tenant_id.map(|tenant| tenant.0),
        action: row.action,
        object: row.object,
        before: row.before,
        after: row.after,
        result: row.result,
        request: row.request_id,
    });
    Ok(Json(AuditList { data: data.collect(), next_cursor }))
}
