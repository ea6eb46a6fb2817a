//! The outbox: what somebody wants changed at Microsoft, and what became of it.
//!
//! A change is a row with its audit event in the transaction of whoever asks; a job sends it once. Only [`claim`] leads to a sending, and it
//! succeeds once.

mod lists;
mod sending;

pub use lists::{among, join, list, of_batch, of_case, of_product, recent, together, touching};
pub use sending::{claim, hold_unsent, looked, put_back, withdraw};

use super::Scoped;
use super::audit::{self, By};
use crate::model::{ChangeId, ChangeState, TenantId};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// One change.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Change {
    pub tenant_id: TenantId,
    pub change_id: ChangeId,
    /// The name of an operation of Microsoft's: "endpoint.act.isolate".
    pub operation: String,
    /// Microsoft's ids in the operation's path.
    pub args: Vec<String>,
    /// For people: the device, incident or alert.
    pub subject: String,
    /// The body exactly as it is sent.
    pub request: Option<Value>,
    /// What was asked for, where `request` holds only what differed then.
    pub wish: Option<Value>,
    /// How the members that it changes stood when its person saw them, in the request's words; `None`: it is not compared with anything.
    pub expects: Option<Value>,
    /// The change of the same form that must be done before it.
    pub behind: Option<ChangeId>,
    pub comment: Option<String>,
    /// The login of whoever asked.
    pub actor: String,
    pub state: ChangeState,
    /// One sentence, where it did not go well.
    pub reason: Option<String>,
    /// Microsoft's id of the machine action it became.
    pub external_id: Option<String>,
    /// What Microsoft said of it last. Not in lists.
    pub answer: Option<Value>,
    /// How often Microsoft was asked what became of it.
    pub looks: i32,
    pub created_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Change {
    /// What was asked for under this id, to be compared with [`New::asked`] or with a wish.
    pub fn asked(&self) -> Value {
        self.wish.clone().unwrap_or_else(|| json!([self.operation, self.args, self.request]))
    }
}

/// What is to be changed.
#[derive(Clone, Debug)]
pub struct New<'a> {
    pub operation: &'a str,
    pub args: &'a [&'a str],
    pub subject: &'a str,
    pub request: Option<Value>,
    pub comment: Option<&'a str>,
}

impl New<'_> {
    /// What is asked for: the same for the same change.
    pub fn asked(&self) -> Value {
        json!([self.operation, self.args, self.request])
    }
}

/// What is kept of a change beside what is sent: see the fields of [`Change`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept<'a> {
    pub wish: Option<&'a Value>,
    pub expects: Option<&'a Value>,
    pub behind: Option<ChangeId>,
}

/// Writes a change down, with its audit row ("change.intended"). The caller queues its sending in the same transaction. False: the id is
/// known already (a form sent twice), and nothing was written.
pub async fn intend(
    tx: &mut Scoped,
    by: &By,
    tenant: TenantId,
    change: ChangeId,
    new: &New<'_>,
    kept: &Kept<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let actor = by.login();
    let done = sqlx::query(
        "insert into changes (tenant_id, change_id, operation, args, subject, request, comment, user_id, actor, wish, expects, behind, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict (tenant_id, change_id) do nothing",
    )
    .bind(tenant)
    .bind(change)
    .bind(new.operation)
    .bind(new.args)
    .bind(new.subject)
    .bind(&new.request)
    .bind(new.comment)
    .bind(by.user())
    .bind(actor)
    .bind(kept.wish)
    .bind(kept.expects)
    .bind(kept.behind)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let after = json!({ "change": change, "operation": new.operation, "args": new.args, "request": new.request, "comment": new.comment });
    audit::record(tx, by.event("change.intended").tenant(tenant).object(new.subject).after(after)).await?;
    Ok(true)
}

/// How a change stands now.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    pub state: ChangeState,
    pub reason: Option<&'a str>,
    /// Kept from before where `None`.
    pub external_id: Option<&'a str>,
    /// Kept from before where `None`.
    pub answer: Option<Value>,
}

