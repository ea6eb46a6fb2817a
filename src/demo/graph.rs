//! Microsoft Graph security, after "List incidents", "List alerts_v2" and the pages beside them: the same records as the Defender APIs.
//!
//! Pages are linked by `@odata.nextLink`, whose `$skiptoken` only this server understands: it holds the whole question, so nothing may be
//! asked beside it. What is changed here is seen by the Defender APIs, and the other way round. A record that a test has written by hand
//! is shown by the API in whose shape it was written.

mod list;
mod write;

use super::accounts;
use super::call::{Answer, Call};
use super::content::graph::{self as shape, Words};
use super::gate::{self, Operation};
use super::hosts::Api;
use super::ledger::Shown;
use super::records::{Alert, Incident, Records};
use super::world::{Directory, World};
use crate::model::DirectoryId;
use axum::http::{HeaderName, Method};
use serde_json::{Value, json};

const fn operation(roles: &'static [&'static str]) -> Operation {
    Operation { name: "graph security", per_minute: 150, per_hour: 9000, roles }
}

const INCIDENT_READ: Operation = operation(&["SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"]);
const INCIDENT_WRITE: Operation = operation(&["SecurityIncident.ReadWrite.All"]);
const ALERT_READ: Operation = operation(&["SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"]);
const ALERT_WRITE: Operation = operation(&["SecurityAlert.ReadWrite.All"]);

/// How Graph behaves for one directory where the documentation leaves it open.
#[derive(Clone, Copy, Debug, Default)]
pub struct GraphManners {
    /// Words of enumerations in Pascal case, as in some samples.
    pub pascal_case: bool,
    /// Each second page of a list is empty and yet has a next one.
    pub empty_pages: bool,
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    let (api, path) = (Api::Graph, call.segments());
    let Some(("v1.0", path)) = path.split_first().map(|(version, path)| (*version, path)) else {
        return Answer::graph(400, "BadRequest", "Invalid version.");
    };
    match (&call.method, path) {
        (&Method::GET, ["security", "incidents"]) => {
            gate::serve(world, call, api, &INCIDENT_READ, |world, id| list::incidents(world, call, id))
        }
        (&Method::GET, ["security", "incidents", id]) => {
            gate::serve(world, call, api, &INCIDENT_READ, |world, directory| get_incident(world, call, directory, id))
        }
        (&Method::GET, ["security", "incidents", id, "alerts"]) => {
            gate::serve(world, call, api, &INCIDENT_READ, |world, directory| alerts_of(world, call, directory, id))
        }
        (&Method::PATCH, ["security", "incidents", id]) => {
            gate::serve(world, call, api, &INCIDENT_WRITE, |world, directory| write::incident(world, call, directory, id))
        }
        (&Method::POST, ["security", "incidents", id, "comments"]) => {
            gate::serve(world, call, api, &INCIDENT_WRITE, |world, directory| write::comment_incident(world, call, directory, id))
        }
        (&Method::GET, ["security", "alerts_v2"]) => gate::serve(world, call, api, &ALERT_READ, |world, id| list::alerts(world, call, id)),
        (&Method::GET, ["security", "alerts_v2", id]) => {
            gate::serve(world, call, api, &ALERT_READ, |world, directory| get_alert(world, call, directory, id))
        }
        (&Method::PATCH, ["security", "alerts_v2", id]) => {
            gate::serve(world, call, api, &ALERT_WRITE, |world, directory| write::alert(world, call, directory, id))
        }
        (&Method::POST, ["security", "alerts_v2", id, "comments"]) => {
            gate::serve(world, call, api, &ALERT_WRITE, |world, directory| write::comment_alert(world, call, directory, id))
        }
        _ => accounts::answer(world, call, path).unwrap_or_else(unknown),
    }
}

fn unknown() -> Answer {
    Answer::graph(400, "BadRequest", "Resource not found for the segment.")
}

/// How this caller wants words to be written.
fn words(call: &Call, directory: &Directory) -> Words {
    let prefer = call.header(&HeaderName::from_static("prefer")).unwrap_or_default();
    let new_members = prefer.split([',', ';']).any(|wish| wish.trim().eq_ignore_ascii_case("include-unknown-enum-members"));
    Words { pascal: directory.graph.pascal_case, new_members }
}

