//! The state of a list lives in its address: filters, order, page. Reading it, and making the addresses of its neighbours.

use super::error::PageError;
use crate::auth::Person;
use crate::model::{Product, Severity, SlaState, Status, TenantId, entity};
use crate::store::Scoped;
use crate::store::lists::{By, Choice, Filter, Hidden, Key, OPEN, Only, Order, Owner, Position, Span, is_short};
use crate::store::overview;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use std::str::FromStr;
use url::form_urlencoded;

mod address;
pub use address::Address;
use address::{is_of_form, unreadable};

/// Filters of one list, at most; more do not fit into an address anyway.
const MOST: usize = 1_000;

/// Rows of a page.
pub const SIZES: [i64; 3] = [50, 100, 200];

/// A list as it is asked for by address. `not=tag` turns the values of `tag` into those that rows must not have.
#[derive(Clone, Debug)]
pub struct Asked {
    pub address: Address,
    pub order: Order,
    pub after: Option<Position>,
    pub size: i64,
    pub text: String,
    pub tenants: Choice<TenantId>,
    /// Tags of tenants.
    pub groups: Choice<String>,
    pub severities: Choice<Severity>,
    /// Nothing chosen: the open ones. With `all_statuses`: every one.
    pub statuses: Choice<Status>,
    pub all_statuses: bool,
    /// "me", "none" or names.
    pub owners: Choice<String>,
    pub products: Choice<Product>,
    pub tags: Choice<String>,
    pub categories: Choice<String>,
    pub titles: Choice<String>,
    pub detectors: Choice<String>,
    pub classifications: Choice<String>,
    pub entities: Choice<String>,
    pub sla: Choice<SlaState>,
    pub only: Option<Only>,
    /// What rules hide: left out unless it is asked for.
    pub hidden: Hidden,
    /// How far back the last update lies at most.
    pub updated: Option<Within>,
    /// How far back the first sight lies at most.
    pub created: Option<Within>,
    /// Opened on this day (UTC) or later, and on this day or earlier.
    pub days: (Option<NaiveDate>, Option<NaiveDate>),
    /// Groups in place of rows.
    pub by: Option<By>,
    pub charts: bool,
}

/// A time that goes back from now, or to when the reader looked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within(&'static str);

impl Within {
    pub const ALL: [(&'static str, &'static str, i64); 5] =
        [("1h", "hour", 1), ("8h", "8 hours", 8), ("24h", "24 hours", 24), ("7d", "7 days", 168), ("30d", "30 days", 720)];

    /// The reader's own mark, which moves when they say on the page of the shift that they have seen it.
    pub const LOOKED: (&'static str, &'static str) = ("looked", "since I last looked");

    pub fn is_looked(self) -> bool {
        self.0 == Self::LOOKED.0
    }

    fn since(self, person: &Person, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.is_looked() {
            return Some(looked(person, now));
        }
        Self::ALL.iter().find(|(word, _, _)| *word == self.0).map(|(_, _, hours)| now - TimeDelta::hours(*hours))
    }

    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for Within {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let words = Self::ALL.iter().map(|(word, _, _)| *word).chain([Self::LOOKED.0]);
        words.into_iter().find(|word| *word == text).map(Self).ok_or(())
    }
}

/// Since when somebody has not looked; who never said that they did is told of a day.
pub fn looked(person: &Person, now: DateTime<Utc>) -> DateTime<Utc> {
    person.looked_at.unwrap_or(now - TimeDelta::hours(24))
}

impl Asked {
    /// Reads a query string.
    ///
    /// # Errors
    /// A parameter that no link or form of ours makes, such as a forged page position.
    pub fn read(path: &'static str, query: &str) -> Result<Self, PageError> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        // The database has no such character; and rather than a part of so many filters, none is read.
        if pairs.len() > MOST || pairs.iter().any(|(_, value)| value.contains('\0')) {
            return Err(unreadable());
        }
        // "None of these" of nothing says nothing.
        let names: Vec<String> = pairs.iter().map(|(name, _)| name.clone()).collect();
        let pairs = pairs.into_iter().filter(|(name, value)| name != "not" || names.contains(value)).collect();
        let address = Address { path, pairs };
        let all_statuses = address.has("status", "all");
        let statuses = if all_statuses { Choice::default() } else { address.choice("status")? };
        let order: Order = address.value("sort")?.unwrap_or_else(|| usual_order(path, &statuses, all_statuses));
        let is_none = |key: &Key| order.place(*key).is_some();
        if path == "/alerts" && (Key::OF_INCIDENTS.iter().any(is_none) || address.one("sla").is_some()) {
            return Err(unreadable()); // an alert has none
        }
        Ok(Self {
            after: address.one("after").map(|text| order.position(text).map_err(|_| unreadable())).transpose()?,
            order,
            size: address.value::<i64>("size")?.filter(|size| SIZES.contains(size)).unwrap_or(SIZES[0]),
            text: address.one("q").unwrap_or_default().trim().chars().take(200).collect(),
            tenants: address.choice("tenant")?,
            groups: address.choice("group")?,
            severities: address.choice("severity")?,
            statuses,
            all_statuses,
            owners: address.choice("owner")?,
            products: address.choice("product")?,
            tags: address.choice("tag")?,
            categories: address.choice("category")?,
            titles: address.choice("title")?,
            detectors: address.choice("detector")?,
            classifications: address.choice("classification")?,
            entities: address.choice("entity")?,
            sla: address.choice("sla")?,
            only: match (address.one("incident"), address.one("waiting")) {
                (Some("none"), _) => Some(Only::WithoutIncident),
                (_, Some("customer")) => Some(Only::Waiting),
                _ => None,
            },
            hidden: address.value("suppressed")?.unwrap_or_default(),
            updated: address.value("updated")?,
            created: address.value("created")?,
            days: (address.value("from")?, address.value("to")?),
            by: address.value("by")?,
            charts: address.has("charts", "yes"),
            address,
        })
    }

