//! What each app may do in each tenant's directory: asked for, granted, licensed, proven to work.

use super::Scoped;
use crate::model::{PermissionState, Product, TenantId};
use chrono::{DateTime, Utc};

/// One permission of one app in one tenant's directory.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Permission {
    /// The app's name in the configuration.
    pub app: String,
    pub product: Product,
    /// Microsoft's name: "Incident.Read.All".
    pub permission: String,
    /// Whether the configuration asks for it. False: granted although not asked for any more.
    pub expected: bool,
    /// Named in the app's token; `None`: not yet known.
    pub granted: Option<bool>,
    /// The product answers for this directory.
    pub licensed: Option<bool>,
    /// A real call succeeded.
    pub working: Option<bool>,
    pub state: PermissionState,
    /// For people: why the state is not `granted`.
    pub reason: Option<String>,
    pub checked_at: Option<DateTime<Utc>>,
}

/// Every permission known of a tenant, by app, product and name.
pub async fn list(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Vec<Permission>> {
    sqlx::query_as(
        "select app, product, permission, expected, granted, licensed, working, state, reason, checked_at
         from tenant_permissions where tenant_id = $1 order by app, product, permission",
    )
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await
}

/// What the tenant's apps have been granted: app, product, permission.
pub async fn granted(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Vec<(String, Product, String)>> {
    sqlx::query_as("select app, product, permission from tenant_permissions where tenant_id = $1 and granted")
        .bind(tenant)
        .fetch_all(&mut **tx)
        .await
}

/// Stores what is known of one permission now.
pub async fn record(tx: &mut Scoped, tenant: TenantId, row: &Permission) -> sqlx::Result<()> {
    sqlx::query(
        "insert into tenant_permissions (tenant_id, app, product, permission, expected, granted, licensed, working, state, reason, checked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (tenant_id, app, product, permission) do update set
             expected = excluded.expected, granted = excluded.granted, licensed = excluded.licensed, working = excluded.working,
             state = excluded.state, reason = excluded.reason, checked_at = excluded.checked_at",
    )
    .bind(tenant)
    .bind(&row.app)
    .bind(row.product)
    .bind(&row.permission)
    .bind(row.expected)
    .bind(row.granted)
    .bind(row.licensed)
    .bind(row.working)
    .bind(row.state)
    .bind(&row.reason)
    .bind(row.checked_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Permissions that a check at `now` no longer asked about are not expected any more.
pub async fn unexpect(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update tenant_permissions set expected = false where tenant_id = $1 and expected and checked_at is distinct from $2")
        .bind(tenant)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
