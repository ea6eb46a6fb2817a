//! Changing alerts of Defender for Endpoint and incidents of Defender XDR, after the pages "Update alert", "Batch update alerts", "Create alert
//! from event" and "Update incidents API".

use super::call::{Answer, Call};
use super::content::{self, scenario, stamp, to_ticks};
use super::gate::{self, Operation};
use super::hosts::Api;
use super::machines::members;
use super::records::{Comment, Incident};
use super::world::World;
use crate::model::DirectoryId;
use axum::http::Method;
use serde_json::{Map, Value, json};

const ALERT_ROLES: &[&str] = &["Alert.ReadWrite.All"];
const UPDATE: Operation = Operation { name: "mde alert update", per_minute: 100, per_hour: 1500, roles: ALERT_ROLES };
const BATCH: Operation = Operation { name: "mde alert batch", per_minute: 10, per_hour: 500, roles: ALERT_ROLES };
const CREATE: Operation = Operation { name: "mde alert create", per_minute: 15, per_hour: 900, roles: ALERT_ROLES };
const INCIDENT: Operation = Operation { name: "xdr update", per_minute: 50, per_hour: 1500, roles: &["Incident.ReadWrite.All"] };

const ALERT_STATUS: &[&str] = &["New", "InProgress", "Resolved"];
const INCIDENT_STATUS: &[&str] = &["Active", "InProgress", "Resolved", "Redirected"];
const CLASSIFICATIONS: &[&str] = &["TruePositive", "InformationalExpectedActivity", "FalsePositive", "Unknown"];
const DETERMINATIONS: &[&str] = &[
    "MultiStagedAttack",
    "MaliciousUserActivity",
    "CompromisedAccount",
    "CompromisedUser",
    "Malware",
    "Phishing",
    "UnwantedSoftware",
    "SecurityTesting",
    "LineOfBusinessApplication",
    "ConfirmedActivity",
    "ConfirmedUserActivity",
    "Clean",
    "NotMalicious",
    "NoEnoughDataToValidate",
    "InsufficientData",
    "NotAvailable",
    "Other",
];
const ALERT_MEMBERS: &[&str] = &["status", "assignedTo", "classification", "determination", "comment"];

/// Answers what changes alerts; `None`: it is about something else.
pub(super) fn answer(world: &mut World, call: &Call, path: &[&str]) -> Option<Answer> {
    let api = Api::DefenderEndpoint;
    Some(match (&call.method, path) {
        (&Method::PATCH, ["alerts", id]) => gate::serve(world, call, api, &UPDATE, |world, dir| update(world, call, id, dir)),
        (&Method::POST, ["alerts", "batchUpdate"]) => gate::serve(world, call, api, &BATCH, |world, dir| batch(world, call, dir)),
        (&Method::POST, ["alerts", "CreateAlertByReference"]) => {
            gate::serve(world, call, api, &CREATE, |world, dir| create(world, call, dir))
        }
        _ => return None,
    })
}

fn wrong(text: &str) -> Answer {
    Answer::defender(400, "InvalidRequestBody", text)
}

/// A member that must be one of these words, as the stand-in's own.
fn word(body: &Map<String, Value>, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Answer> {
    let Some(value) = body.get(name) else { return Ok(None) };
    let known = value.as_str().and_then(|value| words.iter().copied().find(|word| *word == value));
    known.map(Some).ok_or_else(|| wrong(&format!("Invalid value {value} for {name}. Allowed values: {}", words.join(", "))))
}

/// What is to be changed, checked.
struct Change {
    status: Option<&'static str>,
    assigned_to: Option<String>,
    classification: Option<&'static str>,
    determination: Option<&'static str>,
    tags: Option<Vec<String>>,
    comment: Option<String>,
}

impl Change {
    fn read(body: &Map<String, Value>, statuses: &[&'static str]) -> Result<Self, Answer> {
        let text = |name: &str| match body.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong(&format!("{name} must be a string"))),
        };
        let tags = body.get("tags").map(|tags| tags.as_array().ok_or_else(|| wrong("tags must be an array"))).transpose()?;
        Ok(Self {
            status: word(body, "status", statuses)?,
            assigned_to: text("assignedTo")?,
            classification: word(body, "classification", CLASSIFICATIONS)?,
            determination: word(body, "determination", DETERMINATIONS)?,
            tags: tags.map(|tags| tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()),
            comment: text("comment")?,
        })
    }
}

/// The application writes; the person behind it is hidden.
const WRITER: &str = "Watchfloor (application)";

fn update(world: &mut World, call: &Call, id: &str, directory: DirectoryId) -> Answer {
    let change = match members(call, ALERT_MEMBERS).and_then(|body| Change::read(&body, ALERT_STATUS)) {
        Ok(change) => change,
        Err(refusal) => return refusal,
    };
    if !apply(world, directory, id, &change) {
        return Answer::defender(404, "ResourceNotFound", &format!("Alert {id} was not found"));
    }
    super::endpoint::get(world, id, directory)
}

/// Changes one alert. False: there is none.
fn apply(world: &mut World, directory: DirectoryId, id: &str, change: &Change) -> bool {
    let now = to_ticks(world.now());
    let Some(dir) = world.directories.get_mut(&directory) else { return false };
    let Some(home) = dir.records.home.get(id).copied() else { return false };
    dir.records.change(home, |incident| {
        let Some(alert) = incident.alerts.iter_mut().find(|alert| alert.id == id) else { return };
        alert.status = change.status.unwrap_or(alert.status);
        alert.resolved = if alert.status == "Resolved" { alert.resolved.or(Some(now)) } else { None };
        alert.classification = change.classification.or(alert.classification);
        alert.determination = change.determination.or(alert.determination);
        alert.assigned_to = change.assigned_to.clone().or(alert.assigned_to.take());
        alert.comments.extend(change.comment.clone().map(|text| Comment { text, by: WRITER.to_owned(), at: now }));
        alert.updated = now;
        if let Some(raw) = &mut alert.raw {
            rewrite(raw, change, "lastUpdateTime", &stamp(now));
        }
    });
    true
}

