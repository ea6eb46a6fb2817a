//! `/alerts`: every product's alerts, with their evidence.

use super::bearer::{Bearer, Id, Query};
use super::listing::{CoverageSummary, ListQuery, Listed, TenantRef};
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::model::{AlertId, clock};
use crate::store::lists::Key;
use crate::store::{self, Scoped};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// An alert. Open lists hold the product's words as they came; `severity` and `status` are Watchfloor's own.
#[derive(Serialize, ToSchema)]
struct Alert {
    id: uuid::Uuid,
    tenant: TenantRef,
    product: String,
    /// The product's own id.
    external_id: String,
    /// Watchfloor's id of its incident.
    incident_id: Option<uuid::Uuid>,
    title: String,
    /// critical, high, medium, low, informational, unknown
    severity: &'static str,
    /// new, in_progress, resolved, redirected, unknown
    status: &'static str,
    classification: Option<String>,
    determination: Option<String>,
    category: Option<String>,
    assigned_to: Option<String>,
    mitre_techniques: Vec<String>,
    /// The evidence as the product's API gave it.
    evidence: Vec<Value>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// When this version was read from Microsoft.
    synced_at: DateTime<Utc>,
    /// The alert in Microsoft's portal.
    url: Option<String>,
    /// The suppression rule that hides it.
    suppressed_by: Option<uuid::Uuid>,
}

impl Alert {
    fn new(row: store::alerts::Alert, evidence: Vec<Value>) -> Self {
        let url = row.portal();
        Self {
            id: row.alert_id.0,
            tenant: TenantRef { id: row.tenant_id.0, name: row.tenant_name },
            product: row.product,
            external_id: row.external_id,
            incident_id: row.incident_id.map(|incident| incident.0),
            title: row.title,
            severity: row.severity.as_str(),
            status: row.status.as_str(),
            classification: row.classification,
            determination: row.determination,
            category: row.category,
            assigned_to: row.assigned_to,
            mitre_techniques: row.mitre_techniques,
            evidence,
            created_at: row.created_at,
            updated_at: row.updated_at,
            synced_at: row.synced_at,
            url,
            suppressed_by: row.suppressed_by.map(|rule| rule.0),
        }
    }
}

/// The alerts of the token's tenants, worst or newest first.
#[utoipa::path(get, path = "/alerts", tag = "queue", params(ListQuery), responses(
    (status = OK, body = Listed<Alert>),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer, State(state): State<AppState>, Query(query): Query<ListQuery>) -> Result<Json<Listed<Alert>>, Problem> {
    let listing = query.check(&user, &Key::OF_INCIDENTS)?;
    let mut tx = user.begin().await?;
    let page = store::alerts::list(&mut tx, &listing.filter, &listing.order, listing.after.as_ref(), listing.limit).await?;
    let mut evidence = evidence_of(&mut tx, &page.rows).await?;
    let coverage = CoverageSummary::read(&mut tx, clock::now(), state.config.sync.interval).await?;
    tx.commit().await?;
    let alert = |row: store::alerts::Alert| {
        let evidence = evidence.remove(&row.alert_id).unwrap_or_default();
        Alert::new(row, evidence)
    };
    Ok(Json(Listed::new(page, coverage, alert)))
}

/// One alert.
#[utoipa::path(get, path = "/alerts/{id}", tag = "queue", params(("id" = uuid::Uuid, Path, description = "Watchfloor's id")), responses(
    (status = OK, body = Alert),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get(user: Bearer, Id(alert): Id<AlertId>) -> Result<Json<Alert>, Problem> {
    let mut tx = user.begin().await?;
    let row = store::alerts::get(&mut tx, alert).await?.ok_or(Problem::NotFound)?;
    let mut evidence = evidence_of(&mut tx, std::slice::from_ref(&row)).await?;
    tx.commit().await?;
    let evidence = evidence.remove(&row.alert_id).unwrap_or_default();
    Ok(Json(Alert::new(row, evidence)))
}

/// The evidence of each alert, from the first original that has any.
async fn evidence_of(tx: &mut Scoped, rows: &[store::alerts::Alert]) -> sqlx::Result<HashMap<AlertId, Vec<Value>>> {
    let mut by_tenant: BTreeMap<_, Vec<AlertId>> = BTreeMap::new();
    for row in rows {
        by_tenant.entry(row.tenant_id).or_default().push(row.alert_id);
    }
    let mut evidence: HashMap<AlertId, Vec<Value>> = HashMap::new();
    for (tenant, alerts) in by_tenant {
        for original in store::alerts::originals(tx, tenant, &alerts).await? {
            let found = evidence.entry(original.alert_id).or_default();
            if found.is_empty() {
                *found = evidence_in(&original.original.body);
            }
        }
    }
    Ok(evidence)
}

/// Defender for Endpoint calls it `evidence`, Defender XDR and Defender for Cloud Apps `entities`.
fn evidence_in(body: &str) -> Vec<Value> {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    let mut take = |member: &str| match body.get_mut(member).map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let evidence = take("evidence");
    if evidence.is_empty() { take("entities") } else { evidence }
}
