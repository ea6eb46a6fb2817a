//! Bulk jobs: one wish for every incident that a filter found. `work` is the worker's side, `told` what became of it.
//!
//! A job is seen by whoever made it and, once it has begun, by everybody who sees one of its tenants; row-level security shows them the
//! rows of their tenants and counts no others. The words of its filter may name other tenants, also such as it found nothing of or was not to
//! find: [`Bulk::words_for`] gives them to the maker, and to those who see every tenant there is. Each query below that reads `bulk_jobs` for a
//! person says so itself.

mod begun;
mod told;
mod work;

pub use begun::{Begun, begun};
pub use told::{Line, Said, Told, after, found, one_at_a_time, tally};
pub use work::{Item, SoFar, Task, end_waiting, forget, give_up, going, next, open, settle, so_far, task, unsent, unsent_of, visit};

use super::Scoped;
use super::audit::{self, By};
use super::lists::{Filter, INCIDENTS};
use crate::model::{BulkId, IncidentId, Scope, Severity, TenantId, TenantState, UserId};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::QueryBuilder;

/// The most incidents of one job.
pub const MOST: i64 = 10_000;
/// So many jobs that never began does a user keep.
const DRAFTS: i64 = 5;

/// A job as its reader may see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Bulk {
    pub bulk_id: BulkId,
    pub user_id: Option<UserId>,
    /// The login of whoever made it.
    pub actor: String,
    words: String,
    /// The list it came from, as its address has it; the maker's alone.
    pub query: String,
    /// What a program asked for under the job's id.
    pub asked: Option<Value>,
    /// What the incidents are to be; `None`: it has not begun.
    pub wish: Option<Value>,
    /// The job whose work this one takes back.
    pub undoes: Option<BulkId>,
    /// The job of which this one tries again what failed.
    pub follows: Option<BulkId>,
    /// How many incidents, of how many tenants, were found.
    pub matched: i32,
    pub tenants: i32,
    /// Found, but not to be changed from here.
    pub left_out: i32,
    /// Who called the rest off.
    pub stopped: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    /// Of its tenants, those in the reader's scope.
    pub seen: i64,
}

impl Bulk {
    /// Whether this user made it.
    pub fn is_of(&self, user: UserId) -> bool {
        self.user_id == Some(user)
    }

    /// The filter for people, if this user, who sees these tenants, may read it.
    pub fn words_for(&self, user: UserId, scope: &Scope) -> Option<&str> {
        (self.is_of(user) || *scope == Scope::All).then_some(self.words.as_str())
    }
}

/// What a job is made of.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// What a filter finds now.
    Found(&'a Filter),
    /// These incidents.
    These(&'a [IncidentId]),
    /// Those that failed in a job; they are not compared with anything again.
    Failed(BulkId),
    /// Those that a job changed.
    Changed(BulkId),
}

/// A job to be written down.
#[derive(Clone, Debug)]
pub struct New<'a> {
    pub bulk: BulkId,
    /// The filter for people.
    pub words: &'a str,
    pub query: &'a str,
    pub asked: Option<&'a Value>,
    pub undoes: Option<BulkId>,
    pub which: Which<'a>,
}

