//! What became of a job's incidents: derived from their changes, which alone know it.

use super::super::Scoped;
use crate::model::{BulkId, IncidentId, TenantId, UserId};

/// Each incident of job $1 in the scope with its outcome (waiting, done, failed, cancelled) and, where there is something to say, why.
macro_rules! outcomes {
    () => {
        "select i.tenant_id, i.incident_id, r.external_id, r.title,
                case when i.state <> 'asked' then i.state
                     when coalesce(bool_or(c.state in ('failed', 'lost')), false) then 'failed'
                     when coalesce(bool_or(c.state = 'cancelled'), false) then 'cancelled'
                     when coalesce(bool_and(c.state = 'done'), false) then 'done'
                     else 'waiting' end as outcome,
                coalesce(i.reason, max(c.reason) filter (where c.state in ('failed', 'lost')), max(c.reason)) as reason,
                i.state <> 'waiting' and coalesce(bool_or(c.state = 'unknown'), false) as unknown,
                coalesce(bool_or(c.state = 'done' and c.request is not null), false) as changed
         from bulk_incidents as i
         join bulk_jobs as b on b.bulk_id = i.bulk_id
         join incidents as r on r.tenant_id = i.tenant_id and r.incident_id = i.incident_id
         left join changes as c on c.batch = i.bulk_id and c.tenant_id = i.tenant_id and c.user_id = b.user_id and c.args[1] = r.external_id
         where i.bulk_id = $1
         group by i.tenant_id, i.incident_id, r.external_id, r.title, i.state, i.reason"
    };
}

/// How many incidents of a tenant came to one end with one reason.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Said {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    /// waiting, done, failed, cancelled
    pub outcome: String,
    pub reason: Option<String>,
    /// Microsoft's answer was lost, and is being looked for.
    pub unknown: bool,
    pub count: i64,
    /// Of these, those of which Microsoft was told something.
    pub changed: i64,
}

/// What became of a job in one tenant.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub matched: i64,
    pub waiting: i64,
    pub done: i64,
    pub failed: i64,
    pub cancelled: i64,
    /// Those of which Microsoft did something, however the rest of it ended.
    pub changed: i64,
    /// Of those that wait, those of which Microsoft's answer was lost.
    pub unknown: i64,
    /// Why some failed, or are done without anything being sent: most frequent first.
    pub reasons: Vec<Said>,
}

/// What became of a job in each tenant of the scope, by name.
pub async fn tally(tx: &mut Scoped, bulk: BulkId) -> sqlx::Result<Vec<Told>> {
    let said: Vec<Said> = sqlx::query_as(concat!(
        "select o.tenant_id, t.name as tenant_name, o.outcome, o.reason, o.unknown, count(*) as count, count(*) filter (where o.changed) as changed from (",
        outcomes!(),
        ") as o join tenants as t on t.tenant_id = o.tenant_id
         group by o.tenant_id, t.name, o.outcome, o.reason, o.unknown order by lower(t.name), o.tenant_id, count(*) desc, o.reason"
    ))
    .bind(bulk)
    .fetch_all(&mut **tx)
    .await?;
    let mut all: Vec<Told> = Vec::new();
    for said in said {
        if all.last().is_none_or(|told| told.tenant_id != said.tenant_id) {
            all.push(Told { tenant_id: said.tenant_id, tenant_name: said.tenant_name.clone(), ..Told::default() });
        }
        if let Some(told) = all.last_mut() {
            told.add(said);
        }
    }
    Ok(all)
}

impl Told {
    fn add(&mut self, said: Said) {
        self.matched += said.count;
        self.changed += said.changed;
        match said.outcome.as_str() {
            "done" => self.done += said.count,
            "failed" => self.failed += said.count,
            "cancelled" => self.cancelled += said.count,
            _ => (self.waiting, self.unknown) = (self.waiting + said.count, self.unknown + if said.unknown { said.count } else { 0 }),
        }
        if said.reason.is_some() {
            self.reasons.push(said);
        }
    }
}

/// One incident of a job.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Line {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub incident_id: IncidentId,
    /// Microsoft's id.
    pub external_id: String,
    pub title: String,
    /// waiting, done, failed, cancelled
    pub outcome: String,
    pub reason: Option<String>,
    /// Microsoft was told something, and did it.
    pub changed: bool,
}

/// The incidents of a job in the scope: of one tenant, of one outcome, with one reason, as far as these are given; by tenant and id, those
/// after `after`; at most `limit`.
pub async fn found(
    tx: &mut Scoped,
    bulk: BulkId,
    (tenant, outcome, reason): (Option<TenantId>, Option<&str>, Option<&str>),
    after: Option<IncidentId>,
    limit: i64,
) -> sqlx::Result<Vec<Line>> {
    sqlx::query_as(concat!(
        "select o.tenant_id, t.name as tenant_name, o.incident_id, o.external_id, o.title, o.outcome, o.reason, o.changed from (",
        outcomes!(),
        ") as o join tenants as t on t.tenant_id = o.tenant_id
         where ($2::uuid is null or o.tenant_id = $2) and ($3::text is null or o.outcome = $3) and ($4::text is null or o.reason = $4)
           and ($5::uuid is null or o.incident_id > $5)
         order by o.incident_id limit $6"
    ))
    .bind(bulk)
    .bind(tenant)
    .bind(outcome)
    .bind(reason)
    .bind(after)
    .bind(limit)
    .persistent(false)
    .fetch_all(&mut **tx)
    .await
}

/// The latest jobs of this user's that take this one back, and that try again what failed in it.
pub async fn after(tx: &mut Scoped, user: UserId, bulk: BulkId) -> sqlx::Result<(Option<BulkId>, Option<BulkId>)> {
    sqlx::query_as(
        "select (select bulk_id from bulk_jobs where undoes = $2 and user_id = $1 order by created_at desc limit 1),
                (select bulk_id from bulk_jobs where follows = $2 and user_id = $1 order by created_at desc limit 1)",
    )
    .bind(user)
    .bind(bulk)
    .fetch_one(&mut **tx)
    .await
}

/// Lets one transaction at a time make a job that follows this one; the others wait for its end.
pub async fn one_at_a_time(tx: &mut Scoped, bulk: BulkId) -> sqlx::Result<()> {
    sqlx::query("select 1 from bulk_jobs where bulk_id = $1 for update").bind(bulk).execute(&mut **tx).await?;
    Ok(())
}

/// Makes a job of those incidents of another that came to this end, or, for "changed", of which Microsoft did something, however the rest of
/// it ended. They are compared with nothing: whoever does this has seen how that one ended. Nothing is left out.
pub(super) async fn copy(tx: &mut Scoped, of: BulkId, bulk: BulkId, outcome: &str) -> sqlx::Result<i64> {
    sqlx::query(concat!(
        "insert into bulk_incidents (tenant_id, bulk_id, incident_id) select o.tenant_id, $2, o.incident_id from (",
        outcomes!(),
        ") as o where case when $3 = 'changed' then o.changed else o.outcome = $3 end"
    ))
    .bind(of)
    .bind(bulk)
    .bind(outcome)
    .execute(&mut **tx)
    .await?;
    Ok(0)
}
