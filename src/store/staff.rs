//! Staff who sign in at Entra: their accounts, and their ways there and back. All times are the database's.

use super::Scoped;
pub use super::trips::Answered;
use super::trips::{self, Bound, Columns};
use super::users::Account;
use super::vault::columns::{TRIP_NONCE, TRIP_VERIFIER};
use crate::model::{DirectoryId, Role, UserId};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use uuid::Uuid;

/// How long a trip may take.
pub(super) const MINUTES: i32 = 10;
const SEALED: Columns = [&TRIP_NONCE, &TRIP_VERIFIER];

/// Whom Entra has vouched for. The three make the person; whatever else is known of them changes.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    pub issuer: &'a str,
    pub directory: DirectoryId,
    pub object: Uuid,
}

/// A trip that begins.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    pub state_hash: &'a [u8],
    pub browser_hash: &'a [u8],
    pub nonce: &'a str,
    pub pkce_verifier: &'a str,
    /// Where to go on to.
    pub next: &'a str,
    /// The session that is to be proven anew, by its hash; `None`: a sign-in.
    pub proves: Option<&'a [u8]>,
}

/// A trip that was answered just now.
#[derive(Clone, Debug)]
pub struct Trip {
    pub browser_hash: Vec<u8>,
    pub nonce: SecretString,
    pub pkce_verifier: SecretString,
    pub next: String,
    /// See [`Start::proves`].
    pub proves: Option<Vec<u8>>,
    pub begun_at: DateTime<Utc>,
    /// The answer came after its ten minutes.
    pub is_late: bool,
}

#[derive(sqlx::FromRow)]
struct TripRow {
    browser_hash: Vec<u8>,
    nonce: String,
    pkce_verifier: String,
    next: String,
    proves: Option<Vec<u8>>,
    begun_at: DateTime<Utc>,
    is_late: bool,
}

impl Bound for Trip {
    fn browser_hash(&self) -> &[u8] {
        &self.browser_hash
    }

    fn is_late(&self) -> bool {
        self.is_late
    }
}

/// Keeps a trip; its secrets sealed.
pub async fn begin(tx: &mut Scoped, start: &Start<'_>) -> sqlx::Result<()> {
    let [nonce, verifier] = trips::seal(tx, SEALED, start.state_hash, [start.nonce, start.pkce_verifier])?;
    sqlx::query(
        "insert into sign_in_trips (state_hash, browser_hash, nonce, pkce_verifier, next, proves, expires_at)
         values ($1, $2, $3, $4, $5, $6, now() + make_interval(mins => $7))",
    )
    .bind(start.state_hash)
    .bind(start.browser_hash)
    .bind(nonce)
    .bind(verifier)
    .bind(start.next)
    .bind(start.proves)
    .bind(MINUTES)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Uses a trip up, whoever brings its state; what it kept secret is forgotten.
pub async fn answer(tx: &mut Scoped, state_hash: &[u8]) -> sqlx::Result<Answered<Trip>> {
    let trip: Option<TripRow> = sqlx::query_as(
        "with was as (select state_hash, nonce, pkce_verifier from sign_in_trips where state_hash = $1 and answered_at is null for update)
         update sign_in_trips as t set answered_at = now(), nonce = null, pkce_verifier = null from was
         where t.state_hash = was.state_hash and was.nonce is not null and was.pkce_verifier is not null
         returning t.browser_hash, was.nonce, was.pkce_verifier, t.next, t.proves,
                   t.expires_at - make_interval(mins => $2) as begun_at, t.expires_at <= now() as is_late",
    )
    .bind(state_hash)
    .bind(MINUTES)
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(TripRow { browser_hash, nonce, pkce_verifier, next, proves, begun_at, is_late }) = trip {
        let [nonce, pkce_verifier] = trips::open(tx, SEALED, state_hash, [&nonce, &pkce_verifier])?;
        return Ok(Answered::Now(Trip { browser_hash, nonce, pkce_verifier, next, proves, begun_at, is_late }));
    }
    let known: bool =
        sqlx::query_scalar("select exists (select from sign_in_trips where state_hash = $1)").bind(state_hash).fetch_one(&mut **tx).await?;
    Ok(if known { Answered::Before } else { Answered::Unknown })
}

/// Throws away trips that ended a day ago; until then a second answer is told from a stray one.
pub async fn forget(tx: &mut Scoped) -> sqlx::Result<()> {
    sqlx::query("delete from sign_in_trips where expires_at < now() - interval '1 day'").execute(&mut **tx).await?;
    Ok(())
}

/// The account of a person, locked until the transaction ends.
pub async fn find(tx: &mut Scoped, person: &Person<'_>) -> sqlx::Result<Option<Account>> {
    sqlx::query_as(
        "select u.*, null::timestamptz as last_seen_at, null::timestamptz as locked_until, 0::bigint as factors,
                false as has_denied from users as u
         where entra_issuer = $1 and entra_directory = $2 and entra_object = $3 for update",
    )
    .bind(person.issuer)
    .bind(person.directory)
    .bind(person.object)
    .fetch_optional(&mut **tx)
    .await
}

/// What an account of Entra's is called here: the name that the person signs in with there, or, where another account has that, with the
/// beginning of the object id behind it. `$1` is the account, `$2` the name, `$3` the object id.
macro_rules! login {
    () => {
        "case when exists (select from users as o where o.login = $2 and o.user_id <> $1) then $2 || '#' || left($3::text, 8) else $2 end"
    };
}

/// Makes the account of a person who has none. It sees no tenant until an administrator grants some, unless it is one. `None`: another
/// request was faster.
pub async fn insert(tx: &mut Scoped, person: &Person<'_>, (login, name): (&str, &str), role: Role) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar(concat!(
        "insert into users (user_id, login, entra_object, entra_issuer, entra_directory, display_name, role, all_tenants)
         values ($1, ",
        login!(),
        ", $3, $4, $5, $6, $7, $7 = 'admin') on conflict do nothing returning user_id"
    ))
    .bind(UserId::new())
    .bind(login)
    .bind(person.object)
    .bind(person.issuer)
    .bind(person.directory)
    .bind(name)
    .bind(role)
    .fetch_optional(&mut **tx)
    .await
}

