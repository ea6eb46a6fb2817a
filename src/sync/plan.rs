//! What is due, and what follows from how a reading went. Pure: time and chance are arguments.

use crate::config;
use crate::microsoft::CallError;
use crate::model::{Product, SyncHealth, TenantState};
use crate::store::sync_state::{Claim, Standing};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// No pause after a failure is longer, whatever Microsoft or the ladder says; and no tenant without consent is asked more often.
pub const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(15);
/// Between two tries at a product the directory does not have.
const NO_LICENCE_PAUSE: TimeDelta = TimeDelta::hours(1);
/// Microsoft's limits count by the minute: a pause this long is the usual pace of a long reading.
const USUAL_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// The first pass of a first reading: the newest records come first. Also wider than any difference of clocks.
const NEWEST: TimeDelta = TimeDelta::hours(24);
/// Records dated further ahead of our clock than this say nothing about how far we have read.
const FUTURE: TimeDelta = TimeDelta::hours(3);
/// What every tenant of the app is told, once for all of them.
const OURS: &str = "Microsoft does not accept our app's credential. Nothing is wrong with this tenant.";
const OURS_REMEDY: &str = "See Admin, Apps: it is one fault for every tenant of the app.";
const DAY: TimeDelta = TimeDelta::hours(24);
const WEEK: TimeDelta = TimeDelta::days(7);

/// From where this run reads, and which re-reading of the past that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub since: DateTime<Utc>,
    pub day: bool,
    pub week: bool,
}

/// Where the first reading begins.
pub fn backfill_from(claim: &Claim, now: DateTime<Utc>, settings: &config::Sync) -> DateTime<Utc> {
    claim.backfill_from.unwrap_or_else(|| now - delta(settings.backfill))
}

/// What is new since the watermark; once a day the last 24 hours, once a week the last 7 days, to find what came late.
pub fn window(claim: &Claim, now: DateTime<Utc>, settings: &config::Sync) -> Window {
    let Some(watermark) = claim.watermark else {
        return Window { since: (now - NEWEST).max(backfill_from(claim, now, settings)), day: false, week: false };
    };
    let is_due = |last: Option<DateTime<Utc>>, every| claim.backfill_done >= 1.0 && last.is_none_or(|last| now - last >= every);
    let (day, week) = (is_due(claim.reconciled_day, DAY), is_due(claim.reconciled_week, WEEK));
    let back = if week { WEEK } else { DAY };
    let since = if day || week { watermark.min(now - back) } else { watermark };
    Window { since, day, week }
}

/// Where the next run starts: what was updated last, less the overlap, less the time the pages took to come (whatever changed
/// meanwhile may have slipped between them). Never back, and never by our own clock.
pub fn watermark(
    window: &Window,
    old: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
    took: TimeDelta,
    overlap: Duration,
) -> DateTime<Utc> {
    let base = old.unwrap_or(window.since);
    newest.map_or(base, |newest| base.max(newest - delta(overlap) - took))
}

/// Whether a record's time may move the watermark: a single one dated 9999 would end all reading.
pub fn is_credible(updated: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    updated <= now + FUTURE
}

/// After a run that read everything it set out to read.
pub fn succeeded(
    claim: &Claim,
    window: &Window,
    done: f64,
    started: DateTime<Utc>,
    now: DateTime<Utc>,
    interval: Duration,
    dice: f64,
) -> Standing {
    let whole = done >= 1.0;
    let first = whole && claim.backfill_done < 1.0;
    let pause = delta(interval.mul_f64(0.95 + 0.1 * dice.clamp(0.0, 1.0)));
    Standing {
        state: if whole { SyncHealth::Ok } else { SyncHealth::Backfilling },
        complete_until: if whole { Some(started) } else { claim.complete_until },
        last_success: Some(now),
        failing_since: None,
        failures: 0,
        reason: None,
        remedy: None,
        next_due: if whole { (started + pause).max(now) } else { now },
        reconciled_day: if window.day || window.week || first { Some(started) } else { claim.reconciled_day },
        reconciled_week: if window.week || first { Some(started) } else { claim.reconciled_week },
    }
}

