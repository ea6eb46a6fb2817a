//! Service levels: how fast work was agreed to be done, and for which tenants. The clocks of the incidents themselves are kept by triggers
//! (migrations/0045_service_levels.sql); where what was agreed changes, [`settle`] lets them follow.

use super::Scoped;
use super::audit::{self, By};
use crate::model::{ServiceLevelId, Severity, TenantId};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::json;

/// The longest target, in minutes: 30 days.
pub const LONGEST: i32 = 43_200;

/// What is agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// 1 to 100 characters; no two have the same.
    pub name: String,
    /// As the IANA names it.
    pub time_zone: String,
    /// Minutes of the day; it closes later than it opens, at 1440 at most.
    pub opens: i16,
    pub closes: i16,
    /// 1 is Monday; at least one.
    pub days: Vec<i16>,
    pub holidays: Vec<NaiveDate>,
    /// At most one for each severity; without one no clock runs.
    pub targets: Vec<Target>,
}

/// How soon incidents of a severity are to be worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Target {
    pub severity: Severity,
    /// Minutes, 1 to [`LONGEST`], of working time unless `always`.
    pub acknowledge_minutes: Option<i32>,
    pub resolve_minutes: Option<i32>,
    /// Around the clock.
    pub always: bool,
}

/// A service level in the list of all.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Line {
    pub service_level_id: ServiceLevelId,
    pub name: String,
    /// Tenants of the scope that have it, without offboarded ones.
    pub tenants: i64,
    /// Of these, those whose clocks have not followed its last change yet.
    pub stale: i64,
}

/// Why a service level was not written.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    #[error("another service level has this name")]
    NameTaken,
    #[error("there is no such time zone")]
    NoZone,
    #[error("it is not there, or somebody changed it meanwhile")]
    Changed,
    /// Of one that is thrown away.
    #[error("tenants have it")]
    InUse,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Whether there is any.
pub async fn any(tx: &mut Scoped) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from service_levels)").fetch_one(&mut **tx).await
}

/// All of them, by name.
pub async fn list(tx: &mut Scoped) -> sqlx::Result<Vec<Line>> {
    sqlx::query_as(
        "select l.service_level_id, l.name, count(t.tenant_id) as tenants, count(t.clocks_stale_at) as stale
         from service_levels as l left join tenants as t on t.service_level_id = l.service_level_id and t.state <> 'offboarded'
         group by l.service_level_id order by lower(l.name)",
    )
    .fetch_all(&mut **tx)
    .await
}

/// One of them, and its version for [`save`].
pub async fn get(tx: &mut Scoped, level: ServiceLevelId) -> sqlx::Result<Option<(Terms, DateTime<Utc>)>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        name: String,
        time_zone: String,
        opens: i16,
        closes: i16,
        days: Vec<i16>,
        holidays: Vec<NaiveDate>,
        changed_at: DateTime<Utc>,
    }
    let text = "select name, time_zone, opens, closes, days, holidays, changed_at from service_levels where service_level_id = $1";
    let Some(row) = sqlx::query_as::<_, Row>(text).bind(level).fetch_optional(&mut **tx).await? else { return Ok(None) };
    let targets = sqlx::query_as(
        "select severity, acknowledge_minutes, resolve_minutes, always from service_level_targets where service_level_id = $1 order by severity desc",
    )
    .bind(level)
    .fetch_all(&mut **tx)
    .await?;
    let Row { name, time_zone, opens, closes, days, holidays, changed_at } = row;
    Ok(Some((Terms { name, time_zone, opens, closes, days, holidays, targets }, changed_at)))
}

