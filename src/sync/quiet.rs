//! Readings that found nothing new, which are nearly all: noted many at a time, in one transaction over their tenants.
//!
//! Whoever has something to note puts it down and takes a turn; who has the turn notes everything that lies there. A turn begins a moment
//! after the last one at the earliest, so under load batches are large, and who comes alone waits for nobody.

use super::pages;
use super::read::{Reading, Stop};
use super::write::TRIES;
use crate::model::{Product, SyncHealth, TenantId};
use crate::store::quiet::{self, Quiet};
use crate::store::sync_state::Standing;
use crate::store::{Db, ingest, usage};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Readings noted in one transaction, at most.
const MOST: usize = 256;
/// From the beginning of one such transaction to the next, at least.
const PAUSE: Duration = Duration::from_millis(40);

type Told = Result<bool, Arc<sqlx::Error>>;
/// The fence of a reading, and the digest of what came.
type Seen = (i64, [u8; 32]);

/// Where quiet readings are put down, and what the last pages of each product looked like. Cheap to clone; clones are one.
#[derive(Clone, Debug, Default)]
pub struct Desk(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<Vec<(Quiet, oneshot::Sender<Told>)>>,
    /// When the next turn may begin.
    turn: tokio::sync::Mutex<Option<Instant>>,
    seen: Mutex<HashMap<(TenantId, Product), Seen>>,
}

impl Desk {
    /// Whether the pages that this process read and stored last, under the lease just before `fence`, were the very same.
    pub(super) fn is_known(&self, of: (TenantId, Product), fence: i64, digest: &[u8; 32]) -> bool {
        locked(&self.0.seen).get(&of).is_some_and(|(last, known)| last + 1 == fence && known == digest)
    }

    /// Remembers what was read and stored under this lease.
    pub(super) fn remember(&self, of: (TenantId, Product), fence: i64, digest: [u8; 32]) {
        locked(&self.0.seen).insert(of, (fence, digest));
    }

    /// Notes a quiet reading. False: the lease was lost meanwhile, and nothing was noted.
    pub(super) async fn note(&self, db: &Db, quiet: Quiet) -> Result<bool, Arc<sqlx::Error>> {
        let (tell, mut told) = oneshot::channel();
        locked(&self.0.waiting).push((quiet, tell));
        loop {
            let mut turn = tokio::select! {
                biased;
                told = &mut told => return told.unwrap_or(Err(Arc::new(sqlx::Error::WorkerCrashed))),
                turn = self.0.turn.lock() => turn,
            };
            if let Some(next) = *turn {
                tokio::time::sleep_until(next).await;
            }
            *turn = Some(Instant::now() + PAUSE);
            self.note_waiting(db).await;
        }
    }

    async fn note_waiting(&self, db: &Db) {
        let batch: Vec<_> = {
            let mut waiting = locked(&self.0.waiting);
            let n = waiting.len().min(MOST);
            waiting.drain(..n).collect()
        };
        let (rows, tells): (Vec<Quiet>, Vec<_>) = batch.into_iter().unzip();
        let held: Result<HashSet<_>, _> = store(db, &rows).await.map(HashSet::from_iter).map_err(Arc::new);
        for (row, tell) in rows.iter().zip(tells) {
            // Who gave up waiting needs no answer.
            let _ = tell.send(held.as_ref().map(|held| held.contains(&(row.tenant, row.product))).map_err(Arc::clone));
        }
    }
}

/// Whether nothing is to be written but that it was read: the product stands as well as before, and what came is nothing, or what came last
/// time and is stored.
pub(super) fn is_quiet(reading: &Reading<'_>, standing: &Standing, rest: Option<&pages::Batch>, known: bool) -> bool {
    let stands = reading.claim.state == SyncHealth::Ok && standing.state == SyncHealth::Ok && reading.claim.failures == 0;
    stands && reading.claim.backfill_done >= 1.0 && (known || rest.is_some_and(pages::Batch::is_empty))
}

/// Notes a quiet reading, and the calls made for its tenant.
pub(super) async fn note_quiet(reading: &Reading<'_>, standing: &Standing) -> Result<(), Stop> {
    let reader = reading.reader;
    let used = reader.microsoft.take_usage(reading.tenant).into_iter();
    let used = used.map(|used| usage::Added { budget: used.budget, calls: used.calls, throttled: used.throttled }).collect();
    let row = Quiet {
        tenant: reading.tenant,
        product: reading.product,
        fence: reading.claim.fence,
        watermark: reading.progress.watermark,
        complete_until: standing.complete_until,
        last_success: standing.last_success,
        next_due: standing.next_due,
        reconciled_day: standing.reconciled_day,
        reconciled_week: standing.reconciled_week,
        run: reading.run.clone(),
        used,
    };
    match reader.quiet.note(&reader.db, row).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Stop::LeaseLost),
        Err(error) => Err(Stop::Store(anyhow::anyhow!(error))),
    }
}

/// As any step of a reading, it is tried again when another transaction is in the way: hundreds of readings hang on it.
async fn store(db: &Db, rows: &[Quiet]) -> sqlx::Result<Vec<(TenantId, Product)>> {
    let mut attempt = 1;
    loop {
        match once(db, rows).await {
            Err(error) if attempt < TRIES && ingest::is_contention(&error) => attempt += 1,
            held => return held,
        }
    }
}

async fn once(db: &Db, rows: &[Quiet]) -> sqlx::Result<Vec<(TenantId, Product)>> {
    let mut tx = db.all_tenants().await?;
    let held = quiet::finish(&mut tx, rows).await?;
    tx.commit().await?;
    Ok(held)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
