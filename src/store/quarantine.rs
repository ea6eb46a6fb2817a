//! Records that could not be read: kept as they came, shown, and tried again by each later run.

use super::Scoped;
use crate::model::{Product, TenantId};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What such a record was meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Kind {
    Incident,
    Alert,
}

/// A record that could not be read.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Bad {
    pub quarantine_id: Uuid,
    pub product: Product,
    /// The API it came from.
    pub api: Product,
    pub kind: Kind,
    pub body: String,
    /// For people: what is wrong with it.
    pub reason: String,
    pub first_seen: DateTime<Utc>,
    pub last_seen: DateTime<Utc>,
}

/// Keeps a record of a product that `api` sent and that could not be read. The same bytes are kept once. True: they are new.
pub async fn put(
    tx: &mut Scoped,
    tenant: TenantId,
    (product, api): (Product, Product),
    kind: Kind,
    body: &str,
    reason: &str,
) -> sqlx::Result<bool> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes());
    // Seen again in each overlap: once an hour is often enough to note it.
    let added = sqlx::query_scalar(
        "insert into quarantine as q (tenant_id, quarantine_id, product, kind, body_hash, body, reason, api)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (tenant_id, product, kind, body_hash) do update set reason = excluded.reason, last_seen = excluded.last_seen
             where q.last_seen < excluded.last_seen - interval '1 hour'
         returning first_seen = now()",
    )
    .bind(tenant)
    .bind(Uuid::now_v7())
    .bind(product)
    .bind(kind)
    .bind(hash.as_ref())
    .bind(body)
    .bind(reason)
    .bind(api)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(added.unwrap_or(false))
}

/// The records of a tenant that wait, or of one of its products, newest first, at most 500.
pub async fn list(tx: &mut Scoped, tenant: TenantId, product: Option<Product>) -> sqlx::Result<Vec<Bad>> {
    sqlx::query_as(
        "select quarantine_id, product, coalesce(api, product) as api, kind, body, reason, first_seen, last_seen from quarantine
         where tenant_id = $1 and ($2::text is null or product = $2) order by last_seen desc limit 500",
    )
    .bind(tenant)
    .bind(product)
    .persistent(false)
    .fetch_all(&mut **tx)
    .await
}

/// Removes records that could be read after all.
pub async fn remove(tx: &mut Scoped, tenant: TenantId, ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query("delete from quarantine where tenant_id = $1 and quarantine_id = any($2)")
        .bind(tenant)
        .bind(ids)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
