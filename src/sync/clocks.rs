//! Lets the clocks of incidents follow what was agreed anew.

use super::read::Reader;
use crate::store::ingest::is_contention;
use crate::store::service_levels;
use chrono::{DateTime, TimeDelta, Utc};

/// What was being read when a service level changed may have been stored after the clocks were set, with the old one: they are set once more when
/// no such reading can be under way.
const SETTLED: TimeDelta = TimeDelta::seconds(60);
/// Tenants of one round.
const AT_ONCE: i64 = 2_000;

/// Sets the clocks of the tenants whose service level changed a minute ago or earlier, each in a transaction of its own.
///
/// # Errors
/// When the database fails; what is left is done by the next call.
pub async fn keep_up(reader: &Reader, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.all_tenants().await?;
    let stale = service_levels::stale(&mut tx, now - SETTLED, AT_ONCE).await?;
    tx.commit().await?;
    for tenant in stale {
        let mut tx = reader.db.tenant(tenant).await?;
        let done = async {
            service_levels::settle(&mut tx, tenant).await?;
            tx.commit().await
        };
        match done.await {
            // It is being read; the next round looks again.
            Err(error) if is_contention(&error) => {}
            other => other?,
        }
    }
    Ok(())
}
