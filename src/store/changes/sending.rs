//! A change on its way to Microsoft.

use super::Change;
use crate::model::{ChangeId, TenantId};
use crate::store::Scoped;
use chrono::{DateTime, Utc};

/// Takes a change for sending. `None`: it has been taken before, and must not be sent again; or another change of the same incident, alert or
/// device is on its way, or was less than two minutes ago and nobody knows what became of it: then its turn comes later.
pub async fn claim(tx: &mut Scoped, of: &Change, now: DateTime<Utc>) -> sqlx::Result<Option<Change>> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('sending ' || $1::text || ' ' || coalesce($2, ''), 0))")
        .bind(of.tenant_id)
        .bind(of.args.first())
        .execute(&mut **tx)
        .await?;
    sqlx::query_as(
        "update changes as c set state = 'sending', sent_at = $3
         where c.tenant_id = $1 and c.change_id = $2 and c.state = 'intended' and not exists (
             select from changes as o
             where o.tenant_id = $1 and o.args[1] = c.args[1] and o.change_id <> c.change_id
               and (o.state = 'sending' or (o.state = 'unknown' and o.sent_at > $3 - interval '2 minutes'))
               and (c.operation like '%.incidents.%' or c.operation like '%.alerts.update' or c.operation like '%.alerts.comment')
               and o.operation like '%.' || split_part(c.operation, '.', 2) || '.%'
         ) returning *",
    )
    .bind(of.tenant_id)
    .bind(of.change_id)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await
}

/// Keeps a change from being sent until the transaction ends. False: somebody has begun already.
pub async fn hold_unsent(tx: &mut Scoped, tenant: TenantId, change: ChangeId) -> sqlx::Result<bool> {
    let held: Option<i32> =
        sqlx::query_scalar("select 1 from changes where tenant_id = $1 and change_id = $2 and state = 'intended' for update")
            .bind(tenant)
            .bind(change)
            .fetch_optional(&mut **tx)
            .await?;
    Ok(held.is_some())
}

/// Puts a change back of which certainly nothing was sent (we were asked to wait, no connection could be made). False: it is not being
/// sent.
pub async fn put_back(tx: &mut Scoped, tenant: TenantId, change: ChangeId, reason: &str) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update changes set state = 'intended', sent_at = null, reason = $3 where tenant_id = $1 and change_id = $2 and state = 'sending'",
    )
    .bind(tenant)
    .bind(change)
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that Microsoft was asked in vain. `counts`: it answered, and knew of no such thing. `unknown`: what was being sent is so no more.
pub async fn looked(tx: &mut Scoped, change: &Change, reason: &str, counts: bool, unknown: bool) -> sqlx::Result<()> {
    sqlx::query(
        "update changes set looks = looks + case when $4 then 1 else 0 end, reason = $3,
                state = case when $5 and state = 'sending' then 'unknown' else state end
         where tenant_id = $1 and change_id = $2 and state in ('sending', 'running', 'unknown')",
    )
    .bind(change.tenant_id)
    .bind(change.change_id)
    .bind(reason)
    .bind(counts)
    .bind(unknown)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Calls off those of these changes of a tenant that nobody has begun to send, and tells which. What stands behind a change that is sent is
/// sent as well: half of a form is never called off.
pub async fn withdraw(
    tx: &mut Scoped,
    tenant: TenantId,
    changes: &[ChangeId],
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<ChangeId>> {
    let mut off = Vec::new();
    // The second statement sees what became of the first: somebody may have begun to send at just that moment.
    for which in [
        "update changes set state = 'cancelled', reason = $3, finished_at = $4
         where tenant_id = $1 and change_id = any($2) and state = 'intended' and behind is null returning change_id",
        "update changes as c set state = 'cancelled', reason = $3, finished_at = $4
         where c.tenant_id = $1 and c.change_id = any($2) and c.state = 'intended' and exists (
             select from changes as p where p.tenant_id = $1 and p.change_id = c.behind and p.state in ('failed', 'cancelled', 'lost')
         ) returning change_id",
    ] {
        let done: Vec<ChangeId> = sqlx::query_scalar(which).bind(tenant).bind(changes).bind(reason).bind(now).fetch_all(&mut **tx).await?;
        off.extend(done);
    }
    Ok(off)
}
