//! Hunting's jobs. They have a worker of their own in each process, with a few places: a query may take minutes, and 500 of them must take no
//! place from a reading.

use super::super::hunt;
use super::super::read::Reader;
use super::Queue;
use super::jobs::{reader, told};
use super::parts::{PLANNED, Part};
use crate::model::{HuntId, TenantId, clock};
use crate::store::{Scoped, hunts};
use chrono::{DateTime, Utc};
use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext, WorkerOptions};
use serde::{Deserialize, Serialize};

/// Queries under way at a time in one process.
const AT_A_TIME: usize = 4;

/// Runs one hunt in one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hunt {
    tenant: TenantId,
    hunt: HuntId,
}

impl Part for Hunt {
    fn id(&self) -> uuid::Uuid {
        self.hunt.0
    }

    fn tenant(&self) -> TenantId {
        self.tenant
    }
}

impl Queue {
    /// Asks for a hunt in its tenants, at once. Asking twice is asking once.
    pub async fn hunt(&self, tx: &mut Scoped, hunt: HuntId, tenants: &[TenantId]) -> anyhow::Result<()> {
        // Hunts over the same tenants begin at different ones, so as not to wait for one another.
        let first = hunt.0.as_bytes()[15];
        let (rest, begin) = tenants.split_at(usize::from(first) % tenants.len().max(1));
        self.parts(tx, begin.iter().chain(rest).map(|&tenant| Hunt { tenant, hunt })).await
    }
}

/// The options of the worker that does hunting's jobs and no others.
pub(super) fn worker(options: WorkerOptions) -> WorkerOptions {
    options.concurrency(AT_A_TIME).local_queue(super::local_queue(AT_A_TIME)).define_job::<Hunt>()
}

impl TaskHandler for Hunt {
    const IDENTIFIER: &'static str = "hunt";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, hunt_and_queue(&reader, self, clock::now()).await)
    }
}

async fn hunt_and_queue(reader: &Reader, job: Hunt, now: DateTime<Utc>) -> anyhow::Result<()> {
    if let Some(wait) = hunt::hunt(reader, job.tenant, job.hunt, now).await? {
        let mut tx = reader.db.tenant(job.tenant).await?;
        reader.queue.part_at(&mut tx, job, clock::now() + wait).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Queues the parts that nobody cares for any more, and forgets what is older than 30 days.
pub(super) async fn plan(reader: &Reader, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.all_tenants().await?;
    hunts::forget(&mut tx, now).await?;
    let open = hunts::open(&mut tx, now, PLANNED).await?;
    tx.commit().await?;
    for (tenant, hunt) in open {
        let mut tx = reader.db.tenant(tenant).await?;
        reader.queue.part_at(&mut tx, Hunt { tenant, hunt }, now).await?;
        tx.commit().await?;
    }
    Ok(())
}
