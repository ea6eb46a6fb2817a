//! How a reading went, for the list of runs, the counts and the log.

use super::read::Reading;
use crate::microsoft::CallError;
use crate::model::{Product, RunId, SyncHealth};
use crate::store::runs::Run;
use crate::store::sync_state::Standing;
use chrono::{DateTime, Utc};

/// A reading that has just begun.
pub(super) fn new_run(product: Product, started_at: DateTime<Utc>) -> Run {
    Run {
        run_id: RunId::new(),
        product,
        started_at,
        finished_at: None,
        outcome: None,
        calls: 0,
        pages: 0,
        seen: 0,
        added: 0,
        changed: 0,
        quarantined: 0,
        error: None,
        times: 1,
    }
}

/// In one word.
pub(super) fn outcome(standing: &Standing, error: Option<&CallError>) -> String {
    let state = match error {
        Some(CallError::Throttled { .. }) => SyncHealth::Throttled,
        Some(_) if standing.state.is_reading() => SyncHealth::Failing,
        _ => standing.state,
    };
    state.to_string()
}

/// Counts it.
pub(super) fn measure(reading: &Reading<'_>, error: Option<&CallError>) {
    let product = reading.product.as_str();
    let run = &reading.run;
    let count = |n: i32| u64::try_from(n).unwrap_or(0);
    metrics::counter!("watchfloor_sync_runs_total", "product" => product, "outcome" => run.outcome.clone().unwrap_or_default())
        .increment(1);
    metrics::counter!("watchfloor_sync_records_total", "product" => product, "what" => "seen").increment(count(run.seen));
    metrics::counter!("watchfloor_sync_records_total", "product" => product, "what" => "added").increment(count(run.added));
    metrics::counter!("watchfloor_sync_records_total", "product" => product, "what" => "changed").increment(count(run.changed));
    metrics::counter!("watchfloor_sync_records_total", "product" => product, "what" => "quarantined").increment(count(run.quarantined));
    if let Some(error) = error {
        metrics::counter!("watchfloor_sync_failures_total", "product" => product, "kind" => error.kind()).increment(1);
        tracing::warn!(tenant = %reading.tenant, product, kind = error.kind(), "reading failed");
    }
}
