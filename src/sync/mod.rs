//! Reads Microsoft into the store, again and again, and says how complete the copy is.
//!
//! `engine` runs jobs; `adapter` chooses between Microsoft's APIs; `verify` finds out what a tenant's consent allows; `read` is one reading
//! of one product, with `pages` asking, `rows` translating and `write` storing; `plan` decides, without input or output, what follows from it; `health` tells the tenant.

pub mod adapter;
pub mod alarms;
pub mod audit;
pub mod clocks;
pub mod devices;
pub mod engine;
mod health;
mod history;
pub mod hunt;
pub mod lookup;
mod outcome;
mod pages;
pub mod plan;
pub mod push;
mod quiet;
pub mod read;
pub mod region;
pub mod rounds;
pub mod rows;
pub mod staff;
pub mod suppressions;
mod syslog;
pub mod verify;
mod write;

use crate::microsoft::{Granted, Target};
use crate::store::tenants::Tenant;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Instant;

/// The time by the clock that a job was started with, going on while Microsoft is asked.
#[derive(Clone, Copy)]
struct Clock {
    started_at: DateTime<Utc>,
    since: Instant,
}

impl Clock {
    fn start(now: DateTime<Utc>) -> Self {
        Self { started_at: now, since: Instant::now() }
    }

    fn now(&self) -> DateTime<Utc> {
        self.started_at + TimeDelta::from_std(self.since.elapsed()).unwrap_or_default()
    }
}

/// The tenant as Microsoft is asked about it. `None`: it has no directory yet.
pub fn target(tenant: &Tenant) -> Option<Target> {
    let directory = tenant.directory_id?;
    Some(Target { places: tenant.places(), ..Target::new(tenant.tenant_id, directory, tenant.cloud) })
}

/// Permissions as the client chooses apps by them.
pub fn grants(rows: Vec<(String, crate::model::Product, String)>) -> Vec<Granted> {
    rows.into_iter().map(|(app, product, permission)| Granted { app, product, permission }).collect()
}

/// A number from 0 to 1 (exclusive), so that tenants do not march in step.
fn dice() -> f64 {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    f64::from(u16::from_le_bytes([bytes[0], bytes[1]])) / 65536.0
}
