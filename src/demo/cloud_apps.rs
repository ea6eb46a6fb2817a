//! Defender for Cloud Apps alerts, after "Alerts API" and "List alerts API".

use super::call::{Answer, Call};
use super::cloud_filters::{Filter, filters};
use super::content;
use super::gate::{self, Operation, refusal};
use super::hosts::Api;
use super::ledger::Shown;
use super::world::World;
use crate::model::DirectoryId;
use axum::http::{Method, header};
use serde_json::{Map, Value, json};

/// Thirty calls a minute and tenant, whatever they are.
const ANY: Operation = Operation {
    name: "cloud apps",
    per_minute: 30,
    per_hour: 1800,
    roles: &["Investigation.Read", "Investigation.Manage", "Discovery.Read", "Discovery.Manage"],
};
const PAGE: usize = 100;

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    if !call.path.ends_with('/') {
        // The documented addresses end with a slash; without it a POST would lose its body.
        return Answer::redirect(&format!("https://{}{}/", call.host, call.path)).header(header::VARY, "Cookie".to_owned());
    }
    let segments = call.segments();
    // A tenant's own portal has no "cas" before its paths; the general host has.
    match (&call.method, segments.strip_prefix(&["cas"]).unwrap_or(&segments)) {
        (&Method::GET | &Method::POST, ["api", "v1", "alerts", ""]) => {
            gate::serve(world, call, Api::CloudApps, &ANY, |world, directory| list(world, call, directory))
        }
        (&Method::GET, ["api", "v1", "alerts", id, ""]) => {
            gate::serve(world, call, Api::CloudApps, &ANY, |world, directory| get(world, id, directory))
        }
        _ => refusal(Api::CloudApps, 404, "", "Not found."),
    }
}

/// What a list call asks for.
struct Asked {
    filters: Vec<Filter>,
    skip: usize,
    limit: usize,
    by_severity: bool,
    ascending: bool,
}

/// The parameters: a JSON body, a form body, or the query.
fn parameters(call: &Call) -> Result<Map<String, Value>, String> {
    if call.body.is_empty() || call.is_form() {
        let pairs = if call.is_form() { call.form() } else { call.query.clone() };
        let mut map = Map::new();
        for (name, text) in &pairs {
            let value = if name == "sortField" || name == "sortDirection" { Ok(json!(text)) } else { serde_json::from_str(text) };
            map.insert(name.clone(), value.map_err(|_| format!("{name} is not JSON."))?);
        }
        return Ok(map);
    }
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err("The body is not a JSON object.".to_owned()),
    }
}

fn asked(call: &Call) -> Result<Asked, String> {
    let map = parameters(call)?;
    if let Some(name) = map.keys().find(|name| !matches!(name.as_str(), "filters" | "skip" | "limit" | "sortField" | "sortDirection")) {
        return Err(format!("Unknown parameter '{name}'."));
    }
    let number = |name: &str, default: usize| match map.get(name) {
        None => Ok(default),
        Some(value) => value.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| format!("{name} must be a number.")),
    };
    let word = |name: &str, default: &str, known: [&str; 2]| match map.get(name).map(|value| value.as_str().unwrap_or_default()) {
        None => Ok(default.to_owned()),
        Some(word) if known.contains(&word) => Ok(word.to_owned()),
        Some(word) => Err(format!("'{word}' is not a value of {name}.")),
    };
    let limit = number("limit", PAGE)?;
    if limit > PAGE {
        return Err(format!("limit must not be above {PAGE}."));
    }
    Ok(Asked {
        filters: filters(map.get("filters"))?,
        skip: number("skip", 0)?,
        limit,
        by_severity: word("sortField", "date", ["date", "severity"])? == "severity",
        ascending: word("sortDirection", "desc", ["asc", "desc"])? == "asc",
    })
}

fn list(world: &mut World, call: &Call, id: DirectoryId) -> Answer {
    let asked = match asked(call) {
        Ok(asked) => asked,
        Err(message) => return refusal(Api::CloudApps, 400, "", &message),
    };
    let now = world.now();
    let Some(directory) = world.directories.get(&id) else { return refusal(Api::CloudApps, 404, "", "Not found.") };
    let records = &directory.records;
    let newest_first = records.cloud_by_time.iter().rev().filter_map(|(_, id)| records.cloud.get(id));
    let mut found: Vec<_> = newest_first.filter(|alert| asked.filters.iter().all(|filter| filter.holds(alert, now))).collect();
    if asked.by_severity {
        // 3 is "informational": below "low".
        found.sort_by_key(|alert| std::cmp::Reverse((content::cloud::severity(alert.plan.severity) + 1) % 4));
    }
    if asked.ascending {
        found.reverse();
    }
    let total = found.len();
    let rows: Vec<Value> =
        found.into_iter().skip(asked.skip).take(asked.limit).map(|alert| content::cloud::alert(directory, alert)).collect();
    for row in &rows {
        show(world, id, row);
    }
    let more = asked.skip + rows.len() < total;
    Answer::json(200, &json!({"data": rows, "hasNext": more, "max": PAGE, "total": total, "moreThanTotal": false}))
}

fn get(world: &mut World, text: &str, id: DirectoryId) -> Answer {
    let directory = world.directories.get(&id);
    let alert = directory.and_then(|directory| Some((directory, directory.records.cloud.get(text)?)));
    let Some(row) = alert.map(|(directory, alert)| content::cloud::alert(directory, alert)) else {
        return refusal(Api::CloudApps, 404, "", "Not found.");
    };
    show(world, id, &row);
    Answer::json(200, &row)
}

fn show(world: &mut World, directory: DirectoryId, row: &Value) {
    let text = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
    let version = format!("{} {} {}", text("timestamp"), text("statusValue"), text("resolutionStatusValue"));
    let now = world.now();
    world.ledger.show(now, Shown { directory, api: Api::CloudApps, id: text("_id"), version });
}
