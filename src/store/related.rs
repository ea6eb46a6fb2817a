//! Where else the entities of an incident were seen, for the page of that one, and what shares them.

use super::Scoped;
use crate::model::{IncidentId, Severity, Status, TenantId};
use chrono::{DateTime, TimeDelta, Utc};

/// How far back an incident is related.
const BACK: TimeDelta = TimeDelta::days(90);
/// What more incidents have tells nothing of one, and nobody counts further.
pub const TELLING: i64 = 500;
/// So long is looked.
const MOMENT: &str = "400ms";

/// How often an entity was seen elsewhere.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Sighting {
    pub entity: String,
    /// Other incidents; nobody counts beyond [`TELLING`].
    pub incidents: i64,
    /// The tenants of those.
    pub tenants: i64,
}

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

/// What the entities of an incident lead to.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    pub sightings: Vec<Sighting>,
    /// At most ten.
    pub related: Vec<Related>,
}

/// Every sighting of the entities `$1` in the scope but for the incident `$2`; of each entity no more than `$3`. The function finds them
/// through an index that row-level security keeps from this query, and knows the scope (`migrations/0022_search.sql`).
macro_rules! sighted {
    () => {
        "sighted as materialized (
             select e.entity, i.tenant_id, i.incident_id, i.updated_at
             from unnest($1::text[]) as e (entity) cross join lateral search_incidents(null, null, array[e.entity], $3::integer) as f (id)
                  join incidents as i on i.incident_id = f.id
             where i.incident_id <> $2 and i.tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded'))
         )"
    };
}

/// What the entities of an incident of `tenant` lead to in the transaction's scope. `None`: looking takes too long.
pub async fn elsewhere(
    tx: &mut Scoped,
    (tenant, incident): (TenantId, IncidentId),
    entities: &[String],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Elsewhere>> {
    if entities.is_empty() {
        return Ok(Some(Elsewhere::default()));
    }
    tx.limit(MOMENT).await?;
    let sightings = sightings(tx, incident, entities).await;
    let related = if sightings.is_ok() { to(tx, (tenant, incident), entities, now).await } else { Ok(Vec::new()) };
    tx.limited(sightings.and_then(|sightings| Ok(Elsewhere { sightings, related: related? }))).await
}

async fn sightings(tx: &mut Scoped, except: IncidentId, entities: &[String]) -> sqlx::Result<Vec<Sighting>> {
    sqlx::query_as(concat!(
        "with ",
        sighted!(),
        "select entity, least(count(*), $4) as incidents, count(distinct tenant_id) as tenants from sighted group by entity"
    ))
    .bind(entities)
    .bind(except)
    .bind(TELLING + 2)
    .bind(TELLING)
    .fetch_all(&mut **tx)
    .await
}

/// The incidents that share most with one; what few incidents have counts for more than what many have, and what more than [`TELLING`] have for
/// nothing. Those of the same tenant come before others that share as much.
async fn to(
    tx: &mut Scoped,
    (tenant, incident): (TenantId, IncidentId),
    entities: &[String],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Related>> {
    sqlx::query_as(concat!(
        "with ",
        sighted!(),
        ", best as (
             select s.tenant_id, s.incident_id, sum(1.0 / telling.times) as weight, array_agg(s.entity order by telling.times, s.entity) as shared
             from sighted as s
                  join (select entity, count(*) as times from sighted group by entity having count(*) <= $4) as telling on telling.entity = s.entity
             where s.updated_at > $6
             group by s.tenant_id, s.incident_id
             order by weight desc, (s.tenant_id = $5) desc, s.incident_id desc limit 10
         )
         select i.incident_id, t.name as tenant_name, i.external_id, i.title, i.severity, i.status, i.status_raw, i.updated_at, b.shared
         from best as b join incidents as i on i.tenant_id = b.tenant_id and i.incident_id = b.incident_id
              join tenants as t on t.tenant_id = b.tenant_id
         order by b.weight desc, (b.tenant_id = $5) desc, i.updated_at desc"
    ))
    .bind(entities)
    .bind(incident)
    .bind(TELLING + 2)
    .bind(TELLING)
    .bind(tenant)
    .bind(now - BACK)
    .fetch_all(&mut **tx)
    .await
}
