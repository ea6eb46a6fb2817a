//! Machine actions of Defender for Endpoint, after the pages "MachineAction resource type", "Isolate machine API" and its like, "Run live
//! response commands on a device", "List machineActions API" and "Cancel machine action API".

use super::actions_list;
use super::call::{Answer, Call};
use super::content::{stamp, to_ticks};
use super::gate::{self, Operation};
use super::hosts::Api;
use super::machines::members;
use super::world::World;
use crate::model::DirectoryId;
use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

/// One kind of action.
struct Kind {
    /// In the path.
    path: &'static str,
    /// `type` of the machine action.
    name: &'static str,
    /// Members of the body besides `Comment`, with the values they may have; an empty list: any text.
    members: &'static [(&'static str, &'static [&'static str])],
    operation: Operation,
}

const fn limits(name: &'static str, roles: &'static [&'static str]) -> Operation {
    Operation { name, per_minute: 100, per_hour: 1500, roles }
}

pub(super) const ISOLATE: &[&str] = &["Machine.Isolate"];
pub(super) const SCAN: &[&str] = &["Machine.Scan"];
pub(super) const COLLECT: &[&str] = &["Machine.CollectForensics"];
pub(super) const RESTRICT: &[&str] = &["Machine.RestrictExecution"];
pub(super) const QUARANTINE: &[&str] = &["Machine.StopAndQuarantine"];
pub(super) const OFFBOARD: &[&str] = &["Machine.Offboard"];
pub(super) const LIVE: &[&str] = &["Machine.LiveResponse"];

const KINDS: [Kind; 9] = [
    Kind {
        path: "isolate",
        name: "Isolate",
        members: &[("IsolationType", &["Full", "Selective", "UnManagedDevice"])],
        operation: limits("mde isolate", ISOLATE),
    },
    Kind { path: "unisolate", name: "Unisolate", members: &[], operation: limits("mde unisolate", ISOLATE) },
    Kind {
        path: "runAntiVirusScan",
        name: "RunAntiVirusScan",
        members: &[("ScanType", &["Quick", "Full"])],
        operation: limits("mde scan", SCAN),
    },
    Kind {
        path: "collectInvestigationPackage",
        name: "CollectInvestigationPackage",
        members: &[],
        operation: limits("mde collect", COLLECT),
    },
    Kind { path: "restrictCodeExecution", name: "RestrictCodeExecution", members: &[], operation: limits("mde restrict", RESTRICT) },
    Kind { path: "unrestrictCodeExecution", name: "UnrestrictCodeExecution", members: &[], operation: limits("mde unrestrict", RESTRICT) },
    Kind {
        path: "StopAndQuarantineFile",
        name: "StopAndQuarantineFile",
        members: &[("Sha1", &[])],
        operation: limits("mde quarantine", QUARANTINE),
    },
    Kind { path: "offboard", name: "Offboard", members: &[], operation: limits("mde offboard", OFFBOARD) },
    Kind {
        path: "runliveresponse",
        name: "LiveResponse",
        members: &[("Commands", &[])],
        operation: Operation { name: "mde live response", per_minute: 10, per_hour: 600, roles: LIVE },
    },
];
const CANCEL: [&[&str]; 7] = [ISOLATE, SCAN, COLLECT, RESTRICT, QUARANTINE, OFFBOARD, LIVE];
const ANY: &[&str] = &[
    "Machine.Isolate",
    "Machine.Scan",
    "Machine.CollectForensics",
    "Machine.RestrictExecution",
    "Machine.StopAndQuarantine",
    "Machine.Offboard",
    "Machine.LiveResponse",
];

/// How an action ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Succeeded,
    Failed,
    TimeOut,
}

/// One action on a device. Its state follows from the clock.
#[derive(Clone)]
pub(super) struct Action {
    pub id: String,
    pub kind: &'static str,
    pub scope: Option<String>,
    pub machine: String,
    pub name: String,
    pub comment: String,
    pub requestor: String,
    pub sha1: Option<String>,
    pub commands: Vec<Value>,
    pub created: DateTime<Utc>,
    pub ending: Ending,
    /// When, why.
    pub cancelled: Option<(DateTime<Utc>, String)>,
}

