//! Incidents that share entities with one, for the page of that one.

use super::Scoped;
use crate::model::{IncidentId, Severity, Status, TenantId};
use chrono::{DateTime, TimeDelta, Utc};

/// How far back is looked.
pub const BACK: TimeDelta = TimeDelta::days(90);

/// Another incident, and what it shares.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Related {
    pub incident_id: IncidentId,
    pub tenant_name: String,
    pub external_id: String,
    pub title: String,
    pub severity: Severity,
    pub status: Status,
    pub status_raw: String,
    pub updated_at: DateTime<Utc>,
    /// `kind:value`, the rarest first.
    pub shared: Vec<String>,
}

/// The ten incidents of the reader's scope that share most with one of `tenant`; what few incidents have counts for more than what many
/// have, and what more than 500 have for nothing. Looked at are those of the last 90 days: the 5,000 of all `tenants` (as in a [`super::lists::Filter`]) that changed last, and before
/// them 2,000 of the tenant's own. An index over entities is of no use under row-level security.
pub async fn to(
    tx: &mut Scoped,
    tenants: Option<&[TenantId]>,
    (tenant, incident): (TenantId, IncidentId),
    entities: &[String],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Related>> {
    if entities.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as(
        "with wide as materialized (
             select tenant_id, incident_id, entities, updated_at from incidents
             where ($1::uuid[] is null or tenant_id = any ($1)) and updated_at > $5
               and tenant_id <> all (array(select o.tenant_id from tenants as o where o.state = 'offboarded'))
             order by updated_at desc, incident_id desc limit 5000
         ), own as materialized (
             select tenant_id, incident_id, entities from incidents
             where tenant_id = $2 and updated_at > $5 and updated_at < (select min(updated_at) from wide)
             order by updated_at desc, incident_id desc limit 2000
         ), shared as (
             select r.tenant_id, r.incident_id, e.entity
             from (select tenant_id, incident_id, entities from wide union all select * from own) as r cross join unnest(r.entities) as e (entity)
             where r.incident_id <> $3 and r.entities && $4 and e.entity = any ($4)
         ), rated as (
             select s.tenant_id, s.incident_id, s.entity, 1.0 / telling.times as weight
             from shared as s
                  join (select entity, count(*) as times from shared group by entity having count(*) <= 500) as telling on telling.entity = s.entity
         ), best as (
             select tenant_id, incident_id, sum(weight) as weight, array_agg(entity order by weight desc, entity) as shared
             from rated group by tenant_id, incident_id order by sum(weight) desc, (tenant_id = $2) desc, incident_id desc limit 10
         )
         select i.incident_id, t.name as tenant_name, i.external_id, i.title, i.severity, i.status, i.status_raw, i.updated_at, b.shared
         from best as b join incidents as i on i.tenant_id = b.tenant_id and i.incident_id = b.incident_id
              join tenants as t on t.tenant_id = b.tenant_id
         order by b.weight desc, (b.tenant_id = $2) desc, i.updated_at desc",
    )
    .bind(tenants)
    .bind(tenant)
    .bind(incident)
    .bind(entities)
    .bind(now - BACK)
    .fetch_all(&mut **tx)
    .await
}
