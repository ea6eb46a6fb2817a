//! Which directory a tenant is: bound once a sign-in has proven it, approved by staff where they had preset none.

use super::Scoped;
use super::audit::{self, By};
use super::tenants::{Tenant, WriteError};
use crate::model::{DirectoryId, TenantId};
use chrono::{DateTime, Utc};
use serde_json::json;

/// Binds the directory that a sign-in has proven. A tenant that is read stays so; a paused one stays paused; else it is `verifying`.
/// `needs_approval` says that staff had preset no directory.
pub async fn bind(
    tx: &mut Scoped,
    by: &By,
    tenant: &Tenant,
    directory: DirectoryId,
    needs_approval: bool,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let reason =
        if needs_approval { "The directory was learnt at consent and waits for approval." } else { "Permissions are being tested." };
    let done = sqlx::query(
        "update tenants set directory_id = $2, needs_approval = $3, updated_at = $4,
                state = case when state in ('invited', 'consent_pending', 'verifying') then 'verifying' else state end,
                state_reason = case when state in ('invited', 'consent_pending', 'verifying') then $5 else state_reason end,
                state_since = case when state in ('invited', 'consent_pending') then $4 else state_since end
         where tenant_id = $1 and state <> 'offboarded' and (directory_id is null or directory_id = $2)
           and (expected_directory_id is null or expected_directory_id = $2)",
    )
    .bind(tenant.tenant_id)
    .bind(directory)
    .bind(needs_approval)
    .bind(now)
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    let event = by.event("tenant.bind").tenant(tenant.tenant_id).object(&tenant.name);
    let event = event
        .before(json!({ "directory_id": tenant.directory_id }))
        .after(json!({ "directory_id": directory, "needs_approval": needs_approval }));
    audit::record(tx, event).await?;
    Ok(())
}

/// Staff accept the directory learnt at consent. `Changed` where the directory was entered by staff: see
/// [`entries`](super::entries).
pub async fn approve(tx: &mut Scoped, by: &By, tenant: TenantId, directory: DirectoryId, now: DateTime<Utc>) -> Result<(), WriteError> {
    let done = sqlx::query(
        "update tenants set needs_approval = false, expected_directory_id = directory_id, state_reason = 'Permissions are being tested.', updated_at = $3
         where tenant_id = $1 and directory_id = $2 and needs_approval and state <> 'offboarded'
           and not exists (select from directory_entries as e where e.tenant_id = $1 and e.decided_at is null)",
    )
    .bind(tenant)
    .bind(directory)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    audit::record(tx, by.event("tenant.approve").tenant(tenant).object(directory.to_string())).await?;
    Ok(())
}

/// Staff refuse the directory learnt at consent: the tenant is unbound and waits for another consent.
pub async fn refuse(tx: &mut Scoped, by: &By, tenant: TenantId, directory: DirectoryId, now: DateTime<Utc>) -> Result<(), WriteError> {
    let done = sqlx::query(
        "update tenants set needs_approval = false, directory_id = null, state = 'invited', state_since = $3, updated_at = $3,
                            state_reason = 'The directory was refused by staff. Send a new link.'
         where tenant_id = $1 and directory_id = $2 and needs_approval and state <> 'offboarded'",
    )
    .bind(tenant)
    .bind(directory)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    super::invites::revoke_all(tx, tenant, now).await?; // a link that led to the wrong directory
    audit::record(tx, by.event("tenant.refuse").tenant(tenant).object(directory.to_string())).await?;
    Ok(())
}
