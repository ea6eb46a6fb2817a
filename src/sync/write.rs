//! The short transactions of a reading. Each names its fence; one that meets another transaction in the way is tried three times.

use super::pages::Batch;
use super::push::add_usage;
use super::read::{Reading, Stop, consequences};
use super::rows::{self, Origin, Rows};
use crate::microsoft::CallError;
use crate::model::Product;
use crate::store::ingest::{self, Written};
use crate::store::runs::Run;
use crate::store::sync_state::{self, Progress, Standing};
use crate::store::{Scoped, quarantine, runs};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(super) const TRIES: u32 = 3;

/// What one transaction of a reading is to do.
pub(super) struct Step<'a> {
    /// Rows to store.
    pub rows: &'a Rows,
    /// How far the reading has come with them; `None`: it broke off, and what is stored already stands.
    pub progress: Option<Progress>,
    /// How the run ended, if it has.
    pub end: Option<(&'a Standing, Option<&'a CallError>)>,
}

/// Stores a batch and how far the reading has come.
pub(super) async fn batch(reading: &mut Reading<'_>, batch: &Batch) -> Result<(), Stop> {
    let step = Step { rows: &batch.rows, progress: Some(reading.progress.clone()), end: None };
    take(reading, &step).await
}

/// Does one step, whole or not at all.
pub(super) async fn take(reading: &mut Reading<'_>, step: &Step<'_>) -> Result<(), Stop> {
    for attempt in 1.. {
        match once(reading, step).await {
            Ok(run) => {
                reading.run = run;
                break;
            }
            Err(Stop::Store(error)) if attempt < TRIES && error.downcast_ref().is_some_and(ingest::is_contention) => {}
            Err(reason) => return Err(reason),
        }
    }
    Ok(())
}

async fn once(reading: &Reading<'_>, step: &Step<'_>) -> Result<Run, Stop> {
    let (tenant, product, fence) = (reading.tenant, reading.product, reading.claim.fence);
    let mut tx = reading.reader.db.tenant(tenant).await?;
    let mut run = reading.run.clone();
    add(&mut run, store(&mut tx, reading, reading.api(), step.rows).await?);
    let mut held = sync_state::hold(&mut tx, tenant, product, fence).await?;
    if let Some(progress) = &step.progress {
        held = held && sync_state::advance(&mut tx, tenant, product, fence, progress).await?;
    }
    if let Some((standing, error)) = step.end {
        held = held && sync_state::finish(&mut tx, tenant, product, fence, standing).await?;
        runs::record(&mut tx, tenant, &run).await?;
        add_usage(reading.reader, &mut tx, tenant, run.finished_at.unwrap_or(run.started_at)).await?;
        consequences(&mut tx, reading, standing, error).await?;
    }
    if !held {
        return Err(Stop::LeaseLost);
    }
    tx.commit().await?;
    Ok(run)
}

/// What a transaction did to the tables.
#[derive(Clone, Copy, Default)]
struct Stored {
    written: Written,
    quarantined: usize,
}

fn add(run: &mut Run, stored: Stored) {
    let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    run.added += number(stored.written.added);
    run.changed += number(stored.written.changed);
    run.quarantined += number(stored.quarantined);
}

async fn store(tx: &mut Scoped, reading: &Reading<'_>, api: Product, rows: &Rows) -> Result<Stored, Stop> {
    let (tenant, product) = (reading.tenant, reading.product);
    let mut stored = Stored::default();
    // Incidents first, whole; their alerts in statements of a bounded size.
    stored.written += ingest::store(tx, tenant, api, &rows.incidents, &[]).await?;
    for alerts in rows.alerts.chunks(1000) {
        stored.written += ingest::store(tx, tenant, api, &[], alerts).await?;
    }
    for bad in &rows.bad {
        let added = quarantine::put(tx, tenant, (product, api), bad.kind, &bad.body, &bad.reason).await?;
        stored.quarantined += usize::from(added);
    }
    Ok(stored)
}

/// Tries again what an earlier version could not read, and forgets what has come again in a form that could be.
pub(super) async fn try_quarantined(reading: &mut Reading<'_>) -> Result<(), Stop> {
    let (tenant, product) = (reading.tenant, reading.product);
    let mut tx = reading.reader.db.tenant(tenant).await?;
    let waiting = quarantine::list(&mut tx, tenant, Some(product)).await?;
    let mut read: BTreeMap<Product, Rows> = BTreeMap::new();
    let mut done: Vec<Uuid> = Vec::new();
    for bad in &waiting {
        let origin = Origin { directory: reading.claim.directory_id, cloud: reading.claim.cloud, api: bad.api };
        let read = read.entry(bad.api).or_default();
        let failures = read.bad.len();
        read.add(product, bad.kind, origin, &bad.body);
        let came_again = match rows::identity(bad.kind, &bad.body) {
            Some(id) if read.bad.len() > failures => ingest::is_newer_known(&mut tx, tenant, bad, &id).await?,
            _ => false,
        };
        if read.bad.len() == failures || came_again {
            done.push(bad.quarantine_id);
        }
    }
    if !done.is_empty() {
        let mut stored = Vec::new();
        for (api, mut read) in read {
            read.bad.clear();
            stored.push(store(&mut tx, reading, api, &read).await?);
        }
        quarantine::remove(&mut tx, tenant, &done).await?;
        if !sync_state::hold(&mut tx, tenant, product, reading.claim.fence).await? {
            return Err(Stop::LeaseLost);
        }
        tx.commit().await?;
        for stored in stored {
            add(&mut reading.run, stored);
        }
    }
    Ok(())
}

/// Gives the lease back in the middle of a run, because the process ends; the next run goes on at once.
pub(super) async fn release(reading: &mut Reading<'_>) -> Result<(), Stop> {
    let (tenant, product, now) = (reading.tenant, reading.product, reading.now());
    reading.run.finished_at = Some(now);
    reading.run.outcome = Some("interrupted".to_owned());
    reading.run.error = Some("The process was asked to stop.".to_owned());
    let mut tx = reading.reader.db.tenant(tenant).await?;
    let held = sync_state::release(&mut tx, tenant, product, reading.claim.fence).await?;
    runs::record(&mut tx, tenant, &reading.run).await?;
    if !held {
        return Err(Stop::LeaseLost);
    }
    tx.commit().await?;
    Ok(())
}
