//! One reading of one product of one tenant.
//!
//! Fetch first, then short transactions: no connection is held while Microsoft answers. Rows are stored in batches as they come; the
//! watermark moves in the transaction that stores the last of them, so a reading that breaks off anywhere is simply done again. A
//! first reading brings the last day first and then the rest, in pieces that are kept.

use super::engine::Queue;
use super::outcome::{measure, new_run, outcome};
use super::pages::{self, Pager};
use super::quiet::Desk;
use super::{Clock, adapter, health, history, plan, quiet, write};
use crate::config;
use crate::microsoft::{CallError, Client};
use crate::model::{Adapter, Product, SyncHealth, TenantId, TenantState};
use crate::store::runs::{self, Run};
use crate::store::sync_state::{self, Claim, Progress, Standing};
use crate::store::{Db, Scoped, adapters};
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

/// Tenants whose state follows from their reading.
pub(super) const READ_STATES: [TenantState; 3] = [TenantState::Active, TenantState::Degraded, TenantState::Blind];

const TAKEN_OVER: &str = "another worker has taken over this reading";

/// What a reading needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Works as the worker role.
    pub db: Db,
    pub queue: Queue,
    pub microsoft: Client,
    pub settings: config::Sync,
    /// Ends readings at the next page.
    pub stop: CancellationToken,
    pub(super) quiet: Desk,
}

impl Reader {
    /// `db` works as the worker role.
    pub fn new(db: Db, microsoft: Client, settings: config::Sync, stop: CancellationToken) -> Self {
        Self { queue: Queue::new(&db), db, microsoft, settings, stop, quiet: Desk::default() }
    }
}

/// Why a reading ended early.
pub(super) enum Stop {
    Microsoft(CallError),
    Store(anyhow::Error),
    /// Somebody else has taken over: nothing more may be written.
    LeaseLost,
    /// The process ends.
    Asked,
}

impl<E: Into<anyhow::Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

/// A reading under way.
pub(super) struct Reading<'a> {
    pub reader: &'a Reader,
    pub tenant: TenantId,
    pub product: Product,
    /// The way it is read.
    pub adapter: Adapter,
    /// The API did not want it so, and another one is open.
    refused: bool,
    pub claim: Claim,
    pub progress: Progress,
    pub run: Run,
    clock: Clock,
}

impl Reading<'_> {
    /// The time, by the clock the run was started with.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The product whose API is asked.
    pub const fn api(&self) -> Product {
        self.adapter.api(self.product)
    }

    /// Keeps the lease. Needs a connection for a moment only.
    pub async fn hold(&self) -> Result<(), Stop> {
        let mut tx = self.reader.db.tenant(self.tenant).await?;
        let held = sync_state::hold(&mut tx, self.tenant, self.product, self.claim.fence).await?;
        tx.commit().await?;
        if held { Ok(()) } else { Err(Stop::LeaseLost) }
    }
}

/// Reads one product of one tenant, if it is due at `now`. Returns the run, or `None` if there was
/// nothing to do: not due, read by somebody else, or not to be read.
///
/// # Errors
/// When the database fails, or the lease was lost to another worker. What Microsoft does wrong is a result, not an error.
pub async fn read(reader: &Reader, tenant: TenantId, product: Product, now: DateTime<Utc>) -> anyhow::Result<Option<Run>> {
    let mut tx = reader.db.tenant(tenant).await?;
    let claim = sync_state::claim(&mut tx, tenant, product, now).await?;
    tx.commit().await?;
    match claim {
        Some(claim) => claimed(reader, tenant, product, claim, now).await.map(Some),
        None => Ok(None),
    }
}

/// Reads one product of one tenant under a lease that has just been taken.
///
/// # Errors
/// As [`read`].
pub(super) async fn claimed(
    reader: &Reader,
    tenant: TenantId,
    product: Product,
    mut claim: Claim,
    now: DateTime<Utc>,
) -> anyhow::Result<Run> {
    if let Some(started_at) = claim.died {
        let error = Some("The process that read ended in the middle.".to_owned());
        let run = Run { started_at, outcome: Some("interrupted".to_owned()), error, ..new_run(product, started_at) };
        let mut tx = reader.db.tenant(tenant).await?;
        runs::record(&mut tx, tenant, &run).await?;
        tx.commit().await?;
    }
    let adapter = adapter::of_claim(&reader.microsoft, &claim, product);
    if claim.adapter != Some(adapter) {
        let mut tx = reader.db.tenant(tenant).await?;
        if !adapters::change(&mut tx, tenant, product, claim.fence, claim.adapter, adapter).await? {
            anyhow::bail!(TAKEN_OVER);
        }
        if claim.backfill_done < 1.0 {
            (claim.backfill_skip, claim.backfill_link) = (0, None);
        }
        tx.commit().await?;
    }
    let from = Some(plan::backfill_from(&claim, now, &reader.settings));
    let progress = Progress {
        watermark: claim.watermark,
        backfill_from: from,
        backfill_done: claim.backfill_done,
        backfill_skip: claim.backfill_skip,
        backfill_link: claim.backfill_link.clone(),
    };
    let run = new_run(product, now);
    let mut reading = Reading { reader, tenant, product, adapter, refused: false, claim, progress, run, clock: Clock::start(now) };
    let result = work(&mut reading).await;
    let finished = finish(&mut reading, result).await;
    super::alarms::note(&reader.db, &reader.microsoft).await?;
    match finished {
        Ok(()) => Ok(reading.run),
        Err(Stop::Store(error)) => Err(error),
        Err(Stop::LeaseLost | Stop::Asked | Stop::Microsoft(_)) => anyhow::bail!(TAKEN_OVER),
    }
}

