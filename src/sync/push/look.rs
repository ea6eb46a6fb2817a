//! What became of a change whose answer was lost, or that takes its time.

use super::{Errand, Reader, outcome};
use crate::model::ChangeState;
use crate::store::changes::{self, Change};
use chrono::{DateTime, TimeDelta, Utc};

/// How long after a lost answer Microsoft is asked first.
pub(super) const FIRST: TimeDelta = TimeDelta::seconds(10);

/// Asks Microsoft what became of a change. Returns when to ask again.
pub(super) async fn look(reader: &Reader, _errand: &Errand, change: &Change, now: DateTime<Utc>) -> anyhow::Result<Option<TimeDelta>> {
    let mut tx = reader.db.tenant(change.tenant_id).await?;
    let reason = "Microsoft gave no answer, and cannot be asked what became of this.";
    changes::settle(&mut tx, change, &outcome::plain(ChangeState::Lost, Some(reason)), now).await?;
    tx.commit().await?;
    Ok(None)
}
