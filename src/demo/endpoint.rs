//! Defender for Endpoint, after "List alerts API", "Get alert information by ID API"; devices, actions and changes stand beside.

use super::call::{Answer, Call};
use super::gate::{self, Operation};
use super::hosts::Api;
use super::ledger::Shown;
use super::odata::{self, Kind, Operand, raw_field, text};
use super::records::{Alert, Incident};
use super::world::World;
use super::{actions, alert_writes, content, machines};
use crate::model::DirectoryId;
use axum::http::Method;
use serde_json::{Value, json};

const ALERT_ROLES: &[&str] = &["Alert.Read.All", "Alert.ReadWrite.All"];
const LIST: Operation = Operation { name: "mde alerts", per_minute: 100, per_hour: 1500, roles: ALERT_ROLES };
const GET: Operation = Operation { name: "mde alert", per_minute: 100, per_hour: 1500, roles: ALERT_ROLES };

const FIELDS: &[(&str, Kind)] = &[
    ("alertCreationTime", Kind::Date),
    ("lastUpdateTime", Kind::Date),
    ("lastEventTime", Kind::Date),
    ("incidentId", Kind::Number),
    ("InvestigationId", Kind::Number),
    ("id", Kind::Text),
    ("assignedTo", Kind::Text),
    ("detectionSource", Kind::Text),
    ("status", Kind::Text),
    ("severity", Kind::Text),
    ("category", Kind::Text),
];
const PAGE: usize = 10_000;

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    let mut segments = call.segments();
    // The version in the path is optional.
    segments.retain(|segment| *segment != "v1.0");
    let api = Api::DefenderEndpoint;
    match (&call.method, segments.as_slice()) {
        (&Method::GET, ["api", "alerts"]) => gate::serve(world, call, api, &LIST, |world, directory| list(world, call, directory)),
        (&Method::GET, ["api", "alerts", id]) => gate::serve(world, call, api, &GET, |world, directory| get(world, id, directory)),
        (_, ["api", path @ ..]) => machines::answer(world, call, path)
            .or_else(|| actions::answer(world, call, path))
            .or_else(|| alert_writes::answer(world, call, path))
            .unwrap_or_else(unplayed),
        _ => unplayed(),
    }
}

fn unplayed() -> Answer {
    Answer::defender(404, "ResourceNotFound", "The stand-in does not play this operation.")
}

fn list(world: &mut World, call: &Call, id: DirectoryId) -> Answer {
    let page = match odata::page(call, FIELDS, PAGE, &["$expand"]) {
        Ok(page) => page,
        Err(refusal) => return refusal,
    };
    let with_evidence = match call.query("$expand") {
        None => false,
        Some("evidence") => true,
        Some(other) => return Answer::defender(400, "ODataError", &format!("Could not find a property named '{other}'.")),
    };
    let Some(directory) = world.directories.get(&id) else { return not_found("directory") };
    let records = &directory.records;
    let newest_first = records.endpoint_by_update.iter().rev().filter_map(|(_, id)| {
        let incident = records.incidents.get(records.home.get(id)?)?;
        Some((incident, incident.alerts.iter().find(|alert| alert.id == *id)?))
    });
    let rows: Vec<Value> = newest_first
        .filter(|(incident, alert)| page.clauses.iter().all(|clause| clause.holds(|name| field(incident, alert, name))))
        .skip(page.skip)
        .take(page.top)
        .map(|(incident, alert)| content::endpoint::alert(directory, incident, alert, with_evidence))
        .collect();
    for row in &rows {
        show(world, id, row);
    }
    Answer::json(200, &json!({"@odata.context": "https://api.securitycenter.microsoft.com/api/$metadata#Alerts", "value": rows}))
}

pub(super) fn get(world: &mut World, text: &str, id: DirectoryId) -> Answer {
    let Some(directory) = world.directories.get(&id) else { return not_found(text) };
    let holder = directory.records.home.get(text).and_then(|holder| directory.records.incidents.get(holder));
    let found = holder.and_then(|holder| Some((holder, holder.alerts.iter().find(|alert| alert.id == text)?)));
    let Some((holder, alert)) = found else { return not_found(text) };
    let row = content::endpoint::alert(directory, holder, alert, true);
    show(world, id, &row);
    Answer::json(200, &row)
}

fn not_found(what: &str) -> Answer {
    Answer::defender(404, "ResourceNotFound", &format!("Alert {what} was not found"))
}

fn show(world: &mut World, directory: DirectoryId, row: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let shown = Shown { directory, api: Api::DefenderEndpoint, id: text(&row["id"]), version: text(&row["lastUpdateTime"]) };
    let now = world.now();
    world.ledger.show(now, shown);
}

fn field(incident: &Incident, alert: &Alert, name: &str) -> Operand {
    if let Some(raw) = &alert.raw {
        let kind = FIELDS.iter().find(|(known, _)| *known == name).map_or(Kind::Text, |(_, kind)| *kind);
        return match raw_field(raw, name, kind) {
            // A record without a time of its own lies where it was put.
            Operand::Null if kind == Kind::Date => Operand::Date(alert.updated),
            value => value,
        };
    }
    match name {
        "lastUpdateTime" => Operand::Date(alert.updated),
        "alertCreationTime" => Operand::Date(alert.created),
        "lastEventTime" => Operand::Date(content::incident::activity(alert).1),
        "incidentId" if !incident.hidden => Operand::Number(incident.id),
        "id" => text(Some(&alert.id)),
        "assignedTo" => text(alert.assigned_to.as_deref().or(incident.assigned_to.as_deref())),
        "detectionSource" => text(Some(alert.plan.source.detection())),
        "status" => text(Some(alert.status)),
        "severity" => text(Some(alert.plan.severity)),
        "category" => text(Some(alert.plan.category)),
        _ => Operand::Null,
    }
}
