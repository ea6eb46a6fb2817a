//! Lists, page by page.

use super::{context, is_told, shape, show, with_alerts, words};
use crate::demo::call::{Answer, Call, find};
use crate::demo::content::graph::service;
use crate::demo::odata::{self, Kind, Operand, raw_field, text};
use crate::demo::records::{Alert, Incident};
use crate::demo::world::World;
use crate::model::DirectoryId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

const PAGE: usize = 50;
const INCIDENT_FIELDS: &[(&str, Kind)] = &[
    ("assignedTo", Kind::Text),
    ("classification", Kind::Text),
    ("createdDateTime", Kind::Date),
    ("determination", Kind::Text),
    ("lastUpdateDateTime", Kind::Date),
    ("severity", Kind::Text),
    ("status", Kind::Text),
];
const ALERT_FIELDS: &[(&str, Kind)] = &[
    ("assignedTo", Kind::Text),
    ("classification", Kind::Text),
    ("createdDateTime", Kind::Date),
    ("determination", Kind::Text),
    ("lastUpdateDateTime", Kind::Date),
    ("severity", Kind::Text),
    ("status", Kind::Text),
    ("serviceSource", Kind::Text),
];

/// A question, as it was asked or as its token says it.
struct Question {
    options: Vec<(String, String)>,
    page: odata::Page,
    /// How many pages of it have been sent.
    sent: usize,
}

/// Reads the query, or the token that stands for it.
fn question(call: &Call, directory: DirectoryId, fields: odata::Fields, others: &[&str]) -> Result<Question, Answer> {
    let wrong = |text: &str| Answer::graph(400, "BadRequest", text);
    let (options, skip, sent) = match call.query("$skiptoken") {
        None => (call.query.clone(), None, 0),
        Some(_) if call.query.len() > 1 => return Err(wrong("A $skiptoken stands alone: follow @odata.nextLink as it is.")),
        Some(token) => {
            let token = URL_SAFE_NO_PAD.decode(token).ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
            let token = token.filter(|token| token["of"] == json!([call.path, directory])).ok_or_else(|| wrong("Invalid $skiptoken."))?;
            let number = |name: &str| token[name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
            let options: Vec<(String, String)> = serde_json::from_value(token["asked"].clone()).unwrap_or_default();
            (options, Some(number("skip")), number("sent"))
        }
    };
    let mut page = odata::options(&options, fields, PAGE, others).map_err(|text| wrong(&text))?;
    page.skip = skip.unwrap_or(page.skip);
    Ok(Question { options, page, sent })
}

/// The answer: a page of `rows`, and where the next one is.
fn send(world: &mut World, call: &Call, directory: DirectoryId, question: &Question, of: &str, rows: Vec<Value>) -> Answer {
    let empty = world.directories.get(&directory).is_some_and(|dir| dir.graph.empty_pages) && question.sent % 2 == 1;
    let (skip, total) = (question.page.skip, rows.len());
    let size = if empty { 0 } else { question.page.top };
    let page: Vec<Value> = rows.into_iter().skip(skip).take(size).collect();
    for row in &page {
        show(world, directory, row);
    }
    let mut body = json!({"@odata.context": context(call, of)});
    if find(&question.options, "$count") == Some("true") {
        body["@odata.count"] = json!(total);
    }
    if skip + page.len() < total {
        let token = json!({"of": [call.path, directory], "asked": question.options, "skip": skip + page.len(), "sent": question.sent + 1});
        let token = URL_SAFE_NO_PAD.encode(token.to_string());
        body["@odata.nextLink"] = json!(format!("https://{}{}?$skiptoken={token}", call.host, call.path));
    }
    body["value"] = json!(page);
    Answer::json(200, &body)
}

pub(super) fn incidents(world: &mut World, call: &Call, id: DirectoryId) -> Answer {
    let question = match question(call, id, INCIDENT_FIELDS, &["$expand", "$count"]) {
        Ok(question) => question,
        Err(refusal) => return refusal,
    };
    let with_alerts = match find(&question.options, "$expand") {
        None => false,
        Some("alerts") => true,
        Some(other) => return Answer::graph(400, "BadRequest", &format!("Could not find a property named '{other}'.")),
    };
    let Some(directory) = world.directories.get(&id) else { return super::not_found("directory") };
    let (records, words) = (&directory.records, words(call, directory));
    let newest_first = records.incidents_by_update.iter().rev().filter_map(|(_, id)| records.incidents.get(id));
    let wanted = |incident: &&Incident| {
        is_told(incident) && question.page.clauses.iter().all(|clause| clause.holds(|name| incident_field(incident, name)))
    };
    let told = newest_first.filter(wanted).map(|incident| (incident.updated, Told::Incident(incident)));
    let raw = records.graph_incidents.iter().filter(|(at, raw)| holds(&question, INCIDENT_FIELDS, *at, raw));
    let rows = newest(told.chain(raw.map(|(at, raw)| (*at, Told::Raw(raw)))));
    let row = |told: Told<'_>| match told {
        Told::Raw(raw) => raw.clone(),
        Told::Incident(incident) => shape::incident(directory, incident, with_alerts, words),
        Told::Alert(incident, alert) => shape::alert(directory, incident, alert, words),
    };
    let rows = page_of(&question, rows, row);
    send(world, call, id, &question, "security/incidents", rows)
}