/// Writes a service level, with its audit row ("service_level.saved"). `version`: of the one that is changed, `None` for a new one. The clocks of
/// its tenants follow by [`settle`].
///
/// # Errors
/// [`NotWritten`]; then nothing was written, and the transaction cannot go on.
pub async fn save(
    tx: &mut Scoped,
    by: &By,
    (level, version): (ServiceLevelId, Option<DateTime<Utc>>),
    terms: &Terms,
    now: DateTime<Utc>,
) -> Result<(), NotWritten> {
    let is_zone: bool = sqlx::query_scalar("select exists (select from pg_timezone_names where name = $1 and name !~ '^(posix|right)/')")
        .bind(&terms.time_zone)
        .fetch_one(&mut **tx)
        .await?;
    if !is_zone {
        return Err(NotWritten::NoZone);
    }
    let before = get(tx, level).await?.map(|(terms, _)| terms);
    let written = sqlx::query(
        "insert into service_levels as l (service_level_id, name, time_zone, opens, closes, days, holidays, changed_at)
         select $1, $2, $3, $4, $5, $6, $7, $8 where $9::timestamptz is null or exists (select from service_levels where service_level_id = $1)
         on conflict (service_level_id) do update set name = excluded.name, time_zone = excluded.time_zone, opens = excluded.opens,
             closes = excluded.closes, days = excluded.days, holidays = excluded.holidays, changed_at = excluded.changed_at
         where l.changed_at = $9",
    )
    .bind(level)
    .bind(&terms.name)
    .bind(&terms.time_zone)
    .bind(terms.opens)
    .bind(terms.closes)
    .bind(&terms.days)
    .bind(&terms.holidays)
    .bind(now)
    .bind(version)
    .execute(&mut **tx)
    .await
    .map_err(|error| {
        let is_name = error.as_database_error().is_some_and(|error| error.constraint() == Some("service_levels_name_key"));
        if is_name { NotWritten::NameTaken } else { NotWritten::Database(error) }
    })?;
    if written.rows_affected() == 0 {
        return Err(NotWritten::Changed);
    }
    aim(tx, level, &terms.targets).await?;
    sqlx::query("update tenants set clocks_stale_at = $2 where service_level_id = $1").bind(level).bind(now).execute(&mut **tx).await?;
    let event = by.event("service_level.saved").object(&terms.name);
    audit::record(tx, event.before(json!(before)).after(json!(terms))).await?;
    Ok(())
}

