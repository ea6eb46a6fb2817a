//! The job engine's only door: what can be queued, and the loop that works it off.
//!
//! The engine (graphile_worker) keeps its tables in the schema `jobs`; `store::migrate` makes them. Each job's key is also the name of
//! its queue, so that asking twice is asking once, and nothing is done twice at a time.
//!
//! What is read all the time is not queued: `store::sync_state` says what is due, and [`rounds`] reads it.

mod background;
mod bulk;
mod hunts;
mod jobs;
mod parts;

pub use background::delete_gone;
pub use bulk::BulkWork;
pub(super) use jobs::Verify;

use super::read::Reader;
use super::rounds;
use crate::config;
use crate::microsoft::Client;
use crate::model::{ChangeId, LookupId, Product, TenantId, clock};
use crate::store::{
    Db, Scoped, changes, customers, device_reads, flows, limits, lists, looks, lookups, overview, permissions, runs, sessions, staff,
    sync_state, uploads, usage,
};
use chrono::{DateTime, TimeDelta, Utc};
use graphile_worker::worker_utils::types::CleanupTask;
use graphile_worker::{Cron, JobKeyMode, JobSpecBuilder, LocalQueueConfig, RefetchDelayConfig, WorkerOptions, WorkerUtils};
use jobs::{LookUp, Plan, Push};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The engine's schema.
const SCHEMA: &str = "jobs";
/// A job that dies (not: one that finds Microsoft failing, which is a result) is tried again this often.
const ATTEMPTS: i16 = 5;
/// Jobs at the same time that people wait for. Mostly they wait for Microsoft.
const JOBS: usize = 16;
/// Checks and changes that one plan queues at most; the rest follows a minute later.
const CHECKED: i64 = 50;
const CHANGES: i64 = 500;
const DEVICES: i64 = 100;
/// No call that was begun can be under way so long after it.
const LEFT_LYING: TimeDelta = TimeDelta::minutes(3);
/// Permissions of tenants that are read are checked this often.
const CHECK_EVERY: TimeDelta = TimeDelta::hours(24);

/// Puts jobs on the queue, in the caller's own transaction: the job exists exactly if the change does. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    utils: WorkerUtils,
    /// How long changes wait for whoever wrote them down.
    rest: TimeDelta,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    /// A queue on the database of `db`, whichever role it works as.
    pub fn new(db: &Db) -> Self {
        Self { utils: WorkerUtils::new(db.engine_pool(), SCHEMA), rest: TimeDelta::zero() }
    }

    /// The same for somebody who sends their changes themselves: a change is looked after only if it should be left lying.
    #[must_use]
    pub fn patient(&self) -> Self {
        Self { rest: LEFT_LYING, ..self.clone() }
    }

    /// Asks for a check of a tenant's consent and permissions, at once. What is missing is looked for again for some minutes, because
    /// Microsoft's copies of a fresh consent lag. Asking twice is asking once.
    pub async fn verify(&self, tx: &mut Scoped, tenant: TenantId) -> anyhow::Result<()> {
        self.verify_at(tx, Verify { tenant, round: 0 }, None).await
    }

    /// Asks for a change to be sent, at once. Asking twice is asking once.
    pub async fn push(&self, tx: &mut Scoped, tenant: TenantId, change: ChangeId) -> anyhow::Result<()> {
        let at = (!self.rest.is_zero()).then(|| clock::now() + self.rest);
        self.push_at(tx, Push { tenant, change }, at).await
    }

    /// Asks for a question to be put to Microsoft, at once. Asking twice is asking once.
    pub async fn look_up(&self, tx: &mut Scoped, tenant: TenantId, lookup: LookupId) -> anyhow::Result<()> {
        let spec = spec(format!("lookup:{lookup}"), None, JobKeyMode::PreserveRunAt).build();
        self.utils.clone().with_executor(&mut **tx).add_job(LookUp { tenant, lookup }, spec).await?;
        Ok(())
    }

    async fn push_at(&self, tx: &mut Scoped, job: Push, at: Option<DateTime<Utc>>) -> anyhow::Result<()> {
        let spec = spec(format!("push:{}", job.change), at, JobKeyMode::PreserveRunAt).build();
        self.utils.clone().with_executor(&mut **tx).add_job(job, spec).await?;
        Ok(())
    }

    pub(super) async fn verify_at(&self, tx: &mut Scoped, job: Verify, at: Option<DateTime<Utc>>) -> anyhow::Result<()> {
        // One at a time for each tenant. The engine keeps a row for every queue there ever was, and looks at each whenever it takes a job: so
        // there are 256 of these, and none for what comes without end.
        let queue = format!("verify:{:02x}", job.tenant.0.as_bytes()[15]);
        let spec = spec(format!("verify:{}", job.tenant), at, JobKeyMode::Replace).queue_name(queue).build();
        self.utils.clone().with_executor(&mut **tx).add_job(job, spec).await?;
        Ok(())
    }

    /// Asks for a reading of one product of one tenant, at once: within half a second a worker looks. Asking twice is asking once. A wait
    /// that Microsoft asked for is kept.
    pub async fn read(&self, tx: &mut Scoped, tenant: TenantId, product: Product) -> anyhow::Result<()> {
        Ok(sync_state::hurry(tx, tenant, product).await?)
    }
}