/// The same in a record that is shown as it is.
fn rewrite(raw: &mut Value, change: &Change, updated: &str, now: &str) {
    for (name, value) in [
        ("status", change.status.map(Value::from)),
        ("assignedTo", change.assigned_to.clone().map(Value::from)),
        ("classification", change.classification.map(Value::from)),
        ("determination", change.determination.map(Value::from)),
        ("tags", change.tags.clone().map(Value::from)),
    ] {
        if let Some(value) = value {
            raw[name] = value;
        }
    }
    if let (Some(text), Some(comments)) = (&change.comment, raw["comments"].as_array_mut()) {
        comments.push(json!({"comment": text, "createdBy": WRITER, "createdTime": now}));
    }
    raw[updated] = json!(now);
}

/// An empty body on success.
fn batch(world: &mut World, call: &Call, directory: DirectoryId) -> Answer {
    let known: Vec<&str> = ALERT_MEMBERS.iter().copied().chain(["alertIds"]).collect();
    let (ids, change) = match members(call, &known).and_then(|body| Ok((body.get("alertIds").cloned(), Change::read(&body, ALERT_STATUS)?)))
    {
        Ok(read) => read,
        Err(refusal) => return refusal,
    };
    let Some(ids) = ids.as_ref().and_then(Value::as_array).filter(|ids| !ids.is_empty()) else {
        return Answer::defender(400, "MissingRequiredParameter", "alertIds is required");
    };
    for id in ids.iter().filter_map(Value::as_str) {
        apply(world, directory, id, &change);
    }
    Answer::text(200, "")
}

fn create(world: &mut World, call: &Call, directory: DirectoryId) -> Answer {
    let needed = ["machineId", "severity", "title", "description", "recommendedAction", "eventTime", "reportId", "category"];
    let body = match members(call, &needed) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if let Some(name) = needed.iter().find(|name| body.get(**name).and_then(Value::as_str).is_none_or(str::is_empty)) {
        return Answer::defender(400, "MissingRequiredParameter", &format!("{name} is required"));
    }
    if let Err(refusal) = word(&body, "severity", &["Informational", "Low", "Medium", "High"]) {
        return refusal;
    }
    let now = to_ticks(world.now());
    let Some(dir) = world.directories.get_mut(&directory) else { return wrong("no directory") };
    if !dir.devices.iter().any(|device| Some(device.id.as_str()) == body["machineId"].as_str()) {
        return Answer::defender(404, "ResourceNotFound", "The machine was not found");
    }
    let mut holder = dir.records.blank(scenario(0), now);
    let plan = scenario(0).alerts.iter().find(|plan| plan.source == content::Source::Endpoint);
    let Some(plan) = plan else { return wrong("no story") };
    let mut alert = dir.records.alert(scenario(0), plan, 7, now);
    let mut shown = content::endpoint::alert(dir, &holder, &alert, true);
    for name in ["machineId", "severity", "title", "description", "recommendedAction", "category"] {
        shown[name] = body[name].clone();
    }
    let device = dir.devices.iter().find(|device| Some(device.id.as_str()) == body["machineId"].as_str());
    shown["computerDnsName"] = json!(device.map(|device| &device.dns_name));
    shown["incidentId"] = Value::Null;
    shown["evidence"] = json!([]);
    shown["detectionSource"] = json!("CustomerTI");
    alert.raw = Some(shown.clone());
    holder.hidden = true;
    holder.alerts.push(alert);
    dir.records.insert(holder);
    Answer::json(200, &shown)
}

/// Changes an incident; the answer is the incident as it is then.
pub(super) fn incident(world: &mut World, call: &Call, text: &str) -> Answer {
    gate::serve(world, call, Api::DefenderXdr, &INCIDENT, |world, directory| {
        let known = ["status", "assignedTo", "classification", "determination", "tags", "comment"];
        let change = match members(call, &known).and_then(|body| Change::read(&body, INCIDENT_STATUS)) {
            Ok(change) => change,
            Err(refusal) => return refusal,
        };
        let now = to_ticks(world.now());
        let number = text.parse::<i64>().unwrap_or_default();
        if let Some(dir) = world.directories.get_mut(&directory) {
            dir.records.change(number, |incident| edit(incident, &change, now));
        }
        super::xdr::get(world, text, directory)
    })
}

fn edit(incident: &mut Incident, change: &Change, now: chrono::DateTime<chrono::Utc>) {
    incident.status = change.status.unwrap_or(incident.status);
    incident.assigned_to = change.assigned_to.clone().or(incident.assigned_to.take()).filter(|name| !name.is_empty());
    incident.classification = change.classification.or(incident.classification);
    incident.determination = change.determination.or(incident.determination);
    incident.tags = change.tags.clone().unwrap_or(std::mem::take(&mut incident.tags));
    incident.comments.extend(change.comment.clone().map(|text| Comment { text, by: WRITER.to_owned(), at: now }));
    incident.updated = now;
    if let Some(raw) = &mut incident.raw {
        rewrite(raw, change, "lastUpdateTime", &stamp(now));
    }
}
