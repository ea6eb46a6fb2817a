//! Incidents, their originals, and what was seen to change about them.

use super::links::Affected;
use super::{Incident, SEPARATOR, Written, column, hash, joined};
use crate::model::{IncidentId, Product, Severity, Status, TenantId};
use crate::store::Scoped;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// What is stored of an incident already.
#[derive(Debug, sqlx::FromRow)]
struct Known {
    incident_id: IncidentId,
    external_id: String,
    updated_at: DateTime<Utc>,
    status: Status,
    severity: Severity,
    assigned_to: Option<String>,
    classification: Option<String>,
    redirect_to: Option<String>,
    body_hash: Option<Vec<u8>>,
}

/// An incident to write, with its id in our database and what it was before.
struct Change<'a> {
    id: IncidentId,
    row: &'a Incident,
    hash: Vec<u8>,
    before: Option<Known>,
}

pub(super) async fn store(
    tx: &mut Scoped,
    tenant: TenantId,
    api: Product,
    rows: &[Incident],
    affected: &mut Affected,
) -> sqlx::Result<Written> {
    let changes = changes(tx, tenant, api, newest(rows)).await?;
    if changes.is_empty() {
        return Ok(Written::default());
    }
    upsert(tx, tenant, &changes).await?;
    originals(tx, tenant, api, &changes).await?;
    events(tx, tenant, &changes).await?;
    let added: Vec<_> = changes.iter().filter(|change| change.before.is_none()).map(|change| change.row.external_id.clone()).collect();
    let written = Written { added: added.len(), changed: changes.len() - added.len() };
    affected.new_incidents = added;
    Ok(written)
}

/// Writes what an answer tells of one incident that is known, see [`super::answered`].
pub(super) async fn answered(tx: &mut Scoped, tenant: TenantId, row: &Incident) -> sqlx::Result<()> {
    let known: Option<(Vec<String>, Vec<String>)> =
        sqlx::query_as("select entities, products from incidents where tenant_id = $1 and product = 'defender_xdr' and external_id = $2")
            .bind(tenant)
            .bind(&row.external_id)
            .fetch_optional(&mut **tx)
            .await?;
    let Some((entities, products)) = known else { return Ok(()) };
    let row = Incident { entities, products, ..row.clone() };
    let changes = changes(tx, tenant, Product::Graph, newest(std::slice::from_ref(&row))).await?;
    if !changes.is_empty() {
        upsert(tx, tenant, &changes).await?;
        events(tx, tenant, &changes).await?;
    }
    Ok(())
}

/// One version of each, in the order in which rows are always locked.
fn newest(rows: &[Incident]) -> BTreeMap<&str, &Incident> {
    let mut newest: BTreeMap<&str, &Incident> = BTreeMap::new();
    for row in rows {
        match newest.get(row.external_id.as_str()) {
            Some(known) if known.updated_at > row.updated_at => {}
            _ => _ = newest.insert(row.external_id.as_str(), row),
        }
    }
    newest
}

async fn changes<'a>(
    tx: &mut Scoped,
    tenant: TenantId,
    api: Product,
    rows: BTreeMap<&'a str, &'a Incident>,
) -> sqlx::Result<Vec<Change<'a>>> {
    let ids: Vec<&str> = rows.keys().copied().collect();
    let known: Vec<Known> = sqlx::query_as(
        "select i.incident_id, i.external_id, i.updated_at, i.status, i.severity, i.assigned_to, i.classification, i.redirect_to, r.body_hash
         from unnest($3::text[]) as k (external_id)
         cross join lateral (select * from incidents as i
                             where i.tenant_id = $1 and i.product = 'defender_xdr' and i.external_id = k.external_id offset 0) as i
         left join lateral (select r.body_hash from incident_raw as r
                            where r.tenant_id = $1 and r.incident_id = i.incident_id and r.api = $2 offset 0) as r on true",
    )
    .bind(tenant)
    .bind(api)
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    let mut known: HashMap<String, Known> = known.into_iter().map(|row| (row.external_id.clone(), row)).collect();
    let changed = rows.into_values().filter_map(|row| {
        let (hash, before) = (hash(&row.body), known.remove(&row.external_id));
        let stale = before.as_ref().is_some_and(|old| old.body_hash.as_ref() == Some(&hash) || old.updated_at > row.updated_at);
        let id = before.as_ref().map_or_else(IncidentId::new, |old| old.incident_id);
        (!stale).then_some(Change { id, row, hash, before })
    });
    Ok(changed.collect())
}

