//! Defender for Endpoint: devices, what is done to them, and links to what was collected.
//!
//! Shapes: Microsoft's pages "List machines API", "Machine resource type", "MachineAction resource type", "Get package SAS URI API" and "Get
//! live response results".

use super::odata::{self, Page};
use super::operations::{Operation, endpoint};
use super::request::Ask;
use super::{CallError, Client, Target, wire};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// How many devices a page asks for. Microsoft allows 10,000.
pub const PAGE: u32 = 1000;

/// Hosts that Microsoft's links to collected files name; a dot in front stands for any host below.
const STORAGE: [&str; 6] = [
    ".core.windows.net",
    ".core.usgovcloudapi.net",
    ".securitycenter.windows.com",
    ".security.microsoft.com",
    ".securitycenter.microsoft.us",
    "core.windows.net",
];

impl Client {
    /// One page of the devices. Ask again with `skip` grown by the number of records received until `more` is false. A directory without
    /// devices answers 404, which is an empty page.
    pub async fn endpoint_machines(&self, target: &Target, app: &str, skip: u32, now: DateTime<Utc>) -> Result<Page, CallError> {
        let mut ask = Ask::new(self, target, app, &endpoint::MACHINES_LIST, &[])?;
        ask.query(&[("$top", &PAGE.to_string()), ("$skip", &skip.to_string())]);
        match odata::page(self, ask, PAGE, now).await {
            Err(CallError::NotFound) => Ok(Page { records: Vec::new(), more: false }),
            other => other,
        }
    }

    /// A short-lived link to something that was collected. It opens it for whoever holds it: never store, log or show it.
    ///
    /// # Errors
    /// [`CallError::NotFound`] until the action has ended. [`CallError::RefusedLink`] for a link that does not lead to Microsoft's storage.
    pub async fn collected(
        &self,
        target: &Target,
        app: &str,
        operation: &'static Operation,
        args: &[&str],
        now: DateTime<Utc>,
    ) -> Result<Url, CallError> {
        link(&self.look_up(target, app, operation, args, (&[], None), now).await?)
    }
}

/// Reads `{"value": "https://…"}`; the package's link stands in quotation marks once more.
fn link(body: &str) -> Result<Url, CallError> {
    let body: Value = serde_json::from_str(odata::object(body)?).map_err(|_| CallError::Unexpected("it is broken JSON"))?;
    let text = body["value"].as_str().ok_or(CallError::Unexpected("it has no link"))?;
    let url = Url::parse(text.trim().trim_matches('"')).map_err(|_| CallError::Unexpected("it has no link"))?;
    let host = url.host_str().unwrap_or_default();
    let known = STORAGE.iter().any(|end| host == *end || (end.starts_with('.') && host.ends_with(end)));
    let plain = url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && url.password().is_none();
    if known && plain { Ok(url) } else { Err(CallError::RefusedLink) }
}

/// A device as the API sends it. Only the id is insisted on.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    #[serde(deserialize_with = "wire::id")]
    pub id: String,
    #[serde(default, deserialize_with = "wire::text")]
    pub computer_dns_name: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    pub first_seen: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::time")]
    pub last_seen: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::text")]
    pub os_platform: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub version: Option<String>,
    #[serde(default, deserialize_with = "wire::integer")]
    pub os_build: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    pub last_ip_address: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub last_external_ip_address: Option<String>,
    /// `Active`, `Inactive`, `ImpairedCommunication`, `NoSensorData`, `NoSensorDataImpairedCommunication`, `Unknown`.
    #[serde(default, deserialize_with = "wire::text")]
    pub health_status: Option<String>,
    /// The page spells it `onboardingstatus`.
    #[serde(default, alias = "onboardingstatus", deserialize_with = "wire::text")]
    pub onboarding_status: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub rbac_group_name: Option<String>,
    /// `None`, `Informational`, `Low`, `Medium`, `High`.
    #[serde(default, deserialize_with = "wire::text")]
    pub risk_score: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub exposure_level: Option<String>,
    /// `Normal`, `Low`, `High`.
    #[serde(default, deserialize_with = "wire::text")]
    pub device_value: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub aad_device_id: Option<String>,
    #[serde(default, deserialize_with = "wire::texts")]
    pub machine_tags: Vec<String>,
}

