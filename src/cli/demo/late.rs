//! What the portal finds missing only minutes after a consent, because Entra's replicas lag. The stand-in's do not, and nobody waits eight
//! minutes in a demo: so the last look at those customers comes as soon as they are read.

use crate::cli::listen::Stop;
use crate::demo::{ExampleKind, examples};
use crate::model::{Cloud, TenantId, clock};
use crate::store::{Db, tenants};
use crate::sync::read::Reader;
use crate::sync::verify::{LAST_ROUND, verify};
use anyhow::Result;
use std::time::Duration;

/// Between two looks at whether they are read.
const PAUSE: Duration = Duration::from_secs(2);

/// The customers among the first `count` that have granted less than is asked for.
pub async fn customers(db: &Db, cloud: Cloud, count: usize) -> Result<Vec<TenantId>> {
    let mut tx = db.all_tenants().await?;
    let mut found = Vec::new();
    for example in examples(cloud, count) {
        if matches!(example.kind, ExampleKind::PermissionMissing | ExampleKind::Outgrown) {
            found.extend(tenants::holder(&mut tx, example.directory_id, None).await?.map(|tenant| tenant.tenant_id));
        }
    }
    tx.commit().await?;
    Ok(found)
}

/// Looks at each for the last time, once it is read.
pub async fn look(reader: &Reader, mut customers: Vec<TenantId>, stop: &Stop) {
    let mut due = tokio::time::interval(PAUSE);
    while !customers.is_empty() && stop.asked.run_until_cancelled(due.tick()).await.is_some() {
        let mut waiting = Vec::new();
        for tenant in customers {
            match stop.asked.run_until_cancelled(look_at(reader, tenant)).await {
                Some(Ok(true)) | None => {}
                Some(Ok(false)) => waiting.push(tenant),
                Some(Err(error)) => {
                    tracing::warn!(error = format!("{error:#}"), "a customer of the demo is looked at later");
                    waiting.push(tenant);
                }
            }
        }
        customers = waiting;
    }
}

async fn look_at(reader: &Reader, tenant: TenantId) -> Result<bool> {
    let mut tx = reader.db.tenant(tenant).await?;
    let is_read = tenants::get(&mut tx, tenant).await?.is_some_and(|tenant| tenant.state.is_read());
    tx.commit().await?;
    if is_read {
        verify(reader, tenant, LAST_ROUND, clock::now()).await?;
    }
    Ok(is_read)
}
