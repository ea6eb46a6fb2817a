//! How complete our copy is: per tenant and product, and summed up in one sentence.

use super::Scoped;
use crate::model::{Adapter, Product, SyncHealth, TenantId, TenantState};
use chrono::{DateTime, TimeDelta, Utc};
use std::fmt::Write as _;
use std::time::Duration;

/// A reading this many intervals old is late, whoever is to blame.
const LATE_AFTER_INTERVALS: i32 = 3;

/// How old what is read may be, where this is the time between two readings: older is late.
pub fn patience(interval: Duration) -> TimeDelta {
    TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX / LATE_AFTER_INTERVALS) * LATE_AFTER_INTERVALS
}

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
}

/// Rows of [`Coverage`] for which something holds.
macro_rules! rows {
    ($($which:literal),+) => {
        concat!(
            "select s.tenant_id, t.name as tenant_name, t.state as tenant_state, s.product, s.enabled, s.state, s.adapter, s.refused, s.last_attempt,
                    s.last_success, s.complete_until, s.failing_since, s.failures, s.backfill_done, s.reason, s.remedy, s.next_due
             from sync_state as s join tenants as t on t.tenant_id = s.tenant_id
             where t.state in ('active', 'degraded', 'blind', 'paused') and ",
            $($which,)+
            " order by lower(t.name), s.tenant_id, s.product"
        )
    };
}

/// The readings of one tenant, or of every tenant in the transaction's scope, by name and product. Tenants that are not read yet
/// and offboarded ones are left out; paused ones are in.
pub async fn list(tx: &mut Scoped, tenant: Option<TenantId>) -> sqlx::Result<Vec<Coverage>> {
    sqlx::query_as(rows!("($1::uuid is null or s.tenant_id = $1)")).bind(tenant).persistent(false).fetch_all(&mut **tx).await
}

/// [`gaps`] of the tenants for which `$which` holds. What does not read is in an index of its own (`sync_state_missing`), and so is up to when
/// the others do (`sync_state_until`).
macro_rules! missing {
    ($which:literal) => {
        rows!(
            $which,
            " and s.enabled and s.product = any ($2)
              and (s.complete_until is null or s.state not in ('backfilling', 'ok')
                   or s.complete_until < $3 and s.state in ('waiting', 'backfilling', 'ok'))"
        )
    };
}

/// Those of [`list`] that should be read and are not, not wholly, or not lately.
pub async fn gaps(tx: &mut Scoped, which: &Which<'_>) -> sqlx::Result<Vec<Coverage>> {
    let tenants = which.tenants.map(<[TenantId]>::to_vec).or_else(|| tx.tenants.clone());
    let text = if tenants.is_some() { missing!("s.tenant_id = any ($1)") } else { missing!("$1::uuid[] is null") };
    sqlx::query_as(text).bind(tenants).bind(which.products()).bind(which.late_before()).fetch_all(&mut **tx).await
}

/// Which readings are meant, and when one is late.
#[derive(Clone, Copy, Debug)]
pub struct Which<'a> {
    /// `None`: every tenant in the transaction's scope.
    pub tenants: Option<&'a [TenantId]>,
    pub products: &'a [Product],
    pub now: DateTime<Utc>,
    /// Between two readings.
    pub interval: Duration,
}

impl Which<'_> {
    fn products(&self) -> Vec<&'static str> {
        self.products.iter().map(|product| product.as_str()).collect()
    }

    /// The products as the columns of `reading_marks` name them.
    fn bits(&self) -> i32 {
        let bit = |product: &Product| match product {
            Product::DefenderXdr => 1,
            Product::DefenderEndpoint => 2,
            Product::CloudApps => 4,
            Product::Graph => 8,
        };
        self.products.iter().map(bit).fold(0, |bits, bit| bits | bit)
    }

    /// What is complete up to less than this is late, also when no worker lives to notice.
    fn late_before(&self) -> DateTime<Utc> {
        self.now.checked_sub_signed(patience(self.interval)).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

/// The state of reading over some tenants, each counted once: as complete, loading, blind, degraded, late or paused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Up to when every complete tenant is complete. `None`: no tenant is.
    pub complete_until: Option<DateTime<Utc>>,
    pub complete: i64,
    /// All but the paused ones.
    pub total: i64,
    /// No product is read.
    pub blind: i64,
    /// Some product is not read.
    pub degraded: i64,
    /// Read, but not lately.
    pub late: i64,
    /// The first reading is under way.
    pub loading: i64,
    pub paused: i64,
    /// Products that should be read, over all of these tenants.
    pub readings: i64,
}

impl Summary {
    /// "Complete to 14:32 UTC for 148 of 150 tenants; 2 blind". The day is named when it is not today.
    pub fn sentence(&self, now: DateTime<Utc>) -> String {
        self.told("Complete", ("blind", "degraded"), now)
    }

