//! Signed-in sessions and one-time links. All times are the database's.

use super::Scoped;
use super::users::Identity;
use crate::model::UserId;
use chrono::{DateTime, Utc};
use serde::Deserialize;

/// A session as its owner sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Session {
    pub session_hash: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub ip: Option<String>,
}

/// Starts a session that lasts at most `hours`. A user has at most five: the one unused for longest ends. `proven`: its person has just proven
/// who they are by more than a password.
pub async fn insert(tx: &mut Scoped, (hash, proven): (&[u8], bool), user: UserId, hours: i32, ip: Option<&str>) -> sqlx::Result<()> {
    sqlx::query(
        "delete from sessions where session_hash in
         (select session_hash from sessions where user_id = $1 order by last_seen_at desc, session_hash offset 4)",
    )
    .bind(user)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into sessions (session_hash, user_id, expires_at, ip, proven_at)
         values ($1, $2, now() + make_interval(hours => $3), $4, case when $5 then now() end)",
    )
    .bind(hash)
    .bind(user)
    .bind(hours)
    .bind(ip)
    .bind(proven)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// An administrator who sees the portal as somebody else does.
#[derive(Clone, Debug, Deserialize)]
pub struct Behind {
    pub user_id: UserId,
    pub login: String,
    pub name: String,
}

/// As whom the session `$1` sees the portal, if it lives: as its own person, or, an administrator's, as a colleague.
macro_rules! person {
    () => {
        "select u.user_id, u.login, u.display_name, u.role, u.theme, u.density, u.keys, u.looked_at,
                r.reach is null as all_tenants, coalesce(r.reach, '{}') as tenants,
                case when u.user_id <> own.user_id
                     then jsonb_build_object('user_id', own.user_id, 'login', own.login, 'name', own.display_name) end as behind
         from sessions as s join users as own on own.user_id = s.user_id
         join users as u on u.user_id = coalesce(s.views_as, own.user_id)
         cross join lateral (select reach_of(u) as reach offset 0) as r
         where s.session_hash = $1 and s.expires_at > now() and s.last_seen_at > now() - interval '30 minutes' and own.disabled_at is null
           and (s.views_as is null or own.role = 'admin' and u.disabled_at is null)"
    };
}

/// Whose session this is, if it has neither expired nor lain idle for 30 minutes; its idle time starts anew (to the minute).
/// Needs an all-tenants transaction, because it reads the user's grants; commit it.
pub async fn identify(tx: &mut Scoped, hash: &[u8]) -> sqlx::Result<Option<Identity>> {
    sqlx::query_as(concat!(
        "with seen as (
             update sessions set last_seen_at = now()
             where session_hash = $1 and last_seen_at < now() - interval '1 minute' and last_seen_at > now() - interval '30 minutes'
         ) ",
        person!()
    ))
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await
}

/// The same without a new beginning of the idle time: for what nobody does, a page only.
pub async fn look(tx: &mut Scoped, hash: &[u8]) -> sqlx::Result<Option<Identity>> {
    sqlx::query_as(person!()).bind(hash).fetch_optional(&mut **tx).await
}

/// The user's living sessions, last used first.
pub async fn list(tx: &mut Scoped, user: UserId) -> sqlx::Result<Vec<Session>> {
    sqlx::query_as(
        "select session_hash, created_at, last_seen_at, ip from sessions
         where user_id = $1 and expires_at > now() and last_seen_at > now() - interval '30 minutes'
         order by last_seen_at desc limit 20",
    )
    .bind(user)
    .fetch_all(&mut **tx)
    .await
}

/// From now on a session shows the portal as somebody else sees it, or again as its own person does. It gets another secret, so that no form of one
/// view is good in the other; what was begun in it ends.
pub async fn view_as(tx: &mut Scoped, (old, new): (&[u8], &[u8]), other: Option<UserId>) -> sqlx::Result<()> {
    sqlx::query("update sessions set session_hash = $2, views_as = $3 where session_hash = $1")
        .bind(old)
        .bind(new)
        .bind(other)
        .execute(&mut **tx)
        .await?;
    begun_ends(tx, old).await
}

/// What was begun in a session ends, when it gets another secret.
async fn begun_ends(tx: &mut Scoped, hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query("delete from flows where kind <> 'sign_in' and flow_hash = $1").bind(hash).execute(&mut **tx).await?;
    Ok(())
}

