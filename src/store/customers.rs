//! Customers' own people: their accounts. Whatever is asked here is asked within one tenant's scope.

pub mod invites;
pub mod sessions;
pub mod trips;

use super::Scoped;
use super::audit::{self, By};
use super::staff::Person;
use crate::model::{CustomerId, TenantId};
use chrono::{DateTime, Utc};
use serde_json::json;

/// How many people of a tenant a page shows.
pub const SHOWN: i64 = 200;

/// A person of a customer's.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Customer {
    pub tenant_id: TenantId,
    pub customer_id: CustomerId,
    pub display_name: String,
    /// What they sign in as, for people to read.
    pub username: String,
    /// May invite and disable colleagues.
    pub is_admin: bool,
    /// The name of whoever invited them.
    pub invited_by: String,
    pub created_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// The tenant whose bound directory this is, unless it is offboarded, or staff have not said yet that the directory is the customer's. Needs an
/// all-tenants transaction, because nobody knows yet whose the person is.
pub async fn tenant_of(tx: &mut Scoped, person: &Person<'_>) -> sqlx::Result<Option<TenantId>> {
    sqlx::query_scalar("select tenant_id from tenants where directory_id = $1 and state <> 'offboarded' and not needs_approval")
        .bind(person.directory)
        .fetch_optional(&mut **tx)
        .await
}

/// Whether a person is of the directory that is bound to a tenant, and the tenant is not offboarded. Neither changes until the transaction
/// ends.
pub async fn is_of(tx: &mut Scoped, tenant: TenantId, person: &Person<'_>) -> sqlx::Result<bool> {
    let found: Option<TenantId> = sqlx::query_scalar(
        "select tenant_id from tenants
         where tenant_id = $1 and directory_id = $2 and state <> 'offboarded' and not needs_approval for share",
    )
    .bind(tenant)
    .bind(person.directory)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.is_some())
}

/// The account of a person, locked until the transaction ends.
pub async fn find(tx: &mut Scoped, tenant: TenantId, person: &Person<'_>) -> sqlx::Result<Option<Customer>> {
    sqlx::query_as("select * from customers where tenant_id = $1 and issuer = $2 and directory_id = $3 and object_id = $4 for update")
        .bind(tenant)
        .bind(person.issuer)
        .bind(person.directory)
        .bind(person.object)
        .fetch_optional(&mut **tx)
        .await
}

/// One person of a tenant.
pub async fn get(tx: &mut Scoped, tenant: TenantId, customer: CustomerId) -> sqlx::Result<Option<Customer>> {
    sqlx::query_as("select * from customers where tenant_id = $1 and customer_id = $2")
        .bind(tenant)
        .bind(customer)
        .fetch_optional(&mut **tx)
        .await
}

/// The people of a tenant by name, at most [`SHOWN`].
pub async fn list(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Vec<Customer>> {
    sqlx::query_as("select * from customers where tenant_id = $1 order by lower(display_name), customer_id limit $2")
        .bind(tenant)
        .bind(SHOWN)
        .fetch_all(&mut **tx)
        .await
}

/// Makes the account that an invite is for. The caller has used the invite up in this transaction. `None`: another request was faster.
pub async fn insert(
    tx: &mut Scoped,
    tenant: TenantId,
    person: &Person<'_>,
    (name, username): (&str, &str),
    invite: &invites::Used,
) -> sqlx::Result<Option<CustomerId>> {
    sqlx::query_scalar(
        "insert into customers (tenant_id, customer_id, issuer, directory_id, object_id, display_name, username, is_admin, invited_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing returning customer_id",
    )
    .bind(tenant)
    .bind(CustomerId::new())
    .bind(person.issuer)
    .bind(person.directory)
    .bind(person.object)
    .bind(name)
    .bind(username)
    .bind(invite.is_admin)
    .bind(&invite.made_by)
    .fetch_optional(&mut **tx)
    .await
}

/// Takes over what the directory calls a person now, who has just signed in; `is_admin`: an invite has made an administrator of them.
pub async fn greet(tx: &mut Scoped, of: &Customer, (name, username): (&str, &str), is_admin: bool) -> sqlx::Result<()> {
    sqlx::query(
        "update customers set display_name = $3, username = $4, last_seen_at = now(), is_admin = is_admin or $5
         where tenant_id = $1 and customer_id = $2",
    )
    .bind(of.tenant_id)
    .bind(of.customer_id)
    .bind(name)
    .bind(username)
    .bind(is_admin)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Disables a person or lets them in again, with its audit row ("customer.disable", "customer.enable"). Disabling ends their sessions. False:
/// they stand so already.
pub async fn set_disabled(tx: &mut Scoped, by: &By, of: &Customer, disabled: bool) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update customers set disabled_at = case when $3 then now() end
         where tenant_id = $1 and customer_id = $2 and (disabled_at is null) = $3",
    )
    .bind(of.tenant_id)
    .bind(of.customer_id)
    .bind(disabled)
    .execute(&mut **tx)
    .await?;
    sessions::end_all(tx, of.tenant_id, of.customer_id).await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let event = by.event(if disabled { "customer.disable" } else { "customer.enable" });
    let event = event.tenant(of.tenant_id).object(&of.username).after(json!({ "customer": of.customer_id }));
    audit::record(tx, event).await?;
    Ok(true)
}

/// Whether a tenant has an administrator of its own, who is not disabled, besides this person. Its administrators stay as they are until the
/// transaction ends, or two of them could disable each other at once.
pub async fn has_other_admin(tx: &mut Scoped, of: &Customer) -> sqlx::Result<bool> {
    let admins: Vec<CustomerId> = sqlx::query_scalar(
        "select customer_id from customers where tenant_id = $1 and is_admin and disabled_at is null order by customer_id for update",
    )
    .bind(of.tenant_id)
    .fetch_all(&mut **tx)
    .await?;
    Ok(admins.iter().any(|admin| *admin != of.customer_id))
}

/// Ends every session and every unused link of a tenant's people: the tenant is offboarded, or unbound from their directory. Part of a larger
/// change, whose audit row says why.
pub(super) async fn shut_out(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query("delete from customer_sessions where tenant_id = $1").bind(tenant).execute(&mut **tx).await?;
    sqlx::query("delete from customer_invites where tenant_id = $1 and used_at is null").bind(tenant).execute(&mut **tx).await?;
    Ok(())
}

/// Throws away sessions that have ended, trips that ended a day ago, and links that ended 30 days ago. The worker's, over all tenants.
pub async fn forget(tx: &mut Scoped) -> sqlx::Result<()> {
    for ended in [
        "delete from customer_sessions where expires_at < now()",
        "delete from customer_trips where expires_at < now() - interval '1 day'",
        "delete from customer_invites where expires_at < now() - interval '30 days'",
    ] {
        sqlx::query(ended).execute(&mut **tx).await?;
    }
    Ok(())
}