/// After a run that failed. What only people can mend shows at once; what may pass by itself shows from the second failure in a row,
/// and is tried again after 1, 2, 4, 8 … intervals, at most 15 minutes, plus up to a tenth. A wait that Microsoft asks for is kept,
/// also at most 15 minutes; a first reading that came further before it was made to wait has not failed. Without consent or permission the
/// pause is 15 minutes, without a licence an hour. Our own credential has an alarm of its own and says nothing of the tenant.
pub fn failed(claim: &Claim, error: &CallError, came_further: bool, now: DateTime<Utc>, interval: Duration, dice: f64) -> Standing {
    let paced = came_further && claim.backfill_done < 1.0 && matches!(error, CallError::Throttled { .. });
    let ours = matches!(error, CallError::OurCredential { .. });
    let failures = if paced { 0 } else { claim.failures.saturating_add(1) };
    let ladder = ladder(failures.max(1), interval);
    let repeated = |state| if failures > 1 { state } else { claim.state };
    let (state, pause) = match error {
        CallError::Throttled { retry_after } => {
            let asked = retry_after.map_or(ladder, |wait| TimeDelta::from_std(wait).map_or(LONGEST_PAUSE, |wait| wait.min(LONGEST_PAUSE)));
            let usual = delta(interval).max(USUAL_PAUSE);
            (if asked > usual { SyncHealth::Throttled } else { repeated(SyncHealth::Throttled) }, asked)
        }
        CallError::ConsentLost { .. } => (SyncHealth::ConsentLost, LONGEST_PAUSE),
        CallError::Forbidden { .. } => (SyncHealth::NoPermission, LONGEST_PAUSE),
        CallError::NoLicence { .. } => (SyncHealth::NoLicence, NO_LICENCE_PAUSE),
        // Nothing is known of the tenant, so what was found out about it stands.
        CallError::OurCredential { .. } if is_of_the_tenant(claim.state) => (claim.state, ladder),
        CallError::OurCredential { .. } => (SyncHealth::OurCredential, ladder),
        CallError::Server { .. } | CallError::Network(_) | CallError::Unexpected(_) | CallError::TooLarge => {
            (repeated(SyncHealth::Failing), ladder)
        }
        _ => (SyncHealth::Failing, ladder),
    };
    let jitter = pause.as_seconds_f64() * 0.1 * dice.clamp(0.0, 1.0);
    Standing {
        state,
        complete_until: claim.complete_until,
        last_success: claim.last_success,
        failing_since: if paced { None } else { claim.failing_since.or(Some(now)) },
        failures,
        reason: (!paced).then(|| if ours { OURS.to_owned() } else { error.reason() }),
        remedy: (!paced).then(|| if ours { OURS_REMEDY } else { error.remedy().staff }.to_owned()),
        next_due: now + pause + delta(Duration::from_secs_f64(jitter)),
        reconciled_day: claim.reconciled_day,
        reconciled_week: claim.reconciled_week,
    }
}

/// Whether the state says what the customer's directory lacks.
const fn is_of_the_tenant(state: SyncHealth) -> bool {
    matches!(state, SyncHealth::ConsentLost | SyncHealth::NoPermission | SyncHealth::NoLicence)
}

/// After a run that an API refused while another is open: that one goes on at once, so nothing has failed.
pub fn turned_away(claim: &Claim, now: DateTime<Utc>) -> Standing {
    Standing {
        state: claim.state,
        complete_until: claim.complete_until,
        last_success: claim.last_success,
        failing_since: claim.failing_since,
        failures: claim.failures,
        reason: None,
        remedy: None,
        next_due: now,
        reconciled_day: claim.reconciled_day,
        reconciled_week: claim.reconciled_week,
    }
}

fn ladder(failures: i32, interval: Duration) -> TimeDelta {
    let doublings = u32::try_from(failures - 1).unwrap_or(0).min(16);
    delta(interval.saturating_mul(1 << doublings)).min(LONGEST_PAUSE)
}

/// How a tenant stands as its enabled products make it, with a sentence for staff.
pub fn tenant_state(products: &[(Product, SyncHealth, Option<String>)]) -> (TenantState, Option<String>) {
    let is_read = |health: SyncHealth| health.is_reading() || matches!(health, SyncHealth::Waiting | SyncHealth::OurCredential);
    let blind: Vec<_> = products.iter().filter(|(_, health, _)| !is_read(*health)).collect();
    if products.is_empty() {
        return (TenantState::Blind, Some("No product of this tenant is asked for: check its apps.".to_owned()));
    }
    if blind.is_empty() {
        return (TenantState::Active, None);
    }
    let told = blind.iter().map(|(product, health, reason)| {
        let reason = reason.as_deref().unwrap_or(health.label());
        format!("{}: {}", product.label(), reason)
    });
    let state = if blind.len() == products.len() { TenantState::Blind } else { TenantState::Degraded };
    (state, Some(told.collect::<Vec<_>>().join(" ")))
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX / 4)
}

#[cfg(test)]
mod tests;
