//! How far each product of each tenant has been read, who is reading it now, and when it is due.
//!
//! A reader holds a lease by the database's clock and a fence number that grows with each claim. Every write of a reader names its
//! fence: a reader that slept past its lease finds the number changed, and its transaction must be rolled back.

mod leases;

pub use leases::{Claim, Claimed, claim, claim_due, hold, release};

use super::Scoped;
use crate::model::{Product, SyncHealth, TenantId, TenantState};
use chrono::{DateTime, Utc};

/// How far a reading has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Read from here next time.
    pub watermark: Option<DateTime<Utc>>,
    pub backfill_from: Option<DateTime<Utc>>,
    /// 0 to 1.
    pub backfill_done: f64,
    /// Records of the first reading stored so far.
    pub backfill_skip: i32,
    /// Graph: the page of the first reading to go on with.
    pub backfill_link: Option<String>,
}

/// Notes how far the reading has come, in the transaction of the rows. False: the lease is lost, and the transaction must not commit.
pub async fn advance(tx: &mut Scoped, tenant: TenantId, product: Product, fence: i64, to: &Progress) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update sync_state set watermark = $4, backfill_from = $5, backfill_done = $6, backfill_skip = $7, backfill_link = $8,
                state = case when state = 'waiting' then 'backfilling' else state end
         where tenant_id = $1 and product = $2 and fence = $3",
    )
    .bind(tenant)
    .bind(product)
    .bind(fence)
    .bind(to.watermark)
    .bind(to.backfill_from)
    .bind(to.backfill_done)
    .bind(to.backfill_skip)
    .bind(&to.backfill_link)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub state: SyncHealth,
    pub complete_until: Option<DateTime<Utc>>,
    pub last_success: Option<DateTime<Utc>>,
    pub failing_since: Option<DateTime<Utc>>,
    /// In a row.
    pub failures: i32,
    pub reason: Option<String>,
    pub remedy: Option<String>,
    pub next_due: DateTime<Utc>,
    pub reconciled_day: Option<DateTime<Utc>>,
    pub reconciled_week: Option<DateTime<Utc>>,
}

/// Notes how the run ended and gives the lease back. False: the lease was lost meanwhile, and the transaction must not commit.
pub async fn finish(tx: &mut Scoped, tenant: TenantId, product: Product, fence: i64, end: &Standing) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update sync_state set lease_until = null, state = $4, complete_until = $5, last_success = $6, failing_since = $7, failures = $8,
                reason = $9, remedy = $10, next_due = case when hurried and $4 <> 'throttled' then least(now(), $11) else $11 end, reconciled_day = $12, reconciled_week = $13, quiet_run = null
         where tenant_id = $1 and product = $2 and fence = $3",
    )
    .bind(tenant)
    .bind(product)
    .bind(fence)
    .bind(end.state)
    .bind(end.complete_until)
    .bind(end.last_success)
    .bind(end.failing_since)
    .bind(end.failures)
    .bind(&end.reason)
    .bind(&end.remedy)
    .bind(end.next_due)
    .bind(end.reconciled_day)
    .bind(end.reconciled_week)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes a product due at once, also if it is being read: then it is read once more. A wait that Microsoft asked for is kept.
pub async fn hurry(tx: &mut Scoped, tenant: TenantId, product: Product) -> sqlx::Result<()> {
    sqlx::query("update sync_state set next_due = least(next_due, now()), hurried = true where tenant_id = $1 and product = $2 and state <> 'throttled'")
        .bind(tenant)
        .bind(product)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Makes due what stands still because Microsoft did not accept this app. Needs an all-tenants transaction.
pub async fn hurry_app(tx: &mut Scoped, app: &str, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "with still as (select s.tenant_id, s.product from sync_state as s join tenants as t on t.tenant_id = s.tenant_id
                        where s.state = 'our_credential' and $1 = any (t.apps) order by s.tenant_id, s.product for update of s)
         update sync_state as s set next_due = least(s.next_due, $2) from still as o where s.tenant_id = o.tenant_id and s.product = o.product",
    )
    .bind(app)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Sets whether a product is to be read at all. `trouble` is what a check of the permissions found; without it, a product that stood
/// still over consent, permission or licence is due again at once. Returns how it stood before. Locks every reading of the tenant, because
/// several are set in one transaction (`migrations/0035_speed.sql` says why).
pub async fn set_enabled(
    tx: &mut Scoped,
    tenant: TenantId,
    product: Product,
    enabled: bool,
    trouble: Option<(SyncHealth, &str, &str)>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<SyncHealth>> {
    let before = sqlx::query_scalar(
        "with theirs as materialized (select product, state from sync_state where tenant_id = $1 order by product for update)
         select state from theirs where product = $2",
    )
    .bind(tenant)
    .bind(product)
    .fetch_optional(&mut **tx)
    .await?;
    sqlx::query(
        "insert into sync_state as s (tenant_id, product, enabled, state, reason, remedy, failing_since, next_due)
         values ($1, $2, $3, coalesce($4, 'waiting'), $5, $6, case when $4::text is not null then $7 end, $7)
         on conflict (tenant_id, product) do update set
             enabled = excluded.enabled,
             state = case when $4::text is not null then $4
                          when s.state in ('consent_lost', 'no_permission', 'no_licence')
                              then case when s.last_success is null then 'waiting' else 'ok' end
                          else s.state end,
             reason = case when $4::text is not null then $5 when s.state in ('consent_lost', 'no_permission', 'no_licence') then null
                           else s.reason end,
             remedy = case when $4::text is not null then $6 when s.state in ('consent_lost', 'no_permission', 'no_licence') then null
                           else s.remedy end,
             failing_since = case when $4::text is not null then coalesce(s.failing_since, $7)
                                  when s.state in ('consent_lost', 'no_permission', 'no_licence') then null else s.failing_since end,
             next_due = case when $4::text is null and s.state in ('consent_lost', 'no_permission', 'no_licence') then $7 else s.next_due end",
    )
    .bind(tenant)
    .bind(product)
    .bind(enabled)
    .bind(trouble.map(|(state, _, _)| state))
    .bind(trouble.map(|(_, reason, _)| reason))
    .bind(trouble.map(|(_, _, remedy)| remedy))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(before)
}

/// A tenant as it stands.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Standpoint {
    pub name: String,
    pub state: TenantState,
    #[sqlx(rename = "state_reason")]
    pub reason: Option<String>,
}

/// A tenant, whose state nobody else changes until the transaction ends, and how each of its enabled products is read.
pub async fn enabled(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<(Standpoint, Vec<(Product, SyncHealth, Option<String>)>)> {
    let standpoint = sqlx::query_as("select name, state, state_reason from tenants where tenant_id = $1 for no key update")
        .bind(tenant)
        .fetch_one(&mut **tx)
        .await?;
    let products = sqlx::query_as("select product, state, reason from sync_state where tenant_id = $1 and enabled order by product")
        .bind(tenant)
        .fetch_all(&mut **tx)
        .await?;
    Ok((standpoint, products))
}

/// Sets a tenant's state as its products make it. Not an edit by staff: the version that edits are compared with stays.
pub async fn set_tenant_state(
    tx: &mut Scoped,
    tenant: TenantId,
    to: TenantState,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update tenants set state_since = case when state = $2 then state_since else $4 end, state = $2, state_reason = $3 where tenant_id = $1",
    )
    .bind(tenant)
    .bind(to)
    .bind(reason)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
