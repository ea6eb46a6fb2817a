//! Cloud discovery: reports, and the categories of apps in them. Sources: Microsoft's pages "List continuous reports" and "List continuous
//! report categories".

use super::records::time;
use crate::microsoft::wire;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

/// A continuous or snapshot report.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    #[serde(default, rename = "_id", deserialize_with = "wire::text")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub display_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub receiver_type: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub protocol: Option<String>,
    #[serde(default, deserialize_with = "time")]
    pub created: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "time")]
    pub last_modified: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "time")]
    pub last_data_received: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::integer")]
    pub log_files_history_count: Option<i64>,
    #[serde(default, deserialize_with = "wire::integer")]
    pub log_files_fails_count: Option<i64>,
}

/// Reads the reports, each with its original. Microsoft's pages show three forms: an array, an object with `streams`, and a bare report.
/// `None`: it is none of them.
pub fn streams(body: &str) -> Option<Vec<(Stream, String)>> {
    let body: Value = serde_json::from_str(body).ok()?;
    let read = |report: &Value| serde_json::from_value(report.clone()).ok().map(|stream: Stream| (stream, report.to_string()));
    let list = match &body {
        Value::Array(list) => list.as_slice(),
        Value::Object(members) => match members.get("streams").or_else(|| members.get("data")) {
            Some(Value::Array(list)) => list.as_slice(),
            None if members.contains_key("displayName") => std::slice::from_ref(&body),
            None if members.is_empty() => &[],
            _ => return None,
        },
        _ => return None,
    };
    Some(list.iter().filter_map(read).collect())
}

/// How many apps of a category a report names.
#[derive(Clone, Debug, Deserialize)]
pub struct Category {
    /// Microsoft's name: `SAASDB_CATEGORY_CLOUD_STORAGE`.
    #[serde(deserialize_with = "wire::id")]
    pub id: String,
    #[serde(default, deserialize_with = "wire::integer")]
    pub total: Option<i64>,
}

/// Reads the categories of a report: a bare array. `None`: it is none.
pub fn categories(body: &str) -> Option<Vec<Category>> {
    let list: Vec<Value> = serde_json::from_str(body).ok()?;
    Some(list.into_iter().filter_map(|category| serde_json::from_value(category).ok()).collect())
}
