use super::*;
use crate::microsoft::NetworkFault;
use crate::model::{Cloud, DirectoryId};

const INTERVAL: Duration = Duration::from_secs(60);

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-11-22T{text}Z").parse().unwrap()
}

fn claim() -> Claim {
    Claim {
        fence: 1,
        directory_id: DirectoryId(uuid::Uuid::from_u128(1)),
        cloud: Cloud::Commercial,
        endpoint_region: None,
        cloud_apps_host: None,
        apps: vec![],
        pinned: None,
        adapter: None,
        refused: None,
        state: SyncHealth::Ok,
        watermark: Some(at("11:45:00")),
        complete_until: Some(at("11:59:00")),
        backfill_from: Some(at("00:00:00")),
        backfill_done: 1.0,
        backfill_skip: 0,
        backfill_link: None,
        last_success: Some(at("11:59:00")),
        failing_since: None,
        failures: 0,
        reconciled_day: Some(at("11:00:00")),
        reconciled_week: Some(at("11:00:00")),
        quarantined: false,
        granted: vec![],
        died: None,
    }
}

#[test]
fn the_watermark_follows_the_data_and_never_our_clock() {
    let window = Window { since: at("11:45:00"), day: false, week: false };
    let overlap = Duration::from_secs(900);
    let mark = |old, newest, took| watermark(&window, old, newest, TimeDelta::seconds(took), overlap);
    assert_eq!(mark(Some(at("11:45:00")), None, 5), at("11:45:00"), "nothing came: stay");
    assert_eq!(mark(Some(at("11:45:00")), Some(at("12:10:00")), 60), at("11:54:00"), "overlap and the time it took");
    assert_eq!(mark(Some(at("11:45:00")), Some(at("11:46:00")), 0), at("11:45:00"), "never back");
    assert_eq!(mark(None, None, 0), at("11:45:00"), "first: where it read from");
    assert!(!is_credible("9999-12-31T23:59:59Z".parse().unwrap(), at("12:00:00")));
}

#[test]
fn the_past_is_read_again_each_day_and_each_week() {
    let settings = config::Sync::default();
    let now = at("12:00:00");
    assert_eq!(window(&claim(), now, &settings), Window { since: at("11:45:00"), day: false, week: false });
    let day = Claim { reconciled_day: Some(now - DAY), ..claim() };
    assert_eq!(window(&day, now, &settings), Window { since: now - DAY, day: true, week: false });
    let week = Claim { reconciled_week: None, ..claim() };
    assert_eq!(window(&week, now, &settings), Window { since: now - WEEK, day: false, week: true });
    let first = Claim { watermark: None, backfill_from: None, backfill_done: 0.0, ..claim() };
    assert_eq!(window(&first, now, &settings).since, now - NEWEST);
}

#[test]
fn failures_wait_longer_and_longer_up_to_fifteen_minutes() {
    let broken = CallError::Network(NetworkFault::Broken);
    let pauses: Vec<i64> = (0..7)
        .map(|failures| {
            (failed(&Claim { failures, ..claim() }, &broken, false, at("12:00:00"), INTERVAL, 0.0).next_due - at("12:00:00")).num_seconds()
        })
        .collect();
    assert_eq!(pauses, [60, 120, 240, 480, 900, 900, 900]);
    assert_eq!(failed(&claim(), &broken, false, at("12:00:00"), INTERVAL, 0.0).state, SyncHealth::Ok, "once is not yet failing");
    let again = failed(&Claim { failures: 1, ..claim() }, &broken, false, at("12:00:00"), INTERVAL, 0.0);
    assert_eq!(again.state, SyncHealth::Failing);
    assert!(again.reason.is_some() && again.remedy.is_some() && again.failing_since.is_some());
}

#[test]
fn what_microsoft_asks_is_kept_and_what_only_people_can_mend_shows_at_once() {
    let now = at("12:00:00");
    let pause = |error: CallError| {
        let end = failed(&claim(), &error, false, now, INTERVAL, 0.0);
        (end.state, (end.next_due - now).num_seconds())
    };
    let throttled = |seconds: Option<u64>| CallError::Throttled { retry_after: seconds.map(Duration::from_secs) };
    assert_eq!(pause(throttled(Some(7))), (SyncHealth::Ok, 7));
    assert_eq!(pause(throttled(Some(300))), (SyncHealth::Throttled, 300));
    assert_eq!(pause(throttled(Some(999_999))), (SyncHealth::Throttled, 900));
    assert_eq!(pause(throttled(None)), (SyncHealth::Ok, 60));
    assert_eq!(pause(CallError::ConsentLost { aadsts: Some(7_000_215) }), (SyncHealth::ConsentLost, 900));
    assert_eq!(pause(CallError::Forbidden { code: None }), (SyncHealth::NoPermission, 900));
    assert_eq!(pause(CallError::NoLicence { aadsts: None }), (SyncHealth::NoLicence, 3600));
    assert_eq!(pause(CallError::WrongTenantToken), (SyncHealth::Failing, 60));
    let ours = CallError::OurCredential { aadsts: Some(7_000_222) };
    assert_eq!(pause(ours.clone()), (SyncHealth::OurCredential, 60));
    for state in [SyncHealth::ConsentLost, SyncHealth::NoPermission, SyncHealth::NoLicence] {
        assert_eq!(failed(&Claim { state, ..claim() }, &ours, false, now, INTERVAL, 0.0).state, state, "the tenant's own trouble stands");
    }
}

#[test]
fn a_first_reading_that_comes_further_between_pauses_has_not_failed() {
    let first = Claim { backfill_done: 0.4, state: SyncHealth::Backfilling, failures: 3, failing_since: None, ..claim() };
    let throttled = CallError::Throttled { retry_after: Some(Duration::from_secs(40)) };
    let paced = failed(&first, &throttled, true, at("12:00:00"), INTERVAL, 0.0);
    assert_eq!((paced.state, paced.failures, paced.reason, paced.next_due), (SyncHealth::Backfilling, 0, None, at("12:00:40")));
    let stuck = failed(&first, &throttled, false, at("12:00:00"), INTERVAL, 0.0);
    assert_eq!((stuck.state, stuck.failures), (SyncHealth::Throttled, 4));
    let whole = Claim { backfill_done: 1.0, failures: 3, ..claim() };
    assert_eq!(failed(&whole, &throttled, true, at("12:00:00"), INTERVAL, 0.0).state, SyncHealth::Throttled);
}

#[test]
fn a_tenant_is_as_well_as_its_products() {
    use Product::{CloudApps, DefenderXdr};
    let lost = (CloudApps, SyncHealth::NoPermission, Some("The permission is missing.".to_owned()));
    assert_eq!(tenant_state(&[(DefenderXdr, SyncHealth::Waiting, None)]), (TenantState::Active, None));
    let (state, reason) = tenant_state(&[(DefenderXdr, SyncHealth::Ok, None), lost.clone()]);
    assert_eq!((state, reason.as_deref()), (TenantState::Degraded, Some("Defender for Cloud Apps: The permission is missing.")));
    assert_eq!(tenant_state(&[(DefenderXdr, SyncHealth::OurCredential, Some("x".to_owned()))]), (TenantState::Active, None));
    assert_eq!(tenant_state(&[lost]).0, TenantState::Blind);
}
