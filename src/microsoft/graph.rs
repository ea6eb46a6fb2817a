//! Microsoft Graph security: the incidents and alerts of the Defender products, told by the API that replaces theirs.
//!
//! Shapes: Microsoft's pages "incident resource type", "alert resource type" and "alertEvidence resource type" of the Graph security API
//! v1.0, "List incidents" and "List alerts_v2". Enumerations are written in camel case, and in some samples in Pascal case: compare them
//! without case. Lists are paged by links, which are followed as they come ("Paging Microsoft Graph data in your app"); a page may be
//! empty and yet have a next one.

mod evidence;

pub use evidence::{Evidence, FileDetails, UserAccount};

use super::lanes::Watch;
use super::odata::{self, Links};
use super::operations::{Operation, graph};
use super::request::Ask;
use super::{CallError, Client, Target, wire};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

/// How many records a page asks for.
pub const PAGE: u32 = 50;
/// The service whose alerts are those of Defender for Endpoint.
pub const ENDPOINT: &str = "microsoftDefenderForEndpoint";

/// Which page of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The first, of what was updated at or after this time.
    Since(DateTime<Utc>),
    /// The one that an earlier page named, see [`Links::next`].
    Link(&'a str),
}

impl Client {
    /// One page of the incidents with their alerts. Ask again for [`Links::next`] until there is none. The order is not documented.
    ///
    /// # Errors
    /// [`CallError::RefusedLink`] for a link that leads anywhere else than to this list.
    pub async fn graph_incidents(&self, target: &Target, app: &str, place: Place<'_>, now: DateTime<Utc>) -> Result<Links, CallError> {
        let filter = |since: &str| format!("lastUpdateDateTime ge {since}");
        self.graph_list(target, app, &graph::INCIDENTS_LIST, (place, filter, &[("$expand", "alerts")]), now).await
    }

    /// One page of the alerts of Defender for Endpoint with their evidence; the same manners.
    ///
    /// # Errors
    /// As [`Client::graph_incidents`].
    pub async fn graph_alerts(&self, target: &Target, app: &str, place: Place<'_>, now: DateTime<Utc>) -> Result<Links, CallError> {
        let filter = |since: &str| format!("serviceSource eq '{ENDPOINT}' and lastUpdateDateTime ge {since}");
        self.graph_list(target, app, &graph::ALERTS_LIST, (place, filter, &[]), now).await
    }

    async fn graph_list(
        &self,
        target: &Target,
        app: &str,
        operation: &'static Operation,
        (place, filter, more): (Place<'_>, impl Fn(&str) -> String, &[(&str, &str)]),
        now: DateTime<Utc>,
    ) -> Result<Links, CallError> {
        let mut ask = Ask::new(self, target, app, operation, &[])?;
        match place {
            Place::Link(link) => odata::go_to(&mut ask, link)?,
            Place::Since(since) => {
                ask.query(&[("$filter", &filter(&since.to_rfc3339_opts(SecondsFormat::Millis, true))), ("$top", &PAGE.to_string())]);
                ask.query(more);
            }
        }
        odata::links(self, ask, now).await
    }

    /// One incident with its alerts as it is now; `None` when Microsoft has no such incident.
    pub async fn graph_incident(
        &self,
        target: &Target,
        app: &str,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Box<RawValue>>, CallError> {
        self.graph_record(target, app, &graph::INCIDENTS_GET, (id, &[("$expand", "alerts")]), now).await
    }

    /// One alert with its evidence as it is now; `None` when Microsoft has no such alert.
    pub async fn graph_alert(&self, target: &Target, app: &str, id: &str, now: DateTime<Utc>) -> Result<Option<Box<RawValue>>, CallError> {
        self.graph_record(target, app, &graph::ALERTS_GET, (id, &[]), now).await
    }

    async fn graph_record(
        &self,
        target: &Target,
        app: &str,
        operation: &'static Operation,
        (id, query): (&str, &[(&str, &str)]),
        now: DateTime<Utc>,
    ) -> Result<Option<Box<RawValue>>, CallError> {
        let mut ask = Ask::new(self, target, app, operation, &[id])?;
        if !query.is_empty() {
            ask.query(query);
        }
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
    /// The number that Defender XDR gives it, as text.
    #[serde(deserialize_with = "wire::id")]
    pub id: String,
    #[serde(deserialize_with = "wire::due_time")]
    pub last_update_date_time: DateTime<Utc>,
    /// Set when this incident was merged into another.
    #[serde(default, deserialize_with = "wire::text")]
    pub redirect_incident_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub display_name: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub created_date_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::text")]
    pub assigned_to: Option<String>,
    /// `unknown`, `falsePositive`, `truePositive`, `informationalExpectedActivity`.
    #[serde(default, deserialize_with = "wire::text")]
    pub classification: Option<String>,
    /// An open list; `unknown` where it is not set.
    #[serde(default, deserialize_with = "wire::text")]
    pub determination: Option<String>,
    /// `active`, `resolved`, `inProgress`, `redirected`, `awaitingAction`.
    #[serde(default, deserialize_with = "wire::text")]
    pub status: Option<String>,
    /// `unknown`, `informational`, `low`, `medium`, `high`.
    #[serde(default, deserialize_with = "wire::text")]
    pub severity: Option<String>,
    #[serde(default, deserialize_with = "wire::texts")]
    pub custom_tags: Vec<String>,
    /// What some of Microsoft's samples call them.
    #[serde(default, deserialize_with = "wire::texts")]
    pub tags: Vec<String>,
    #[serde(default, deserialize_with = "wire::texts")]
    pub system_tags: Vec<String>,
    #[serde(default, deserialize_with = "wire::items")]
    pub comments: Vec<Comment>,
    /// Where asked for: each as it came, to be read as [`Alert`]: one that cannot be read does not hide the others.
    #[serde(default, deserialize_with = "wire::list")]
    pub alerts: Vec<Box<RawValue>>,
}

/// A comment on an incident or an alert. Samples of 2022 use the names of Defender XDR.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    #[serde(default, deserialize_with = "wire::text")]
    pub comment: Option<String>,
    #[serde(default, alias = "createdBy", deserialize_with = "wire::text")]
    pub created_by_display_name: Option<String>,
    #[serde(default, alias = "createdTime", deserialize_with = "wire::time")]
    pub created_date_time: Option<DateTime<Utc>>,
}

/// An alert as the API sends it, by itself or inside an incident.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    #[serde(deserialize_with = "wire::id")]
    pub id: String,
    /// Its id at the product that raised it.
    #[serde(default, deserialize_with = "wire::text")]
    pub provider_alert_id: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub last_update_date_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::text")]
    pub incident_id: Option<String>,
    /// `new`, `inProgress`, `resolved`, `unknown`.
    #[serde(default, deserialize_with = "wire::text")]
    pub status: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub severity: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub classification: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub determination: Option<String>,
    /// `microsoftDefenderForEndpoint`, `microsoftDefenderForIdentity`, `microsoftDefenderForCloudApps` …; an open list.
    #[serde(default, deserialize_with = "wire::text")]
    pub service_source: Option<String>,
    /// `antivirus`, `microsoftDefenderForEndpoint` …; an open list.
    #[serde(default, deserialize_with = "wire::text")]
    pub detection_source: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub detector_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub category: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub assigned_to: Option<String>,
    #[serde(default, deserialize_with = "wire::texts")]
    pub mitre_techniques: Vec<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub created_date_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::time")]
    pub resolved_date_time: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::items")]
    pub comments: Vec<Comment>,
    #[serde(default, deserialize_with = "wire::items")]
    pub evidence: Vec<Evidence>,
}
