//! The worker's side of a hunt: a part is claimed, asked without a transaction, and settled. A part whose worker died is claimed again:
//! reading twice does no harm.

use super::super::Scoped;
use super::super::hunt_rows;
use super::Column;
use crate::model::{HuntApi, HuntId, HuntOutcome, TenantId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

/// A part to be asked.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Task {
    pub query: String,
    pub api: HuntApi,
    pub timespan: Option<String>,
    /// How often it has been tried, this try included.
    pub tries: i32,
    /// When it was first tried.
    pub first_at: DateTime<Utc>,
    /// Operations of Microsoft's that refused the query in other tenants, and in which words.
    pub refused_by: Vec<String>,
    pub stop_reason: Option<String>,
}

/// What came of claiming.
#[derive(Clone, Debug)]
pub enum Claimed {
    Yes(Task),
    /// Another hunt is asking this tenant: come again soon. Its quota is one for all.
    Busy,
    /// There is nothing to do any more.
    Over,
}

/// How a part ended.
#[derive(Clone, Debug)]
pub struct Settled<'a> {
    pub outcome: HuntOutcome,
    pub operation: Option<&'a str>,
    pub columns: Vec<Column>,
    /// Each a JSON value as Microsoft wrote it.
    pub rows: Vec<&'a str>,
    pub truncated: bool,
    pub stats: Option<Value>,
    pub reason: Option<&'a str>,
}

impl<'a> Settled<'a> {
    /// Nothing was found out, for this reason.
    pub const fn without_rows(outcome: HuntOutcome, operation: Option<&'a str>, reason: &'a str) -> Self {
        Self { outcome, operation, columns: Vec::new(), rows: Vec::new(), truncated: false, stats: None, reason: Some(reason) }
    }
}

/// Takes a part for asking. One tenant is asked one thing at a time, over all workers. A part of a cancelled hunt ends here.
pub async fn claim(tx: &mut Scoped, tenant: TenantId, hunt: HuntId, now: DateTime<Utc>) -> sqlx::Result<Claimed> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('hunting ' || $1::text, 0))").bind(tenant).execute(&mut **tx).await?;
    let stopped: Option<Option<String>> =
        sqlx::query_scalar("select case when stopped = 'cancelled' then stop_reason end from hunts where hunt_id = $1")
            .bind(hunt)
            .fetch_optional(&mut **tx)
            .await?;
    let Some(stopped) = stopped else { return Ok(Claimed::Over) };
    if let Some(reason) = stopped {
        end_waiting(tx, hunt, &reason, now).await?;
        return Ok(Claimed::Over);
    }
    // A worker that died in the middle is not waited for longer than a query can take.
    let busy: bool = sqlx::query_scalar(
        "select exists (select from hunt_tenants where tenant_id = $1 and hunt_id <> $2 and outcome = 'running'
                                                   and started_at > $3::timestamptz - interval '4 minutes')",
    )
    .bind(tenant)
    .bind(hunt)
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    if busy {
        return Ok(Claimed::Busy);
    }
    let task = sqlx::query_as(
        "update hunt_tenants as p set outcome = 'running', tries = tries + 1, first_at = coalesce(first_at, $3), started_at = $3, not_before = null
         from hunts as h
         where p.tenant_id = $1 and p.hunt_id = $2 and h.hunt_id = $2 and p.outcome in ('waiting', 'running')
         returning h.query, h.api, h.timespan, h.refused_by, h.stop_reason, p.tries, p.first_at",
    )
    .bind(tenant)
    .bind(hunt)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(task.map_or(Claimed::Over, Claimed::Yes))
}

/// Puts a part back that has to wait, with the reason for people.
pub async fn put_back(tx: &mut Scoped, tenant: TenantId, hunt: HuntId, reason: &str, until: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update hunt_tenants set outcome = 'waiting', reason = $3, not_before = $4
         where tenant_id = $1 and hunt_id = $2 and outcome in ('waiting', 'running')",
    )
    .bind(tenant)
    .bind(hunt)
    .bind(reason)
    .bind(until)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes how a part ended, and stores its rows. The first end counts: a part done twice keeps one answer.
pub async fn settle(tx: &mut Scoped, tenant: TenantId, hunt: HuntId, settled: &Settled<'_>, now: DateTime<Utc>) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update hunt_tenants set outcome = $3, operation = $4, row_count = $5, truncated = $6, columns = $7, stats = $8, reason = $9,
                                 not_before = null, ended_at = $10
         where tenant_id = $1 and hunt_id = $2 and outcome in ('waiting', 'running')",
    )
    .bind(tenant)
    .bind(hunt)
    .bind(settled.outcome)
    .bind(settled.operation)
    .bind(i32::try_from(settled.rows.len()).unwrap_or(i32::MAX))
    .bind(settled.truncated)
    .bind(Json(clean(&settled.columns)))
    .bind(&settled.stats)
    .bind(settled.reason.map(|reason| reason.replace('\0', "\u{fffd}")))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 1 {
        hunt_rows::store(tx, tenant, hunt, &settled.rows).await?;
    }
    Ok(())
}

/// PostgreSQL's JSON holds no character 0.
fn clean(columns: &[Column]) -> Vec<Column> {
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    columns.iter().map(|column| Column { name: clean(&column.name), r#type: clean(&column.r#type) }).collect()
}

/// Microsoft does not accept the query through this operation: parts that would be asked through it end with these words when their turn
/// comes.
pub async fn refuse(tx: &mut Scoped, hunt: HuntId, operation: &str, reason: &str) -> sqlx::Result<()> {
    sqlx::query(
        "update hunts set stopped = coalesce(stopped, 'refused'), stop_reason = coalesce(stop_reason, $3), refused_by = array_append(refused_by, $2)
         where hunt_id = $1 and not $2 = any (refused_by)",
    )
    .bind(hunt)
    .bind(operation)
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends what waits, within the scope.
pub(super) async fn end_waiting(tx: &mut Scoped, hunt: HuntId, reason: &str, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "update hunt_tenants set outcome = 'cancelled', reason = $2, not_before = null, ended_at = $3 where hunt_id = $1 and outcome = 'waiting'",
    )
    .bind(hunt)
    .bind(reason)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Parts that nobody seems to care for any more, for the plan to queue again. Needs an all-tenants transaction.
pub async fn open(tx: &mut Scoped, now: DateTime<Utc>, limit: i64) -> sqlx::Result<Vec<(TenantId, HuntId)>> {
    sqlx::query_as(
        "select p.tenant_id, p.hunt_id from hunt_tenants as p join hunts as h on h.hunt_id = p.hunt_id
         where (p.outcome = 'waiting' and coalesce(p.not_before, h.asked_at) < $1::timestamptz - interval '5 minutes')
            or (p.outcome = 'running' and p.started_at < $1::timestamptz - interval '10 minutes')
         order by h.asked_at limit $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// Forgets hunts and their answers after 30 days. Needs an all-tenants transaction.
pub async fn forget(tx: &mut Scoped, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from hunts where asked_at < $1::timestamptz - interval '30 days'").bind(now).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}
