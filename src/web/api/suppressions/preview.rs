//! `/suppressions/preview`: what a rule would have hidden.

use super::{Hide, not_there};
use crate::app::AppState;
use crate::app::suppressions as rules;
use crate::model::{Role, clock};
use crate::store::suppressions::Preview;
use crate::web::api::bearer::{Bearer, Body};
use crate::web::api::listing::TenantRef;
use crate::web::api::problem::{Problem, ProblemBody};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// What a rule would have hidden.
#[derive(Serialize, ToSchema)]
struct Previewed {
    /// So many days back.
    days: i64,
    /// At most 10,001: then there are more than 10,000, and the other numbers are at least what they say.
    alerts: i64,
    /// Of these, confirmed true positives.
    true_positives: i64,
    /// Of these, still open: they would be hidden at once.
    open: i64,
    /// For each tenant of which there are any.
    tenants: Vec<OfTenant>,
    /// The last 20.
    latest: Vec<Latest>,
    /// What `POST /suppressions` wants to see to make just this rule.
    previewed: String,
}

/// What a rule would have hidden of a tenant.
#[derive(Serialize, ToSchema)]
struct OfTenant {
    tenant: TenantRef,
    alerts: i64,
    true_positives: i64,
    open: i64,
}

/// An alert that a rule would have hidden.
#[derive(Serialize, ToSchema)]
struct Latest {
    id: uuid::Uuid,
    tenant: TenantRef,
    title: String,
    severity: &'static str,
    status: &'static str,
    classification: Option<String>,
    created_at: DateTime<Utc>,
}

impl Previewed {
    fn new(days: i64, of: Preview, previewed: String) -> Self {
        let (alerts, true_positives, open) = (of.alerts(), of.true_positives(), of.open());
        let each = of.found.into_iter().map(|found| OfTenant {
            tenant: TenantRef { id: found.tenant_id.0, name: found.tenant_name },
            alerts: found.alerts,
            true_positives: found.true_positives,
            open: found.open,
        });
        let latest = of.latest.into_iter().map(|alert| Latest {
            id: alert.alert_id.0,
            tenant: TenantRef { id: alert.tenant_id.0, name: alert.tenant_name },
            title: alert.title,
            severity: alert.severity.as_str(),
            status: alert.status.as_str(),
            classification: alert.classification,
            created_at: alert.created_at,
        });
        Self { days, alerts, true_positives, open, tenants: each.collect(), latest: latest.collect(), previewed }
    }
}

/// Runs a rule over what is stored, and makes nothing. Leads and better.
#[utoipa::path(post, path = "/suppressions/preview", tag = "queue", request_body = Hide, responses(
    (status = OK, body = Previewed),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn preview(user: Bearer, State(state): State<AppState>, Body(hide): Body<Hide>) -> Result<Json<Previewed>, Problem> {
    user.needs(Role::Lead)?;
    let mut tx = user.begin().await?;
    let checked = rules::check(&mut tx, &state.db, &user.scope, &hide.wish()?).await.map_err(not_there)?;
    let seen = rules::preview(&mut tx, &checked, clock::now()).await?;
    tx.commit().await?;
    let (days, seen) =
        seen.ok_or_else(|| Problem::field("tenant", "Looking through the stored alerts takes too long. Make the rule narrower."))?;
    Ok(Json(Previewed::new(days, seen, checked.fingerprint())))
}
