//! Machine actions: accepted, running, ended, found again after a lost answer, cancelled. Sources: Microsoft's pages "MachineAction resource
//! type", "List machineActions API" and "Cancel machine action API".

use super::look::{Seen, again};
use super::outcome::Noted;
use super::{Errand, Reader};
use crate::microsoft::CallError;
use crate::microsoft::machines::{self, MachineAction};
use crate::microsoft::operations::{self, Operation, endpoint};
use crate::model::ChangeState;
use crate::model::action::Deed;
use crate::store::Scoped;
use crate::store::changes::{self, Change};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// How far Microsoft's clock and ours may be apart.
const SKEW: TimeDelta = TimeDelta::minutes(10);

/// The operation whose permission a change needs. Cancelling an action needs the permission of its kind, after Microsoft's page "Cancel
/// machine action API".
pub(super) async fn needs(tx: &mut Scoped, change: &Change, operation: &'static Operation) -> sqlx::Result<&'static Operation> {
    let [action] = change.args.as_slice() else { return Ok(operation) };
    if operation.name != endpoint::ACTIONS_CANCEL.name {
        return Ok(operation);
    }
    let began = changes::that_began(tx, change.tenant_id, action).await?;
    Ok(operations::all().find(|known| began.as_deref() == Some(known.name)).unwrap_or(operation))
}

/// An action that was accepted. Where one of the kind was under way already, Microsoft may answer with that one.
pub(super) fn answered(change: &Change, body: &str, now: DateTime<Utc>) -> Noted {
    if change.operation == "endpoint.act.investigate" {
        let id = machines::id_of(body);
        return Noted { external_id: id, ..Noted::new(ChangeState::Done, body) }.because("The investigation has begun.");
    }
    match machines::action(body) {
        Ok(action) if is_foreign(change, &action) => {
            let noted = Noted::new(ChangeState::Failed, body);
            Noted { external_id: Some(action.id.clone()), ..noted }.because(other(&action))
        }
        Ok(action) => stands(change, &action, body, now),
        // Accepted, but which action it is must be found out.
        Err(_) => Noted { next: Some(super::look::FIRST), ..Noted::new(ChangeState::Unknown, "") }
            .because("Microsoft accepted it, but the answer could not be read."),
    }
}

fn is_ours(change: &Change, action: &MachineAction) -> bool {
    action.requestor_comment.as_deref().is_some_and(|comment| comment.contains(&change.change_id.to_string()))
}

fn is_foreign(change: &Change, action: &MachineAction) -> bool {
    let before = change.sent_at.zip(action.created_at).is_some_and(|(sent, created)| created < sent - SKEW);
    !is_ours(change, action) && (before || action.requestor_comment.is_some())
}

/// What an action's own state says.
fn stands(change: &Change, action: &MachineAction, body: &str, now: DateTime<Utc>) -> Noted {
    let (state, reason) = match action.status.as_str() {
        "Succeeded" => (ChangeState::Done, None),
        "Failed" => (ChangeState::Failed, Some(failure(action))),
        "TimeOut" => (ChangeState::Failed, Some("The device did not carry it out in time.".to_owned())),
        "Cancelled" => (ChangeState::Cancelled, Some(cancellation(action))),
        _ => (ChangeState::Running, None),
    };
    let next = (state == ChangeState::Running).then(|| again(change, now));
    Noted { reason, external_id: Some(action.id.clone()), next, ..Noted::new(state, body) }
}

fn failure(action: &MachineAction) -> String {
    let errors = action.errors.join("; ");
    match (errors.is_empty(), action.error_code.filter(|code| *code != 0)) {
        (false, _) => format!("It failed on the device: {errors}"),
        (true, Some(code)) => format!("It failed on the device (error {code})."),
        (true, None) => "It failed on the device.".to_owned(),
    }
}

fn cancellation(action: &MachineAction) -> String {
    let by = action.cancelled_by.as_deref().map(|by| format!(" by {}", by.trim())).unwrap_or_default();
    let why = action.cancellation_comment.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("Cancelled{by}{why}")
}

fn other(action: &MachineAction) -> String {
    let by = action.requestor.as_deref().map(|by| format!(" by {}", by.trim())).unwrap_or_default();
    let at = action.created_at.map(|at| format!(" at {}", at.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
    format!("Not started: such an action is already in progress on this device, asked for{by}{at} (status {}).", action.status)
}

/// Whether a refusal means that such an action is under way.
pub(super) fn is_running_already(error: &CallError) -> bool {
    matches!(error, CallError::Rejected { told: Some(told), .. } if told.to_lowercase().contains("already in progress"))
}

/// The action that is in the way.
pub(super) async fn running(
    reader: &Reader,
    errand: &Errand,
    change: &Change,
    error: &CallError,
    now: DateTime<Utc>,
) -> (String, Option<String>) {
    let listed = list(reader, errand, change, DateTime::UNIX_EPOCH, now).await.unwrap_or_default();
    match listed.into_iter().find(|(action, _)| matches!(action.status.as_str(), "Pending" | "InProgress")) {
        Some((action, _)) => (other(&action), Some(action.id)),
        None => (error.reason(), None),
    }
}

/// Actions of the change's device and kind since then, with their JSON.
async fn list(
    reader: &Reader,
    errand: &Errand,
    change: &Change,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<(MachineAction, String)>, CallError> {
    let machine = change.args.first().map_or("", String::as_str).replace('\'', "''");
    let kind = Deed::of_operation(&change.operation).map_or("", Deed::microsofts_type);
    let mut filter = format!("machineId eq '{machine}' and type eq '{kind}'");
    if since > DateTime::UNIX_EPOCH {
        filter.push_str(&format!(" and creationDateTimeUtc ge {}", since.to_rfc3339_opts(SecondsFormat::Millis, true)));
    }
    let body = errand.ask(reader, &endpoint::ACTIONS_LIST, &[], &[("$filter", &filter)], now).await?;
    machines::actions(&body)
}

/// What became of an action.
pub(super) async fn look(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Seen, CallError> {
    match change.operation.as_str() {
        "endpoint.actions.cancel" => return cancelled(reader, errand, change, now).await,
        "endpoint.act.investigate" => return investigation(reader, errand, change, now).await,
        _ => {}
    }
    if let Some(id) = &change.external_id {
        let body = errand.ask(reader, &endpoint::ACTIONS_GET, &[id], &[], now).await?;
        return Ok(Seen::Is(stands(change, &machines::action(&body)?, &body, now)));
    }
    let listed = list(reader, errand, change, change.sent_at.unwrap_or(now) - SKEW, now).await?;
    Ok(match listed.into_iter().find(|(action, _)| is_ours(change, action)) {
        Some((action, body)) => Seen::Is(stands(change, &action, &body, now)),
        None => Seen::Nothing("Microsoft lists no such action on this device: it was not carried out.".to_owned()),
    })
}

async fn cancelled(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Seen, CallError> {
    let id = change.args.first().map_or("", String::as_str);
    let body = errand.ask(reader, &endpoint::ACTIONS_GET, &[id], &[], now).await?;
    let action = machines::action(&body)?;
    Ok(match action.status.as_str() {
        "Cancelled" => Seen::Is(Noted::new(ChangeState::Done, &body).because("Microsoft's answer was lost; the action is cancelled.")),
        "Succeeded" | "Failed" | "TimeOut" => {
            Seen::Is(Noted::new(ChangeState::Failed, &body).because(format!("The action had ended before: {}.", action.status)))
        }
        _ => Seen::Nothing("The action still runs: it was not cancelled.".to_owned()),
    })
}

/// An investigation carries no comment. One that began on this device after the sending is taken to be ours.
async fn investigation(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Seen, CallError> {
    let machine = change.args.first().map_or("", String::as_str).replace('\'', "''");
    let since = (change.sent_at.unwrap_or(now) - TimeDelta::minutes(1)).to_rfc3339_opts(SecondsFormat::Millis, true);
    let filter = format!("machineId eq '{machine}' and startTime ge {since}");
    let body = errand.ask(reader, &endpoint::INVESTIGATIONS_LIST, &[], &[("$filter", &filter)], now).await?;
    Ok(match machines::first_id(&body)? {
        Some(id) => {
            let noted = Noted { external_id: Some(id), ..Noted::new(ChangeState::Done, "") };
            Seen::Is(noted.because("Microsoft's answer was lost; an investigation began on this device at that time."))
        }
        None => Seen::Nothing("No investigation began on this device since: it was not started.".to_owned()),
    })
}
