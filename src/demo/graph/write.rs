//! Changes: the same records that the Defender APIs tell of.

use super::{alert_of, incident_of, not_found, one, shape, words};
use crate::demo::call::{Answer, Call};
use crate::demo::content::to_ticks;
use crate::demo::records::{Alert, Comment, Incident};
use crate::demo::world::World;
use crate::model::DirectoryId;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// The account that Microsoft names for what an app writes.
const APP: &str = "API-App";

type Table = &'static [(&'static str, Option<&'static str>)];

const INCIDENT_STATUS: Table = &[("active", Some("Active")), ("inProgress", Some("InProgress")), ("resolved", Some("Resolved"))];
const ALERT_STATUS: Table = &[("new", Some("New")), ("inProgress", Some("InProgress")), ("resolved", Some("Resolved"))];
const CLASSIFICATION: Table = &[
    ("unknown", None),
    ("truePositive", Some("TruePositive")),
    ("falsePositive", Some("FalsePositive")),
    ("informationalExpectedActivity", Some("InformationalExpectedActivity")),
];
const DETERMINATION: Table = &[
    ("unknown", None),
    ("apt", Some("Apt")),
    ("malware", Some("Malware")),
    ("securityPersonnel", Some("SecurityPersonnel")),
    ("securityTesting", Some("SecurityTesting")),
    ("unwantedSoftware", Some("UnwantedSoftware")),
    ("other", Some("Other")),
    ("multiStagedAttack", Some("MultiStagedAttack")),
    ("compromisedAccount", Some("CompromisedAccount")),
    ("compromisedUser", Some("CompromisedAccount")),
    ("phishing", Some("Phishing")),
    ("maliciousUserActivity", Some("MaliciousUserActivity")),
    ("notMalicious", Some("Clean")),
    ("clean", Some("Clean")),
    ("insufficientData", Some("NoEnoughDataToValidate")),
    ("notEnoughDataToValidate", Some("NoEnoughDataToValidate")),
    ("confirmedActivity", Some("ConfirmedActivity")),
    ("confirmedUserActivity", Some("ConfirmedActivity")),
    ("lineOfBusinessApplication", Some("LineOfBusinessApplication")),
];

fn wrong(text: &str) -> Answer {
    Answer::graph(400, "BadRequest", text)
}

/// The body's members, none but those in `known`.
fn members(call: &Call, known: &[&str]) -> Result<Map<String, Value>, Answer> {
    let Ok(Value::Object(body)) = serde_json::from_slice(&call.body) else { return Err(wrong("Unable to read JSON request payload.")) };
    let strange = body.keys().find(|name| *name != "@odata.type" && !known.contains(&name.as_str()));
    match strange {
        Some(name) => Err(wrong(&format!("The property '{name}' does not exist or cannot be changed."))),
        None => Ok(body),
    }
}

/// What the body says of a member.
enum Member<T> {
    Absent,
    To(T),
}

impl<T: Clone> Member<T> {
    fn put(&self, place: &mut T) {
        if let Self::To(value) = self {
            place.clone_from(value);
        }
    }
}

/// A word of an enumeration.
fn word(body: &Map<String, Value>, name: &str, table: Table) -> Result<Member<Option<&'static str>>, Answer> {
    let Some(value) = body.get(name) else { return Ok(Member::Absent) };
    let known = value.as_str().and_then(|word| table.iter().find(|(known, _)| *known == word));
    known.map(|(_, ours)| Member::To(*ours)).ok_or_else(|| wrong(&format!("Invalid value {value} for the property '{name}'.")))
}

/// A text or null.
fn line(body: &Map<String, Value>, name: &str) -> Result<Member<Option<String>>, Answer> {
    match body.get(name) {
        None => Ok(Member::Absent),
        Some(Value::Null) => Ok(Member::To(None)),
        Some(Value::String(text)) => Ok(Member::To(Some(text.clone()).filter(|text| !text.is_empty()))),
        Some(_) => Err(wrong(&format!("Cannot convert the value of '{name}' to Edm.String."))),
    }
}

/// What incidents and alerts have in common.
struct Change {
    status: Member<Option<&'static str>>,
    classification: Member<Option<&'static str>>,
    determination: Member<Option<&'static str>>,
    assigned_to: Member<Option<String>>,
}

impl Change {
    fn read(body: &Map<String, Value>, status: Table) -> Result<Self, Answer> {
        Ok(Self {
            status: word(body, "status", status)?,
            classification: word(body, "classification", CLASSIFICATION)?,
            determination: word(body, "determination", DETERMINATION)?,
            assigned_to: line(body, "assignedTo")?,
        })
    }

    fn make_of_alert(&self, alert: &mut Alert, now: DateTime<Utc>) {
        if let Member::To(Some(status)) = self.status {
            alert.status = status;
            alert.resolved = (status == "Resolved").then_some(alert.resolved.unwrap_or(now));
        }
        self.classification.put(&mut alert.classification);
        self.determination.put(&mut alert.determination);
        self.assigned_to.put(&mut alert.assigned_to);
        alert.updated = now;
    }

