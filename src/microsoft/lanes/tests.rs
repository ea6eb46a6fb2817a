use super::*;
use crate::microsoft::operations::{cloud_apps, xdr};

fn lane() -> Lane {
    Lane::new(Arc::new(Semaphore::new(1)))
}

const LIST: Manner = Manner { budget: Some(xdr::INCIDENTS_LIST.budget), pace: Pace::Sync, way: Way::Read };

#[test]
fn nothing_is_called_before_the_time_microsoft_named_and_other_limits_stay_open() {
    let (lane, now) = (lane(), DateTime::UNIX_EPOCH);
    let update = Manner { budget: Some(xdr::INCIDENTS_UPDATE.budget), ..LIST };
    assert_eq!(lane.open(&LIST, now), Ok(()));
    lane.throttled(&LIST, Some(Duration::from_secs(7)), now);
    let left = lane.spend(&LIST, now + TimeDelta::seconds(6));
    assert_eq!(left, Err(CallError::Throttled { retry_after: Some(Duration::from_secs(1)) }));
    assert_eq!(lane.open(&update, now), Ok(()));
    assert_eq!(lane.open(&LIST, now + TimeDelta::seconds(7)), Ok(()));
}

#[test]
fn without_a_time_the_wait_doubles_up_to_fifteen_minutes_and_an_answer_ends_it() {
    let (lane, now) = (lane(), DateTime::UNIX_EPOCH);
    let mut waits = Vec::new();
    for _ in 0..8 {
        lane.throttled(&LIST, None, now);
        let Err(CallError::Throttled { retry_after: Some(wait) }) = lane.open(&LIST, now) else { panic!() };
        waits.push(wait.as_secs());
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900, 900]);
    lane.answered(&LIST);
    assert_eq!(lane.open(&LIST, now), Ok(()));
}

#[test]
fn after_five_failed_calls_there_is_one_try_until_one_succeeds() {
    let lane = lane();
    for _ in 0..5 {
        assert_eq!(lane.tries(), 5);
        lane.failed();
    }
    assert_eq!(lane.tries(), 1);
    lane.answered(&LIST);
    assert_eq!(lane.tries(), 5);
}

#[test]
fn what_can_wait_leaves_half_of_a_limit_and_reading_leaves_a_fifth_for_people() {
    let (lane, now) = (lane(), DateTime::UNIX_EPOCH);
    let at = |pace| Manner { budget: Some(cloud_apps::ALERTS_LIST.budget), pace, way: Way::Read };
    let until_refused = |pace| (0..100).take_while(|_| lane.spend(&at(pace), now).is_ok()).count();
    assert_eq!(until_refused(Pace::Background), 15);
    assert_eq!(until_refused(Pace::Sync), 9);
    assert_eq!(until_refused(Pace::Person), 6);
    let later = now + TimeDelta::seconds(45);
    assert_eq!(lane.spend(&at(Pace::Person), later), Err(CallError::Throttled { retry_after: Some(Duration::from_secs(15)) }));
    assert_eq!(lane.spend(&at(Pace::Background), now + TimeDelta::seconds(60)), Ok(()));
}

#[test]
fn the_limit_of_an_hour_is_kept_too() {
    let (lane, start) = (lane(), DateTime::UNIX_EPOCH);
    let manner = Manner { pace: Pace::Person, ..LIST };
    let calls = (0..3600).filter(|second| lane.spend(&manner, start + TimeDelta::seconds(*second) * 2).is_ok()).count();
    assert_eq!(calls, 3000, "1,500 in each of two hours, at one call every two seconds 1,800 were wished for");
}

#[test]
fn calls_are_counted_and_taken_once() {
    let lanes = Lanes::new(1);
    let tenant = TenantId::new();
    let lane = lanes.lane(tenant, Service::Api(Product::DefenderXdr));
    let now = DateTime::UNIX_EPOCH;
    lane.spend(&LIST, now).unwrap();
    lane.spend(&LIST, now).unwrap();
    lane.throttled(&LIST, None, now);
    assert_eq!(lanes.take_usage(TenantId::new()), []);
    assert_eq!(lanes.take_usage(tenant), [Usage { budget: "xdr incidents list", calls: 2, throttled: 1 }]);
    assert_eq!(lanes.take_usage(tenant), []);
}
