//! Lets the clocks of incidents follow what was agreed anew.

use super::read::Reader;
use crate::model::TenantId;
use crate::store::service_levels;

/// Tenants of one round.
const AT_ONCE: i64 = 2_000;

/// Sets the clocks of the tenants whose service level changed, each in a transaction of its own. What does not go well with one is done by a later
/// call, and holds up no other.
///
/// # Errors
/// When it cannot be asked which tenants these are.
pub async fn keep_up(reader: &Reader) -> anyhow::Result<()> {
    let mut tx = reader.db.all_tenants().await?;
    let stale = service_levels::stale(&mut tx, AT_ONCE).await?;
    tx.commit().await?;
    for tenant in stale {
        if let Err(error) = settle(reader, tenant).await {
            tracing::warn!(%tenant, %error, "the clocks of a tenant do not follow its service level yet");
        }
    }
    Ok(())
}

async fn settle(reader: &Reader, tenant: TenantId) -> sqlx::Result<()> {
    let mut tx = reader.db.tenant(tenant).await?;
    service_levels::settle(&mut tx, tenant).await?;
    tx.commit().await
}
