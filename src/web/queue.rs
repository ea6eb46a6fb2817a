//! What the pages of the two lists have in common: filters, order, columns, views.

use super::coverage::{Empty, Reading};
use super::deadline::{self, Mark};
use super::error::PageError;
use super::extract::User;
use super::groups;
use super::list::{Asked, Within};
use super::live::Watch;
use super::picks::TENANTS;
use super::show::{When, capped};
use super::views::{self, List, ViewLine};
use crate::model::clock;
use crate::store::incidents::Incident;
use crate::store::lists::{By, Filter, Key, Listed, Order};
use crate::store::overview::TenantName;
use crate::store::{self, Scoped};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// A column that can be hidden or shown.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub word: &'static str,
    pub head: &'static str,
    /// What a click on its head sorts by.
    pub key: Option<Key>,
    /// Whether it is shown unless it is hidden.
    pub usual: bool,
}

impl Column {
    pub fn class(&self) -> &'static str {
        if self.key == Some(Key::Alerts) { "num" } else { "" }
    }
}

/// How a column's head sorts the list.
pub struct Sorting {
    pub href: String,
    /// The value of `aria-sort`, of the first key.
    pub aria: Option<&'static str>,
    /// "↓", and the place of a key that is not the first.
    pub mark: String,
}

/// A filter that has no field.
pub struct Beside {
    pub name: &'static str,
    /// How it is told.
    pub label: String,
    pub values: Vec<String>,
    /// These are not wanted.
    pub not: bool,
    /// The list without it.
    pub without: String,
}

/// The frame of a list: everything but its rows.
pub struct Frame {
    pub list: List,
    pub asked: Asked,
    /// With what was found for it, once the rows are known.
    pub filter: Filter,
    pub columns: &'static [Column],
    /// Those that its filter offers: the first by name, and what is asked for.
    pub tenants: Vec<TenantName>,
    /// Of all tenants of the scope.
    pub groups: Vec<String>,
    /// Up to the cap; `None`: the page asks for it once it is seen. Known once the rows are, like the next two.
    pub total: Option<i64>,
    /// How many rows there are at least.
    pub shown: i64,
    pub views: Vec<ViewLine>,
    /// What the same list holds that rules hide, where it is left out and known in a moment.
    pub hidden: i64,
    pub reading: Reading,
    pub live: Watch,
    /// Where the next page is, if there is one; known once the rows are.
    pub next: Option<String>,
    /// Why there is nothing, if there is nothing; known once the rows are.
    pub empty: Option<Empty>,
    pub now: DateTime<Utc>,
}