    /// How the list is sorted if nothing is said of it.
    pub fn usual_order(&self) -> Order {
        usual_order(self.address.path(), &self.statuses, self.all_statuses)
    }

    /// Whether anything but order, size, columns and page is asked for.
    pub fn is_filtered(&self) -> bool {
        self.address.pairs.iter().any(|(key, _)| !is_of_form(key) && key != "after")
    }

    /// Whether its text is searched for at the beginning of words only.
    pub fn is_short(&self) -> bool {
        !self.text.is_empty() && is_short(&self.text)
    }

    /// For the store: what `person` may see of it.
    pub async fn filter(&self, tx: &mut Scoped, person: &Person, now: DateTime<Utc>) -> sqlx::Result<Filter> {
        let Choice { any, not } = &self.groups;
        let none = any.is_empty() && not.is_empty();
        let grouped = if none { None } else { Some(overview::of_groups(tx, any, not).await?) };
        Ok(self.filter_within(grouped, person, now))
    }

    /// The same, where the tenants of the groups that are asked for are known.
    fn filter_within(&self, grouped: Option<Vec<TenantId>>, person: &Person, now: DateTime<Utc>) -> Filter {
        let statuses = if self.statuses.any.is_empty() && !self.all_statuses && self.statuses.not.is_empty() {
            OPEN.to_vec().into()
        } else {
            self.statuses.clone()
        };
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        let since = |within: Within| within.since(person, now);
        let until = self.days.1.and_then(|day| day.succ_opt()).map(midnight);
        Filter {
            tenants: self.tenants(grouped, person),
            not_tenants: self.tenants.not.clone(),
            severities: self.severities.clone(),
            statuses,
            owners: Choice { any: owners(&self.owners.any, person), not: owners(&self.owners.not, person) },
            products: self.products.clone(),
            tags: self.tags.clone(),
            categories: self.categories.clone(),
            titles: self.titles.clone(),
            detectors: self.detectors.clone(),
            classifications: lower(&self.classifications),
            entities: meant(&self.entities),
            sla: self.sla.clone(),
            only: self.only,
            hidden: self.hidden,
            text: (!self.text.is_empty()).then(|| self.text.clone()),
            updated: Span { since: self.updated.filter(|within| !within.is_looked()).and_then(since), until: None },
            created: Span { since: self.created.and_then(since).max(self.days.0.map(midnight)), until },
            read_since: self.updated.filter(|within| within.is_looked()).and_then(since),
            ..Filter::default()
        }
    }

    fn tenants(&self, grouped: Option<Vec<TenantId>>, person: &Person) -> Option<Vec<TenantId>> {
        let asked = &self.tenants.any;
        let Some(mut tenants) = grouped else { return person.scope.narrowed(asked) };
        tenants.retain(|tenant| asked.is_empty() || asked.contains(tenant));
        Some(tenants)
    }

    /// What the list would show without filters: everything open.
    pub fn everything(person: &Person) -> Filter {
        Filter { tenants: person.scope.narrowed(&[]), statuses: OPEN.to_vec().into(), ..Filter::default() }
    }
}

/// Open incidents by what is due first; nothing is due of what is closed.
fn usual_order(path: &str, statuses: &Choice<Status>, all_statuses: bool) -> Order {
    let is_open = !all_statuses && statuses.not.is_empty() && statuses.any.iter().all(|status| OPEN.contains(status));
    if path == "/incidents" && is_open { Order::queue() } else { Order::default() }
}

fn owners(words: &[String], person: &Person) -> Vec<Owner> {
    let owner = |word: &String| match word.as_str() {
        "none" => Owner::Nobody,
        "me" => Owner::Is(person.login.clone()),
        name => Owner::Is(name.to_owned()),
    };
    words.iter().map(owner).collect()
}

fn meant(choice: &Choice<String>) -> Choice<String> {
    let keys = |words: &[String]| words.iter().flat_map(|word| entity::meant(word)).collect();
    Choice { any: keys(&choice.any), not: keys(&choice.not) }
}

fn lower(choice: &Choice<String>) -> Choice<String> {
    let lower = |words: &[String]| words.iter().map(|word| word.to_lowercase()).collect();
    Choice { any: lower(&choice.any), not: lower(&choice.not) }
}

/// The query string as it was sent.
#[derive(Clone, Debug)]
pub struct RawQuery(pub String);

impl<S: Send + Sync> FromRequestParts<S> for RawQuery {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        Ok(Self(parts.uri.query().unwrap_or_default().to_owned()))
    }
}

#[cfg(test)]
mod tests;
