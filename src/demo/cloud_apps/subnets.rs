//! Ranges of IP addresses, after "Data Enrichment API". An update blanks what it leaves out.

use super::filters::{Fields, filtered};
use super::shelf::Range;
use super::{asked, bad, not_found, only, page, parameters};
use crate::demo::call::{Answer, Call};
use crate::demo::world::World;
use crate::model::DirectoryId;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

const FIELDS: Fields = &[("category", &["eq", "neq"]), ("tags", &["eq", "neq"]), ("builtIn", &["eq"])];

fn row(range: &Range) -> Value {
    let tag = |name: &String| json!({"_id": "5ce2aaf42207ad108c76fa3a", "id": "000000290000000000000000", "name": name, "type": 2, "target": 1, "status": 0, "_tid": 113_348_336});
    json!({
        "_id": range.id, "name": range.name, "subnets": range.subnets.iter().map(|text| network(text)).collect::<Vec<_>>(),
        "location": null, "organization": range.organization, "tags": range.tags.iter().map(tag).collect::<Vec<_>>(),
        "category": range.category, "lastModified": milliseconds(range.modified), "_tid": 113_348_336,
    })
}

/// A float, as Microsoft writes it here.
fn milliseconds(at: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "13 digits fit")]
    let whole = at.timestamp_millis() as f64;
    whole + 0.8032
}

/// IPv4 networks are shown as mapped IPv6 ones, without their host bits.
fn network(text: &str) -> Value {
    let (address, length) = parsed(text).unwrap_or((IpAddr::from([0; 4]), 32));
    let (bits, mask) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_ipv6_mapped()), 96 + length),
        IpAddr::V6(v6) => (u128::from(v6), length),
    };
    let kept = if mask == 0 { 0 } else { bits & (u128::MAX << (128 - mask)) };
    let groups: Vec<String> = (0..8).map(|n| format!("{:04x}", (kept >> (112 - 16 * n)) & 0xffff)).collect();
    json!({"mask": mask, "address": groups.join(":"), "originalString": text})
}

fn parsed(text: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = text.split_once('/')?;
    let (address, length): (IpAddr, u32) = (address.parse().ok()?, length.parse().ok()?);
    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, length))
}

pub(super) fn list(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    let now = world.now();
    let Some(directory) = world.directories.get(&id) else { return not_found() };
    let rows: Vec<Value> = directory.shelf.ranges.iter().map(row).collect();
    let values = |row: &Value, field: &str| match field {
        "tags" => row["tags"].as_array().into_iter().flatten().map(|tag| tag["id"].clone()).collect(),
        "builtIn" => vec![json!(false)],
        other => vec![row[other].clone()],
    };
    let found = asked(call, &["name", "category", "tags"], true)
        .and_then(|asked| filtered(rows, &asked.filters, FIELDS, now, values).map(|rows| (asked, rows)));
    match found {
        Ok((asked, mut rows)) => {
            rows.sort_by_key(|row| row[&asked.sort].to_string());
            if !asked.ascending {
                rows.reverse();
            }
            page(&asked, &rows)
        }
        Err(message) => bad(&message),
    }
}

/// Reads the body of a range; what is optional and missing becomes empty.
fn range(body: &Map<String, Value>, id: &str, now: DateTime<Utc>) -> Result<Range, String> {
    // A sample script of Microsoft's sends two members more.
    only(body, &["name", "category", "subnets", "organization", "tags", "_id", "overrideOrganization"])?;
    let name = body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()).ok_or("name is required.")?;
    let category = body.get("category").and_then(Value::as_i64).filter(|n| (1..=6).contains(n)).ok_or("category must be from 1 to 6.")?;
    let texts = |name: &str| -> Result<Vec<String>, String> {
        let list =
            body.get(name).map_or(Ok(&[][..]), |list| list.as_array().map(Vec::as_slice).ok_or(format!("{name} must be a list.")))?;
        list.iter().map(|text| text.as_str().map(str::to_owned).ok_or(format!("{name} must hold strings."))).collect()
    };
    let subnets = texts("subnets")?;
    if subnets.is_empty() || subnets.iter().any(|text| parsed(text).is_none()) {
        return Err("subnets must be a list of masks.".to_owned());
    }
    let organization = body.get("organization").and_then(Value::as_str).map(str::to_owned);
    Ok(Range { id: id.to_owned(), name: name.to_owned(), category, subnets, organization, tags: texts("tags")?, modified: now })
}

pub(super) fn create(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    let now = world.now();
    let Some(shelf) = world.directories.get_mut(&id).map(|directory| &mut directory.shelf) else { return not_found() };
    let new = shelf.rng.hex(24);
    match parameters(call).and_then(|body| range(&body, &new, now)) {
        Ok(range) if shelf.ranges.iter().any(|known| known.name == range.name) => bad("The name of a range must be unique."),
        Ok(range) => {
            shelf.ranges.push(range);
            Answer::json(200, &json!(new))
        }
        Err(message) => bad(&message),
    }
}

pub(super) fn update(world: &mut World, call: &Call, id: DirectoryId, range_id: &str) -> Answer {
    let now = world.now();
    let Some(shelf) = world.directories.get_mut(&id).map(|directory| &mut directory.shelf) else { return not_found() };
    let new = match parameters(call).and_then(|body| range(&body, range_id, now)) {
        Ok(range) => range,
        Err(message) => return bad(&message),
    };
    if shelf.ranges.iter().any(|known| known.id != range_id && known.name == new.name) {
        return bad("The name of a range must be unique.");
    }
    let Some(known) = shelf.ranges.iter_mut().find(|known| known.id == range_id) else { return not_found() };
    *known = new;
    Answer::text(200, "")
}

pub(super) fn delete(world: &mut World, _: &Call, id: DirectoryId, range_id: &str) -> Answer {
    let Some(shelf) = world.directories.get_mut(&id).map(|directory| &mut directory.shelf) else { return not_found() };
    let before = shelf.ranges.len();
    shelf.ranges.retain(|range| range.id != range_id);
    if shelf.ranges.len() == before { not_found() } else { Answer::text(200, "") }
}
