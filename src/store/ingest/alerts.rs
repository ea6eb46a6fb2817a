//! Alerts and their originals.

use super::links::Affected;
use super::{Alert, SEPARATOR, Written, column, hash, joined};
use crate::model::{AlertId, IncidentId, Product, TenantId};
use crate::store::Scoped;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap};

type Key<'a> = (&'static str, &'a str);

/// What is stored of an alert already.
#[derive(Debug, sqlx::FromRow)]
struct Known {
    alert_id: AlertId,
    product: Product,
    external_id: String,
    incident_id: Option<IncidentId>,
    incident_external_id: Option<String>,
    updated_at: DateTime<Utc>,
    /// Of the original that the same API sent last.
    body_hash: Option<Vec<u8>>,
}

/// An alert to write, with its id in our database and what it was before.
struct Change<'a> {
    id: AlertId,
    row: &'a Alert,
    hash: Vec<u8>,
    before: Option<Known>,
}

impl Change<'_> {
    /// Whether another API has told a newer version; then only the original is kept.
    fn is_older(&self) -> bool {
        self.before.as_ref().is_some_and(|old| old.updated_at > self.row.updated_at)
    }
}

pub(super) async fn store(
    tx: &mut Scoped,
    tenant: TenantId,
    api: Product,
    rows: &[Alert],
    affected: &mut Affected,
) -> sqlx::Result<Written> {
    let changes = changes(tx, tenant, api, newest(rows)).await?;
    if changes.is_empty() {
        return Ok(Written::default());
    }
    let (older, current): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change: &Change<'_>| change.is_older());
    upsert(tx, tenant, &current).await?;
    originals(tx, tenant, api, &current).await?;
    originals(tx, tenant, api, &older).await?;
    affected.alerts = current.iter().map(|change| change.id.0).collect();
    for change in &current {
        let old = change.before.as_ref();
        if old.is_none_or(|old| change.row.incident_external_id.is_some() && old.incident_external_id != change.row.incident_external_id) {
            affected.incidents.extend(change.row.incident_external_id.clone());
            affected.left.extend(old.and_then(|old| old.incident_id).map(|id| id.0));
        }
    }
    let added = current.iter().filter(|change| change.before.is_none()).count();
    Ok(Written { added, changed: current.len() - added })
}

/// Under which name the original is kept. Graph tells of one alert in two lists, not always in the same words: by itself and inside its
/// incident. With one name for both, each reading would undo the other's.
fn key(api: Product, row: &Alert) -> &'static str {
    if api == Product::Graph && row.inside { "graph_incident" } else { api.as_str() }
}

/// One version of each, in the order in which rows are always locked.
fn newest(rows: &[Alert]) -> BTreeMap<Key<'_>, &Alert> {
    let mut newest: BTreeMap<Key<'_>, &Alert> = BTreeMap::new();
    for row in rows {
        let key = (row.product.as_str(), row.external_id.as_str());
        match newest.get(&key) {
            Some(known) if known.updated_at > row.updated_at => {}
            _ => _ = newest.insert(key, row),
        }
    }
    newest
}

async fn changes<'a>(tx: &mut Scoped, tenant: TenantId, api: Product, rows: BTreeMap<Key<'a>, &'a Alert>) -> sqlx::Result<Vec<Change<'a>>> {
    let (products, ids): (Vec<&str>, Vec<&str>) = rows.keys().copied().unzip();
    let known: Vec<Known> = sqlx::query_as(
        "select a.alert_id, a.product, a.external_id, a.incident_id, a.incident_external_id, a.updated_at, r.body_hash
         from unnest($3::text[], $4::text[], $2::text[]) as k (product, external_id, api)
         cross join lateral (select * from alerts as a
                             where a.tenant_id = $1 and a.product = k.product and a.external_id = k.external_id offset 0) as a
         left join lateral (select r.body_hash from alert_raw as r
                            where r.tenant_id = $1 and r.alert_id = a.alert_id and r.api = k.api offset 0) as r on true",
    )
    .bind(tenant)
    .bind(rows.values().map(|row| key(api, row)).collect::<Vec<_>>())
    .bind(&products)
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    let mut known: HashMap<(&str, String), Known> =
        known.into_iter().map(|row| ((row.product.as_str(), row.external_id.clone()), row)).collect();
    let changed = rows.into_iter().filter_map(|(key, row)| {
        let (hash, before) = (hash(&row.body), known.remove(&(key.0, key.1.to_owned())));
        let unchanged = before.as_ref().is_some_and(|old| old.body_hash.as_ref() == Some(&hash));
        let id = before.as_ref().map_or_else(AlertId::new, |old| old.alert_id);
        (!unchanged).then_some(Change { id, row, hash, before })
    });
    Ok(changed.collect())
}

