//! Defender for Cloud Apps, after Microsoft's pages below "Defender for Cloud Apps REST API". Where those document no shape of a record
//! (activities, entities, files), it has the members that are seen in practice.

mod activities;
mod alert_filters;
mod alerts;
mod discovery;
mod entities;
mod files;
mod filters;
mod shelf;
mod store;
mod subnets;

pub use discovery::StreamShape;
pub(super) use shelf::Shelf;
pub use shelf::Uploaded;
pub(super) use store::{answer as store_answer, is_store};

use super::call::{Answer, Call};
use super::gate::{self, Operation, refusal};
use super::hosts::Api;
use super::world::World;
use crate::model::DirectoryId;
use axum::http::{Method, header};
use serde_json::{Map, Value, json};

/// Thirty calls a minute and tenant, whatever they are; roles after "Access Microsoft Defender for Cloud Apps with application context".
const fn needs(roles: &'static [&'static str]) -> Operation {
    Operation { name: "cloud apps", per_minute: 30, per_hour: 1800, roles }
}

const ALERTS: Operation = needs(&["Investigation.Read", "Investigation.Manage", "Discovery.Read", "Discovery.Manage"]);
const CLOSE: Operation = needs(&["Investigation.Manage", "Discovery.Manage"]);
const INVESTIGATION: Operation = needs(&["Investigation.Read", "Investigation.Manage"]);
const SUBNETS: Operation = needs(&["Investigation.Read", "Investigation.Manage", "Settings.Read", "Settings.Manage"]);
const SUBNETS_WRITE: Operation = needs(&["Investigation.Manage", "Settings.Manage"]);
const DISCOVERY: Operation = needs(&["Discovery.Read", "Discovery.Manage"]);
const DISCOVERY_WRITE: Operation = needs(&["Discovery.Manage"]);

/// The largest page, and the bounds of one in scan mode.
const PAGE: usize = 100;
const SCAN: std::ops::RangeInclusive<usize> = 500..=5000;

/// What answers a call once it has been let in.
type Work = fn(&mut World, &Call, DirectoryId, &str) -> Answer;

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    let slashed = call.path.ends_with('/');
    if !slashed && !call.path.ends_with("/feedback") {
        // The documented addresses end with a slash, but for one; without it a POST would lose its body.
        return Answer::redirect(&format!("https://{}{}/", call.host, call.path)).header(header::VARY, "Cookie".to_owned());
    }
    let segments = call.segments();
    // A tenant's own portal has no "cas" before its paths; the general host has.
    let own = call.host.ends_with(".portal.cloudappsecurity.com")
        || call.host.ends_with(".portal.cloudappsecuritygov.com")
        || call.host.ends_with(".portal.cloudappsecurity.us");
    let path = match segments.split_first() {
        Some((&"cas", rest)) if !own => rest,
        Some(_) if own => &segments[..],
        _ => return not_found(),
    };
    let Some((operation, work, id)) = route(&call.method, path) else { return not_found() };
    let id = decoded(id);
    gate::serve(world, call, Api::CloudApps, operation, |world, directory| work(world, call, directory, &id))
}

