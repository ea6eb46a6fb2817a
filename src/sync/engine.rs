//! The job engine's only door: what can be queued, and the loop that works it off.
//!
//! The engine (graphile_worker) keeps its tables in the schema `jobs`; `store::migrate` makes them.

use crate::model::{Product, TenantId};
use crate::store::{Db, Scoped};
use graphile_worker::{JobKeyMode, JobSpec, JobSpecBuilder, WorkerUtils};
use serde::{Deserialize, Serialize};

/// The engine's schema.
pub const SCHEMA: &str = "jobs";

/// A run that dies (not: one that finds Microsoft failing, which is a result) is tried again this often.
const ATTEMPTS: i16 = 5;

/// A check of one tenant's consent and permissions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verify {
    pub tenant: TenantId,
    /// How often missing permissions have been looked for again; Microsoft's copies of a fresh consent lag.
    #[serde(default)]
    pub round: u8,
}

/// One reading of one product of one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Read {
    pub tenant: TenantId,
    pub product: Product,
}

/// Puts jobs on the queue, in the caller's own transaction: the job exists exactly if the change does.
#[derive(Clone)]
pub struct Queue {
    utils: WorkerUtils,
}

impl Queue {
    /// A queue on the database of `db`, whichever role it works as.
    pub fn new(db: &Db) -> Self {
        Self { utils: WorkerUtils::new(db.engine_pool(), SCHEMA) }
    }

    /// Asks for a check of a tenant's consent and permissions, at once. Asking twice is asking once.
    pub async fn verify(&self, tx: &mut Scoped, tenant: TenantId) -> anyhow::Result<()> {
        let spec = spec(format!("verify:{tenant}"), None, JobKeyMode::Replace);
        self.utils.clone().with_executor(&mut **tx).add_raw_job(VERIFY, Verify { tenant, round: 0 }, spec).await?;
        Ok(())
    }

    /// Asks for a reading of one product of one tenant, at once. Asking twice is asking once. A wait that Microsoft asked for is
    /// kept.
    pub async fn read(&self, tx: &mut Scoped, tenant: TenantId, product: Product) -> anyhow::Result<()> {
        let spec = spec(format!("read:{tenant}:{product}"), None, JobKeyMode::Replace);
        self.utils.clone().with_executor(&mut **tx).add_raw_job(READ, Read { tenant, product }, spec).await?;
        Ok(())
    }
}

const VERIFY: &str = "verify";
const READ: &str = "read";

/// One job per key on the queue, and one at a time running.
fn spec(key: String, at: Option<chrono::DateTime<chrono::Utc>>, mode: JobKeyMode) -> JobSpec {
    let builder = JobSpecBuilder::new().queue_name(key.clone()).job_key(key).job_key_mode(mode).max_attempts(ATTEMPTS);
    match at {
        Some(at) => builder.run_at(at).build(),
        None => builder.build(),
    }
}
