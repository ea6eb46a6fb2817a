//! `/tenants`: the registry.

use super::bearer::{Bearer, Body, Id};
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::app::onboarding::{self, Desk, Judged};
use crate::model::registration::{Raw, Wrong};
use crate::model::{Adapter, Role, Seat, TenantId, clock};
use crate::store::tenants::{Tenant as Row, WriteError};
use crate::store::{self, tenant_lists};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, offboard)).routes(routes!(approve))
}

/// A customer in the registry.
#[derive(Serialize, ToSchema)]
pub struct Tenant {
    id: uuid::Uuid,
    name: String,
    /// Proven by a consent; null until then.
    directory_id: Option<uuid::Uuid>,
    /// Preset or approved by staff: a consent from another directory is refused.
    expected_directory_id: Option<uuid::Uuid>,
    domain: Option<String>,
    /// commercial, gcc, gcc_high, dod
    cloud: String,
    /// Where Defender for Endpoint is asked: us, eu, uk, au, swa, ina, aea; null: at the general address.
    endpoint_region: Option<String>,
    /// The region is the one that is found to answer fastest.
    endpoint_auto: bool,
    /// Its own portal of Defender for Cloud Apps; null: the general address is asked.
    cloud_apps_host: Option<String>,
    /// invited, consent_pending, verifying, active, degraded, blind, paused, offboarded
    state: String,
    state_since: DateTime<Utc>,
    state_reason: Option<String>,
    /// The directory was learnt at consent and waits for `approve`.
    needs_approval: bool,
    apps: Vec<String>,
    tags: Vec<String>,
    group: Option<String>,
    contacts: String,
    notes: String,
    /// The API through which incidents and Endpoint alerts are read, where staff decided it: graph, defender; null: by what is granted.
    incident_api: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Tenant {
    fn from(row: Row) -> Self {
        Self {
            id: row.tenant_id.0,
            name: row.name,
            directory_id: row.directory_id.map(|id| id.0),
            expected_directory_id: row.expected_directory_id.map(|id| id.0),
            domain: row.domain,
            cloud: row.cloud.to_string(),
            endpoint_region: row.endpoint_region.map(|region| region.to_string()),
            endpoint_auto: row.endpoint_auto,
            cloud_apps_host: row.cloud_apps_host.map(String::from),
            state: row.state.to_string(),
            state_since: row.state_since,
            state_reason: row.state_reason,
            needs_approval: row.needs_approval,
            apps: row.apps,
            tags: row.tags,
            group: row.tenant_group,
            contacts: row.contacts,
            notes: row.notes,
            incident_api: row.incident_api.map(|adapter| adapter.to_string()),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The tenants in scope.
#[derive(Serialize, ToSchema)]
struct TenantList {
    data: Vec<Tenant>,
}

/// A new tenant. Without `directory_id` and `domain` the directory is learnt at consent and must be approved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    name: String,
    directory_id: Option<String>,
    /// Looked up at Microsoft, if there is no `directory_id`.
    domain: Option<String>,
    /// commercial (default), gcc, gcc_high, dod
    cloud: Option<String>,
    /// us, eu, uk, au, swa, ina, aea; `auto` for the one that is found to answer fastest; absent or empty for the general address.
    endpoint_region: Option<String>,
    /// The customer's own portal: `contoso.us2.portal.cloudappsecurity.com`.
    cloud_apps_host: Option<String>,
    /// Names of configured apps; every app of the cloud if absent.
    apps: Option<Vec<String>>,
    #[serde(default)]
    tags: Vec<String>,
    group: Option<String>,
    contacts: Option<String>,
    notes: Option<String>,
}

/// What to change of a tenant; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantChange {
    name: Option<String>,
    /// us, eu, uk, au, swa, ina, aea, `auto`; empty for the general address.
    endpoint_region: Option<String>,
    /// Empty for the general address.
    cloud_apps_host: Option<String>,
    apps: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    group: Option<String>,
    contacts: Option<String>,
    notes: Option<String>,
    /// graph, defender, or automatic: by what is granted, Graph first.
    incident_api: Option<String>,
}

/// Every tenant in scope that is not offboarded, worst first.
#[utoipa::path(get, path = "/tenants", tag = "tenants", responses(
    (status = OK, body = TenantList),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer) -> Result<Json<TenantList>, Problem> {
    let mut tx = user.begin().await?;
    let rows = tenant_lists::full(&mut tx).await?;
    tx.commit().await?;
    Ok(Json(TenantList { data: rows.into_iter().map(Tenant::from).collect() }))
}

/// Registers a tenant. Leads and administrators.
#[utoipa::path(post, path = "/tenants", tag = "tenants", request_body = NewTenant, responses(
    (status = CREATED, body = Tenant),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create(user: Bearer, State(desk): State<Desk>, Body(new): Body<NewTenant>) -> Result<(StatusCode, Json<Tenant>), Problem> {
    user.needs(Role::Lead)?;
    let now = clock::now();
    let mut raw = Raw {
        name: new.name,
        directory: new.directory_id.unwrap_or_default(),
        domain: new.domain.unwrap_or_default(),
        cloud: new.cloud.unwrap_or_default(),
        region: new.endpoint_region.unwrap_or_default(),
        cloud_apps_host: new.cloud_apps_host.unwrap_or_default(),
        apps: new.apps,
        tags: new.tags.join(","),
        group: new.group.unwrap_or_default(),
        contacts: new.contacts.unwrap_or_default(),
        notes: new.notes.unwrap_or_default(),
    };
    let registration = onboarding::check(&desk, &mut raw, None, now).await?.map_err(|wrong| refused(&wrong))?;
    let tenant = TenantId::new();
    let mut tx = desk.db.tenant(tenant).await?;
    store::tenants::create(&mut tx, &user.by(), tenant, &registration, now).await.map_err(write_problem)?;
    let row = store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// One tenant.
#[utoipa::path(get, path = "/tenants/{id}", tag = "tenants", params(("id" = uuid::Uuid, Path, description = "The tenant")), responses(
    (status = OK, body = Tenant),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get(user: Bearer, Id(tenant): Id<TenantId>) -> Result<Json<Tenant>, Problem> {
    let mut tx = user.begin().await?;
    let row = store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(row.into()))
}

/// Changes what staff know of a tenant. Leads and administrators.
#[utoipa::path(patch, path = "/tenants/{id}", tag = "tenants", params(("id" = uuid::Uuid, Path, description = "The tenant")), request_body = TenantChange, responses(
    (status = OK, body = Tenant),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update(
    user: Bearer,
    State(state): State<AppState>,
    Id(tenant): Id<TenantId>,
    Body(change): Body<TenantChange>,
) -> Result<Json<Tenant>, Problem> {
    user.needs(Role::Lead)?;
    let now = clock::now();
    let mut tx = user.begin().await?;
    let old = store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    let raw = Raw {
        name: change.name.unwrap_or_else(|| old.name.clone()),
        directory: old.expected_directory_id.map(|id| id.to_string()).unwrap_or_default(),
        domain: old.domain.clone().unwrap_or_default(),
        cloud: old.cloud.to_string(),
        region: change.endpoint_region.unwrap_or_else(|| old.seat().as_str().to_owned()),
        cloud_apps_host: change.cloud_apps_host.unwrap_or_else(|| old.cloud_apps_host.clone().map(String::from).unwrap_or_default()),
        apps: Some(change.apps.unwrap_or_else(|| old.apps.clone())),
        tags: change.tags.unwrap_or_else(|| old.tags.clone()).join(","),
        group: change.group.or_else(|| old.tenant_group.clone()).unwrap_or_default(),
        contacts: change.contacts.unwrap_or_else(|| old.contacts.clone()),
        notes: change.notes.unwrap_or_else(|| old.notes.clone()),
    };
    let registration = raw.check(&onboarding::known_apps(&state.config)).map_err(|wrong| refused(&wrong))?;
    let pin = change.incident_api.as_deref().map(Adapter::parse_pin).transpose();
    let pin = pin.map_err(|_| Problem::field("incident_api", "It is graph, defender or automatic.".to_owned()))?;
    store::tenants::update(&mut tx, &user.by(), &old, &registration, old.updated_at, now).await.map_err(write_problem)?;
    if registration.region == Seat::Fastest && old.seat() != Seat::Fastest {
        state.queue.find_region(&mut tx, tenant).await?;
    }
    if let Some(pin) = pin {
        store::adapters::pin(&mut tx, &user.by(), &old, pin).await?;
        if old.incident_api != pin && old.is_open() {
            state.queue.verify(&mut tx, tenant).await?;
        }
    }
    let row = store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(row.into()))
}