impl Frame {
    /// What can be said of a list before its rows are read. Only then: the page says up to where it has seen.
    pub async fn begin(
        tx: &mut Scoped,
        (list, columns): (List, &'static [Column]),
        user: &User,
        query: &str,
        interval: Duration,
    ) -> Result<Self, PageError> {
        let (now, asked) = (clock::now(), Asked::read(list.path(), query)?);
        let live = Watch::list(list.kind(), &asked, &store::live::seen(tx).await?);
        let named = [asked.tenants.any.as_slice(), &asked.tenants.not].concat();
        let tenants = store::overview::first_names(tx, TENANTS, &named).await?;
        let groups = store::overview::groups(tx).await?;
        let filter = asked.filter(tx, user, now).await?;
        // Groups and their number are of one search.
        let filter = if asked.by.is_some() { list.searched(tx, &filter).await? } else { filter };
        let reading = Reading::of(tx, filter.tenants.as_deref(), list.products(), now, interval).await?;
        let (total, shown, hidden, views, next, empty) = (None, 0, 0, Vec::new(), None, None);
        Ok(Self { list, asked, filter, columns, tenants, groups, total, shown, views, hidden, reading, live, next, empty, now })
    }

    /// Takes note that there are groups in place of rows.
    pub async fn end_grouped(&mut self, tx: &mut Scoped, user: &User) -> sqlx::Result<()> {
        let total = self.list.total(tx, &self.filter).await?;
        self.end_counted(tx, user, total).await
    }

    async fn end_counted(&mut self, tx: &mut Scoped, user: &User, total: Option<i64>) -> sqlx::Result<()> {
        self.total = total;
        self.hidden = self.list.hidden(tx, &self.filter).await?;
        self.views = views::lines(tx, (self.list, self.has_sla()), user, (&self.asked.address.with("after", ""), total)).await?;
        Ok(())
    }

    /// Takes note of a page of rows and gives them back.
    pub async fn end<T>(&mut self, tx: &mut Scoped, user: &User, page: Listed<T>) -> sqlx::Result<Vec<T>> {
        self.shown = i64::try_from(page.rows.len()).unwrap_or(i64::MAX);
        self.filter = page.filter;
        let is_whole = self.asked.after.is_none() && page.next.is_none();
        let total = match (is_whole, self.filter.is_scattered()) {
            (true, _) => Some(self.shown),
            (false, true) => None,
            (false, false) => Some(self.list.count(tx, &self.filter).await?),
        };
        self.end_counted(tx, user, total).await?;
        self.next = page.next.map(|next| self.asked.address.page(&next.to_string()));
        if page.rows.is_empty() {
            let filtered = self.asked.is_filtered();
            let hidden = if filtered { self.list.count(tx, &Asked::everything(user)).await? } else { 0 };
            self.empty = Some(self.reading.empty(tx, self.list.word(), self.tenants.len(), filtered, hidden).await?);
        }
        Ok(page.rows)
    }

    pub fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    /// The clock of an incident that ends first.
    pub fn due(&self, incident: &Incident) -> Option<(Mark, String)> {
        deadline::first(incident, self.now)
    }

    /// What the list is filtered by that no field of the form shows.
    pub fn beside(&self) -> Vec<Beside> {
        let address = &self.asked.address;
        let told = |(name, title): (&'static str, &str)| {
            let values: Vec<String> = address.all(name).map(str::to_owned).collect();
            let not = address.has("not", name);
            let label = format!("{title}: {}{}", if not { "not " } else { "" }, values.join(" or "));
            (!values.is_empty()).then(|| Beside { name, label, values, not, without: address.with(name, "") })
        };
        let without_field = [("title", "Title"), ("detector", "Detector"), ("sla", "SLA")];
        without_field.into_iter().filter(|(name, _)| *name != "sla" || !self.has_sla()).filter_map(told).collect()
    }

    /// The name of the tenant, if the list is of one alone.
    pub fn only_tenant(&self) -> Option<&str> {
        let [one] = self.asked.tenants.any.as_slice() else { return None };
        self.tenants.iter().find(|tenant| tenant.tenant_id == *one).map(|tenant| tenant.name.as_str())
    }

    /// The values of a filter with a text field beyond the one that the field shows.
    pub fn further(&self, name: &'static str) -> Vec<&str> {
        self.asked.address.all(name).skip(1).collect()
    }

    /// Whether there may be any row.
    pub fn is_any(&self) -> bool {
        self.total != Some(0)
    }

    /// What `charts` becomes in the address of the link that shows or hides them.
    pub fn charts_word(&self) -> &'static str {
        if self.asked.charts { "" } else { "yes" }
    }

    /// "1,204", or "50+" as long as no more is known.
    pub fn total_text(&self) -> String {
        match self.total {
            Some(total) => capped(total),
            None if self.shown > 0 => format!("{}+", self.shown),
            None => String::new(),
        }
    }

    /// Where the page asks how much its views find, and the list itself where that is not known.
    pub fn counts(&self) -> String {
        let query = if self.total.is_some() { String::new() } else { self.asked.address.query() };
        format!("{}/views{}{query}", self.list.path(), if query.is_empty() { "" } else { "?" })
    }

    /// "9 hidden by rules", if there are any.
    pub fn hidden_text(&self) -> Option<String> {
        (self.hidden > 0).then(|| format!("{} hidden by rules", capped(self.hidden)))
    }

