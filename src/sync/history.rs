//! A first reading, in pieces that are kept: each run goes on where the one before ended.

use super::pages::{Batch, Pager};
use super::read::{Reading, Stop};
use super::write;
use crate::microsoft::CallError;

/// Pages of history that one run reads before it ends and is due again at once, so that what is new is never far behind.
const HISTORY_PAGES: u32 = 50;

/// The next pieces of a first reading.
pub(super) async fn read_on(reading: &mut Reading<'_>, app: &str) -> Result<Batch, Stop> {
    let from = reading.progress.backfill_from.unwrap_or(reading.run.started_at);
    let (skip, link) = (u32::try_from(reading.progress.backfill_skip).unwrap_or(0), reading.progress.backfill_link.clone());
    let mut going_on = link.is_some();
    let mut pager = Pager::history(reading.product, from, skip, link);
    for _ in 0..HISTORY_PAGES {
        let page = match pager.next(reading, app).await {
            // Graph does not promise for how long a link is good.
            Err(Stop::Microsoft(CallError::NotFound | CallError::Rejected { .. } | CallError::RefusedLink)) if going_on => {
                pager = Pager::history(reading.product, from, 0, None);
                pager.next(reading, app).await?
            }
            page => page?,
        };
        going_on = false;
        let Some(page) = page else {
            reading.progress.backfill_done = 1.0;
            return Ok(pager.batch);
        };
        let done = pager.share(&page, from, reading.run.started_at);
        pager.batch.add(page);
        reading.progress.backfill_skip = i32::try_from(pager.skip).unwrap_or(i32::MAX);
        reading.progress.backfill_link.clone_from(&pager.link);
        reading.progress.backfill_done = done.max(reading.progress.backfill_done);
        if pager.batch.is_full() {
            let batch = std::mem::take(&mut pager.batch);
            write::batch(reading, &batch).await?;
        }
    }
    if pager.is_through() {
        reading.progress.backfill_done = 1.0;
    }
    Ok(pager.batch)
}
