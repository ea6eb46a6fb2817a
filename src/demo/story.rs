//! Making things happen in a directory: incidents that come, change, merge and close.

use super::content::{self, scenario, stamp, to_ticks};
use super::hosts::Api;
use super::records::{Comment, Incident, Records};
use super::world::World;
use crate::model::DirectoryId;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

const ANALYSTS: &[&str] = &["soc1@watchers.example", "soc2@watchers.example", "it-desk@watchers.example"];
const REMARKS: &[&str] =
    &["Looking into it.", "User called, was not them.", "Password reset, sessions ended.", "Known test of the red team."];
const VERDICTS: &[(&str, &str)] = &[
    ("TruePositive", "Phishing"),
    ("TruePositive", "CompromisedAccount"),
    ("TruePositive", "Malware"),
    ("InformationalExpectedActivity", "SecurityTesting"),
    ("FalsePositive", "Clean"),
];

impl World {
    /// An incident of some story under this title, with its alerts in every product; returns its id. None when there is no such
    /// directory.
    pub fn add_incident(&mut self, directory: DirectoryId, title: &str) -> Option<i64> {
        let now = self.now();
        self.add_incident_at(directory, title, now)
    }

    /// The same, as if it had come at this time. Late visibility is a time in the past.
    pub fn add_incident_at(&mut self, directory: DirectoryId, title: &str, at: DateTime<Utc>) -> Option<i64> {
        let records = &mut self.directories.get_mut(&directory)?.records;
        // The first story has an alert of every API that is read.
        Some(records.invent(scenario(0), Some(title.to_owned()), at))
    }

    /// A new incident of a story picked at random.
    pub fn invent_incident(&mut self, directory: DirectoryId) {
        let now = self.now();
        if let Some(dir) = self.directories.get_mut(&directory) {
            let story = dir.records.any_story();
            dir.records.invent(story, None, now);
        }
    }

    /// Shows this JSON as a record of the API, exactly as it is: poison, unknown values, another schema. It lies at the record's
    /// own time if that can be read, else now.
    pub fn add_raw(&mut self, directory: DirectoryId, api: Api, record: Value) {
        let now = to_ticks(self.now());
        let at = time_of(&record).unwrap_or(now);
        let Some(dir) = self.directories.get_mut(&directory) else { return };
        let records = &mut dir.records;
        if api == Api::Graph {
            let list = if record.get("serviceSource").is_some() { &mut records.graph_alerts } else { &mut records.graph_incidents };
            return list.push((at, record));
        }
        let mut holder = records.blank(scenario(1), at);
        match api {
            Api::DefenderXdr | Api::Graph => holder.raw = Some(record),
            Api::DefenderEndpoint => {
                holder.hidden = true;
                let mut alert = records.alert(scenario(1), &scenario(1).alerts[0], 7, at);
                if let Some(id) = record["id"].as_str() {
                    id.clone_into(&mut alert.id);
                }
                alert.raw = Some(record);
                holder.alerts.push(alert);
            }
            Api::CloudApps | Api::Token => {
                let id = records.add_cloud(scenario(0), &scenario(0).alerts[2], None, 0, 7, at);
                if let Some(alert) = records.cloud.get_mut(&id) {
                    alert.raw = Some(record);
                }
                return;
            }
        }
        records.insert(holder);
    }

    /// An incident's JSON as Defender XDR shows it now.
    pub fn incident(&self, directory: DirectoryId, id: i64) -> Option<Value> {
        let dir = self.directories.get(&directory)?;
        dir.records.incidents.get(&id).map(|incident| content::incident::incident(dir, incident))
    }

    /// Edits an incident's JSON; from then on it is shown as edited. `lastUpdateTime` becomes now unless the edit sets it.
    pub fn update_incident(&mut self, directory: DirectoryId, id: i64, edit: impl FnOnce(&mut Value)) {
        let now = to_ticks(self.now());
        let Some(mut body) = self.incident(directory, id) else { return };
        let Some(dir) = self.directories.get_mut(&directory) else { return };
        let before = body["lastUpdateTime"].clone();
        edit(&mut body);
        if body["lastUpdateTime"] == before {
            body["lastUpdateTime"] = json!(stamp(now));
        }
        let updated = time_of(&body).unwrap_or(now);
        dir.records.change(id, |incident| {
            incident.raw = Some(body);
            incident.updated = updated;
        });
    }

    /// An analyst at the customer's closes an incident and its alerts, in every product.
    pub fn resolve_incident(&mut self, directory: DirectoryId, id: i64) {
        let now = to_ticks(self.now());
        if let Some(dir) = self.directories.get_mut(&directory) {
            let verdict = *dir.records.rng.pick(VERDICTS);
            dir.records.change(id, |incident| close(incident, verdict, now));
            for alert in dir.records.cloud.values_mut().filter(|alert| alert.incident == id) {
                alert.status = 1;
                alert.resolved = Some(now);
                alert.resolution = if verdict.0 == "TruePositive" { 5 } else { 4 };
            }
        }
    }

