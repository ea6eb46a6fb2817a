//! The history of readings.

use super::Scoped;
use crate::model::{Product, RunId, TenantId};
use chrono::{DateTime, Utc};

/// One reading of one product of one tenant.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Run {
    pub run_id: RunId,
    pub product: Product,
    pub started_at: DateTime<Utc>,
    /// Of the last one, where [`times`](Self::times) is above 1.
    pub finished_at: Option<DateTime<Utc>>,
    /// A [`SyncHealth`](crate::model::SyncHealth), or "interrupted": the reader stopped or died in the middle.
    pub outcome: Option<String>,
    /// Requests for a page.
    pub calls: i32,
    /// Pages that came.
    pub pages: i32,
    /// Records that came, the same one twice counted twice.
    pub seen: i32,
    pub added: i32,
    pub changed: i32,
    pub quarantined: i32,
    pub error: Option<String>,
    /// So many readings, one after another, that brought nothing; their calls, pages and records are added up.
    #[sqlx(default)]
    pub times: i32,
}

/// Stores an ended run.
pub async fn record(tx: &mut Scoped, tenant: TenantId, run: &Run) -> sqlx::Result<()> {
    sqlx::query(
        "insert into sync_runs (tenant_id, run_id, product, started_at, finished_at, outcome, calls, pages, seen, added, changed, quarantined, error)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(tenant)
    .bind(run.run_id)
    .bind(run.product)
    .bind(run.started_at)
    .bind(run.finished_at)
    .bind(&run.outcome)
    .bind(run.calls)
    .bind(run.pages)
    .bind(run.seen)
    .bind(run.added)
    .bind(run.changed)
    .bind(run.quarantined)
    .bind(&run.error)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The latest runs of a tenant, newest first.
pub async fn recent(tx: &mut Scoped, tenant: TenantId, limit: i64) -> sqlx::Result<Vec<Run>> {
    sqlx::query_as(
        "select run_id, product, started_at, finished_at, outcome, calls, pages, seen, added, changed, quarantined, error, times
         from sync_runs where tenant_id = $1 order by started_at desc limit $2",
    )
    .bind(tenant)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// Forgets runs: after a day those that brought nothing, after 30 days all. Needs an all-tenants transaction.
pub async fn forget(tx: &mut Scoped, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "delete from sync_runs
         where started_at < $1::timestamptz - interval '30 days'
            or (started_at < $1::timestamptz - interval '1 day' and outcome in ('ok', 'backfilling') and added + changed + quarantined = 0)",
    )
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
