//! Readings that found nothing new, many in one statement.

use super::Scoped;
use super::runs::Run;
use super::usage::Added;
use crate::model::{Product, TenantId};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use uuid::Uuid;

/// A reading that went well and wrote no row: the product stood well before and stands well now.
#[derive(Clone, Debug)]
pub struct Quiet {
    pub tenant: TenantId,
    pub product: Product,
    pub fence: i64,
    /// Read from here next time.
    pub watermark: Option<DateTime<Utc>>,
    pub complete_until: Option<DateTime<Utc>>,
    pub last_success: Option<DateTime<Utc>>,
    pub next_due: DateTime<Utc>,
    pub reconciled_day: Option<DateTime<Utc>>,
    pub reconciled_week: Option<DateTime<Utc>>,
    pub run: Run,
    /// Calls made for the tenant since they were last added.
    pub used: Vec<Added<'static>>,
}

/// Notes quiet readings of any tenants, gives their leases back, and stores their runs and calls. Returns those whose lease was still held;
/// of the others nothing is noted. Needs an all-tenants transaction.
pub async fn finish(tx: &mut Scoped, rows: &[Quiet]) -> sqlx::Result<Vec<(TenantId, Product)>> {
    tx.keep_plans().await?;
    // Whoever locks several of these rows does so in this order.
    let held: Vec<(TenantId, Product, Uuid)> = sqlx::query_as(
        "with n as (
             select * from unnest($1::uuid[], $2::text[], $3::int8[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
                                  $8::timestamptz[], $9::timestamptz[], $10::uuid[], $11::timestamptz[])
                 as n (tenant_id, product, fence, watermark, complete_until, last_success, next_due, reconciled_day, reconciled_week, run_id,
                       started_at)
         ), locked as materialized (
             select n.*, s.quiet_run is not null and s.quiet_since > n.started_at - interval '1 hour' as goes_on
             from n join sync_state as s using (tenant_id, product) where s.fence = n.fence
             order by tenant_id, product for update of s
         )
         update sync_state as s set lease_until = null, state = 'ok', watermark = n.watermark, complete_until = n.complete_until,
                last_success = n.last_success, failing_since = null, failures = 0, reason = null, remedy = null, next_due = case when s.hurried then least(now(), n.next_due) else n.next_due end,
                reconciled_day = n.reconciled_day, reconciled_week = n.reconciled_week,
                quiet_run = case when n.goes_on then s.quiet_run else n.run_id end,
                quiet_since = case when n.goes_on then s.quiet_since else n.started_at end
         from locked as n where s.tenant_id = n.tenant_id and s.product = n.product and s.fence = n.fence
         returning s.tenant_id, s.product, s.quiet_run",
    )
    .bind(column(rows, |row| row.tenant))
    .bind(column(rows, |row| row.product.as_str()))
    .bind(column(rows, |row| row.fence))
    .bind(column(rows, |row| row.watermark))
    .bind(column(rows, |row| row.complete_until))
    .bind(column(rows, |row| row.last_success))
    .bind(column(rows, |row| row.next_due))
    .bind(column(rows, |row| row.reconciled_day))
    .bind(column(rows, |row| row.reconciled_week))
    .bind(column(rows, |row| row.run.run_id.0))
    .bind(column(rows, |row| row.run.started_at))
    .fetch_all(&mut **tx)
    .await?;
    let known: HashMap<_, _> = held.iter().map(|(tenant, product, run)| ((*tenant, *product), *run)).collect();
    let rows: Vec<(&Quiet, Uuid)> = rows.iter().filter_map(|row| Some((row, *known.get(&(row.tenant, row.product))?))).collect();
    runs(tx, &rows).await?;
    calls(tx, &rows).await?;
    Ok(held.into_iter().map(|(tenant, product, _)| (tenant, product)).collect())
}

/// One row an hour for each product, as long as nothing else happens.
async fn runs(tx: &mut Scoped, rows: &[(&Quiet, Uuid)]) -> sqlx::Result<()> {
    sqlx::query(
        "insert into sync_runs as r (tenant_id, run_id, product, started_at, finished_at, outcome, calls, pages, seen)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::int[], $8::int[], $9::int[])
         on conflict (tenant_id, run_id) do update set finished_at = excluded.finished_at, times = r.times + 1, calls = r.calls + excluded.calls,
             pages = r.pages + excluded.pages, seen = r.seen + excluded.seen",
    )
    .bind(column(rows, |(row, _)| row.tenant))
    .bind(column(rows, |(_, run)| *run))
    .bind(column(rows, |(row, _)| row.product.as_str()))
    .bind(column(rows, |(row, _)| row.run.started_at))
    .bind(column(rows, |(row, _)| row.run.finished_at))
    .bind(column(rows, |(row, _)| row.run.outcome.as_deref()))
    .bind(column(rows, |(row, _)| row.run.calls))
    .bind(column(rows, |(row, _)| row.run.pages))
    .bind(column(rows, |(row, _)| row.run.seen))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn calls(tx: &mut Scoped, rows: &[(&Quiet, Uuid)]) -> sqlx::Result<()> {
    let added: Vec<_> = rows.iter().flat_map(|(row, _)| row.used.iter().map(|used| (row.tenant, *used))).collect();
    let at = rows.iter().filter_map(|(row, _)| row.run.finished_at).max();
    let Some(at) = at.filter(|_| !added.is_empty()) else { return Ok(()) };
    super::usage::add_many(tx, &added, at).await
}

fn column<R, V>(rows: &[R], value: impl Fn(&R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
