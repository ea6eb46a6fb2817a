//! The one alarm of an app whose credential Microsoft does not accept, and the word about one credential of two. No tenant's data.

use super::Scoped;
use chrono::{DateTime, Utc};

/// An app that gets no tokens for anybody.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Alarm {
    /// Its name in the configuration.
    pub app: String,
    /// Of two credentials the one that is refused; empty: the app gets no token at all.
    pub credential: String,
    pub since: DateTime<Utc>,
    /// When Microsoft last refused it.
    pub last_seen: DateTime<Utc>,
    /// Microsoft's AADSTS number, if it gave one.
    pub aadsts: Option<i32>,
    /// One sentence of what is wrong, and one of what to do.
    pub reason: String,
    pub remedy: String,
}

/// What a refusal says.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    pub app: &'a str,
    /// Empty: the app as a whole.
    pub credential: &'a str,
    pub at: DateTime<Utc>,
    pub aadsts: Option<u32>,
    pub reason: &'a str,
    pub remedy: &'a str,
}

/// Notes a refusal. True: the alarm is new, and the caller writes it into the audit log.
pub async fn raise(tx: &mut Scoped, refusal: &Refusal<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "insert into app_alarms as a (app, credential, since, last_seen, aadsts, reason, remedy) values ($1, $2, $3, $3, $4, $5, $6)
         on conflict (app, credential) do update set last_seen = greatest(a.last_seen, excluded.last_seen), aadsts = excluded.aadsts,
             reason = excluded.reason, remedy = excluded.remedy
         returning (xmax = 0)",
    )
    .bind(refusal.app)
    .bind(refusal.credential)
    .bind(refusal.at)
    .bind(refusal.aadsts.and_then(|number| i32::try_from(number).ok()))
    .bind(refusal.reason)
    .bind(refusal.remedy)
    .fetch_one(&mut **tx)
    .await
}

/// Ends the alarm of an app that was accepted at `at`, unless it was refused after that. Returns the alarm that there was.
pub async fn clear(tx: &mut Scoped, app: &str, credential: &str, at: DateTime<Utc>) -> sqlx::Result<Option<Alarm>> {
    sqlx::query_as(
        "delete from app_alarms where app = $1 and credential = $2 and last_seen <= $3
         returning app, credential, since, last_seen, aadsts, reason, remedy",
    )
    .bind(app)
    .bind(credential)
    .bind(at)
    .fetch_optional(&mut **tx)
    .await
}

/// Every alarm, by app; at most 100.
pub async fn list(tx: &mut Scoped) -> sqlx::Result<Vec<Alarm>> {
    sqlx::query_as("select app, credential, since, last_seen, aadsts, reason, remedy from app_alarms order by app, credential limit 100")
        .fetch_all(&mut **tx)
        .await
}
