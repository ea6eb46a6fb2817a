//! Defender XDR incidents, after "List incidents API" and "Get incident API".

use super::call::{Answer, Call};
use super::content;
use super::gate::{self, Operation};
use super::hosts::Api;
use super::ledger::Shown;
use super::odata::{self, Kind, Operand, raw_field, text};
use super::records::Incident;
use super::world::World;
use crate::model::DirectoryId;
use axum::http::Method;
use serde_json::{Value, json};

const ROLES: &[&str] = &["Incident.Read.All", "Incident.ReadWrite.All"];
const LIST: Operation = Operation { name: "xdr list", per_minute: 50, per_hour: 1500, roles: ROLES };
const GET: Operation = Operation { name: "xdr get", per_minute: 100, per_hour: 1500, roles: ROLES };

/// Severity is not among them.
const FIELDS: &[(&str, Kind)] =
    &[("lastUpdateTime", Kind::Date), ("createdTime", Kind::Date), ("status", Kind::Text), ("assignedTo", Kind::Text)];
const PAGE: usize = 100;

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match (&call.method, call.segments().as_slice()) {
        (&Method::GET, ["api", "incidents"]) => {
            gate::serve(world, call, Api::DefenderXdr, &LIST, |world, directory| list(world, call, directory))
        }
        (&Method::PATCH, ["api", "incidents", id]) => super::alert_writes::incident(world, call, id),
        (&Method::GET, ["api", "incidents", id]) => {
            gate::serve(world, call, Api::DefenderXdr, &GET, |world, directory| get(world, id, directory))
        }
        _ => Answer::defender(404, "ResourceNotFound", "The stand-in does not play this operation."),
    }
}

fn list(world: &mut World, call: &Call, id: DirectoryId) -> Answer {
    let page = match odata::page(call, FIELDS, PAGE, &[]) {
        Ok(page) => page,
        Err(refusal) => return refusal,
    };
    let Some(directory) = world.directories.get(&id) else { return not_found("directory") };
    let newest_first = directory.records.incidents_by_update.iter().rev().filter_map(|(_, id)| directory.records.incidents.get(id));
    let rows: Vec<Value> = newest_first
        .filter(|incident| page.clauses.iter().all(|clause| clause.holds(|name| field(incident, name))))
        .skip(page.skip)
        .take(page.top)
        .map(|incident| content::incident::incident(directory, incident))
        .collect();
    for row in &rows {
        show(world, id, row);
    }
    Answer::json(200, &json!({"@odata.context": "https://api.security.microsoft.com/api/$metadata#Incidents", "value": rows}))
}

pub(super) fn get(world: &mut World, text: &str, id: DirectoryId) -> Answer {
    let Some(directory) = world.directories.get(&id) else { return not_found(text) };
    let Ok(number) = text.parse::<i64>() else {
        return Answer::defender(400, "BadRequest", &format!("'{text}' is not an incident id."));
    };
    let incident = directory.records.incidents.get(&number).filter(|incident| !incident.hidden);
    let Some(row) = incident.map(|incident| content::incident::incident(directory, incident)) else { return not_found(text) };
    show(world, id, &row);
    Answer::json(200, &row)
}

fn not_found(what: &str) -> Answer {
    Answer::defender(404, "ResourceNotFound", &format!("Incident {what} was not found"))
}

fn show(world: &mut World, directory: DirectoryId, row: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let shown = Shown { directory, api: Api::DefenderXdr, id: text(&row["incidentId"]), version: text(&row["lastUpdateTime"]) };
    let now = world.now();
    world.ledger.show(now, shown);
}

fn field(incident: &Incident, name: &str) -> Operand {
    if let Some(raw) = &incident.raw {
        let kind = FIELDS.iter().find(|(known, _)| *known == name).map_or(Kind::Text, |(_, kind)| *kind);
        return match raw_field(raw, name, kind) {
            // A record without a time of its own lies where it was put.
            Operand::Null if kind == Kind::Date => Operand::Date(incident.updated),
            value => value,
        };
    }
    match name {
        "lastUpdateTime" => Operand::Date(incident.updated),
        "createdTime" => Operand::Date(incident.created),
        "status" => text(Some(incident.status)),
        _ => text(incident.assigned_to.as_deref()),
    }
}
