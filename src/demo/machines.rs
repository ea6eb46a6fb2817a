//! Devices of Defender for Endpoint, after the pages "List machines API", "Get machine by ID API", "Update machine entity API", "Add or remove
//! a tag for a machine", "Get machine logon users API" and "Get machine related alerts API".

use super::call::{Answer, Call};
use super::content;
use super::gate::{self, Operation};
use super::hosts::Api;
use super::odata::{self, Kind, raw_field};
use super::world::{Directory, World};
use crate::model::DirectoryId;
use axum::http::Method;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

const READ_ROLES: &[&str] = &["Machine.Read.All", "Machine.ReadWrite.All"];
const WRITE_ROLES: &[&str] = &["Machine.ReadWrite.All"];
const ALERT_ROLES: &[&str] = &["Alert.Read.All", "Alert.ReadWrite.All"];
const LIST: Operation = Operation { name: "mde machines", per_minute: 100, per_hour: 1500, roles: READ_ROLES };
const GET: Operation = Operation { name: "mde machine", per_minute: 100, per_hour: 1500, roles: READ_ROLES };
const UPDATE: Operation = Operation { name: "mde machine update", per_minute: 100, per_hour: 1500, roles: WRITE_ROLES };
const TAGS: Operation = Operation { name: "mde machine tags", per_minute: 100, per_hour: 1500, roles: WRITE_ROLES };
const USERS: Operation = Operation { name: "mde machine users", per_minute: 100, per_hour: 1500, roles: &["User.Read.All"] };
const ALERTS: Operation = Operation { name: "mde machine alerts", per_minute: 100, per_hour: 1500, roles: ALERT_ROLES };

const FIELDS: &[(&str, Kind)] = &[
    ("computerDnsName", Kind::Text),
    ("id", Kind::Text),
    ("version", Kind::Text),
    ("deviceValue", Kind::Text),
    ("aadDeviceId", Kind::Text),
    ("machineTags", Kind::Text),
    ("lastSeen", Kind::Date),
    ("exposureLevel", Kind::Text),
    ("onboardingStatus", Kind::Text),
    ("lastIpAddress", Kind::Text),
    ("healthStatus", Kind::Text),
    ("osPlatform", Kind::Text),
    ("riskScore", Kind::Text),
    ("rbacGroupId", Kind::Number),
];
const PAGE: usize = 10_000;
const CONTEXT: &str = "https://api.securitycenter.microsoft.com/api/$metadata#";

/// What was changed about a device since it was invented.
#[derive(Clone, Default)]
pub(super) struct Edits {
    pub tags: Vec<String>,
    pub value: Option<String>,
    pub offboarded: bool,
}

/// Answers what is about devices; `None`: it is about something else.
pub(super) fn answer(world: &mut World, call: &Call, path: &[&str]) -> Option<Answer> {
    let api = Api::DefenderEndpoint;
    Some(match (&call.method, path) {
        (&Method::GET, ["machines"]) => gate::serve(world, call, api, &LIST, |world, dir| list(world, call, dir)),
        (&Method::GET, ["machines", name]) => gate::serve(world, call, api, &GET, |world, dir| get(world, name, dir)),
        (&Method::PATCH, ["machines", id]) => gate::serve(world, call, api, &UPDATE, |world, dir| update(world, call, id, dir)),
        (&Method::POST, ["machines", id, "tags"]) => gate::serve(world, call, api, &TAGS, |world, dir| tags(world, call, id, dir)),
        (&Method::GET, ["machines", id, "logonusers"]) => gate::serve(world, call, api, &USERS, |world, dir| users(world, id, dir)),
        (&Method::GET, ["machines", id, "alerts"]) => gate::serve(world, call, api, &ALERTS, |world, dir| {
            found(alerts(world, id, dir), id, |rows| {
                Answer::json(200, &json!({"@odata.context": format!("{CONTEXT}Alerts"), "value": rows}))
            })
        }),
        // A bare number, not an object.
        (&Method::GET, ["machines", id, "alerts", "$count"]) => gate::serve(world, call, api, &ALERTS, |world, dir| {
            found(alerts(world, id, dir), id, |rows| Answer::json(200, &json!(rows.len())))
        }),
        _ => return None,
    })
}