impl Action {
    pub fn status(&self, now: DateTime<Utc>) -> &'static str {
        match now - self.created {
            _ if self.cancelled.is_some() => "Cancelled",
            age if age < TimeDelta::seconds(5) => "Pending",
            age if age < TimeDelta::seconds(40) => "InProgress",
            _ => match self.ending {
                Ending::Succeeded => "Succeeded",
                Ending::Failed => "Failed",
                Ending::TimeOut => "TimeOut",
            },
        }
    }

    pub fn runs(&self, now: DateTime<Utc>) -> bool {
        matches!(self.status(now), "Pending" | "InProgress")
    }

    /// As the API shows it. Both spellings of the time of the last update occur.
    pub fn show(&self, now: DateTime<Utc>) -> Value {
        let updated = self.cancelled.as_ref().map_or_else(|| (self.created + TimeDelta::seconds(40)).min(now), |(at, _)| *at);
        let mut row = json!({
            "id": self.id, "type": self.kind, "scope": self.scope, "requestor": self.requestor, "requestorComment": self.comment,
            "status": self.status(now), "machineId": self.machine, "computerDnsName": self.name, "title": null,
            "creationDateTimeUtc": stamp(to_ticks(self.created)), "errorHResult": if self.status(now) == "Failed" { -2_147_024_894 } else { 0 },
            "relatedFileInfo": self.sha1.as_ref().map(|sha1| json!({"fileIdentifier": sha1, "fileIdentifierType": "Sha1"})),
        });
        let spelling = if self.kind == "LiveResponse" || self.kind == "Isolate" { "lastUpdateDateTimeUtc" } else { "lastUpdateTimeUtc" };
        row[spelling] = json!(stamp(to_ticks(updated)));
        if let Some((at, why)) = &self.cancelled {
            row["cancellationRequestor"] = json!(self.requestor);
            row["cancellationComment"] = json!(why);
            row["cancellationDateTimeUtc"] = json!(stamp(to_ticks(*at)));
        }
        if self.kind == "LiveResponse" {
            let state = if self.status(now) == "Succeeded" { "Completed" } else { "Created" };
            let commands = self.commands.iter().enumerate().map(|(index, command)| {
                json!({"index": index, "startTime": null, "endTime": null, "commandStatus": state, "errors": [], "command": command})
            });
            row["commands"] = commands.collect();
        }
        row
    }
}

/// Answers what is about actions; `None`: it is about something else.
pub(super) fn answer(world: &mut World, call: &Call, path: &[&str]) -> Option<Answer> {
    let api = Api::DefenderEndpoint;
    match (&call.method, path) {
        (&Method::POST, ["machines", id, what]) if KINDS.iter().any(|kind| kind.path == *what) => {
            let kind = KINDS.iter().find(|kind| kind.path == *what)?;
            Some(gate::serve(world, call, api, &kind.operation, |world, dir| begin(world, call, kind, id, dir)))
        }
        (&Method::POST, ["machineactions", id, "cancel"]) => {
            let operation = limits("mde cancel", ANY);
            Some(gate::serve_as(world, call, api, &operation, |world, dir, roles| cancel(world, call, id, dir, roles)))
        }
        _ => actions_list::answer(world, call, path),
    }
}

