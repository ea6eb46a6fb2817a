//! What a rule has done, for its page, and what rules are called where something of theirs is shown.

use super::preview::true_positive;
use super::{Criteria, visible};
use crate::model::{AlertId, Severity, Status, SuppressionId, TenantId};
use crate::store::Scoped;
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// How it stands with the alerts that a rule has hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// It hides so many now; counted up to 10,001.
    pub hidden: i64,
    /// Of all that it ever hid: judged true positives.
    pub true_positives: i64,
    /// More severe now than when they were hidden.
    pub risen: i64,
}

/// The tenants of the rule `$1` as `parts`, and the latest 10,000 alerts that it hid as `hits`.
macro_rules! latest_hits {
    () => {
        "with parts as materialized (select tenant_id from suppression_tenants where suppression_id = $1),
         hits as materialized (
             select h.* from parts as p
             cross join lateral (select * from suppression_hits as h where h.tenant_id = p.tenant_id and h.suppression_id = $1
                                 order by h.at desc limit 10000) as h
             order by h.at desc limit 10000)
         "
    };
}

/// How it stands with what a rule has hidden. Ask [`super::get`] first whether the reader may see the rule. Of what it ever hid, the latest
/// 10,000 are looked at.
pub async fn standing(tx: &mut Scoped, rule: SuppressionId) -> sqlx::Result<Standing> {
    sqlx::query_as(concat!(
        latest_hits!(),
        "select (select count(*) from (select 1 from parts as p join alerts as a on a.tenant_id = p.tenant_id and a.hidden and a.suppressed_by = $1
                                       limit 10001) as now) as hidden,
                count(*) filter (where ",
        true_positive!(),
        ") as true_positives, count(*) filter (where a.severity > h.severity) as risen
         from hits as h
         cross join lateral (select * from alerts as a where a.tenant_id = h.tenant_id and a.alert_id = h.alert_id offset 0) as a",
    ))
    .bind(rule)
    .fetch_one(&mut **tx)
    .await
}

/// An alert that a rule has hidden.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Hit {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub alert_id: AlertId,
    pub title: String,
    pub severity: Severity,
    pub status: Status,
    pub status_raw: String,
    pub classification: Option<String>,
    pub created_at: DateTime<Utc>,
    /// When the rule hid it first.
    pub at: DateTime<Utc>,
    /// The rule still hides it.
    pub hidden: bool,
    /// It, or its incident, was judged a true positive.
    pub true_positive: bool,
    /// It is more severe than when it was hidden.
    pub risen: bool,
}

/// The latest alerts that a rule has hidden, what deserves a look first: judged true positives and those that have become more severe.
/// At most `limit`, of the latest 10,000. Ask [`super::get`] first.
pub async fn latest(tx: &mut Scoped, rule: SuppressionId, limit: i64) -> sqlx::Result<Vec<Hit>> {
    sqlx::query_as(concat!(
        latest_hits!(),
        "select h.*, t.name as tenant_name from (
             select a.tenant_id, a.alert_id, a.title, a.severity, a.status, a.status_raw, a.classification, a.created_at, h.at,
                    coalesce(a.suppressed_by = $1, false) as hidden, coalesce(",
        true_positive!(),
        ", false) as true_positive, a.severity > h.severity as risen
             from hits as h
             cross join lateral (select * from alerts as a where a.tenant_id = h.tenant_id and a.alert_id = h.alert_id offset 0) as a) as h
         join tenants as t on t.tenant_id = h.tenant_id
         order by (h.true_positive or h.risen) desc, h.at desc, h.created_at desc, h.alert_id limit $2",
    ))
    .bind(rule)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// What these rules are called, as far as the scope may see them.
pub async fn labels(tx: &mut Scoped, rules: &[SuppressionId]) -> sqlx::Result<HashMap<SuppressionId, String>> {
    if rules.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<super::Rule> = sqlx::query_as(visible!("and s.suppression_id = any($1)")).bind(rules).fetch_all(&mut **tx).await?;
    Ok(found.into_iter().map(|rule| (rule.suppression_id, Criteria::label(&rule.criteria))).collect())
}
