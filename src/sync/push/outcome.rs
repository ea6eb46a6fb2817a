//! What Microsoft's answer to a change means, by the kind of change.

use super::{Errand, Reader};
use crate::model::ChangeState;
use crate::store::Scoped;
use crate::store::changes::{self, Change, Outcome};
use chrono::{DateTime, TimeDelta, Utc};

/// A state with a reason and nothing else to note.
pub(super) fn plain(state: ChangeState, reason: Option<&str>) -> Outcome<'_> {
    Outcome { state, reason, external_id: None, answer: None }
}

/// Notes a success. Returns when to ask what came of it, where that takes time.
pub(super) async fn answered(
    _reader: &Reader,
    tx: &mut Scoped,
    _errand: &Errand,
    change: &Change,
    body: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<TimeDelta>> {
    let answer = serde_json::from_str(body).ok();
    let done = Outcome { answer, ..plain(ChangeState::Done, None) };
    changes::settle(tx, change, &done, now).await?;
    Ok(None)
}
