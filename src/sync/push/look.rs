//! What became of a change whose answer was lost, or that takes its time.
//!
//! "Microsoft does not know of it" is believed when it was said twice, and the second time not before [`LOST_AFTER`]: no call can be under way
//! any more then, see [`super::SEND_WITHIN`].

use super::outcome::{self, Noted, plain};
use super::{Errand, Reader, endpoint, graph, machine, xdr};
use crate::microsoft::CallError;
use crate::model::ChangeState;
use crate::store::Scoped;
use crate::store::changes::{self, Change};
use chrono::{DateTime, TimeDelta, Utc};

/// How long after a lost answer Microsoft is asked first.
pub(super) const FIRST: TimeDelta = TimeDelta::seconds(10);
/// How long after the sending a change may be called "not carried out".
pub(super) const LOST_AFTER: TimeDelta = TimeDelta::minutes(2);
/// How often Microsoft must have said that it knows nothing of it.
const LOOKS: i32 = 2;
/// After so long in vain nobody asks any more.
pub(super) const LAST: TimeDelta = TimeDelta::days(7);

/// What Microsoft shows of a change.
pub(super) enum Seen {
    /// It was carried out, or has come this far.
    Is(Noted),
    /// Nothing of it; the sentence says what was looked at.
    Nothing(String),
    /// There is no way to ask.
    Never,
}

/// When to ask again what something that takes its time has come to.
pub(super) fn again(change: &Change, now: DateTime<Utc>) -> TimeDelta {
    match now - change.sent_at.unwrap_or(now) {
        age if age < TimeDelta::minutes(10) => TimeDelta::seconds(15),
        age if age < TimeDelta::hours(1) => TimeDelta::minutes(1),
        _ => TimeDelta::minutes(5),
    }
}

/// Asks Microsoft what became of a change. Returns when to ask again.
pub(super) async fn look(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> anyhow::Result<Option<TimeDelta>> {
    let Some(sent_at) = change.sent_at else { return Ok(Some(FIRST)) }; // somebody else is just claiming it
    if super::cloud_apps::is_mine(change) {
        return super::cloud_apps::look(reader, errand, change, now).await;
    }
    let seen = see(reader, errand, change, now).await;
    let mut tx = reader.db.tenant(change.tenant_id).await?;
    let age = now - sent_at;
    let next = match seen {
        Ok(Seen::Is(noted)) => outcome::note(&mut tx, errand, change, &noted, now).await?,
        Ok(Seen::Nothing(reason)) if change.looks + 1 >= LOOKS && age >= LOST_AFTER => {
            changes::settle(&mut tx, change, &plain(ChangeState::Lost, Some(&reason)), now).await?;
            None
        }
        Ok(Seen::Nothing(reason)) => {
            changes::looked(&mut tx, change, &reason, true, age > super::SEND_WITHIN).await?;
            Some((LOST_AFTER - age).clamp(FIRST, TimeDelta::seconds(30)))
        }
        Ok(Seen::Never) => {
            let reason = "Microsoft gave no answer, and cannot be asked what became of this: it may have been carried out.";
            changes::settle(&mut tx, change, &plain(ChangeState::Failed, Some(reason)), now).await?;
            None
        }
        Err(CallError::NotFound) if age >= LOST_AFTER => {
            let reason = "Microsoft gave no answer, and has no such record any more: it may have been carried out.";
            changes::settle(&mut tx, change, &plain(ChangeState::Failed, Some(reason)), now).await?;
            None
        }
        Err(error) => unasked(&mut tx, change, sent_at, &error, now).await?,
    };
    tx.commit().await?;
    Ok(next)
}

/// Notes that Microsoft could not be asked. Returns when to ask again; after a week nobody does.
pub(super) async fn unasked(
    tx: &mut Scoped,
    change: &Change,
    sent_at: DateTime<Utc>,
    error: &CallError,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<TimeDelta>> {
    let age = now - sent_at;
    if age > LAST {
        let reason = format!("It was sent, and for a week Microsoft did not say what became of it: {}", error.reason());
        changes::settle(tx, change, &plain(ChangeState::Failed, Some(&reason)), now).await?;
        return Ok(None);
    }
    let reason = format!("Microsoft could not be asked what became of it: {}", error.reason());
    changes::looked(tx, change, &reason, false, age > super::SEND_WITHIN).await?;
    let asked_to = match error {
        CallError::Throttled { retry_after: Some(wait) } => TimeDelta::from_std(*wait).ok(),
        _ => None,
    };
    Ok(Some(asked_to.unwrap_or_else(|| again(change, now))))
}

/// Asks in the way that fits the kind of change. Operations of another product: a line here and a file beside this one.
async fn see(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Seen, CallError> {
    match change.operation.as_str() {
        operation if operation.starts_with("xdr.") => xdr::look(reader, errand, change, now).await,
        operation if operation.starts_with("graph.") => graph::look(reader, errand, change, now).await,
        operation if operation.starts_with("endpoint.act") => machine::look(reader, errand, change, now).await,
        operation if operation.starts_with("endpoint.") => endpoint::look(reader, errand, change, now).await,
        _ => Ok(Seen::Never),
    }
}
