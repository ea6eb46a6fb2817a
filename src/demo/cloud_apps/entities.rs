//! Accounts, after "Entities API". A primary key is the base64 of a small JSON.

use super::filters::{Fields, filtered};
use super::{asked, bad, not_found, page};
use crate::demo::call::{Answer, Call};
use crate::demo::world::{Directory, World};
use crate::model::DirectoryId;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde_json::{Value, json};

const FIELDS: Fields = &[
    ("type", &["eq", "neq"]),
    ("userGroups", &["eq", "neq"]),
    ("status", &["eq", "neq"]),
    ("app", &["eq", "neq"]),
    ("instance", &["eq", "neq"]),
    ("isAdmin", &["eq"]),
    ("isExternal", &["eq"]),
    ("entity", &["eq", "neq"]),
    ("domain", &["eq", "neq", "isset", "isnotset"]),
    ("organization", &["eq", "neq", "isset", "isnotset"]),
];
const OFFICE: i64 = 11161;

fn rows(directory: &Directory) -> Vec<Value> {
    let row = |(n, person): (usize, &crate::demo::content::names::Person)| {
        json!({
            "type": 2, "id": person.object_id, "status": if n == 5 { 3 } else { 2 }, "displayName": person.name, "email": person.upn,
            "domain": directory.domain(), "organization": null, "isAdmin": n == 0, "isExternal": false, "threatScore": (n * 37) % 120,
            "saas": OFFICE, "inst": 0, "appData": {"appId": OFFICE, "name": "Office 365", "saas": OFFICE, "instance": 0},
            "userGroups": [{"_id": "5f759b4d106abbe4a504ea5d", "name": "All Users"}], "identifiers": [person.upn],
        })
    };
    directory.people.iter().enumerate().map(row).collect()
}

fn values(row: &Value, field: &str) -> Vec<Value> {
    match field {
        "type" => vec![json!("user")],
        "userGroups" => row["userGroups"].as_array().into_iter().flatten().map(|group| group["_id"].clone()).collect(),
        "status" => vec![json!(row["status"].to_string())],
        "app" => vec![row["saas"].clone()],
        "instance" => vec![row["inst"].clone()],
        "entity" => vec![json!({"id": row["id"], "inst": row["inst"]}), json!({"id": row["id"], "inst": row["inst"], "saas": row["saas"]})],
        other => row.get(other).cloned().into_iter().collect(),
    }
}

pub(super) fn list(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    let now = world.now();
    let rows = world.directories.get(&id).map(rows).unwrap_or_default();
    let found = asked(call, &[], false).and_then(|asked| filtered(rows, &asked.filters, FIELDS, now, values).map(|rows| (asked, rows)));
    match found {
        Ok((asked, rows)) => page(&asked, &rows),
        Err(message) => bad(&message),
    }
}

fn find(world: &World, id: DirectoryId, key: &str) -> Result<Value, Answer> {
    let bytes = BASE64_STANDARD.decode(key).or_else(|_| BASE64_URL_SAFE.decode(key)).map_err(|_| bad("The key is not base64."))?;
    let key: Value = serde_json::from_slice(&bytes).map_err(|_| bad("The key is not JSON."))?;
    let good = key["id"].is_string() && key["saas"].is_i64() && key["inst"].is_i64();
    if !good || key.as_object().is_none_or(|members| members.len() != 3) {
        return Err(bad("The key has id, saas and inst."));
    }
    let rows = world.directories.get(&id).map(rows).unwrap_or_default();
    let same = |row: &Value| ["id", "saas", "inst"].iter().all(|member| row[*member] == key[*member]);
    rows.into_iter().find(same).ok_or_else(not_found)
}

pub(super) fn get(world: &mut World, _: &Call, id: DirectoryId, key: &str) -> Answer {
    find(world, id, key).map_or_else(|refusal| refusal, |row| Answer::json(200, &row))
}

/// The accounts that belong to one person. Its shape is not documented.
pub(super) fn tree(world: &mut World, _: &Call, id: DirectoryId, key: &str) -> Answer {
    let row = match find(world, id, key) {
        Ok(row) => row,
        Err(refusal) => return refusal,
    };
    let account = |saas: i64, app: &str| json!({"id": row["email"], "saas": saas, "inst": 0, "appName": app, "displayName": row["displayName"], "accountType": 1});
    let children =
        [account(20893, "Microsoft Exchange Online"), account(20892, "Microsoft SharePoint Online"), account(28375, "Microsoft Teams")];
    Answer::json(200, &json!({"entity": row, "children": children}))
}
