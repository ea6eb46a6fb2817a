//! Which region of Defender for Endpoint answers a tenant fastest.

use super::Scoped;
use super::audit::{self, Actor, By, Event};
use super::tenants::{Tenant, WriteError};
use crate::model::{Region, TenantId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::types::Json;

/// How one region answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    pub region: Region,
    /// The median of the tries; `None`: it did not answer with data.
    pub milliseconds: Option<u64>,
    /// In short: "data", "no data", "HTTP 403 Forbidden", "network".
    pub answer: String,
}

/// Stores what was found. The region changes if one answered with data, and only while the tenant is set to the fastest; that change is
/// audited.
pub async fn found(tx: &mut Scoped, tenant: &Tenant, fastest: Option<Region>, tried: &[Tried], now: DateTime<Utc>) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update tenants set endpoint_region = coalesce($2, endpoint_region), endpoint_probed_at = $3, endpoint_probe = $4
         where tenant_id = $1 and endpoint_auto",
    )
    .bind(tenant.tenant_id)
    .bind(fastest)
    .bind(now)
    .bind(Json(tried))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 1 && fastest.is_some() && fastest != tenant.endpoint_region {
        let event = Event::new(Actor::System("region"), "tenant.region").tenant(tenant.tenant_id).object(&tenant.name);
        let event = event.before(json!({ "endpoint_region": tenant.endpoint_region }));
        audit::record(tx, event.after(json!({ "endpoint_region": fastest, "tried": tried }))).await?;
    }
    Ok(())
}

/// Sets a tenant to the region that answers fastest. The caller queues the search in the same transaction.
pub async fn set_fastest(tx: &mut Scoped, by: &By, tenant: TenantId, now: DateTime<Utc>) -> Result<(), WriteError> {
    let name: Option<String> = sqlx::query_scalar(
        "update tenants set endpoint_auto = true, updated_at = case when endpoint_auto then updated_at else $2 end
         where tenant_id = $1 and state <> 'offboarded' and cloud = 'commercial' returning name",
    )
    .bind(tenant)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(name) = name else { return Err(WriteError::Changed) };
    let event = by.event("tenant.region_search").tenant(tenant).object(name);
    audit::record(tx, event).await?;
    Ok(())
}
