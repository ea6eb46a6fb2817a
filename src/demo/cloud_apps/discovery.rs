//! Cloud discovery, after "Cloud Discovery API". The store that logs are put into is played in `store`.

use super::shelf::{Pending, Report, Uploaded};
use super::{bad, not_found, only, parameters};
use crate::demo::call::{Answer, Call};
use crate::demo::content::stamp;
use crate::demo::rng::{Rng, seed_of};
use crate::demo::world::World;
use crate::model::{Cloud, DirectoryId};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// In which form reports are listed: Microsoft's pages showed an object around the list, and a bare report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamShape {
    #[default]
    Array,
    Wrapper,
    /// The first report alone.
    Object,
}

const CATEGORIES: [&str; 8] = [
    "SAASDB_CATEGORY_CLOUD_STORAGE",
    "SAASDB_CATEGORY_COLLABORATION",
    "SAASDB_CATEGORY_CRM",
    "SAASDB_CATEGORY_SOCIAL_NETWORK",
    "SAASDB_CATEGORY_SUPLLY_CHAIN_AND_LOGISTICS",
    "SAASDB_CATEGORY_WEBMAIL",
    "SAASDB_CATEGORY_PRODUCT_DESIGN",
    "SAASDB_CATEGORY_MARKETING",
];

fn row(report: &Report) -> Value {
    json!({
        "_id": report.id, "anonymizeUsers": false, "displayName": report.name, "logType": 223, "receiverType": "syslog", "protocol": "udp",
        "streamType": if report.snapshot { 2 } else { 1 }, "isManual": report.snapshot, "created": stamp(report.created),
        "lastModified": stamp(report.received), "logFilesHistoryCount": report.files, "supportedEntityTypes": [], "supportedTrafficTypes": [1],
        "lastAlertProcessingTime": report.received.timestamp_millis(), "lastDataReceived": stamp(report.received), "logFilesFailsCount": 0,
        "globalAggregated": true, "timeFrames2": {}, "validTimeFrames": [], "sourceStreams": [],
    })
}

pub(super) fn streams(world: &mut World, _: &Call, id: DirectoryId, _: &str) -> Answer {
    let Some(shelf) = world.directories.get(&id).map(|directory| &directory.shelf) else { return not_found() };
    let rows: Vec<Value> = shelf.reports.iter().map(row).collect();
    Answer::json(
        200,
        &match shelf.shape {
            StreamShape::Array => json!(rows),
            StreamShape::Wrapper => json!({"streams": rows}),
            StreamShape::Object => rows.first().cloned().unwrap_or_else(|| json!({})),
        },
    )
}

pub(super) fn categories(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    let known = ["filters", "sortDirection", "sortField", "skip", "limit", "streamId", "timeFrame"];
    let body = match parameters(call).and_then(|body| only(&body, &known).map(|()| body)) {
        Ok(body) => body,
        Err(message) => return bad(&message),
    };
    if body.get("sortField").is_some_and(|field| field != "score") {
        return bad("sortField must be score.");
    }
    let Some(stream) = body.get("streamId").and_then(Value::as_str) else { return bad("streamId is required.") };
    let Some(shelf) = world.directories.get(&id).map(|directory| &directory.shelf) else { return not_found() };
    if !shelf.reports.iter().any(|report| report.id == stream) {
        return not_found();
    }
    let mut rng = Rng::new(seed_of(stream));
    let number = |name: &str, default| body.get(name).and_then(Value::as_u64).map_or(default, |n| usize::try_from(n).unwrap_or(default));
    let all: Vec<Value> = CATEGORIES.iter().map(|category| json!({"id": category, "total": 1 + rng.below(40)})).collect();
    let rows: Vec<&Value> = all.iter().skip(number("skip", 0)).take(number("limit", 100)).collect();
    Answer::json(200, &json!(rows))
}

