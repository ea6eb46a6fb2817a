//! The worker's side of a bulk job. An incident is taken together with the writing of its change, in one transaction: it is taken once,
//! and whoever dies in between has taken nothing.

use super::super::Scoped;
use crate::model::{BulkId, ChangeId, IncidentId, TenantId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// What a worker needs to know of a job.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Task {
    /// `None`: there is no such user any more.
    pub user_id: Option<UserId>,
    pub actor: String,
    pub ip: Option<String>,
    pub wish: Value,
    pub undoes: Option<BulkId>,
}

/// An incident that was taken.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Item {
    pub incident_id: IncidentId,
    /// How it was shown; without it, it is not compared.
    pub status: Option<String>,
    pub classification: Option<String>,
    pub determination: Option<String>,
    pub assigned_to: Option<String>,
}

/// A job that has begun.
pub async fn task(tx: &mut Scoped, bulk: BulkId) -> sqlx::Result<Option<Task>> {
    sqlx::query_as("select user_id, actor, ip, wish, undoes from bulk_jobs where bulk_id = $1 and wish is not null")
        .bind(bulk)
        .fetch_optional(&mut **tx)
        .await
}

/// Notes that somebody looks after a job in a tenant, and until when nobody else needs to.
pub async fn visit(tx: &mut Scoped, tenant: TenantId, bulk: BulkId, until: DateTime<Utc>) -> sqlx::Result<()> {
    let update = sqlx::query("update bulk_tenants set next_at = $3 where tenant_id = $1 and bulk_id = $2");
    update.bind(tenant).bind(bulk).bind(until).execute(&mut **tx).await?;
    Ok(())
}

/// How a job has fared with Microsoft in a tenant.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SoFar {
    /// Incidents of which nobody knows at the moment what became.
    pub unknown: i64,
    /// Why the last change failed that was tried for so long in vain.
    pub in_vain: Option<String>,
}

/// How a job has fared in a tenant. `patience`: how long one change is tried.
pub async fn so_far(tx: &mut Scoped, tenant: TenantId, bulk: BulkId, patience: TimeDelta) -> sqlx::Result<SoFar> {
    sqlx::query_as(
        // Incidents are changed one after the other: the latest changes are those of the last one.
        "select (select count(distinct args[1]) from changes where tenant_id = $1 and batch = $2 and state = 'unknown') as unknown,
                (select coalesce(reason, '') from (
                     select * from changes where tenant_id = $1 and batch = $2 order by created_at desc, change_id desc limit 2
                 ) as last where state = 'failed' and finished_at - created_at >= $3 limit 1) as in_vain",
    )
    .bind(tenant)
    .bind(bulk)
    .bind(patience)
    .fetch_one(&mut **tx)
    .await
}

/// Takes the next incident of a tenant that waits: it counts as asked for once the transaction commits.
pub async fn next(tx: &mut Scoped, tenant: TenantId, bulk: BulkId) -> sqlx::Result<Option<Item>> {
    sqlx::query_as(
        "update bulk_incidents set state = 'asked' where tenant_id = $1 and bulk_id = $2 and incident_id =
             (select incident_id from bulk_incidents where tenant_id = $1 and bulk_id = $2 and state = 'waiting'
              order by incident_id limit 1 for update skip locked)
         returning incident_id, status, classification, determination, assigned_to",
    )
    .bind(tenant)
    .bind(bulk)
    .fetch_optional(&mut **tx)
    .await
}

/// Notes that an incident ended without a change: "done" or "failed", and why.
pub async fn settle(tx: &mut Scoped, tenant: TenantId, bulk: BulkId, incident: IncidentId, end: (&str, &str)) -> sqlx::Result<()> {
    sqlx::query("update bulk_incidents set state = $4, reason = $5 where tenant_id = $1 and bulk_id = $2 and incident_id = $3")
        .bind(tenant)
        .bind(bulk)
        .bind(incident)
        .bind(end.0)
        .bind(end.1)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends what waits, of one tenant or in the whole scope, as "cancelled" or "failed". Returns how many incidents.
pub async fn end_waiting(tx: &mut Scoped, tenant: Option<TenantId>, bulk: BulkId, state: &str, reason: &str) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "update bulk_incidents set state = $3, reason = $4
         where bulk_id = $2 and state = 'waiting' and ($1::uuid is null or tenant_id = $1)",
    )
    .bind(tenant)
    .bind(bulk)
    .bind(state)
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Changes of a job that are written down and not sent, in the order in which they are to be; at most 20.
pub async fn unsent(tx: &mut Scoped, tenant: TenantId, bulk: BulkId) -> sqlx::Result<Vec<ChangeId>> {
    sqlx::query_scalar(
        "select c.change_id from changes as c join bulk_jobs as b on b.bulk_id = c.batch and b.user_id = c.user_id
         where c.tenant_id = $1 and c.batch = $2 and c.state = 'intended'
         order by c.created_at, c.behind is not null, c.change_id limit 20",
    )
    .bind(tenant)
    .bind(bulk)
    .fetch_all(&mut **tx)
    .await
}

/// The same over the transaction's scope, each with its tenant; at most 4,000.
pub async fn unsent_of(tx: &mut Scoped, bulk: BulkId) -> sqlx::Result<Vec<(TenantId, ChangeId)>> {
    sqlx::query_as(
        "select c.tenant_id, c.change_id from changes as c join bulk_jobs as b on b.bulk_id = c.batch and b.user_id = c.user_id
         where c.batch = $1 and c.state = 'intended' limit 4000",
    )
    .bind(bulk)
    .fetch_all(&mut **tx)
    .await
}

/// Ends what waits in a tenant as failed. Returns how many incidents.
pub async fn give_up(tx: &mut Scoped, tenant: TenantId, bulk: BulkId, reason: &str) -> sqlx::Result<u64> {
    end_waiting(tx, Some(tenant), bulk, "failed", reason).await
}

/// Whether anything of a job waits in a tenant.
pub async fn going(tx: &mut Scoped, tenant: TenantId, bulk: BulkId) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from bulk_incidents where tenant_id = $1 and bulk_id = $2 and state = 'waiting')")
        .bind(tenant)
        .bind(bulk)
        .fetch_one(&mut **tx)
        .await
}

/// Parts of jobs that wait and that nobody seems to look after any more, for the plan to queue again. Needs an all-tenants transaction.
pub async fn open(tx: &mut Scoped, now: DateTime<Utc>, limit: i64) -> sqlx::Result<Vec<(TenantId, BulkId)>> {
    sqlx::query_as(
        "select p.tenant_id, p.bulk_id from bulk_tenants as p join bulk_jobs as b on b.bulk_id = p.bulk_id
         where b.started_at is not null and p.next_at < $1::timestamptz - interval '1 minute' and exists
             (select from bulk_incidents as i where i.tenant_id = p.tenant_id and i.bulk_id = p.bulk_id and i.state = 'waiting')
         order by p.next_at limit $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// Forgets jobs after 30 days, unless something of them waits or a younger one takes them back, and those that never began after one. Needs
/// an all-tenants transaction.
pub async fn forget(tx: &mut Scoped, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "delete from bulk_jobs as b where (b.started_at is null and b.created_at < $1::timestamptz - interval '1 day')
            or (b.created_at < $1::timestamptz - interval '30 days'
                and not exists (select from bulk_incidents as i where i.bulk_id = b.bulk_id and i.state = 'waiting')
                and not exists (select from bulk_jobs as u where u.undoes = b.bulk_id and u.created_at >= $1::timestamptz - interval '30 days'))",
    )
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
