//! Before a change is sent: what it stands behind is done, and nobody has changed its record since its person saw it.
//!
//! The store shows how a record stood when it was read last. In between somebody may have changed it at Microsoft, and a colleague's change may
//! be on its way; so the record is read once more, while no other change of it can be sent ([`changes::claim`]).

use super::{Errand, Reader, endpoint, graph, unless, xdr};
use crate::microsoft::CallError;
use crate::microsoft::operations::endpoint::ALERTS_GET;
use crate::model::ChangeState;
use crate::store::Scoped;
use crate::store::changes::{self, Change};
use crate::sync::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use std::time::Duration;

/// A record that cannot be read in this time is read again later; what is sent afterwards still has most of [`super::SEND_WITHIN`].
const READ_WITHIN: Duration = Duration::from_secs(30);
/// Whoever saves twice does so within this time, mostly; the page need not have shown what became of the first.
const TWICE: TimeDelta = TimeDelta::minutes(10);
/// When to come again because something else comes first.
pub(super) const SOON: TimeDelta = TimeDelta::seconds(2);

/// Whether a change's turn has come.
pub(super) enum Turn {
    Now,
    Later,
    /// What it stands behind was not carried out; it is noted as called off.
    Never,
}

/// Looks at the change that it stands behind.
pub(super) async fn turn(tx: &mut Scoped, change: &Change, now: DateTime<Utc>) -> sqlx::Result<Turn> {
    let Some(behind) = change.behind.filter(|_| change.state == ChangeState::Intended) else { return Ok(Turn::Now) };
    let first = changes::named(tx, change.tenant_id, behind).await?.map(|first| first.state);
    Ok(match first {
        Some(ChangeState::Done) => Turn::Now,
        Some(ChangeState::Failed | ChangeState::Cancelled | ChangeState::Lost) | None => {
            let why = "Not sent: what it was to be said with was not carried out.";
            changes::settle(tx, change, &super::outcome::plain(ChangeState::Cancelled, Some(why)), now).await?;
            Turn::Never
        }
        Some(_) => Turn::Later,
    })
}

/// What a record shows of those who may have changed it.
pub(super) enum Stands {
    /// As it was shown, or as it is to be.
    AsShown,
    /// Otherwise: what is different, for people, and the record.
    Otherwise(String, String),
}

/// Reads the record of a change that is claimed, and compares it.
///
/// # Errors
/// When it could not be read: then nothing may be sent yet.
pub(super) async fn look(reader: &Reader, errand: &Errand, change: &Change, clock: Clock) -> Result<Stands, CallError> {
    let (Some(Value::Object(expects)), Some(request)) = (&change.expects, &change.request) else { return Ok(Stands::AsShown) };
    let read = unless(tokio::time::sleep(READ_WITHIN), read(reader, errand, change, clock.now())).await;
    let body = match read {
        Ok(body) => body,
        Err(error) if error.is_passing() || error.may_have_acted() => return Err(error),
        // It may be changed without being seen, or is gone: the call itself will tell.
        Err(_) => return Ok(Stands::AsShown),
    };
    let record: Value = serde_json::from_str(&body).unwrap_or_default();
    if !record.is_object() || different(&record, expects, request, &Map::new()).is_empty() {
        return Ok(Stands::AsShown);
    }
    // Where that cannot be asked, it is as if there were none.
    let different = different(&record, expects, request, &own(reader, change).await.unwrap_or_default());
    if different.is_empty() {
        return Ok(Stands::AsShown);
    }
    let who = record["lastModifiedBy"].as_str().map(|who| format!(" ({who})")).unwrap_or_default();
    Ok(Stands::Otherwise(format!("Not sent: somebody has changed it meanwhile{who}: {}.", different.join(", ")), body))
}

/// What the same person's changes of this record that were just carried out made of it: of each member the last.
async fn own(reader: &Reader, change: &Change) -> sqlx::Result<Map<String, Value>> {
    let mut tx = reader.db.tenant(change.tenant_id).await?;
    let recent = changes::recent(&mut tx, change.tenant_id, change.args.first().map(String::as_str), 20).await?;
    let is_own = |other: &Change| {
        let (before, is_done) = (change.created_at - other.created_at, other.state == ChangeState::Done);
        is_done && (&other.actor, &other.operation) == (&change.actor, &change.operation) && before >= TimeDelta::zero() && before < TWICE
    };
    let mut own = Map::new();
    for (name, value) in recent.into_iter().filter(is_own).filter_map(|other| other.request).filter_map(members).flatten() {
        own.entry(name).or_insert(value);
    }
    Ok(own)
}

