//! A change of a tenant's directory: asked for by one person, decided by another; what was read of the old directory is deleted.

use super::Scoped;
use super::audit::{self, Actor, By, Event};
use super::tenants::{Tenant, WriteError};
use crate::model::{DirectoryId, TenantId, UserId};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

/// An open request.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Request {
    pub tenant_id: TenantId,
    pub request_id: Uuid,
    /// `None`: to be learnt at the next consent.
    pub directory_id: Option<DirectoryId>,
    pub reason: String,
    pub requested_by: UserId,
    pub requester: String,
    pub requested_at: DateTime<Utc>,
}

/// Asks for a change. `Changed` if a request is open already.
pub async fn request(
    tx: &mut Scoped,
    by: &By,
    user: UserId,
    tenant: &Tenant,
    directory: Option<DirectoryId>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let done = sqlx::query(
        "insert into rebind_requests (tenant_id, request_id, directory_id, reason, requested_by, requested_at) values ($1, $2, $3, $4, $5, $6)
         on conflict (tenant_id) where decided_at is null do nothing",
    )
    .bind(tenant.tenant_id)
    .bind(Uuid::now_v7())
    .bind(directory)
    .bind(reason)
    .bind(user)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    let event = by.event("tenant.rebind_request").tenant(tenant.tenant_id).object(&tenant.name);
    let event = event.before(json!({ "directory_id": tenant.directory_id })).after(json!({ "directory_id": directory, "reason": reason }));
    audit::record(tx, event).await?;
    Ok(())
}

/// The request that waits for a decision.
pub async fn open(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Option<Request>> {
    sqlx::query_as(
        "select r.tenant_id, request_id, directory_id, reason, requested_by, u.login as requester, requested_at
         from rebind_requests as r join users as u on u.user_id = r.requested_by
         where r.tenant_id = $1 and decided_at is null",
    )
    .bind(tenant)
    .fetch_optional(&mut **tx)
    .await
}

/// Decides a request of somebody else's. Approved, the tenant is unbound, its older links and its readings' positions are dropped, its open
/// changes end, and it waits for a consent from the new directory; what was read of the old one is deleted by [`clear`]. `Changed` if the
/// request is decided already or is the decider's own.
pub async fn decide(
    tx: &mut Scoped,
    by: &By,
    user: UserId,
    request: &Request,
    approved: bool,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let done = sqlx::query(
        "update rebind_requests set decided_by = $3, decided_at = $4, approved = $5
         where tenant_id = $1 and request_id = $2 and decided_at is null and requested_by <> $3",
    )
    .bind(request.tenant_id)
    .bind(request.request_id)
    .bind(user)
    .bind(now)
    .bind(approved)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    let action = if approved { "tenant.rebind_approve" } else { "tenant.rebind_refuse" };
    let event = by.event(action).tenant(request.tenant_id).object(&request.requester);
    audit::record(tx, event.after(json!({ "directory_id": request.directory_id, "reason": request.reason }))).await?;
    if approved { unbind(tx, request, now).await } else { Ok(()) }
}

async fn unbind(tx: &mut Scoped, request: &Request, now: DateTime<Utc>) -> Result<(), WriteError> {
    let done = sqlx::query(
        "update tenants set directory_id = null, expected_directory_id = $2, needs_approval = false, state = 'invited', state_since = $3,
                            updated_at = $3, unbound_at = $3, endpoint_probed_at = null,
                            endpoint_region = case when endpoint_auto then null else endpoint_region end,
                            state_reason = 'The change of directory was approved. Send a new link.'
         where tenant_id = $1 and state <> 'offboarded'",
    )
    .bind(request.tenant_id)
    .bind(request.directory_id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    super::invites::revoke_all(tx, request.tenant_id, now).await?;
    super::customers::shut_out(tx, request.tenant_id).await?;
    super::entries::close(tx, request.tenant_id, now).await?;
    // What was granted, read and asked for was another directory's.
    super::permissions::forget(tx, request.tenant_id, now).await?;
    super::changes::abandon(tx, request.tenant_id, now).await?;
    sqlx::query(
        "update sync_state set state = 'waiting', watermark = null, complete_until = null, backfill_from = null, backfill_done = 0,
                               backfill_skip = 0, backfill_link = null, adapter = null, refused = null, reconciled_day = null,
                               reconciled_week = null, next_due = $2, last_success = null, failing_since = null, failures = 0, reason = null, remedy = null,
                               fence = fence + 1, lease_until = null
         where tenant_id = $1",
    )
    .bind(request.tenant_id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sqlx::query("update device_reads set read_at = null, failing_since = null, reason = null, next_due = $2 where tenant_id = $1")
        .bind(request.tenant_id)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Tenants of which something is to be deleted by [`clear`], at most 100. Needs an all-tenants transaction.
pub async fn unbound(tx: &mut Scoped) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar("select tenant_id from tenants where unbound_at is not null limit 100").fetch_all(&mut **tx).await
}

/// What is read of a directory, originals and history with it. Alerts point to incidents.
const READ: [(&str, &str); 7] = [
    ("alerts", "delete from alerts where tenant_id = $1"),
    ("incidents", "delete from incidents where tenant_id = $1"),
    ("devices", "delete from devices where tenant_id = $1"),
    ("answers", "delete from lookups where tenant_id = $1"),
    ("unreadable", "delete from quarantine where tenant_id = $1"),
    ("counts", "delete from tenant_counts where tenant_id = $1"),
    ("days", "delete from daily_counts where tenant_id = $1"),
];

/// Deletes what was read of the directory that a tenant was unbound from, or its records would mix with those of the next one; Microsoft's
/// ids are unique within a directory only. An audit row ("tenant.clear") says how many rows. For a tenant that was not unbound nothing
/// happens. Needs the worker role.
pub async fn clear(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<()> {
    let name: Option<String> =
        sqlx::query_scalar("update tenants set unbound_at = null where tenant_id = $1 and unbound_at is not null returning name")
            .bind(tenant)
            .fetch_optional(&mut **tx)
            .await?;
    let Some(name) = name else { return Ok(()) };
    tx.take_time().await?;
    let mut gone = serde_json::Map::new();
    for (what, delete) in READ {
        let done = sqlx::query(delete).bind(tenant).execute(&mut **tx).await?;
        gone.insert(what.to_owned(), done.rows_affected().into());
    }
    let event = Event::new(Actor::System("rebind"), "tenant.clear").tenant(tenant).object(name);
    audit::record(tx, event.before(gone.into())).await
}

/// Notes that somebody tried to decide their own request.
pub async fn refuse_own(tx: &mut Scoped, by: &By, request: &Request) -> sqlx::Result<()> {
    let event = by.event("tenant.rebind_approve").tenant(request.tenant_id).object(&request.requester);
    audit::record(tx, event.after(json!({ "reason": "one's own request" })).refused()).await
}
