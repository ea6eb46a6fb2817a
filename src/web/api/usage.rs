//! `/tenants/{id}/usage`: Microsoft's limits and what is used of them.

use super::bearer::{Bearer, Id};
use super::problem::{Problem, ProblemBody};
use crate::app::{AppState, budgets};
use crate::model::{TenantId, clock};
use crate::store;
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One of Microsoft's limits, which it keeps for each tenant.
#[derive(Serialize, ToSchema)]
struct Usage {
    product: String,
    /// Names the limit; operations that share it are counted together.
    limit: &'static str,
    per_minute: u32,
    per_hour: u32,
    /// Calls within the last 60 minutes, weighed from whole hours.
    last_hour: i64,
    /// The most calls within one minute, in this hour and the one before.
    busiest_minute: i32,
    /// How often Microsoft, or Watchfloor for it, said "too many", in these hours.
    throttled: i64,
    last_24_hours: i64,
}

/// Every limit.
#[derive(Serialize, ToSchema)]
struct UsageList {
    data: Vec<Usage>,
}

/// What a tenant's readings, hunts and actions have used of Microsoft's limits.
#[utoipa::path(get, path = "/tenants/{id}/usage", tag = "tenants", params(("id" = uuid::Uuid, Path, description = "The tenant")), responses(
    (status = OK, body = UsageList),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer, Id(tenant): Id<TenantId>) -> Result<Json<UsageList>, Problem> {
    let mut tx = user.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    let budgets = budgets::of(&mut tx, tenant, clock::now()).await?;
    tx.commit().await?;
    let data = budgets.into_iter().map(|budget| Usage {
        product: budget.product.to_string(),
        limit: budget.name,
        per_minute: budget.per_minute,
        per_hour: budget.per_hour,
        last_hour: budget.last_hour,
        busiest_minute: budget.busiest_minute,
        throttled: budget.throttled,
        last_24_hours: budget.last_24_hours,
    });
    Ok(Json(UsageList { data: data.collect() }))
}
