//! What the pages of the two lists have in common: filters, order, columns, views.

use super::coverage::{Empty, Reading};
use super::error::PageError;
use super::extract::User;
use super::groups;
use super::list::{Asked, Within};
use super::live::Watch;
use super::show::{When, capped, words};
use super::views::{self, List, ViewLine};
use crate::model::{Product, Severity, Status, clock};
use crate::store::lists::{By, COUNT_CAP, Filter, Key, Listed, Order};
use crate::store::overview::TenantName;
use crate::store::{self, Scoped};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Tactics of MITRE ATT&CK, as Microsoft writes them in alerts.
const TACTICS: [&str; 16] = [
    "InitialAccess",
    "Execution",
    "Persistence",
    "PrivilegeEscalation",
    "DefenseEvasion",
    "CredentialAccess",
    "Discovery",
    "LateralMovement",
    "Collection",
    "CommandAndControl",
    "Exfiltration",
    "Impact",
    "Ransomware",
    "Malware",
    "SuspiciousActivity",
    "UnwantedSoftware",
];
const CLASSIFICATIONS: [(&str, &str); 4] = [
    ("truepositive", "True positive"),
    ("falsepositive", "False positive"),
    ("informationalexpectedactivity", "Informational, expected activity"),
    ("none", "None yet"),
];

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

/// One choice of a filter.
pub struct Choose {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

/// One filter with choices.
pub struct Pick {
    pub name: &'static str,
    pub title: &'static str,
    pub choices: Vec<Choose>,
    /// What is chosen, in a word or two.
    pub told: String,
    /// What is chosen is not wanted.
    pub not: bool,
}

impl Pick {
    pub fn is_on(&self) -> bool {
        self.choices.iter().any(|choice| choice.chosen)
    }
}

/// The frame of a list: everything but its rows.
pub struct Frame {
    pub list: List,
    pub asked: Asked,
    pub filter: Filter,
    pub columns: &'static [Column],
    pub tenants: Vec<TenantName>,
    pub views: Vec<ViewLine>,
    /// Up to the cap; `None`: it takes too long to count.
    pub total: Option<i64>,
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
        let tenants = store::overview::names(tx).await?;
        let filter = asked.filter(tx, user, now).await?;
        let filter = list.searched(tx, &filter).await?;
        let total = list.total(tx, &filter).await?;
        let hidden = list.hidden(tx, &filter).await?;
        let reading = Reading::of(tx, filter.tenants.as_deref(), list.products(), now, interval).await?;
        let views = views::lines(tx, list, user, (&asked.address.with("after", ""), total), now).await?;
        Ok(Self { list, asked, filter, columns, tenants, views, total, hidden, reading, live, next: None, empty: None, now })
    }

    /// Takes note of a page of rows and gives them back.
    pub async fn end<T>(&mut self, tx: &mut Scoped, user: &User, page: Listed<T>) -> sqlx::Result<Vec<T>> {
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

    /// Whether groups and figures may not hold every row: beyond the cap nobody counts.
    pub fn is_long(&self) -> bool {
        self.total.is_none_or(|total| total > COUNT_CAP)
    }

    /// Whether there may be any row.
    pub fn is_any(&self) -> bool {
        self.total != Some(0)
    }

    /// What `charts` becomes in the address of the link that shows or hides them.
    pub fn charts_word(&self) -> &'static str {
        if self.asked.charts { "" } else { "yes" }
    }

