//! How the portal itself does: jobs, and records that could not be read.

use super::Scoped;
use super::quarantine::Kind;
use crate::model::{Product, TenantId};
use chrono::{DateTime, Utc};

/// The jobs of one kind that wait or run.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Jobs {
    pub task_identifier: String,
    /// Waiting for their time or for a worker.
    pub waiting: i64,
    pub running: i64,
    /// Given up after every try.
    pub failed: i64,
    /// When the oldest waiting one was due.
    pub oldest_due: Option<DateTime<Utc>>,
}

/// What stands on the queue, by kind of job.
pub async fn jobs(tx: &mut Scoped) -> sqlx::Result<Vec<Jobs>> {
    sqlx::query_as(
        "select task_identifier, count(*) filter (where locked_at is null and attempts < max_attempts) as waiting,
                count(*) filter (where locked_at is not null) as running,
                count(*) filter (where locked_at is null and attempts >= max_attempts) as failed,
                min(run_at) filter (where locked_at is null and attempts < max_attempts) as oldest_due
         from jobs.jobs group by task_identifier order by task_identifier",
    )
    .fetch_all(&mut **tx)
    .await
}

/// A record that could not be read, with whose it is.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Unread {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub product: Product,
    pub kind: Kind,
    pub reason: String,
    /// How many records of the tenant and product have this fault.
    pub records: i64,
    pub last_seen: DateTime<Utc>,
}

/// Records that wait to be read, by tenant, product and fault, newest first, at most 100 lines.
pub async fn unread(tx: &mut Scoped) -> sqlx::Result<Vec<Unread>> {
    sqlx::query_as(
        "select q.tenant_id, t.name as tenant_name, q.product, q.kind, q.reason, count(*) as records, max(q.last_seen) as last_seen
         from quarantine as q join tenants as t on t.tenant_id = q.tenant_id
         group by q.tenant_id, t.name, q.product, q.kind, q.reason
         order by last_seen desc
         limit 100",
    )
    .fetch_all(&mut **tx)
    .await
}
