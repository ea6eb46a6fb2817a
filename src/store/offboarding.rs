//! The end of the work for a tenant, and later of its rows.

use super::Scoped;
use super::audit::{self, By};
use super::tenants::{Tenant, WriteError};
use crate::model::TenantId;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;

/// How long the rows of an offboarded tenant are kept.
pub const PURGE_AFTER: Duration = Duration::days(30);

/// Ends the work for a tenant: no more reading, no valid link, nobody but those who see all tenants sees it, and its rows are
/// deleted after [`PURGE_AFTER`].
pub async fn offboard(tx: &mut Scoped, by: &By, tenant: &Tenant, now: DateTime<Utc>) -> Result<(), WriteError> {
    let done = sqlx::query(
        "update tenants set state = 'offboarded', state_since = $2, state_reason = 'Offboarded by staff.', needs_approval = false,
                            purge_after = $3, updated_at = $2
         where tenant_id = $1 and state <> 'offboarded'",
    )
    .bind(tenant.tenant_id)
    .bind(now)
    .bind(now + PURGE_AFTER)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    super::invites::revoke_all(tx, tenant.tenant_id, now).await?;
    super::customers::shut_out(tx, tenant.tenant_id).await?;
    sqlx::query("update sync_state set enabled = false where tenant_id = $1").bind(tenant.tenant_id).execute(&mut **tx).await?;
    sqlx::query("delete from grants where tenant_id = $1").bind(tenant.tenant_id).execute(&mut **tx).await?;
    super::suppressions::regroup(tx, tenant.tenant_id, None, now).await?;
    let event = by.event("tenant.offboard").tenant(tenant.tenant_id).object(&tenant.name);
    audit::record(tx, event.before(json!({ "state": tenant.state })).after(json!({ "purge_after": now + PURGE_AFTER }))).await?;
    Ok(())
}

/// Deletes one offboarded tenant whose time has come, with everything of its; the audit log keeps what was done. Needs every tenant in
/// scope. False: there was none.
pub async fn purge(tx: &mut Scoped, by: &By, now: DateTime<Utc>) -> sqlx::Result<bool> {
    tx.take_time().await?;
    let gone: Option<(TenantId, String)> = sqlx::query_as(
        "delete from tenants where tenant_id = (
             select tenant_id from tenants where state = 'offboarded' and purge_after <= $1 order by purge_after limit 1 for update skip locked
         ) returning tenant_id, name",
    )
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    if let Some((tenant, name)) = &gone {
        super::suppressions::forget(tx).await?;
        audit::record(tx, by.event("tenant.purge").tenant(*tenant).object(name)).await?;
    }
    Ok(gone.is_some())
}
