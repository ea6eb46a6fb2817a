//! Through which of Microsoft's APIs a product of a tenant is read.

use super::Scoped;
use super::audit::{self, Actor, By, Event};
use super::tenants::Tenant;
use crate::model::{Adapter, Product, TenantId};
use serde_json::json;

const SYNC: Actor = Actor::System("sync");

/// Notes, for the holder of the lease, the API that this reading uses. A first reading that is not finished begins again, because the
/// places of the lists differ; the watermark stays: both APIs tell the same times. A change is written to the audit log. False: the
/// lease is lost, and the transaction must not commit.
pub async fn change(
    tx: &mut Scoped,
    tenant: TenantId,
    product: Product,
    fence: i64,
    from: Option<Adapter>,
    to: Adapter,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update sync_state set adapter = $4, backfill_link = null, backfill_skip = case when backfill_done < 1 then 0 else backfill_skip end
         where tenant_id = $1 and product = $2 and fence = $3",
    )
    .bind(tenant)
    .bind(product)
    .bind(fence)
    .bind(to)
    .execute(&mut **tx)
    .await?;
    if let Some(from) = from {
        let event = Event::new(SYNC, "sync.adapter").tenant(tenant).object(product.label());
        audit::record(tx, event.before(json!({ "adapter": from })).after(json!({ "adapter": to }))).await?;
    }
    Ok(done.rows_affected() == 1)
}

/// Notes which API would not serve this tenant when it was asked last; `None`: none.
pub async fn refuse(tx: &mut Scoped, tenant: TenantId, product: Product, refused: Option<Adapter>) -> sqlx::Result<()> {
    sqlx::query("update sync_state set refused = $3 where tenant_id = $1 and product = $2 and refused is distinct from $3")
        .bind(tenant)
        .bind(product)
        .bind(refused)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The API that would not serve this tenant when it was asked last.
pub async fn refused(tx: &mut Scoped, tenant: TenantId, product: Product) -> sqlx::Result<Option<Adapter>> {
    let refused = sqlx::query_scalar("select refused from sync_state where tenant_id = $1 and product = $2");
    Ok(refused.bind(tenant).bind(product).fetch_optional(&mut **tx).await?.flatten())
}

/// Decides through which API a tenant's incidents and Endpoint alerts are read; `None`: by what is granted. Writes nothing, not even to
/// the audit log, where it is so already.
pub async fn pin(tx: &mut Scoped, by: &By, tenant: &Tenant, to: Option<Adapter>) -> sqlx::Result<()> {
    if tenant.incident_api == to {
        return Ok(());
    }
    sqlx::query("update tenants set incident_api = $2 where tenant_id = $1").bind(tenant.tenant_id).bind(to).execute(&mut **tx).await?;
    let event = by.event("tenant.adapter").tenant(tenant.tenant_id).object(&tenant.name);
    audit::record(tx, event.before(json!({ "adapter": tenant.incident_api })).after(json!({ "adapter": to }))).await
}
