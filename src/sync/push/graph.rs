//! Incidents and alerts that were changed through Microsoft Graph security.

use super::look::Seen;
use super::outcome::Noted;
use super::{Errand, Reader};
use crate::microsoft::CallError;
use crate::microsoft::operations::graph;
use crate::model::{ChangeState, Product};
use crate::store::changes::Change;
use crate::store::quarantine::Kind;
use crate::store::{Scoped, ingest};
use crate::sync::rows::{self, Origin, Rows};
use chrono::{DateTime, Utc};
use serde_json::Value;

fn is_comment(change: &Change) -> bool {
    change.operation.ends_with(".comment")
}

fn kind(change: &Change) -> Kind {
    if change.operation.starts_with("graph.alerts.") { Kind::Alert } else { Kind::Incident }
}

/// What a success means. A comment is answered with every comment and not with the record: that one comes with the next reading.
pub(super) fn answered(change: &Change, body: &str) -> Noted {
    if is_comment(change) { Noted::new(ChangeState::Done, body) } else { Noted::done(body) }
}

/// Asks for the readings that show a change, at once. After the record is stored: readings lock in that order.
pub(super) async fn read_again(reader: &Reader, tx: &mut Scoped, change: &Change) -> anyhow::Result<()> {
    let products = [Product::DefenderEndpoint, Product::DefenderXdr];
    let touched = if kind(change) == Kind::Alert { &products[..] } else { &products[1..] };
    for product in touched {
        reader.queue.read(tx, change.tenant_id, *product).await?;
    }
    Ok(())
}

/// Stores the record that Microsoft sent back, so that its page is fresh at once. An incident comes back without its alerts: then what
/// follows from them stays as it is. What cannot be read is left to the next reading.
pub(super) async fn store(tx: &mut Scoped, errand: &Errand, change: &Change, body: &str) -> anyhow::Result<()> {
    let origin = Origin { directory: errand.target.directory, cloud: errand.target.cloud, api: Product::Graph };
    let mut rows = Rows::default();
    rows.add(Product::DefenderEndpoint, kind(change), origin, body);
    let whole = serde_json::from_str::<Value>(body).is_ok_and(|body| body.get("alerts").is_some());
    if kind(change) == Kind::Alert || whole {
        ingest::store(tx, change.tenant_id, Product::Graph, &rows.incidents, &rows.alerts).await?;
    } else if let Some(incident) = rows.incidents.first() {
        ingest::answered(tx, change.tenant_id, incident).await?;
    }
    Ok(())
}

/// The record as it is now.
pub(super) async fn read(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<String, CallError> {
    let id = change.args.first().map_or("", String::as_str);
    match kind(change) {
        Kind::Alert => errand.ask(reader, &graph::ALERTS_GET, &[id], &[], now).await,
        Kind::Incident => errand.ask(reader, &graph::INCIDENTS_GET, &[id], &[("$expand", "alerts")], now).await,
    }
}

/// Reads the record and compares.
pub(super) async fn look(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Seen, CallError> {
    let body = read(reader, errand, change, now).await?;
    let record = serde_json::from_str(&body).map_err(|_| CallError::Unexpected("it is broken JSON"))?;
    Ok(if shows(&record, change.request.as_ref()) {
        Seen::Is(Noted::done(&body).because("Microsoft's answer was lost; the record shows the change."))
    } else {
        Seen::Nothing("The record does not show it: it was not carried out, or somebody has changed it again since.".to_owned())
    })
}

/// Whether a record shows what was asked for. A comment is the proof where there is one, for it is never taken back.
fn shows(record: &Value, request: Option<&Value>) -> bool {
    let Some(asked) = request.and_then(Value::as_object) else { return false };
    for member in ["comment", "resolvingComment"] {
        if let Some(text) = asked.get(member).and_then(Value::as_str) {
            let comments = record["comments"].as_array().map(Vec::as_slice).unwrap_or_default();
            return comments.iter().any(|known| known["comment"].as_str() == Some(text)) || record[member].as_str() == Some(text);
        }
    }
    let mut members = asked.iter().filter(|(name, _)| !name.starts_with('@')).peekable();
    members.peek().is_some() && members.all(|(name, value)| same(&record[name.as_str()], value))
}

/// Words are compared without case and by what they mean; what was cleared comes back as nothing.
pub(super) fn same(is: &Value, asked: &Value) -> bool {
    match (is, asked) {
        (Value::String(is), Value::String(asked)) => rows::is_same_word(is, asked),
        (Value::Null, Value::String(asked)) => asked.is_empty(),
        (Value::Array(is), Value::Array(asked)) => is.len() == asked.len() && asked.iter().all(|tag| is.contains(tag)),
        (is, asked) => is == asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_shows_a_change_in_graphs_words_or_by_its_comment() {
        let record = json!({"status": "inProgress", "determination": "compromisedAccount", "customTags": ["a", "b"], "assignedTo": null,
            "comments": [{"comment": "x (ann)", "createdByDisplayName": "API-App"}]});
        for (request, expected) in [
            (json!({"status": "InProgress", "determination": "compromisedUser"}), true),
            (json!({"customTags": ["b", "a"], "assignedTo": ""}), true),
            (json!({"customTags": ["a"]}), false),
            (json!({"status": "resolved"}), false),
            (json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": "x (ann)"}), true),
            (json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": "y (ann)"}), false),
            (json!({"@odata.type": "#microsoft.graph.security.incident"}), false),
        ] {
            assert_eq!(shows(&record, Some(&request)), expected, "{request}");
        }
    }
}