/// Offboards a tenant: nothing is read any more, and its rows are deleted after 30 days. Leads and administrators.
#[utoipa::path(delete, path = "/tenants/{id}", tag = "tenants", params(("id" = uuid::Uuid, Path, description = "The tenant")), responses(
    (status = NO_CONTENT),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn offboard(user: Bearer, Id(tenant): Id<TenantId>) -> Result<StatusCode, Problem> {
    user.needs(Role::Lead)?;
    let mut tx = user.begin().await?;
    let row = store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    store::offboarding::offboard(&mut tx, &user.by(), &row, clock::now()).await.map_err(write_problem)?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accepts the directory that waits: learnt at consent, or entered by staff. The latter takes another person than the one who entered it,
/// and a token that proves the consent. Leads and administrators.
#[utoipa::path(post, path = "/tenants/{id}/approve", tag = "tenants", params(("id" = uuid::Uuid, Path, description = "The tenant")), responses(
    (status = OK, body = Tenant),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn approve(user: Bearer, State(desk): State<Desk>, Id(tenant): Id<TenantId>) -> Result<Json<Tenant>, Problem> {
    user.needs(Role::Lead)?;
    let mut tx = user.begin().await?;
    let row = store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    let waiting = row.directory_id.filter(|_| row.needs_approval);
    let directory = waiting.ok_or_else(|| Problem::Conflict("No directory waits for approval.".to_owned()))?;
    match onboarding::judge(&desk, tx, (&user.by(), user.id), tenant, (directory, true), clock::now()).await? {
        Judged::Done => {}
        Judged::NoTenant => return Err(Problem::NotFound),
        Judged::No(why) => return Err(Problem::Conflict(why.to_owned())),
    }
    let mut tx = user.begin().await?;
    let row = store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(row.into()))
}

fn refused(wrong: &[Wrong]) -> Problem {
    // The form's field has another name than the API's member.
    let name = |field| if field == "region" { "endpoint_region" } else { field };
    Problem::fields(wrong.iter().map(|wrong| (name(wrong.field), wrong.why.to_owned())))
}

fn write_problem(error: WriteError) -> Problem {
    match error {
        WriteError::Database(error) => error.into(),
        taken => Problem::Conflict(format!("{taken}.")),
    }
}