/// Writes a job down with what it is made of, in the transaction's scope; it does not begin. Returns how many incidents it has; more than
/// [`MOST`]: roll the transaction back. `None`: the id is known already.
pub async fn freeze(tx: &mut Scoped, by: &By, new: &New<'_>, now: DateTime<Utc>) -> sqlx::Result<Option<i64>> {
    sqlx::query(
        "delete from bulk_jobs where bulk_id in
         (select bulk_id from bulk_jobs where user_id = $1 and started_at is null order by created_at desc, bulk_id offset $2)",
    )
    .bind(by.user())
    .bind(DRAFTS - 1)
    .execute(&mut **tx)
    .await?;
    let written = sqlx::query(
        "insert into bulk_jobs (bulk_id, user_id, actor, ip, words, query, asked, undoes, follows, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (bulk_id) do nothing",
    )
    .bind(new.bulk)
    .bind(by.user())
    .bind(by.login())
    .bind(&by.ip)
    .bind(new.words)
    .bind(new.query)
    .bind(new.asked)
    .bind(new.undoes)
    .bind(match new.which {
        Which::Failed(of) => Some(of),
        _ => None,
    })
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if written.rows_affected() == 0 {
        return Ok(None);
    }
    let left_out = match new.which {
        Which::Found(filter) => find(tx, new.bulk, filter).await?,
        Which::These(ids) => take(tx, new.bulk, ids).await?,
        Which::Failed(of) => told::copy(tx, of, new.bulk, "failed").await?,
        Which::Changed(of) => told::copy(tx, of, new.bulk, "changed").await?,
    };
    sqlx::query(
        "insert into bulk_tenants (tenant_id, bulk_id, matched, next_at)
         select tenant_id, bulk_id, count(*), $2 from bulk_incidents where bulk_id = $1 group by tenant_id, bulk_id",
    )
    .bind(new.bulk)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    let matched = sqlx::query_scalar(
        "update bulk_jobs as b set matched = p.matched, tenants = p.tenants, left_out = $2
         from (select coalesce(sum(matched), 0) as matched, count(*) as tenants from bulk_tenants where bulk_id = $1) as p
         where b.bulk_id = $1 returning b.matched::bigint",
    )
    .bind(new.bulk)
    .bind(i32::try_from(left_out).unwrap_or(i32::MAX))
    .fetch_one(&mut **tx)
    .await?;
    Ok(Some(matched))
}

/// What can be changed of an incident, as rows of a job.
macro_rules! shown {
    () => {
        "insert into bulk_incidents (tenant_id, bulk_id, incident_id, status, classification, determination, assigned_to)
         select r.tenant_id, "
    };
}
const SHOWN: &str =
    ", r.incident_id, r.status_raw, coalesce(r.classification, ''), coalesce(r.determination, ''), coalesce(r.assigned_to, '')
                     from incidents as r where r.product = 'defender_xdr' and r.status <> 'redirected'";

async fn find(tx: &mut Scoped, bulk: BulkId, filter: &Filter) -> sqlx::Result<i64> {
    let filter = &*INCIDENTS.searched(tx, filter).await?;
    let mut query = QueryBuilder::new(shown!());
    query.push_bind(bulk).push(SHOWN);
    INCIDENTS.push_where(&mut query, filter);
    query.push(" limit ").push_bind(MOST + 1);
    let matched = i64::try_from(query.build().persistent(false).execute(&mut **tx).await?.rows_affected()).unwrap_or(i64::MAX);
    let found = INCIDENTS.count(tx, filter, MOST.saturating_mul(2)).await?;
    Ok(found.saturating_sub(matched).max(0))
}

async fn take(tx: &mut Scoped, bulk: BulkId, ids: &[IncidentId]) -> sqlx::Result<i64> {
    let mut query = QueryBuilder::new(shown!());
    query.push_bind(bulk).push(SHOWN).push(" and r.incident_id = any(").push_bind(ids.to_vec());
    query.push(") and r.tenant_id <> all (array(select o.tenant_id from tenants as o where o.state = 'offboarded'))");
    let matched = query.build().persistent(false).execute(&mut **tx).await?.rows_affected();
    Ok(i64::try_from(ids.len()).unwrap_or(i64::MAX).saturating_sub(i64::try_from(matched).unwrap_or(i64::MAX)))
}

/// The jobs that user $1 may see, each with how many of its tenants the scope has.
macro_rules! visible {
    ($rest:literal) => {
        concat!(
            "select b.*, p.seen from bulk_jobs as b,
                    lateral (select count(*) as seen from bulk_tenants as t where t.bulk_id = b.bulk_id) as p
             where (b.user_id = $1 or (b.started_at is not null and p.seen > 0)) ",
            $rest
        )
    };
}

/// One job, if this user may see it.
pub async fn get(tx: &mut Scoped, user: UserId, bulk: BulkId) -> sqlx::Result<Option<Bulk>> {
    sqlx::query_as(visible!("and b.bulk_id = $2")).bind(user).bind(bulk).fetch_optional(&mut **tx).await
}