/// An incident is Defender XDR's, whichever API tells of it: its number is the same in both. It is acknowledged when it has an owner or is
/// beyond "new"; of one that was so already when it was first read, that is known only if it had just been opened.
async fn upsert(tx: &mut Scoped, tenant: TenantId, rows: &[Change<'_>]) -> sqlx::Result<()> {
    sqlx::query(
        "insert into incidents as t (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw,
             classification, determination, assigned_to, tags, redirect_to, entities, products, url, created_at, updated_at, resolved_at,
             acknowledged_at)
         select $1, n.incident_id, $2, n.external_id, n.title, n.severity, n.severity_raw, n.status, n.status_raw, n.classification,
             n.determination, n.assigned_to, string_to_array(n.tags, $20), n.redirect_to, string_to_array(n.entities, $20),
             string_to_array(n.products, $20), n.url, n.created_at, n.updated_at, case when n.status = 'resolved' then n.updated_at end,
             case when (n.assigned_to is not null or n.status in ('in_progress', 'resolved')) and n.created_at > now() - interval '1 hour'
                  then greatest(n.updated_at, n.created_at) end
         from unnest($3::uuid[], $4::text[], $5::text[], $6::int2[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
             $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::timestamptz[], $19::timestamptz[])
             as n (incident_id, external_id, title, severity, severity_raw, status, status_raw, classification, determination, assigned_to,
             tags, redirect_to, entities, products, url, created_at, updated_at)
         on conflict (tenant_id, product, external_id) do update set
             title = excluded.title, severity = excluded.severity, severity_raw = excluded.severity_raw, status = excluded.status,
             status_raw = excluded.status_raw, classification = excluded.classification, determination = excluded.determination,
             assigned_to = excluded.assigned_to, tags = excluded.tags, redirect_to = excluded.redirect_to, entities = excluded.entities,
             products = excluded.products, url = excluded.url, created_at = excluded.created_at, updated_at = excluded.updated_at,
             resolved_at = case when excluded.status = 'resolved' then coalesce(t.resolved_at, excluded.updated_at) end,
             acknowledged_at = coalesce(t.acknowledged_at, case
                 when (excluded.assigned_to is not null or excluded.status in ('in_progress', 'resolved'))
                     and t.assigned_to is null and t.status not in ('in_progress', 'resolved') then excluded.updated_at end),
             synced_at = now()
         where excluded.updated_at >= t.updated_at",
    )
    .bind(tenant)
    .bind(Product::DefenderXdr)
    .bind(column(rows, |r| r.id.0))
    .bind(column(rows, |r| r.row.external_id.as_str()))
    .bind(column(rows, |r| r.row.title.as_str()))
    .bind(column(rows, |r| r.row.severity as i16))
    .bind(column(rows, |r| r.row.severity_raw.as_str()))
    .bind(column(rows, |r| r.row.status.as_str()))
    .bind(column(rows, |r| r.row.status_raw.as_str()))
    .bind(column(rows, |r| r.row.classification.as_deref()))
    .bind(column(rows, |r| r.row.determination.as_deref()))
    .bind(column(rows, |r| r.row.assigned_to.as_deref()))
    .bind(column(rows, |r| joined(&r.row.tags)))
    .bind(column(rows, |r| r.row.redirect_to.as_deref()))
    .bind(column(rows, |r| joined(&r.row.entities)))
    .bind(column(rows, |r| joined(&r.row.products)))
    .bind(column(rows, |r| r.row.url.as_deref()))
    .bind(column(rows, |r| r.row.created_at))
    .bind(column(rows, |r| r.row.updated_at))
    .bind(SEPARATOR)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The JSON as it came, one per API.
async fn originals(tx: &mut Scoped, tenant: TenantId, api: Product, rows: &[Change<'_>]) -> sqlx::Result<()> {
    sqlx::query(
        "insert into incident_raw as t (tenant_id, incident_id, api, body, body_hash, updated_at)
         select $1, n.incident_id, $2, n.body::json, n.body_hash, n.updated_at
         from unnest($3::uuid[], $4::text[], $5::bytea[], $6::timestamptz[]) as n (incident_id, body, body_hash, updated_at)
         on conflict (tenant_id, incident_id, api) do update set
             body = excluded.body, body_hash = excluded.body_hash, updated_at = excluded.updated_at
         where excluded.updated_at >= t.updated_at",
    )
    .bind(tenant)
    .bind(api)
    .bind(column(rows, |r| r.id.0))
    .bind(column(rows, |r| r.row.body.as_str()))
    .bind(column(rows, |r| r.hash.as_slice()))
    .bind(column(rows, |r| r.row.updated_at))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// One thing seen to change: when (Microsoft's time), of which incident, what, from what, to what.
type Event = (DateTime<Utc>, Uuid, &'static str, Option<String>, Option<String>);

fn seen(change: &Change<'_>) -> Vec<Event> {
    let (id, row) = (change.id.0, &change.row);
    let Some(old) = &change.before else {
        return vec![(row.created_at, id, "opened", None, Some(row.severity.as_str().to_owned()))];
    };
    let fields = [
        ("status", Some(old.status.as_str().to_owned()), Some(row.status.as_str().to_owned())),
        ("severity", Some(old.severity.as_str().to_owned()), Some(row.severity.as_str().to_owned())),
        ("owner", old.assigned_to.clone(), row.assigned_to.clone()),
        ("classification", old.classification.clone(), row.classification.clone()),
        ("merged", old.redirect_to.clone(), row.redirect_to.clone()),
    ];
    // The two APIs write the same word in different cases.
    let same = |before: &Option<String>, after: &Option<String>| match (before, after) {
        (Some(before), Some(after)) => before.eq_ignore_ascii_case(after),
        (before, after) => before.is_none() && after.is_none(),
    };
    let changed = fields.into_iter().filter(|(_, before, after)| !same(before, after));
    changed.map(|(kind, before, after)| (row.updated_at, id, kind, before, after)).collect()
}

async fn events(tx: &mut Scoped, tenant: TenantId, rows: &[Change<'_>]) -> sqlx::Result<()> {
    let events: Vec<Event> = rows.iter().flat_map(seen).collect();
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into incident_events (tenant_id, event_id, incident_id, at, kind, before, after)
         select $1, n.* from unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[]) as n",
    )
    .bind(tenant)
    .bind(column(&events, |_| Uuid::now_v7()))
    .bind(column(&events, |event| event.1))
    .bind(column(&events, |event| event.0))
    .bind(column(&events, |event| event.2))
    .bind(column(&events, |event| event.3.as_deref()))
    .bind(column(&events, |event| event.4.as_deref()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
