//! Second factors of local accounts, and their recovery codes.

use super::Scoped;
use super::vault::columns::FACTOR_SECRET;
use crate::model::words::words;
use crate::model::{FactorId, UserId};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

words! {
    /// What kind of second factor.
    Kind {
        /// Codes of an app on a phone.
        Totp = "totp",
        Passkey = "passkey",
    }
}

/// A factor as its owner sees it, without its secret.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Factor {
    pub factor_id: FactorId,
    pub kind: Kind,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A user's factors, oldest first.
pub async fn list(tx: &mut Scoped, user: UserId) -> sqlx::Result<Vec<Factor>> {
    sqlx::query_as(
        "select factor_id, kind, name, created_at, last_used_at from factors where user_id = $1 order by created_at, factor_id limit 50",
    )
    .bind(user)
    .fetch_all(&mut **tx)
    .await
}

/// How many factors a user has.
pub async fn count(tx: &mut Scoped, user: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from factors where user_id = $1").bind(user).fetch_one(&mut **tx).await
}

/// Keeps a factor, its secret sealed. `credential` is a passkey's id; `None` comes back where somebody has it already.
pub async fn insert(
    tx: &mut Scoped,
    user: UserId,
    (kind, name): (Kind, &str),
    secret: &SecretString,
    credential: Option<&[u8]>,
) -> sqlx::Result<Option<FactorId>> {
    let factor = FactorId::new();
    let sealed = tx.vault.seal(&FACTOR_SECRET.at(factor.to_string(), None), secret.expose_secret())?;
    sqlx::query_scalar(
        "insert into factors (factor_id, user_id, kind, name, secret, credential) values ($1, $2, $3, $4, $5, $6)
         on conflict (credential) do nothing returning factor_id",
    )
    .bind(factor)
    .bind(user)
    .bind(kind)
    .bind(name)
    .bind(sealed)
    .bind(credential)
    .fetch_optional(&mut **tx)
    .await
}

/// The secrets of a user's factors of one kind.
pub async fn secrets(tx: &mut Scoped, user: UserId, kind: Kind) -> sqlx::Result<Vec<(FactorId, SecretString)>> {
    let sealed: Vec<(FactorId, String)> =
        sqlx::query_as("select factor_id, secret from factors where user_id = $1 and kind = $2 order by created_at, factor_id limit 50")
            .bind(user)
            .bind(kind)
            .fetch_all(&mut **tx)
            .await?;
    let open = |(factor, sealed): (FactorId, String)| Ok((factor, tx.vault.open(&FACTOR_SECRET.at(factor.to_string(), None), &sealed)?));
    sealed.into_iter().map(open).collect()
}

/// Keeps another secret of a factor, in place of the one it has.
pub async fn set_secret(tx: &mut Scoped, factor: FactorId, secret: &SecretString) -> sqlx::Result<()> {
    let sealed = tx.vault.seal(&FACTOR_SECRET.at(factor.to_string(), None), secret.expose_secret())?;
    sqlx::query("update factors set secret = $2 where factor_id = $1").bind(factor).bind(sealed).execute(&mut **tx).await?;
    Ok(())
}

/// Notes that a factor was used.
pub async fn used(tx: &mut Scoped, factor: FactorId) -> sqlx::Result<()> {
    sqlx::query("update factors set last_used_at = now() where factor_id = $1").bind(factor).execute(&mut **tx).await?;
    Ok(())
}

/// Uses a time step of one-time codes up: true once for each user and step, and never for one that is not newer than the last.
pub async fn use_step(tx: &mut Scoped, user: UserId, step: i64) -> sqlx::Result<bool> {
    let done = sqlx::query("update users set totp_step = $2 where user_id = $1 and coalesce(totp_step, 0) < $2")
        .bind(user)
        .bind(step)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a factor another name. False if the user has no such factor.
pub async fn rename(tx: &mut Scoped, user: UserId, factor: FactorId, name: &str) -> sqlx::Result<bool> {
    let renamed = sqlx::query("update factors set name = $3 where factor_id = $2 and user_id = $1")
        .bind(user)
        .bind(factor)
        .bind(name)
        .execute(&mut **tx)
        .await?;
    Ok(renamed.rows_affected() == 1)
}

/// Removes a factor, and the recovery codes with the last of them; gives its kind and name. `None` if the user has no such factor. The caller
/// holds the user ([`super::users::hold`]), so that of two at once the last one is known.
pub async fn remove(tx: &mut Scoped, user: UserId, factor: FactorId) -> sqlx::Result<Option<(Kind, String)>> {
    let removed = sqlx::query_as("delete from factors where factor_id = $2 and user_id = $1 returning kind, name")
        .bind(user)
        .bind(factor)
        .fetch_optional(&mut **tx)
        .await?;
    if count(tx, user).await? == 0 {
        forget_codes(tx, user).await?;
    }
    Ok(removed)
}

/// Removes every factor and recovery code of a user; how many factors there were.
pub async fn remove_all(tx: &mut Scoped, user: UserId) -> sqlx::Result<u64> {
    let removed = sqlx::query("delete from factors where user_id = $1").bind(user).execute(&mut **tx).await?;
    forget_codes(tx, user).await?;
    Ok(removed.rows_affected())
}

async fn forget_codes(tx: &mut Scoped, user: UserId) -> sqlx::Result<()> {
    sqlx::query("delete from recovery_codes where user_id = $1").bind(user).execute(&mut **tx).await?;
    Ok(())
}

/// Keeps a new set of recovery codes, as hashes; older ones are void.
pub async fn set_codes(tx: &mut Scoped, user: UserId, hashes: &[Vec<u8>]) -> sqlx::Result<()> {
    forget_codes(tx, user).await?;
    sqlx::query("insert into recovery_codes (user_id, code_hash) select $1, unnest($2::bytea[])")
        .bind(user)
        .bind(hashes)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Uses a recovery code up: of two at once one gets true.
pub async fn use_code(tx: &mut Scoped, user: UserId, hash: &[u8]) -> sqlx::Result<bool> {
    let done = sqlx::query("update recovery_codes set used_at = now() where user_id = $1 and code_hash = $2 and used_at is null")
        .bind(user)
        .bind(hash)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// How many recovery codes are left.
pub async fn codes_left(tx: &mut Scoped, user: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from recovery_codes where user_id = $1 and used_at is null").bind(user).fetch_one(&mut **tx).await
}

/// Ends the sessions of local accounts that have no factor, where one is required from now on; how many.
pub async fn end_sessions_without(tx: &mut Scoped) -> sqlx::Result<u64> {
    let ended = sqlx::query(
        "delete from sessions as s using users as u
         where u.user_id = s.user_id and u.entra_object is null and not exists (select from factors as f where f.user_id = u.user_id)",
    )
    .execute(&mut **tx)
    .await?;
    Ok(ended.rows_affected())
}
