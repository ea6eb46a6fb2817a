//! Which alerts are hidden, kept up to date: when alerts are read, when a rule is made or ends, when a tenant changes its group.

use super::{about, lock_groups};
use crate::model::{SuppressionId, TenantId};
use crate::store::audit::{self, By};
use crate::store::{Scoped, ingest};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

/// Alerts that one statement judges, at most.
const AT_ONCE: i64 = 1_000;
/// Tenants that are looked through while somebody waits, at most.
const WHILE_WAITING: usize = 50;

/// The rules in force for the tenant `$1`.
macro_rules! in_force {
    () => {
        "suppression_tenants as p join suppressions as s on s.suppression_id = p.suppression_id
         where p.tenant_id = $1 and p.left_at is null and s.ended_at is null"
    };
}

/// Whether any rule is in force for a tenant. Without one, nothing of it is hidden.
pub(in crate::store) async fn is_any_in_force(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<bool> {
    sqlx::query_scalar(concat!("select exists (select from ", in_force!(), ")")).bind(tenant).fetch_one(&mut **tx).await
}

/// Judges alerts that were just stored; `touched`: incidents that got or lost an alert.
pub(in crate::store) async fn judge_read(tx: &mut Scoped, tenant: TenantId, alerts: &[Uuid], mut touched: Vec<Uuid>) -> sqlx::Result<()> {
    touched.extend(judge(tx, tenant, alerts, None).await?);
    weigh(tx, tenant, &touched).await
}

/// Lets the tenant's rules in force decide about alerts. Of several that match, the one that hides an alert already goes on doing so, else
/// the oldest does. What changed nothing is not written. Returns the incidents of those that changed. `now`: none, the database's.
async fn judge(tx: &mut Scoped, tenant: TenantId, alerts: &[Uuid], now: Option<DateTime<Utc>>) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(concat!(
        "with rules as materialized (select s.suppression_id, s.detector, s.pattern, s.entity, s.made_at from ",
        in_force!(),
        "), of as materialized (
             select a.alert_id, a.suppressed_by, lower(a.detector_id) as detector, lower(a.title) as title, a.entities
             from unnest($2::uuid[]) as k (alert_id)
             cross join lateral (select * from alerts as a where a.tenant_id = $1 and a.alert_id = k.alert_id offset 0) as a
         ), judged as materialized (
             select of.alert_id, of.suppressed_by as was,
                    (select r.suppression_id from rules as r where suppresses(r.detector, r.pattern, r.entity, of.detector, of.title, of.entities)
                     order by r.suppression_id = of.suppressed_by desc nulls last, r.made_at, r.suppression_id limit 1) as becomes
             from of
         ), changed as (
             update alerts as a
             set suppressed_by = j.becomes, hidden = j.becomes is not null,
                 suppressed_at = case when j.becomes is not null then coalesce($3, now()) end
             from judged as j where a.tenant_id = $1 and a.alert_id = j.alert_id and j.was is distinct from j.becomes
             returning a.alert_id, a.incident_id, a.suppressed_by, a.severity
         ), hit as (
             insert into suppression_hits (tenant_id, suppression_id, alert_id, at, severity)
             select $1, suppressed_by, alert_id, coalesce($3, now()), severity from changed where suppressed_by is not null
             on conflict (tenant_id, suppression_id, alert_id) do nothing returning suppression_id, at
         ), counted as (
             update suppression_tenants as p set hits = p.hits + h.n, last_hit_at = greatest(p.last_hit_at, h.at)
             from (select suppression_id, count(*) as n, max(at) as at from hit group by suppression_id) as h
             where p.tenant_id = $1 and p.suppression_id = h.suppression_id
         )
         select distinct incident_id from changed where incident_id is not null",
    ))
    .bind(tenant)
    .bind(alerts)
    .bind(now)
    .fetch_all(&mut **tx)
    .await
}

/// An incident is hidden while it has alerts and all of them are.
async fn weigh(tx: &mut Scoped, tenant: TenantId, incidents: &[Uuid]) -> sqlx::Result<()> {
    if incidents.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "with weighed as materialized (
             select k.incident_id,
                    exists (select from alerts as a where a.tenant_id = $1 and a.incident_id = k.incident_id)
                    and not exists (select from alerts as a where a.tenant_id = $1 and a.incident_id = k.incident_id and not a.hidden) as hidden
             from (select distinct unnest($2::uuid[]) as incident_id) as k
         )
         update incidents as i set hidden = not i.hidden
         where i.tenant_id = $1 and i.incident_id = any(array(select incident_id from weighed))
           and i.hidden <> (select hidden from weighed where weighed.incident_id = i.incident_id)",
    )
    .bind(tenant)
    .bind(incidents)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Looks through stored alerts of a tenant for which rules were made, have ended, or are no longer for it: hides what is open and matches,
/// brings back what is not hidden any more. At most about `most` alerts; returns how many it was, and whether nothing is left.
pub async fn work_off(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>, most: i64) -> sqlx::Result<(i64, bool)> {
    ingest::take_turn(tx, tenant).await?;
    let mut done = 0;
    while done < most {
        let alerts = due(tx, tenant).await?;
        if alerts.is_empty() {
            sqlx::query("update suppression_tenants set pending = false where tenant_id = $1 and pending")
                .bind(tenant)
                .execute(&mut **tx)
                .await?;
            return Ok((done, true));
        }
        let incidents = judge(tx, tenant, &alerts, Some(now)).await?;
        weigh(tx, tenant, &incidents).await?;
        done += i64::try_from(alerts.len()).unwrap_or(AT_ONCE);
    }
    Ok((done, false))
}

