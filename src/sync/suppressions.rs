//! What rules leave to do for nobody who waits: their end in time, and more alerts to hide or to bring back than a request can.

use super::read::Reader;
use crate::model::TenantId;
use crate::store::audit::{Actor, By};
use crate::store::ingest::is_contention;
use crate::store::suppressions;
use chrono::{DateTime, Utc};

/// Alerts of one transaction, at most.
const AT_ONCE: i64 = 1_000;

/// Ends the rules whose time is over, and looks through what is still to be looked through, a tenant after the other in short transactions.
///
/// # Errors
/// When the database fails; what is left is done by the next call.
pub async fn keep_up(reader: &Reader, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.all_tenants().await?;
    suppressions::expire(&mut tx, &By { actor: Actor::System("suppressions"), ip: None }, now).await?;
    let pending = suppressions::pending(&mut tx).await?;
    tx.commit().await?;
    for tenant in pending {
        match catch_up(reader, tenant, now).await {
            // It is being read; the next round looks again.
            Err(error) if is_contention(&error) => {}
            other => other?,
        }
    }
    Ok(())
}

async fn catch_up(reader: &Reader, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    loop {
        let mut tx = reader.db.tenant(tenant).await?;
        let finished = suppressions::work_off(&mut tx, tenant, now, AT_ONCE).await?;
        tx.commit().await?;
        if finished {
            return Ok(());
        }
    }
}
