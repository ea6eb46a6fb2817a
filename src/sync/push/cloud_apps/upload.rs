//! Carries a log to cloud discovery: read from the database piece by piece while it is sent.

use super::super::in_time;
use super::{Errand, Reader};
use crate::microsoft::CallError;
use crate::model::cloud_apps::Upload;
use crate::model::{ChangeId, TenantId};
use crate::store::changes::Change;
use crate::store::{Db, uploads};
use crate::sync::Clock;
use tokio::io::{AsyncWriteExt, DuplexStream};

pub(super) async fn send(reader: &Reader, errand: &Errand, change: &Change, clock: Clock) -> anyhow::Result<Result<String, CallError>> {
    let Some(upload) = change.request.as_ref().and_then(Upload::read) else {
        return Ok(Err(CallError::NotConfigured("the upload was not written down whole")));
    };
    let (tenant, id) = (change.tenant_id, change.change_id);
    let mut tx = reader.db.tenant(tenant).await?;
    let size = uploads::size(&mut tx, tenant, id).await?;
    tx.commit().await?;
    let Some(size) = u64::try_from(size).ok().filter(|size| *size > 0) else {
        return Ok(Err(CallError::NotConfigured("the file is no longer here; upload it again")));
    };
    let (content, sink) = tokio::io::duplex(2 * uploads::PART);
    let pump = tokio::spawn(pump(reader.db.clone(), tenant, id, sink));
    let (target, app) = (&errand.target, errand.app.as_str());
    let placed = reader.microsoft.cloud_apps_put(target, app, &upload, (size, content), clock.now()).await;
    // If the sending ended early, there is nobody left to write to.
    pump.abort();
    Ok(match placed {
        Ok(placed) => {
            in_time(Clock::start(clock.now()), reader.microsoft.cloud_apps_done(target, app, &upload, &placed, clock.now())).await
        }
        Err(error) => Err(error),
    })
}

/// Writes every piece, one short transaction each. Should one be missing, the file ends early, and the length that was announced tells.
async fn pump(db: Db, tenant: TenantId, change: ChangeId, mut sink: DuplexStream) -> anyhow::Result<()> {
    for part in 0.. {
        let mut tx = db.tenant(tenant).await?;
        let bytes = uploads::part(&mut tx, tenant, change, part).await?;
        tx.commit().await?;
        let Some(bytes) = bytes else { break };
        sink.write_all(&bytes).await?;
    }
    sink.shutdown().await?;
    Ok(())
}
