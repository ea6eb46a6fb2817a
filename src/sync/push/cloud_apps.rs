//! Changes of Defender for Cloud Apps. The answer to a close is judged by its count, not by its HTTP code; an alert that was changed is read
//! again at once, so that our pages show it. What became of a change whose answer was lost is found out by reading (`look`), and where that
//! cannot tell (feedback) it is said that it may have been carried out, and nothing is repeated.

mod look;
mod upload;

pub(super) use look::look;

use super::look::FIRST as FIRST_LOOK;
use super::outcome::plain;
use super::{Errand, Reader};
use crate::microsoft::operations::cloud_apps as operations;
use crate::microsoft::{CallError, cloud_apps};
use crate::model::cloud_apps::Verdict;
use crate::model::{ChangeState, Product};
use crate::store::changes::{self, Change, Outcome};
use crate::store::quarantine::Kind;
use crate::store::{Scoped, ingest, uploads};
use crate::sync::Clock;
use crate::sync::rows::{Origin, Rows};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// Whether these are the rules for a change.
pub(super) fn is_mine(change: &Change) -> bool {
    change.operation.starts_with("cloud_apps.")
}

/// Sends what is not sent in one call. `None`: it is.
pub(super) async fn send(
    reader: &Reader,
    errand: &Errand,
    change: &Change,
    clock: Clock,
) -> anyhow::Result<Option<Result<String, CallError>>> {
    if change.operation == operations::DISCOVERY_DONE.name { upload::send(reader, errand, change, clock).await.map(Some) } else { Ok(None) }
}

/// Notes what an answer means.
pub(super) async fn answered(tx: &mut Scoped, change: &Change, body: &str, now: DateTime<Utc>) -> anyhow::Result<Option<TimeDelta>> {
    if let Some(verdict) = Verdict::of_operation(&change.operation) {
        return close_answered(tx, change, verdict, body, now).await;
    }
    let answer: Option<Value> = serde_json::from_str(body).ok();
    let is_new_range = change.operation == operations::SUBNETS_CREATE.name;
    let id = if is_new_range { cloud_apps::range_id(body) } else { None };
    let unclear = if answer.is_none() && !body.trim().is_empty() {
        Some(super::outcome::UNREADABLE)
    } else {
        // Accepted, but without the id: the list of ranges tells.
        (is_new_range && id.is_none()).then_some("Microsoft's answer does not name the new range; the list of ranges is read.")
    };
    if unclear.is_some() {
        changes::settle(tx, change, &plain(ChangeState::Unknown, unclear), now).await?;
        return Ok(Some(FIRST_LOOK));
    }
    changes::settle(tx, change, &Outcome { answer, external_id: id.as_deref(), ..plain(ChangeState::Done, None) }, now).await?;
    Ok(None)
}

async fn close_answered(
    tx: &mut Scoped,
    change: &Change,
    verdict: Verdict,
    body: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<TimeDelta>> {
    let Some(closed) = cloud_apps::closed(verdict, body) else {
        let reason = "Microsoft's answer does not say how many alerts were closed; they are read again.";
        changes::settle(tx, change, &plain(ChangeState::Unknown, Some(reason)), now).await?;
        return Ok(Some(FIRST_LOOK));
    };
    let asked = ids(change).len();
    let (state, reason) = judge(asked, closed.count, &closed.not_found);
    let answer = Some(json!({verdict.counted_as(): closed.count, "alertsNotFound": closed.not_found}));
    changes::settle(tx, change, &Outcome { answer, ..plain(state, reason.as_deref()) }, now).await?;
    Ok(None)
}

/// Done is only what was done whole.
fn judge(asked: usize, closed: usize, not_found: &[String]) -> (ChangeState, Option<String>) {
    if closed >= asked && not_found.is_empty() {
        return (ChangeState::Done, None);
    }
    let missing = match not_found {
        [] => " The others may have been closed before.".to_owned(),
        ids => format!(" Microsoft does not know {}.", ids.join(", ")),
    };
    (ChangeState::Failed, Some(format!("Microsoft closed {closed} of {asked}.{missing}")))
}

/// The alerts a close names.
fn ids(change: &Change) -> Vec<String> {
    let named = change.request.as_ref().and_then(|body| body.pointer("/filters/id/eq")).and_then(Value::as_array);
    named.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What follows a change, once its outcome is noted: alerts that were touched are read again and stored. That this failed costs nothing but
/// time, for closed alerts come with the next reading.
pub(super) async fn after(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> anyhow::Result<()> {
    if change.operation == operations::DISCOVERY_DONE.name {
        let mut tx = reader.db.tenant(change.tenant_id).await?;
        let settled = changes::get(&mut tx, change.change_id).await?;
        if settled.is_none_or(|settled| settled.state.is_final()) {
            uploads::remove(&mut tx, change.tenant_id, change.change_id).await?;
        }
        tx.commit().await?;
        return Ok(());
    }
    let touched = if Verdict::of_operation(&change.operation).is_some() { ids(change) } else { change.args.clone() };
    if !change.operation.starts_with("cloud_apps.alerts.") || touched.is_empty() {
        return Ok(());
    }
    if let Ok(records) = alerts(reader, errand, &touched, now).await {
        store(reader, errand, change, &records).await?;
    }
    Ok(())
}

/// Alerts as Microsoft has them now, in one call.
async fn alerts(reader: &Reader, errand: &Errand, ids: &[String], now: DateTime<Utc>) -> Result<Vec<String>, CallError> {
    let (target, app) = (&errand.target, errand.app.as_str());
    if let [id] = ids {
        return reader.microsoft.look_up(target, app, &operations::ALERTS_GET, &[id], (&[], None), now).await.map(|body| vec![body]);
    }
    let body = json!({"filters": {"id": {"eq": ids}}, "skip": 0, "limit": cloud_apps::PAGE});
    let answer = reader.microsoft.look_up(target, app, &operations::ALERTS_LIST, &[], (&[], Some(&body)), now).await?;
    let list = cloud_apps::list::<Value>(&answer).ok_or(CallError::Unexpected("it is no list of Cloud Apps (data, hasNext)"))?;
    Ok(list.records.into_iter().map(|(_, original)| original).collect())
}

async fn store(reader: &Reader, errand: &Errand, change: &Change, records: &[String]) -> anyhow::Result<()> {
    let origin = Origin { directory: errand.target.directory, cloud: errand.target.cloud, api: Product::CloudApps };
    let mut rows = Rows::default();
    for record in records {
        rows.add(Product::CloudApps, Kind::Alert, origin, record);
    }
    let mut tx = reader.db.tenant(change.tenant_id).await?;
    ingest::store(&mut tx, change.tenant_id, Product::CloudApps, &[], &rows.alerts).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_done_only_when_every_alert_was_closed() {
        assert_eq!(judge(2, 2, &[]).0, ChangeState::Done);
        let (state, reason) = judge(1, 0, &["x".to_owned()]);
        assert_eq!((state, reason.as_deref()), (ChangeState::Failed, Some("Microsoft closed 0 of 1. Microsoft does not know x.")));
        assert_eq!(judge(3, 2, &[]).0, ChangeState::Failed);
        assert_eq!(judge(1, 1, &["x".to_owned()]).0, ChangeState::Failed);
    }
}
