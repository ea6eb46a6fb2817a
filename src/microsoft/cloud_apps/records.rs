//! Activities, accounts, files and ranges of IP addresses. Only ranges have a documented shape ("List IP address ranges"); of the others the
//! members seen are read softly, and whoever needs the rest has the original.

use crate::microsoft::wire;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A page of a list.
#[derive(Clone, Debug)]
pub struct List<T> {
    /// Each record as far as it could be read, with its original.
    pub records: Vec<(T, String)>,
    /// Originals that are no record of this kind.
    pub unread: Vec<String>,
    /// Microsoft's count, approximate; where it says so, a floor.
    pub total: Option<u64>,
    pub more: bool,
}

#[derive(Deserialize)]
struct Envelope {
    data: Vec<Box<RawValue>>,
    #[serde(default, rename = "hasNext")]
    has_next: Value,
    #[serde(default)]
    total: Value,
}

/// Reads a list's answer. `None`: it is none. A record that cannot be read hides no other.
pub fn list<T: DeserializeOwned>(body: &str) -> Option<List<T>> {
    let envelope: Envelope = serde_json::from_str(body).ok()?;
    let mut list = List {
        more: envelope.has_next == Value::Bool(true) && !envelope.data.is_empty(),
        total: envelope.total.as_u64(),
        records: Vec::new(),
        unread: Vec::new(),
    };
    for record in envelope.data {
        match serde_json::from_str(record.get()) {
            Ok(read) => list.records.push((read, record.get().to_owned())),
            Err(_) => list.unread.push(record.get().to_owned()),
        }
    }
    Some(list)
}

/// Something somebody did in an app.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Activity {
    #[serde(default, rename = "_id", deserialize_with = "wire::text")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "time")]
    pub timestamp: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::text")]
    pub description: Option<String>,
    #[serde(default, rename = "eventTypeValue", deserialize_with = "wire::text")]
    pub event_type: Option<String>,
    #[serde(default, rename = "appName", deserialize_with = "wire::text")]
    pub app: Option<String>,
    #[serde(default, deserialize_with = "wire::object")]
    user: Option<ActivityUser>,
    #[serde(default, deserialize_with = "wire::object")]
    device: Option<ActivityDevice>,
    #[serde(default, deserialize_with = "wire::object")]
    location: Option<Location>,
    #[serde(default, rename = "userAgent", deserialize_with = "wire::object")]
    agent: Option<Agent>,
}

