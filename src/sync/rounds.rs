//! Reads what is due, again and again, many tenants at a time.
//!
//! What is due stands in `store::sync_state`, and so does who reads it: a lease for each product of each tenant. So any number of processes
//! may do this at once, and one that dies is replaced by the others. Leases are taken many at a time, and readings that found nothing new
//! are noted many at a time (`quiet`); everything else has a transaction of its own. First readings, which take long, get half of the
//! places at most: what is new elsewhere does not wait for somebody's history.

use super::read::{self, Reader};
use crate::model::clock;
use crate::store::sync_state::{self, Claimed};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often it is looked whether anything is due, when nothing was.
const POLL: Duration = Duration::from_millis(200);
/// A process that starts reads more and more at a time for so long (or an interval, if that is shorter): after a standstill everything is
/// due at once.
const WARM_UP: Duration = Duration::from_secs(15);
/// Readings end at the next page when the process ends; they get so long for it.
const GRACE: Duration = Duration::from_secs(25);

/// Reads until the reader's `stop`. What Microsoft does wrong is a result of the reading; a database that is away is waited for.
pub async fn run(reader: &Reader) {
    let (started, warm_up) = (Instant::now(), WARM_UP.min(reader.settings.interval));
    // More than the client makes calls at a time: who writes down what came makes none meanwhile.
    let most = reader.settings.concurrency + reader.settings.concurrency / 2;
    let mut readings = JoinSet::new();
    let first = Arc::new(AtomicUsize::new(0));
    while !reader.stop.is_cancelled() {
        while readings.try_join_next().is_some() {}
        let places = places(most, started.elapsed(), warm_up);
        let free = places.saturating_sub(readings.len());
        // A few at a time, so that taking leases stays one statement for many.
        let enough = free >= (places / 8).max(1);
        let taken = if enough { begin(reader, &mut readings, &first, (free, places)).await } else { 0 };
        if !enough || taken < free {
            tokio::select! {
                () = reader.stop.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
                Some(_) = readings.join_next(), if !enough => {}
            }
        }
    }
    let _ = tokio::time::timeout(GRACE, async { while readings.join_next().await.is_some() {} }).await;
}

/// How many readings may run at a time.
fn places(most: usize, elapsed: Duration, warm_up: Duration) -> usize {
    let share = (elapsed.as_secs_f64() + 0.5) / warm_up.as_secs_f64().max(0.5);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "between 1 and most")]
    let places = (most as f64 * share.min(1.0)).ceil() as usize;
    places.clamp(1, most)
}

/// Begins up to `free` readings that are due, and returns how many. `first` counts the first readings under way.
async fn begin(reader: &Reader, readings: &mut JoinSet<()>, first: &Arc<AtomicUsize>, (free, places): (usize, usize)) -> usize {
    let now = clock::now();
    let for_first = places.div_ceil(2).saturating_sub(first.load(Ordering::Relaxed));
    let claimed = claim(reader, free, for_first, now).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what is due could not be looked up");
        Vec::new()
    });
    let taken = claimed.len();
    // Not the time before the leases were waited for.
    let now = clock::now();
    for one in claimed {
        let (reader, counted) = (reader.clone(), (one.claim.backfill_done < 1.0).then(|| Counted::new(first)));
        readings.spawn(async move {
            let _counted = counted;
            let (tenant, product) = (one.tenant_id, one.product);
            if let Err(error) = read::claimed(&reader, tenant, product, one.claim, now).await {
                metrics::counter!("watchfloor_job_failures_total", "job" => "read").increment(1);
                tracing::error!(%tenant, product = product.as_str(), error = format!("{error:#}"), "a reading broke off and will be done again");
            }
        });
    }
    taken
}

async fn claim(reader: &Reader, most: usize, for_first: usize, now: DateTime<Utc>) -> sqlx::Result<Vec<Claimed>> {
    let limit = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut tx = reader.db.all_tenants().await?;
    let mut claimed = sync_state::claim_due(&mut tx, false, limit(most), now).await?;
    let left = (most - claimed.len()).min(for_first);
    if left > 0 {
        claimed.extend(sync_state::claim_due(&mut tx, true, limit(left), now).await?);
    }
    tx.commit().await?;
    Ok(claimed)
}

/// A first reading, counted while it runs, however it ends.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_starts_reads_more_and_more_at_a_time() {
        let of = |seconds| places(64, Duration::from_secs(seconds), WARM_UP);
        assert_eq!([of(0), of(7), of(15), of(1000)], [3, 32, 64, 64]);
        assert_eq!(places(1, Duration::ZERO, WARM_UP), 1);
        assert_eq!(places(64, Duration::ZERO, Duration::ZERO), 64);
    }
}
