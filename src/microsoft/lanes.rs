//! Manners: one call at a time per (tenant, API), a bounded number per API, none before Microsoft wants to be called again, and none
//! beyond the documented limits.
//!
//! A limit is kept per tenant and [`Budget`], in this process. People may use all of it, readings of what is new 80 %, and what can wait
//! (first readings, hunting) half, so that neither a long history nor a hunt over every tenant starves what is due.

use super::CallError;
use super::operations::{Budget, Way};
use crate::model::{Product, TenantId};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What is called, as far as turns go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Service {
    /// Entra's token endpoint.
    Login,
    Api(Product),
    /// Queries of minutes, which must hold up no reading.
    Hunting(Product),
}

/// Which share of Microsoft's limits a call may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Somebody waits for it: all of it.
    Person,
    /// Reading what is new: four fifths.
    #[default]
    Sync,
    /// It can wait: half.
    Background,
}

impl Pace {
    fn share(self, limit: u32) -> usize {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        match self {
            Self::Person => limit,
            Self::Sync => (limit * 4 / 5).max(1),
            Self::Background => (limit / 2).max(1),
        }
    }
}

/// How a call is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// `None`: the token endpoint, whose limits nobody knows.
    pub budget: Option<&'static Budget>,
    pub pace: Pace,
    pub way: Way,
}

impl Manner {
    /// Of the token endpoint.
    pub(super) const LOGIN: Self = Self { budget: None, pace: Pace::Person, way: Way::Read };

    fn name(&self) -> &'static str {
        self.budget.map_or("token", |budget| budget.name)
    }
}

/// Calls made since they were last taken, see [`super::Client::take_usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The name of a [`Budget`].
    pub budget: &'static str,
    pub calls: u32,
    /// How often Microsoft, or we for it, said "too many".
    pub throttled: u32,
}

/// Calls in flight to one API over all tenants, unless the configuration says otherwise.
pub(super) const PER_SERVICE: usize = 8;
/// The longest wait Microsoft can impose.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// The first wait when Microsoft says "too many requests" and not for how long; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// After so many calls that failed in all their tries, a call gets one try until one succeeds.
const FAILURES_BEFORE_ONE_TRY: u32 = 5;
/// How often a call is tried.
const TRIES: u32 = 5;

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    per_service: usize,
    lanes: Mutex<HashMap<(TenantId, Service), Arc<Lane>>>,
    services: Mutex<HashMap<Service, Arc<Semaphore>>>,
}

impl Lanes {
    pub(super) fn new(per_service: usize) -> Self {
        Self { per_service, lanes: Mutex::default(), services: Mutex::default() }
    }

    pub(super) fn lane(&self, tenant: TenantId, service: Service) -> Arc<Lane> {
        let places = self.places(service);
        locked(&self.lanes).entry((tenant, service)).or_insert_with(|| Arc::new(Lane::new(places))).clone()
    }

    /// The places of a service, for a call that belongs to no tenant yet.
    pub(super) fn places(&self, service: Service) -> Arc<Semaphore> {
        locked(&self.services).entry(service).or_insert_with(|| Arc::new(Semaphore::new(self.per_service))).clone()
    }

