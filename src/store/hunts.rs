//! Hunts: one query of ours, the tenants it runs in, and how it stands in each. `work` is the worker's side, `hunt_rows` holds the answers.
//!
//! Row-level security hides a tenant's part from whoever may not see the tenant. The query itself belongs to no tenant, but may name a
//! customer's people or devices: a hunt is seen by whoever ran it, and by those who see every tenant it ran over. Each query below that reads
//! `hunts` for a person says so itself.

mod work;

pub use work::{Claimed, Settled, Task, claim, forget, open, put_back, refuse, settle};

use super::Scoped;
use super::audit::{self, By};
use crate::model::{DirectoryId, HuntApi, HuntId, HuntOutcome, TenantId, TenantState, UserId};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::types::Json;

/// The most tenants that one hunt may run over.
pub const MOST_TENANTS: usize = 2000;

/// A hunt as its reader may see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Hunt {
    pub hunt_id: HuntId,
    pub title: String,
    pub query: String,
    /// What the hunter wished for.
    pub api: HuntApi,
    /// ISO 8601; `None`: Microsoft's 30 days.
    pub timespan: Option<String>,
    pub user_id: Option<UserId>,
    /// The login of whoever ran it.
    pub actor: String,
    /// Over how many tenants it was started.
    pub tenants: i32,
    /// "cancelled" or "refused": what had not begun will not begin.
    pub stopped: Option<String>,
    pub stop_reason: Option<String>,
    pub asked_at: DateTime<Utc>,
    /// Of its tenants, those in the reader's scope; and of these, those that have not ended, and those that answered.
    pub seen: i64,
    pub open: i64,
    pub answered: i64,
    /// The rows they answered.
    pub row_count: i64,
}

