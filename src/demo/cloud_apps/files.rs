//! Files, after "Files API".

use super::filters::{Fields, filtered};
use super::{asked, bad, not_found, page};
use crate::demo::call::{Answer, Call};
use crate::demo::rng::{Rng, seed_of};
use crate::demo::world::{Directory, World};
use crate::model::DirectoryId;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

const SETS: &[&str] = &["eq", "neq", "isset", "isnotset"];
const FIELDS: Fields = &[
    ("service", &["eq", "neq"]),
    ("instance", &["eq", "neq"]),
    ("fileType", &["eq", "neq"]),
    ("policy", &["cabinetmatchedrulesequals", "neq", "isset", "isnotset"]),
    ("filename", &["eq", "text"]),
    ("modifiedDate", &["lte", "gte", "range", "lte_ndays", "gte_ndays"]),
    ("createdDate", &["lte", "gte", "range", "lte_ndays", "gte_ndays"]),
    ("collaborators.entity", &["eq", "neq"]),
    ("collaborators.domains", &["eq", "neq"]),
    ("collaborators.groups", &["eq", "neq"]),
    ("collaborators.withDomain", &["eq", "neq", "deq"]),
    ("owner.entity", &["eq", "neq"]),
    ("owner.orgUnit", &["eq", "neq"]),
    ("sharing", &["eq", "neq"]),
    ("fileId", &["eq", "neq"]),
    ("fileLabels", SETS),
    ("fileScanLabels", SETS),
    ("extension", &["eq", "neq"]),
    ("mimeType", &["eq", "neq"]),
    ("trashed", &["eq"]),
    ("allowDeleted", &["eq"]),
    ("parentFolder", &["eq", "neq"]),
    ("folder", &["eq"]),
    ("quarantined", &["eq"]),
    ("snapshotLastModifiedDate", &["lte", "gte", "range"]),
];
const NAMES: [(&str, &str); 8] = [
    ("Payroll 2026.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("Customer list.csv", "text/csv"),
    ("Board minutes.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("Site plan.pdf", "application/pdf"),
    ("Contract Lindqvist.pdf", "application/pdf"),
    ("Team photo.jpg", "image/jpeg"),
    ("Price sheet.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("Passwords.txt", "text/plain"),
];
const LEVELS: [&str; 5] = ["PRIVATE", "INTERNAL", "EXTERNAL", "PUBLIC", "PUBLIC_INTERNET"];

fn rows(directory: &Directory, now: DateTime<Utc>) -> Vec<Value> {
    let mut rng = Rng::new(seed_of(directory.domain()) ^ 0xf17e);
    let mut rows = Vec::new();
    for (name, mime) in NAMES {
        let owner = rng.pick(&directory.people).clone();
        let level = rng.below(5) as usize;
        let modified = (now - TimeDelta::hours(rng.between(3, 900))).timestamp_millis();
        rows.push(json!({
            "_id": rng.hex(24), "fileId": rng.guid(), "name": name, "mimeType": mime, "appId": 15600, "appName": "Microsoft OneDrive for Business",
            "ownerName": owner.name, "ownerAddress": owner.upn, "fileAccessLevel": [level, LEVELS[level]], "modifiedDate": modified,
            "createdDate": modified - 86_400_000, "isFolder": false, "inTrash": false, "collaborators": [],
        }));
    }
    rows
}

fn values(row: &Value, field: &str) -> Vec<Value> {
    let name = row["name"].as_str().unwrap_or_default();
    match field {
        "service" => vec![row["appId"].clone()],
        "instance" => vec![json!(0)],
        "filename" => vec![json!(name)],
        "extension" => name.rsplit_once('.').map(|(_, extension)| json!(extension)).into_iter().collect(),
        "sharing" => vec![row["fileAccessLevel"][0].clone()],
        "trashed" | "folder" | "quarantined" => vec![json!(false)],
        other => row.get(other).cloned().into_iter().collect(),
    }
}

pub(super) fn list(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    let now = world.now();
    let rows = world.directories.get(&id).map(|directory| rows(directory, now)).unwrap_or_default();
    let found = asked(call, &[], false).and_then(|asked| filtered(rows, &asked.filters, FIELDS, now, values).map(|rows| (asked, rows)));
    match found {
        Ok((asked, rows)) => page(&asked, &rows),
        Err(message) => bad(&message),
    }
}

pub(super) fn get(world: &mut World, _: &Call, id: DirectoryId, file: &str) -> Answer {
    let now = world.now();
    let rows = world.directories.get(&id).map(|directory| rows(directory, now)).unwrap_or_default();
    rows.iter().find(|row| row["_id"] == file).map_or_else(not_found, |row| Answer::json(200, row))
}
