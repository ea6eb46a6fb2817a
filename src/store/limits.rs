//! How often strangers may try something, over all processes: token buckets, and what failed sign-ins are held against a name. Time is the
//! database's.

use super::Scoped;
use super::audit::{self, Actor, Event};
use aws_lc_rs::digest;
use chrono::TimeDelta;
use serde_json::json;

/// A bucket of this size that fills up again at this pace.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// So many may come at once.
    pub burst: f64,
    pub each_second: f64,
}

/// Takes a token out of a bucket, in one statement: a thousand at once are a thousand. Returns how long to wait where there is none. Commit it.
pub async fn take(tx: &mut Scoped, name: &str, limit: Limit) -> sqlx::Result<Option<TimeDelta>> {
    let (taken, level): (bool, f64) = sqlx::query_as(
        "insert into buckets as b (name, level, at, taken) values ($1, $2::float8 - 1, clock_timestamp(), true)
         on conflict (name) do update set
             (level, taken, refused, at) = (
                 select filled - (filled >= 1)::int, filled >= 1, b.refused + (filled < 1)::int, now.at
                 from (select clock_timestamp() as at) as now
                 cross join lateral (select least($2::float8, b.level + greatest(0, extract(epoch from now.at - b.at)) * $3) as filled) as f
             )
         returning taken, level",
    )
    .bind(name)
    .bind(limit.burst)
    .bind(limit.each_second)
    .fetch_one(&mut **tx)
    .await?;
    #[expect(clippy::cast_possible_truncation, reason = "at most some minutes")]
    let wait = || TimeDelta::milliseconds(((1.0 - level) / limit.each_second * 1000.0).ceil() as i64);
    Ok((!taken).then(wait))
}

/// How many these buckets have refused since the last time that this was asked. Commit it.
pub async fn untold(tx: &mut Scoped, names: &[&str]) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "with o as (select name, refused from buckets where name = any ($1) order by name for update),
              told as (update buckets as b set refused = 0 from o where b.name = o.name)
         select coalesce(sum(refused), 0)::bigint from o",
    )
    .bind(names)
    .fetch_one(&mut **tx)
    .await
}

/// Puts a token back, when what it was taken for was in order.
pub async fn give_back(tx: &mut Scoped, name: &str) -> sqlx::Result<()> {
    sqlx::query("update buckets set level = level + 1 where name = $1").bind(name).execute(&mut **tx).await?;
    Ok(())
}

/// Writes down that a bucket refuses: at most one row in ten minutes, with how many were refused since the last.
pub async fn tell(tx: &mut Scoped, name: &str, ip: Option<&str>) -> sqlx::Result<()> {
    let refused: Option<i64> = sqlx::query_scalar(
        "update buckets as b set told_at = now(), refused = 0 from (select name, refused from buckets where name = $1 for update) as o
         where b.name = o.name and o.refused > 0 and (b.told_at is null or b.told_at < now() - interval '10 minutes') returning o.refused",
    )
    .bind(name)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(refused) = refused else { return Ok(()) };
    let event = Event::new(Actor::Stranger, "security.limited").object(name).ip(ip.map(str::to_owned)).refused();
    audit::record(tx, event.after(json!({ "refused": refused }))).await
}

/// By what a login is known here.
fn key(login: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, login.as_bytes()).as_ref().to_vec()
}

/// Counts an attempt to sign in under a name *before* the password is looked at, whoever has that name or nobody. False while the name is
/// locked: five attempts are free, then the wait is 1, 2, 4 … seconds, at most 15 minutes. A day without attempts forgives.
pub async fn charge(tx: &mut Scoped, login: &str) -> sqlx::Result<bool> {
    let charged = sqlx::query(
        "insert into sign_in_attempts as a (login_hash, failures, last_at) values ($1, 1, clock_timestamp())
         on conflict (login_hash) do update set
             (failures, last_at, locked_until) = (
                 select n, clock_timestamp(),
                        case when n > 5 then clock_timestamp() + least(power(2, least(n - 6, 20)), 900) * interval '1 second' end
                 from (select case when a.last_at > clock_timestamp() - interval '24 hours' then a.failures else 0 end + 1 as n) as c
             )
         where a.locked_until is null or a.locked_until <= clock_timestamp()",
    )
    .bind(key(login))
    .execute(&mut **tx)
    .await?;
    Ok(charged.rows_affected() == 1)
}

/// The attempt was good: nothing is held against the name any more.
pub async fn forgive(tx: &mut Scoped, login: &str) -> sqlx::Result<()> {
    sqlx::query("delete from sign_in_attempts where login_hash = $1").bind(key(login)).execute(&mut **tx).await?;
    Ok(())
}

/// Throws away what is full again and what is forgiven, and writes down how many refusals were not told of. The worker's.
pub async fn forget(tx: &mut Scoped) -> sqlx::Result<()> {
    let untold: Option<i64> = sqlx::query_scalar(
        "with gone as (delete from buckets where at < now() - interval '1 hour' returning refused) select sum(refused)::bigint from gone",
    )
    .fetch_one(&mut **tx)
    .await?;
    if let Some(untold) = untold.filter(|untold| *untold > 0) {
        audit::record(tx, Event::new(Actor::System("limits"), "security.limited").after(json!({ "refused": untold })).refused()).await?;
    }
    sqlx::query("delete from sign_in_attempts where last_at < now() - interval '24 hours'").execute(&mut **tx).await?;
    Ok(())
}
