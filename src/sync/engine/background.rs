//! Jobs that nobody waits for: the daily checks, the lists of devices, the fastest regions, the deletion of whole tenants' rows. They have a worker of their own in each process,
//! with a few places: however long Microsoft takes for 2,000 of them, what people ask for does not wait.

use super::super::{devices, region, verify};
use super::jobs::{reader, told};
use super::{ATTEMPTS, Queue, local_queue};
use crate::model::{TenantId, clock};
use crate::store::audit::{Actor, By};
use crate::store::{Scoped, offboarding, rebinds};
use crate::sync::read::Reader;
use crate::sync::{clocks, staff, suppressions};
use chrono::{DateTime, Utc};
use graphile_worker::{Cron, IntoTaskHandlerResult, JobKeyMode, JobSpec, JobSpecBuilder, TaskHandler, WorkerContext, WorkerOptions};
use serde::{Deserialize, Serialize};

/// Jobs under way at a time in one process.
const AT_A_TIME: usize = 4;
/// Which come first.
const ASKED_FOR: i16 = 0;
const CHECK: i16 = 5;
const PLANNED: i16 = 10;

/// Checks one tenant's consent and permissions again.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Recheck {
    tenant: TenantId,
}

/// Reads the devices of one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Devices {
    tenant: TenantId,
}

/// Finds the region that answers a tenant fastest.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FindRegion {
    tenant: TenantId,
}

/// Deletes what is read of directories and tenants that are ours no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Delete {}

/// Ends rules whose time is over, and hides and brings back what is left to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Suppress {}

/// Sets clocks after what was agreed anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Clocks {}

/// Asks the provider's own directory whether staff may stay signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Vouch {}

impl Queue {
    /// Asks for a check of a tenant that has been read before: what is missing now is missing. A check after a fresh consent, which is
    /// more patient, stays queued beside it. Asking twice is asking once.
    pub(in crate::sync) async fn recheck(&self, tx: &mut Scoped, tenant: TenantId) -> anyhow::Result<()> {
        self.recheck_at(tx, tenant, None).await
    }

    pub(in crate::sync) async fn recheck_at(&self, tx: &mut Scoped, tenant: TenantId, at: Option<DateTime<Utc>>) -> anyhow::Result<()> {
        let spec = spec(format!("recheck:{tenant}"), CHECK, at);
        self.utils.clone().with_executor(&mut **tx).add_job(Recheck { tenant }, spec).await?;
        Ok(())
    }

    /// Asks for a reading of a tenant's devices, at once. Asking twice is asking once.
    pub async fn devices(&self, tx: &mut Scoped, tenant: TenantId) -> anyhow::Result<()> {
        self.devices_in_turn(tx, tenant, ASKED_FOR).await
    }

    /// The same, where nobody has asked.
    pub(super) async fn plan_devices(&self, tx: &mut Scoped, tenant: TenantId) -> anyhow::Result<()> {
        self.devices_in_turn(tx, tenant, PLANNED).await
    }

    async fn devices_in_turn(&self, tx: &mut Scoped, tenant: TenantId, turn: i16) -> anyhow::Result<()> {
        let spec = spec(format!("devices:{tenant}"), turn, None);
        self.utils.clone().with_executor(&mut **tx).add_job(Devices { tenant }, spec).await?;
        Ok(())
    }

    /// Asks for the fastest region of Defender for Endpoint to be found, at once. Asking twice is asking once.
    pub async fn find_region(&self, tx: &mut Scoped, tenant: TenantId) -> anyhow::Result<()> {
        let spec = spec(format!("region:{tenant}"), ASKED_FOR, None);
        self.utils.clone().with_executor(&mut **tx).add_job(FindRegion { tenant }, spec).await?;
        Ok(())
    }
}

/// No queue of its own, as for hunting: all of these may be done twice at a time.
fn spec(key: String, priority: i16, at: Option<DateTime<Utc>>) -> JobSpec {
    let builder = JobSpecBuilder::new().job_key(key).job_key_mode(JobKeyMode::PreserveRunAt).priority(priority).max_attempts(ATTEMPTS);
    match at {
        Some(at) => builder.run_at(at).build(),
        None => builder.build(),
    }
}

/// The options of the worker that does these jobs and no others.
pub(super) fn worker(options: WorkerOptions) -> WorkerOptions {
    options
        .concurrency(AT_A_TIME)
        .local_queue(local_queue(AT_A_TIME))
        .define_job::<Recheck>()
        .define_job::<Devices>()
        .define_job::<FindRegion>()
        .define_job::<Delete>()
        .define_job::<Suppress>()
        .define_job::<Clocks>()
        .define_job::<Vouch>()
        .with_cron(Cron::every_minute::<Delete>().id("delete").job_key("delete").payload_value(serde_json::json!({})))
        .with_cron(Cron::every_minute::<Suppress>().id("suppress").job_key("suppress").payload_value(serde_json::json!({})))
        .with_cron(Cron::every_minute::<Clocks>().id("clocks").job_key("clocks").payload_value(serde_json::json!({})))
        .with_cron(Cron::every_minute::<Vouch>().id("vouch").job_key("vouch").payload_value(serde_json::json!({})))
}

/// Deletes what was read of directories that tenants were unbound from, and the offboarded tenants whose time has come, each in a
/// transaction of its own.
///
/// # Errors
/// When the database fails; what is left is deleted by the next call.
pub async fn delete_gone(reader: &Reader, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.all_tenants().await?;
    let unbound = rebinds::unbound(&mut tx).await?;
    tx.commit().await?;
    for tenant in unbound {
        let mut tx = reader.db.tenant(tenant).await?;
        rebinds::clear(&mut tx, tenant).await?;
        tx.commit().await?;
    }
    loop {
        let mut tx = reader.db.all_tenants().await?;
        let purged = offboarding::purge(&mut tx, &By { actor: Actor::System("purge"), ip: None }, now).await?;
        tx.commit().await?;
        if !purged {
            return Ok(());
        }
    }
}

impl TaskHandler for Recheck {
    const IDENTIFIER: &'static str = "recheck";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, verify::recheck(&reader, self.tenant, clock::now()).await)
    }
}

impl TaskHandler for Devices {
    const IDENTIFIER: &'static str = "devices";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, devices::read(&reader, self.tenant, clock::now()).await)
    }
}

impl TaskHandler for Delete {
    const IDENTIFIER: &'static str = "delete";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, delete_gone(&reader, clock::now()).await)
    }
}

impl TaskHandler for Suppress {
    const IDENTIFIER: &'static str = "suppress";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, suppressions::keep_up(&reader, clock::now()).await)
    }
}

impl TaskHandler for Clocks {
    const IDENTIFIER: &'static str = "clocks";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, clocks::keep_up(&reader).await)
    }
}

impl TaskHandler for Vouch {
    const IDENTIFIER: &'static str = "vouch";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, staff::check(&reader, clock::now()).await)
    }
}

impl TaskHandler for FindRegion {
    const IDENTIFIER: &'static str = "region";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, region::find_fastest(&reader, self.tenant, clock::now()).await)
    }
}