    /// Whether a column is shown. Without a choice in the address the usual ones are.
    pub fn shows(&self, word: &str) -> bool {
        match self.asked.address.one("cols") {
            Some(chosen) => chosen.split(',').any(|other| other == word),
            None => self.columns.iter().any(|column| column.word == word && column.usual),
        }
    }

    /// The same list with a column more or less.
    pub fn toggle_column(&self, word: &str) -> String {
        let shown = |column: &&Column| self.shows(column.word) != (column.word == word);
        let words: Vec<&str> = self.columns.iter().filter(shown).map(|column| column.word).collect();
        let usual = self.columns.iter().filter(|column| column.usual).map(|column| column.word);
        let is_usual = words.iter().copied().eq(usual);
        // "none" is no column: nothing but what is always shown.
        let text = if words.is_empty() { "none".to_owned() } else { words.join(",") };
        self.asked.address.with("cols", if is_usual { "" } else { &text })
    }

    /// Whether clocks are shown, and asked for.
    pub fn has_sla(&self) -> bool {
        self.columns.iter().any(|column| column.key == Some(Key::Sla))
    }

    /// The order as its reader sees it: where there is no service level, nothing is due.
    fn seen(&self, order: &Order) -> Order {
        if self.has_sla() { order.clone() } else { order.without(Key::Sla) }
    }

    /// How the head of a column sorts.
    pub fn sorting(&self, key: &Key) -> Sorting {
        let key = *key;
        let (order, usual) = (self.seen(&self.asked.order), self.seen(&self.asked.usual_order()));
        let toggled = order.toggled(key);
        let place = order.place(key);
        let href = self.asked.address.with("sort", &if toggled == usual { String::new() } else { toggled.to_string() });
        Sorting {
            href,
            aria: place.filter(|(place, _)| *place == 1).map(|(_, falls)| if falls { "descending" } else { "ascending" }),
            mark: place.map_or_else(String::new, |(place, falls)| {
                let arrow = if falls { "↓" } else { "↑" };
                if place > 1 { format!("{arrow}{place}") } else { arrow.to_owned() }
            }),
        }
    }

    /// The same for every column, where a list has no heads.
    pub fn sortings(&self) -> impl Iterator<Item = (Sorting, &'static str)> {
        let always = [(Key::Severity, "Severity"), (Key::Tenant, "Tenant"), (Key::Title, "Title")];
        let columns = self.columns.iter().filter_map(|column| column.key.map(|key| (key, column.head)));
        let known = always.into_iter().chain(columns.filter(|(_, head)| !head.starts_with("Opened")));
        known.map(|(key, head)| (self.sorting(&key), head))
    }

    /// The same list by groups, or by rows again: address, word, whether it is so now.
    pub fn groupings(&self) -> impl Iterator<Item = (String, &'static str, bool)> {
        let rows = (self.asked.address.with("by", ""), "Nothing: every row", self.asked.by.is_none());
        let by = |(by, word): &(By, &'static str)| (self.asked.address.with("by", by.as_str()), *word, self.asked.by == Some(*by));
        std::iter::once(rows).chain(groups::WORDS.iter().map(by).collect::<Vec<_>>())
    }

    /// The times of the filter "Time".
    pub fn times(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        Within::ALL.iter().map(|(word, label, _)| (*word, *label)).chain([Within::LOOKED])
    }

    /// The address of the whole list as a file.
    pub fn export(&self, format: &str) -> String {
        let query = self.asked.address.with("after", "");
        let query = query.split_once('?').map_or_else(String::new, |(_, query)| format!("?{query}"));
        format!("{}/export.{format}{query}", self.asked.address.path())
    }

    /// A parameter's value as a field shows it.
    pub fn field(&self, name: &'static str) -> &str {
        self.asked.address.one(name).unwrap_or_default()
    }

    /// Whether anything is asked for in one of the filters without a list of their own.
    pub fn is_on(&self, names: &[&'static str]) -> bool {
        names.iter().any(|name| self.asked.address.one(name).is_some())
    }
}
