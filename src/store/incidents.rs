//! Incidents, read for lists, pages and the API. They are written by `ingest`.

use super::Scoped;
use super::lists::{By, COUNT_CAP, Figures, Filter, Group, INCIDENTS, Listed, Order, Position};
use super::live::Seen;
use crate::model::{Aim, Cloud, Deadline, DirectoryId, IncidentId, Severity, SlaState, Status, TenantId, portal};
use chrono::{DateTime, NaiveDate, Utc};

/// One incident with its tenant's name.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Incident {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    /// The tenant's directory, for links to Microsoft.
    pub directory_id: Option<DirectoryId>,
    /// Where the tenant is.
    pub cloud: Cloud,
    pub incident_id: IncidentId,
    /// The product whose incident it is: a [`crate::model::Product`] in its spelling.
    pub product: String,
    /// Microsoft's id.
    pub external_id: String,
    pub title: String,
    pub severity: Severity,
    /// Microsoft's word for the severity.
    pub severity_raw: String,
    pub status: Status,
    /// Microsoft's word for the status.
    pub status_raw: String,
    pub classification: Option<String>,
    pub determination: Option<String>,
    pub assigned_to: Option<String>,
    pub tags: Vec<String>,
    /// Microsoft's id of the incident this one was merged into.
    pub redirect_to: Option<String>,
    pub alert_count: i32,
    /// `kind:value`, lower case.
    pub entities: Vec<String>,
    /// Products whose alerts it holds.
    pub products: Vec<String>,
    pub url: Option<String>,
    pub created_at: DateTime<Utc>,
    /// Microsoft's time of the last update.
    pub updated_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
    /// When this version was read from Microsoft.
    pub synced_at: DateTime<Utc>,
    /// It has alerts, and rules hide all of them.
    pub hidden: bool,
    /// Since when it waits for its customer's answer, by our time.
    pub waiting_since: Option<DateTime<Utc>>,
    /// By when it is to be acknowledged, and resolved, after its tenant's service level, moved by what it waited for its customer. They stay when
    /// it is closed; `None`: nothing was agreed.
    pub acknowledge_by: Option<DateTime<Utc>>,
    pub resolve_by: Option<DateTime<Utc>>,
    /// When it is known: the first sign of somebody's work.
    pub acknowledged_at: Option<DateTime<Utc>>,
    at_risk_at: Option<DateTime<Utc>>,
    /// The earlier end of the clocks that run, in microseconds before 1970; [`NO_CLOCK`]: none runs.
    urgency: i64,
}

/// The urgency of an incident without a clock that runs.
const NO_CLOCK: i64 = -9_000_000_000_000_000_000;

impl Incident {
    /// Whether somebody works on it, or has.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged_at.is_some() || self.assigned_to.is_some() || matches!(self.status, Status::InProgress | Status::Resolved)
    }

    /// The clock that ends first, of those that run; none of what is closed, or waits for its customer.
    pub fn deadline(&self, now: DateTime<Utc>) -> Option<Deadline> {
        let due = DateTime::from_timestamp_micros(self.urgency.checked_neg()?).filter(|_| self.urgency > NO_CLOCK)?;
        let is_new = !self.is_acknowledged();
        let state = match self.at_risk_at {
            _ if due <= now => SlaState::Breached,
            Some(at) if at <= now => SlaState::AtRisk,
            _ => SlaState::OnTrack,
        };
        Some(Deadline { aim: if is_new && self.acknowledge_by == Some(due) { Aim::Acknowledge } else { Aim::Resolve }, due, state })
    }

    /// What the audit log and the lists of changes call it: "#7 Phishing".
    pub fn subject(&self) -> String {
        format!("#{} {}", self.external_id, self.title)
    }

    /// Where people find it at Microsoft: the link that came with it, if it leads to a portal of the tenant's cloud, or the one we make.
    pub fn portal(&self) -> Option<String> {
        portal::sent(self.url.as_deref(), self.directory_id, &[self.cloud])
            .or_else(|| portal::page(self.cloud, self.directory_id?, &["incidents", &self.external_id]))
    }
}

/// At most `limit` (1 to 200) incidents after a position.
pub async fn list(tx: &mut Scoped, filter: &Filter, order: &Order, after: Option<&Position>, limit: i64) -> sqlx::Result<Listed<Incident>> {
    INCIDENTS.page(tx, filter, order, after, limit).await
}

/// How many incidents the filter finds, at most [`COUNT_CAP`] + 1.
pub async fn count(tx: &mut Scoped, filter: &Filter) -> sqlx::Result<i64> {
    INCIDENTS.count(tx, filter, COUNT_CAP + 1).await
}

/// The same, if it takes less than a second.
pub async fn count_quickly(tx: &mut Scoped, filter: &Filter) -> sqlx::Result<Option<i64>> {
    INCIDENTS.count_quickly(tx, filter, COUNT_CAP + 1).await
}

/// The filter with what its text or entities find, for whoever asks for several things of one list: each would search again.
pub async fn searched(tx: &mut Scoped, filter: &Filter) -> sqlx::Result<Filter> {
    Ok(INCIDENTS.searched(tx, filter).await?.into_owned())
}

/// The hundred largest groups of the first [`super::lists::LOOKED_AT`] incidents that the filter finds.
pub async fn groups(tx: &mut Scoped, filter: &Filter, order: &Order, by: By) -> sqlx::Result<Vec<Group>> {
    INCIDENTS.groups(tx, filter, order, by).await
}