const UPSERT: &str = "insert into alerts as t (tenant_id, alert_id, product, external_id, incident_id, incident_external_id, title, severity,
         severity_raw, status, status_raw, classification, determination, category, service_source, detection_source, detector_id, assigned_to,
         device, account, mitre_techniques, entities, url, created_at, updated_at, resolved_at)
     select $1, n.alert_id, n.product, n.external_id,
         (select i.incident_id from incidents as i
          where i.tenant_id = $1 and i.product = 'defender_xdr' and i.external_id = n.incident_external_id), n.incident_external_id, n.title, n.severity, n.severity_raw, n.status,
         n.status_raw, n.classification, n.determination, n.category, n.service_source, n.detection_source, n.detector_id, n.assigned_to,
         n.device, n.account, string_to_array(n.mitre_techniques, $2), string_to_array(n.entities, $2), n.url, n.created_at, n.updated_at,
         case when n.status = 'resolved' then coalesce(n.resolved_at, n.updated_at) end
     from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int2[], $9::text[], $10::text[], $11::text[], $12::text[],
         $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[],
         $23::text[], $24::timestamptz[], $25::timestamptz[], $26::timestamptz[])
         as n (alert_id, product, external_id, incident_external_id, title, severity, severity_raw, status, status_raw, classification,
         determination, category, service_source, detection_source, detector_id, assigned_to, device, account, mitre_techniques, entities, url,
         created_at, updated_at, resolved_at)
     on conflict (tenant_id, product, external_id) do update set
         incident_id = case when excluded.incident_external_id is null then t.incident_id else excluded.incident_id end,
         incident_external_id = coalesce(excluded.incident_external_id, t.incident_external_id),
         title = excluded.title, severity = excluded.severity, severity_raw = excluded.severity_raw, status = excluded.status,
         status_raw = excluded.status_raw, classification = excluded.classification, determination = excluded.determination,
         category = coalesce(excluded.category, t.category), service_source = coalesce(excluded.service_source, t.service_source),
         detection_source = coalesce(excluded.detection_source, t.detection_source), detector_id = coalesce(excluded.detector_id, t.detector_id),
         assigned_to = excluded.assigned_to, device = coalesce(excluded.device, t.device), account = coalesce(excluded.account, t.account),
         mitre_techniques = case when cardinality(excluded.mitre_techniques) > 0 then excluded.mitre_techniques else t.mitre_techniques end,
         entities = array(select distinct e from unnest(t.entities || excluded.entities) as e order by e limit 500),
         url = coalesce(excluded.url, t.url), created_at = excluded.created_at, updated_at = excluded.updated_at,
         resolved_at = case when excluded.status = 'resolved' then coalesce(t.resolved_at, excluded.resolved_at) end, synced_at = now()
     where excluded.updated_at >= t.updated_at";

/// What one API does not tell (a detector, an account) is kept from the other.
async fn upsert(tx: &mut Scoped, tenant: TenantId, rows: &[Change<'_>]) -> sqlx::Result<()> {
    sqlx::query(UPSERT)
        .bind(tenant)
        .bind(SEPARATOR)
        .bind(column(rows, |r| r.id.0))
        .bind(column(rows, |r| r.row.product.as_str()))
        .bind(column(rows, |r| r.row.external_id.as_str()))
        .bind(column(rows, |r| r.row.incident_external_id.as_deref()))
        .bind(column(rows, |r| r.row.title.as_str()))
        .bind(column(rows, |r| r.row.severity as i16))
        .bind(column(rows, |r| r.row.severity_raw.as_str()))
        .bind(column(rows, |r| r.row.status.as_str()))
        .bind(column(rows, |r| r.row.status_raw.as_str()))
        .bind(column(rows, |r| r.row.classification.as_deref()))
        .bind(column(rows, |r| r.row.determination.as_deref()))
        .bind(column(rows, |r| r.row.category.as_deref()))
        .bind(column(rows, |r| r.row.service_source.as_deref()))
        .bind(column(rows, |r| r.row.detection_source.as_deref()))
        .bind(column(rows, |r| r.row.detector_id.as_deref()))
        .bind(column(rows, |r| r.row.assigned_to.as_deref()))
        .bind(column(rows, |r| r.row.device.as_deref()))
        .bind(column(rows, |r| r.row.account.as_deref()))
        .bind(column(rows, |r| joined(&r.row.mitre_techniques)))
        .bind(column(rows, |r| joined(&r.row.entities)))
        .bind(column(rows, |r| r.row.url.as_deref()))
        .bind(column(rows, |r| r.row.created_at))
        .bind(column(rows, |r| r.row.updated_at))
        .bind(column(rows, |r| r.row.resolved_at))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The JSON as it came, one per API.
async fn originals(tx: &mut Scoped, tenant: TenantId, api: Product, rows: &[Change<'_>]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into alert_raw as t (tenant_id, alert_id, api, body, body_hash, updated_at)
         select $1, n.alert_id, n.api, n.body::json, n.body_hash, n.updated_at
         from unnest($3::uuid[], $4::text[], $5::bytea[], $6::timestamptz[], $2::text[]) as n (alert_id, body, body_hash, updated_at, api)
         on conflict (tenant_id, alert_id, api) do update set
             body = excluded.body, body_hash = excluded.body_hash, updated_at = excluded.updated_at
         where excluded.updated_at >= t.updated_at",
    )
    .bind(tenant)
    .bind(column(rows, |r| key(api, r.row)))
    .bind(column(rows, |r| r.id.0))
    .bind(column(rows, |r| r.row.body.as_str()))
    .bind(column(rows, |r| r.hash.as_slice()))
    .bind(column(rows, |r| r.row.updated_at))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
