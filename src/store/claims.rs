//! What the tokens of a tenant's apps said of themselves when they were last looked at. Never a token.

use super::Scoped;
use crate::model::{Product, TenantId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;

/// The claims of one app's token for one product.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claims {
    pub app: String,
    pub product: Product,
    /// An object, by claim. `None`: there was no token, or none that can be read.
    pub claims: Option<Value>,
    pub problems: Json<Vec<Problem>>,
    /// Why there was no token: one sentence.
    pub error: Option<String>,
    /// Entra's own answer then: "AADSTS700016".
    pub answer: Option<String>,
    pub fetched_at: DateTime<Utc>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The claim it is about; `None`: the token as a whole.
    pub claim: Option<String>,
    /// One sentence.
    pub why: String,
}

/// Stores what a token said.
pub async fn record(tx: &mut Scoped, tenant: TenantId, row: &Claims) -> sqlx::Result<()> {
    sqlx::query(
        "insert into token_claims (tenant_id, app, product, claims, problems, error, answer, fetched_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (tenant_id, app, product) do update set claims = excluded.claims, problems = excluded.problems, error = excluded.error,
             answer = excluded.answer, fetched_at = excluded.fetched_at",
    )
    .bind(tenant)
    .bind(&row.app)
    .bind(row.product)
    .bind(&row.claims)
    .bind(&row.problems)
    .bind(&row.error)
    .bind(&row.answer)
    .bind(row.fetched_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The claims of every token of a tenant, by app and product; at most 200.
pub async fn list(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Vec<Claims>> {
    sqlx::query_as(
        "select app, product, claims, problems, error, answer, fetched_at from token_claims where tenant_id = $1 order by app, product limit 200",
    )
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await
}

/// Forgets what was not looked at in the check at `now`: the app or the product is not asked for any more.
pub async fn forget(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("delete from token_claims where tenant_id = $1 and fetched_at <> $2").bind(tenant).bind(now).execute(&mut **tx).await?;
    Ok(())
}