    pub fn total_text(&self) -> Option<String> {
        self.total.map(capped)
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

    /// How the head of a column sorts.
    pub fn sorting(&self, key: &Key) -> Sorting {
        let key = *key;
        let order = &self.asked.order;
        let toggled = order.toggled(key);
        let place = order.place(key);
        let href = self.asked.address.with("sort", &if toggled == Order::default() { String::new() } else { toggled.to_string() });
        Sorting {
            href,
            aria: place.filter(|(place, _)| *place == 1).map(|(_, falls)| if falls { "descending" } else { "ascending" }),
            mark: place.map_or_else(String::new, |(place, falls)| {
                let arrow = if falls { "↓" } else { "↑" };
                if place > 1 { format!("{arrow}{place}") } else { arrow.to_owned() }
            }),
        }
    }

    /// The name of a tenant of the scope, as it is written.
    pub fn tenant_name(&self, id: &str) -> Option<String> {
        self.tenants.iter().find(|tenant| tenant.tenant_id.to_string() == id).map(|tenant| tenant.name.clone())
    }

    /// The same list by groups, or by rows again: address, word, whether it is so now.
    pub fn groupings(&self) -> impl Iterator<Item = (String, &'static str, bool)> {
        let rows = (self.asked.address.with("by", ""), "Nothing: every row", self.asked.by.is_none());
        let by = |(by, word): &(By, &'static str)| (self.asked.address.with("by", by.as_str()), *word, self.asked.by == Some(*by));
        std::iter::once(rows).chain(groups::WORDS.iter().map(by).collect::<Vec<_>>())
    }

    /// The filters with choices.
    pub fn picks(&self, user: &User) -> Vec<Pick> {
        let tenants = self.tenants.iter().map(|tenant| (tenant.tenant_id.to_string(), super::show::visible(&tenant.name)));
        let mut groups: Vec<&String> = self.tenants.iter().flat_map(|tenant| &tenant.tags).collect();
        groups.sort_unstable();
        groups.dedup();
        let statuses = Status::ALL.iter().map(|status| (status.to_string(), status.label().to_owned()));
        let plain =
            |words: &[(&str, &str)]| words.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect::<Vec<_>>();
        let mut picks = vec![self.pick("tenant", "Tenant", tenants.collect())];
        if !groups.is_empty() {
            picks.push(self.pick("group", "Group", groups.into_iter().map(|group| (group.clone(), super::show::visible(group))).collect()));
        }
        picks.extend([
            self.pick(
                "severity",
                "Severity",
                Severity::ALL.iter().map(|s| (s.as_str().to_owned(), format!("{} {}", s.sign(), s.label()))).collect(),
            ),
            self.pick("status", "Status", statuses.chain([("all".to_owned(), "Any".to_owned())]).collect()),
            self.pick("owner", "Owner", self.owners(user)),
            self.pick("product", "Product", Product::ALL.iter().map(|p| (p.as_str().to_owned(), p.short().to_owned())).collect()),
            self.pick("classification", "Verdict", plain(&CLASSIFICATIONS)),
            self.pick("category", "Category", TACTICS.iter().map(|word| ((*word).to_owned(), words(word))).collect()),
        ]);
        picks
    }

    fn owners(&self, user: &User) -> Vec<(String, String)> {
        let fixed = [("me".to_owned(), "Me".to_owned()), ("none".to_owned(), "Nobody".to_owned())];
        let names = self.asked.address.all("owner").filter(|name| !matches!(*name, "me" | "none"));
        let label = |name: &str| if name == user.login { "Me".to_owned() } else { super::show::visible(name) };
        fixed.into_iter().chain(names.map(|name| (name.to_owned(), label(name)))).collect()
    }

    fn pick(&self, name: &'static str, title: &'static str, choices: Vec<(String, String)>) -> Pick {
        let address = &self.asked.address;
        let mut choices: Vec<Choose> =
            choices.into_iter().map(|(value, label)| Choose { chosen: address.has(name, &value), value, label }).collect();
        // What a link asks for and no list names, such as another category.
        for value in address.all(name) {
            if !choices.iter().any(|choice| choice.value == value) {
                choices.push(Choose { chosen: true, value: value.to_owned(), label: super::show::visible(value) });
            }
        }
        let chosen: Vec<&Choose> = choices.iter().filter(|choice| choice.chosen).collect();
        let told = match chosen.as_slice() {
            [] if name == "status" => "Open".to_owned(),
            [] => String::new(),
            [one] => one.label.clone(),
            more => more.len().to_string(),
        };
        let not = address.has("not", name);
        Pick { name, title, told: if not && !told.is_empty() { format!("not {told}") } else { told }, choices, not }
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
