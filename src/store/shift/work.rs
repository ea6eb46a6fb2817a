//! Who has how much to do, and did how much.

use crate::model::{Severity, TenantId};
use crate::store::Scoped;
use crate::store::lists::COUNT_CAP;
use chrono::{DateTime, Utc};

/// So many owners are told.
pub const OWNERS: i64 = 100;
/// Of so many tenants the open incidents are summed; of more, each owner's are looked up.
const SUMMED: usize = 100;

/// What somebody has open.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Open {
    /// As Microsoft writes the name; `None`: nobody.
    pub owner: Option<String>,
    /// At most [`COUNT_CAP`] + 1.
    pub open: i64,
    /// The worst of them.
    pub worst: Option<Severity>,
}

/// The open incidents of each owner, at most [`OWNERS`] + 1 of them, and of nobody. `tenants`: those of the reader, `None` for all.
pub async fn open(tx: &mut Scoped, tenants: Option<&[TenantId]>) -> sqlx::Result<Vec<Open>> {
    if let Some(tenants) = tenants.filter(|tenants| tenants.len() <= SUMMED) {
        return open_of(tx, tenants).await;
    }
    // From one owner to the next by the index, past all that is theirs.
    sqlx::query_as(
        "with recursive owners (n, owner) as (
             (select 1, i.assigned_to from incidents as i
              where i.is_open and not i.hidden and i.assigned_to is not null order by i.assigned_to limit 1)
             union all
             select o.n + 1, (select i.assigned_to from incidents as i
                              where i.is_open and not i.hidden and i.assigned_to > o.owner order by i.assigned_to limit 1)
             from owners as o where o.owner is not null and o.n <= $1
         ), gone as materialized (
             select array(select tenant_id from tenants where state = 'offboarded') as tenants
         )
         select o.owner, c.open, c.worst from owners as o
         cross join lateral (
             select count(*) as open, max(severity) as worst from (
                 select i.severity from incidents as i
                 where i.is_open and not i.hidden and i.assigned_to = o.owner and i.tenant_id <> all ((select tenants from gone)::uuid[])
                 order by i.severity desc limit $2
             ) as theirs
         ) as c
         where o.owner is not null and c.open > 0
         union all
         select null, (
             select count(*) from (
                 select 1 from incidents as i
                 where i.is_open and not i.hidden and i.assigned_to is null and i.tenant_id <> all ((select tenants from gone)::uuid[]) limit $2
             ) as nobodys
         ), (
             select i.severity from incidents as i
             where i.is_open and not i.hidden and i.assigned_to is null and i.tenant_id <> all ((select tenants from gone)::uuid[])
             order by i.severity desc limit 1
         )",
    )
    .bind(OWNERS)
    .bind(COUNT_CAP + 1)
    .fetch_all(&mut **tx)
    .await
}

/// The same of a few tenants, whose open incidents lie together.
async fn open_of(tx: &mut Scoped, tenants: &[TenantId]) -> sqlx::Result<Vec<Open>> {
    sqlx::query_as(
        "select assigned_to as owner, least(count(*), $2) as open, max(severity) as worst from incidents
         where is_open and not hidden and tenant_id = any($1)
           and tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded'))
         group by assigned_to order by assigned_to nulls first limit $3",
    )
    .bind(tenants)
    .bind(COUNT_CAP + 1)
    .bind(OWNERS + 2)
    .fetch_all(&mut **tx)
    .await
}

/// What somebody's incidents came to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Resolved {
    /// Lower case; `None`: nobody.
    pub owner: Option<String>,
    pub resolved: i64,
}

/// How many incidents of each owner were resolved since a time, by Microsoft's times; of those with most, at most twice [`OWNERS`].
pub async fn resolved_by(tx: &mut Scoped, since: DateTime<Utc>) -> sqlx::Result<Vec<Resolved>> {
    sqlx::query_as(
        "select lower(assigned_to) as owner, count(*) as resolved from incidents
         where resolved_at >= $1 and tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded'))
         group by 1 order by 2 desc, 1 limit $2",
    )
    .bind(since)
    .bind(2 * OWNERS)
    .fetch_all(&mut **tx)
    .await
}

/// What somebody asked Microsoft for.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Changes {
    /// A login in lower case, or the name of the job.
    pub actor: String,
    pub asked: i64,
    /// Of these, those that failed or of which nobody knows what became.
    pub failed: i64,
}

/// How many changes each person asked for since a time; of those with most, at most twice [`OWNERS`].
pub async fn changes(tx: &mut Scoped, since: DateTime<Utc>) -> sqlx::Result<Vec<Changes>> {
    sqlx::query_as(
        "select lower(actor) as actor, count(*) as asked, count(*) filter (where state in ('failed', 'lost')) as failed from changes
         where created_at >= $1 and tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded'))
         group by 1 order by 2 desc, 1 limit $2",
    )
    .bind(since)
    .bind(2 * OWNERS)
    .fetch_all(&mut **tx)
    .await
}
