//! Defender for Cloud Apps: alerts.
//!
//! Shapes and limits: Microsoft's pages "Defender for Cloud Apps REST API" and "List alerts - Defender for Cloud Apps API". 30 calls a
//! minute and tenant, at most 100 records a page. The sample JSON, not the field table, tells the types: ids are texts or numbers.

use super::lanes::Watch;
use super::odata::Page;
use super::operations::cloud_apps;
use super::request::Ask;
use super::{CallError, Client, Target, wire};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use serde_json::value::RawValue;

/// The documented largest page.
pub const PAGE: u32 = 100;

/// Which alerts. The API has no time of last update, so two questions replace one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudAppsQuery {
    /// Raised at or after this time.
    CreatedSince(DateTime<Utc>),
    /// Resolved at or after this time.
    ResolvedSince(DateTime<Utc>),
}

impl Client {
    /// One page of alerts, oldest first, so that new ones do not shift the pages. Ask again with `skip` grown by the number of records
    /// received until `more` is false. The list is a POST that only reads, so it is retried like a GET.
    pub async fn cloud_apps_alerts(
        &self,
        target: &Target,
        app: &str,
        query: CloudAppsQuery,
        skip: u32,
        now: DateTime<Utc>,
    ) -> Result<Page, CallError> {
        let filters = match query {
            CloudAppsQuery::CreatedSince(time) => json!({"date": {"gte": time.timestamp_millis()}}),
            CloudAppsQuery::ResolvedSince(time) => json!({"resolutionDate": {"gte": time.timestamp_millis()}}),
        };
        let body = json!({"filters": filters, "skip": skip, "limit": PAGE, "sortField": "date", "sortDirection": "asc"});
        let ask = Ask::new(self, target, app, &cloud_apps::ALERTS_LIST, &[])?.json(&body);
        envelope(&self.ask(&ask, &Watch::start(now)).await?)
    }
}

/// The list's envelope. `total` is a floor at best, so only `hasNext` and the rows count.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    data: Vec<Box<RawValue>>,
    has_next: bool,
}

pub(super) fn envelope(body: &str) -> Result<Page, CallError> {
    let envelope: Envelope =
        serde_json::from_str(body).map_err(|_| CallError::Unexpected("it is no list of Cloud Apps (data, hasNext)"))?;
    let more = envelope.has_next && !envelope.data.is_empty();
    Ok(Page { records: envelope.data, more })
}

/// An alert as the API sends it. Only the id and the time are insisted on; unknown members are ignored.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// 24 hexadecimal digits.
    #[serde(rename = "_id", deserialize_with = "wire::id")]
    pub id: String,
    /// Milliseconds since 1970 on the wire.
    #[serde(deserialize_with = "milliseconds")]
    pub timestamp: DateTime<Utc>,
    /// The kind of alert.
    #[serde(default, deserialize_with = "wire::integer")]
    pub id_value: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    pub context_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
    /// May hold HTML. To be shown as text.
    #[serde(default, deserialize_with = "wire::text")]
    pub description: Option<String>,
    /// 0 unread, 1 read, 2 archived.
    #[serde(default, deserialize_with = "wire::integer")]
    pub status_value: Option<i64>,
    /// 0 low, 1 medium, 2 high, 3 informational.
    #[serde(default, deserialize_with = "wire::integer")]
    pub severity_value: Option<i64>,
    /// 0 open, 1 dismissed, 2 resolved, 3 false positive, 4 benign, 5 true positive.
    #[serde(default, deserialize_with = "wire::integer")]
    pub resolution_status_value: Option<i64>,
    /// 0 threat detection, 1 privileged account, 2 compliance, 3 data loss, 4 discovery, 5 sharing, 7 access, 8 configuration.
    #[serde(default, deserialize_with = "integers")]
    pub stories: Vec<i64>,
    /// MITRE tactics by number: 0 unknown, 1 pre-attack … 13 impact.
    #[serde(default, deserialize_with = "integers")]
    pub intent: Vec<i64>,
    #[serde(default, deserialize_with = "wire::integer")]
    pub threat_score: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    pub comment: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub handled_by_user: Option<String>,
    /// A text with a time, unlike `timestamp`.
    #[serde(default, deserialize_with = "wire::time")]
    pub resolve_time: Option<DateTime<Utc>>,
    #[serde(default, rename = "URL", deserialize_with = "wire::text")]
    pub url: Option<String>,
    #[serde(default, deserialize_with = "wire::items")]
    pub entities: Vec<Entity>,
}

/// A thing an alert is about.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entity {
    /// `account`, `device`, `service`, `policyRule`, `groupTag` …; an open list.
    #[serde(default, rename = "type", deserialize_with = "wire::text")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub label: Option<String>,
    /// `Source`, `Related` …
    #[serde(default, deserialize_with = "wire::text")]
    pub entity_role: Option<String>,
    /// The account's address.
    #[serde(default, deserialize_with = "wire::text")]
    pub pa: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub policy_type: Option<String>,
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let time = wire::integer(deserializer)?.and_then(DateTime::from_timestamp_millis);
    time.ok_or_else(|| serde::de::Error::custom("the timestamp is missing or no number of milliseconds"))
}

fn integers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(serde_json::Value::as_i64).collect())
}