/// One tenant of a job that has not begun.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Share {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub matched: i32,
    pub worst: Severity,
    state: TenantState,
    needs_approval: bool,
    /// The customer has granted one of its apps a permission to change incidents.
    pub may_change: bool,
}

impl Share {
    /// Whether Microsoft may be told things for it.
    pub const fn is_open(&self) -> bool {
        self.state.is_read() && !self.needs_approval
    }
}

/// The tenants of a job within the scope: worst first, then by how many incidents. `permissions`: those of which one lets change them.
pub async fn shares(tx: &mut Scoped, bulk: BulkId, permissions: &[&str]) -> sqlx::Result<Vec<Share>> {
    sqlx::query_as(
        "select b.tenant_id, t.name as tenant_name, b.matched, t.state, t.needs_approval,
                exists (select from tenant_permissions as p where p.tenant_id = b.tenant_id and p.granted and p.app = any (t.apps)
                        and p.permission = any ($2)) as may_change,
                coalesce((select max(r.severity) from bulk_incidents as i join incidents as r on r.tenant_id = i.tenant_id and r.incident_id = i.incident_id
                          where i.bulk_id = $1 and i.tenant_id = b.tenant_id), 0::smallint) as worst
         from bulk_tenants as b join tenants as t on t.tenant_id = b.tenant_id
         where b.bulk_id = $1 order by worst desc, b.matched desc, lower(t.name), t.tenant_id limit 5000",
    )
    .bind(bulk)
    .bind(permissions)
    .fetch_all(&mut **tx)
    .await
}

/// How the incidents of a job stood when they were shown, each way once: status, classification and determination.
pub async fn standings(tx: &mut Scoped, bulk: BulkId) -> sqlx::Result<Vec<(String, String, String)>> {
    sqlx::query_as(
        "select distinct status, classification, determination from bulk_incidents where bulk_id = $1 and status is not null limit 1000",
    )
    .bind(bulk)
    .fetch_all(&mut **tx)
    .await
}

/// Lets a job of this user's begin, with its audit row ("bulk.started"). The caller queues its tenants, which are returned, in the same
/// transaction. `None`: it has begun before.
pub async fn start(tx: &mut Scoped, by: &By, bulk: BulkId, wish: &Value, now: DateTime<Utc>) -> sqlx::Result<Option<Vec<TenantId>>> {
    let begun: Option<(String, i32, i32, Option<BulkId>)> = sqlx::query_as(
        "update bulk_jobs set wish = $3, started_at = $4, ip = $5 where bulk_id = $1 and user_id = $2 and started_at is null
         returning words, matched, tenants, undoes",
    )
    .bind(bulk)
    .bind(by.user())
    .bind(wish)
    .bind(now)
    .bind(&by.ip)
    .fetch_optional(&mut **tx)
    .await?;
    let Some((words, incidents, count, undoes)) = begun else { return Ok(None) };
    let tenants = sqlx::query_scalar(
        "update bulk_tenants set next_at = $2 where bulk_id = $1 and exists
         (select from bulk_incidents as i where i.tenant_id = bulk_tenants.tenant_id and i.bulk_id = $1 and i.state = 'waiting') returning tenant_id",
    )
    .bind(bulk)
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    let after = json!({ "filter": words, "incidents": incidents, "tenants": count, "change": wish, "undoes": undoes });
    audit::record(tx, by.event("bulk.started").object(bulk.to_string()).after(after)).await?;
    Ok(Some(tenants))
}

/// Calls off what has not been begun, in the transaction's scope, with the audit row ("bulk.stopped"). Returns how many incidents.
pub async fn stop(tx: &mut Scoped, by: &By, bulk: BulkId, all: bool) -> sqlx::Result<u64> {
    let ended = end_waiting(tx, None, bulk, "cancelled", "Called off before it was sent.").await?;
    if all {
        let stopped = sqlx::query("update bulk_jobs set stopped = coalesce(stopped, $2) where bulk_id = $1");
        stopped.bind(bulk).bind(by.login()).execute(&mut **tx).await?;
    }
    audit::record(tx, by.event("bulk.stopped").object(bulk.to_string()).after(json!({ "incidents": ended }))).await?;
    Ok(ended)
}
