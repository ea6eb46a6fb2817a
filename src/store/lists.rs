//! What the lists of incidents and of alerts have in common: filter, order, pages.
//!
//! The text of a query is put together from fixed words for the conditions that are asked for and no others (`query`), so that each is
//! planned for just those. Values are always bound.

use super::Scoped;
use crate::model::{Product, Severity, SlaState, Status, TenantId};
use chrono::{DateTime, TimeDelta, Utc};

mod conditions;
mod groups;
mod order;
mod query;
mod search;
pub use groups::{By, Figures, Group, LOOKED_AT};
pub use order::{BadPosition, Key, Order, Position};
pub(super) use query::{ALERTS, INCIDENTS};

/// Sorts what is new into the indexes of search; until then each search reads through it. For a transaction of the worker, of any scope. Returns how
/// many pages that were.
pub async fn tidy_search(tx: &mut Scoped) -> sqlx::Result<i64> {
    sqlx::query_scalar("select tidy_search()").fetch_one(&mut **tx).await
}

/// What a list is asked for. What is empty or `None` asks for nothing in particular.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The tenants to look at: those asked for, or those of a reader who may not see all. `None`: every tenant of the scope.
    pub tenants: Option<Vec<TenantId>>,
    /// Tenants to leave out.
    pub not_tenants: Vec<TenantId>,
    pub severities: Choice<Severity>,
    pub statuses: Choice<Status>,
    pub owners: Choice<Owner>,
    /// An incident's products are those of its alerts; an alert has one.
    pub products: Choice<Product>,
    /// Incidents only: alerts have none.
    pub tags: Choice<String>,
    /// An incident's categories are those of its alerts.
    pub categories: Choice<String>,
    /// Whole titles, as they are written.
    pub titles: Choice<String>,
    /// An incident's detectors are those of its alerts.
    pub detectors: Choice<String>,
    /// In lower case, whatever Microsoft's API writes; `none` is what has no classification.
    pub classifications: Choice<String>,
    /// `kind:value`, lower case.
    pub entities: Choice<String>,
    /// Incidents only: how the clock stands that ends first. Without a clock that runs it is none of these.
    pub sla: Choice<SlaState>,
    pub only: Option<Only>,
    pub hidden: Hidden,
    /// Words of the title, a product's own id, or an entity's value.
    pub text: Option<String>,
    /// What the search for `text`, or else for `entities`, has found already.
    pub found: Found,
    pub updated: Span,
    pub created: Span,
    /// What was read since, and is not dated more than [`HISTORY`] before: a first reading of what is long past is no news.
    pub read_since: Option<DateTime<Utc>>,
}

/// What is dated so much before the time since which changes are asked for is history, however late it was read.
pub const HISTORY: TimeDelta = TimeDelta::hours(24);

/// What a search has found.
#[derive(Clone, Debug, Default)]
pub enum Found {
    /// It has not been asked yet; whoever reads the list asks.
    #[default]
    NotAsked,
    /// These rows and no others, by our own ids.
    Rows(Vec<uuid::Uuid>),
    /// So many, or after so long, that the list itself is searched.
    Many,
}

/// What something may be (any of these), and what it must not be (none of these). Both empty: whatever it is.
#[derive(Clone, Debug)]
pub struct Choice<T> {
    pub any: Vec<T>,
    pub not: Vec<T>,
}

impl Filter {
    /// Whether it asks for open rows and no others.
    pub fn is_open_only(&self) -> bool {
        !self.statuses.any.is_empty() && self.statuses.any.iter().all(|status| OPEN.contains(status))
    }

    /// Of a filter that has been searched for: whether the list itself is gone through for its text or entities, which takes long where they
    /// are rare.
    pub fn is_walked(&self) -> bool {
        self.text.is_some() || matches!(self.found, Found::Many)
    }

    /// Whether its rows may lie scattered among others in every index, so that counting them means reading many more.
    pub fn is_scattered(&self) -> bool {
        let is_only_left_out = !self.not_tenants.is_empty() || !self.severities.not.is_empty() || !self.statuses.not.is_empty();
        let is_not_theirs = !self.owners.not.is_empty() || !self.entities.not.is_empty();
        self.is_walked()
            || is_only_left_out
            || is_not_theirs
            || self.products.is_asked()
            || self.tags.is_asked()
            || self.categories.is_asked()
            || self.titles.is_asked()
            || self.detectors.is_asked()
            || self.classifications.is_asked()
            || self.sla.is_asked()
    }
}

impl<T> Choice<T> {
    /// Whether anything is asked for.
    pub fn is_asked(&self) -> bool {
        !self.any.is_empty() || !self.not.is_empty()
    }
}

impl<T> Default for Choice<T> {
    fn default() -> Self {
        Self { any: Vec::new(), not: Vec::new() }
    }
}

impl<T> From<Vec<T>> for Choice<T> {
    fn from(any: Vec<T>) -> Self {
        Self { any, not: Vec::new() }
    }
}

/// Whether what suppression rules hide is in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hidden {
    /// It is left out.
    #[default]
    No,
    /// It stands among the rest.
    Too,
    /// Nothing else is in it.
    Only,
}

impl std::str::FromStr for Hidden {
    type Err = ();
    /// As addresses and the API write it.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "no" => Ok(Self::No),
            "yes" => Ok(Self::Too),
            "only" => Ok(Self::Only),
            _ => Err(()),
        }
    }
}

/// A stretch of time: from `since` on, and before `until`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// Whose work it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    Nobody,
    /// As Microsoft writes the name; compared exactly.
    Is(String),
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<Position>,
    /// What was asked for, with what was found for it.
    pub filter: Filter,
}

/// Rows of one of the lists that have something in common that no column shows. Of the other list there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// Alerts that belong to no incident.
    WithoutIncident,
    /// Incidents that wait for their customer's answer.
    Waiting,
}

/// What is open, as the column `is_open` says it.
pub const OPEN: [Status; 3] = [Status::New, Status::InProgress, Status::Unknown];

/// A count stops here and is shown as "1,000+".
pub const COUNT_CAP: i64 = 1_000;

/// Whether a text is so short that only words that begin with it are found: an index of three characters knows these, and no more.
pub fn is_short(text: &str) -> bool {
    text.trim().chars().count() < 3
}

/// The text as the end of a pattern, with its own wildcards made plain.
fn plain(text: &str) -> String {
    text.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_") + "%"
}

/// The text as a pattern that finds it anywhere.
pub(super) fn pattern(text: &str) -> String {
    format!("%{}", plain(text))
}

/// The text as patterns of which one fits the titles that are found by it.
pub(super) fn patterns(text: &str) -> Vec<String> {
    if !is_short(text) {
        return vec![pattern(text)];
    }
    ["", "% ", "%(", "%-", "%/"].iter().map(|before| format!("{before}{}", plain(text))).collect()
}

/// The text as Microsoft's own id: lists show one as "#1009".
pub(super) fn number(text: &str) -> String {
    text.trim().trim_start_matches('#').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_search_are_plain_characters() {
        assert_eq!(patterns(r" 50%_\ "), [r"%50\%\_\\%"]);
        assert_eq!(patterns("C2"), ["C2%", "% C2%", "%(C2%", "%-C2%", "%/C2%"]);
    }
}
