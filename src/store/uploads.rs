//! Logs on their way to cloud discovery, in pieces. A piece belongs to the change of the same id, which is written after the last of them.

use super::Scoped;
use crate::model::{ChangeId, TenantId};
use chrono::{DateTime, Utc};

/// The largest piece, in bytes.
pub const PART: usize = 1024 * 1024;

/// Puts one piece down, 1 to [`PART`] bytes. `part` counts from 0. A piece that lies there already stays, as when a file is sent once more;
/// false: it is another one.
pub async fn put(tx: &mut Scoped, tenant: TenantId, change: ChangeId, part: i32, bytes: &[u8], now: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into upload_parts (tenant_id, change_id, part, bytes, created_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, change_id, part) do nothing",
    )
    .bind(tenant)
    .bind(change)
    .bind(part)
    .bind(bytes)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(true);
    }
    sqlx::query_scalar("select exists (select 1 from upload_parts where tenant_id = $1 and change_id = $2 and part = $3 and bytes = $4)")
        .bind(tenant)
        .bind(change)
        .bind(part)
        .bind(bytes)
        .fetch_one(&mut **tx)
        .await
}

/// How many bytes there are in all; 0 when there are none, or no longer.
pub async fn size(tx: &mut Scoped, tenant: TenantId, change: ChangeId) -> sqlx::Result<i64> {
    sqlx::query_scalar("select coalesce(sum(octet_length(bytes)), 0)::bigint from upload_parts where tenant_id = $1 and change_id = $2")
        .bind(tenant)
        .bind(change)
        .fetch_one(&mut **tx)
        .await
}

/// One piece. `None`: the one before was the last.
pub async fn part(tx: &mut Scoped, tenant: TenantId, change: ChangeId, part: i32) -> sqlx::Result<Option<Vec<u8>>> {
    sqlx::query_scalar("select bytes from upload_parts where tenant_id = $1 and change_id = $2 and part = $3")
        .bind(tenant)
        .bind(change)
        .bind(part)
        .fetch_optional(&mut **tx)
        .await
}

/// Deletes every piece of a log. Needs the worker role.
pub async fn remove(tx: &mut Scoped, tenant: TenantId, change: ChangeId) -> sqlx::Result<()> {
    sqlx::query("delete from upload_parts where tenant_id = $1 and change_id = $2").bind(tenant).bind(change).execute(&mut **tx).await?;
    Ok(())
}

/// Forgets what is older than a day: uploads that broke off, or whose change ended without a word. Needs an all-tenants transaction and the
/// worker role.
pub async fn forget(tx: &mut Scoped, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done =
        sqlx::query("delete from upload_parts where created_at < $1::timestamptz - interval '1 day'").bind(now).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}
