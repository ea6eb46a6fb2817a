//! What was done to devices, listed; links to what was collected; investigations and indicators. After the pages "List machineActions API",
//! "Get package SAS URI API", "Get live response results", "List Investigations API", "Start Investigation API" and "List Indicators API".

use super::actions::{COLLECT, LIVE};
use super::call::{Answer, Call};
use super::content::{stamp, to_ticks};
use super::gate::{self, Operation};
use super::hosts::Api;
use super::machines::members;
use super::odata::{self, Kind, raw_field};
use super::world::World;
use crate::model::DirectoryId;
use axum::http::Method;
use serde_json::{Value, json};

const READ: &[&str] = &["Machine.Read.All", "Machine.ReadWrite.All"];
const ALERTS: &[&str] = &["Alert.Read.All", "Alert.ReadWrite.All"];
const LIST: Operation = Operation { name: "mde actions", per_minute: 100, per_hour: 1500, roles: READ };
const GET: Operation = Operation { name: "mde action", per_minute: 100, per_hour: 1500, roles: READ };
const PACKAGE: Operation = Operation { name: "mde package", per_minute: 2, per_hour: 120, roles: COLLECT };
const RESULT: Operation = Operation { name: "mde live result", per_minute: 100, per_hour: 1500, roles: LIVE };
const INVESTIGATE: Operation = Operation { name: "mde investigate", per_minute: 50, per_hour: 50, roles: &["Alert.ReadWrite.All"] };
const INVESTIGATIONS: Operation = Operation { name: "mde investigations", per_minute: 100, per_hour: 1500, roles: ALERTS };
const INDICATORS: Operation =
    Operation { name: "mde indicators", per_minute: 100, per_hour: 1500, roles: &["Ti.ReadWrite", "Ti.ReadWrite.All"] };
const PAGE: usize = 10_000;
const CONTEXT: &str = "https://api.securitycenter.microsoft.com/api/$metadata#";

const FIELDS: &[(&str, Kind)] = &[
    ("id", Kind::Text),
    ("status", Kind::Text),
    ("machineId", Kind::Text),
    ("type", Kind::Text),
    ("requestor", Kind::Text),
    ("creationDateTimeUtc", Kind::Date),
];
const INVESTIGATION_FIELDS: &[(&str, Kind)] =
    &[("startTime", Kind::Date), ("id", Kind::Text), ("state", Kind::Text), ("machineId", Kind::Text), ("triggeringAlertId", Kind::Text)];

/// Answers what is about actions that there are; `None`: it is about something else.
pub(super) fn answer(world: &mut World, call: &Call, path: &[&str]) -> Option<Answer> {
    let api = Api::DefenderEndpoint;
    Some(match (&call.method, path) {
        (&Method::GET, ["machineactions"]) => gate::serve(world, call, api, &LIST, |world, dir| {
            let now = world.now();
            let rows = world.directories.get(&dir).map(|dir| dir.actions.iter().rev().map(|action| action.show(now)).collect());
            list(call, rows.unwrap_or_default(), FIELDS, "MachineActions")
        }),
        (&Method::GET, ["machineactions", id]) => gate::serve(world, call, api, &GET, |world, dir| {
            action(world, dir, id).map_or_else(|| not_found(id), |(row, _)| Answer::json(200, &row))
        }),
        (&Method::GET, ["machineactions", id, "GetPackageUri"]) => {
            gate::serve(world, call, api, &PACKAGE, |world, dir| package(world, dir, id))
        }
        (&Method::GET, ["machineactions", id, result]) => {
            let index = result.strip_prefix("GetLiveResponseResultDownloadLink(index=")?.strip_suffix(')')?;
            gate::serve(world, call, api, &RESULT, |world, dir| live_result(world, dir, id, index))
        }
        (&Method::POST, ["machines", id, "startInvestigation"]) => {
            gate::serve(world, call, api, &INVESTIGATE, |world, dir| investigate(world, call, dir, id))
        }
        (&Method::GET, ["investigations"]) => gate::serve(world, call, api, &INVESTIGATIONS, |world, dir| {
            let rows = world.directories.get(&dir).map(|dir| dir.investigations.iter().rev().cloned().collect());
            list(call, rows.unwrap_or_default(), INVESTIGATION_FIELDS, "Investigations")
        }),
        (&Method::GET, ["indicators"]) => gate::serve(world, call, api, &INDICATORS, |_, _| list(call, indicators(), &[], "Indicators")),
        _ => return None,
    })
}

