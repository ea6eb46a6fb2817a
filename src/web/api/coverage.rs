//! `/coverage`, and what is known of a tenant's permissions.

use super::acting::refused;
use super::bearer::{Bearer, Id};
use super::problem::{Problem, ProblemBody};
use crate::app::{AppState, readings};
use crate::model::{Role, TenantId, clock};
use crate::store;
use crate::sync::engine::Queue;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(permissions)).routes(routes!(read_now))
}

/// How far one product of one tenant is read.
#[derive(Serialize, ToSchema)]
struct Coverage {
    tenant: super::listing::TenantRef,
    product: String,
    /// Whether the tenant's apps ask for the product at all.
    enabled: bool,
    /// waiting, backfilling, ok, throttled, no_permission, no_licence, consent_lost, failing
    state: String,
    /// The API of the last reading: graph, defender; null: there has been none.
    adapter: Option<String>,
    last_success: Option<DateTime<Utc>>,
    /// Everything Microsoft showed up to then is stored.
    complete_until: Option<DateTime<Utc>>,
    /// Seconds since `complete_until`.
    lag_seconds: Option<i64>,
    failing_since: Option<DateTime<Utc>>,
    reason: Option<String>,
    remedy: Option<String>,
}

/// Rows of coverage.
#[derive(Serialize, ToSchema)]
struct CoverageList {
    data: Vec<Coverage>,
}

/// How far every product of every tenant in scope is read.
#[utoipa::path(get, path = "/coverage", tag = "coverage", responses(
    (status = OK, body = CoverageList),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer) -> Result<Json<CoverageList>, Problem> {
    let now = clock::now();
    let mut tx = user.begin().await?;
    let rows = store::coverage::list(&mut tx, None).await?;
    tx.commit().await?;
    let data = rows.into_iter().map(|row| Coverage {
        lag_seconds: row.lag(now).map(|lag| lag.num_seconds()),
        tenant: super::listing::TenantRef { id: row.tenant_id.0, name: row.tenant_name },
        product: row.product.to_string(),
        enabled: row.enabled,
        state: row.state.to_string(),
        adapter: row.adapter.map(|adapter| adapter.to_string()),
        last_success: row.last_success,
        complete_until: row.complete_until,
        failing_since: row.failing_since,
        reason: row.reason,
        remedy: row.remedy,
    });
    Ok(Json(CoverageList { data: data.collect() }))
}

/// What is known of one permission of one app in the tenant's directory.
#[derive(Serialize, ToSchema)]
struct Permission {
    app: String,
    product: String,
    permission: String,
    /// The app asks for it.
    expected: bool,
    /// The app's token names it; null: not yet known.
    granted: Option<bool>,
    /// The directory has the product.
    licensed: Option<bool>,
    /// A real call succeeded; null: not tried.
    working: Option<bool>,
    /// asked, granted, missing, unlicensed, unknown, revoked
    state: String,
    reason: Option<String>,
    checked_at: Option<DateTime<Utc>>,
    /// All of it in one word: works, untried (trying it would act), fails, missing, revoked, unlicensed, unknown, asked
    verdict: String,
    /// When it began to stand so.
    since: Option<DateTime<Utc>>,
    /// Microsoft's operation that was tried.
    proof: Option<String>,
    tried_at: Option<DateTime<Utc>>,
    /// Microsoft's own answer: "HTTP 403 Forbidden", "AADSTS700016".
    answer: Option<String>,
    /// What staff do about it.
    remedy: Option<String>,
    /// What the customer is told.
    remedy_customer: Option<String>,
}

/// Rows of permissions.
#[derive(Serialize, ToSchema)]
struct PermissionList {
    data: Vec<Permission>,
}

/// Expected, granted, licensed, working: for every permission of the tenant's apps.
#[utoipa::path(get, path = "/tenants/{id}/permissions", tag = "tenants", params(("id" = uuid::Uuid, Path, description = "The tenant")), responses(
    (status = OK, body = PermissionList),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn permissions(user: Bearer, Id(tenant): Id<TenantId>) -> Result<Json<PermissionList>, Problem> {
    let mut tx = user.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    let rows = store::permissions::list(&mut tx, tenant).await?;
    tx.commit().await?;
    let data = rows.into_iter().map(|row| Permission {
        verdict: row.verdict().to_string(),
        app: row.app,
        product: row.product.to_string(),
        permission: row.permission,
        expected: row.expected,
        granted: row.granted,
        licensed: row.licensed,
        working: row.working,
        state: row.state.to_string(),
        reason: row.reason,
        checked_at: row.checked_at,
        since: row.since,
        proof: row.proof,
        tried_at: row.tried_at,
        answer: row.answer,
        remedy: row.remedy,
        remedy_customer: row.remedy_customer,
    });
    Ok(Json(PermissionList { data: data.collect() }))
}

/// The readings that were asked for.
#[derive(Serialize, ToSchema)]
struct ReadNow {
    products: Vec<String>,
}

/// Asks for a reading of every product of a tenant, at once. Analysts and better.
#[utoipa::path(post, path = "/tenants/{id}/sync", tag = "coverage", params(("id" = uuid::Uuid, Path, description = "The tenant")), responses(
    (status = ACCEPTED, body = ReadNow),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn read_now(user: Bearer, State(queue): State<Queue>, Id(tenant): Id<TenantId>) -> Result<(StatusCode, Json<ReadNow>), Problem> {
    user.needs(Role::Analyst)?;
    let mut tx = user.begin().await?;
    let products = readings::at_once(&mut tx, &queue, &user.by(), tenant).await.map_err(refused)?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(ReadNow { products: products.iter().map(ToString::to_string).collect() })))
}