/// The next alerts to judge, at most [`AT_ONCE`].
async fn due(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select distinct alert_id from (
             select a.alert_id from suppression_tenants as p join suppressions as s on s.suppression_id = p.suppression_id
             cross join lateral (select a.alert_id from alerts as a
                                 where a.tenant_id = $1 and a.hidden and a.suppressed_by = p.suppression_id limit $2) as a
             where p.tenant_id = $1 and p.pending and (p.left_at is not null or s.ended_at is not null)
             union all
             select a.alert_id from suppression_tenants as p join suppressions as s on s.suppression_id = p.suppression_id
             cross join lateral (select a.alert_id from alerts as a
                                 where a.tenant_id = $1 and a.is_open and not a.hidden
                                   and suppresses(s.detector, s.pattern, s.entity, lower(a.detector_id), lower(a.title), a.entities) limit $2) as a
             where p.tenant_id = $1 and p.pending and p.left_at is null and s.ended_at is null
         ) as due limit $2",
    )
    .bind(tenant)
    .bind(AT_ONCE)
    .fetch_all(&mut **tx)
    .await
}

/// The same for several tenants, one after the other, at most `most` alerts in all.
pub(super) async fn work_off_some(tx: &mut Scoped, tenants: &[TenantId], now: DateTime<Utc>, most: i64) -> sqlx::Result<()> {
    // Everybody in the same order, or two would wait for one another.
    let mut tenants = tenants.to_vec();
    tenants.sort_unstable();
    let mut left = most;
    for tenant in tenants.into_iter().take(WHILE_WAITING) {
        if left <= 0 {
            break;
        }
        left -= work_off(tx, tenant, now, left).await?.0;
    }
    Ok(())
}

/// Tenants of which stored alerts are still to be looked through, at most 500. Needs an all-tenants transaction.
pub async fn pending(tx: &mut Scoped) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar("select distinct tenant_id from suppression_tenants where pending limit 500").fetch_all(&mut **tx).await
}

/// Ends the rules whose time is over, each with an audit row ("suppression.expire"); their alerts come back by [`work_off`]. Needs an
/// all-tenants transaction.
pub async fn expire(tx: &mut Scoped, by: &By, now: DateTime<Utc>) -> sqlx::Result<()> {
    let over: Vec<(SuppressionId, String, Option<TenantId>)> = sqlx::query_as(
        "with over as (
             update suppressions set ended_at = $1 where ended_at is null and expires_at <= $1
             returning suppression_id, group_name, title, detector, entity
         ), marked as (
             update suppression_tenants as p set pending = true from over where p.suppression_id = over.suppression_id and p.left_at is null
         )
         select suppression_id, concat_ws(' · ', '“' || title || '”', 'detector ' || detector, entity),
                case when group_name is null then (select p.tenant_id from suppression_tenants as p
                                                   where p.suppression_id = over.suppression_id limit 1) end
         from over",
    )
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    for (rule, label, tenant) in over {
        let event = about(by.event("suppression.expire"), tenant).object(label);
        audit::record(tx, event.after(json!({ "rule": rule }))).await?;
    }
    Ok(())
}

/// The tenant is in this group now, or in none: rules for a group are for whoever is in it. Nothing happens where nothing has changed.
pub async fn regroup(tx: &mut Scoped, tenant: TenantId, group: Option<&str>, now: DateTime<Utc>) -> sqlx::Result<()> {
    lock_groups(tx).await?;
    let left = sqlx::query(
        "with gone as (
             update suppression_tenants as p set left_at = $3, pending = true from suppressions as s
             where p.tenant_id = $1 and p.left_at is null and s.suppression_id = p.suppression_id and s.group_name <> coalesce($2, '')
             returning p.suppression_id
         )
         update suppressions as s set tenants = s.tenants - 1 from gone where s.suppression_id = gone.suppression_id",
    )
    .bind(tenant)
    .bind(group)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    let joined = sqlx::query(
        "with come as (
             insert into suppression_tenants as p (tenant_id, suppression_id)
             select $1, s.suppression_id from suppressions as s where s.group_name = $2 and s.ended_at is null
             on conflict (tenant_id, suppression_id) do update set left_at = null, pending = true where p.left_at is not null
             returning p.suppression_id
         )
         update suppressions as s set tenants = s.tenants + 1 from come where s.suppression_id = come.suppression_id",
    )
    .bind(tenant)
    .bind(group)
    .execute(&mut **tx)
    .await?;
    if left.rows_affected() + joined.rows_affected() > 0 {
        work_off(tx, tenant, now, AT_ONCE).await?;
    }
    Ok(())
}

/// Deletes rules that were for a tenant whose rows are gone. Needs an all-tenants transaction of the worker's.
pub(in crate::store) async fn forget(tx: &mut Scoped) -> sqlx::Result<()> {
    sqlx::query(
        "delete from suppressions as s
         where s.group_name is null and not exists (select from suppression_tenants as p where p.suppression_id = s.suppression_id)",
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