#[derive(Clone, Debug, Deserialize)]
struct ActivityUser {
    #[serde(default, rename = "userName", deserialize_with = "wire::text")]
    name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct ActivityDevice {
    #[serde(default, rename = "clientIP", deserialize_with = "wire::text")]
    ip: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Location {
    #[serde(default, deserialize_with = "wire::text")]
    city: Option<String>,
    #[serde(default, rename = "countryCode", deserialize_with = "wire::text")]
    country: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Agent {
    #[serde(default, deserialize_with = "wire::text")]
    browser: Option<String>,
    #[serde(default, rename = "operatingSystem", deserialize_with = "os")]
    system: Option<String>,
}

impl Activity {
    /// Who did it.
    pub fn user(&self) -> Option<&str> {
        self.user.as_ref()?.name.as_deref()
    }

    /// From which address.
    pub fn ip(&self) -> Option<&str> {
        self.device.as_ref()?.ip.as_deref()
    }

    /// "Riga, LV".
    pub fn place(&self) -> Option<String> {
        let location = self.location.as_ref()?;
        let parts: Vec<&str> = [&location.city, &location.country].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// "Chrome, Windows 11".
    pub fn agent(&self) -> Option<String> {
        let agent = self.agent.as_ref()?;
        let parts: Vec<&str> = [&agent.browser, &agent.system].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// What was done.
    pub fn what(&self) -> &str {
        self.description.as_deref().or(self.event_type.as_deref()).unwrap_or("Activity")
    }
}

/// A person or service as the apps know it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    #[serde(default, deserialize_with = "wire::text")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub display_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub domain: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub is_admin: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub is_external: Option<String>,
    /// 0 none, 1 staged, 2 active, 3 suspended, 4 deleted.
    #[serde(default, deserialize_with = "wire::integer")]
    pub status: Option<i64>,
    #[serde(default, deserialize_with = "wire::integer")]
    pub threat_score: Option<i64>,
    #[serde(default, deserialize_with = "wire::integer")]
    saas: Option<i64>,
    #[serde(default, deserialize_with = "wire::integer")]
    inst: Option<i64>,
    #[serde(default, deserialize_with = "wire::object")]
    app_data: Option<AppData>,
}

#[derive(Clone, Debug, Deserialize)]
struct AppData {
    #[serde(default, deserialize_with = "wire::integer")]
    saas: Option<i64>,
    #[serde(default, deserialize_with = "wire::integer")]
    instance: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
}

impl Account {
    /// The key under which it is fetched, if the record says what the key is made of.
    pub fn key(&self) -> Option<String> {
        let app = self.app_data.as_ref();
        let saas = self.saas.or_else(|| app?.saas)?;
        let inst = self.inst.or_else(|| app?.instance).unwrap_or(0);
        Some(crate::model::cloud_apps::entity_key(self.id.as_deref()?, saas, inst))
    }

    /// The app that knows it.
    pub fn app(&self) -> Option<&str> {
        self.app_data.as_ref()?.name.as_deref()
    }

    /// In plain words.
    pub fn standing(&self) -> &'static str {
        match self.status {
            Some(1) => "staged",
            Some(2) => "active",
            Some(3) => "suspended",
            Some(4) => "deleted",
            _ => "",
        }
    }
}

/// A file in an app.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    #[serde(default, rename = "_id", deserialize_with = "wire::text")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub app_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub owner_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub mime_type: Option<String>,
    #[serde(default, deserialize_with = "time")]
    pub modified_date: Option<DateTime<Utc>>,
    #[serde(default, rename = "fileAccessLevel", deserialize_with = "access")]
    pub access: Option<String>,
}

/// A range of IP addresses. Source: Microsoft's page "List IP address ranges"; its form of 2020 had an object for `subnets`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subnet {
    #[serde(rename = "_id", deserialize_with = "wire::id")]
    pub id: String,
    #[serde(default, deserialize_with = "wire::text")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "wire::integer")]
    pub category: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    pub organization: Option<String>,
    #[serde(default, deserialize_with = "networks")]
    pub subnets: Vec<String>,
    #[serde(default, deserialize_with = "names")]
    pub tags: Vec<String>,
    /// Milliseconds with a fraction on the wire.
    #[serde(default, deserialize_with = "time")]
    pub last_modified: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::text")]
    pub built_in: Option<String>,
}

/// The id that creating a range answers: a bare text, with or without quotes.
pub fn range_id(body: &str) -> Option<String> {
    let text = serde_json::from_str::<String>(body).unwrap_or_else(|_| body.trim().to_owned());
    crate::model::cloud_apps::is_id(&text).then_some(text)
}

/// A time in milliseconds, whole, with a fraction or as text; or written as RFC 3339.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and what is too far is no time")]
    let milliseconds = value.as_i64().or_else(|| value.as_f64().map(|number| number as i64));
    let milliseconds = milliseconds.or_else(|| value.as_str()?.parse().ok());
    let written = || DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|time| time.to_utc());
    Ok(milliseconds.and_then(DateTime::from_timestamp_millis).or_else(written))
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let one = |network: &Value| {
        let text = network["originalString"].as_str().or_else(|| network.as_str()).or_else(|| network["address"].as_str());
        text.map(str::to_owned)
    };
    Ok(match &value {
        Value::Array(networks) => networks.iter().filter_map(one).collect(),
        Value::Object(members) if !members.contains_key("originalString") => members.values().filter_map(one).collect(),
        network => one(network).into_iter().collect(),
    })
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let name = |tag: &Value| tag["name"].as_str().or_else(|| tag.as_str()).map(str::to_owned);
    Ok(value.as_array().into_iter().flatten().filter_map(name).collect())
}

fn os<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value["name"].as_str().or_else(|| value.as_str()).map(str::to_owned))
}

/// `[level, name]`, or the level alone: 0 private … 4 public on the internet.
fn access<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let named = value.as_array().and_then(|parts| parts.get(1)?.as_str()).or_else(|| value.as_str());
    Ok(named.map(|name| name.to_lowercase().replace('_', " ")).or_else(|| value.as_i64().map(|level| level.to_string())))
}
