//! What was begun and goes on within ten minutes: the second half of a sign-in, a factor that is being made. All times are the database's.

use super::Scoped;
use super::vault::Place;
use super::vault::columns::FLOW_SECRET;
use crate::model::words::words;
use crate::model::{UserId, hex};
use secrecy::{ExposeSecret, SecretString};

const MINUTES: i32 = 10;

words! {
    /// What was begun.
    Kind {
        /// The password was right. The flow is its browser's cookie.
        SignIn = "sign_in",
        /// A factor is being made in a session.
        NewFactor = "new_factor",
        /// A passkey is being made in a session.
        NewPasskey = "new_passkey",
        /// A passkey is asked for, in a sign-in or in a session.
        Proof = "proof",
    }
}

/// A flow that can go on.
#[derive(Clone, Debug)]
pub struct Flow {
    pub user_id: UserId,
    pub login: String,
    pub next: String,
    /// Of the factor that is being made, or what a passkey must answer.
    pub secret: Option<SecretString>,
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: UserId,
    login: String,
    next: String,
    secret: Option<String>,
}

fn place(kind: Kind, hash: &[u8]) -> Place {
    FLOW_SECRET.at(format!("{kind}:{}", hex::encode(hash)), None)
}

/// Begins a flow, in place of one with the same key.
pub async fn begin(
    tx: &mut Scoped,
    (kind, hash): (Kind, &[u8]),
    user: UserId,
    next: &str,
    secret: Option<&SecretString>,
) -> sqlx::Result<()> {
    let sealed = secret.map(|secret| tx.vault.seal(&place(kind, hash), secret.expose_secret())).transpose()?;
    sqlx::query(
        "insert into flows (kind, flow_hash, user_id, next, secret, expires_at) values ($1, $2, $3, $4, $5, now() + make_interval(mins => $6))
         on conflict (kind, flow_hash) do update set
             user_id = excluded.user_id, next = excluded.next, secret = excluded.secret, expires_at = excluded.expires_at",
    )
    .bind(kind)
    .bind(hash)
    .bind(user)
    .bind(next)
    .bind(sealed)
    .bind(MINUTES)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A flow that has not ended, of somebody who may sign in. It stays.
pub async fn find(tx: &mut Scoped, kind: Kind, hash: &[u8]) -> sqlx::Result<Option<Flow>> {
    let row = sqlx::query_as(
        "select f.user_id, u.login, f.next, f.secret from flows as f join users as u on u.user_id = f.user_id
         where f.kind = $1 and f.flow_hash = $2 and f.expires_at > now() and u.disabled_at is null",
    )
    .bind(kind)
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await?;
    opened(tx, (kind, hash), row)
}

/// Uses a flow up: of two at once one gets it, once the other's transaction is over. Rolled back, the flow is still there.
pub async fn take(tx: &mut Scoped, kind: Kind, hash: &[u8]) -> sqlx::Result<Option<Flow>> {
    let row = sqlx::query_as(
        "delete from flows as f using users as u
         where f.kind = $1 and f.flow_hash = $2 and f.expires_at > now() and u.user_id = f.user_id and u.disabled_at is null
         returning f.user_id, u.login, f.next, f.secret",
    )
    .bind(kind)
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await?;
    opened(tx, (kind, hash), row)
}

fn opened(tx: &Scoped, (kind, hash): (Kind, &[u8]), row: Option<Row>) -> sqlx::Result<Option<Flow>> {
    let Some(Row { user_id, login, next, secret }) = row else { return Ok(None) };
    let secret = secret.map(|sealed| tx.vault.open(&place(kind, hash), &sealed)).transpose()?;
    Ok(Some(Flow { user_id, login, next, secret }))
}

/// Ends everything that a user has begun.
pub async fn end(tx: &mut Scoped, user: UserId) -> sqlx::Result<()> {
    sqlx::query("delete from flows where user_id = $1").bind(user).execute(&mut **tx).await?;
    Ok(())
}

/// Throws away what has ended.
pub async fn forget(tx: &mut Scoped) -> sqlx::Result<()> {
    sqlx::query("delete from flows where expires_at < now()").execute(&mut **tx).await?;
    Ok(())
}