fn members(request: Value) -> Option<Map<String, Value>> {
    if let Value::Object(members) = request { Some(members) } else { None }
}

async fn read(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<String, CallError> {
    let id = change.args.first().map_or("", String::as_str);
    match change.operation.as_str() {
        operation if operation.starts_with("xdr.") => xdr::read(reader, errand, change, now).await,
        operation if operation.starts_with("graph.") => graph::read(reader, errand, change, now).await,
        _ => errand.ask(reader, &ALERTS_GET, &[id], &[], now).await,
    }
}

/// Stores the record that was read, so that its page shows who and what.
pub(super) async fn store(tx: &mut Scoped, errand: &Errand, change: &Change, body: &str, now: DateTime<Utc>) -> anyhow::Result<()> {
    match change.operation.as_str() {
        operation if operation.starts_with("xdr.") => xdr::store(tx, errand, change, body).await,
        operation if operation.starts_with("graph.") => graph::store(tx, errand, change, body).await,
        _ => endpoint::store(tx, errand, change, body, now).await,
    }
}

/// What of a record stands neither as it was shown nor as it is to be, nor as the same person has just made it: "the owner is ann@msp.example now".
fn different(record: &Value, expects: &Map<String, Value>, request: &Value, own: &Map<String, Value>) -> Vec<String> {
    let told = |name: &str, value: &Value| {
        let (title, none) = match name {
            "status" => ("status is", "none"),
            "assignedTo" => ("owner is", "nobody"),
            "classification" => ("classification is", "none"),
            "determination" => ("determination is", "none"),
            _ => ("tags are", "none"),
        };
        let list = |values: &Vec<Value>| values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        let text = value.as_str().map(str::to_owned).or_else(|| value.as_array().map(list)).filter(|text| !text.is_empty());
        format!("the {title} {} now", text.unwrap_or_else(|| none.to_owned()))
    };
    let is = |name: &String, value: &Value| alike(&record[name], value);
    let stands =
        |name: &String, then: &Value| is(name, then) || is(name, &request[name]) || own.get(name).is_some_and(|made| is(name, made));
    expects.iter().filter(|(name, then)| !stands(name, then)).map(|(name, _)| told(name, &record[name])).collect()
}

/// Words by what they mean; Microsoft's words for no verdict are none.
fn alike(is: &Value, other: &Value) -> bool {
    let unsaid = |value: &Value| match value {
        Value::Null => true,
        Value::String(word) => ["", "unknown", "notavailable", "notset"].contains(&word.to_ascii_lowercase().as_str()),
        Value::Array(values) => values.is_empty(),
        _ => false,
    };
    (unsaid(is) && unsaid(other)) || graph::same(is, other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_that_stands_as_shown_or_as_it_is_to_be_is_no_ones_change() {
        let record = json!({ "status": "Active", "assignedTo": "ben@msp.example", "classification": "Unknown", "tags": ["vip"] });
        let told = |expects: Value, request: Value| different(&record, expects.as_object().unwrap(), &request, &Map::new());
        let none: Vec<String> = Vec::new();
        assert_eq!(told(json!({ "status": "active" }), json!({ "status": "Resolved" })), none);
        assert_eq!(told(json!({ "classification": "" }), json!({ "classification": "TruePositive" })), none);
        assert_eq!(told(json!({ "assignedTo": "" }), json!({ "assignedTo": "ben@msp.example" })), none);
        assert_eq!(told(json!({ "assignedTo": "" }), json!({ "assignedTo": "ann@msp.example" })), ["the owner is ben@msp.example now"]);
        assert_eq!(
            told(json!({ "status": "InProgress", "tags": [] }), json!({ "status": "Resolved", "tags": ["new"] })),
            ["the status is Active now", "the tags are vip now"]
        );
    }
}
