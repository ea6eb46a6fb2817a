//! Links to a tenant's onboarding page: 72 hours, revocable, used up once every app on it is settled and a directory proven. A link binds
//! one directory at most. A new one ends the older ones.

use super::Scoped;
use super::audit::{self, By};
use super::tickets::Ticket;
use crate::model::{InviteId, TenantId};
use chrono::{DateTime, Duration, Utc};
use serde_json::json;

/// How long a link works.
pub const LIFETIME: Duration = Duration::hours(72);

/// One link, without its secret, which is not kept.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Invite {
    pub tenant_id: TenantId,
    pub invite_id: InviteId,
    /// The apps it asks for; `None`: every app of the tenant.
    pub apps: Option<Vec<String>>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub opened_at: Option<DateTime<Utc>>,
    /// When a sign-in on it proved a directory.
    pub proven_at: Option<DateTime<Utc>>,
    pub used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Invite {
    /// Whether it asks for this app of the tenant's.
    pub fn asks_for(&self, app: &str) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.iter().any(|name| name == app))
    }

    /// Whether the link still leads anywhere.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.used_at.is_none() && self.revoked_at.is_none() && now < self.expires_at
    }
}

/// Stores a new link and revokes the tenant's older ones. `apps`: those of the tenant's apps it asks for; `None`: all of them.
pub async fn create(
    tx: &mut Scoped,
    by: &By,
    tenant: TenantId,
    ticket: &Ticket,
    apps: Option<&[String]>,
    now: DateTime<Utc>,
) -> sqlx::Result<Invite> {
    revoke_all(tx, tenant, now).await?;
    let invite: Invite = sqlx::query_as(
        "insert into invites (tenant_id, invite_id, token_hash, apps, created_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7) returning *",
    )
    .bind(tenant)
    .bind(InviteId::new())
    .bind(&ticket.hash)
    .bind(apps)
    .bind(by.user())
    .bind(now)
    .bind(now + LIFETIME)
    .fetch_one(&mut **tx)
    .await?;
    let event = by.event("invite.create").tenant(tenant).object(invite.invite_id.to_string());
    audit::record(tx, event.after(json!({ "apps": invite.apps }))).await?;
    Ok(invite)
}

/// The link with this hash, whatever became of it.
pub async fn find(tx: &mut Scoped, tenant: TenantId, hash: &[u8]) -> sqlx::Result<Option<Invite>> {
    sqlx::query_as("select * from invites where tenant_id = $1 and token_hash = $2").bind(tenant).bind(hash).fetch_optional(&mut **tx).await
}

/// One link.
pub async fn get(tx: &mut Scoped, tenant: TenantId, invite: InviteId) -> sqlx::Result<Option<Invite>> {
    sqlx::query_as("select * from invites where tenant_id = $1 and invite_id = $2")
        .bind(tenant)
        .bind(invite)
        .fetch_optional(&mut **tx)
        .await
}

/// The newest link of a tenant.
pub async fn latest(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Option<Invite>> {
    sqlx::query_as("select * from invites where tenant_id = $1 order by created_at desc, invite_id desc limit 1")
        .bind(tenant)
        .fetch_optional(&mut **tx)
        .await
}

/// Notes that the link was opened. True the first time.
pub async fn open(tx: &mut Scoped, by: &By, invite: &Invite, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query("update invites set opened_at = $3 where tenant_id = $1 and invite_id = $2 and opened_at is null")
        .bind(invite.tenant_id)
        .bind(invite.invite_id)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    audit::record(tx, by.event("invite.open").tenant(invite.tenant_id).object(invite.invite_id.to_string())).await?;
    Ok(true)
}

/// Notes that a sign-in on the link proved a directory. False if it was used, revoked or expired: then nothing may be bound. Nobody else
/// changes the link until the transaction ends.
pub async fn prove(tx: &mut Scoped, tenant: TenantId, invite: InviteId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update invites set proven_at = coalesce(proven_at, $3)
         where tenant_id = $1 and invite_id = $2 and used_at is null and revoked_at is null and expires_at > $3",
    )
    .bind(tenant)
    .bind(invite)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Uses the link up. False if it was used, revoked or expired.
pub async fn consume(tx: &mut Scoped, by: &By, tenant: TenantId, invite: InviteId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let used: Option<InviteId> = sqlx::query_scalar(
        "update invites set used_at = $3
         where tenant_id = $1 and invite_id = $2 and used_at is null and revoked_at is null and expires_at > $3
         returning invite_id",
    )
    .bind(tenant)
    .bind(invite)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    if used.is_some() {
        audit::record(tx, by.event("invite.use").tenant(tenant).object(invite.to_string())).await?;
    }
    Ok(used.is_some())
}

/// Ends a link before its time. False if it had ended already.
pub async fn revoke(tx: &mut Scoped, by: &By, tenant: TenantId, invite: InviteId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update invites set revoked_at = $3 where tenant_id = $1 and invite_id = $2 and revoked_at is null and used_at is null",
    )
    .bind(tenant)
    .bind(invite)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    audit::record(tx, by.event("invite.revoke").tenant(tenant).object(invite.to_string())).await?;
    Ok(true)
}

/// Ends every open link of a tenant; part of a larger change, whose audit row says why.
pub(super) async fn revoke_all(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update invites set revoked_at = $2 where tenant_id = $1 and revoked_at is null and used_at is null")
        .bind(tenant)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
