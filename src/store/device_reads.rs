//! How the reading of each tenant's devices goes.

use super::Scoped;
use crate::model::TenantId;
use chrono::{DateTime, Utc};

/// How one tenant's devices are read.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct DeviceRead {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    /// The last complete reading.
    pub read_at: Option<DateTime<Utc>>,
    pub failing_since: Option<DateTime<Utc>>,
    /// One sentence, while it fails.
    pub reason: Option<String>,
}

/// How the devices of the whole scope are read.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Summary {
    /// Tenants that are read.
    pub tenants: i64,
    /// Of these, those whose list is not what it should be: never read through, or failing now.
    pub gaps: i64,
    /// The least fresh of the complete readings.
    pub oldest: Option<DateTime<Utc>>,
}

/// The columns of [`DeviceRead`].
macro_rules! columns {
    () => {
        "select t.tenant_id, t.name as tenant_name, r.read_at, r.failing_since, r.reason"
    };
}

/// The tenants that are read.
macro_rules! read {
    () => {
        " from tenants as t left join device_reads as r on r.tenant_id = t.tenant_id where t.state in ('active', 'degraded', 'blind')"
    };
}

/// Whose list is not what it should be.
macro_rules! gap {
    () => {
        "r.read_at is null or r.failing_since is not null"
    };
}

/// Every tenant of the scope that is read, by name; at most 2,000.
pub async fn list(tx: &mut Scoped) -> sqlx::Result<Vec<DeviceRead>> {
    sqlx::query_as(concat!(columns!(), read!(), " order by lower(t.name), t.tenant_id limit 2000")).fetch_all(&mut **tx).await
}

/// [`list`] in one row.
pub async fn summary(tx: &mut Scoped) -> sqlx::Result<Summary> {
    sqlx::query_as(concat!("select count(*) as tenants, count(*) filter (where ", gap!(), ") as gaps, min(r.read_at) as oldest", read!()))
        .fetch_one(&mut **tx)
        .await
}

/// The first `limit` of [`Summary::gaps`], by name.
pub async fn gaps(tx: &mut Scoped, limit: i64) -> sqlx::Result<Vec<DeviceRead>> {
    sqlx::query_as(concat!(columns!(), read!(), " and (", gap!(), ") order by lower(t.name), t.tenant_id limit $1"))
        .bind(limit)
        .fetch_all(&mut **tx)
        .await
}

/// The operating systems that the devices of the scope run, as of their last complete readings; at most 50.
pub async fn systems(tx: &mut Scoped) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("select distinct system from device_reads, unnest(systems) as system order by system limit 50")
        .fetch_all(&mut **tx)
        .await
}

/// Tenants whose devices are to be read. Needs an all-tenants transaction.
pub async fn due(tx: &mut Scoped, now: DateTime<Utc>, limit: i64) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar(
        "select t.tenant_id from tenants as t left join device_reads as r on r.tenant_id = t.tenant_id
         where t.state in ('active', 'degraded', 'blind') and t.directory_id is not null and not t.needs_approval
           and (r.next_due is null or r.next_due <= $1)
         order by r.next_due nulls first limit $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// Notes that a reading has begun, so that none is planned beside it; should it die, another is due then.
pub async fn begin(tx: &mut Scoped, tenant: TenantId, next_due: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "insert into device_reads (tenant_id, next_due) values ($1, $2) on conflict (tenant_id) do update set next_due = excluded.next_due",
    )
    .bind(tenant)
    .bind(next_due)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes a complete reading, begun at `now`: what it did not show is gone.
pub async fn complete(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>, next_due: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update devices set gone_at = $2 where tenant_id = $1 and gone_at is null and synced_at < $2")
        .bind(tenant)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "insert into device_reads as r (tenant_id, read_at, next_due, systems)
         select $1, $2, $3, array(select distinct os from devices where tenant_id = $1 and gone_at is null and os is not null order by os limit 50)
         on conflict (tenant_id) do update set read_at = $2, failing_since = null, reason = null, next_due = $3, systems = excluded.systems",
    )
    .bind(tenant)
    .bind(now)
    .bind(next_due)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes that a reading failed.
pub async fn failed(tx: &mut Scoped, tenant: TenantId, reason: &str, now: DateTime<Utc>, next_due: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "insert into device_reads (tenant_id, failing_since, reason, next_due) values ($1, $2, $3, $4)
         on conflict (tenant_id) do update set failing_since = coalesce(device_reads.failing_since, $2), reason = $3, next_due = $4",
    )
    .bind(tenant)
    .bind(now)
    .bind(reason)
    .bind(next_due)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
