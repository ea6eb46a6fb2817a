//! The overview: from counters, never from the rows they count. What rules hide does not count as open; the days count all.

use super::Scoped;
use crate::model::{TenantId, TenantState};
use chrono::{DateTime, NaiveDate, Utc};

/// One tenant of the overview.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TenantLine {
    pub tenant_id: TenantId,
    pub name: String,
    pub state: TenantState,
    pub state_reason: Option<String>,
    /// Open incidents, critical first: critical, high, medium, low, informational, unknown.
    pub incidents: Vec<i64>,
    pub unassigned: i64,
    /// Open alerts, each once.
    pub alerts: i64,
    /// Open alerts of Cloud Apps where Defender XDR, which repeats them under other ids, is read too: not among `alerts`.
    pub beside: i64,
    /// The oldest of what its enabled products are complete to; `None` if any was never read through.
    pub complete_until: Option<DateTime<Utc>>,
}

impl TenantLine {
    /// Open incidents of any severity.
    pub fn open(&self) -> i64 {
        self.incidents.iter().sum()
    }
}

/// The tenants of the scope, most and worst open incidents first. Offboarded ones are left out; at most 2,000.
pub async fn tenants(tx: &mut Scoped) -> sqlx::Result<Vec<TenantLine>> {
    sqlx::query_as(
        "select t.tenant_id, t.name, t.state, t.state_reason, coalesce(c.incidents, '{0,0,0,0,0,0}') as incidents,
                coalesce(c.unassigned, 0) as unassigned, coalesce(c.alerts, 0) as alerts, coalesce(c.beside, 0) as beside, s.complete_until
         from tenants as t
         left join (
             select tenant_id,
                    array[sum(incidents_critical), sum(incidents_high), sum(incidents_medium), sum(incidents_low), sum(incidents_informational),
                          sum(incidents_unknown)] as incidents,
                    sum(incidents_unassigned) as unassigned,
                    sum(n.alerts) filter (where not n.beside) as alerts, sum(n.alerts) filter (where n.beside) as beside
             from tenant_counts as c
             cross join lateral (
                 select alerts_critical + alerts_high + alerts_medium + alerts_low + alerts_informational + alerts_unknown as alerts,
                        c.product = 'cloud_apps' and exists (
                            select from sync_state as x where x.tenant_id = c.tenant_id and x.product = 'defender_xdr' and x.enabled
                        ) as beside
             ) as n
             group by tenant_id
         ) as c on c.tenant_id = t.tenant_id
         left join (
             select tenant_id, case when bool_and(complete_until is not null) then min(complete_until) end as complete_until
             from sync_state where enabled group by tenant_id
         ) as s on s.tenant_id = t.tenant_id
         where t.state <> 'offboarded'
         order by c.incidents[1] desc nulls last, c.incidents[2] desc nulls last, c.incidents[3] desc nulls last, c.incidents[4] desc nulls last,
                  lower(t.name)
         limit 2000",
    )
    .fetch_all(&mut **tx)
    .await
}

/// Open incidents of one owner, as Microsoft names it; at most 1,000 are counted.
pub async fn owned(tx: &mut Scoped, owner: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from (select from incidents where is_open and not hidden and assigned_to = $1 limit 1001) as mine")
        .bind(owner)
        .fetch_one(&mut **tx)
        .await
}

/// Incidents of one day (UTC), by Microsoft's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Day {
    pub day: NaiveDate,
    pub opened: i64,
    pub resolved: i64,
}

/// The 30 days that end with `last`, oldest first, over the scope.
pub async fn days(tx: &mut Scoped, last: NaiveDate) -> sqlx::Result<Vec<Day>> {
    sqlx::query_as(
        "select d.day::date as day, coalesce(c.opened, 0) as opened, coalesce(c.resolved, 0) as resolved
         from generate_series($1::date - 29, $1::date, interval '1 day') as d (day)
         left join (
             select day, sum(opened) as opened, sum(resolved) as resolved from daily_counts where day between $1::date - 29 and $1::date group by day
         ) as c on c.day = d.day::date
         order by d.day",
    )
    .bind(last)
    .fetch_all(&mut **tx)
    .await
}

/// A tenant by name, for filters.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TenantName {
    pub tenant_id: TenantId,
    pub name: String,
    pub tags: Vec<String>,
}

/// Tenants whose name holds the text (lower case), those that begin with it first; at most `limit`.
pub async fn named(tx: &mut Scoped, text: &str, limit: i64) -> sqlx::Result<Vec<TenantName>> {
    sqlx::query_as(
        "select tenant_id, name, tags from tenants where state <> 'offboarded' and strpos(lower(name), $1) > 0
         order by starts_with(lower(name), $1) desc, lower(name), tenant_id limit $2",
    )
    .bind(text)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// The names of the scope's tenants that are not offboarded; at most 2,000.
pub async fn names(tx: &mut Scoped) -> sqlx::Result<Vec<TenantName>> {
    sqlx::query_as("select tenant_id, name, tags from tenants where state <> 'offboarded' order by lower(name), tenant_id limit 2000")
        .fetch_all(&mut **tx)
        .await
}

/// The scope's tenants that are not offboarded and have one of the tags `any`, if there are some, and none of `not`.
pub async fn of_groups(tx: &mut Scoped, any: &[String], not: &[String]) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar(
        "select tenant_id from tenants where state <> 'offboarded' and (cardinality($1::text[]) = 0 or tags && $1) and not tags && $2
         order by tenant_id",
    )
    .bind(any)
    .bind(not)
    .fetch_all(&mut **tx)
    .await
}
