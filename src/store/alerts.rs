//! Alerts, read for lists, pages and the API. They are written by `ingest`.

use super::Scoped;
use super::incidents::Original;
use super::lists::{ALERTS, By, COUNT_CAP, Figures, Filter, Group, Listed, Order, Position};
use super::live::Seen;
use crate::model::{AlertId, Cloud, DirectoryId, IncidentId, Product, Severity, Status, SuppressionId, TenantId, portal};
use chrono::{DateTime, NaiveDate, Utc};

/// One alert with its tenant's name.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Alert {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    /// The tenant's directory, for links to Microsoft.
    pub directory_id: Option<DirectoryId>,
    /// Where the tenant is.
    pub cloud: Cloud,
    pub alert_id: AlertId,
    /// The product whose alert it is: a [`crate::model::Product`] in its spelling.
    pub product: String,
    /// The product's own id.
    pub external_id: String,
    pub incident_id: Option<IncidentId>,
    /// Known before the incident itself has been read.
    pub incident_external_id: Option<String>,
    pub title: String,
    pub severity: Severity,
    pub severity_raw: String,
    pub status: Status,
    pub status_raw: String,
    pub classification: Option<String>,
    pub determination: Option<String>,
    pub category: Option<String>,
    pub service_source: Option<String>,
    pub detection_source: Option<String>,
    pub detector_id: Option<String>,
    pub assigned_to: Option<String>,
    /// The main device's name.
    pub device: Option<String>,
    /// The main user.
    pub account: Option<String>,
    pub mitre_techniques: Vec<String>,
    /// `kind:value`, lower case.
    pub entities: Vec<String>,
    pub url: Option<String>,
    pub created_at: DateTime<Utc>,
    /// The product's time of the last update.
    pub updated_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
    /// When this version was read.
    pub synced_at: DateTime<Utc>,
    /// The rule that hides it.
    pub suppressed_by: Option<SuppressionId>,
    pub suppressed_at: Option<DateTime<Utc>>,
}

impl Alert {
    /// Where people find it at Microsoft: the link that came with it, if it leads to a portal of the tenant's cloud.
    pub fn portal(&self) -> Option<String> {
        portal::sent(self.url.as_deref(), self.directory_id, &[self.cloud])
    }
}

/// At most `limit` (1 to 200) alerts after a position. Alerts have no tags: a filter for tags finds none.
pub async fn list(tx: &mut Scoped, filter: &Filter, order: &Order, after: Option<&Position>, limit: i64) -> sqlx::Result<Listed<Alert>> {
    ALERTS.page(tx, filter, order, after, limit).await
}

/// How many alerts the filter finds, at most [`COUNT_CAP`] + 1.
pub async fn count(tx: &mut Scoped, filter: &Filter) -> sqlx::Result<i64> {
    ALERTS.count(tx, filter, COUNT_CAP + 1).await
}

/// The same, if it takes less than a second.
pub async fn count_quickly(tx: &mut Scoped, filter: &Filter) -> sqlx::Result<Option<i64>> {
    ALERTS.count_quickly(tx, filter, COUNT_CAP + 1).await
}

/// The filter with what its text or entities find, for whoever asks for several things of one list: each would search again.
pub async fn searched(tx: &mut Scoped, filter: &Filter) -> sqlx::Result<Filter> {
    Ok(ALERTS.searched(tx, filter).await?.into_owned())
}

/// The hundred largest groups of the first [`super::lists::LOOKED_AT`] alerts that the filter finds.
pub async fn groups(tx: &mut Scoped, filter: &Filter, order: &Order, by: By) -> sqlx::Result<Vec<Group>> {
    ALERTS.groups(tx, filter, order, by).await
}

/// The first [`super::lists::LOOKED_AT`] alerts that the filter finds, in figures; the last of the thirty days is `last`.
pub async fn figures(tx: &mut Scoped, filter: &Filter, order: &Order, last: NaiveDate) -> sqlx::Result<Figures> {
    ALERTS.figures(tx, filter, order, last).await
}

/// The ids of the alerts that the filter finds, in order; at most `most`.
pub async fn ids(tx: &mut Scoped, filter: &Filter, order: &Order, most: i64) -> sqlx::Result<Vec<AlertId>> {
    Ok(ALERTS.ids(tx, filter, order, most).await?.into_iter().map(AlertId).collect())
}

/// How many alerts that the filter finds have changed since a page was made, at most [`COUNT_CAP`] + 1.
pub async fn news(tx: &mut Scoped, filter: &Filter, seen: &Seen) -> sqlx::Result<i64> {
    ALERTS.news(tx, filter, seen, COUNT_CAP + 1).await
}

/// Which of these ids of a product's are alerts of a tenant that are open here. `ids`: a page of Microsoft's, at most some hundreds.
pub async fn open_ids(tx: &mut Scoped, tenant: TenantId, product: Product, ids: &[String]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("select external_id from alerts where tenant_id = $1 and product = $2 and external_id = any($3) and is_open")
        .bind(tenant)
        .bind(product)
        .bind(ids)
        .fetch_all(&mut **tx)
        .await
}

/// One alert of the transaction's scope.
pub async fn get(tx: &mut Scoped, alert: AlertId) -> sqlx::Result<Option<Alert>> {
    sqlx::query_as(
        "select r.*, t.name as tenant_name, t.directory_id, t.cloud from alerts as r join tenants as t on t.tenant_id = r.tenant_id where r.alert_id = $1 and t.state <> 'offboarded'",
    )
    .bind(alert)
    .fetch_optional(&mut **tx)
    .await
}

/// These alerts, in the order of their ids; those that are not there, or not in the transaction's scope, are left out. `ids`: at most 1,000.
pub async fn these(tx: &mut Scoped, ids: &[AlertId]) -> sqlx::Result<Vec<Alert>> {
    sqlx::query_as(
        "select r.*, t.name as tenant_name, t.directory_id, t.cloud from alerts as r join tenants as t on t.tenant_id = r.tenant_id
         where r.alert_id = any($1) and t.state <> 'offboarded' order by r.alert_id",
    )
    .bind(ids)
    .fetch_all(&mut **tx)
    .await
}

/// The alerts of an incident, oldest first, at most 500.
pub async fn of_incident(tx: &mut Scoped, tenant: TenantId, incident: IncidentId) -> sqlx::Result<Vec<Alert>> {
    sqlx::query_as(
        "select r.*, t.name as tenant_name, t.directory_id, t.cloud from alerts as r join tenants as t on t.tenant_id = r.tenant_id
         where r.tenant_id = $1 and r.incident_id = $2 order by r.created_at, r.alert_id limit 500",
    )
    .bind(tenant)
    .bind(incident)
    .fetch_all(&mut **tx)
    .await
}

/// One original of one of several alerts.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AlertOriginal {
    pub alert_id: AlertId,
    #[sqlx(flatten)]
    pub original: Original,
}

/// The originals of alerts of one tenant, one for each API that showed the alert.
pub async fn originals(tx: &mut Scoped, tenant: TenantId, alerts: &[AlertId]) -> sqlx::Result<Vec<AlertOriginal>> {
    sqlx::query_as(
        "select alert_id, api, body::text as body, updated_at from alert_raw where tenant_id = $1 and alert_id = any($2) order by alert_id, api",
    )
    .bind(tenant)
    .bind(alerts)
    .fetch_all(&mut **tx)
    .await
}
