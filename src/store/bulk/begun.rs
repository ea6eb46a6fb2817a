//! The jobs that have begun, for a list of them.

use super::super::Scoped;
use super::Bulk;
use crate::model::UserId;

/// A job that has begun, and how it stands.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Begun {
    #[sqlx(flatten)]
    pub bulk: Bulk,
    /// Incidents of the tenants in the reader's scope.
    pub here: i64,
    /// Of these, those that failed.
    pub failed: i64,
    /// Something of these is still to be sent, or its answer awaited.
    pub waits: bool,
    /// Some of these were called off.
    pub called_off: bool,
    /// A job of this user's has tried again what failed.
    pub tried_again: bool,
}

/// The jobs that this user may see and that have begun, the latest first; at most `limit`. Jobs are forgotten after 30 days.
pub async fn begun(tx: &mut Scoped, user: UserId, limit: i64) -> sqlx::Result<Vec<Begun>> {
    sqlx::query_as(
        "with latest as materialized (
             select b.* from bulk_jobs as b
             where b.started_at is not null and (b.user_id = $1 or exists (select from bulk_tenants as t where t.bulk_id = b.bulk_id))
             order by b.started_at desc, b.bulk_id limit $2
         )
         select b.*, p.seen, p.here,
                (select count(*) from bulk_incidents as i where i.bulk_id = b.bulk_id and i.state = 'failed')
                + (select count(distinct (c.tenant_id, c.args[1])) from changes as c
                   where c.batch = b.bulk_id and c.user_id = b.user_id and c.state in ('failed', 'lost')) as failed,
                exists (select from bulk_incidents as i where i.bulk_id = b.bulk_id and i.state = 'waiting')
                or exists (select from changes as c where c.batch = b.bulk_id and c.user_id = b.user_id
                           and c.state in ('intended', 'sending', 'running', 'unknown')) as waits,
                exists (select from bulk_incidents as i where i.bulk_id = b.bulk_id and i.state = 'cancelled')
                or exists (select from changes as c where c.batch = b.bulk_id and c.user_id = b.user_id and c.state = 'cancelled') as called_off,
                exists (select from bulk_jobs as a where a.follows = b.bulk_id and a.user_id = $1) as tried_again
         from latest as b
         cross join lateral (
             select count(*) as seen, coalesce(sum(matched), 0) as here from bulk_tenants as t where t.bulk_id = b.bulk_id
         ) as p
         order by b.started_at desc, b.bulk_id",
    )
    .bind(user)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}
