//! What can stand on the queue, and who works it off.

use crate::model::{ChangeId, LookupId, TenantId, clock};
use crate::sync::read::Reader;
use crate::sync::{lookup, push, verify};
use chrono::{DateTime, Utc};
use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};

/// Checks one tenant's consent and permissions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sync) struct Verify {
    pub tenant: TenantId,
    /// How often missing permissions have been looked for again.
    #[serde(default)]
    pub round: u8,
}

/// Carries one change to Microsoft.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Push {
    pub tenant: TenantId,
    pub change: ChangeId,
}

/// Puts one question to Microsoft.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LookUp {
    pub tenant: TenantId,
    pub lookup: LookupId,
}

/// Queues what is due and not queued, and throws away what is old.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {}

impl TaskHandler for Verify {
    const IDENTIFIER: &'static str = "verify";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, verify::verify(&reader, self.tenant, self.round, clock::now()).await)
    }
}

impl TaskHandler for Push {
    const IDENTIFIER: &'static str = "push";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, push_and_queue(&reader, self, clock::now()).await)
    }
}

impl TaskHandler for LookUp {
    const IDENTIFIER: &'static str = "lookup";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, lookup::look_up(&reader, self.tenant, self.lookup, clock::now()).await)
    }
}

async fn push_and_queue(reader: &Reader, job: Push, now: DateTime<Utc>) -> anyhow::Result<()> {
    if let Some(wait) = push::push(reader, job.tenant, job.change, now).await? {
        let mut tx = reader.db.tenant(job.tenant).await?;
        reader.queue.push_at(&mut tx, job, Some(clock::now() + wait)).await?;
        tx.commit().await?;
    }
    Ok(())
}

impl TaskHandler for Plan {
    const IDENTIFIER: &'static str = "plan";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let reader = reader(&context)?;
        told(Self::IDENTIFIER, super::plan_due(&reader, clock::now()).await)
    }
}

pub(super) fn reader(context: &WorkerContext) -> Result<Reader, String> {
    context.get_ext::<Reader>().cloned().ok_or_else(|| "the worker was started without a reader".to_owned())
}

/// The engine stores the error with the job; it is one of the database's and holds no secret.
pub(super) fn told(job: &'static str, result: anyhow::Result<()>) -> Result<(), String> {
    result.map_err(|error| {
        metrics::counter!("watchfloor_job_failures_total", "job" => job).increment(1);
        tracing::error!(job, error = format!("{error:#}"), "a job failed");
        format!("{error:#}")
    })
}
