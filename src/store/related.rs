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
/// have. Looked at are those of the last 90 days, of the tenant the 2,000 that changed last, of all `tenants` (as in a
/// [`super::lists::Filter`]) the 5,000: an index over entities is of no use under row-level security.
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
        "with recent as materialized (
             (select tenant_id, incident_id, entities from incidents
              where ($1::uuid[] is null or tenant_id = any ($1)) and updated_at > $5 order by updated_at desc, incident_id desc limit 5000)
             union all
             (select tenant_id, incident_id, entities from incidents
              where tenant_id = $2 and updated_at > $5 order by updated_at desc, incident_id desc limit 2000)
         ), shared as (
             select distinct r.tenant_id, r.incident_id, e.entity from recent as r cross join unnest(r.entities) as e (entity)
             where r.incident_id <> $3 and r.entities && $4 and e.entity = any ($4)
         ), rated as (
             select tenant_id, incident_id, entity, 1.0 / count(*) over (partition by entity) as weight from shared
         ), best as (
             select tenant_id, incident_id, sum(weight) as weight, array_agg(entity order by weight desc, entity) as shared
             from rated group by tenant_id, incident_id order by sum(weight) desc, (tenant_id = $2) desc, incident_id desc limit 20
         )
         select i.incident_id, t.name as tenant_name, i.external_id, i.title, i.severity, i.status, i.status_raw, i.updated_at, b.shared
         from best as b join incidents as i on i.tenant_id = b.tenant_id and i.incident_id = b.incident_id
              join tenants as t on t.tenant_id = b.tenant_id
         where t.state <> 'offboarded'
         order by b.weight desc, (b.tenant_id = $2) desc, i.updated_at desc limit 10",
    )
    .bind(tenants)
    .bind(tenant)
    .bind(incident)
    .bind(entities)
    .bind(now - BACK)
    .fetch_all(&mut **tx)
    .await
}
