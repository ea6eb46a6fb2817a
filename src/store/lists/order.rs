//! How a list is sorted, and where a page of it ends.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, QueryBuilder};
use std::fmt::Write as _;
use std::str::FromStr;

mod position;
pub use position::Position;

/// Keys of one order, at most.
const MOST: usize = 3;
/// Longer than any title or name that is sorted by.
const LONGEST: usize = 4_000;

/// What a list can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Severity,
    Updated,
    Created,
    Tenant,
    Title,
    Status,
    Owner,
    /// Incidents only: the number of alerts.
    Alerts,
    /// Incidents only: what is due first.
    Sla,
}

impl Key {
    pub const ALL: &[Self] =
        &[Self::Severity, Self::Updated, Self::Created, Self::Tenant, Self::Title, Self::Status, Self::Owner, Self::Alerts, Self::Sla];

    /// What alerts cannot be sorted by.
    pub const OF_INCIDENTS: [Self; 2] = [Self::Alerts, Self::Sla];

    /// Its word in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Severity => "severity",
            Self::Updated => "updated",
            Self::Created => "created",
            Self::Tenant => "tenant",
            Self::Title => "title",
            Self::Status => "status",
            Self::Owner => "owner",
            Self::Alerts => "alerts",
            Self::Sla => "sla",
        }
    }

    /// Whether the worst, the newest, the most or the most urgent comes first unless it is turned round; words begin at A.
    const fn falls(self) -> bool {
        matches!(self, Self::Severity | Self::Updated | Self::Created | Self::Alerts | Self::Sla)
    }

    /// What is compared, of a row `r` and its tenant `t`. Never null.
    const fn sql(self) -> &'static str {
        match self {
            Self::Severity => "r.severity",
            Self::Updated => "r.updated_at",
            Self::Created => "r.created_at",
            Self::Tenant => "lower(t.name)",
            Self::Title => "lower(r.title)",
            Self::Status => "array_position(array['new', 'in_progress', 'unknown', 'resolved', 'redirected'], r.status)",
            Self::Owner => "lower(coalesce(r.assigned_to, ''))",
            Self::Alerts => "r.alert_count",
            Self::Sla => "r.urgency",
        }
    }

    /// The same as text that [`Self::bind`] reads.
    fn text_sql(self) -> String {
        match self {
            Self::Updated | Self::Created => format!("(extract(epoch from {}) * 1000000)::bigint::text", self.sql()),
            _ => format!("({})::text", self.sql()),
        }
    }

    /// Whether a text can be the value of a row.
    fn accepts(self, text: &str) -> bool {
        match self {
            Self::Severity => text.parse().is_ok_and(|n: i16| (0..=5).contains(&n)),
            // Beyond these years the database's times and ours do not agree.
            Self::Updated | Self::Created => text.parse().is_ok_and(|micros| (0..=4_102_444_800_000_000_i64).contains(&micros)),
            Self::Status | Self::Alerts => text.parse::<i32>().is_ok(),
            Self::Sla => text.parse::<i64>().is_ok(),
            Self::Tenant | Self::Title | Self::Owner => text.len() <= LONGEST && !text.contains('\0'),
        }
    }

    /// Binds a value that [`Self::accepts`].
    fn bind(self, query: &mut QueryBuilder<Postgres>, text: &str) {
        match self {
            Self::Severity => query.push_bind(text.parse::<i16>().unwrap_or_default()),
            Self::Updated | Self::Created => {
                query.push_bind(text.parse().ok().and_then(DateTime::from_timestamp_micros).unwrap_or(DateTime::<Utc>::MIN_UTC))
            }
            Self::Status | Self::Alerts => query.push_bind(text.parse::<i32>().unwrap_or_default()),
            Self::Sla => query.push_bind(text.parse::<i64>().unwrap_or_default()),
            Self::Tenant | Self::Title | Self::Owner => query.push_bind(text.to_owned()),
        };
    }
}

impl FromStr for Key {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Self, BadPosition> {
        Self::ALL.iter().copied().find(|key| key.as_str() == text).ok_or(BadPosition)
    }
}

/// How a list is sorted: by up to three keys, then by severity and the last update, if that is not among them, and by the id, so that no two rows
/// are equal. The default is severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Each with whether it falls.
    keys: Vec<(Key, bool)>,
}

impl Default for Order {
    fn default() -> Self {
        Self::by(Key::Severity)
    }
}

impl std::fmt::Display for Order {
    /// "tenant,-severity": a minus turns a key round.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, (key, falls)) in self.keys.iter().enumerate() {
            let (comma, minus) = (if n > 0 { "," } else { "" }, if *falls == key.falls() { "" } else { "-" });
            write!(f, "{comma}{minus}{}", key.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for Order {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let mut keys: Vec<(Key, bool)> = Vec::new();
        for word in text.split(',') {
            let (key, turned) = word.strip_prefix('-').map_or((word, false), |word| (word, true));
            let key: Key = key.parse()?;
            if keys.len() == MOST || keys.iter().any(|(other, _)| *other == key) {
                return Err(BadPosition);
            }
            keys.push((key, key.falls() != turned));
        }
        Ok(Self { keys })
    }
}

impl Order {
    /// The order of one key, in its usual direction.
    pub fn by(key: Key) -> Self {
        Self { keys: vec![(key, key.falls())] }
    }

    /// The queue's own: what is due first, then the worst.
    pub fn queue() -> Self {
        Self { keys: vec![(Key::Sla, true), (Key::Severity, true)] }
    }

