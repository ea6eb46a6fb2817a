//! Sessions of customers' people: eight hours at most, half an hour idle, five for each person. All times are the database's.

use crate::model::{CustomerId, TenantId};
use crate::store::Scoped;

/// Who is signed in, and for which tenant.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Identity {
    pub customer_id: CustomerId,
    pub display_name: String,
    pub username: String,
    pub is_admin: bool,
    pub tenant_name: String,
}

/// Starts a session. A person has at most five: the one unused for longest ends.
pub async fn insert(tx: &mut Scoped, tenant: TenantId, hash: &[u8], customer: CustomerId, ip: Option<&str>) -> sqlx::Result<()> {
    sqlx::query(
        "delete from customer_sessions where tenant_id = $1 and session_hash in
         (select session_hash from customer_sessions where tenant_id = $1 and customer_id = $2
          order by last_seen_at desc, session_hash offset 4)",
    )
    .bind(tenant)
    .bind(customer)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into customer_sessions (tenant_id, session_hash, customer_id, expires_at, ip)
         values ($1, $2, $3, now() + interval '8 hours', $4)",
    )
    .bind(tenant)
    .bind(hash)
    .bind(customer)
    .bind(ip)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whose session this is, if it has neither expired nor lain idle for 30 minutes, the person is not disabled, and the tenant is not offboarded and
/// still bound to the directory that vouched for them; its idle time starts anew (to the minute). Commit it.
pub async fn identify(tx: &mut Scoped, tenant: TenantId, hash: &[u8]) -> sqlx::Result<Option<Identity>> {
    sqlx::query_as(
        "with seen as (
             update customer_sessions set last_seen_at = now()
             where tenant_id = $1 and session_hash = $2 and last_seen_at < now() - interval '1 minute'
               and last_seen_at > now() - interval '30 minutes' and expires_at > now()
             returning customer_id
         ), met as (
             update customers set last_seen_at = now() from seen where tenant_id = $1 and customers.customer_id = seen.customer_id
         )
         select c.customer_id, c.display_name, c.username, c.is_admin, t.name as tenant_name
         from customer_sessions as s
         join customers as c on c.tenant_id = s.tenant_id and c.customer_id = s.customer_id
         join tenants as t on t.tenant_id = s.tenant_id
         where s.tenant_id = $1 and s.session_hash = $2 and s.expires_at > now() and s.last_seen_at > now() - interval '30 minutes'
           and c.disabled_at is null and t.state <> 'offboarded' and t.directory_id = c.directory_id and not t.needs_approval",
    )
    .bind(tenant)
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await
}

/// Ends one session.
pub async fn end(tx: &mut Scoped, tenant: TenantId, hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query("delete from customer_sessions where tenant_id = $1 and session_hash = $2")
        .bind(tenant)
        .bind(hash)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends all sessions of a person; part of a larger change, whose audit row says why.
pub(super) async fn end_all(tx: &mut Scoped, tenant: TenantId, customer: CustomerId) -> sqlx::Result<()> {
    sqlx::query("delete from customer_sessions where tenant_id = $1 and customer_id = $2")
        .bind(tenant)
        .bind(customer)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