fn list(call: &Call, rows: Vec<Value>, fields: &'static [(&'static str, Kind)], name: &str) -> Answer {
    let page = match odata::page(call, fields, PAGE, &[]) {
        Ok(page) => page,
        Err(refusal) => return refusal,
    };
    let kind_of = |name: &str| fields.iter().find(|(known, _)| *known == name).map_or(Kind::Text, |(_, kind)| *kind);
    let holds = |row: &Value| page.clauses.iter().all(|clause| clause.holds(|name| raw_field(row, name, kind_of(name))));
    let rows: Vec<Value> = rows.into_iter().filter(holds).skip(page.skip).take(page.top).collect();
    Answer::json(200, &json!({"@odata.context": format!("{CONTEXT}{name}"), "value": rows}))
}

fn not_found(id: &str) -> Answer {
    Answer::defender(404, "ResourceNotFound", &format!("Resource {id} was not found"))
}

fn action(world: &World, directory: DirectoryId, id: &str) -> Option<(Value, bool)> {
    let now = world.now();
    let action = world.directories.get(&directory)?.actions.iter().find(|action| action.id == id)?;
    Some((action.show(now), action.status(now) == "Succeeded"))
}

/// A text within a text, as the page's sample shows it.
fn package(world: &World, directory: DirectoryId, id: &str) -> Answer {
    match action(world, directory, id) {
        Some((row, true)) if row["type"] == "CollectInvestigationPackage" => {
            let link = format!(
                "\"https://userrequests-us.securitycenter.windows.com:443/safedownload/WDATP_Investigation_Package.zip?token={id}\""
            );
            Answer::json(200, &json!({"@odata.context": format!("{CONTEXT}Edm.String"), "value": link}))
        }
        _ => not_found(id),
    }
}

fn live_result(world: &World, directory: DirectoryId, id: &str, index: &str) -> Answer {
    let commands = action(world, directory, id).filter(|(_, done)| *done).and_then(|(row, _)| row["commands"].as_array().map(Vec::len));
    match (commands, index.parse::<usize>()) {
        (Some(commands), Ok(index)) if index < commands => {
            let link =
                format!("https://core.windows.net/investigation-actions-data/ID/CustomPlaybookCommandOutput/{id}?index={index}&sig=x%3D");
            Answer::json(200, &json!({"@odata.context": format!("{CONTEXT}Edm.String"), "value": link}))
        }
        _ => not_found(id),
    }
}

fn investigate(world: &mut World, call: &Call, directory: DirectoryId, machine: &str) -> Answer {
    let body = match members(call, &["Comment"]) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if body.get("Comment").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Answer::defender(400, "MissingRequiredParameter", "Comment is required");
    }
    let now = world.now();
    let Some(dir) = world.directories.get_mut(&directory) else { return not_found(machine) };
    let Some(device) = dir.devices.iter().find(|device| device.id == machine) else { return not_found(machine) };
    let row = json!({
        "id": (63_017 + dir.investigations.len()).to_string(), "startTime": stamp(to_ticks(now)), "endTime": null, "state": "Running",
        "cancelledBy": null, "statusDetails": null, "machineId": device.id, "computerDnsName": device.dns_name, "triggeringAlertId": null,
    });
    dir.investigations.push(row.clone());
    Answer::json(201, &row)
}

fn indicators() -> Vec<Value> {
    vec![json!({
        "id": "995", "indicatorValue": "203.0.113.66", "indicatorType": "IpAddress", "action": "Alert", "application": "Watchfloor demo",
        "source": "Watchfloor demo", "sourceType": "AadApp", "title": "Known command server",
        "creationTimeDateTimeUtc": "2026-10-24T11:15:35.3688259Z", "createdBy": "45097602-1234-5678-1234-9f453233e62c",
        "expirationTime": "2027-12-12T00:00:00Z", "lastUpdateTime": "2026-10-24T10:54:23.2009016Z", "lastUpdatedBy": "Watchfloor demo",
        "severity": "Medium", "description": "Seen in a campaign against clinics", "recommendedActions": "Isolate and call", "rbacGroupNames": [],
    })]
}