/// An incident that is told here.
fn incident_of<'a>(records: &'a Records, id: &str) -> Option<&'a Incident> {
    records.incidents.get(&id.parse().ok()?).filter(|incident| is_told(incident))
}

fn is_told(incident: &Incident) -> bool {
    !incident.hidden && incident.raw.is_none()
}

/// An alert that is told here, with the incident that holds it.
fn alert_of<'a>(records: &'a Records, id: &str) -> Option<(&'a Incident, &'a Alert)> {
    let mut all = records.incidents.values().filter(|incident| is_told(incident)).flat_map(with_alerts);
    all.find(|(_, alert)| alert.id == id)
}

fn with_alerts(incident: &Incident) -> impl Iterator<Item = (&Incident, &Alert)> {
    incident.alerts.iter().filter(|alert| alert.raw.is_none()).map(move |alert| (incident, alert))
}

fn get_incident(world: &mut World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let with_alerts = match call.query("$expand") {
        None => false,
        Some("alerts") => true,
        Some(other) => return Answer::graph(400, "BadRequest", &format!("Could not find a property named '{other}'.")),
    };
    let Some(dir) = world.directories.get(&directory) else { return not_found(id) };
    let told = incident_of(&dir.records, id).map(|incident| shape::incident(dir, incident, with_alerts, words(call, dir)));
    let raw = || dir.records.graph_incidents.iter().find(|(_, raw)| raw["id"] == id).map(|(_, raw)| raw.clone());
    let Some(row) = told.or_else(raw) else { return not_found(id) };
    one(world, directory, &row)
}

fn alerts_of(world: &mut World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let Some(dir) = world.directories.get(&directory) else { return not_found(id) };
    let Some(incident) = incident_of(&dir.records, id) else { return not_found(id) };
    let words = words(call, dir);
    let rows: Vec<Value> = with_alerts(incident).map(|(incident, alert)| shape::alert(dir, incident, alert, words)).collect();
    Answer::json(200, &json!({"@odata.context": context(call, &format!("security/incidents('{id}')/alerts")), "value": rows}))
}

fn get_alert(world: &mut World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let Some(dir) = world.directories.get(&directory) else { return not_found(id) };
    let told = alert_of(&dir.records, id).map(|(incident, alert)| shape::alert(dir, incident, alert, words(call, dir)));
    let raw = || dir.records.graph_alerts.iter().find(|(_, raw)| raw["id"] == id).map(|(_, raw)| raw.clone());
    let Some(row) = told.or_else(raw) else { return not_found(id) };
    one(world, directory, &row)
}

fn one(world: &mut World, directory: DirectoryId, row: &Value) -> Answer {
    show(world, directory, row);
    Answer::json(200, row)
}

fn context(call: &Call, of: &str) -> String {
    format!("https://{}/v1.0/$metadata#{of}", call.host)
}

fn not_found(what: &str) -> Answer {
    Answer::graph(
        404,
        "ResourceNotFound",
        &format!("Resource '{what}' does not exist or one of its queried reference-property objects are not present."),
    )
}

fn show(world: &mut World, directory: DirectoryId, row: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let shown = Shown { directory, api: Api::Graph, id: text(&row["id"]), version: text(&row["lastUpdateDateTime"]) };
    let now = world.now();
    world.ledger.show(now, shown);
}

impl World {
    /// How Graph behaves for a directory from now on.
    pub fn set_graph_manners(&mut self, directory: DirectoryId, manners: GraphManners) {
        if let Some(dir) = self.directories.get_mut(&directory) {
            dir.graph = manners;
        }
    }

    /// An incident gets the status that Graph tells only to who takes new members of enumerations.
    pub fn await_action(&mut self, directory: DirectoryId, id: i64) {
        let now = super::content::to_ticks(self.now());
        if let Some(dir) = self.directories.get_mut(&directory) {
            dir.records.change(id, |incident| {
                incident.status = "AwaitingAction";
                incident.updated = now;
            });
        }
    }
}