/// Rows not stored yet, and what follows from having read everything.
struct Read {
    rest: pages::Batch,
    window: plan::Window,
    /// Of the records that came, where all of them are in `rest`.
    digest: Option<[u8; 32]>,
}

async fn work(reading: &mut Reading<'_>) -> Result<Read, Stop> {
    let app = pages::app(reading)?;
    if reading.claim.quarantined {
        write::try_quarantined(reading).await?;
    }
    let window = plan::window(&reading.claim, reading.run.started_at, &reading.reader.settings);
    let mut pager = Pager::new(reading.product, window.since);
    while let Some(page) = pager.next(reading, &app).await? {
        pager.batch.add(page);
        if pager.batch.is_full() {
            let batch = std::mem::take(&mut pager.batch);
            write::batch(reading, &batch).await?;
        }
    }
    let took = reading.now() - reading.run.started_at;
    let overlap = reading.reader.settings.overlap;
    reading.progress.watermark = Some(plan::watermark(&window, reading.claim.watermark, pager.newest, took, overlap));
    let mut rest = pager.batch;
    let mut digest = (stored_nothing(&reading.run)).then(|| pager.digest.finish());
    if reading.progress.backfill_done < 1.0 {
        write::batch(reading, &rest).await?;
        rest = history::read_on(reading, &app).await?;
        digest = None;
    }
    Ok(Read { rest, window, digest })
}

async fn finish(reading: &mut Reading<'_>, result: Result<Read, Stop>) -> Result<(), Stop> {
    let (now, interval, dice) = (reading.now(), reading.reader.settings.interval, super::dice());
    let claim = &reading.claim;
    let (standing, error, rest, digest) = match result {
        Ok(Read { rest, window, digest }) => {
            let done = reading.progress.backfill_done;
            (plan::succeeded(claim, &window, done, reading.run.started_at, now, interval, dice), None, Some(rest), digest)
        }
        Err(Stop::Microsoft(error))
            if adapter::instead(&reading.reader.microsoft, claim, reading.product, reading.adapter, &error).is_some() =>
        {
            reading.refused = true;
            (plan::turned_away(claim, now), Some(error), None, None)
        }
        Err(Stop::Microsoft(error)) => (plan::failed(claim, &error, reading.run.added > 0, now, interval, dice), Some(error), None, None),
        Err(Stop::Asked) => return write::release(reading).await,
        Err(stop) => return Err(stop),
    };
    reading.run.finished_at = Some(now);
    reading.run.outcome = Some(outcome(&standing, error.as_ref()));
    reading.run.error = error.as_ref().map(CallError::reason);
    let (desk, of, fence) = (reading.reader.quiet.clone(), (reading.tenant, reading.product), claim.fence);
    if let Some(digest) = digest.filter(|digest| quiet::is_quiet(reading, &standing, rest.as_ref(), desk.is_known(of, fence, digest))) {
        quiet::note_quiet(reading, &standing).await?;
        desk.remember(of, fence, digest);
        measure(reading, None);
        return Ok(());
    }
    let progress = rest.is_some().then(|| reading.progress.clone());
    let rest = rest.unwrap_or_default();
    write::take(reading, &write::Step { rows: &rest.rows, progress, end: Some((&standing, error.as_ref())) }).await?;
    if let Some(digest) = digest {
        desk.remember(of, fence, digest);
    }
    measure(reading, error.as_ref());
    Ok(())
}

fn stored_nothing(run: &Run) -> bool {
    run.added + run.changed + run.quarantined == 0
}

/// What else happens in the last transaction of a run.
pub(super) async fn consequences(
    tx: &mut Scoped,
    reading: &Reading<'_>,
    standing: &Standing,
    error: Option<&CallError>,
) -> anyhow::Result<()> {
    let (tenant, product, now) = (reading.tenant, reading.product, reading.run.finished_at.unwrap_or(reading.run.started_at));
    let before = reading.claim.state;
    health::consent(tx, tenant, product, (before, standing.state), standing.reason.as_deref()).await?;
    if let Some(error) = error.filter(|error| error.is_security_event()) {
        health::forgery(tx, tenant, product, error.kind(), &error.reason()).await?;
    }
    health::settle(tx, tenant, &READ_STATES, now).await?;
    if reading.refused {
        adapters::refuse(tx, tenant, product, Some(reading.adapter)).await?;
    }
    let refused = matches!(error, Some(CallError::Unauthorized | CallError::Forbidden { .. }));
    let lost = matches!(standing.state, SyncHealth::ConsentLost | SyncHealth::NoPermission | SyncHealth::NoLicence);
    if refused || reading.refused || (lost && before != standing.state) {
        reading.reader.queue.recheck(tx, tenant).await?;
    }
    Ok(())
}
