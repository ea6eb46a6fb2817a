//! How far the audit log's chain was sent to each receiver outside. A process that sends has a lease, by the database's clock.

use super::Scoped;
use chrono::{DateTime, TimeDelta, Utc};

/// How the sending to one receiver goes.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Shipping {
    /// As the configuration writes it.
    pub target: String,
    /// The last position of the chain that was sent.
    pub position: i64,
    pub sent_at: Option<DateTime<Utc>>,
    /// `None`: the last attempt went well.
    pub failing_since: Option<DateTime<Utc>>,
    /// One sentence, while it fails.
    pub reason: Option<String>,
}

/// Takes the sending to a receiver for 60 seconds: the last position that was sent. `None`: another process has it.
pub async fn lease(tx: &mut Scoped, target: &str) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar(
        "insert into audit_shipping as s (target, lease_until) values ($1, now() + interval '60 seconds')
         on conflict (target) do update set lease_until = excluded.lease_until where s.lease_until is null or s.lease_until < now()
         returning position",
    )
    .bind(target)
    .fetch_optional(&mut **tx)
    .await
}

/// Notes that everything up to a position was sent; the lease ends.
pub async fn sent(tx: &mut Scoped, target: &str, position: i64, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update audit_shipping set position = greatest(position, $2), sent_at = $3, tried_at = $3, failing_since = null, reason = null, lease_until = null
         where target = $1",
    )
    .bind(target)
    .bind(position)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes that there was nothing to send: the lease ends.
pub async fn rest(tx: &mut Scoped, target: &str, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update audit_shipping set lease_until = null, tried_at = $2 where target = $1")
        .bind(target)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes that sending failed; the lease ends.
pub async fn failed(tx: &mut Scoped, target: &str, reason: &str, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update audit_shipping set failing_since = coalesce(failing_since, $3), reason = $2, tried_at = $3, lease_until = null where target = $1",
    )
    .bind(target)
    .bind(reason)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How sending goes, to every receiver that was served in the last hour, by name; at most 20. One that is configured no more is
/// left out after that.
pub async fn list(tx: &mut Scoped, now: DateTime<Utc>) -> sqlx::Result<Vec<Shipping>> {
    sqlx::query_as(
        "select target, position, sent_at, failing_since, reason from audit_shipping where tried_at > $1 order by target limit 20",
    )
    .bind(now - TimeDelta::hours(1))
    .fetch_all(&mut **tx)
    .await
}
