//! Which alerts are hidden, kept up to date: when alerts are read, when a rule is made or ends, when a tenant changes its group.

use super::{Criteria, about, lock_groups};
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

/// Whether rules have a say about a tenant: one is in force, or what one has hidden is still to be brought back. Otherwise nothing of the
/// tenant is hidden.
pub(in crate::store) async fn concern(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<bool> {
    sqlx::query_scalar(concat!(
        "select exists (select from ",
        in_force!(),
        ") or exists (select from suppression_tenants where tenant_id = $1 and pending)"
    ))
    .bind(tenant)
    .fetch_one(&mut **tx)
    .await
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
/// brings back what is not hidden any more. At most about `most` alerts; returns whether nothing is left. Waits for the tenant's turn.
pub async fn work_off(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>, most: i64) -> sqlx::Result<bool> {
    ingest::take_turn(tx, tenant).await?;
    Ok(look_through(tx, tenant, now, most).await?.1)
}

/// The same in the tenant's turn. Returns how many alerts it was, and whether nothing is left.
async fn look_through(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>, most: i64) -> sqlx::Result<(i64, bool)> {
    // Locked, because a rule that is marked again from now on must stay marked.
    let rules: Vec<SuppressionId> = sqlx::query_scalar(
        "select suppression_id from suppression_tenants where tenant_id = $1 and pending order by suppression_id for update",
    )
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await?;
    let mut done = 0;
    while done < most {
        let alerts = due(tx, tenant, &rules).await?;
        if alerts.is_empty() {
            sqlx::query("update suppression_tenants set pending = false where tenant_id = $1 and suppression_id = any ($2)")
                .bind(tenant)
                .bind(&rules)
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

/// The next alerts to judge because of these rules, at most [`AT_ONCE`].
async fn due(tx: &mut Scoped, tenant: TenantId, rules: &[SuppressionId]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select distinct alert_id from (
             select a.alert_id from suppression_tenants as p join suppressions as s on s.suppression_id = p.suppression_id
             cross join lateral (select a.alert_id from alerts as a
                                 where a.tenant_id = $1 and a.hidden and a.suppressed_by = p.suppression_id limit $2) as a
             where p.tenant_id = $1 and p.suppression_id = any ($3) and (p.left_at is not null or s.ended_at is not null)
             union all
             select a.alert_id from suppression_tenants as p join suppressions as s on s.suppression_id = p.suppression_id
             cross join lateral (select a.alert_id from alerts as a
                                 where a.tenant_id = $1 and a.is_open and not a.hidden
                                   and suppresses(s.detector, s.pattern, s.entity, lower(a.detector_id), lower(a.title), a.entities) limit $2) as a
             where p.tenant_id = $1 and p.suppression_id = any ($3) and p.left_at is null and s.ended_at is null
         ) as due limit $2",
    )
    .bind(tenant)
    .bind(AT_ONCE)
    .bind(rules)
    .fetch_all(&mut **tx)
    .await
}

/// The same for several tenants, one after the other, at most `most` alerts in all. A tenant that is being read is left to [`work_off`]: its
/// reading may wait for a row that this transaction holds.
pub(super) async fn work_off_some(tx: &mut Scoped, tenants: &[TenantId], now: DateTime<Utc>, most: i64) -> sqlx::Result<()> {
    let mut left = most;
    for &tenant in tenants.iter().take(WHILE_WAITING) {
        if left <= 0 {
            break;
        }
        if ingest::try_turn(tx, tenant).await? {
            left -= look_through(tx, tenant, now, left).await?.0;
        }
    }
    Ok(())
}

/// Lets the tenants of a rule be looked through again.
pub(super) async fn mark(tx: &mut Scoped, rule: SuppressionId) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar("update suppression_tenants set pending = true where suppression_id = $1 and left_at is null returning tenant_id")
        .bind(rule)
        .fetch_all(&mut **tx)
        .await
}

/// Tenants of which stored alerts are still to be looked through, at most 500. Needs an all-tenants transaction.
pub async fn pending(tx: &mut Scoped) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar("select distinct tenant_id from suppression_tenants where pending limit 500").fetch_all(&mut **tx).await
}

/// Ends the rules whose time is over, each with an audit row ("suppression.expire"); their alerts come back by [`work_off`]. Needs an
/// all-tenants transaction.
pub async fn expire(tx: &mut Scoped, by: &By, now: DateTime<Utc>) -> sqlx::Result<()> {
    lock_groups(tx).await?;
    let over: Vec<Over> = sqlx::query_as(
        "update suppressions set ended_at = $1 where ended_at is null and expires_at <= $1
         returning suppression_id, group_name, title, detector, entity",
    )
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    for rule in over {
        let tenants = mark(tx, rule.suppression_id).await?;
        let event = about(by.event("suppression.expire"), rule.group_name.map_or(tenants.first().copied(), |_| None));
        audit::record(tx, event.object(rule.criteria.label()).after(json!({ "rule": rule.suppression_id }))).await?;
    }
    Ok(())
}

/// A rule whose time is over.
#[derive(sqlx::FromRow)]
struct Over {
    suppression_id: SuppressionId,
    group_name: Option<String>,
    #[sqlx(flatten)]
    criteria: Criteria,
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
        work_off_some(tx, &[tenant], now, AT_ONCE).await?;
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