impl Hunt {
    /// Whether something may still happen in a tenant that the reader sees.
    pub const fn is_running(&self) -> bool {
        self.open > 0
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Column {
    pub name: String,
    /// Microsoft's word for the kind of values.
    pub r#type: String,
}

/// A hunt in one tenant.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Part {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub outcome: HuntOutcome,
    /// The operation of Microsoft's that was asked, once known.
    pub operation: Option<String>,
    pub row_count: i32,
    /// Microsoft's cap on rows was reached.
    pub truncated: bool,
    pub columns: Json<Vec<Column>>,
    pub stats: Option<Value>,
    /// One sentence, where it did not go well or has to wait.
    pub reason: Option<String>,
    pub tries: i32,
    pub not_before: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A tenant that a hunt may be run over.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Huntable {
    pub tenant_id: TenantId,
    pub name: String,
    pub tenant_group: Option<String>,
    pub state: TenantState,
    pub needs_approval: bool,
    pub directory_id: Option<DirectoryId>,
}

impl Huntable {
    /// Whether asking Microsoft has a chance.
    pub const fn is_ready(&self) -> bool {
        self.state.is_read() && !self.needs_approval && self.directory_id.is_some()
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct New<'a> {
    pub title: &'a str,
    pub query: &'a str,
    pub api: HuntApi,
    pub timespan: Option<&'a str>,
}

/// The hunts that user $1 may see, with how they stand in the tenants of the scope.
macro_rules! visible {
    ($rest:literal) => {
        concat!(
            "select h.*, p.seen, p.open, p.answered, p.row_count
             from hunts as h,
                  lateral (select count(*) as seen, count(*) filter (where t.outcome in ('waiting', 'running')) as open,
                                  count(*) filter (where t.outcome = 'ok') as answered, coalesce(sum(t.row_count), 0)::bigint as row_count
                           from hunt_tenants as t where t.hunt_id = h.hunt_id) as p
             where (h.user_id = $1 or (select current_setting('app.all_tenants', true) = 'on') or p.seen = h.tenants) ",
            $rest
        )
    };
}

/// The tenants of the scope that are not offboarded, by name; at most 5,000.
pub async fn huntable(tx: &mut Scoped) -> sqlx::Result<Vec<Huntable>> {
    sqlx::query_as(
        "select tenant_id, name, tenant_group, state, needs_approval, directory_id from tenants
         where state <> 'offboarded' order by lower(name), tenant_id limit 5000",
    )
    .fetch_all(&mut **tx)
    .await
}

/// Writes a hunt down, with its audit row ("hunt.started"). `tenants` must all be in the transaction's scope; the caller queues them in the
/// same transaction.
pub async fn start(tx: &mut Scoped, by: &By, hunt: HuntId, new: &New<'_>, tenants: &[TenantId], now: DateTime<Utc>) -> sqlx::Result<()> {
    let count = i32::try_from(tenants.len()).unwrap_or(i32::MAX);
    sqlx::query(
        "insert into hunts (hunt_id, title, query, api, timespan, user_id, actor, tenants, asked_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(hunt)
    .bind(new.title)
    .bind(new.query)
    .bind(new.api)
    .bind(new.timespan)
    .bind(by.user())
    .bind(by.login())
    .bind(count)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sqlx::query("insert into hunt_tenants (tenant_id, hunt_id) select tenant, $1 from unnest($2::uuid[]) as tenant")
        .bind(hunt)
        .bind(tenants)
        .execute(&mut **tx)
        .await?;
    let hash: String =
        sqlx::query_scalar("select encode(sha256(convert_to($1, 'utf8')), 'hex')").bind(new.query).fetch_one(&mut **tx).await?;
    let after = json!({ "query": new.query, "query_sha256": hash, "tenants": count, "api": new.api, "timespan": new.timespan });
    audit::record(tx, by.event("hunt.started").object(hunt.to_string()).after(after)).await
}

/// One hunt, if this user may see it.
pub async fn get(tx: &mut Scoped, user: UserId, hunt: HuntId) -> sqlx::Result<Option<Hunt>> {
    sqlx::query_as(visible!("and h.hunt_id = $2")).bind(user).bind(hunt).fetch_optional(&mut **tx).await
}

/// The hunts this user may see, newest first, of those asked before `before`; at most `limit` (1 to 200).
pub async fn recent(tx: &mut Scoped, user: UserId, before: Option<DateTime<Utc>>, limit: i64) -> sqlx::Result<Vec<Hunt>> {
    sqlx::query_as(visible!("and ($2::timestamptz is null or h.asked_at < $2) order by h.asked_at desc, h.hunt_id desc limit $3"))
        .bind(user)
        .bind(before)
        .bind(limit)
        .persistent(false)
        .fetch_all(&mut **tx)
        .await
}

/// A hunt's parts in the scope, by the tenant's name; at most [`MOST_TENANTS`]. Ask [`get`] first whether the reader may see the hunt.
pub async fn parts(tx: &mut Scoped, hunt: HuntId) -> sqlx::Result<Vec<Part>> {
    sqlx::query_as(
        "select p.tenant_id, t.name as tenant_name, p.outcome, p.operation, p.row_count, p.truncated, p.columns, p.stats, p.reason, p.tries,
                p.not_before, p.started_at, p.ended_at
         from hunt_tenants as p join tenants as t on t.tenant_id = p.tenant_id
         where p.hunt_id = $1 order by lower(t.name), t.tenant_id limit 2000",
    )
    .bind(hunt)
    .fetch_all(&mut **tx)
    .await
}

/// Ends what has not begun, with an audit row ("hunt.cancelled"). Parts outside the scope end when their turn comes. Returns how many
/// ended at once; `None`: it was stopped before, or nothing of it in the scope waits or runs any more.
pub async fn cancel(tx: &mut Scoped, by: &By, hunt: HuntId, now: DateTime<Utc>) -> sqlx::Result<Option<u64>> {
    let reason = format!("Cancelled by {}.", by.login());
    let stopped = sqlx::query(
        "update hunts as h set stopped = 'cancelled', stop_reason = $2 where h.hunt_id = $1 and h.stopped is null
           and exists (select 1 from hunt_tenants as t where t.hunt_id = h.hunt_id and t.outcome in ('waiting', 'running'))",
    )
    .bind(hunt)
    .bind(&reason)
    .execute(&mut **tx)
    .await?;
    if stopped.rows_affected() == 0 {
        return Ok(None);
    }
    let ended = work::end_waiting(tx, hunt, &reason, now).await?;
    audit::record(tx, by.event("hunt.cancelled").object(hunt.to_string()).after(json!({ "tenants": ended }))).await?;
    Ok(Some(ended))
}

/// Every column that any of the parts has, in the order of the first that has it: licences and interfaces differ.
pub fn columns(parts: &[Part]) -> Vec<Column> {
    let mut union: Vec<Column> = Vec::new();
    for column in parts.iter().flat_map(|part| part.columns.iter()) {
        if !union.iter().any(|known| known.name == column.name) {
            union.push(column.clone());
        }
    }
    union
}
