//! Alerts, and what closing them answers.

use super::{integers, milliseconds};
use crate::microsoft::wire;
use crate::model::cloud_apps::Verdict;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

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

/// What a call that closes answered. It comes with HTTP 200 whether anything was closed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// How many alerts were closed.
    pub count: usize,
    pub not_found: Vec<String>,
}

/// Reads the answer to a close. `None`: it does not say how many were closed.
pub fn closed(verdict: Verdict, body: &str) -> Option<Closed> {
    let body: Value = serde_json::from_str(body).ok()?;
    let count = body.get(verdict.counted_as())?.as_u64().and_then(|count| usize::try_from(count).ok())?;
    let not_found = body["alertsNotFound"].as_array().into_iter().flatten();
    Some(Closed { count, not_found: not_found.filter_map(Value::as_str).map(str::to_owned).collect() })
}