/// Ends one session of this user. False if it had ended already.
pub async fn end(tx: &mut Scoped, user: UserId, hash: &[u8]) -> sqlx::Result<bool> {
    let ended =
        sqlx::query("delete from sessions where session_hash = $1 and user_id = $2").bind(hash).bind(user).execute(&mut **tx).await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends a user's sessions but one. The one may be none of theirs: then all end.
pub async fn end_others(tx: &mut Scoped, user: UserId, hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query("delete from sessions where user_id = $1 and session_hash <> $2").bind(user).bind(hash).execute(&mut **tx).await?;
    Ok(())
}

/// What counts of a session when something grave is asked for.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Standing {
    pub user_id: UserId,
    pub login: String,
    /// Signs in at Entra.
    pub of_entra: bool,
    pub factors: i64,
    /// Its person proved who they are within the last ten minutes.
    pub is_fresh: bool,
}

/// How a living session stands. Does not keep it alive.
pub async fn standing(tx: &mut Scoped, hash: &[u8]) -> sqlx::Result<Option<Standing>> {
    sqlx::query_as(
        "select u.user_id, u.login, u.entra_object is not null as of_entra,
                (select count(*) from factors as f where f.user_id = u.user_id) as factors,
                coalesce(s.proven_at > now() - interval '10 minutes', false) as is_fresh
         from sessions as s join users as u on u.user_id = s.user_id
         where s.session_hash = $1 and s.expires_at > now() and s.last_seen_at > now() - interval '30 minutes' and u.disabled_at is null",
    )
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await
}

/// Gives a session another secret, because its person has just proven who they are; what was begun in it ends. Its end stays where it was.
/// False if it has ended.
pub async fn renew(tx: &mut Scoped, user: UserId, old: &[u8], new: &[u8]) -> sqlx::Result<bool> {
    let renewed = sqlx::query(
        "update sessions set session_hash = $3, proven_at = now(), last_seen_at = now()
         where session_hash = $2 and user_id = $1 and expires_at > now() and last_seen_at > now() - interval '30 minutes'",
    )
    .bind(user)
    .bind(old)
    .bind(new)
    .execute(&mut **tx)
    .await?;
    begun_ends(tx, old).await?;
    Ok(renewed.rows_affected() == 1)
}

/// Makes the links of a user void that are not used yet.
pub async fn void_links(tx: &mut Scoped, user: UserId) -> sqlx::Result<()> {
    sqlx::query("update setup_tokens set used_at = now() where user_id = $1 and used_at is null").bind(user).execute(&mut **tx).await?;
    Ok(())
}

/// Keeps a one-time link for `minutes`: for a user's new password, or, without a user, for the first administrator.
pub async fn insert_link(tx: &mut Scoped, hash: &[u8], user: Option<UserId>, minutes: i32) -> sqlx::Result<()> {
    sqlx::query("insert into setup_tokens (token_hash, user_id, expires_at) values ($1, $2, now() + make_interval(mins => $3))")
        .bind(hash)
        .bind(user)
        .bind(minutes)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whom a link that can still be used is for: `Some(None)` is the first administrator.
pub async fn find_link(tx: &mut Scoped, hash: &[u8]) -> sqlx::Result<Option<Option<UserId>>> {
    sqlx::query_scalar("select user_id from setup_tokens where token_hash = $1 and used_at is null and expires_at > now()")
        .bind(hash)
        .fetch_optional(&mut **tx)
        .await
}

/// Uses a link up: of two at once one gets the answer, the other `None`.
pub async fn use_link(tx: &mut Scoped, hash: &[u8]) -> sqlx::Result<Option<Option<UserId>>> {
    sqlx::query_scalar(
        "update setup_tokens set used_at = now() where token_hash = $1 and used_at is null and expires_at > now() returning user_id",
    )
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await
}

/// Throws away sessions and one-time links that have ended.
pub async fn forget(tx: &mut Scoped) -> sqlx::Result<()> {
    sqlx::query("delete from sessions where expires_at < now()").execute(&mut **tx).await?;
    sqlx::query("delete from setup_tokens where expires_at < now() - interval '1 day'").execute(&mut **tx).await?;
    Ok(())
}