/// The first [`super::lists::LOOKED_AT`] incidents that the filter finds, in figures; the last of the thirty days is `last`.
pub async fn figures(tx: &mut Scoped, filter: &Filter, order: &Order, last: NaiveDate) -> sqlx::Result<Figures> {
    INCIDENTS.figures(tx, filter, order, last).await
}

/// The ids of the incidents that the filter finds, in order; at most `most`.
pub async fn ids(tx: &mut Scoped, filter: &Filter, order: &Order, most: i64) -> sqlx::Result<Vec<IncidentId>> {
    Ok(INCIDENTS.ids(tx, filter, order, most).await?.into_iter().map(IncidentId).collect())
}

/// How many incidents that the filter finds have changed since a page was made, at most [`COUNT_CAP`] + 1.
pub async fn news(tx: &mut Scoped, filter: &Filter, seen: &Seen) -> sqlx::Result<i64> {
    INCIDENTS.news(tx, filter, seen, COUNT_CAP + 1).await
}

/// One incident of the transaction's scope.
pub async fn get(tx: &mut Scoped, incident: IncidentId) -> sqlx::Result<Option<Incident>> {
    sqlx::query_as(
        "select r.*, t.name as tenant_name, t.directory_id, t.cloud from incidents as r join tenants as t on t.tenant_id = r.tenant_id where r.incident_id = $1 and t.state <> 'offboarded'",
    )
    .bind(incident)
    .fetch_optional(&mut **tx)
    .await
}

/// These incidents, in the order of their ids; those that are not there, or not in the transaction's scope, are left out. `ids`: at most 1,000.
pub async fn these(tx: &mut Scoped, ids: &[IncidentId]) -> sqlx::Result<Vec<Incident>> {
    sqlx::query_as(
        "select r.*, t.name as tenant_name, t.directory_id, t.cloud from incidents as r join tenants as t on t.tenant_id = r.tenant_id
         where r.incident_id = any($1) and t.state <> 'offboarded' order by r.incident_id",
    )
    .bind(ids)
    .fetch_all(&mut **tx)
    .await
}

/// The incidents of Defender XDR that have these ids at Microsoft, each with its tenant.
pub async fn numbered(tx: &mut Scoped, of: &[(TenantId, &str)]) -> sqlx::Result<Vec<(TenantId, String, IncidentId)>> {
    let (tenants, numbers): (Vec<TenantId>, Vec<&str>) = of.iter().copied().unzip();
    sqlx::query_as(
        "select r.tenant_id, r.external_id, r.incident_id from unnest($1::uuid[], $2::text[]) as w (tenant_id, external_id)
         join incidents as r on r.tenant_id = w.tenant_id and r.product = 'defender_xdr' and r.external_id = w.external_id",
    )
    .bind(&tenants)
    .bind(&numbers)
    .fetch_all(&mut **tx)
    .await
}

/// The incidents that have this id at Microsoft, whosever they are, at most 10.
pub async fn with_number(tx: &mut Scoped, number: &str) -> sqlx::Result<Vec<(IncidentId, String, String)>> {
    sqlx::query_as(
        "select r.incident_id, r.title, t.name from tenants as t
         cross join lateral (
             select incident_id, title from incidents
             where tenant_id = t.tenant_id and product in ('defender_xdr', 'graph') and external_id = $1) as r
         where t.state <> 'offboarded' order by t.name limit 10",
    )
    .bind(number)
    .fetch_all(&mut **tx)
    .await
}

/// The incident of a tenant that has this id at Microsoft: where a merged one went.
pub async fn find_external(tx: &mut Scoped, tenant: TenantId, product: &str, external_id: &str) -> sqlx::Result<Option<IncidentId>> {
    sqlx::query_scalar("select incident_id from incidents where tenant_id = $1 and product = $2 and external_id = $3")
        .bind(tenant)
        .bind(product)
        .bind(external_id)
        .fetch_optional(&mut **tx)
        .await
}

/// One thing that happened to an incident.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IncidentEvent {
    pub at: DateTime<Utc>,
    /// opened, status, severity, owner, classification, merged, alerts
    pub kind: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// What happened to an incident, oldest first, at most 500.
pub async fn events(tx: &mut Scoped, tenant: TenantId, incident: IncidentId) -> sqlx::Result<Vec<IncidentEvent>> {
    sqlx::query_as(
        "select at, kind, before, after from incident_events where tenant_id = $1 and incident_id = $2 order by at, event_id limit 500",
    )
    .bind(tenant)
    .bind(incident)
    .fetch_all(&mut **tx)
    .await
}

/// A record as a product's API gave it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Original {
    /// The product whose API it was.
    pub api: String,
    /// The text as it came.
    pub body: String,
    pub updated_at: DateTime<Utc>,
}

/// The originals of an incident, one for each API that showed it.
pub async fn originals(tx: &mut Scoped, tenant: TenantId, incident: IncidentId) -> sqlx::Result<Vec<Original>> {
    sqlx::query_as("select api, body::text as body, updated_at from incident_raw where tenant_id = $1 and incident_id = $2 order by api")
        .bind(tenant)
        .bind(incident)
        .fetch_all(&mut **tx)
        .await
}