/// Notes how a change stands and, when it ended, writes the audit row ("change.done", "change.failed" …). A final state is kept for good,
/// and what is known to run does not become unknown.
pub async fn settle(tx: &mut Scoped, change: &Change, outcome: &Outcome<'_>, now: DateTime<Utc>) -> sqlx::Result<()> {
    let clean = |text: Option<&str>| text.map(storable);
    let reason = clean(outcome.reason);
    let done = sqlx::query(
        "update changes set state = $3, reason = $4, external_id = coalesce($5, external_id), answer = coalesce($6, answer),
                finished_at = case when $7 then $8 end
         where tenant_id = $1 and change_id = $2 and state not in ('done', 'failed', 'cancelled', 'lost')
           and ($3 <> 'unknown' or state <> 'running')",
    )
    .bind(change.tenant_id)
    .bind(change.change_id)
    .bind(outcome.state)
    .bind(&reason)
    .bind(clean(outcome.external_id))
    .bind(outcome.answer.clone().map(storable_json))
    .bind(outcome.state.is_final())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 1 && (outcome.state.is_final() || outcome.state == ChangeState::Unknown) {
        let action = format!("change.{}", outcome.state);
        let mut event = audit::Event::new(audit::Actor::System("push"), &action).tenant(change.tenant_id).object(&change.subject);
        event.result = if outcome.state == ChangeState::Done { "ok" } else { "failed" };
        let after = json!({ "change": change.change_id, "operation": change.operation, "by": change.actor, "reason": reason });
        audit::record(tx, event.after(after)).await?;
    }
    Ok(())
}

/// PostgreSQL holds no character 0, and Microsoft may send one: an outcome must not be lost over it.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn storable_json(value: Value) -> Value {
    match value {
        Value::String(text) => storable(&text).into(),
        Value::Array(list) => list.into_iter().map(storable_json).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (storable(&name), storable_json(value))).collect(),
        other => other,
    }
}

/// Ends every change that is open in a tenant which has just been unbound from its directory: there is nobody left to send it to, or to ask
/// what became of it.
pub async fn abandon(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    let open: Vec<Change> = sqlx::query_as(
        "select * from changes where tenant_id = $1 and state in ('intended', 'sending', 'running', 'unknown') order by created_at",
    )
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await?;
    for change in &open {
        let reason = match change.state {
            ChangeState::Intended => "Not sent: the tenant was unbound from its directory.",
            _ => "The tenant was unbound from its directory before Microsoft said what became of it: it may have been carried out.",
        };
        let outcome = Outcome { state: ChangeState::Failed, reason: Some(reason), external_id: None, answer: None };
        settle(tx, change, &outcome, now).await?;
    }
    Ok(())
}

/// One change of the transaction's scope.
pub async fn get(tx: &mut Scoped, change: ChangeId) -> sqlx::Result<Option<Change>> {
    sqlx::query_as("select * from changes where change_id = $1").bind(change).fetch_optional(&mut **tx).await
}

/// The operation by which this portal began a machine action of Microsoft's id `action`, if it did.
pub async fn that_began(tx: &mut Scoped, tenant: TenantId, action: &str) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "select operation from changes where tenant_id = $1 and external_id = $2 and starts_with(operation, 'endpoint.act.')
         order by created_at desc limit 1",
    )
    .bind(tenant)
    .bind(action)
    .fetch_optional(&mut **tx)
    .await
}

/// The change of this id: the tenant's own or, if it has none, another's of the transaction's scope.
pub async fn named(tx: &mut Scoped, tenant: TenantId, change: ChangeId) -> sqlx::Result<Option<Change>> {
    sqlx::query_as("select * from changes where change_id = $2 order by tenant_id <> $1 limit 1")
        .bind(tenant)
        .bind(change)
        .fetch_optional(&mut **tx)
        .await
}

/// When a user asked for the latest but `skip` change of an operation since then, in every tenant of the transaction's scope.
pub async fn asked_at(tx: &mut Scoped, by: &By, operation: &str, since: DateTime<Utc>, skip: i64) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(
        "select created_at from changes where user_id = $1 and operation = $2 and created_at > $3 order by created_at desc offset $4 limit 1",
    )
    .bind(by.user())
    .bind(operation)
    .bind(since)
    .bind(skip)
    .fetch_optional(&mut **tx)
    .await
}

/// Lets one transaction of a user count at a time; the others wait for its end.
pub async fn one_at_a_time(tx: &mut Scoped, by: &By) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('acting ' || coalesce($1::text, ''), 0))")
        .bind(by.user())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Changes that have not ended, oldest first, for the plan to queue again. Needs an all-tenants transaction.
pub async fn open(tx: &mut Scoped, limit: i64) -> sqlx::Result<Vec<(TenantId, ChangeId)>> {
    sqlx::query_as(
        "select tenant_id, change_id from changes where state in ('intended', 'sending', 'running', 'unknown') order by created_at limit $1",
    )
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}