fn wrong(code: &str, text: &str) -> Answer {
    Answer::defender(400, code, text)
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The body of an action, checked.
fn checked(call: &Call, kind: &Kind) -> Result<Map<String, Value>, Answer> {
    let known: Vec<&str> = kind.members.iter().map(|(name, _)| *name).chain(["Comment"]).collect();
    let body = members(call, &known)?;
    if text(&body, "Comment").is_none() {
        return Err(wrong("MissingRequiredParameter", "Comment is required"));
    }
    for (name, values) in kind.members.iter().filter(|(name, _)| *name != "Commands") {
        let value = text(&body, name).ok_or_else(|| wrong("MissingRequiredParameter", &format!("{name} is required")))?;
        if !values.is_empty() && !values.contains(&value) {
            return Err(wrong("InvalidInput", &format!("{name} must be one of {}", values.join(", "))));
        }
    }
    if text(&body, "Sha1").is_some_and(|sha1| sha1.len() != 40 || !sha1.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Err(wrong("InvalidHashValue", "Sha1 is not a SHA-1 hash"));
    }
    if kind.name == "LiveResponse"
        && !body.get("Commands").and_then(Value::as_array).is_some_and(|list| !list.is_empty() && list.iter().all(is_command))
    {
        return Err(wrong("InvalidRequestBody", "Commands must name PutFile, RunScript or GetFile with their parameters"));
    }
    Ok(body)
}

fn is_command(command: &Value) -> bool {
    let keys: &[&str] = match command["type"].as_str() {
        Some("PutFile") => &["FileName"],
        Some("RunScript") => &["ScriptName", "Args"],
        Some("GetFile") => &["Path"],
        _ => return false,
    };
    let params = command["params"].as_array().map(Vec::as_slice).unwrap_or_default();
    let key = |param: &Value| param["key"].as_str().is_some_and(|key| keys.contains(&key)) && param["value"].is_string();
    params.iter().any(|param| param["key"].as_str() == keys.first().copied()) && params.iter().all(key)
}

fn begin(world: &mut World, call: &Call, kind: &'static Kind, id: &str, directory: DirectoryId) -> Answer {
    let body = match checked(call, kind) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let (now, guid) = (world.now(), world.rng.guid());
    let Some(dir) = world.directories.get_mut(&directory) else { return not_found(id) };
    let Some(device) = dir.devices.iter().find(|device| device.id == id).cloned() else { return not_found(id) };
    if dir.actions.iter().any(|action| action.machine == id && action.kind == kind.name && action.runs(now)) {
        return wrong("BadRequest", "Action is already in progress");
    }
    let action = Action {
        id: guid.to_string(),
        kind: kind.name,
        scope: text(&body, "IsolationType").or(text(&body, "ScanType")).map(str::to_owned),
        machine: device.id,
        name: device.dns_name,
        comment: text(&body, "Comment").unwrap_or_default().to_owned(),
        // An application acts; the page's samples end the name with a space at times.
        requestor: "Watchfloor ".to_owned(),
        sha1: text(&body, "Sha1").map(str::to_owned),
        commands: body.get("Commands").and_then(Value::as_array).cloned().unwrap_or_default(),
        created: now,
        ending: dir.next_ending.take().unwrap_or(Ending::Succeeded),
        cancelled: None,
    };
    let mut row = action.show(now);
    row["@odata.context"] = json!("https://api.securitycenter.microsoft.com/api/$metadata#MachineActions/$entity");
    dir.actions.push(action);
    if kind.name == "Offboard" {
        dir.edits.entry(id.to_owned()).or_default().offboarded = true;
    }
    Answer::json(if kind.name == "Offboard" { 200 } else { 201 }, &row)
}

fn not_found(id: &str) -> Answer {
    Answer::defender(404, "ResourceNotFound", &format!("Resource {id} was not found"))
}

/// Needs the permission of the kind of action that is cancelled.
fn cancel(world: &mut World, call: &Call, id: &str, directory: DirectoryId, roles: &[String]) -> Answer {
    let body = match members(call, &["Comment"]) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let Some(comment) = text(&body, "Comment") else { return wrong("MissingRequiredParameter", "Comment is required") };
    let now = world.now();
    let Some(action) = world.directories.get_mut(&directory).and_then(|dir| dir.actions.iter_mut().find(|action| action.id == id)) else {
        return not_found(id);
    };
    let needed = KINDS.iter().find(|kind| kind.name == action.kind).map_or(CANCEL[0], |kind| kind.operation.roles);
    if !needed.iter().any(|needed| roles.iter().any(|role| role.eq_ignore_ascii_case(needed))) {
        return Answer::defender(403, "Forbidden", &format!("The application needs {needed:?} to cancel this action."));
    }
    if !action.runs(now) {
        return wrong("BadRequest", "The action has ended and cannot be cancelled");
    }
    action.cancelled = Some((now, comment.to_owned()));
    let row = action.show(now);
    Answer::json(200, &row)
}