/// Something done to a device. Only id and status are insisted on.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineAction {
    #[serde(deserialize_with = "wire::id")]
    pub id: String,
    /// `Pending`, `InProgress`, `Succeeded`, `Failed`, `TimeOut`, `Cancelled`.
    #[serde(deserialize_with = "wire::id")]
    pub status: String,
    #[serde(default, deserialize_with = "wire::text")]
    pub requestor: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub requestor_comment: Option<String>,
    #[serde(default, rename = "creationDateTimeUtc", deserialize_with = "wire::time")]
    pub created_at: Option<DateTime<Utc>>,
    #[serde(default, rename = "cancellationRequestor", deserialize_with = "wire::text")]
    pub cancelled_by: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub cancellation_comment: Option<String>,
    #[serde(default, rename = "errorHResult", deserialize_with = "wire::integer")]
    pub error_code: Option<i64>,
    /// What the commands of a live response complained about.
    #[serde(default, rename = "commands", deserialize_with = "errors")]
    pub errors: Vec<String>,
}

fn errors<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let commands = Value::deserialize(deserializer)?;
    let of = |command: &Value| command["errors"].as_array().cloned().unwrap_or_default();
    let all = commands.as_array().into_iter().flatten().flat_map(of);
    Ok(all.filter_map(|error| error.as_str().map(str::to_owned)).collect())
}

/// Reads one machine action.
pub fn action(body: &str) -> Result<MachineAction, CallError> {
    serde_json::from_str(odata::object(body)?).map_err(|_| CallError::Unexpected("it is no machine action"))
}

/// Reads a list of machine actions, each with its JSON. What cannot be read is left out.
pub fn actions(body: &str) -> Result<Vec<(MachineAction, String)>, CallError> {
    let list = records(body)?;
    Ok(list.into_iter().filter_map(|record| Some((serde_json::from_value(record.clone()).ok()?, record.to_string()))).collect())
}

/// The id of a record.
pub fn id_of(body: &str) -> Option<String> {
    let record: Value = serde_json::from_str(body).ok()?;
    text_of(&record["id"])
}

/// The id of a list's first record, if it has any.
pub fn first_id(body: &str) -> Result<Option<String>, CallError> {
    Ok(records(body)?.first().and_then(|record| text_of(&record["id"])))
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|number| number.to_string()))
}

fn records(body: &str) -> Result<Vec<Value>, CallError> {
    let body: Value = serde_json::from_str(odata::object(body)?).map_err(|_| CallError::Unexpected("it is broken JSON"))?;
    let list = body.get("value").and_then(Value::as_array).cloned();
    list.ok_or(CallError::Unexpected("it has no list of records (value)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_microsofts_storage_or_is_refused() {
        for good in [
            r#"{"value":"\"https://userrequests-us.securitycenter.windows.com:443/safedownload/Package.zip?token=x\""}"#,
            r#"{"value":"https://core.windows.net/investigation-actions-data/ID/x?sig=y"}"#,
            r#"{"value":"https://automatedirstrprdeus.blob.core.windows.net/x?sig=y"}"#,
        ] {
            assert!(link(good).is_ok(), "{good}");
        }
        for bad in [
            "https://evil.com/x",
            "https://core.windows.net.evil.com/x",
            "https://evilcore.windows.net@evil.com/",
            "http://core.windows.net/x",
            "https://core.windows.net:8443/x",
            "https://u:p@core.windows.net/x",
            "javascript:alert(1)",
            "",
        ] {
            assert!(link(&serde_json::json!({ "value": bad }).to_string()).is_err(), "{bad}");
        }
    }

    #[test]
    fn both_spellings_and_missing_members_are_read() {
        let read =
            action(r#"{"id":"a","status":"Succeeded","requestor":"x ","lastUpdateTimeUtc":"2018-12-04T12:18:57.5511934Z"}"#).unwrap();
        assert_eq!((read.id.as_str(), read.status.as_str(), read.created_at), ("a", "Succeeded", None));
        let failed = action(r#"{"id":"a","status":"Failed","commands":[{"errors":["no such file"]},{"errors":null}]}"#).unwrap();
        assert_eq!(failed.errors, ["no such file"]);
        assert!(action(r#"{"id":"a"}"#).is_err());
        assert_eq!(id_of(r#"{"id":7}"#).as_deref(), Some("7"));
    }
}
