//! Questions put to Microsoft on somebody's wish, and their answers.

use super::Scoped;
use super::audit::By;
use crate::model::{LookupId, LookupState, TenantId};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// One question.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Lookup {
    pub tenant_id: TenantId,
    pub lookup_id: LookupId,
    /// The name of an operation of Microsoft's that only reads: "cloud_apps.activities.list".
    pub operation: String,
    /// Microsoft's ids in the operation's path.
    pub args: Vec<String>,
    /// Of the address: names and texts.
    pub query: Value,
    /// The body.
    pub request: Option<Value>,
    /// The login of whoever asked.
    pub actor: String,
    pub state: LookupState,
    /// One sentence, where it failed.
    pub reason: Option<String>,
    /// As it came: JSON, or the text of a script.
    pub answer: Option<String>,
    pub asked_at: DateTime<Utc>,
    pub answered_at: Option<DateTime<Utc>>,
}

/// What is to be asked.
#[derive(Clone, Debug, Default)]
pub struct New<'a> {
    pub operation: &'a str,
    pub args: &'a [&'a str],
    pub query: &'a [(&'a str, &'a str)],
    pub request: Option<Value>,
}

/// Writes a question down. The caller queues it in the same transaction.
pub async fn ask(tx: &mut Scoped, by: &By, tenant: TenantId, lookup: LookupId, new: &New<'_>, now: DateTime<Utc>) -> sqlx::Result<()> {
    let query: serde_json::Map<String, Value> = new.query.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text))).collect();
    sqlx::query(
        "insert into lookups (tenant_id, lookup_id, operation, args, query, request, user_id, actor, asked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tenant)
    .bind(lookup)
    .bind(new.operation)
    .bind(new.args)
    .bind(Value::Object(query))
    .bind(&new.request)
    .bind(by.user())
    .bind(by.login())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes the answer, or in one sentence why there is none. The first one counts.
pub async fn answer(
    tx: &mut Scoped,
    tenant: TenantId,
    lookup: LookupId,
    answer: Result<&str, &str>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update lookups set state = $3, answer = $4, reason = $5, answered_at = $6 where tenant_id = $1 and lookup_id = $2 and state = 'asked'",
    )
    .bind(tenant)
    .bind(lookup)
    .bind(if answer.is_ok() { LookupState::Answered } else { LookupState::Failed })
    .bind(answer.ok().map(|text| text.replace('\0', "\u{fffd}")))
    .bind(answer.err())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// One question of the transaction's scope.
pub async fn get(tx: &mut Scoped, lookup: LookupId) -> sqlx::Result<Option<Lookup>> {
    sqlx::query_as("select * from lookups where lookup_id = $1").bind(lookup).fetch_optional(&mut **tx).await
}

/// The latest question of this kind about one object of Microsoft's (`None`: about no object), answered or not.
pub async fn latest(tx: &mut Scoped, tenant: TenantId, operation: &str, of: Option<&str>) -> sqlx::Result<Option<Lookup>> {
    sqlx::query_as(
        "select * from lookups where tenant_id = $1 and operation = $2 and args[1] is not distinct from $3 order by asked_at desc limit 1",
    )
    .bind(tenant)
    .bind(operation)
    .bind(of)
    .fetch_optional(&mut **tx)
    .await
}

/// The latest question of this kind whose body holds what `about` holds: the activities of one alert, the categories of one report.
pub async fn latest_about(tx: &mut Scoped, tenant: TenantId, operation: &str, about: &Value) -> sqlx::Result<Option<Lookup>> {
    sqlx::query_as("select * from lookups where tenant_id = $1 and operation = $2 and request @> $3 order by asked_at desc limit 1")
        .bind(tenant)
        .bind(operation)
        .bind(about)
        .fetch_optional(&mut **tx)
        .await
}

/// The latest answer of this kind that holds a text: the list in which one range stands.
pub async fn latest_with(tx: &mut Scoped, tenant: TenantId, operation: &str, text: &str) -> sqlx::Result<Option<Lookup>> {
    sqlx::query_as(
        "select * from lookups where tenant_id = $1 and operation = $2 and state = 'answered' and position($3 in answer) > 0
         order by asked_at desc limit 1",
    )
    .bind(tenant)
    .bind(operation)
    .bind(text)
    .fetch_optional(&mut **tx)
    .await
}

/// Forgets what is older than a week. Needs an all-tenants transaction.
pub async fn forget(tx: &mut Scoped, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from lookups where asked_at < $1::timestamptz - interval '7 days'").bind(now).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}
