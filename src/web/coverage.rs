//! How complete a page is, and why it is empty: "no data" and "no incidents" never look the same.

use super::chips::{self, Chip};
use super::show::{When, count};
use crate::model::{Product, SyncHealth, TenantId, TenantState};
use crate::store::Scoped;
use crate::store::coverage::{self, Coverage, Which};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// How the tenants and products behind a page are read.
#[derive(Clone, Debug)]
pub struct Reading {
    pub sentence: String,
    /// Every tenant is completely read.
    pub whole: bool,
    /// Products that should be read, over all tenants.
    readings: i64,
    tenants: Option<Vec<TenantId>>,
    products: &'static [Product],
    now: DateTime<Utc>,
    interval: Duration,
}

/// What of one tenant is not read as it should be, for one reason.
#[derive(Clone, Debug)]
pub struct Gap {
    pub tenant: TenantId,
    pub tenant_name: String,
    /// Names of the products it concerns.
    pub products: String,
    pub label: &'static str,
    /// The colour of its chip, `bad` where somebody must act.
    pub class: &'static str,
    pub since: Option<When>,
    pub reason: String,
    pub remedy: String,
}

/// Why a list shows nothing.
#[derive(Clone, Debug)]
pub struct Empty {
    pub title: String,
    pub text: String,
    /// Offer to take the filters away.
    pub filtered: bool,
    pub gaps: Vec<Gap>,
    pub more_gaps: usize,
}

const GAPS_SHOWN: usize = 8;

impl Gap {
    /// Its mark, as every page has it.
    pub fn chip(&self) -> Chip {
        chips::chip(self.class, self.label)
    }
}

impl Reading {
    /// Over the tenants asked for (or all of the scope) and the products that feed the page.
    pub async fn of(
        tx: &mut Scoped,
        tenants: Option<&[TenantId]>,
        products: &'static [Product],
        now: DateTime<Utc>,
        interval: Duration,
    ) -> sqlx::Result<Self> {
        let sum = coverage::summary(tx, &Which { tenants, products, now, interval }).await?;
        Ok(Self {
            // A page about some products must not call a tenant blind of which others are read.
            sentence: if products.len() < Product::ALL.len() { sum.sentence_of("Incidents", now) } else { sum.sentence(now) },
            whole: sum.complete == sum.total && sum.total > 0,
            readings: sum.readings,
            tenants: tenants.map(<[TenantId]>::to_vec),
            products,
            now,
            interval,
        })
    }

    /// Everything that is not read as it should be, what needs somebody first.
    pub async fn gaps(&self, tx: &mut Scoped) -> sqlx::Result<Vec<Gap>> {
        Ok(self.told(&self.rows(tx).await?))
    }

    async fn rows(&self, tx: &mut Scoped) -> sqlx::Result<Vec<Coverage>> {
        let Self { tenants, products, now, interval, .. } = self;
        coverage::gaps(tx, &Which { tenants: tenants.as_deref(), products, now: *now, interval: *interval }).await
    }

