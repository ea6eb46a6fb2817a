//! What Microsoft's answer to a change means, by the kind of change.

use super::{Errand, Reader, endpoint, graph, machine, xdr};
use crate::microsoft::CallError;
use crate::model::ChangeState;
use crate::store::Scoped;
use crate::store::changes::{self, Change, Outcome};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// Why a success is not believed.
pub(super) const UNREADABLE: &str = "The answer was a success, but cannot be read: perhaps it is not Microsoft’s.";

/// A state with a reason and nothing else to note.
pub(super) fn plain(state: ChangeState, reason: Option<&str>) -> Outcome<'_> {
    Outcome { state, reason, external_id: None, answer: None }
}

/// How a change stands, as an answer tells it.
pub(super) struct Noted {
    pub state: ChangeState,
    pub reason: Option<String>,
    /// Microsoft's id of what it became.
    pub external_id: Option<String>,
    pub answer: Option<Value>,
    /// The changed record as Microsoft sent it, to be stored as if it had been read.
    pub fresh: Option<String>,
    /// When to ask what came of it, where that takes time.
    pub next: Option<TimeDelta>,
}

impl Noted {
    /// A state and the answer that says so.
    pub fn new(state: ChangeState, body: &str) -> Self {
        Self { state, reason: None, external_id: None, answer: serde_json::from_str(body).ok(), fresh: None, next: None }
    }

    /// Done, and this is the record as it is now.
    pub fn done(body: &str) -> Self {
        Self { fresh: Some(body.to_owned()).filter(|body| !body.trim().is_empty()), ..Self::new(ChangeState::Done, body) }
    }

    /// With a sentence for people.
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}

/// Notes a success. Returns when to ask what came of it, where that takes time. Operations of another product: a line here and a file
/// beside this one.
pub(super) async fn answered(
    reader: &Reader,
    tx: &mut Scoped,
    errand: &Errand,
    change: &Change,
    body: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<TimeDelta>> {
    if super::cloud_apps::is_mine(change) {
        return super::cloud_apps::answered(tx, change, body, now).await;
    }
    let noted = match change.operation.as_str() {
        _ if !is_microsofts(&change.operation, body) => {
            Noted { next: Some(super::look::FIRST), ..Noted::new(ChangeState::Unknown, "") }.because(UNREADABLE)
        }
        operation if operation.starts_with("endpoint.act.") => machine::answered(change, body, now),
        operation if operation.starts_with("graph.") => graph::answered(change, body),
        operation if operation.starts_with("xdr.") || operation.starts_with("endpoint.") => Noted::done(body),
        _ => Noted::new(ChangeState::Done, body),
    };
    let next = note(tx, errand, change, &noted, now).await?;
    if change.operation.starts_with("graph.") {
        graph::read_again(reader, tx, change).await?;
    }
    Ok(next)
}

/// Whether Microsoft may have said this. Something in between, such as a proxy that wants its user to sign in, may call a page of its own a
/// success, and pass nothing on. Each of these operations is documented to answer with an object, but for the batch, which says nothing.
fn is_microsofts(operation: &str, body: &str) -> bool {
    let is_nothing = operation == endpoint::BATCH && body.trim().is_empty();
    is_nothing || serde_json::from_str::<Value>(body).is_ok_and(|answer| answer.is_object())
}

/// Writes down how a change stands, and stores the record that came with it. Returns when to ask again.
pub(super) async fn note(
    tx: &mut Scoped,
    errand: &Errand,
    change: &Change,
    noted: &Noted,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<TimeDelta>> {
    if let Some(body) = &noted.fresh {
        match change.operation.as_str() {
            operation if operation.starts_with("xdr.") => xdr::store(tx, errand, change, body).await?,
            operation if operation.starts_with("graph.") => graph::store(tx, errand, change, body).await?,
            operation if operation.starts_with("endpoint.") => endpoint::store(tx, errand, change, body, now).await?,
            _ => {}
        }
    }
    let outcome = Outcome {
        state: noted.state,
        reason: noted.reason.as_deref(),
        external_id: noted.external_id.as_deref(),
        answer: noted.answer.clone(),
    };
    changes::settle(tx, change, &outcome, now).await?;
    Ok(noted.next)
}

/// What a refusal means: the sentence for people and, where it is there already, Microsoft's id of what was asked for.
pub(super) async fn refused(
    reader: &Reader,
    errand: &Errand,
    change: &Change,
    error: &CallError,
    now: DateTime<Utc>,
) -> (String, Option<String>) {
    if change.operation.starts_with("endpoint.act.") && machine::is_running_already(error) {
        return machine::running(reader, errand, change, error, now).await;
    }
    let reason = match error {
        // Microsoft's own words say what to do.
        CallError::Rejected { told: Some(_), .. } => error.reason(),
        _ => format!("{} {}", error.reason(), error.remedy().staff),
    };
    (reason, None)
}
