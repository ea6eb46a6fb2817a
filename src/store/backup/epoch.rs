//! What must not come back to life with a restored database.

use super::Manifest;
use anyhow::Result;
use serde_json::json;
use sqlx::{Connection, PgConnection};

/// Sessions, links of accounts (of customers' people, too) and jobs are in no backup. What is ended here:
///
/// - tokens of the API, of which one may have been revoked since;
/// - links and consents that customers have not ended: one may have been used since;
/// - changes and questions on their way, of which nobody can say any more whether they were sent: they are sent by nobody again;
/// - leases of readings, so that reading goes on at once from where the backup was.
const ENDED: [&str; 8] = [
    "update api_tokens set revoked_at = now() where revoked_at is null",
    "update invites set revoked_at = now() where used_at is null and revoked_at is null",
    "update consent_attempts set expires_at = now() where answered_at is null and expires_at > now()",
    "update changes set state = 'lost', finished_at = now(),
         reason = 'Nobody knows what became of this: the database was restored from a backup. Look at it in Defender.'
     where state in ('intended', 'sending', 'running', 'unknown')",
    "update bulk_incidents as i set state = 'cancelled', reason = 'The database was restored from a backup.' from bulk_jobs as j
     where j.bulk_id = i.bulk_id and j.started_at is not null and i.state = 'waiting'",
    "update lookups set state = 'failed', reason = 'The database was restored from a backup.' where state = 'asked'",
    "update hunt_tenants set outcome = 'cancelled', ended_at = now(), reason = 'The database was restored from a backup.'
     where outcome in ('waiting', 'running')",
    "update sync_state set lease_until = null, next_due = least(next_due, now())",
];

/// Ends it, and writes into the audit log that the database was restored, in one transaction.
pub async fn begin(connection: &mut PgConnection, manifest: &Manifest) -> Result<()> {
    let mut tx = connection.begin().await?;
    for statement in ENDED {
        sqlx::query(statement).execute(&mut *tx).await?;
    }
    sqlx::query(
        "insert into audit_log (actor_kind, actor, action, object, after, result)
         values ('operator', 'command line', 'backup.restored', $1, $2, 'ok')",
    )
    .bind(manifest.made_at.format("%Y-%m-%d %H:%M UTC").to_string())
    .bind(json!({ "version": manifest.version, "schema": manifest.schema }))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
