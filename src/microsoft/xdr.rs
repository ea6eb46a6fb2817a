//! Defender XDR: incidents with their alerts.
//!
//! Shapes and limits: Microsoft's pages "List incidents API in Microsoft Defender XDR", "Get incident information API" and "incident
//! resource type". 50 calls a minute for the list, 100 for one incident.

use super::lanes::Watch;
use super::odata::{self, Page};
use super::operations::xdr;
use super::request::Ask;
use super::{CallError, Client, Target, wire};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The documented largest page of the incident list.
pub const PAGE: u32 = 100;

impl Client {
    /// One page of the incidents updated at or after `since`, newest first as Microsoft orders them. Ask again with `skip` grown by the
    /// number of records received until `more` is false; rows shift while paging, so the caller reads with an overlap and upserts.
    pub async fn xdr_incidents(
        &self,
        target: &Target,
        app: &str,
        since: DateTime<Utc>,
        skip: u32,
        now: DateTime<Utc>,
    ) -> Result<Page, CallError> {
        let filter = format!("lastUpdateTime ge {}", since.to_rfc3339_opts(SecondsFormat::Millis, true));
        let mut ask = Ask::new(self, target, app, &xdr::INCIDENTS_LIST, &[])?;
        ask.query(&[("$filter", &filter), ("$top", &PAGE.to_string()), ("$skip", &skip.to_string())]);
        odata::page(self, ask, PAGE, now).await
    }

    /// One incident as it is now; `None` when Microsoft has no such incident.
    pub async fn xdr_incident(&self, target: &Target, app: &str, id: &str, now: DateTime<Utc>) -> Result<Option<Box<RawValue>>, CallError> {
        let ask = Ask::new(self, target, app, &xdr::INCIDENTS_GET, &[id])?;
        match self.ask(&ask, &Watch::start(now)).await {
            Ok(body) => odata::record(&body).map(Some),
            Err(CallError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// An incident as the API sends it. Only the id and the time of the last update are insisted on; unknown members are ignored.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// A 64-bit number on the wire.
    #[serde(deserialize_with = "wire::id")]
    pub incident_id: String,
    #[serde(deserialize_with = "wire::due_time")]
    pub last_update_time: DateTime<Utc>,
    /// Set when this incident was merged into another.
    #[serde(default, deserialize_with = "wire::text")]
    pub redirect_incident_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub incident_name: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub created_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::text")]
    pub assigned_to: Option<String>,
    /// `Unknown`, `TruePositive`, `InformationalExpectedActivity`, `FalsePositive`.
    #[serde(default, deserialize_with = "wire::text")]
    pub classification: Option<String>,
    /// `NotAvailable`, or why the classification was chosen; an open list.
    #[serde(default, deserialize_with = "wire::text")]
    pub determination: Option<String>,
    /// `Active`, `InProgress`, `Resolved`, `Redirected`.
    #[serde(default, deserialize_with = "wire::text")]
    pub status: Option<String>,
    /// `UnSpecified`, `Informational`, `Low`, `Medium`, `High`.
    #[serde(default, deserialize_with = "wire::text")]
    pub severity: Option<String>,
    #[serde(default, deserialize_with = "wire::texts")]
    pub tags: Vec<String>,
    #[serde(default, deserialize_with = "wire::items")]
    pub comments: Vec<Comment>,
    /// Each as it came, to be read as [`IncidentAlert`]: one that cannot be read does not hide the others.
    #[serde(default, deserialize_with = "wire::list")]
    pub alerts: Vec<Box<RawValue>>,
}

/// A comment on an incident or an alert.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    #[serde(default, deserialize_with = "wire::text")]
    pub comment: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub created_by: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub created_time: Option<DateTime<Utc>>,
}

/// An alert inside an incident.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentAlert {
    /// Its first letters name the product: `da` Endpoint, `ca` Cloud Apps, `fa` Office.
    #[serde(deserialize_with = "wire::id")]
    pub alert_id: String,
    #[serde(default, deserialize_with = "wire::text")]
    pub incident_id: Option<String>,
    /// `MicrosoftDefenderATP`, `MicrosoftCloudAppSecurity`, `OfficeATP`, `AzureATP` …; an open list.
    #[serde(default, deserialize_with = "wire::text")]
    pub service_source: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub creation_time: Option<DateTime<Utc>>,
    /// Spelt with a `d`, unlike the incident's.
    #[serde(default, deserialize_with = "wire::time")]
    pub last_updated_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::time")]
    pub resolved_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::time")]
    pub first_activity: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::time")]
    pub last_activity: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub description: Option<String>,
    /// MITRE-like; an open list.
    #[serde(default, deserialize_with = "wire::text")]
    pub category: Option<String>,
    /// `New`, `Active`, `InProgress`, `Resolved`.
    #[serde(default, deserialize_with = "wire::text")]
    pub status: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub severity: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub investigation_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub investigation_state: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub classification: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub determination: Option<String>,
    /// `MCAS`, `WindowsDefenderAv`, `WindowsDefenderAtp`, `OfficeATP` …; an open list.
    #[serde(default, deserialize_with = "wire::text")]
    pub detection_source: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub assigned_to: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub actor_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub threat_family_name: Option<String>,
    #[serde(default, deserialize_with = "wire::texts")]
    pub mitre_techniques: Vec<String>,
    #[serde(default, deserialize_with = "wire::items")]
    pub devices: Vec<Device>,
    #[serde(default, deserialize_with = "wire::items")]
    pub entities: Vec<Entity>,
}

/// A device an alert is about.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The id of the device in Defender for Endpoint: 40 hexadecimal digits.
    #[serde(default, deserialize_with = "wire::text")]
    pub mdatp_device_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub aad_device_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub device_dns_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub os_platform: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub version: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub os_processor: Option<String>,
    #[serde(default, deserialize_with = "wire::integer")]
    pub os_build: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    pub health_status: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub risk_score: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub rbac_group_name: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub first_seen: Option<DateTime<Utc>>,
}

/// A thing seen with an alert. Flat: the members that do not belong to its `entity_type` are absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entity {
    /// `User`, `Ip`, `Url`, `File`, `Process`, `MailBox`, `MailMessage`, `MailCluster`, `Registry`, `SecurityGroup` …
    #[serde(default, deserialize_with = "wire::text")]
    pub entity_type: Option<String>,
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
    pub ip_address: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub url: Option<String>,
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
    #[serde(default, deserialize_with = "wire::text")]
    pub mailbox_display_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub mailbox_address: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub sender: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub recipient: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub subject: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub delivery_action: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub security_group_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub registry_hive: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub registry_key: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub registry_value: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub device_id: Option<String>,
}
