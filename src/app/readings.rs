//! Readings on a person's wish.

use super::acting::{self, Refusal};
use crate::model::{Product, TenantId};
use crate::store::audit::{self, By};
use crate::store::{Scoped, coverage};
use crate::sync::engine::Queue;

/// Asks for a reading of every product of a tenant, at once. Which products that are.
pub async fn at_once(tx: &mut Scoped, queue: &Queue, by: &By, tenant: TenantId) -> Result<Vec<Product>, Refusal> {
    let found = acting::open(tx, tenant).await?;
    let rows = coverage::list(tx, Some(tenant)).await?;
    let products: Vec<Product> = rows.into_iter().filter(|row| row.enabled).map(|row| row.product).collect();
    for product in &products {
        queue.read(tx, tenant, *product).await?;
    }
    audit::record(tx, by.event("tenant.sync").tenant(tenant).object(found.name)).await?;
    Ok(products)
}

/// Asks for a reading of a tenant's devices, at once.
pub async fn devices(tx: &mut Scoped, queue: &Queue, by: &By, tenant: TenantId) -> Result<(), Refusal> {
    let found = acting::open(tx, tenant).await?;
    queue.devices(tx, tenant).await?;
    Ok(audit::record(tx, by.event("tenant.devices").tenant(tenant).object(found.name)).await?)
}
