//! How complete our copy is: per tenant and product, and summed up in one sentence.

use super::Scoped;
use crate::model::{Adapter, Product, SyncHealth, TenantId, TenantState};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// A reading this many intervals old is late, whoever is to blame.
const LATE_AFTER_INTERVALS: i32 = 3;

/// How the reading of one product of one tenant goes. Times are Microsoft's unless said otherwise.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Coverage {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub tenant_state: TenantState,
    pub product: Product,
    /// False: no app of the tenant asks for this product; it is not read and nobody misses it.
    pub enabled: bool,
    pub state: SyncHealth,
    /// The API of the last reading; `None`: there has been none.
    pub adapter: Option<Adapter>,
    /// The API that would not serve this tenant when it was asked last, so that the other is used.
    pub refused: Option<Adapter>,
    /// Our time.
    pub last_attempt: Option<DateTime<Utc>>,
    /// Our time.
    pub last_success: Option<DateTime<Utc>>,
    /// Everything Microsoft showed up to then is stored. `None` until the first reading is through.
    pub complete_until: Option<DateTime<Utc>>,
    pub failing_since: Option<DateTime<Utc>>,
    /// In a row.
    pub failures: i32,
    /// Of the first reading, 0 to 1.
    pub backfill_done: f64,
    /// For people: what happened.
    pub reason: Option<String>,
    /// For people: what to do.
    pub remedy: Option<String>,
    pub next_due: DateTime<Utc>,
}

impl Coverage {
    /// How far behind Microsoft our copy is; `None` before the first reading is through.
    pub fn lag(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.complete_until.map(|until| (now - until).max(TimeDelta::zero()))
    }

    /// Whether a reading is missing for more than three intervals. Says so even when no worker lives to notice.
    pub fn is_late(&self, now: DateTime<Utc>, interval: Duration) -> bool {
        let patience = TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX / LATE_AFTER_INTERVALS) * LATE_AFTER_INTERVALS;
        self.enabled && self.complete_until.is_some_and(|until| now - until > patience)
    }
}

/// The readings of one tenant, or of every tenant in the transaction's scope, by name and product. Tenants that are not read yet
/// and offboarded ones are left out; paused ones are in.
pub async fn list(tx: &mut Scoped, tenant: Option<TenantId>) -> sqlx::Result<Vec<Coverage>> {
    sqlx::query_as(
        "select s.tenant_id, t.name as tenant_name, t.state as tenant_state, s.product, s.enabled, s.state, s.adapter, s.refused, s.last_attempt, s.last_success,
                s.complete_until, s.failing_since, s.failures, s.backfill_done, s.reason, s.remedy, s.next_due
         from sync_state as s join tenants as t on t.tenant_id = s.tenant_id
         where ($1::uuid is null or s.tenant_id = $1) and t.state in ('active', 'degraded', 'blind', 'paused')
         order by lower(t.name), s.tenant_id, s.product",
    )
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await
}

/// The state of reading over some tenants, each counted once: as complete, loading, blind, degraded, late or paused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Up to when every complete tenant is complete. `None`: no tenant is.
    pub complete_until: Option<DateTime<Utc>>,
    pub complete: usize,
    /// All but the paused ones.
    pub total: usize,
    /// No product is read.
    pub blind: usize,
    /// Some product is not read.
    pub degraded: usize,
    /// Read, but not lately.
    pub late: usize,
    /// The first reading is under way.
    pub loading: usize,
    pub paused: usize,
}

impl Summary {
    /// "Complete to 14:32 UTC for 148 of 150 tenants; 2 blind". The day is named when it is not today.
    pub fn sentence(&self, now: DateTime<Utc>) -> String {
        let mut text = match self.complete_until {
            Some(until) => {
                let form = if until.date_naive() == now.date_naive() { "%H:%M UTC" } else { "%-d %b %Y %H:%M UTC" };
                format!("Complete to {} for {} of {}", until.format(form), self.complete, tenants(self.total))
            }
            None if self.total == 0 => "No tenant is read yet".to_owned(),
            None => format!("Complete for none of {}", tenants(self.total)),
        };
        let counts = [
            (self.blind, "blind"),
            (self.degraded, "degraded"),
            (self.late, "late"),
            (self.loading, "loading history"),
            (self.paused, "paused"),
        ];
        for (n, word) in counts.into_iter().filter(|(n, _)| *n > 0) {
            let _ = write!(text, "; {n} {word}");
        }
        text
    }
}

