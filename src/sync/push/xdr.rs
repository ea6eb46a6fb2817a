//! Incidents of Defender XDR that were changed.

use super::look::Seen;
use super::outcome::Noted;
use super::{Errand, Reader};
use crate::microsoft::CallError;
use crate::microsoft::operations::xdr;
use crate::model::Product;
use crate::store::changes::Change;
use crate::store::quarantine::Kind;
use crate::store::{Scoped, ingest};
use crate::sync::rows::{Origin, Rows};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Stores the incident that Microsoft sent back, so that its page is fresh at once. What cannot be read is left to the next reading.
pub(super) async fn store(tx: &mut Scoped, errand: &Errand, change: &Change, body: &str) -> anyhow::Result<()> {
    let mut rows = Rows::default();
    let (directory, cloud) = (errand.target.directory, errand.target.cloud);
    rows.add(Product::DefenderXdr, Kind::Incident, Origin { directory, cloud, api: Product::DefenderXdr }, body);
    ingest::store(tx, change.tenant_id, Product::DefenderXdr, &rows.incidents, &rows.alerts).await?;
    Ok(())
}

/// The incident as it is now.
pub(super) async fn read(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<String, CallError> {
    let id = change.args.first().map_or("", String::as_str);
    errand.ask(reader, &xdr::INCIDENTS_GET, &[id], &[], now).await
}

/// Reads the incident and compares.
pub(super) async fn look(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Seen, CallError> {
    let body = read(reader, errand, change, now).await?;
    let record = serde_json::from_str(&body).map_err(|_| CallError::Unexpected("it is broken JSON"))?;
    Ok(if shows(&record, change.request.as_ref()) {
        Seen::Is(Noted::done(&body).because("Microsoft's answer was lost; the incident shows the change."))
    } else {
        Seen::Nothing("The incident does not show it: it was not carried out, or somebody has changed it again since.".to_owned())
    })
}

/// Whether a record of the Defender APIs shows what was asked for. A comment is the proof where there is one, for it is never taken back.
pub(super) fn shows(record: &Value, request: Option<&Value>) -> bool {
    let Some(asked) = request.and_then(Value::as_object) else { return false };
    if let Some(comment) = asked.get("comment").and_then(Value::as_str) {
        let comments = record["comments"].as_array().map(Vec::as_slice).unwrap_or_default();
        return comments.iter().any(|known| known["comment"].as_str() == Some(comment));
    }
    !asked.is_empty() && asked.iter().all(|(name, value)| same(&record[name.as_str()], value))
}

/// Texts are compared without case; what was cleared with an empty text comes back as nothing.
fn same(is: &Value, asked: &Value) -> bool {
    match (is, asked) {
        (Value::String(is), Value::String(asked)) => is.eq_ignore_ascii_case(asked),
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
    fn a_record_shows_a_change_when_every_member_does_or_its_comment_stands_there() {
        let record = json!({"status": "Resolved", "tags": ["a", "b"], "assignedTo": null, "comments": [{"comment": "x (ann)"}]});
        for (request, expected) in [
            (json!({"status": "resolved"}), true),
            (json!({"status": "Resolved", "tags": ["b", "a"], "assignedTo": ""}), true),
            (json!({"status": "Resolved", "tags": ["a"]}), false),
            (json!({"status": "Active", "comment": "x (ann)"}), true),
            (json!({"status": "Resolved", "comment": "y (ann)"}), false),
            (json!({}), false),
        ] {
            assert_eq!(shows(&record, Some(&request)), expected, "{request}");
        }
        assert!(!shows(&record, None));
    }
}
