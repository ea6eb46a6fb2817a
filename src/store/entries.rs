//! Directories that staff enter for a consent whose link tells us nothing: entered by one person, proven by a token, decided by another.

use super::Scoped;
use super::audit::{self, By};
use super::tenants::{Tenant, WriteError};
use crate::model::{DirectoryId, TenantId, UserId};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

/// An entry that waits for the second person.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Entry {
    pub tenant_id: TenantId,
    pub entry_id: Uuid,
    pub directory_id: DirectoryId,
    pub entered_by: UserId,
    /// Login of whoever entered it.
    pub enterer: String,
    pub entered_at: DateTime<Utc>,
    /// Permissions that a token issued for this directory, asked for since then, named.
    pub granted: i64,
    /// When a token was last asked for since then.
    pub checked_at: Option<DateTime<Utc>>,
}

impl Entry {
    /// A token of this directory names at least one of the permissions.
    pub const fn is_proven(&self) -> bool {
        self.granted > 0
    }
}

/// Enters the directory: the tenant is `verifying` with it, is not read, and what was known of permissions is forgotten. `Changed` unless
/// the tenant waits for consent without a directory and this one is not at odds with the preset one; `DirectoryTaken` if it is bound elsewhere.
pub async fn enter(
    tx: &mut Scoped,
    by: &By,
    user: UserId,
    tenant: &Tenant,
    directory: DirectoryId,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let done = sqlx::query(
        "update tenants set directory_id = $2, needs_approval = true, updated_at = $3, state = 'verifying',
                state_since = case when state = 'verifying' then state_since else $3 end,
                state_reason = 'The directory was entered by staff. A token must prove the consent, and a second person confirm it.'
         where tenant_id = $1 and directory_id is null and state in ('invited', 'consent_pending', 'verifying')
           and (expected_directory_id is null or expected_directory_id = $2)",
    )
    .bind(tenant.tenant_id)
    .bind(directory)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    sqlx::query("insert into directory_entries (tenant_id, entry_id, directory_id, entered_by, entered_at) values ($1, $2, $3, $4, $5)")
        .bind(tenant.tenant_id)
        .bind(Uuid::now_v7())
        .bind(directory)
        .bind(user)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    super::permissions::forget(tx, tenant.tenant_id, now).await?; // it was known of no directory, or of another one
    let event = by.event("tenant.directory_enter").tenant(tenant.tenant_id).object(directory.to_string());
    audit::record(tx, event).await?;
    Ok(())
}

/// The entry that waits for a decision.
pub async fn open(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Option<Entry>> {
    sqlx::query_as(
        "select e.tenant_id, entry_id, directory_id, entered_by, u.login as enterer, entered_at,
                (select count(*) from tenant_permissions as p where p.tenant_id = e.tenant_id and p.granted and p.checked_at >= e.entered_at)
                    as granted,
                (select max(checked_at) from tenant_permissions as p where p.tenant_id = e.tenant_id and p.checked_at >= e.entered_at)
                    as checked_at
         from directory_entries as e join users as u on u.user_id = e.entered_by
         where e.tenant_id = $1 and decided_at is null",
    )
    .bind(tenant)
    .fetch_optional(&mut **tx)
    .await
}

/// Somebody else confirms the entry: the directory is the tenant's from now on. `Changed` if it is decided already, the decider's own, or
/// no token proves the consent.
pub async fn approve(tx: &mut Scoped, by: &By, user: UserId, entry: &Entry, now: DateTime<Utc>) -> Result<(), WriteError> {
    if !entry.is_proven() {
        return Err(WriteError::Changed);
    }
    decide(tx, entry, Some(user), true, now).await?;
    let done = sqlx::query(
        "update tenants set needs_approval = false, expected_directory_id = directory_id, state_reason = 'Permissions are being tested.', updated_at = $3
         where tenant_id = $1 and directory_id = $2 and needs_approval and state <> 'offboarded'",
    )
    .bind(entry.tenant_id)
    .bind(entry.directory_id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    let event = by.event("tenant.approve").tenant(entry.tenant_id).object(entry.directory_id.to_string());
    audit::record(tx, event.after(json!({ "entered_by": entry.enterer, "proven_permissions": entry.granted }))).await?;
    Ok(())
}

/// The entry is refused, or withdrawn by whoever made it: the tenant has no directory again and its links end.
pub async fn refuse(tx: &mut Scoped, by: &By, user: UserId, entry: &Entry, now: DateTime<Utc>) -> Result<(), WriteError> {
    let own = entry.entered_by == user;
    decide(tx, entry, (!own).then_some(user), false, now).await?;
    let done = sqlx::query(
        "update tenants set needs_approval = false, directory_id = null, state = 'invited', state_since = $3, updated_at = $3,
                            state_reason = 'The entered directory was refused or withdrawn by staff.'
         where tenant_id = $1 and directory_id = $2 and needs_approval and state <> 'offboarded'",
    )
    .bind(entry.tenant_id)
    .bind(entry.directory_id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    super::permissions::forget(tx, entry.tenant_id, now).await?;
    let action = if own { "tenant.directory_withdraw" } else { "tenant.refuse" };
    let event = by.event(action).tenant(entry.tenant_id).object(entry.directory_id.to_string());
    audit::record(tx, event.after(json!({ "entered_by": entry.enterer }))).await?;
    Ok(())
}

/// Notes that an entry or a decision was turned away; `action` is what was tried, `why` a sentence of ours.
pub async fn turned_away(
    tx: &mut Scoped,
    by: &By,
    tenant: TenantId,
    directory: DirectoryId,
    action: &'static str,
    why: &str,
) -> sqlx::Result<()> {
    let event = by.event(action).tenant(tenant).object(directory.to_string());
    audit::record(tx, event.after(json!({ "reason": why })).refused()).await
}

/// Ends an open entry without a decision; part of a larger change, whose audit row says why.
pub(super) async fn close(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update directory_entries set decided_at = $2, approved = false where tenant_id = $1 and decided_at is null")
        .bind(tenant)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The table itself refuses a decider who is the enterer.
async fn decide(tx: &mut Scoped, entry: &Entry, user: Option<UserId>, approved: bool, now: DateTime<Utc>) -> Result<(), WriteError> {
    let done = sqlx::query(
        "update directory_entries set decided_by = $3, decided_at = $4, approved = $5
         where tenant_id = $1 and entry_id = $2 and decided_at is null and entered_by is distinct from $3",
    )
    .bind(entry.tenant_id)
    .bind(entry.entry_id)
    .bind(user)
    .bind(now)
    .bind(approved)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 { Err(WriteError::Changed) } else { Ok(()) }
}