/// Letters, digits and underscores, as every documented kind of log is written.
fn is_source(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

pub(super) fn upload_url(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    let (Some(filename), Some(source)) = (call.query("filename").filter(|name| !name.is_empty()), call.query("source")) else {
        return bad("filename and source are required.");
    };
    if !is_source(source) {
        return bad("source is not supported.");
    }
    let until = world.now() + TimeDelta::minutes(30);
    let Some(directory) = world.directories.get_mut(&id) else { return not_found() };
    let label: String = directory.domain().chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    let store = match directory.cloud {
        Cloud::Commercial | Cloud::Gcc => "blob.core.windows.net",
        Cloud::GccHigh | Cloud::Dod => "blob.core.usgovcloudapi.net",
    };
    let shelf = &mut directory.shelf;
    let signature = shelf.rng.hex(32);
    let url = format!("https://{label}logs.{store}/discovery/{}?sv=2021-08-06&sp=w&sig={signature}", shelf.rng.hex(16));
    let told = shelf.address.clone().unwrap_or_else(|| (url.clone(), "azure".to_owned()));
    shelf.pending.push(Pending { url, signature, until, filename: filename.to_owned(), source: source.to_owned(), content: None });
    Answer::json(200, &json!({"url": told.0, "provider": told.1}))
}

pub(super) fn done_upload(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    let body = match parameters(call).and_then(|body| only(&body, &["uploadUrl", "inputStreamName", "uploadAsSnapshot"]).map(|()| body)) {
        Ok(body) => body,
        Err(message) => return bad(&message),
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(url), Some(name)) = (text("uploadUrl"), text("inputStreamName")) else {
        return bad("uploadUrl and inputStreamName are required.");
    };
    let snapshot = match body.get("uploadAsSnapshot") {
        None => false,
        Some(Value::Bool(snapshot)) => *snapshot,
        Some(_) => return bad("uploadAsSnapshot must be a boolean."),
    };
    let now = world.now();
    let Some(shelf) = world.directories.get_mut(&id).map(|directory| &mut directory.shelf) else { return not_found() };
    let Some(at) = shelf.pending.iter().position(|pending| pending.url == url && pending.content.is_some()) else {
        return bad("Nothing was uploaded to uploadUrl.");
    };
    if !snapshot && !shelf.reports.iter().any(|report| report.name == name) {
        return bad("inputStreamName is no data source.");
    }
    let pending = shelf.pending.remove(at);
    if let Some(report) = shelf.reports.iter_mut().find(|report| report.name == name) {
        report.received = now;
        report.files += 1;
    } else {
        let id = shelf.rng.hex(24);
        shelf.reports.push(Report { id, name: name.to_owned(), snapshot, created: now, received: now, files: 1 });
    }
    let content = pending.content.unwrap_or_default();
    shelf.uploaded.push(Uploaded { filename: pending.filename, source: pending.source, stream: name.to_owned(), content });
    // A demo that runs for days must not fill the memory.
    let most = shelf.uploaded.len().saturating_sub(3);
    shelf.uploaded.drain(..most);
    Answer::text(200, "")
}

/// The apps that are blocked, in the language of an appliance.
pub(super) fn block_script(_: &mut World, call: &Call, _: DirectoryId, _: &str) -> Answer {
    if call.query("type") != Some("banned") {
        return bad("type must be banned.");
    }
    let line: fn(&str) -> String = match call.query("format") {
        Some("102") => |site| format!("url.domain={site} deny"),
        Some("104") => |site| format!("match regex .*{site}"),
        Some("108") => |site| format!("config webfilter urlfilter edit {site} set action block"),
        Some("112" | "120") => |site| format!(".{site}"),
        Some("129") => |site| format!("set security utm custom-objects url-pattern banned value {site}"),
        Some("135") => |site| format!("https://{site}"),
        _ => return bad("format is not supported."),
    };
    let sites = ["freefileshare.example", "anonymous-mail.example", "quick-paste.example"];
    Answer::text(200, &sites.map(line).join("\n"))
}