/// One job per key that waits. Another may run at the same time: what must not be done twice the store sees to.
fn spec(key: String, at: Option<DateTime<Utc>>, mode: JobKeyMode) -> JobSpecBuilder {
    let builder = JobSpecBuilder::new().job_key(key).job_key_mode(mode).max_attempts(ATTEMPTS);
    match at {
        Some(at) => builder.run_at(at),
        None => builder,
    }
}

/// Works the queue off, and reads what is due, until `stop`; then readings give their leases back at the next page, within 25 s. Any number of processes may
/// do so at once. `db` works as the worker role; `bulk` does what bulk jobs ask for.
///
/// # Errors
/// When the engine's schema is missing or the database goes away; then call it again after a while.
pub async fn run(db: Db, microsoft: Client, settings: config::Sync, stop: CancellationToken, bulk: BulkWork) -> anyhow::Result<()> {
    let reader = Reader::new(db, microsoft, settings, stop);
    // Queues that are left from before; it waits a second at most for others, who may sweep as well.
    if let Err(error) = reader.queue.utils.cleanup(&[CleanupTask::GcJobQueues]).await {
        tracing::warn!(%error, "the job engine's old queues were not thrown away");
    }
    let worker = options(&reader)
        .concurrency(JOBS)
        .local_queue(local_queue(JOBS))
        .define_job::<Verify>()
        .define_job::<Push>()
        .define_job::<LookUp>()
        .define_job::<Plan>()
        // Without a payload the job would get JSON null.
        .with_cron(Cron::every_minute::<Plan>().id("plan").job_key("plan").payload_value(serde_json::json!({})))
        .init()
        .await?;
    let hunting = hunts::worker(options(&reader)).init().await?;
    let background = background::worker(options(&reader)).init().await?;
    let bulk = bulk::worker(options(&reader), bulk).init().await?;
    let rounds = async {
        rounds::run(&reader).await;
        Ok(())
    };
    tokio::try_join!(Box::pin(worker.run()), Box::pin(hunting.run()), Box::pin(background.run()), Box::pin(bulk.run()), rounds)?;
    Ok(())
}

/// Without one each slot takes one job per poll and a backlog drains at a crawl. After an empty look the next one waits: until a job is told,
/// or for up to a second (which one that is due later needs). Without that delay the engine looks without end.
fn local_queue(size: usize) -> LocalQueueConfig {
    let delay = RefetchDelayConfig::default().with_duration(Duration::from_secs(1)).with_max_abort_threshold(1);
    LocalQueueConfig::default().with_size(size).with_ttl(Duration::from_secs(30)).with_refetch_delay(delay)
}

/// What the workers of a process have in common.
fn options(reader: &Reader) -> WorkerOptions {
    WorkerOptions::default()
        .pg_pool(reader.db.engine_pool())
        .schema(SCHEMA)
        .add_extension(reader.clone())
        // Off by default; a killed process's jobs would stay locked.
        .heartbeat_interval(Duration::from_secs(5))
        .sweep_interval(Duration::from_secs(5))
        .sweep_threshold(Duration::from_secs(15))
        .recovery_delay(Duration::from_secs(1))
        .listen_os_shutdown_signals(false)
        .shutdown_signal(reader.stop.clone().cancelled_owned())
        .shutdown_grace_period(Duration::from_secs(25))
}

/// One pass of the plan. Each job is queued in a transaction of its own: until one ends, nobody can finish its jobs.
pub async fn plan_due(reader: &Reader, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.all_tenants().await?;
    let open = changes::open(&mut tx, CHANGES).await?;
    let devices = device_reads::due(&mut tx, now, DEVICES).await?;
    let unchecked = permissions::unchecked(&mut tx, now - CHECK_EVERY, CHECKED).await?;
    tx.commit().await?;
    for (tenant, change) in open {
        let mut tx = reader.db.tenant(tenant).await?;
        reader.queue.push_at(&mut tx, Push { tenant, change }, Some(now)).await?;
        tx.commit().await?;
    }
    for tenant in devices {
        let mut tx = reader.db.tenant(tenant).await?;
        reader.queue.plan_devices(&mut tx, tenant).await?;
        tx.commit().await?;
    }
    for tenant in unchecked {
        let mut tx = reader.db.tenant(tenant).await?;
        reader.queue.recheck(&mut tx, tenant).await?;
        tx.commit().await?;
    }
    hunts::plan(reader, now).await?;
    bulk::plan(reader, now).await?;
    forget(reader, now).await
}

/// Throws away what nobody needs any more, and tidies up.
async fn forget(reader: &Reader, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.all_tenants().await?;
    runs::forget(&mut tx, now).await?;
    usage::forget(&mut tx, now).await?;
    lookups::forget(&mut tx, now).await?;
    uploads::forget(&mut tx, now).await?;
    sessions::forget(&mut tx).await?;
    limits::forget(&mut tx).await?;
    staff::forget(&mut tx).await?;
    flows::forget(&mut tx).await?;
    customers::forget(&mut tx).await?;
    looks::forget(&mut tx, now).await?;
    tx.commit().await?;
    let mut tx = reader.db.all_tenants().await?;
    overview::sum_days(&mut tx).await?;
    tx.commit().await?;
    let mut tx = reader.db.all_tenants().await?;
    lists::tidy_search(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}
