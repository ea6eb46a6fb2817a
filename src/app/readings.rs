//! Readings on a person's wish.

use super::acting::Refusal;
use crate::model::{Product, TenantId};
use crate::store::audit::{self, By};
use crate::store::{Scoped, coverage, tenants};
use crate::sync::engine::Queue;

/// Asks for a reading of every product of a tenant, at once. Which products that are.
pub async fn at_once(tx: &mut Scoped, queue: &Queue, by: &By, tenant: TenantId) -> Result<Vec<Product>, Refusal> {
    let found = tenants::get(tx, tenant).await?.ok_or(Refusal::NoTenant)?;
    if !found.state.is_read() || found.needs_approval {
        return Err(Refusal::NotRead);
    }
    let rows = coverage::list(tx, Some(tenant)).await?;
    let products: Vec<Product> = rows.into_iter().filter(|row| row.enabled).map(|row| row.product).collect();
    for product in &products {
        queue.read(tx, tenant, *product).await?;
    }
    audit::record(tx, by.event("tenant.sync").tenant(tenant).object(found.name)).await?;
    Ok(products)
}