    /// Merges an incident into another: its alerts move there, and it says where it went.
    pub fn merge_incidents(&mut self, directory: DirectoryId, from: i64, into: i64) {
        let now = to_ticks(self.now());
        let Some(dir) = self.directories.get_mut(&directory) else { return };
        let mut moved = Vec::new();
        dir.records.change(from, |incident| {
            moved = std::mem::take(&mut incident.alerts);
            incident.status = "Redirected";
            incident.redirect = Some(into);
            incident.updated = now;
        });
        dir.records.change(into, |incident| {
            incident.alerts.append(&mut moved);
            incident.updated = now;
        });
    }

    /// A past: so many incidents over so many days before `now`, most of the older ones closed.
    pub fn seed_history(&mut self, directory: DirectoryId, days: i64, incidents: u32, now: DateTime<Utc>) {
        let Some(dir) = self.directories.get_mut(&directory) else { return };
        let span = TimeDelta::days(days).num_seconds().max(1);
        for n in 0..i64::from(incidents) {
            let step = span / i64::from(incidents).max(1);
            let age = span - n * step - dir.records.rng.between(0, step.max(1));
            let at = now - TimeDelta::milliseconds(age.max(30) * 1000 + dir.records.rng.between(0, 999));
            let story = dir.records.any_story();
            let id = dir.records.invent(story, None, at);
            let closed = !dir.records.rng.one_in(if age > 3 * 86_400 { 12 } else { 2 });
            let later = to_ticks(at + TimeDelta::seconds(dir.records.rng.between(300, 40_000)).min(now - at));
            if closed {
                let verdict = *dir.records.rng.pick(VERDICTS);
                dir.records.change(id, |incident| close(incident, verdict, later));
            } else if dir.records.rng.one_in(3) {
                let who = *dir.records.rng.pick(ANALYSTS);
                dir.records.change(id, |incident| take(incident, who, later));
            }
        }
    }

    /// A little happens: in about one directory of three something comes, is taken, commented, closed or merged.
    pub fn tick(&mut self) {
        let ids: Vec<DirectoryId> = self.directories.keys().copied().collect();
        for id in ids {
            if self.rng.one_in(3) {
                self.happen(id);
            }
        }
    }

    /// One event in one directory.
    pub fn happen(&mut self, directory: DirectoryId) {
        let now = to_ticks(self.now());
        let what = self.rng.below(10);
        let Some(dir) = self.directories.get_mut(&directory) else { return };
        let records = &mut dir.records;
        let recent = records.incidents_by_update.iter().rev().map(|(_, id)| *id).take(40);
        let open: Vec<i64> = recent.filter(|id| records.incidents.get(id).is_some_and(is_open)).collect();
        if what < 4 || open.len() < 2 {
            return self.invent_incident(directory);
        }
        let (one, other) = (*records.rng.pick(&open), *records.rng.pick(&open));
        match what {
            4 | 5 => {
                let who = *records.rng.pick(ANALYSTS);
                records.change(one, |incident| take(incident, who, now));
            }
            6 => {
                let (text, by) = (*records.rng.pick(REMARKS), *records.rng.pick(ANALYSTS));
                records.change(one, |incident| {
                    incident.comments.push(Comment { text: text.to_owned(), by: by.to_owned(), at: now });
                    incident.updated = now;
                });
            }
            7 if one != other && !is_kept(records, one.max(other)) => self.merge_incidents(directory, one.max(other), one.min(other)),
            _ => self.resolve_incident(directory, one),
        }
    }
}

/// Somebody put tags on it, and looks for it under its number.
fn is_kept(records: &Records, incident: i64) -> bool {
    records.incidents.get(&incident).is_some_and(|incident| !incident.tags.is_empty())
}

/// Still worked on, and not edited by hand.
fn is_open(incident: &Incident) -> bool {
    incident.raw.is_none() && matches!(incident.status, "Active" | "InProgress")
}

fn take(incident: &mut Incident, who: &str, at: DateTime<Utc>) {
    incident.status = "InProgress";
    incident.assigned_to = Some(who.to_owned());
    incident.updated = at;
    for alert in &mut incident.alerts {
        alert.status = "InProgress";
        alert.updated = at;
    }
}

fn close(incident: &mut Incident, (classification, determination): (&'static str, &'static str), at: DateTime<Utc>) {
    incident.status = "Resolved";
    incident.classification = Some(classification);
    incident.determination = Some(determination);
    incident.updated = at;
    for alert in &mut incident.alerts {
        alert.status = "Resolved";
        alert.classification = Some(classification);
        alert.determination = Some(determination);
        alert.resolved = Some(at);
        alert.updated = at;
    }
}

/// The record's own time of update.
fn time_of(record: &Value) -> Option<DateTime<Utc>> {
    if let Some(milliseconds) = record["timestamp"].as_i64() {
        return DateTime::from_timestamp_millis(milliseconds);
    }
    let written = record.get("lastUpdateDateTime").or_else(|| record.get("lastUpdateTime"));
    DateTime::parse_from_rfc3339(written?.as_str()?).ok().map(|at| at.with_timezone(&Utc))
}