    /// The calls of a tenant since this was last asked.
    pub(super) fn take_usage(&self, tenant: TenantId) -> Vec<Usage> {
        let services = [Service::Login].into_iter();
        let services = services.chain(Product::ALL.iter().flat_map(|&product| [Service::Api(product), Service::Hunting(product)]));
        let lanes = locked(&self.lanes);
        let mine = services.filter_map(|service| lanes.get(&(tenant, service)));
        mine.flat_map(|lane| std::mem::take(&mut locked(&lane.state).usage)).collect()
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
    /// By budget.
    limits: HashMap<&'static str, Limit>,
    /// Calls in a row that failed in all their tries.
    failures: u32,
    usage: Vec<Usage>,
}

/// What is known of one limit.
#[derive(Debug, Default)]
struct Limit {
    closed_until: Option<DateTime<Utc>>,
    /// "Too many requests" in a row without a time.
    strikes: u32,
    /// When calls were made within the last hour.
    calls: VecDeque<DateTime<Utc>>,
}

impl State {
    fn note(&mut self, budget: &'static str, note: impl FnOnce(&mut Usage)) {
        let at = self.usage.iter().position(|usage| usage.budget == budget).unwrap_or_else(|| {
            self.usage.push(Usage { budget, calls: 0, throttled: 0 });
            self.usage.len() - 1
        });
        note(&mut self.usage[at]);
    }
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
    pub(super) fn open(&self, manner: &Manner, now: DateTime<Utc>) -> Result<(), CallError> {
        let state = locked(&self.state);
        let until = state.limits.get(manner.name()).and_then(|limit| limit.closed_until);
        match until.and_then(|until| (until - now).to_std().ok()).filter(|left| !left.is_zero()) {
            Some(left) => Err(CallError::Throttled { retry_after: Some(left) }),
            None => Ok(()),
        }
    }

    /// Counts a call that is about to be made. `Throttled`: it would pass the share of the limit that its pace may use, or the lane is
    /// closed.
    pub(super) fn spend(&self, manner: &Manner, now: DateTime<Utc>) -> Result<(), CallError> {
        self.open(manner, now)?;
        let mut state = locked(&self.state);
        if let Some(budget) = manner.budget {
            let limit = state.limits.entry(budget.name).or_default();
            if let Some(wait) = limit.wait(budget, manner.pace, now) {
                state.note(budget.name, |usage| usage.throttled += 1);
                return Err(CallError::Throttled { retry_after: Some(wait) });
            }
            limit.calls.push_back(now);
        }
        state.note(manner.name(), |usage| usage.calls += 1);
        Ok(())
    }

    /// How often the next call may be tried.
    pub(super) fn tries(&self) -> u32 {
        if locked(&self.state).failures < FAILURES_BEFORE_ONE_TRY { TRIES } else { 1 }
    }

    /// Closes the lane for this limit for as long as Microsoft asks, or for a growing while when it does not say.
    pub(super) fn throttled(&self, manner: &Manner, retry_after: Option<Duration>, now: DateTime<Utc>) -> CallError {
        let mut state = locked(&self.state);
        state.note(manner.name(), |usage| usage.throttled += 1);
        let limit = state.limits.entry(manner.name()).or_default();
        let wait = retry_after.unwrap_or_else(|| {
            limit.strikes = (limit.strikes + 1).min(10);
            FIRST_WAIT * 2_u32.pow(limit.strikes - 1)
        });
        limit.closed_until = Some(now + wait.min(LONGEST_WAIT));
        CallError::Throttled { retry_after }
    }

    /// Microsoft answered.
    pub(super) fn answered(&self, manner: &Manner) {
        let mut state = locked(&self.state);
        state.failures = 0;
        if let Some(limit) = state.limits.get_mut(manner.name()) {
            (limit.closed_until, limit.strikes) = (None, 0);
        }
    }

    /// Every try failed.
    pub(super) fn failed(&self) {
        let mut state = locked(&self.state);
        state.failures = state.failures.saturating_add(1);
    }
}

impl Limit {
    /// How long to wait until one more call is within the share.
    fn wait(&mut self, budget: &Budget, pace: Pace, now: DateTime<Utc>) -> Option<Duration> {
        while self.calls.front().is_some_and(|at| *at <= now - TimeDelta::hours(1)) {
            self.calls.pop_front();
        }
        let of = |limit: u32, window: TimeDelta| {
            let oldest = self.calls.iter().rev().nth(pace.share(limit) - 1)?;
            (*oldest + window - now).to_std().ok().filter(|left| !left.is_zero())
        };
        of(budget.per_hour, TimeDelta::hours(1)).or_else(|| of(budget.per_minute, TimeDelta::minutes(1)))
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
mod tests;
