//! What a rule would have hidden, before it is made.

use super::Criteria;
use crate::model::{AlertId, TenantId};
use crate::store::Scoped;
use crate::store::alerts::{self, Alert};
use chrono::{DateTime, Utc};

/// Alerts that are looked at, at most: beyond, a preview says "more than 10,000".
pub const CAP: i64 = 10_000;
/// The latest that are shown.
const SHOWN: usize = 20;

/// What was found of one tenant.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Found {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub alerts: i64,
    /// Of these, still open and in sight: these would be hidden at once.
    pub open: i64,
    /// Confirmed true positives.
    pub true_positives: i64,
    latest: Vec<AlertId>,
}

/// What a rule would have hidden.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Tenants of which it would have hidden any, the most first.
    pub found: Vec<Found>,
    /// The last 20 of all.
    pub latest: Vec<Alert>,
}

impl Preview {
    /// Alerts of all tenants; beyond [`CAP`] it is not known how many.
    pub fn alerts(&self) -> i64 {
        self.found.iter().map(|found| found.alerts).sum()
    }

    pub fn open(&self) -> i64 {
        self.found.iter().map(|found| found.open).sum()
    }

    pub fn true_positives(&self) -> i64 {
        self.found.iter().map(|found| found.true_positives).sum()
    }

    /// There are more than were looked at.
    pub fn is_cut(&self) -> bool {
        self.alerts() > CAP
    }
}

/// Whether an alert `a` was judged a true positive, by itself or with its incident.
macro_rules! true_positive {
    () => {
        "(lower(a.classification) = 'truepositive'
          or exists (select from incidents as i
                     where i.tenant_id = a.tenant_id and i.incident_id = a.incident_id and lower(i.classification) = 'truepositive'))"
    };
}
pub(super) use true_positive;

/// What a rule would have hidden of these tenants since then. `None`: that takes longer than a few seconds; the transaction goes on as if
/// nothing had been asked.
pub async fn preview(tx: &mut Scoped, criteria: &Criteria, tenants: &[TenantId], since: DateTime<Utc>) -> sqlx::Result<Option<Preview>> {
    tx.limit("4s").await?;
    let found = look(tx, criteria, tenants, since).await;
    let Some(found) = tx.limited(found).await? else { return Ok(None) };
    let ids: Vec<AlertId> = found.iter().flat_map(|found| found.latest.iter().copied()).collect();
    let mut latest = alerts::these(tx, &ids).await?;
    latest.sort_by_key(|alert| std::cmp::Reverse((alert.created_at, alert.alert_id)));
    latest.truncate(SHOWN);
    Ok(Some(Preview { found, latest }))
}

async fn look(tx: &mut Scoped, criteria: &Criteria, tenants: &[TenantId], since: DateTime<Utc>) -> sqlx::Result<Vec<Found>> {
    sqlx::query_as(concat!(
        "with found as materialized (
             select a.tenant_id, a.alert_id, a.is_open and not a.hidden as is_open, a.created_at, ",
        true_positive!(),
        " as judged
             from unnest($1::uuid[]) as k (tenant_id)
             cross join lateral (select * from alerts as a
                                 where a.tenant_id = k.tenant_id and a.updated_at >= $5 and a.created_at >= $5
                                   and suppresses($2, title_pattern($3), $4, lower(a.detector_id), lower(a.title), a.entities) limit $6) as a
             limit $6
         ), numbered as (
             select f.*, row_number() over (order by f.created_at desc, f.alert_id desc) as n from found as f
         )
         select f.tenant_id, t.name as tenant_name, count(*) as alerts, count(*) filter (where f.is_open) as open,
                count(*) filter (where f.judged) as true_positives, coalesce(array_agg(f.alert_id) filter (where f.n <= $7), '{}') as latest
         from numbered as f join tenants as t on t.tenant_id = f.tenant_id
         group by f.tenant_id, t.name order by count(*) desc, lower(t.name), f.tenant_id",
    ))
    .bind(tenants)
    .bind(&criteria.detector)
    .bind(&criteria.title)
    .bind(&criteria.entity)
    .bind(since)
    .bind(CAP + 1)
    .bind(i64::try_from(SHOWN).unwrap_or(i64::MAX))
    .persistent(false)
    .fetch_all(&mut **tx)
    .await
}
