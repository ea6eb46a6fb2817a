//! Who of the provider's staff opened which incident: a row for each person, incident and day of UTC, which the customer may read. Kept for
//! 400 days.

use super::Scoped;
use super::incidents::Incident;
use crate::model::{IncidentId, TenantId, UserId};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// How long it is kept.
const KEPT: TimeDelta = TimeDelta::days(400);

/// That somebody opened an incident on a day.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Look {
    pub day: NaiveDate,
    /// The person's name then.
    pub name: String,
    pub incident_id: IncidentId,
    pub title: String,
    /// The incident is shared with the customer.
    pub shared: bool,
}

/// Notes that somebody opens an incident; once a day.
pub async fn note(tx: &mut Scoped, of: &Incident, (user, name): (UserId, &str), now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("insert into staff_looks (tenant_id, day, incident_id, user_id, name) values ($1, $2, $3, $4, $5) on conflict do nothing")
        .bind(of.tenant_id)
        .bind(now.date_naive())
        .bind(of.incident_id)
        .bind(user)
        .bind(name)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The latest looks at a tenant's incidents, the last day first, at most `limit`.
pub async fn list(tx: &mut Scoped, tenant: TenantId, limit: i64) -> sqlx::Result<Vec<Look>> {
    sqlx::query_as(
        "select l.day, l.name, l.incident_id, r.title, s.incident_id is not null as shared
         from staff_looks as l
         join incidents as r on r.tenant_id = l.tenant_id and r.incident_id = l.incident_id
         left join incident_shares as s on s.tenant_id = l.tenant_id and s.incident_id = l.incident_id
         where l.tenant_id = $1 order by l.day desc, l.incident_id desc, lower(l.name), l.user_id limit $2",
    )
    .bind(tenant)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// Throws away what is too old. The worker's, over all tenants.
pub async fn forget(tx: &mut Scoped, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("delete from staff_looks where day < $1").bind((now - KEPT).date_naive()).execute(&mut **tx).await?;
    Ok(())
}
