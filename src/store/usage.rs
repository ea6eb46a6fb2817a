//! Calls to Microsoft, counted against its documented limits.

use super::Scoped;
use crate::model::TenantId;
use chrono::{DateTime, Utc};

/// Calls of one tenant against one limit since they were last added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added<'a> {
    /// The limit's name.
    pub budget: &'a str,
    pub calls: u32,
    pub throttled: u32,
}

/// What was used of one limit.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Used {
    pub budget: String,
    /// Within the last 60 minutes, as far as whole hours tell: this hour and the one before, weighed by what of it lies within.
    pub last_hour: i64,
    /// The most within one minute of these hours.
    pub busiest_minute: i32,
    /// In these hours.
    pub throttled: i64,
    pub last_24_hours: i64,
}

/// Adds calls of one tenant. They count for the minute of `now`.
pub async fn add(tx: &mut Scoped, tenant: TenantId, added: &[Added<'_>], now: DateTime<Utc>) -> sqlx::Result<()> {
    let added: Vec<_> = added.iter().map(|added| (tenant, *added)).collect();
    if added.is_empty() { Ok(()) } else { add_many(tx, &added, now).await }
}

/// The same for several tenants, which the transaction's scope must hold.
pub async fn add_many(tx: &mut Scoped, added: &[(TenantId, Added<'_>)], now: DateTime<Utc>) -> sqlx::Result<()> {
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    sqlx::query(
        "insert into api_usage as u (tenant_id, budget, hour, calls, throttled, minute, minute_calls, busiest_minute)
         select n.tenant_id, n.budget, date_trunc('hour', $5::timestamptz), sum(n.calls), sum(n.throttled), date_trunc('minute', $5::timestamptz),
                sum(n.calls), sum(n.calls)
         from unnest($1::uuid[], $2::text[], $3::int[], $4::int[]) as n (tenant_id, budget, calls, throttled)
         group by n.tenant_id, n.budget order by n.tenant_id, n.budget
         on conflict (tenant_id, budget, hour) do update set
             calls = u.calls + excluded.calls, throttled = u.throttled + excluded.throttled,
             minute_calls = case when u.minute = excluded.minute then u.minute_calls else 0 end + excluded.calls, minute = excluded.minute,
             busiest_minute = greatest(u.busiest_minute, case when u.minute = excluded.minute then u.minute_calls else 0 end + excluded.calls)",
    )
    .bind(added.iter().map(|(tenant, _)| *tenant).collect::<Vec<_>>())
    .bind(added.iter().map(|(_, row)| row.budget).collect::<Vec<_>>())
    .bind(added.iter().map(|(_, row)| count(row.calls)).collect::<Vec<_>>())
    .bind(added.iter().map(|(_, row)| count(row.throttled)).collect::<Vec<_>>())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What a tenant has used of each limit, by name.
pub async fn list(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<Vec<Used>> {
    sqlx::query_as(
        "select budget,
                coalesce(sum(case when hour = date_trunc('hour', $2::timestamptz) then calls
                                  when hour = date_trunc('hour', $2::timestamptz) - interval '1 hour'
                                      then round(calls * (1 - extract(epoch from $2 - date_trunc('hour', $2::timestamptz)) / 3600)) end), 0)::bigint
                    as last_hour,
                coalesce(max(busiest_minute) filter (where hour >= date_trunc('hour', $2::timestamptz) - interval '1 hour'), 0) as busiest_minute,
                coalesce(sum(throttled) filter (where hour >= date_trunc('hour', $2::timestamptz) - interval '1 hour'), 0)::bigint as throttled,
                sum(calls)::bigint as last_24_hours
         from api_usage where tenant_id = $1 and hour > $2::timestamptz - interval '24 hours'
         group by budget order by budget",
    )
    .bind(tenant)
    .bind(now)
    .fetch_all(&mut **tx)
    .await
}

/// Forgets what is older than two days. Needs an all-tenants transaction.
pub async fn forget(tx: &mut Scoped, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from api_usage where hour < $1::timestamptz - interval '2 days'").bind(now).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}