fn found<T>(what: Option<T>, id: &str, show: impl FnOnce(T) -> Answer) -> Answer {
    what.map_or_else(|| not_found(id), show)
}

fn not_found(id: &str) -> Answer {
    Answer::defender(404, "ResourceNotFound", &format!("Machine {id} was not found"))
}

/// A device as it is shown now.
fn shown(directory: &Directory, n: usize, now: DateTime<Utc>) -> Option<Value> {
    let device = directory.devices.get(n)?;
    let mut row = content::endpoint::machine(device, now);
    if let Some(edits) = directory.edits.get(&device.id) {
        row["machineTags"] = json!(edits.tags);
        if let Some(value) = &edits.value {
            row["deviceValue"] = json!(value);
        }
        if edits.offboarded {
            row["onboardingStatus"] = json!("Offboarded");
            row["healthStatus"] = json!("Inactive");
        }
    }
    Some(row)
}

/// Answers 404 when no machine has reported lately.
fn list(world: &World, call: &Call, id: DirectoryId) -> Answer {
    let (call, prefix) = match prefix(call) {
        Some((rest, prefix)) => (rest, Some(prefix)),
        None => (call.query.clone(), None),
    };
    let page = match odata::page_of(&call, FIELDS, PAGE, &[]) {
        Ok(page) => page,
        Err(refusal) => return refusal,
    };
    let now = world.now();
    let Some(directory) = world.directories.get(&id).filter(|directory| !directory.devices.is_empty()) else {
        return Answer::defender(404, "ResourceNotFound", "No recent machines were found.");
    };
    let kind_of = |name: &str| FIELDS.iter().find(|(known, _)| *known == name).map_or(Kind::Text, |(_, kind)| *kind);
    let begins =
        |row: &Value| prefix.as_ref().is_none_or(|prefix| row["computerDnsName"].as_str().is_some_and(|name| name.starts_with(prefix)));
    let holds = |row: &Value| page.clauses.iter().all(|clause| clause.holds(|name| raw_field(row, name, kind_of(name))));
    let rows: Vec<Value> = (0..directory.devices.len())
        .filter_map(|n| shown(directory, n, now))
        .filter(|row| begins(row) && holds(row))
        .skip(page.skip)
        .take(page.top)
        .collect();
    Answer::json(200, &json!({"@odata.context": format!("{CONTEXT}Machines"), "value": rows}))
}

/// `startswith(computerDnsName,'x')` as the whole filter: the query without it, and `x`.
fn prefix(call: &Call) -> Option<(Vec<(String, String)>, String)> {
    let text = call.query("$filter")?;
    let inner = text.strip_prefix("startswith(computerDnsName,'")?.strip_suffix("')")?;
    let rest = call.query.iter().filter(|(name, _)| name != "$filter").cloned().collect();
    Some((rest, inner.replace("''", "'")))
}

/// By id or by full name.
fn number(directory: &Directory, name: &str) -> Option<usize> {
    directory.devices.iter().position(|device| device.id == name || device.dns_name == name)
}

fn get(world: &World, name: &str, id: DirectoryId) -> Answer {
    let row = world.directories.get(&id).and_then(|directory| shown(directory, number(directory, name)?, world.now()));
    found(row, name, |row| Answer::json(200, &entity(row)))
}

fn entity(mut row: Value) -> Value {
    row["@odata.context"] = json!(format!("{CONTEXT}Machines/$entity"));
    row
}

