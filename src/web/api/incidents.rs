//! `/incidents`: the queue, read.

use super::bearer::{Bearer, Id, Query};
use super::listing::{CoverageSummary, ListQuery, Listed, TenantRef};
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::model::{IncidentId, clock};
use crate::store;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// An incident. Open lists hold Microsoft's words as they came; `severity` and `status` are Watchfloor's own.
#[derive(Serialize, ToSchema)]
struct Incident {
    id: uuid::Uuid,
    tenant: TenantRef,
    product: String,
    /// Microsoft's id.
    external_id: String,
    title: String,
    /// critical, high, medium, low, informational, unknown
    severity: &'static str,
    /// new, in_progress, resolved, redirected, unknown
    status: &'static str,
    classification: Option<String>,
    determination: Option<String>,
    assigned_to: Option<String>,
    tags: Vec<String>,
    alert_count: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// When this version was read from Microsoft.
    synced_at: DateTime<Utc>,
    /// The incident in Microsoft's portal.
    url: Option<String>,
    /// Microsoft's id of the incident this one was merged into.
    redirect_to: Option<String>,
    /// It has alerts, and suppression rules hide all of them.
    hidden: bool,
    /// The first sign of somebody's work, if it is known.
    acknowledged_at: Option<DateTime<Utc>>,
    resolved_at: Option<DateTime<Utc>>,
    /// It waits for its customer's answer, and its clocks stand still.
    waiting_since: Option<DateTime<Utc>>,
    /// By when the tenant's service level wants it acknowledged. It stays when the incident is closed, and moves when a wait ends.
    acknowledge_by: Option<DateTime<Utc>>,
    /// By when it is to be resolved; the same holds for it.
    resolve_by: Option<DateTime<Utc>>,
    /// The clock that ends first, of those that run.
    sla: Option<Sla>,
}

#[derive(Serialize, ToSchema)]
struct Sla {
    /// acknowledge, resolve
    aim: &'static str,
    due_at: DateTime<Utc>,
    /// breached, `at_risk` (a quarter of the time is left, and no more than a day), `on_track`
    state: &'static str,
}

impl From<store::incidents::Incident> for Incident {
    fn from(row: store::incidents::Incident) -> Self {
        let (url, deadline) = (row.portal(), row.deadline(clock::now()));
        Self {
            id: row.incident_id.0,
            tenant: TenantRef { id: row.tenant_id.0, name: row.tenant_name },
            product: row.product,
            external_id: row.external_id,
            title: row.title,
            severity: row.severity.as_str(),
            status: row.status.as_str(),
            classification: row.classification,
            determination: row.determination,
            assigned_to: row.assigned_to,
            tags: row.tags,
            alert_count: row.alert_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
            synced_at: row.synced_at,
            url,
            redirect_to: row.redirect_to,
            hidden: row.hidden,
            acknowledged_at: row.acknowledged_at,
            resolved_at: row.resolved_at,
            waiting_since: row.waiting_since,
            acknowledge_by: row.acknowledge_by,
            resolve_by: row.resolve_by,
            sla: deadline.map(|deadline| Sla { aim: deadline.aim.as_str(), due_at: deadline.due, state: deadline.state.as_str() }),
        }
    }
}

/// The incidents of the token's tenants, worst or newest first.
#[utoipa::path(get, path = "/incidents", tag = "queue", params(ListQuery), responses(
    (status = OK, body = Listed<Incident>),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer, State(state): State<AppState>, Query(query): Query<ListQuery>) -> Result<Json<Listed<Incident>>, Problem> {
    let listing = query.check(&user, &[])?;
    let mut tx = user.begin().await?;
    let page = store::incidents::list(&mut tx, &listing.filter, &listing.order, listing.after.as_ref(), listing.limit).await?;
    let coverage = CoverageSummary::read(&mut tx, clock::now(), state.config.sync.interval).await?;
    tx.commit().await?;
    Ok(Json(Listed::new(page, coverage, Incident::from)))
}

/// One incident.
#[utoipa::path(get, path = "/incidents/{id}", tag = "queue", params(("id" = uuid::Uuid, Path, description = "Watchfloor's id")), responses(
    (status = OK, body = Incident),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get(user: Bearer, Id(incident): Id<IncidentId>) -> Result<Json<Incident>, Problem> {
    let mut tx = user.begin().await?;
    let row = store::incidents::get(&mut tx, incident).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(row.into()))
}
