//! `/devices`: the devices of every tenant, read.

use super::bearer::{Bearer, Id, Query};
use super::listing::TenantRef;
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::model::{DeviceId, TenantId};
use crate::store::device_reads;
use crate::store::devices::{self, Filter};
use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// A device. Words of open lists are Microsoft's.
#[derive(Serialize, ToSchema)]
struct Device {
    id: uuid::Uuid,
    tenant: TenantRef,
    /// Microsoft's id.
    external_id: String,
    name: String,
    health: Option<String>,
    risk: Option<String>,
    exposure: Option<String>,
    value: Option<String>,
    onboarding: Option<String>,
    os: Option<String>,
    os_version: Option<String>,
    group: Option<String>,
    last_ip: Option<String>,
    external_ip: Option<String>,
    tags: Vec<String>,
    first_seen: Option<DateTime<Utc>>,
    last_seen: Option<DateTime<Utc>>,
    /// When this version was read from Microsoft.
    synced_at: DateTime<Utc>,
    /// Since when Microsoft shows it no more.
    gone_at: Option<DateTime<Utc>>,
}

impl From<devices::Device> for Device {
    fn from(row: devices::Device) -> Self {
        Self {
            id: row.device_id.0,
            tenant: TenantRef { id: row.tenant_id.0, name: row.tenant_name },
            external_id: row.external_id,
            name: row.name,
            health: row.health,
            risk: row.risk,
            exposure: row.exposure,
            value: row.value,
            onboarding: row.onboarding,
            os: row.os,
            os_version: row.os_version,
            group: row.device_group,
            last_ip: row.last_ip,
            external_ip: row.external_ip,
            tags: row.tags,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            synced_at: row.synced_at,
            gone_at: row.gone_at,
        }
    }
}

/// How one tenant's devices are read.
#[derive(Serialize, ToSchema)]
struct DeviceCoverage {
    tenant: TenantRef,
    /// The last complete reading.
    read_at: Option<DateTime<Utc>>,
    failing_since: Option<DateTime<Utc>>,
    reason: Option<String>,
}

/// A page of devices.
#[derive(Serialize, ToSchema)]
struct Devices {
    data: Vec<Device>,
    /// Ask for the next page with it; null on the last page.
    next_cursor: Option<String>,
    /// Of each tenant of the scope that is read.
    coverage: Vec<DeviceCoverage>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DevicesQuery {
    tenant: Option<uuid::Uuid>,
    /// Part of the name, an address, or an id.
    q: Option<String>,
    #[serde(default)]
    health: Vec<String>,
    #[serde(default)]
    risk: Vec<String>,
    #[serde(default)]
    exposure: Vec<String>,
    #[serde(default)]
    os: Vec<String>,
    #[serde(default)]
    tag: Vec<String>,
    /// Those that Microsoft shows no more, too.
    #[serde(default)]
    gone: bool,
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<uuid::Uuid>,
}

/// The devices of the token's tenants, by name.
#[utoipa::path(get, path = "/devices", tag = "devices", params(DevicesQuery), responses(
    (status = OK, body = Devices),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer, Query(query): Query<DevicesQuery>) -> Result<Json<Devices>, Problem> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", "must be a number from 1 to 200"));
    }
    if query.q.as_ref().is_some_and(|text| text.len() > 500 || text.contains('\0')) {
        return Err(Problem::field("q", "must be at most 500 characters"));
    }
    let filter = Filter {
        tenants: user.scope.narrowed(query.tenant.map(TenantId).as_slice()),
        text: query.q.filter(|text| !text.trim().is_empty()),
        health: query.health,
        risk: query.risk,
        exposure: query.exposure,
        os: query.os,
        tags: query.tag,
        with_gone: query.gone,
    };
    let mut tx = user.begin().await?;
    let mut rows = devices::list(&mut tx, &filter, query.cursor.map(DeviceId), limit + 1).await?;
    let reads = device_reads::list(&mut tx).await?;
    tx.commit().await?;
    let more = i64::try_from(rows.len()).is_ok_and(|rows| rows > limit);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|last| last.device_id.to_string());
    let coverage = reads.into_iter().map(|read| DeviceCoverage {
        tenant: TenantRef { id: read.tenant_id.0, name: read.tenant_name },
        read_at: read.read_at,
        failing_since: read.failing_since,
        reason: read.reason,
    });
    Ok(Json(Devices { data: rows.into_iter().map(Device::from).collect(), next_cursor, coverage: coverage.collect() }))
}

/// One device.
#[utoipa::path(get, path = "/devices/{id}", tag = "devices", params(("id" = uuid::Uuid, Path, description = "Watchfloor's id")), responses(
    (status = OK, body = Device),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get(user: Bearer, Id(device): Id<DeviceId>) -> Result<Json<Device>, Problem> {
    let mut tx = user.begin().await?;
    let row = devices::get(&mut tx, device).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(row.into()))
}
