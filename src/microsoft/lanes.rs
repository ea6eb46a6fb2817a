//! Manners: one call at a time per (tenant, API), eight per API, and none before Microsoft wants to be called again.

use super::CallError;
use crate::model::{Product, TenantId};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What is called, as far as limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Service {
    /// Entra's token endpoint.
    Login,
    Api(Product),
}

/// Calls in flight to one API over all tenants.
const PER_SERVICE: usize = 8;
/// The longest wait Microsoft can impose.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// The first wait when Microsoft says "too many requests" and not for how long; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// After so many calls that failed in all their tries, a call gets one try until one succeeds.
const FAILURES_BEFORE_ONE_TRY: u32 = 5;
/// How often a call is tried.
const TRIES: u32 = 5;

/// All lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<(TenantId, Service), Arc<Lane>>>,
    services: Mutex<HashMap<Service, Arc<Semaphore>>>,
}

impl Lanes {
    pub(super) fn lane(&self, tenant: TenantId, service: Service) -> Arc<Lane> {
        let places = self.places(service);
        locked(&self.lanes).entry((tenant, service)).or_insert_with(|| Arc::new(Lane::new(places))).clone()
    }

    /// The places of a service, for a call that belongs to no tenant yet.
    pub(super) fn places(&self, service: Service) -> Arc<Semaphore> {
        locked(&self.services).entry(service).or_insert_with(|| Arc::new(Semaphore::new(PER_SERVICE))).clone()
    }
}

/// The way of one tenant to one service.
#[derive(Debug)]
pub(super) struct Lane {
    turn: tokio::sync::Mutex<()>,
    pub(super) places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed_until: Option<DateTime<Utc>>,
    /// "Too many requests" in a row without a time.
    strikes: u32,
    /// Calls in a row that failed in all their tries.
    failures: u32,
}

impl Lane {
    fn new(places: Arc<Semaphore>) -> Self {
        Self { turn: tokio::sync::Mutex::default(), places, state: Mutex::default() }
    }

    /// Waits until no other call of this lane is under way.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// `Throttled` while Microsoft does not want to be called.
    pub(super) fn open(&self, now: DateTime<Utc>) -> Result<(), CallError> {
        match locked(&self.state).closed_until.and_then(|until| (until - now).to_std().ok()).filter(|left| !left.is_zero()) {
            Some(left) => Err(CallError::Throttled { retry_after: Some(left) }),
            None => Ok(()),
        }
    }

    /// How often the next call may be tried.
    pub(super) fn tries(&self) -> u32 {
        if locked(&self.state).failures < FAILURES_BEFORE_ONE_TRY { TRIES } else { 1 }
    }

    /// Closes the lane for as long as Microsoft asks, or for a growing while when it does not say.
    pub(super) fn throttled(&self, retry_after: Option<Duration>, now: DateTime<Utc>) -> CallError {
        let mut state = locked(&self.state);
        let wait = retry_after.unwrap_or_else(|| {
            state.strikes = (state.strikes + 1).min(10);
            FIRST_WAIT * 2_u32.pow(state.strikes - 1)
        });
        state.closed_until = Some(now + wait.min(LONGEST_WAIT));
        CallError::Throttled { retry_after }
    }

    /// Microsoft answered.
    pub(super) fn answered(&self) {
        *locked(&self.state) = State::default();
    }

    /// Every try failed.
    pub(super) fn failed(&self) {
        let mut state = locked(&self.state);
        state.failures = state.failures.saturating_add(1);
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The caller's time, going on while a call waits for its turn and its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    started_at: DateTime<Utc>,
    since: Instant,
}

impl Watch {
    pub(super) fn start(now: DateTime<Utc>) -> Self {
        Self { started_at: now, since: Instant::now() }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.started_at + TimeDelta::from_std(self.since.elapsed()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> Lane {
        Lane::new(Arc::new(Semaphore::new(1)))
    }

    #[test]
    fn nothing_is_called_before_the_time_microsoft_named() {
        let (lane, now) = (lane(), DateTime::UNIX_EPOCH);
        assert_eq!(lane.open(now), Ok(()));
        lane.throttled(Some(Duration::from_secs(7)), now);
        let left = lane.open(now + TimeDelta::seconds(6));
        assert_eq!(left, Err(CallError::Throttled { retry_after: Some(Duration::from_secs(1)) }));
        assert_eq!(lane.open(now + TimeDelta::seconds(7)), Ok(()));
    }

    #[test]
    fn without_a_time_the_wait_doubles_up_to_fifteen_minutes_and_an_answer_ends_it() {
        let (lane, now) = (lane(), DateTime::UNIX_EPOCH);
        let mut waits = Vec::new();
        for _ in 0..8 {
            lane.throttled(None, now);
            let Err(CallError::Throttled { retry_after: Some(wait) }) = lane.open(now) else { panic!() };
            waits.push(wait.as_secs());
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900, 900]);
        lane.answered();
        assert_eq!(lane.open(now), Ok(()));
    }

    #[test]
    fn after_five_failed_calls_there_is_one_try_until_one_succeeds() {
        let lane = lane();
        for _ in 0..5 {
            assert_eq!(lane.tries(), 5);
            lane.failed();
        }
        assert_eq!(lane.tries(), 1);
        lane.answered();
        assert_eq!(lane.tries(), 5);
    }
}
