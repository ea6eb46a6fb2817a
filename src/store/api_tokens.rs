//! API tokens: each acts as its user, with the user's role and tenants.

use super::Scoped;
use super::users::Identity;
use crate::model::{TokenId, UserId};
use chrono::{DateTime, Utc};

/// A token as people see it; the secret is not kept.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApiToken {
    pub token_id: TokenId,
    pub login: String,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Keeps a token for `days`.
pub async fn insert(tx: &mut Scoped, hash: &[u8], user: UserId, name: &str, days: i32) -> sqlx::Result<TokenId> {
    sqlx::query_scalar(
        "insert into api_tokens (token_id, token_hash, user_id, name, expires_at)
         values ($1, $2, $3, $4, now() + make_interval(days => $5)) returning token_id",
    )
    .bind(TokenId::new())
    .bind(hash)
    .bind(user)
    .bind(name)
    .bind(days)
    .fetch_one(&mut **tx)
    .await
}

/// Whose token this is, if it is neither expired nor revoked and its user not disabled; notes the use (to the minute).
/// Needs an all-tenants transaction, because it reads the user's grants; commit it.
pub async fn identify(tx: &mut Scoped, hash: &[u8]) -> sqlx::Result<Option<Identity>> {
    sqlx::query_as(
        "with used as (
             update api_tokens set last_used_at = now()
             where token_hash = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')
         )
         select u.user_id, u.login, u.display_name, u.role, u.all_tenants, u.theme, u.density, u.keys, u.looked_at,
                array(select g.tenant_id from grants as g join tenants as t on t.tenant_id = g.tenant_id
                      where g.user_id = u.user_id and not u.all_tenants and t.state <> 'offboarded' order by 1) as tenants
         from api_tokens as a join users as u on u.user_id = a.user_id
         where a.token_hash = $1 and a.expires_at > now() and a.revoked_at is null and u.disabled_at is null",
    )
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await
}

/// Newest first, of one user or of everybody; at most 500.
pub async fn list(tx: &mut Scoped, user: Option<UserId>) -> sqlx::Result<Vec<ApiToken>> {
    sqlx::query_as(
        "select a.token_id, u.login, a.name, a.created_at, a.expires_at, a.last_used_at, a.revoked_at
         from api_tokens as a join users as u on u.user_id = a.user_id
         where $1::uuid is null or a.user_id = $1 order by a.created_at desc limit 500",
    )
    .bind(user)
    .fetch_all(&mut **tx)
    .await
}

/// Ends a token. False if there is none that could be used.
pub async fn revoke(tx: &mut Scoped, token: TokenId) -> sqlx::Result<bool> {
    let ended = sqlx::query("update api_tokens set revoked_at = now() where token_id = $1 and revoked_at is null")
        .bind(token)
        .execute(&mut **tx)
        .await?;
    Ok(ended.rows_affected() == 1)
}