/// The members of a JSON object, all of them known and of these names exactly.
pub(super) fn members(call: &Call, known: &[&str]) -> Result<Map<String, Value>, Answer> {
    let wrong = |text: &str| Answer::defender(400, "InvalidRequestBody", text);
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| wrong("Request body is incorrect"))?;
    let Value::Object(body) = body else { return Err(wrong("Request body is incorrect")) };
    match body.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(wrong(&format!("The property '{name}' does not exist"))),
        None => Ok(body),
    }
}

fn update(world: &mut World, call: &Call, id: &str, directory: DirectoryId) -> Answer {
    let body = match members(call, &["deviceValue", "machineTags"]) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let value = body.get("deviceValue").map(|value| value.as_str().unwrap_or_default().to_owned());
    if value.as_ref().is_some_and(|value| !["Normal", "Low", "High"].contains(&value.as_str())) {
        return Answer::defender(400, "InvalidRequestBody", "deviceValue must be one of Normal, Low, High");
    }
    let tags = body.get("machineTags").and_then(Value::as_array);
    let tags = tags.map(|tags| tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect::<Vec<_>>());
    edit(world, id, directory, |edits| {
        edits.value = value.or(edits.value.take());
        if let Some(tags) = tags {
            edits.tags = tags;
        }
    })
}

fn tags(world: &mut World, call: &Call, id: &str, directory: DirectoryId) -> Answer {
    let body = match members(call, &["Value", "Action"]) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let (Some(tag), Some(action @ ("Add" | "Remove"))) =
        (body.get("Value").and_then(Value::as_str), body.get("Action").and_then(Value::as_str))
    else {
        return Answer::defender(400, "MissingRequiredParameter", "Value and Action (Add or Remove) are required");
    };
    let (tag, add) = (tag.to_owned(), action == "Add");
    edit(world, id, directory, |edits| {
        edits.tags.retain(|known| *known != tag);
        if add {
            edits.tags.push(tag);
        }
    })
}

/// Changes a device; the answer is the device as it is then.
fn edit(world: &mut World, id: &str, directory: DirectoryId, change: impl FnOnce(&mut Edits)) -> Answer {
    let now = world.now();
    let Some(dir) = world.directories.get_mut(&directory) else { return not_found(id) };
    let Some(n) = dir.devices.iter().position(|device| device.id == id) else { return not_found(id) };
    change(dir.edits.entry(id.to_owned()).or_default());
    found(shown(dir, n, now), id, |row| Answer::json(200, &entity(row)))
}

fn users(world: &World, id: &str, directory: DirectoryId) -> Answer {
    let now = world.now();
    let rows = world.directories.get(&directory).and_then(|dir| {
        let device = dir.devices.get(number(dir, id)?)?;
        let owner = dir.people.get(device.owner)?;
        let domain = dir.domain().split('.').next().unwrap_or_default();
        Some(json!([{
            "id": format!("{domain}\\{}", owner.account), "accountName": owner.account, "accountDomain": domain,
            "firstSeen": "2025-03-01T08:02:54Z", "lastSeen": content::stamp(content::to_ticks(now - chrono::TimeDelta::minutes(50))),
            "logonTypes": "Interactive", "isDomainAdmin": false, "isOnlyNetworkUser": false,
        }]))
    });
    found(rows, id, |rows| Answer::json(200, &json!({"@odata.context": format!("{CONTEXT}Users"), "value": rows})))
}

/// The alerts of a device, newest first.
fn alerts(world: &World, id: &str, directory: DirectoryId) -> Option<Vec<Value>> {
    let dir = world.directories.get(&directory)?;
    let device = dir.devices.get(number(dir, id)?)?;
    let newest_first = dir.records.endpoint_by_update.iter().rev().filter_map(|(_, id)| {
        let incident = dir.records.incidents.get(dir.records.home.get(id)?)?;
        Some(content::endpoint::alert(dir, incident, incident.alerts.iter().find(|alert| alert.id == *id)?, false))
    });
    Some(newest_first.filter(|alert| alert["machineId"] == json!(device.id)).collect())
}
