//! Alerts, after "Alerts API", "List alerts" and the three pages on closing them.

use super::alert_filters::filters;
use super::{PAGE, asked, bad, not_found, only, parameters};
use crate::demo::call::{Answer, Call};
use crate::demo::content;
use crate::demo::hosts::Api;
use crate::demo::ledger::Shown;
use crate::demo::records::{CloudAlert, Records};
use crate::demo::world::World;
use crate::model::DirectoryId;
use serde_json::{Value, json};

pub(super) fn list(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    let asked = match asked(call, &["date", "severity"], false) {
        Ok(asked) => asked,
        Err(message) => return bad(&message),
    };
    let filters = match filters(&asked.filters) {
        Ok(filters) => filters,
        Err(message) => return bad(&message),
    };
    let now = world.now();
    let Some(directory) = world.directories.get(&id) else { return not_found() };
    let records = &directory.records;
    let newest_first = records.cloud_by_time.iter().rev().filter_map(|(_, id)| records.cloud.get(id));
    let mut found: Vec<_> = newest_first.filter(|alert| filters.iter().all(|filter| filter.holds(alert, now))).collect();
    if asked.sort == "severity" {
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

/// Where an alert stands that is shown under this id.
fn key(records: &Records, id: &str) -> Option<String> {
    if records.cloud.contains_key(id) {
        return Some(id.to_owned());
    }
    records.cloud.values().find(|alert| alert.shown_id() == id).map(|alert| alert.id.clone())
}

pub(super) fn get(world: &mut World, _: &Call, id: DirectoryId, alert: &str) -> Answer {
    let Some(directory) = world.directories.get(&id) else { return not_found() };
    let found = key(&directory.records, alert).and_then(|key| directory.records.cloud.get(&key));
    let Some(row) = found.map(|alert| content::cloud::alert(directory, alert)) else { return not_found() };
    show(world, id, &row);
    Answer::json(200, &row)
}

pub(super) fn read(world: &mut World, _: &Call, id: DirectoryId, alert: &str) -> Answer {
    mark(world, id, alert, 1)
}

pub(super) fn unread(world: &mut World, _: &Call, id: DirectoryId, alert: &str) -> Answer {
    mark(world, id, alert, 0)
}

/// What these two answer is not documented: nothing, here.
fn mark(world: &mut World, id: DirectoryId, alert: &str, status: i64) -> Answer {
    let Some(records) = world.directories.get_mut(&id).map(|directory| &mut directory.records) else { return not_found() };
    let Some(alert) = key(records, alert).and_then(|key| records.cloud.get_mut(&key)) else { return not_found() };
    alert.status = status;
    if let Some(raw) = &mut alert.raw {
        raw["statusValue"] = json!(status);
    }
    Answer::text(200, "")
}

pub(super) fn close_benign(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    close(world, call, id, ("closed_benign", 4, &[2, 4, 5, 6]))
}

pub(super) fn close_false_positive(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    close(world, call, id, ("closed_false_positive", 3, &[0, 1, 3, 4]))
}

pub(super) fn close_true_positive(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    close(world, call, id, ("closed_true_positive", 5, &[]))
}

const CLOSING: [&str; 7] = ["filters", "comment", "reasonId", "sendFeedback", "feedbackText", "allowContact", "contactEmail"];

fn close(world: &mut World, call: &Call, id: DirectoryId, (counted, resolution, reasons): (&str, i64, &[i64])) -> Answer {
    let body = match parameters(call).and_then(|body| only(&body, &CLOSING).map(|()| body)) {
        Ok(body) => body,
        Err(message) => return bad(&message),
    };
    let typed = ["comment", "feedbackText", "contactEmail"].iter().all(|name| body.get(*name).is_none_or(Value::is_string))
        && ["sendFeedback", "allowContact"].iter().all(|name| body.get(*name).is_none_or(Value::is_boolean));
    if !typed {
        return bad("A parameter has a value of the wrong type.");
    }
    if body.get("reasonId").is_some_and(|reason| !reason.as_i64().is_some_and(|reason| reasons.contains(&reason))) {
        return bad("reasonId is not valid.");
    }
    let given = body.get("filters").and_then(Value::as_object).cloned().unwrap_or_default();
    // Without any filter every alert matches, as the documentation of filters has it.
    let filters = match filters(&given) {
        Ok(filters) => filters,
        Err(message) => return bad(&message),
    };
    let now = world.now();
    let Some(directory) = world.directories.get_mut(&id) else { return not_found() };
    let comment = body.get("comment").and_then(Value::as_str).unwrap_or_default();
    let mut count = 0;
    for alert in directory.records.cloud.values_mut() {
        if alert.resolution == 0 && filters.iter().all(|filter| filter.holds(alert, now)) {
            alert.close(resolution, comment, now);
            count += 1;
        }
    }
    let named = given.get("id").and_then(|id| id["eq"].as_array()).into_iter().flatten().filter_map(Value::as_str);
    let missing: Vec<&str> = named.filter(|id| key(&directory.records, id).is_none()).collect();
    let mut answer = json!({counted: count});
    if !missing.is_empty() {
        answer["alertsNotFound"] = json!(missing);
    }
    Answer::json(200, &answer)
}

impl CloudAlert {
    /// The id it is shown under.
    pub fn shown_id(&self) -> &str {
        self.raw.as_ref().and_then(|raw| raw["_id"].as_str()).unwrap_or(&self.id)
    }

    fn close(&mut self, resolution: i64, comment: &str, now: chrono::DateTime<chrono::Utc>) {
        self.resolution = resolution;
        self.status = 1;
        self.resolved = Some(now);
        comment.clone_into(&mut self.comment);
        if let Some(raw) = &mut self.raw {
            raw["resolutionStatusValue"] = json!(resolution);
            raw["statusValue"] = json!(1);
            raw["resolveTime"] = json!(content::stamp(now));
            raw["comment"] = json!(comment);
        }
    }
}

fn show(world: &mut World, directory: DirectoryId, row: &Value) {
    let text = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
    let version = format!("{} {} {}", text("timestamp"), text("statusValue"), text("resolutionStatusValue"));
    let now = world.now();
    world.ledger.show(now, Shown { directory, api: Api::CloudApps, id: text("_id"), version });
}
