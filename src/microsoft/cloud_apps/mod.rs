//! Defender for Cloud Apps: lists of alerts, and what every answer of this API looks like. `alerts` and `records` read what it sends,
//! `discovery` its reports, `upload` brings a log to it.
//!
//! Shapes and limits: Microsoft's pages "Defender for Cloud Apps REST API" and "List alerts - Defender for Cloud Apps API". 30 calls a
//! minute and tenant, at most 100 records a page. The sample JSON, not the field table, tells the types: ids are texts or numbers.

mod alerts;
mod discovery;
mod records;
mod upload;

pub use alerts::{Alert, Closed, Entity, closed};
pub use discovery::{Category, Stream, categories, streams};
pub use records::{Account, Activity, File, List, Subnet, list, range_id};

use super::lanes::Watch;
use super::odata::Page;
use super::operations::{Operation, cloud_apps};
use super::request::Ask;
use super::{CallError, Client, Target, wire};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

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

/// Whether a body may be sent with an operation. A close without ids would close every alert of the tenant.
pub(super) fn is_safe(operation: &Operation, body: Option<&Value>) -> bool {
    let closes = [&cloud_apps::CLOSE_BENIGN, &cloud_apps::CLOSE_FALSE_POSITIVE, &cloud_apps::CLOSE_TRUE_POSITIVE];
    if !closes.iter().any(|close| close.name == operation.name) {
        return true;
    }
    let ids = body.and_then(|body| body.pointer("/filters/id/eq")).and_then(Value::as_array);
    ids.is_some_and(|ids| !ids.is_empty() && ids.iter().all(|id| id.as_str().is_some_and(|id| !id.trim().is_empty())))
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

/// A time that must be there, in milliseconds since 1970, whole or with a fraction.
fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let time = wire::integer(deserializer)?.and_then(DateTime::from_timestamp_millis);
    time.ok_or_else(|| serde::de::Error::custom("the timestamp is missing or no number of milliseconds"))
}

fn integers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(serde_json::Value::as_i64).collect())
}