    /// Whether the list falls by a key, if it is sorted by it, and the key's place: 1 for the first.
    pub fn place(&self, key: Key) -> Option<(usize, bool)> {
        let at = self.keys.iter().position(|(other, _)| *other == key)?;
        self.keys.get(at).map(|(_, falls)| (at + 1, *falls))
    }

    /// The order with this key first; where it is first already, turned round. What is due first says nothing behind another key.
    #[must_use]
    pub fn toggled(&self, key: Key) -> Self {
        let falls = if self.keys.first().is_some_and(|(first, _)| *first == key) { self.place(key) } else { None };
        let first = (key, falls.map_or(key.falls(), |(_, falls)| !falls));
        let rest = self.keys.iter().copied().filter(|(other, _)| *other != key && *other != Key::Sla);
        Self { keys: std::iter::once(first).chain(rest).take(MOST).collect() }
    }

    /// The order without a key; nothing but that key is the usual order.
    #[must_use]
    pub fn without(&self, key: Key) -> Self {
        let keys: Vec<_> = self.keys.iter().copied().filter(|(other, _)| *other != key).collect();
        if keys.is_empty() { Self::default() } else { Self { keys } }
    }

    /// Whether an index holds the rows in this order; for what is due first only the open ones.
    pub(super) fn is_indexed(&self) -> bool {
        let keys = if self.is_by_due() { self.keys.get(1..).unwrap_or_default() } else { &self.keys };
        let is_whole = self.is_by_due() && keys.is_empty();
        is_whole
            || matches!(keys, [(Key::Severity, true)] | [(Key::Severity, true), (Key::Updated, true)])
            || self.keys == [(Key::Updated, true)]
    }

    /// Whether what is due first comes first.
    pub(super) fn is_by_due(&self) -> bool {
        self.keys.first() == Some(&(Key::Sla, true))
    }

    /// Whether the rows of one tenant stand together.
    pub(super) fn is_by_tenant(&self) -> bool {
        self.keys.first().is_some_and(|(key, _)| *key == Key::Tenant)
    }

    /// Whether it needs the tenant's name.
    pub(super) fn needs_tenant(&self) -> bool {
        self.keys.iter().any(|(key, _)| *key == Key::Tenant)
    }

    /// All keys that are compared before the id. As many rows have the same title, and no index holds every order, what is equal by one key follows
    /// in the order of all the indexes.
    fn full(&self) -> Vec<(Key, bool)> {
        let has = |key: Key| self.keys.iter().any(|(other, _)| *other == key);
        let rest = [Key::Severity, Key::Updated].into_iter().filter(|key| !has(*key) && !has(Key::Updated));
        self.keys.iter().copied().chain(rest.map(|key| (key, key.falls()))).collect()
    }

    /// Whether the id falls: as the key before it.
    fn id_falls(&self) -> bool {
        self.full().last().is_some_and(|(_, falls)| *falls)
    }

    /// The words behind `order by`; `id` is the column of the row's id.
    pub(super) fn sql(&self, id: &str) -> String {
        let mut words = String::new();
        for (key, falls) in self.full() {
            let _ = write!(words, "{} {}, ", key.sql(), if falls { "desc" } else { "asc" });
        }
        let _ = write!(words, "r.{id} {}", if self.id_falls() { "desc" } else { "asc" });
        words
    }

    /// A column with the row's values, for the position of the next page.
    pub(super) fn values_sql(&self, id: &str) -> String {
        let values: Vec<String> = self.full().iter().map(|(key, _)| key.text_sql()).chain([format!("r.{id}::text")]).collect();
        format!("array[{}]", values.join(", "))
    }

    /// Adds the condition that a row comes after a position.
    pub(super) fn push_after(&self, query: &mut QueryBuilder<Postgres>, id: &str, after: &Position) {
        let keys = self.full();
        let same = keys.iter().all(|(_, falls)| *falls == self.id_falls());
        // The first key alone, too, so that an index, or the tenants by name, are entered where the page begins.
        for ((key, falls), value) in keys.iter().zip(&after.values).take(usize::from(!same || self.is_by_tenant())) {
            query.push(format!(" and {} {} ", key.sql(), if *falls { "<=" } else { ">=" }));
            key.bind(query, value);
        }
        if same {
            // As one comparison of rows, which an index understands.
            let columns: Vec<&str> = keys.iter().map(|(key, _)| key.sql()).collect();
            query.push(format!(" and ({}, r.{id}) {} (", columns.join(", "), if self.id_falls() { "<" } else { ">" }));
            for ((key, _), value) in keys.iter().zip(&after.values) {
                key.bind(query, value);
                query.push(", ");
            }
            query.push_bind(after.id).push(")");
            return;
        }
        query.push(" and (");
        for ((key, falls), value) in keys.iter().zip(&after.values) {
            query.push(format!("{} {} ", key.sql(), if *falls { "<" } else { ">" }));
            key.bind(query, value);
            query.push(format!(" or ({} = ", key.sql()));
            key.bind(query, value);
            query.push(" and (");
        }
        query.push(format!("r.{id} {} ", if self.id_falls() { "<" } else { ">" })).push_bind(after.id);
        query.push("))".repeat(keys.len())).push(")");
    }
}

/// The text is not the position of a row, or not an order.
#[derive(Debug, thiserror::Error)]
#[error("not a position in a list")]
pub struct BadPosition;

#[cfg(test)]
mod tests;
