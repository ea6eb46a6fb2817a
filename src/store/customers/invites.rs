//! Links that make an account of a customer's person: 72 hours, for one person, kept as a hash. Their secret names the tenant.

use crate::model::{CustomerInviteId, DirectoryId, TenantId};
use crate::store::Scoped;
use crate::store::audit::{self, By};
use chrono::{DateTime, Utc};
use serde_json::json;

/// How long a link works.
const HOURS: i32 = 72;

/// A link that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    pub ticket_hash: &'a [u8],
    /// For whom: 1 to 120 characters.
    pub label: &'a str,
    /// It makes an administrator.
    pub is_admin: bool,
    /// The name of whoever makes it.
    pub made_by: &'a str,
}

/// A link that still leads in, without its secret.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Invite {
    pub invite_id: CustomerInviteId,
    pub label: String,
    pub is_admin: bool,
    pub made_by: String,
    pub expires_at: DateTime<Utc>,
}

/// What a link was good for that was just used up.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Used {
    pub invite_id: CustomerInviteId,
    pub is_admin: bool,
    pub made_by: String,
}

/// Keeps a link, with its audit row ("customer.invite").
pub async fn create(tx: &mut Scoped, by: &By, tenant: TenantId, new: New<'_>) -> sqlx::Result<DateTime<Utc>> {
    let expires: DateTime<Utc> = sqlx::query_scalar(
        "insert into customer_invites (tenant_id, invite_id, ticket_hash, label, is_admin, made_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, now() + make_interval(hours => $7)) returning expires_at",
    )
    .bind(tenant)
    .bind(CustomerInviteId::new())
    .bind(new.ticket_hash)
    .bind(new.label)
    .bind(new.is_admin)
    .bind(new.made_by)
    .bind(HOURS)
    .fetch_one(&mut **tx)
    .await?;
    let event = by.event("customer.invite").tenant(tenant).object(new.label);
    audit::record(tx, event.after(json!({ "administrator": new.is_admin }))).await?;
    Ok(expires)
}

/// The tenant's name and the directory that is bound to it, if the link with this hash still leads in.
pub async fn look(tx: &mut Scoped, tenant: TenantId, hash: &[u8]) -> sqlx::Result<Option<(String, DirectoryId)>> {
    sqlx::query_as(
        "select t.name, t.directory_id from customer_invites as i join tenants as t on t.tenant_id = i.tenant_id
         where i.tenant_id = $1 and i.ticket_hash = $2 and i.used_at is null and i.expires_at > now()
           and t.state <> 'offboarded' and t.directory_id is not null and not t.needs_approval",
    )
    .bind(tenant)
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await
}

/// Uses a link up: of two at once one gets the answer.
pub async fn use_up(tx: &mut Scoped, tenant: TenantId, hash: &[u8]) -> sqlx::Result<Option<Used>> {
    sqlx::query_as(
        "update customer_invites set used_at = now()
         where tenant_id = $1 and ticket_hash = $2 and used_at is null and expires_at > now()
         returning invite_id, is_admin, made_by",
    )
    .bind(tenant)
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await
}

/// The links of a tenant that still lead in, the newest first, at most 50.
pub async fn open(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Vec<Invite>> {
    sqlx::query_as(
        "select invite_id, label, is_admin, made_by, expires_at from customer_invites
         where tenant_id = $1 and used_at is null and expires_at > now()
         order by created_at desc, invite_id desc limit 50",
    )
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await
}

/// Takes a link back that was not used yet, with its audit row ("customer.invite_withdrawn"). False: there is none such.
pub async fn withdraw(tx: &mut Scoped, by: &By, tenant: TenantId, invite: CustomerInviteId) -> sqlx::Result<bool> {
    let label: Option<String> = sqlx::query_scalar(
        "delete from customer_invites where tenant_id = $1 and invite_id = $2 and used_at is null and expires_at > now() returning label",
    )
    .bind(tenant)
    .bind(invite)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(label) = label else { return Ok(false) };
    audit::record(tx, by.event("customer.invite_withdrawn").tenant(tenant).object(label)).await?;
    Ok(true)
}