/// Takes over what Entra calls a person now, who has just signed in there; gives the login.
pub async fn rename(tx: &mut Scoped, user: UserId, object: Uuid, (login, name): (&str, &str)) -> sqlx::Result<String> {
    sqlx::query_scalar(concat!(
        "update users set login = ",
        login!(),
        ", display_name = $4, vouched_at = now() where user_id = $1 returning login"
    ))
    .bind(user)
    .bind(login)
    .bind(object)
    .bind(name)
    .fetch_one(&mut **tx)
    .await
}

/// Somebody of Entra's who is signed in here or has a token.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Present {
    pub user_id: UserId,
    pub login: String,
    pub role: Role,
    pub entra_issuer: String,
    pub entra_object: Uuid,
}

/// Whether somebody `u` of Entra's has a living session or a usable token.
macro_rules! present {
    () => {
        "u.entra_issuer is not null and u.disabled_at is null
         and (exists (select from sessions as s where s.user_id = u.user_id and s.expires_at > now()
                      and s.last_seen_at > now() - interval '30 minutes')
              or exists (select from api_tokens as a where a.user_id = u.user_id and a.expires_at > now() and a.revoked_at is null))"
    };
}

/// Those for whom the directory has not vouched for four minutes, longest first, at most `limit`.
pub async fn unvouched(tx: &mut Scoped, limit: i64) -> sqlx::Result<Vec<Present>> {
    sqlx::query_as(concat!(
        "select user_id, login, role, entra_issuer, entra_object from users as u
         where (vouched_at is null or vouched_at < now() - interval '4 minutes') and ",
        present!(),
        " order by vouched_at nulls first, user_id limit $1"
    ))
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// The directory says that a person may be here.
pub async fn vouch(tx: &mut Scoped, user: UserId) -> sqlx::Result<()> {
    sqlx::query("update users set vouched_at = now() where user_id = $1").bind(user).execute(&mut **tx).await?;
    Ok(())
}

/// When the directory last vouched for whom it has not vouched for half an hour, if there is anybody like that.
pub async fn silent_since(tx: &mut Scoped) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(concat!("select min(vouched_at) from users as u where vouched_at < now() - interval '30 minutes' and ", present!()))
        .fetch_one(&mut **tx)
        .await
}