pub(super) fn alerts(world: &mut World, call: &Call, id: DirectoryId) -> Answer {
    let question = match question(call, id, ALERT_FIELDS, &["$count"]) {
        Ok(question) => question,
        Err(refusal) => return refusal,
    };
    let Some(directory) = world.directories.get(&id) else { return super::not_found("directory") };
    let (records, words) = (&directory.records, words(call, directory));
    let all = records.incidents.values().filter(|incident| is_told(incident)).flat_map(with_alerts);
    let told = all
        .filter(|(incident, alert)| question.page.clauses.iter().all(|clause| clause.holds(|name| alert_field(incident, alert, name))))
        .map(|(incident, alert)| (alert.updated, Told::Alert(incident, alert)));
    let raw = records.graph_alerts.iter().filter(|(at, raw)| holds(&question, ALERT_FIELDS, *at, raw));
    let rows = newest(told.chain(raw.map(|(at, raw)| (*at, Told::Raw(raw)))));
    let row = |told: Told<'_>| match told {
        Told::Raw(raw) => raw.clone(),
        Told::Incident(incident) => shape::incident(directory, incident, false, words),
        Told::Alert(incident, alert) => shape::alert(directory, incident, alert, words),
    };
    let rows = page_of(&question, rows, row);
    send(world, call, id, &question, "security/alerts_v2", rows)
}

/// One record of a list.
enum Told<'a> {
    Incident(&'a Incident),
    Alert(&'a Incident, &'a Alert),
    Raw(&'a Value),
}

fn newest<'a>(rows: impl Iterator<Item = (DateTime<Utc>, Told<'a>)>) -> Vec<Told<'a>> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The records of the page in their JSON; the others only take their places.
fn page_of<'a>(question: &Question, rows: Vec<Told<'a>>, json: impl Fn(Told<'a>) -> Value) -> Vec<Value> {
    let places = question.page.skip..question.page.skip + question.page.top;
    rows.into_iter().enumerate().map(|(n, row)| if places.contains(&n) { json(row) } else { Value::Null }).collect()
}

fn holds(question: &Question, fields: odata::Fields, at: DateTime<Utc>, raw: &Value) -> bool {
    let kind = |name: &str| fields.iter().find(|(known, _)| *known == name).map_or(Kind::Text, |(_, kind)| *kind);
    question.page.clauses.iter().all(|clause| {
        clause.holds(|name| match raw_field(raw, name, kind(name)) {
            // A record without a time of its own lies where it was put.
            Operand::Null if kind(name) == Kind::Date => Operand::Date(at),
            value => value,
        })
    })
}

/// Words are compared in the spelling of the enumeration.
fn word(word: &str) -> Operand {
    text(Some(&shape::Words { pascal: false, new_members: true }.word(word)))
}

fn incident_field(incident: &Incident, name: &str) -> Operand {
    match name {
        "lastUpdateDateTime" => Operand::Date(incident.updated),
        "createdDateTime" => Operand::Date(incident.created),
        "status" => word(incident.status),
        "classification" => word(incident.classification.unwrap_or("unknown")),
        "determination" => word(incident.determination.unwrap_or("unknown")),
        "severity" => word(incident.scenario.severity()),
        _ => text(incident.assigned_to.as_deref()),
    }
}

fn alert_field(incident: &Incident, alert: &Alert, name: &str) -> Operand {
    match name {
        "lastUpdateDateTime" => Operand::Date(alert.updated),
        "createdDateTime" => Operand::Date(alert.created),
        "status" => word(alert.status),
        "classification" => word(alert.classification.unwrap_or("unknown")),
        "determination" => word(alert.determination.unwrap_or("unknown")),
        "severity" => word(alert.plan.severity),
        "serviceSource" => word(service(alert.plan.source)),
        _ => text(alert.assigned_to.as_deref().or(incident.assigned_to.as_deref())),
    }
}
