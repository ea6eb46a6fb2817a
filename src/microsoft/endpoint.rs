//! Defender for Endpoint: alerts with their evidence.
//!
//! Shapes and limits: Microsoft's pages "List alerts API", "Alert resource type" and "OData queries with Microsoft Defender for Endpoint".
//! 100 calls a minute and 1500 an hour.

use super::odata::{self, Page};
use super::operations::endpoint;
use super::request::Ask;
use super::{CallError, Client, Target, wire};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;

/// How many alerts a page asks for. Microsoft allows 10,000; with evidence that could pass the 32 MiB an answer may have.
pub const PAGE: u32 = 1000;

impl Client {
    /// One page of the alerts updated at or after `since`, with their evidence. Ask again with `skip` grown by the number of records
    /// received until `more` is false. Where Microsoft splits the page by links, they are followed within the call.
    pub async fn endpoint_alerts(
        &self,
        target: &Target,
        app: &str,
        since: DateTime<Utc>,
        skip: u32,
        now: DateTime<Utc>,
    ) -> Result<Page, CallError> {
        let filter = format!("lastUpdateTime ge {}", since.to_rfc3339_opts(SecondsFormat::Millis, true));
        let mut ask = Ask::new(self, target, app, &endpoint::ALERTS_LIST, &[])?;
        ask.query(&[("$filter", &filter), ("$expand", "evidence"), ("$top", &PAGE.to_string()), ("$skip", &skip.to_string())]);
        odata::page(self, ask, PAGE, now).await
    }
}

/// An alert as the API sends it. Only the id and the time of the last update are insisted on; unknown members are ignored.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    #[serde(deserialize_with = "wire::id")]
    pub id: String,
    #[serde(deserialize_with = "wire::due_time")]
    pub last_update_time: DateTime<Utc>,
    #[serde(default, deserialize_with = "wire::text")]
    pub incident_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub investigation_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub investigation_state: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub assigned_to: Option<String>,
    /// `UnSpecified`, `Informational`, `Low`, `Medium`, `High`.
    #[serde(default, deserialize_with = "wire::text")]
    pub severity: Option<String>,
    /// `Unknown`, `New`, `InProgress`, `Resolved`.
    #[serde(default, deserialize_with = "wire::text")]
    pub status: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub classification: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub determination: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub detection_source: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub detector_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub category: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub threat_family_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub threat_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub description: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub alert_creation_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::time")]
    pub first_event_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::time")]
    pub last_event_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::time")]
    pub resolved_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::text")]
    pub machine_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub computer_dns_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub rbac_group_name: Option<String>,
    #[serde(default, deserialize_with = "wire::texts")]
    pub mitre_techniques: Vec<String>,
    #[serde(default, deserialize_with = "wire::object")]
    pub related_user: Option<RelatedUser>,
    #[serde(default, deserialize_with = "wire::items")]
    pub comments: Vec<super::xdr::Comment>,
    #[serde(default, deserialize_with = "wire::items")]
    pub evidence: Vec<Evidence>,
}

/// The account an alert is about.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RelatedUser {
    #[serde(default, deserialize_with = "wire::text")]
    pub user_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub domain_name: Option<String>,
}

/// A thing seen with an alert. Flat: the members that do not belong to its `entity_type` are absent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// `User`, `Process`, `File`, `Ip`, `Url`, `Registry` …; an open list.
    #[serde(default, deserialize_with = "wire::text")]
    pub entity_type: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub evidence_creation_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::text")]
    pub sha1: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub sha256: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub file_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub file_path: Option<String>,
    #[serde(default, deserialize_with = "wire::integer")]
    pub process_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    pub process_command_line: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub parent_process_file_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub ip_address: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub url: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub registry_hive: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub registry_key: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub registry_value: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub account_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub domain_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub user_sid: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub aad_user_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub user_principal_name: Option<String>,
    /// `Detected`, `Blocked`, `Prevented` …
    #[serde(default, deserialize_with = "wire::text")]
    pub detection_status: Option<String>,
}
