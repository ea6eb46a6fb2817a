//! What became of a change whose answer was lost, found out by reading.

use super::super::SEND_WITHIN;
use super::super::look::{LOST_AFTER, unasked};
use super::{Errand, FIRST_LOOK, Reader, alerts, ids, operations, plain, store};
use crate::microsoft::CallError;
use crate::microsoft::cloud_apps::{self, Subnet};
use crate::model::ChangeState;
use crate::model::cloud_apps::{Verdict, next_page};
use crate::store::changes::{self, Change, Outcome};
use crate::store::uploads;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// So often it is looked before "not carried out" is believed, with this pause between.
const LOOKS: i32 = 3;
const PAUSE: TimeDelta = TimeDelta::seconds(45);
/// After so many looks that cannot tell nobody asks any more.
const LAST: i32 = 20;
const SILENT: &str = "Microsoft gave no answer, and what became of this cannot be found out: it may have been carried out.";
const UNREADABLE: &str = "Microsoft gave no answer, and feedback cannot be read back: it may have been given. It is not sent again.";
/// Clocks differ by no more than this.
const SKEW: TimeDelta = TimeDelta::minutes(5);
/// Pages of ranges that are read.
const PAGES: usize = 20;

/// What reading shows.
enum Found {
    /// It was carried out; with Microsoft's id of what came of it, where it has one.
    Done(Option<String>),
    /// It was carried out in part.
    Partly(String),
    /// There is no trace of it, yet or at all.
    Nothing,
    /// Reading cannot tell yet.
    Silence(&'static str),
    /// Reading never tells.
    Never,
}

/// Finds out, and notes it. Returns when to look again.
pub(in crate::sync::push) async fn look(
    reader: &Reader,
    errand: &Errand,
    change: &Change,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<TimeDelta>> {
    let Some(sent_at) = change.sent_at else { return Ok(Some(FIRST_LOOK)) }; // somebody else is just claiming it
    if change.looks >= LAST {
        note(reader, change, plain(ChangeState::Failed, Some(SILENT)), now).await?;
        return Ok(None);
    }
    let found = match find(reader, errand, change, now).await {
        Ok(found) => found,
        Err(error) => {
            let mut tx = reader.db.tenant(change.tenant_id).await?;
            let next = unasked(&mut tx, change, sent_at, &error, now).await?;
            tx.commit().await?;
            return Ok(next);
        }
    };
    match found {
        Found::Done(id) => note(reader, change, Outcome { external_id: id.as_deref(), ..plain(ChangeState::Done, None) }, now).await?,
        Found::Partly(reason) => note(reader, change, plain(ChangeState::Failed, Some(&reason)), now).await?,
        Found::Silence(reason) => {
            unknown(reader, change, reason, now).await?;
            return Ok(Some(PAUSE));
        }
        Found::Never => note(reader, change, plain(ChangeState::Failed, Some(UNREADABLE)), now).await?,
        Found::Nothing if change.looks + 1 < LOOKS || now - sent_at < LOST_AFTER => {
            let reason = "Microsoft gave no answer; so far there is no trace of it.";
            unknown(reader, change, reason, now).await?;
            return Ok(Some(PAUSE));
        }
        Found::Nothing => {
            let reason = "Microsoft gave no answer, and reading shows that it was not carried out. It can be asked for again.";
            note(reader, change, plain(ChangeState::Lost, Some(reason)), now).await?;
        }
    }
    Ok(None)
}

async fn unknown(reader: &Reader, change: &Change, reason: &str, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.tenant(change.tenant_id).await?;
    let over = change.sent_at.is_some_and(|sent_at| now - sent_at > SEND_WITHIN);
    changes::looked(&mut tx, change, reason, true, over).await?;
    tx.commit().await?;
    Ok(())
}

async fn note(reader: &Reader, change: &Change, outcome: Outcome<'_>, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.tenant(change.tenant_id).await?;
    changes::settle(&mut tx, change, &outcome, now).await?;
    if change.operation == operations::DISCOVERY_DONE.name {
        uploads::remove(&mut tx, change.tenant_id, change.change_id).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn find(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Found, CallError> {
    if let Some(verdict) = Verdict::of_operation(&change.operation) {
        return closed(reader, errand, change, verdict, now).await;
    }
    let is = |operation: &crate::microsoft::operations::Operation| change.operation == operation.name;
    if is(&operations::ALERTS_READ) || is(&operations::ALERTS_UNREAD) {
        return marked(reader, errand, change, now).await;
    }
    if is(&operations::SUBNETS_CREATE) || is(&operations::SUBNETS_UPDATE) || is(&operations::SUBNETS_DELETE) {
        return range(reader, errand, change, now).await;
    }
    if is(&operations::DISCOVERY_DONE) {
        return report(reader, errand, change, now).await;
    }
    Ok(Found::Never) // feedback
}

/// Every alert of a close, read again and stored.
async fn closed(reader: &Reader, errand: &Errand, change: &Change, verdict: Verdict, now: DateTime<Utc>) -> Result<Found, CallError> {
    let asked = ids(change);
    let records = alerts(reader, errand, &asked, now).await?;
    let is_closed = |record: &String| {
        let alert: Option<cloud_apps::Alert> = serde_json::from_str(record).ok();
        alert.and_then(|alert| alert.resolution_status_value).is_some_and(|value| verdict.resolutions().contains(&value))
    };
    let count = records.iter().filter(|record| is_closed(record)).count();
    if store(reader, errand, change, &records).await.is_err() {
        tracing::warn!(tenant = %change.tenant_id, "alerts that were closed could not be stored");
    }
    Ok(match count {
        0 => Found::Nothing,
        count if count >= asked.len() => Found::Done(None),
        count => Found::Partly(format!("Microsoft gave no answer; reading shows {count} of {} closed.", asked.len())),
    })
}

async fn marked(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Found, CallError> {
    let records = alerts(reader, errand, &change.args, now).await?;
    let alert: Option<cloud_apps::Alert> = records.first().and_then(|record| serde_json::from_str(record).ok());
    let status = alert.and_then(|alert| alert.status_value);
    if store(reader, errand, change, &records).await.is_err() {
        tracing::warn!(tenant = %change.tenant_id, "an alert that was marked could not be stored");
    }
    Ok(if is_marked(&change.operation, status) { Found::Done(None) } else { Found::Nothing })
}

/// Whether an alert of this `statusValue` is marked as asked for: 0 unread, 1 read, 2 archived, which only a read alert becomes.
fn is_marked(operation: &str, status: Option<i64>) -> bool {
    if operation == operations::ALERTS_READ.name { matches!(status, Some(1 | 2)) } else { status == Some(0) }
}

/// The whole list of ranges. An error where it does not end.
async fn ranges(reader: &Reader, errand: &Errand, now: DateTime<Utc>) -> Result<Vec<Subnet>, CallError> {
    let mut body = json!({"filters": {}, "skip": 0, "limit": cloud_apps::PAGE});
    let mut all = Vec::new();
    for _ in 0..PAGES {
        let (target, app) = (&errand.target, errand.app.as_str());
        let answer = reader.microsoft.look_up(target, app, &operations::SUBNETS_LIST, &[], (&[], Some(&body)), now).await?;
        let list = cloud_apps::list::<Subnet>(&answer).ok_or(CallError::Unexpected("it is no list of ranges"))?;
        all.extend(list.records.into_iter().map(|(range, _)| range));
        let next = serde_json::from_str(&answer).ok().and_then(|answer: Value| next_page(&body, &answer));
        let Some(next) = next else { return Ok(all) };
        body = next;
    }
    Err(CallError::Unexpected("the list of ranges does not end"))
}

async fn range(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Found, CallError> {
    let all = ranges(reader, errand, now).await?;
    let named = change.args.first().and_then(|id| all.iter().find(|range| range.id == *id));
    let request = change.request.clone().unwrap_or_default();
    if change.operation == operations::SUBNETS_DELETE.name {
        return Ok(if named.is_none() { Found::Done(None) } else { Found::Nothing });
    }
    if change.operation == operations::SUBNETS_UPDATE.name {
        return Ok(if named.is_some_and(|range| is_as(range, &request)) { Found::Done(None) } else { Found::Nothing });
    }
    // A name belongs to one range; one that stood there before the call was sent is another.
    let earliest = change.sent_at.unwrap_or(change.created_at) - SKEW;
    let fresh = |range: &&Subnet| is_as(range, &request) && range.last_modified.is_none_or(|at| at >= earliest);
    Ok(all.iter().find(fresh).map_or(Found::Nothing, |range| Found::Done(Some(range.id.clone()))))
}

/// Whether a range is as it was asked for.
fn is_as(range: &Subnet, request: &Value) -> bool {
    let texts = |name: &str| {
        let list = request[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        list.map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    range.name.as_deref() == request["name"].as_str()
        && range.category == request["category"].as_i64()
        && range.organization.as_deref().unwrap_or_default() == request["organization"].as_str().unwrap_or_default()
        && range.subnets.iter().cloned().collect::<std::collections::BTreeSet<_>>() == texts("subnets")
        && range.tags.iter().cloned().collect::<std::collections::BTreeSet<_>>() == texts("tags")
}

/// A report of the name that has had data since the log was sent.
async fn report(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Found, CallError> {
    let (target, app) = (&errand.target, errand.app.as_str());
    let answer = reader.microsoft.look_up(target, app, &operations::DISCOVERY_REPORTS, &[], (&[], None), now).await?;
    let reports = cloud_apps::streams(&answer).ok_or(CallError::Unexpected("it is no list of reports"))?;
    let name = change.request.as_ref().and_then(|request| request["inputStreamName"].as_str());
    let sent = change.sent_at.unwrap_or(change.created_at);
    let fed = reports.iter().any(|(report, _)| {
        let latest = [report.last_data_received, report.last_modified, report.created].into_iter().flatten().max();
        report.display_name.as_deref() == name && latest.is_some_and(|latest| latest >= sent)
    });
    if fed {
        return Ok(Found::Done(None));
    }
    Ok(Found::Silence("Microsoft gave no answer, and no report of this name shows new data yet. The log is not sent again by itself."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_that_was_read_and_then_closed_is_marked_as_read() {
        let of = |operation| [Some(0), Some(1), Some(2), None].map(|status| is_marked(operation, status));
        assert_eq!(of("cloud_apps.alerts.read"), [false, true, true, false]);
        assert_eq!(of("cloud_apps.alerts.unread"), [true, false, false, false]);
    }

    #[test]
    fn a_range_is_as_asked_for_only_if_every_part_is() {
        let record = json!({"_id": "a", "name": "n", "category": 1, "organization": null, "tags": [{"name": "t"}],
            "subnets": [{"originalString": "192.0.2.0/24", "mask": 120, "address": "x"}]});
        let range: Subnet = serde_json::from_value(record).unwrap();
        let request = json!({"name": "n", "category": 1, "subnets": ["192.0.2.0/24"], "tags": ["t"]});
        assert!(is_as(&range, &request));
        for (member, value) in [
            ("name", json!("m")),
            ("category", json!(2)),
            ("subnets", json!(["192.0.2.0/25"])),
            ("tags", json!([])),
            ("organization", json!("o")),
        ] {
            let mut other = request.clone();
            other[member] = value;
            assert!(!is_as(&range, &other), "{member}");
        }
    }
}