fn route<'a>(method: &Method, path: &[&'a str]) -> Option<(&'static Operation, Work, &'a str)> {
    let list = method == Method::GET || method == Method::POST;
    let (get, post, delete) = (method == Method::GET, method == Method::POST, method == Method::DELETE);
    Some(match path {
        ["api", "v1", "alerts", ""] if list => (&ALERTS, alerts::list, ""),
        ["api", "v1", "alerts", "close_benign", ""] if post => (&CLOSE, alerts::close_benign, ""),
        ["api", "v1", "alerts", "close_false_positive", ""] if post => (&CLOSE, alerts::close_false_positive, ""),
        ["api", "v1", "alerts", "close_true_positive", ""] if post => (&CLOSE, alerts::close_true_positive, ""),
        ["api", "v1", "alerts", id, ""] if get => (&ALERTS, alerts::get, id),
        ["api", "v1", "alerts", id, "read", ""] if post => (&ALERTS, alerts::read, id),
        ["api", "v1", "alerts", id, "unread", ""] if post => (&ALERTS, alerts::unread, id),
        ["api", "v1", "activities", ""] if list => (&INVESTIGATION, activities::list, ""),
        ["api", "v1", "activities", id, ""] if get => (&INVESTIGATION, activities::get, id),
        ["api", "v1", "activities", id, "feedback"] if post => (&INVESTIGATION, activities::feedback, id),
        ["api", "v1", "entities", ""] if list => (&INVESTIGATION, entities::list, ""),
        ["api", "v1", "entities", id, ""] if get => (&INVESTIGATION, entities::get, id),
        ["api", "v1", "entities", id, "retrieve_tree", ""] if get => (&INVESTIGATION, entities::tree, id),
        ["api", "v1", "files", ""] if list => (&INVESTIGATION, files::list, ""),
        ["api", "v1", "files", id, ""] if get => (&INVESTIGATION, files::get, id),
        ["api", "v1", "subnet", ""] if list => (&SUBNETS, subnets::list, ""),
        ["api", "v1", "subnet", "create_rule", ""] if post => (&SUBNETS_WRITE, subnets::create, ""),
        ["api", "v1", "subnet", id, "update_rule", ""] if post => (&SUBNETS_WRITE, subnets::update, id),
        ["api", "v1", "subnet", id, ""] if delete => (&SUBNETS_WRITE, subnets::delete, id),
        ["api", "v1", "discovery", "upload_url", ""] if get => (&DISCOVERY_WRITE, discovery::upload_url, ""),
        ["api", "v1", "discovery", "done_upload", ""] if post => (&DISCOVERY_WRITE, discovery::done_upload, ""),
        ["api", "v1", "discovery", "discovered_apps", "categories", ""] if post => (&DISCOVERY, discovery::categories, ""),
        // These two have no version in their address.
        ["api", "discovery", "streams", ""] if get => (&DISCOVERY, discovery::streams, ""),
        ["api", "discovery_block_scripts", ""] if get => (&DISCOVERY_WRITE, discovery::block_script, ""),
        _ => return None,
    })
}

fn not_found() -> Answer {
    refusal(Api::CloudApps, 404, "", "Not found.")
}

fn bad(message: &str) -> Answer {
    refusal(Api::CloudApps, 400, "", message)
}

/// A part of the path without its percent signs.
fn decoded(part: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), part.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a list call asks for.
struct Asked {
    filters: Map<String, Value>,
    skip: usize,
    limit: usize,
    sort: String,
    ascending: bool,
    scan: bool,
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

/// Refuses what is not documented.
fn only(map: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match map.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("Unknown parameter '{name}'.")),
        None => Ok(()),
    }
}

/// Reads a list call whose `sortField` is one of `sorts`, the first by default. `scans`: whether the list has a scan mode.
fn asked(call: &Call, sorts: &[&str], scans: bool) -> Result<Asked, String> {
    let map = parameters(call)?;
    only(&map, &["filters", "skip", "limit", "sortField", "sortDirection", if scans { "isScan" } else { "filters" }])?;
    let scan = match map.get("isScan") {
        None => false,
        Some(value) => value.as_bool().ok_or("isScan must be a boolean.")?,
    };
    let number = |name: &str, default: usize| match map.get(name) {
        None => Ok(default),
        Some(value) => value.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| format!("{name} must be a number.")),
    };
    let word = |name: &str, known: &[&str]| match map.get(name).map(|value| value.as_str().unwrap_or_default()) {
        None => Ok(known.first().copied().unwrap_or_default().to_owned()),
        Some(word) if known.contains(&word) => Ok(word.to_owned()),
        Some(word) => Err(format!("'{word}' is not a value of {name}.")),
    };
    let limit = number("limit", if scan { *SCAN.start() } else { PAGE })?;
    if scan && !SCAN.contains(&limit) {
        return Err(format!("limit must be from {} to {} in scan mode.", SCAN.start(), SCAN.end()));
    }
    if !scan && limit > PAGE {
        return Err(format!("limit must not be above {PAGE}."));
    }
    let filters = match map.get("filters") {
        None => Map::new(),
        Some(filters) => filters.as_object().ok_or("filters must be an object.")?.clone(),
    };
    let (sort, ascending) = (word("sortField", sorts)?, word("sortDirection", &["desc", "asc"])? == "asc");
    Ok(Asked { filters, skip: number("skip", 0)?, limit, sort, ascending, scan })
}

/// A page of rows that are in order already.
fn page(asked: &Asked, rows: &[Value]) -> Answer {
    let shown: Vec<&Value> = rows.iter().skip(asked.skip).take(asked.limit).collect();
    let more = asked.skip + shown.len() < rows.len();
    Answer::json(200, &json!({"data": shown, "hasNext": more, "total": rows.len()}))
}
