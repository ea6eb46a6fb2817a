//! What a change in reading means for the tenant as a whole, and who is told.

use super::plan;
use crate::model::{Product, SyncHealth, TenantId, TenantState};
use crate::store::audit::{self, Actor, Event};
use crate::store::{Scoped, sync_state};
use chrono::{DateTime, Utc};
use serde_json::json;

const SYNC: Actor = Actor::System("sync");

/// Sets the tenant's state from its products, in the transaction that changed them. `from` are the states that may change: those of
/// tenants that are read, and for the check of permissions also `verifying`. Writes nothing when nothing changed.
pub(super) async fn settle(tx: &mut Scoped, tenant: TenantId, from: &[TenantState], now: DateTime<Utc>) -> sqlx::Result<()> {
    let (before, products) = sync_state::enabled(tx, tenant).await?;
    let (after, reason) = plan::tenant_state(&products);
    if before.state == after && before.reason == reason || !from.contains(&before.state) {
        return Ok(());
    }
    sync_state::set_tenant_state(tx, tenant, after, reason.as_deref(), now).await?;
    if before.state == after {
        return Ok(());
    }
    let event = Event::new(SYNC, "tenant.state").tenant(tenant).object(before.name);
    let event = event.before(json!({ "state": before.state })).after(json!({ "state": after, "reason": reason }));
    audit::record(tx, event).await
}

/// Notes in the audit log that a tenant's consent is lost or regained, if it is.
pub(super) async fn consent(
    tx: &mut Scoped,
    tenant: TenantId,
    product: Product,
    (before, after): (SyncHealth, SyncHealth),
    reason: Option<&str>,
) -> sqlx::Result<()> {
    let action = match (before == SyncHealth::ConsentLost, after == SyncHealth::ConsentLost) {
        (false, true) => "consent.lost",
        (true, false) if !matches!(after, SyncHealth::Failing | SyncHealth::OurCredential) => "consent.regained",
        _ => return Ok(()),
    };
    let event = Event::new(SYNC, action).tenant(tenant).object(product.label());
    audit::record(tx, event.before(json!({ "state": before })).after(json!({ "state": after, "reason": reason }))).await
}

/// Somebody may be playing Microsoft: an answer that only a forger would send was dropped.
pub(super) async fn forgery(tx: &mut Scoped, tenant: TenantId, product: Product, what: &str, reason: &str) -> sqlx::Result<()> {
    let event = Event::new(SYNC, "security.microsoft_answer").tenant(tenant).object(product.label());
    audit::record(tx, Event { result: "failed", ..event }.after(json!({ "kind": what, "reason": reason }))).await
}
