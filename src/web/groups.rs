//! A list by groups in place of rows, and in figures above them.

use super::queue::Frame;
use super::show::{When, thousands, visible};
use super::views::List;
use crate::model::{Severity, TenantId};
use crate::store::lists::{By, Figures, Group, LOOKED_AT};
use crate::store::{Scoped, alerts, incidents, overview};
use chrono::{NaiveDate, TimeDelta};
use std::collections::HashMap;

/// What a list can be put into groups by, and the word for people.
pub const WORDS: [(By, &str); 6] = [
    (By::Tenant, "Tenant"),
    (By::Title, "Title"),
    (By::Detector, "Detector"),
    (By::User, "User"),
    (By::Device, "Device"),
    (By::Owner, "Owner"),
];

/// The groups of a list.
pub struct Groups {
    /// The head of the column.
    pub head: &'static str,
    pub lines: Vec<GroupLine>,
    /// The list may have more rows than were looked at.
    pub is_cut: bool,
}

/// A group as a row.
pub struct GroupLine {
    pub label: String,
    /// The list of its rows; none where no address asks for just those.
    pub href: Option<String>,
    pub rows: i64,
    pub worst: Severity,
    pub newest: When,
    pub tenants: i64,
}

/// The figures of a list, ready to draw.
pub struct Charts {
    pub rows: i64,
    pub severities: Vec<(Severity, Bar)>,
    pub tenants: Vec<(String, Bar)>,
    /// All thirty days, oldest first.
    pub days: Vec<(NaiveDate, Bar)>,
}

/// A number beside the largest of its kind.
pub struct Bar {
    pub n: i64,
    /// 0 to 100.
    pub percent: i64,
    pub href: String,
}

/// Some tenants' names, by their ids as text.
struct Names(HashMap<String, String>);

impl Names {
    async fn read(tx: &mut Scoped, tenants: impl Iterator<Item = TenantId>) -> sqlx::Result<Self> {
        let tenants: Vec<TenantId> = tenants.collect();
        if tenants.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let names = overview::first_names(tx, 0, &tenants).await?;
        Ok(Self(names.into_iter().map(|tenant| (tenant.tenant_id.to_string(), tenant.name)).collect()))
    }

    fn of(&self, tenant: &str) -> String {
        self.0.get(tenant).map_or_else(|| tenant.to_owned(), Clone::clone)
    }
}

impl Groups {
    /// The groups of the list that a frame holds, if it is asked for by groups.
    pub async fn read(tx: &mut Scoped, frame: &Frame) -> sqlx::Result<Option<Self>> {
        let Some(by) = frame.asked.by else { return Ok(None) };
        let (filter, order) = (&frame.filter, &frame.asked.order);
        let groups = match frame.list {
            List::Incidents => incidents::groups(tx, filter, order, by).await?,
            List::Alerts => alerts::groups(tx, filter, order, by).await?,
        };
        let keys = groups.iter().filter(|_| by == By::Tenant).filter_map(|group| group.key.as_deref()?.parse().ok());
        let names = Names::read(tx, keys).await?;
        let head = WORDS.iter().find(|(other, _)| *other == by).map_or("", |(_, word)| word);
        let lines = groups.iter().map(|group| GroupLine::new((frame, &names), by, group)).collect();
        let is_cut = groups.iter().any(|group| group.looked_at >= LOOKED_AT);
        Ok((!groups.is_empty()).then_some(Self { head, lines, is_cut }))
    }

    /// So many rows are looked at.
    pub fn bound() -> String {
        thousands(LOOKED_AT)
    }
}

impl GroupLine {
    fn new((frame, names): (&Frame, &Names), by: By, group: &Group) -> Self {
        let address = &frame.asked.address;
        let key = group.key.as_deref();
        let of = |name: &str| key.map(|key| address.without("by").with(name, key));
        // A row may have many of these. The link would put its value in the place of what the list is filtered by, and find more than it counts.
        let of_many = |name: &'static str| of(name).filter(|_| address.one(name).is_none());
        let (label, href) = match by {
            By::Tenant => (key.map(|key| names.of(key)), of("tenant")),
            By::Title => (group.label.clone(), of("title")),
            By::Detector => (
                group.label.clone().filter(|_| key.is_some()),
                if frame.list == List::Alerts { of("detector") } else { of_many("detector") },
            ),
            By::User | By::Device => (key.and_then(|key| key.split_once(':')).map(|(_, value)| value.to_owned()), of_many("entity")),
            By::Owner => (group.label.clone(), Some(address.without("by").with("owner", key.unwrap_or("none")))),
        };
        let none = if by == By::Owner { "nobody" } else { "none" };
        Self {
            label: label.map_or_else(|| none.to_owned(), |label| visible(&label)),
            href,
            rows: group.rows,
            worst: group.worst,
            newest: frame.when(&group.newest),
            tenants: group.tenants,
        }
    }
}

impl Charts {
    /// The figures of the list that a frame holds, if they are asked for.
    pub async fn read(tx: &mut Scoped, frame: &Frame) -> sqlx::Result<Option<Self>> {
        if !frame.asked.charts || !frame.is_any() {
            return Ok(None);
        }
        let (filter, order, last) = (&frame.filter, &frame.asked.order, frame.now.date_naive());
        let figures = match frame.list {
            List::Incidents => incidents::figures(tx, filter, order, last).await?,
            List::Alerts => alerts::figures(tx, filter, order, last).await?,
        };
        let names = Names::read(tx, figures.tenants.iter().map(|(tenant, _)| *tenant)).await?;
        Ok((figures.rows > 0).then(|| Self::new((frame, &names), &figures, last)))
    }

    fn new((frame, names): (&Frame, &Names), figures: &Figures, last: NaiveDate) -> Self {
        let address = &frame.asked.address;
        let most = |numbers: &mut dyn Iterator<Item = i64>| numbers.max().unwrap_or(0).max(1);
        let bar = |n: i64, most: i64, href: String| Bar { n, percent: if n > 0 { (n * 100 / most).max(1) } else { 0 }, href };
        let (worst, largest) = (most(&mut figures.severities.iter().map(|(_, n)| *n)), most(&mut figures.tenants.iter().map(|(_, n)| *n)));
        let busiest = most(&mut figures.days.iter().map(|(_, n)| *n));
        let of_day = |day: NaiveDate| {
            let n = figures.days.iter().find(|(other, _)| *other == day).map_or(0, |(_, n)| *n);
            (day, bar(n, busiest, address.with_both(("from", &day.to_string()), ("to", &day.to_string()))))
        };
        Self {
            rows: figures.rows,
            severities: figures
                .severities
                .iter()
                .map(|(severity, n)| (*severity, bar(*n, worst, address.with("severity", severity.as_str()))))
                .collect(),
            tenants: figures
                .tenants
                .iter()
                .map(|(tenant, n)| {
                    let id = tenant.to_string();
                    (names.of(&id), bar(*n, largest, address.with("tenant", &id)))
                })
                .collect(),
            days: (0..30).rev().map(|back| of_day(last - TimeDelta::days(back))).collect(),
        }
    }

    /// Whether there are more rows than were looked at.
    pub fn is_cut(&self) -> bool {
        self.rows >= LOOKED_AT
    }

    pub fn bound() -> String {
        thousands(LOOKED_AT)
    }

    /// What the drawing of days shows, in a sentence.
    pub fn days_told(&self) -> String {
        format!("{} opened in the last 30 days", thousands(self.days.iter().map(|(_, bar)| bar.n).sum()))
    }
}