    /// An incident that is closed closes its alerts.
    fn make_of_incident(&self, incident: &mut Incident, now: DateTime<Utc>) {
        if let Member::To(Some(status)) = self.status {
            incident.status = status;
        }
        self.classification.put(&mut incident.classification);
        self.determination.put(&mut incident.determination);
        self.assigned_to.put(&mut incident.assigned_to);
        incident.updated = now;
        if incident.status == "Resolved" {
            for alert in &mut incident.alerts {
                self.make_of_alert(alert, now);
            }
        }
    }
}

pub(super) fn incident(world: &mut World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let known = ["assignedTo", "classification", "determination", "status", "customTags", "displayName", "resolvingComment"];
    let read = members(call, &known).and_then(|body| Ok((Change::read(&body, INCIDENT_STATUS)?, line(&body, "displayName")?, body)));
    let (change, title, body) = match read {
        Ok(read) => read,
        Err(refusal) => return refusal,
    };
    let tags = body.get("customTags").map(|tags| serde_json::from_value::<Vec<String>>(tags.clone()));
    let Ok(tags) = tags.transpose() else { return wrong("Cannot convert the value of 'customTags' to a collection of Edm.String.") };
    let now = to_ticks(world.now());
    let Some(dir) = world.directories.get_mut(&directory) else { return not_found(id) };
    let Some(number) = incident_of(&dir.records, id).map(|incident| incident.id) else { return not_found(id) };
    dir.records.change(number, |incident| {
        change.make_of_incident(incident, now);
        title.put(&mut incident.title);
        if let Some(tags) = tags {
            incident.tags = tags;
        }
        if let Some(text) = body.get("resolvingComment").and_then(Value::as_str) {
            incident.comments.push(Comment { text: text.to_owned(), by: APP.to_owned(), at: now });
        }
    });
    let Some(dir) = world.directories.get(&directory) else { return not_found(id) };
    let row = incident_of(&dir.records, id).map(|incident| shape::incident(dir, incident, false, words(call, dir)));
    row.map_or_else(|| not_found(id), |row| one(world, directory, &row))
}

pub(super) fn alert(world: &mut World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let read = members(call, &["assignedTo", "classification", "determination", "status"]);
    let change = match read.and_then(|body| Change::read(&body, ALERT_STATUS)) {
        Ok(change) => change,
        Err(refusal) => return refusal,
    };
    change_alert(world, directory, id, |alert, now| change.make_of_alert(alert, now));
    let Some(dir) = world.directories.get(&directory) else { return not_found(id) };
    let row = alert_of(&dir.records, id).map(|(incident, alert)| shape::alert(dir, incident, alert, words(call, dir)));
    row.map_or_else(|| not_found(id), |row| one(world, directory, &row))
}

fn change_alert(world: &mut World, directory: DirectoryId, id: &str, change: impl FnOnce(&mut Alert, DateTime<Utc>)) {
    let now = to_ticks(world.now());
    let Some(dir) = world.directories.get_mut(&directory) else { return };
    let Some(number) = alert_of(&dir.records, id).map(|(incident, _)| incident.id) else { return };
    dir.records.change(number, |incident| {
        incident.updated = now;
        if let Some(alert) = incident.alerts.iter_mut().find(|alert| alert.id == id) {
            change(alert, now);
        }
    });
}

/// The comment of a body, which must say what it is.
fn comment(call: &Call) -> Result<String, Answer> {
    let body = members(call, &["comment"])?;
    let kind = body.get("@odata.type").and_then(Value::as_str).map(|kind| kind.trim_start_matches('#'));
    if kind != Some("microsoft.graph.security.alertComment") {
        return Err(wrong("The body must be a microsoft.graph.security.alertComment."));
    }
    let text = body.get("comment").and_then(Value::as_str).filter(|text| !text.is_empty() && text.chars().count() <= 1000);
    text.map(str::to_owned).ok_or_else(|| wrong("A comment has 1 to 1000 characters."))
}

pub(super) fn comment_incident(world: &mut World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let text = match comment(call) {
        Ok(text) => text,
        Err(refusal) => return refusal,
    };
    let now = to_ticks(world.now());
    let Some(dir) = world.directories.get_mut(&directory) else { return not_found(id) };
    let Some(number) = incident_of(&dir.records, id).map(|incident| incident.id) else { return not_found(id) };
    dir.records.change(number, |incident| {
        incident.comments.push(Comment { text, by: APP.to_owned(), at: now });
        incident.updated = now;
    });
    let all = incident_of(&dir.records, id).map(|incident| shape::comments(&incident.comments)).unwrap_or_default();
    // The documentation's sample names alerts_v2 here, whichever was called.
    Answer::json(200, &json!({"@odata.context": super::context(call, &format!("security/alerts_v2('{id}')/comments")), "value": all}))
}

pub(super) fn comment_alert(world: &mut World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let text = match comment(call) {
        Ok(text) => text,
        Err(refusal) => return refusal,
    };
    change_alert(world, directory, id, |alert, now| {
        alert.comments.push(Comment { text, by: APP.to_owned(), at: now });
        alert.updated = now;
    });
    let Some(dir) = world.directories.get(&directory) else { return not_found(id) };
    let Some((_, alert)) = alert_of(&dir.records, id) else { return not_found(id) };
    let all = shape::comments(&alert.comments);
    Answer::json(200, &json!({"@odata.context": super::context(call, &format!("security/alerts_v2('{id}')/comments")), "value": all}))
}