    /// The same of one list: "Incidents are complete to 14:32 UTC for 6 of 10 tenants; 4 not read". A tenant may be read otherwise.
    pub fn sentence_of(&self, what: &str, now: DateTime<Utc>) -> String {
        self.told(&format!("{what} are complete"), ("not read", "partly read"), now)
    }

    fn told(&self, complete: &str, (none, some): (&str, &str), now: DateTime<Utc>) -> String {
        let mut text = match self.complete_until {
            Some(until) => {
                let form = if until.date_naive() == now.date_naive() { "%H:%M UTC" } else { "%-d %b %Y %H:%M UTC" };
                format!("{complete} to {} for {} of {}", until.format(form), self.complete, tenants(self.total))
            }
            None if self.total == 0 => "No tenant is read yet".to_owned(),
            None => format!("{complete} for none of {}", tenants(self.total)),
        };
        let counts =
            [(self.blind, none), (self.degraded, some), (self.late, "late"), (self.loading, "loading history"), (self.paused, "paused")];
        for (n, word) in counts.into_iter().filter(|(n, _)| *n > 0) {
            let _ = write!(text, "; {n} {word}");
        }
        text
    }
}

fn tenants(n: i64) -> String {
    if n == 1 { "1 tenant".to_owned() } else { format!("{n} tenants") }
}

/// What [`summary`] asks of the marks of those tenants for which `$which` holds of `tenant_id`. `$1` products, `$2` their bits, `$3` the time
/// before which something is late. Nearly all tenants have the same few marks: they are counted by these, and only what is late or apart one by
/// one.
macro_rules! told {
    ($which:literal) => {
        concat!(
            "with late as materialized (
                 select distinct tenant_id from sync_state
                 where enabled and complete_until < $3 and state in ('waiting', 'backfilling', 'ok') and product = any ($1) and ",
            $which,
            "), apart as materialized (
                 select tenant_id, state from tenants where state not in ('active', 'degraded', 'blind')
             ), other as materialized (
                 select tenant_id, coalesce(a.state, 'late') as state from late full join apart as a using (tenant_id)
             ), marked as not materialized (
                 select tenant_id, enabled & $2 as enabled, reads & $2 as reads, known & $2 as known
                 from reading_marks where there & $2 <> 0 and ",
            $which,
            "), told as (
                 select enabled, reads, known, 'there' as state, count(*) as n from marked
                 where tenant_id not in (select tenant_id from other) group by 1, 2, 3
                 union all
                 select m.enabled, m.reads, m.known, o.state, 1 from other as o join marked as m on m.tenant_id = o.tenant_id
                 where o.state in ('late', 'paused')
             ), named as (
                 select enabled, n,
                        case when state = 'paused' then 'paused' when enabled & reads = 0 then 'blind' when enabled & ~reads <> 0 then 'degraded'
                             when enabled & ~known <> 0 then 'loading' when state = 'late' then 'late' else 'complete' end as word
                 from told
             )
             select word, sum(n)::bigint as tenants, coalesce(sum(n * bit_count(enabled::bit(8))), 0)::bigint as readings,
                    case when word = 'complete' then (
                        select s.complete_until from sync_state as s
                        where s.enabled and s.complete_until >= $3 and s.state in ('waiting', 'backfilling', 'ok') and s.product = any ($1) and ",
            $which,
            " and (select m.enabled & ~(m.reads & m.known) & $2 = 0 from reading_marks as m where m.tenant_id = s.tenant_id)
                              and s.tenant_id <> all (array(select tenant_id from other))
                        order by s.complete_until limit 1
                    ) end as until
             from named group by word"
        )
    };
}

/// How complete these readings are. A row for each of them would be thousands, for one sentence on every list; so it comes from a row of marks
/// for each tenant, which tells all but the times, and the times are looked for from their ends.
pub async fn summary(tx: &mut Scoped, which: &Which<'_>) -> sqlx::Result<Summary> {
    let tenants = which.tenants.map(<[TenantId]>::to_vec).or_else(|| tx.tenants.clone());
    let text = if tenants.is_some() { told!("tenant_id = any ($4)") } else { told!("$4::uuid[] is null") };
    let words: Vec<(String, i64, i64, Option<DateTime<Utc>>)> =
        sqlx::query_as(text).bind(which.products()).bind(which.bits()).bind(which.late_before()).bind(tenants).fetch_all(&mut **tx).await?;
    let mut sum = Summary::default();
    for (word, tenants, readings, until) in words {
        sum.readings += readings;
        sum.total += if word == "paused" { 0 } else { tenants };
        match word.as_str() {
            "paused" => sum.paused = tenants,
            "blind" => sum.blind = tenants,
            "degraded" => sum.degraded = tenants,
            "loading" => sum.loading = tenants,
            "late" => sum.late = tenants,
            _ => (sum.complete, sum.complete_until) = (tenants, until),
        }
    }
    Ok(sum)
}
