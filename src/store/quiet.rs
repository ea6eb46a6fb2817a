//! Readings that found nothing new, many in one statement.

use super::Scoped;
use super::runs::Run;
use super::usage::Added;
use crate::model::{Product, TenantId};
use chrono::{DateTime, Utc};

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
    let held: Vec<(TenantId, Product)> = sqlx::query_as(
        "update sync_state as s set lease_until = null, state = 'ok', watermark = n.watermark, complete_until = n.complete_until,
                last_success = n.last_success, failing_since = null, failures = 0, reason = null, remedy = null, next_due = n.next_due,
                reconciled_day = n.reconciled_day, reconciled_week = n.reconciled_week
         from unnest($1::uuid[], $2::text[], $3::int8[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
                     $8::timestamptz[], $9::timestamptz[])
              as n (tenant_id, product, fence, watermark, complete_until, last_success, next_due, reconciled_day, reconciled_week)
         where s.tenant_id = n.tenant_id and s.product = n.product and s.fence = n.fence
         returning s.tenant_id, s.product",
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
    .fetch_all(&mut **tx)
    .await?;
    let known: std::collections::HashSet<_> = held.iter().copied().collect();
    let rows: Vec<&Quiet> = rows.iter().filter(|row| known.contains(&(row.tenant, row.product))).collect();
    runs(tx, &rows).await?;
    calls(tx, &rows).await?;
    Ok(held)
}

async fn runs(tx: &mut Scoped, rows: &[&Quiet]) -> sqlx::Result<()> {
    sqlx::query(
        "insert into sync_runs (tenant_id, run_id, product, started_at, finished_at, outcome, calls, pages, seen)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::int[], $8::int[], $9::int[])",
    )
    .bind(column(rows, |row| row.tenant))
    .bind(column(rows, |row| row.run.run_id.0))
    .bind(column(rows, |row| row.product.as_str()))
    .bind(column(rows, |row| row.run.started_at))
    .bind(column(rows, |row| row.run.finished_at))
    .bind(column(rows, |row| row.run.outcome.as_deref()))
    .bind(column(rows, |row| row.run.calls))
    .bind(column(rows, |row| row.run.pages))
    .bind(column(rows, |row| row.run.seen))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn calls(tx: &mut Scoped, rows: &[&Quiet]) -> sqlx::Result<()> {
    let added: Vec<_> = rows.iter().flat_map(|row| row.used.iter().map(|used| (row.tenant, *used))).collect();
    let at = rows.iter().filter_map(|row| row.run.finished_at).max();
    let Some(at) = at.filter(|_| !added.is_empty()) else { return Ok(()) };
    super::usage::add_many(tx, &added, at).await
}

fn column<R, V>(rows: &[R], value: impl Fn(&R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