fn tenants(n: usize) -> String {
    if n == 1 { "1 tenant".to_owned() } else { format!("{n} tenants") }
}

/// Sums up rows of [`list`].
pub fn summary(rows: &[Coverage], now: DateTime<Utc>, interval: Duration) -> Summary {
    let mut by_tenant: BTreeMap<TenantId, Vec<&Coverage>> = BTreeMap::new();
    for row in rows {
        by_tenant.entry(row.tenant_id).or_default().push(row);
    }
    let mut sum = Summary::default();
    for rows in by_tenant.into_values() {
        if rows.iter().any(|row| row.tenant_state == TenantState::Paused) {
            sum.paused += 1;
            continue;
        }
        sum.total += 1;
        let needed: Vec<_> = rows.into_iter().filter(|row| row.enabled).collect();
        let read = needed.iter().filter(|row| row.state.is_reading() || row.state == SyncHealth::Waiting).count();
        if read == 0 {
            sum.blind += 1;
        } else if read < needed.len() {
            sum.degraded += 1;
        } else if needed.iter().any(|row| row.complete_until.is_none()) {
            sum.loading += 1;
        } else if needed.iter().any(|row| row.is_late(now, interval)) {
            sum.late += 1;
        } else {
            let until = needed.iter().filter_map(|row| row.complete_until).min();
            sum.complete += 1;
            sum.complete_until = [sum.complete_until, until].into_iter().flatten().min();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(60);

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-11-22T14:{minute:02}:00Z").parse().unwrap()
    }

    fn row(tenant: u128, product: Product, state: SyncHealth, until: Option<u32>) -> Coverage {
        Coverage {
            tenant_id: TenantId(uuid::Uuid::from_u128(tenant)),
            tenant_name: tenant.to_string(),
            tenant_state: TenantState::Active,
            product,
            enabled: true,
            state,
            adapter: None,
            refused: None,
            last_attempt: None,
            last_success: None,
            complete_until: until.map(at),
            failing_since: None,
            failures: 0,
            backfill_done: 0.0,
            reason: None,
            remedy: None,
            next_due: at(0),
        }
    }

    #[test]
    fn the_sentence_names_the_oldest_of_the_complete_and_counts_the_rest_apart() {
        use Product::{CloudApps, DefenderXdr};
        use SyncHealth::{Backfilling, ConsentLost, NoPermission, Ok};
        let rows = [
            row(1, DefenderXdr, Ok, Some(33)),
            row(1, CloudApps, Ok, Some(34)),
            row(2, DefenderXdr, Ok, Some(32)),
            row(3, DefenderXdr, ConsentLost, Some(1)),
            row(4, DefenderXdr, Ok, Some(34)),
            row(4, CloudApps, NoPermission, None),
            row(5, DefenderXdr, Ok, Some(20)),
            row(6, DefenderXdr, Backfilling, None),
        ];
        let sum = summary(&rows, at(34), INTERVAL);
        let expected =
            Summary { complete_until: Some(at(32)), complete: 2, total: 6, blind: 1, degraded: 1, late: 1, loading: 1, paused: 0 };
        assert_eq!(sum, expected);
        assert_eq!(sum.sentence(at(34)), "Complete to 14:32 UTC for 2 of 6 tenants; 1 blind; 1 degraded; 1 late; 1 loading history");
    }

    #[test]
    fn a_dead_worker_shows_as_late_and_a_disabled_product_is_nobodys_fault() {
        let mut rows = vec![row(1, Product::DefenderXdr, SyncHealth::Ok, Some(30))];
        rows.push(Coverage { enabled: false, ..row(1, Product::CloudApps, SyncHealth::Waiting, None) });
        assert_eq!(summary(&rows, at(33), INTERVAL).complete, 1);
        let late = summary(&rows, at(34), INTERVAL);
        assert_eq!((late.complete, late.late), (0, 1));
        assert_eq!(late.sentence(at(34)), "Complete for none of 1 tenant; 1 late");
        assert_eq!(summary(&[], at(34), INTERVAL).sentence(at(34)), "No tenant is read yet");
    }
}
