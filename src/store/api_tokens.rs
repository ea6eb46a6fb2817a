//! API tokens: each acts as its user, with the user's role and tenants, or less.

use super::Scoped;
use super::users::Identity;
use crate::model::{Role, TenantId, TokenId, UserId};
use chrono::{DateTime, Utc};

/// A token as people see it; the secret is not kept.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApiToken {
    pub token_id: TokenId,
    pub login: String,
    pub name: String,
    pub role: Option<Role>,
    pub tenants: Option<Vec<TenantId>>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What a token may do at most; by default all that its user may.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub role: Option<Role>,
    /// At least one, and then the role is responder at most: the registry is kept for all tenants or none.
    pub tenants: Option<Vec<TenantId>>,
}

/// Keeps a token for `days`.
pub async fn insert(tx: &mut Scoped, hash: &[u8], user: UserId, (name, days): (&str, i32), limits: &Limits) -> sqlx::Result<TokenId> {
    sqlx::query_scalar(
        "insert into api_tokens (token_id, token_hash, user_id, name, expires_at, role, tenants)
         values ($1, $2, $3, $4, now() + make_interval(days => $5), $6, $7) returning token_id",
    )
    .bind(TokenId::new())
    .bind(hash)
    .bind(user)
    .bind(name)
    .bind(days)
    .bind(limits.role)
    .bind(&limits.tenants)
    .fetch_one(&mut **tx)
    .await
}

/// What a token says of whoever brings it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Known {
    /// Its user, with the role and the tenants that both the user and the token have.
    #[sqlx(flatten)]
    pub identity: Identity,
    pub token_id: TokenId,
    pub name: String,
    /// Whether it is used for the first time.
    pub is_new: bool,
}

/// Whose token this is, if it is neither expired nor revoked and its user not disabled; notes the use (to the minute).
/// Needs an all-tenants transaction, because it reads the user's grants; commit it.
pub async fn identify(tx: &mut Scoped, hash: &[u8]) -> sqlx::Result<Option<Known>> {
    sqlx::query_as(
        "with used as (
             update api_tokens as a set last_used_at = now() from (select token_id, last_used_at from api_tokens where token_hash = $1) as o
             where a.token_id = o.token_id and (a.last_used_at is null or a.last_used_at < now() - interval '1 minute')
             returning o.last_used_at is null as is_new
         )
         select u.user_id, u.login, u.display_name, u.theme, u.density, u.keys, u.looked_at, a.token_id, a.name,
                case when array_position(array['viewer', 'analyst', 'responder', 'lead', 'admin'], a.role)
                          < array_position(array['viewer', 'analyst', 'responder', 'lead', 'admin'], u.role) then a.role else u.role end as role,
                r.reach is null and a.tenants is null as all_tenants,
                case when a.tenants is null then coalesce(r.reach, '{}')
                     else array(select t.tenant_id from tenants as t
                                where t.state <> 'offboarded' and t.tenant_id = any (a.tenants) and (r.reach is null or t.tenant_id = any (r.reach))
                                order by 1) end as tenants,
                coalesce((select is_new from used), false) as is_new
         from api_tokens as a join users as u on u.user_id = a.user_id
         cross join lateral (select reach_of(u) as reach offset 0) as r
         where a.token_hash = $1 and a.expires_at > now() and a.revoked_at is null and u.disabled_at is null",
    )
    .bind(hash)
    .fetch_optional(&mut **tx)
    .await
}

/// Newest first, of one user or of everybody; at most 500.
pub async fn list(tx: &mut Scoped, user: Option<UserId>) -> sqlx::Result<Vec<ApiToken>> {
    sqlx::query_as(
        "select a.token_id, u.login, a.name, a.role, a.tenants, a.created_at, a.expires_at, a.last_used_at, a.revoked_at
         from api_tokens as a join users as u on u.user_id = a.user_id
         where $1::uuid is null or a.user_id = $1 order by a.created_at desc limit 500",
    )
    .bind(user)
    .fetch_all(&mut **tx)
    .await
}

/// Ends every token of a user.
pub async fn revoke_of(tx: &mut Scoped, user: UserId) -> sqlx::Result<()> {
    sqlx::query("update api_tokens set revoked_at = now() where user_id = $1 and revoked_at is null").bind(user).execute(&mut **tx).await?;
    Ok(())
}

/// Ends a token. False if there is none that could be used.
pub async fn revoke(tx: &mut Scoped, token: TokenId) -> sqlx::Result<bool> {
    let ended = sqlx::query("update api_tokens set revoked_at = now() where token_id = $1 and revoked_at is null")
        .bind(token)
        .execute(&mut **tx)
        .await?;
    Ok(ended.rows_affected() == 1)
}
