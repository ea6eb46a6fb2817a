//! Hunting's jobs. They have a worker of their own in each process, with a few places: a query may take minutes, and 500 of them must take no
//! place from a reading.

use super::super::hunt;
use super::super::read::Reader;
use super::jobs::{reader, told};
use super::{ATTEMPTS, Queue};
use crate::model::{HuntId, TenantId, clock};
use crate::store::{Scoped, hunts};
use chrono::{DateTime, Utc};
use graphile_worker::{IntoTaskHandlerResult, JobKeyMode, JobSpec, JobSpecBuilder, TaskHandler, WorkerContext, WorkerOptions};
use serde::{Deserialize, Serialize};

/// Queries under way at a time in one process.
const AT_A_TIME: usize = 4;
/// How late a part that comes again is taken: after the beginnings of other hunts.
const AGAIN: i16 = 20;
/// Parts that one plan queues again at most.
const PLANNED: i64 = 500;

/// Runs one hunt in one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hunt {
    tenant: TenantId,
    hunt: HuntId,
}

impl Queue {
    /// Asks for a hunt in its tenants, at once. The first part of every hunt comes before the second part of any: a hunt over one tenant does
    /// not wait for one over 500. Asking twice is asking once.
    pub async fn hunt(&self, tx: &mut Scoped, hunt: HuntId, tenants: &[TenantId]) -> anyhow::Result<()> {
        // Hunts over the same tenants begin at different ones, so as not to wait for one another.
        let first = hunt.0.as_bytes()[15];
        let (rest, begin) = tenants.split_at(usize::from(first) % tenants.len().max(1));
        let jobs: Vec<(Hunt, JobSpec)> = (0_i16..)
            .zip(begin.iter().chain(rest))
            .map(|(place, &tenant)| (Hunt { tenant, hunt }, spec(tenant, hunt, place, None)))
            .collect();
        for jobs in jobs.chunks(500) {
            let jobs: Vec<(Hunt, &JobSpec)> = jobs.iter().map(|(job, spec)| (job.clone(), spec)).collect();
            self.utils.clone().with_executor(&mut **tx).add_jobs(&jobs).await?;
        }
        Ok(())
    }

    async fn hunt_at(&self, tx: &mut Scoped, job: Hunt, at: DateTime<Utc>) -> anyhow::Result<()> {
        let spec = spec(job.tenant, job.hunt, AGAIN, Some(at));
        self.utils.clone().with_executor(&mut **tx).add_job(job, spec).await?;
        Ok(())
    }
}

/// No queue of its own: the engine would lock every queue while it looks for hunting's jobs. The store sees to it that one tenant is asked
/// one thing at a time.
fn spec(tenant: TenantId, hunt: HuntId, priority: i16, at: Option<DateTime<Utc>>) -> JobSpec {
    let builder = JobSpecBuilder::new()
        .job_key(format!("hunt:{hunt}:{tenant}"))
        .job_key_mode(JobKeyMode::PreserveRunAt)
        .priority(priority)
        .max_attempts(ATTEMPTS);
    match at {
        Some(at) => builder.run_at(at).build(),
        None => builder.build(),
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
        reader.queue.hunt_at(&mut tx, job, clock::now() + wait).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Queues the parts that nobody cares for any more, and forgets what is older than 30 days. Needs an all-tenants transaction.
pub(super) async fn plan(queue: &Queue, tx: &mut Scoped, now: DateTime<Utc>) -> anyhow::Result<()> {
    hunts::forget(tx, now).await?;
    for (tenant, hunt) in hunts::open(tx, now, PLANNED).await? {
        queue.hunt_at(tx, Hunt { tenant, hunt }, now).await?;
    }
    Ok(())
}