    fn told(&self, rows: &[Coverage]) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = rows.iter().map(|row| self.gap(row)).collect();
        // Of one tenant the products that fail alike are told together.
        gaps.dedup_by(|next, first| {
            let alike = (next.tenant, next.label, &next.reason) == (first.tenant, first.label, &first.reason);
            if alike {
                first.products = format!("{}, {}", first.products, next.products);
            }
            alike
        });
        gaps.sort_by_key(|gap| gap.class != "bad");
        gaps
    }

    fn gap(&self, row: &Coverage) -> Gap {
        let is_paused = row.tenant_state == TenantState::Paused;
        let is_late = row.state == SyncHealth::Ok && !is_paused;
        // What was wrong with the last reading does not matter until there is a next one.
        let (reason, remedy) = if is_paused { (None, None) } else { (row.reason.clone(), row.remedy.clone()) };
        let chip = if is_late { chips::chip("bad", "Late") } else { chips::reading(row.tenant_state, row.state) };
        Gap {
            tenant: row.tenant_id,
            tenant_name: row.tenant_name.clone(),
            products: row.product.label().to_owned(),
            label: chip.word,
            class: chip.class,
            since: row.failing_since.or(row.complete_until).map(|at| When::new(at, self.now)),
            reason: reason.unwrap_or_else(|| match row.state {
                _ if is_paused => "Nothing is read while a tenant is paused.".to_owned(),
                SyncHealth::Ok => "Nothing has been read lately.".to_owned(),
                SyncHealth::Backfilling => format!("{:.0} % of its history is read.", row.backfill_done * 100.0),
                _ => String::new(),
            }),
            remedy: remedy.unwrap_or_else(|| if is_late { "Check that a worker runs.".to_owned() } else { String::new() }),
        }
    }

    /// Why a list with no rows has none. `hidden` rows would be there without its filters.
    pub async fn empty(&self, tx: &mut Scoped, what: &str, tenants: usize, filtered: bool, hidden: i64) -> sqlx::Result<Empty> {
        let rows = self.rows(tx).await?;
        let mut gaps = self.told(&rows);
        let more_gaps = gaps.len().saturating_sub(GAPS_SHOWN);
        gaps.truncate(GAPS_SHOWN);
        let is_nothing_read = i64::try_from(rows.len()).is_ok_and(|missing| missing >= self.readings);
        let (title, text) = if filtered && hidden > 0 {
            gaps.clear();
            let n = if hidden > 1000 { "more than 1,000 open ones".to_owned() } else { count(hidden, "open one", "open ones") };
            (format!("The filter hides {n}"), format!("No {what} match this filter."))
        } else if tenants == 0 {
            (
                "No tenant yet".to_owned(),
                "There is no customer in your view. An administrator adds tenants and says who sees them.".to_owned(),
            )
        } else if is_nothing_read {
            nothing_read(&rows, what)
        } else if gaps.is_empty() {
            (
                format!("No {}{what}", if filtered { "such " } else { "open " }),
                format!("Nothing is missing: {}.", lower_first(&self.sentence)),
            )
        } else {
            let n = i64::try_from(gaps.len() + more_gaps).unwrap_or(i64::MAX);
            (format!("No open {what} where we can read"), format!("But {} missing:", count(n, "reading is", "readings are")))
        };
        let more_gaps = if gaps.is_empty() { 0 } else { more_gaps };
        Ok(Empty { title, text, filtered: filtered && hidden > 0, gaps, more_gaps })
    }
}

/// Nothing behind the list is read, of all these: say why, in one word where there is one.
fn nothing_read(enabled: &[Coverage], what: &str) -> (String, String) {
    let all = |states: &[SyncHealth]| !enabled.is_empty() && enabled.iter().all(|row| states.contains(&row.state));
    let unknown = format!("Whether there are {what} is not known.");
    if !enabled.is_empty() && enabled.iter().all(|row| row.tenant_state == TenantState::Paused) {
        ("Paused".to_owned(), format!("Nobody reads the customers behind this list at the moment. {unknown}"))
    } else if enabled.is_empty() {
        ("Not read yet".to_owned(), format!("No customer behind this list has given consent yet. {unknown}"))
    } else if all(&[SyncHealth::NoPermission, SyncHealth::ConsentLost]) {
        ("No permission".to_owned(), format!("The customer's directory does not let us read them. {unknown}"))
    } else if all(&[SyncHealth::NoLicence]) {
        ("No licence".to_owned(), format!("The customer's directory does not have the product. {unknown}"))
    } else if all(&[SyncHealth::Waiting, SyncHealth::Backfilling]) {
        ("Not read yet".to_owned(), format!("The first reading is under way. {unknown}"))
    } else {
        let since = enabled.iter().filter_map(|row| row.failing_since).min();
        let since = since.map_or(String::new(), |at| format!(" since {}", at.format("%-d %b %H:%M UTC")));
        (format!("Reading fails{since}"), unknown)
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