/// Replaces the targets of a level.
async fn aim(tx: &mut Scoped, level: ServiceLevelId, targets: &[Target]) -> sqlx::Result<()> {
    sqlx::query("delete from service_level_targets where service_level_id = $1").bind(level).execute(&mut **tx).await?;
    sqlx::query(
        "insert into service_level_targets (service_level_id, severity, acknowledge_minutes, resolve_minutes, always)
         select $1, * from unnest($2::int2[], $3::int4[], $4::int4[], $5::bool[])",
    )
    .bind(level)
    .bind(targets.iter().map(|target| target.severity as i16).collect::<Vec<_>>())
    .bind(targets.iter().map(|target| target.acknowledge_minutes).collect::<Vec<_>>())
    .bind(targets.iter().map(|target| target.resolve_minutes).collect::<Vec<_>>())
    .bind(targets.iter().map(|target| target.always).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Throws a service level away that no tenant has, with its audit row ("service_level.deleted"); offboarded tenants lose it.
///
/// # Errors
/// [`NotWritten::Changed`] where there is none, [`NotWritten::InUse`] where a tenant has it.
pub async fn delete(tx: &mut Scoped, by: &By, level: ServiceLevelId) -> Result<(), NotWritten> {
    let Some((terms, _)) = get(tx, level).await? else { return Err(NotWritten::Changed) };
    let ended =
        "update tenants set service_level_id = null, service_level_since = null where service_level_id = $1 and state = 'offboarded'";
    sqlx::query(ended).bind(level).execute(&mut **tx).await?;
    let gone = sqlx::query("delete from service_levels where service_level_id = $1").bind(level).execute(&mut **tx).await;
    gone.map_err(|error| {
        let is_held = error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation);
        if is_held { NotWritten::InUse } else { NotWritten::Database(error) }
    })?;
    audit::record(tx, by.event("service_level.deleted").object(&terms.name).before(json!(terms))).await?;
    Ok(())
}

/// What a tenant has: the level, its name, and since when.
pub async fn of_tenant(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Option<(ServiceLevelId, String, DateTime<Utc>)>> {
    sqlx::query_as(
        "select l.service_level_id, l.name, t.service_level_since from tenants as t
         join service_levels as l on l.service_level_id = t.service_level_id where t.tenant_id = $1",
    )
    .bind(tenant)
    .fetch_optional(&mut **tx)
    .await
}

/// Which tenants are given a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    One(TenantId),
    /// All that have none.
    Without,
    /// All with this tag, which lists call a group, whatever they have.
    Group(String),
}

/// Gives tenants of the scope a level, or takes theirs away, with an audit row each ("tenant.service_level"). From `now` on their incidents are
/// counted by it, older ones from now. Offboarded tenants and those that have it stay as they are. Returns how many were changed; their clocks
/// follow by [`settle`].
pub async fn give(tx: &mut Scoped, by: &By, which: &Which, level: Option<ServiceLevelId>, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let (tenant, group) = match which {
        Which::One(tenant) => (Some(*tenant), None),
        Which::Without => (None, None),
        Which::Group(group) => (None, Some(group)),
    };
    let changed: Vec<(TenantId, Option<String>, Option<String>)> = sqlx::query_as(
        "with asked as (select t.tenant_id, l.name as before from tenants as t left join service_levels as l on l.service_level_id = t.service_level_id
                        where t.state <> 'offboarded' and t.service_level_id is distinct from $1
                          and case when $2::uuid is not null then t.tenant_id = $2 when $3::text is not null then t.tags @> array[$3]
                                   else t.service_level_id is null end
                        order by t.tenant_id for no key update of t)
         update tenants as t set service_level_id = $1, service_level_since = case when $1::uuid is not null then $4::timestamptz end, clocks_stale_at = $4
         from asked as a where t.tenant_id = a.tenant_id
         returning t.tenant_id, a.before, (select l.name from service_levels as l where l.service_level_id = $1)",
    )
    .bind(level)
    .bind(tenant)
    .bind(group)
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    for (tenant, before, after) in &changed {
        let event = by.event("tenant.service_level").tenant(*tenant);
        audit::record(tx, event.before(json!({ "service_level": before })).after(json!({ "service_level": after }))).await?;
    }
    Ok(changed.len().try_into().unwrap_or(u64::MAX))
}

/// Tenants whose service level changed, and whose clocks have not followed yet, the longest first; at most `limit`.
pub async fn stale(tx: &mut Scoped, limit: i64) -> sqlx::Result<Vec<TenantId>> {
    let text = "select tenant_id from tenants where clocks_stale_at is not null order by clocks_stale_at limit $1";
    sqlx::query_scalar(text).bind(limit).fetch_all(&mut **tx).await
}

/// Sets the clocks of a tenant's open incidents after what is agreed now. False while a reading is being stored, which may know the old level only:
/// then it is to be called again.
pub async fn settle(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<bool> {
    if !super::ingest::try_turn(tx, tenant).await? {
        return Ok(false);
    }
    // Its row is held, so that the level cannot change before the end.
    sqlx::query("update tenants set clocks_stale_at = null where tenant_id = $1").bind(tenant).execute(&mut **tx).await?;
    // A trigger puts the right value in its place.
    sqlx::query("update incidents set urgency = 0 where tenant_id = $1 and is_open").bind(tenant).execute(&mut **tx).await?;
    Ok(true)
}

/// How many open incidents of the scope are late, and how many are at risk, without those that rules hide; at most 1,001 of each are counted.
pub async fn counts(tx: &mut Scoped) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "select (select count(*) from (select from incidents where is_open and not hidden and urgency >= (select urgency_of(now()))
                     and tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded')) limit 1001) as late),
                (select count(*) from (select from incidents where is_open and not hidden and urgency < (select urgency_of(now()))
                     and urgency >= (select urgency_of(now() + interval '1 day')) and at_risk_at <= now()
                     and tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded')) limit 1001) as near)",
    )
    .fetch_one(&mut **tx)
    .await
}
