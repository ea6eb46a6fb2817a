//! Bulk jobs' jobs: one for each tenant, which comes again until nothing of it waits. They have a worker of their own in each process, with a
//! few places: however slow one tenant is, what people ask for one by one does not wait for it, and it holds one place at most.
//!
//! What is to be done knows people and their rights, of which this floor knows nothing: whoever starts the engine brings it.

use super::super::read::Reader;
use super::Queue;
use super::jobs::{reader, told};
use super::parts::{PLANNED, Part};
use crate::model::{BulkId, TenantId, clock};
use crate::store::{Scoped, bulk};
use chrono::{DateTime, TimeDelta, Utc};
use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext, WorkerOptions};
use serde::{Deserialize, Serialize};
use std::pin::Pin;

/// Does a piece of a job in one tenant, and tells when to come again, if at all.
pub type BulkWork = fn(Reader, TenantId, BulkId, DateTime<Utc>) -> Pin<Box<dyn Future<Output = anyhow::Result<Option<TimeDelta>>> + Send>>;

/// Tenants worked off at a time in one process.
const AT_A_TIME: usize = 8;

/// Works a bulk job off in one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bulk {
    tenant: TenantId,
    bulk: BulkId,
}

impl Part for Bulk {
    fn id(&self) -> uuid::Uuid {
        self.bulk.0
    }

    fn tenant(&self) -> TenantId {
        self.tenant
    }
}

impl Queue {
    /// Asks for a bulk job in its tenants, at once. Asking twice is asking once.
    pub async fn bulk(&self, tx: &mut Scoped, bulk: BulkId, tenants: &[TenantId]) -> anyhow::Result<()> {
        self.parts(tx, tenants.iter().map(|&tenant| Bulk { tenant, bulk })).await
    }
}

/// What the engine was started with.
#[derive(Clone, Copy, Debug)]
struct Works(BulkWork);

/// The options of the worker that does these jobs and no others.
pub(super) fn worker(options: WorkerOptions, work: BulkWork) -> WorkerOptions {
    options.concurrency(AT_A_TIME).local_queue(super::local_queue(AT_A_TIME)).add_extension(Works(work)).define_job::<Bulk>()
}

impl TaskHandler for Bulk {
    const IDENTIFIER: &'static str = "bulk";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        let Works(work) = context.get_ext::<Works>().copied().ok_or_else(|| "the worker was started without its work".to_owned())?;
        told(Self::IDENTIFIER, work_and_queue(reader, work, self, clock::now()).await)
    }
}

async fn work_and_queue(reader: Reader, work: BulkWork, job: Bulk, now: DateTime<Utc>) -> anyhow::Result<()> {
    if let Some(wait) = work(reader.clone(), job.tenant, job.bulk, now).await? {
        let at = clock::now() + wait;
        let mut tx = reader.db.tenant(job.tenant).await?;
        bulk::visit(&mut tx, job.tenant, job.bulk, at).await?;
        reader.queue.part_at(&mut tx, job, at).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Queues the pieces that nobody looks after any more, and forgets what is old.
pub(super) async fn plan(reader: &Reader, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.all_tenants().await?;
    bulk::forget(&mut tx, now).await?;
    let open = bulk::open(&mut tx, now, PLANNED).await?;
    tx.commit().await?;
    for (tenant, bulk) in open {
        let mut tx = reader.db.tenant(tenant).await?;
        reader.queue.part_at(&mut tx, Bulk { tenant, bulk }, now).await?;
        tx.commit().await?;
    }
    Ok(())
}
