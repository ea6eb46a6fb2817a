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

/// What is open over the whole scope; offboarded tenants are left out.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct Totals {
    pub tenants: i64,
    /// Open incidents.
    pub incidents: i64,
    /// Of these, critical and high ones.
    pub worst: i64,
    pub unassigned: i64,
    /// Open alerts, and those beside them, as in [`TenantLine`].
    pub alerts: i64,
    pub beside: i64,
}

/// Open alerts of a row of `tenant_counts`.
macro_rules! alerts {
    () => {
        "(alerts_critical + alerts_high + alerts_medium + alerts_low + alerts_informational + alerts_unknown)"
    };
}

/// [`totals`] of the tenants for which `$which` holds of `tenant_id`. All are summed in one pass; the few of which Cloud Apps is read and
/// Defender XDR is not are then counted over: what was counted was read, so each has its marks.
macro_rules! totals {
    ($which:literal) => {
        concat!(
            "with gone as materialized (select array(select tenant_id from tenants where state = 'offboarded') as tenants)
             select (select count(*) from tenants where state <> 'offboarded' and ",
            $which,
            ") as tenants, c.incidents, c.worst, c.unassigned, c.alerts + alone.alerts as alerts, c.beside - alone.alerts as beside
             from (select coalesce(sum(incidents_critical + incidents_high + incidents_medium + incidents_low + incidents_informational
                                       + incidents_unknown), 0) as incidents,
                          coalesce(sum(incidents_critical + incidents_high), 0) as worst, coalesce(sum(incidents_unassigned), 0) as unassigned,
                          coalesce(sum",
            alerts!(),
            " filter (where product <> 'cloud_apps'), 0) as alerts,
                          coalesce(sum",
            alerts!(),
            " filter (where product = 'cloud_apps'), 0) as beside
                   from tenant_counts where tenant_id <> all ((select tenants from gone)::uuid[]) and ",
            $which,
            ") as c
             cross join (select coalesce(sum",
            alerts!(),
            ", 0) as alerts from (select * from tenant_counts where product = 'cloud_apps' and ",
            $which,
            ") as c join reading_marks as m on m.tenant_id = c.tenant_id and m.enabled & product_bit('defender_xdr') = 0
                         where c.tenant_id <> all ((select tenants from gone)::uuid[])) as alone"
        )
    };
}

/// What is open over the whole scope.
pub async fn totals(tx: &mut Scoped) -> sqlx::Result<Totals> {
    const ALL: &str = totals!("$1::uuid[] is null");
    const SOME: &str = totals!("tenant_id = any ($1)");
    let own = tx.tenants.clone();
    sqlx::query_as(if own.is_some() { SOME } else { ALL }).bind(own).fetch_one(&mut **tx).await
}

/// [`tenants`] of those for which `$which` holds of `t.tenant_id`. The worst are read from their index; those of which nothing was ever counted
/// come after them, if there is room.
macro_rules! lines {
    ($which:literal) => {
        concat!(
            "with counted as materialized (
                 select t.tenant_id, t.name, t.state, t.state_reason, c.incidents_critical as critical, c.incidents_high as high,
                        c.incidents_medium as medium, c.incidents_low as low, c.incidents_informational as informational,
                        c.incidents_unknown as unknown, c.incidents_unassigned as unassigned
                 from tenant_counts as c join tenants as t on t.tenant_id = c.tenant_id
                 where c.product = 'defender_xdr' and t.state <> 'offboarded' and ",
            $which,
            "    order by c.incidents_critical desc, c.incidents_high desc, c.incidents_medium desc, c.incidents_low desc, lower(t.name) limit $1
             ), uncounted as (
                 select t.tenant_id, t.name, t.state, t.state_reason, 0, 0, 0, 0, 0, 0, 0 from tenants as t
                 where t.state <> 'offboarded' and (select count(*) from counted) < $1 and ",
            $which,
            "          and not exists (select from tenant_counts as c where c.tenant_id = t.tenant_id and c.product = 'defender_xdr')
                 order by lower(t.name) limit $1
             )
             select w.tenant_id, w.name, w.state, w.state_reason, w.unassigned::bigint as unassigned, s.complete_until,
                    array[critical, high, medium, low, informational, unknown]::bigint[] as incidents,
                    coalesce(a.alerts, 0) as alerts, coalesce(a.beside, 0) as beside
             from (select * from counted union all select * from uncounted limit $1) as w
             cross join lateral (
                 select coalesce(bool_or(product = 'defender_xdr'), false) as xdr,
                        case when bool_and(complete_until is not null) then min(complete_until) end as complete_until
                 from sync_state where tenant_id = w.tenant_id and enabled
             ) as s
             cross join lateral (
                 select sum",
            alerts!(),
            " filter (where product <> 'cloud_apps' or not s.xdr) as alerts, sum",
            alerts!(),
            " filter (where product = 'cloud_apps' and s.xdr) as beside
                 from tenant_counts where tenant_id = w.tenant_id
             ) as a
             order by critical desc, high desc, medium desc, low desc, lower(w.name)"
        )
    };
}

/// The tenants of the scope, most and worst open incidents first, at most `limit`. Offboarded ones are left out.
pub async fn tenants(tx: &mut Scoped, limit: i64) -> sqlx::Result<Vec<TenantLine>> {
    // Every incident is counted under Defender XDR, whichever API told of it. A reader of all names none.
    const ALL: &str = lines!("$2::uuid[] is null");
    const SOME: &str = lines!("t.tenant_id = any ($2)");
    let own = tx.tenants.clone();
    sqlx::query_as(if own.is_some() { SOME } else { ALL }).bind(limit).bind(own).fetch_all(&mut **tx).await
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

/// The 30 days that end with `last`, and what the query `$counts` found of each, as `c`.
macro_rules! days {
    ($counts:literal) => {
        concat!(
            "select d.day::date as day, coalesce(c.opened, 0)::bigint as opened, coalesce(c.resolved, 0)::bigint as resolved
             from generate_series($1::date - 29, $1::date, interval '1 day') as d (day)
             left join (",
            $counts,
            ") as c on c.day = d.day::date order by d.day"
        )
    };
}

/// The 30 days that end with `last`, oldest first, over the scope.
pub async fn days(tx: &mut Scoped, last: NaiveDate) -> sqlx::Result<Vec<Day>> {
    const ALL: &str = days!(
        "select day, sum(opened) as opened, sum(resolved) as resolved from (
             select day, opened, resolved from day_sums where day between $1::date - 29 and $1::date
             union all select day, opened, resolved from day_news where day between $1::date - 29 and $1::date
         ) as kept group by day"
    );
    const SOME: &str = days!(
        "select day, sum(opened) as opened, sum(resolved) as resolved from daily_counts
         where tenant_id = any ($2) and day between $1::date - 29 and $1::date group by day"
    );
    match tx.tenants.clone() {
        None => sqlx::query_as(ALL).bind(last).fetch_all(&mut **tx).await,
        Some(tenants) => sqlx::query_as(SOME).bind(last).bind(tenants).fetch_all(&mut **tx).await,
    }
}

/// Adds what was noted of the days to their sums. Needs an all-tenants transaction of the worker.
pub async fn sum_days(tx: &mut Scoped) -> sqlx::Result<()> {
    sqlx::query(
        "with noted as (delete from day_news returning day, opened, resolved)
         insert into day_sums as d (day, opened, resolved) select day, sum(opened), sum(resolved) from noted group by day order by day
         on conflict (day) do update set opened = d.opened + excluded.opened, resolved = d.resolved + excluded.resolved",
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
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

/// [`first_names`] where `$which` holds.
macro_rules! first_names {
    ($which:literal) => {
        concat!(
            "select tenant_id, name, tags from (
                 (select tenant_id, name, tags from tenants where state <> 'offboarded' and ",
            $which,
            " order by lower(name) limit $1)
                 union select tenant_id, name, tags from tenants where tenant_id = any ($2)
             ) as named order by lower(name), tenant_id"
        )
    };
}

/// The first `limit` of them by name, and those of `also` that the scope has, by name.
pub async fn first_names(tx: &mut Scoped, limit: i64, also: &[TenantId]) -> sqlx::Result<Vec<TenantName>> {
    let own = tx.tenants.clone();
    let text = if own.is_some() { first_names!("tenant_id = any ($3)") } else { first_names!("$3::uuid[] is null") };
    sqlx::query_as(text).bind(limit).bind(also).bind(own).fetch_all(&mut **tx).await
}

/// [`groups`] where `$which` holds.
macro_rules! groups {
    ($which:literal) => {
        concat!(
            "select distinct unnest(tags) as name from (select distinct tags from tenants where state <> 'offboarded' and ",
            $which,
            ") as sets order by name limit 500"
        )
    };
}

/// The groups of the scope's tenants that are not offboarded, by name; at most 500.
pub async fn groups(tx: &mut Scoped) -> sqlx::Result<Vec<String>> {
    const ALL: &str = groups!("$1::uuid[] is null");
    const SOME: &str = groups!("tenant_id = any ($1)");
    let own = tx.tenants.clone();
    sqlx::query_scalar(if own.is_some() { SOME } else { ALL }).bind(own).fetch_all(&mut **tx).await
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
