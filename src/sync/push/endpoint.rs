//! Alerts and devices of Defender for Endpoint that were changed.

use super::look::Seen;
use super::outcome::Noted;
use super::xdr::shows;
use super::{Errand, Reader};
use crate::microsoft::CallError;
use crate::microsoft::machines::Machine;
use crate::microsoft::operations::endpoint;
use crate::model::{ChangeState, Product};
use crate::store::changes::Change;
use crate::store::quarantine::Kind;
use crate::store::{Scoped, devices, ingest};
use crate::sync::rows::{Origin, Rows};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// Its answer is empty.
pub(super) const BATCH: &str = "endpoint.alerts.batch";

/// Stores the alert or device that Microsoft sent back. What cannot be read is left to the next reading.
pub(super) async fn store(tx: &mut Scoped, errand: &Errand, change: &Change, body: &str, now: DateTime<Utc>) -> anyhow::Result<()> {
    if change.operation.starts_with("endpoint.machines.") {
        if let Ok(machine) = serde_json::from_str::<Machine>(body) {
            devices::store(tx, change.tenant_id, &[crate::sync::devices::row(machine, body)], now).await?;
        }
    } else if change.operation != BATCH {
        let mut rows = Rows::default();
        let origin = Origin { directory: errand.target.directory, cloud: errand.target.cloud, api: Product::DefenderEndpoint };
        rows.add(Product::DefenderEndpoint, Kind::Alert, origin, body);
        ingest::store(tx, change.tenant_id, Product::DefenderEndpoint, &rows.incidents, &rows.alerts).await?;
    }
    Ok(())
}

/// Reads what was to be changed and compares.
pub(super) async fn look(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Seen, CallError> {
    let id = change.args.first().map_or("", String::as_str);
    let operation = match change.operation.as_str() {
        BATCH => return batch(reader, errand, change, now).await,
        "endpoint.alerts.create" => return created(reader, errand, change, now).await,
        "endpoint.alerts.update" => &endpoint::ALERTS_GET,
        _ => &endpoint::MACHINES_GET,
    };
    let body = errand.ask(reader, operation, &[id], &[], now).await?;
    let record: Value = serde_json::from_str(&body).map_err(|_| CallError::Unexpected("it is broken JSON"))?;
    let shown = match change.operation.as_str() {
        "endpoint.machines.tags" => has_tag(&record, change.request.as_ref()),
        _ => shows(&record, change.request.as_ref()),
    };
    Ok(if shown {
        Seen::Is(Noted::done(&body).because("Microsoft's answer was lost; the record shows the change."))
    } else {
        Seen::Nothing("The record does not show it: it was not carried out, or somebody has changed it again since.".to_owned())
    })
}

fn has_tag(machine: &Value, request: Option<&Value>) -> bool {
    let Some((tag, action)) = request.and_then(|request| Some((request.get("Value")?, request.get("Action")?.as_str()?))) else {
        return false;
    };
    let there = machine["machineTags"].as_array().is_some_and(|tags| tags.contains(tag));
    there == (action == "Add")
}

/// Pages of 1,000 alerts or more that are read to find a few.
const PAGES: usize = 20;

/// The alerts that changed since the sending: all of them, for one that is not among the first may be the one looked for.
async fn changed(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Vec<Value>, CallError> {
    let app = reader.microsoft.app_to_call(&endpoint::ALERTS_LIST, &errand.apps, &errand.granted)?;
    let since = change.sent_at.unwrap_or(now) - TimeDelta::minutes(10);
    let (mut alerts, mut skip) = (Vec::new(), 0);
    for _ in 0..PAGES {
        let page = reader.microsoft.endpoint_alerts(&errand.target, &app, since, skip, now).await?;
        alerts.extend(page.records.iter().filter_map(|record| serde_json::from_str(record.get()).ok()));
        if !page.more {
            return Ok(alerts);
        }
        skip = skip.saturating_add(u32::try_from(page.records.len()).unwrap_or(u32::MAX));
    }
    Err(CallError::Unexpected("more alerts have changed than can be looked through"))
}

async fn batch(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Seen, CallError> {
    let mut request = change.request.clone().unwrap_or_default();
    let ids = request.as_object_mut().and_then(|request| request.remove("alertIds")).unwrap_or_default();
    let ids: Vec<&str> = ids.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let alerts = changed(reader, errand, change, now).await?;
    let shown = |id: &&&str| alerts.iter().any(|alert| alert["id"].as_str() == Some(**id) && shows(alert, Some(&request)));
    let done = ids.iter().filter(shown).count();
    Ok(match done {
        0 => Seen::Nothing("None of the alerts shows it: it was not carried out, or somebody has changed them again since.".to_owned()),
        done if done == ids.len() => {
            Seen::Is(Noted::new(ChangeState::Done, "").because("Microsoft's answer was lost; the alerts show the change."))
        }
        done => Seen::Is(
            Noted::new(ChangeState::Failed, "")
                .because(format!("Microsoft's answer was lost, and {done} of {} alerts show the change.", ids.len())),
        ),
    })
}

/// The alert we made carries the change's id in its description.
async fn created(reader: &Reader, errand: &Errand, change: &Change, now: DateTime<Utc>) -> Result<Seen, CallError> {
    let mark = change.change_id.to_string();
    let alerts = changed(reader, errand, change, now).await?;
    let ours = alerts.into_iter().find(|alert| alert["description"].as_str().is_some_and(|text| text.contains(&mark)));
    Ok(match ours {
        Some(alert) => Seen::Is(Noted::done(&alert.to_string()).because("Microsoft's answer was lost; the alert is there.")),
        None => Seen::Nothing("There is no such alert: it was not created.".to_owned()),
    })
}
