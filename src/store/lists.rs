//! What the lists of incidents and of alerts have in common: filter, order, position, and the shape of the query.

use crate::model::{Product, Severity, Status, TenantId, entity};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What a list is asked for. An empty list or `None` asks for nothing in particular.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The tenants to look at: those asked for, or those of a reader who may not see all. `None`: every tenant of the scope.
    pub tenants: Option<Vec<TenantId>>,
    pub severities: Vec<Severity>,
    pub statuses: Vec<Status>,
    pub owner: Option<Owner>,
    /// An incident's products are those of its alerts; an alert has one.
    pub products: Vec<Product>,
    /// Incidents only.
    pub tags: Vec<String>,
    /// Alerts only.
    pub categories: Vec<String>,
    /// Alerts only: those that belong to no incident.
    pub without_incident: bool,
    /// Words of the title, a product's own id, or an entity's value.
    pub text: Option<String>,
    pub updated_since: Option<DateTime<Utc>>,
    pub created_since: Option<DateTime<Utc>>,
}

/// Whose work it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    Nobody,
    /// As Microsoft writes the name; compared exactly.
    Is(String),
}

/// How a list is sorted. Newest or worst first; the id breaks ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Severity, then last update.
    #[default]
    Severity,
    /// Last update.
    Updated,
}

/// The last row of a page: the next page begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub severity: Severity,
    pub updated_at: DateTime<Utc>,
    pub id: Uuid,
}

impl std::fmt::Display for Position {
    /// Severity, microseconds and id: the place in a list's address, and the cursor of the API.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.severity.as_str(), self.updated_at.timestamp_micros(), self.id.simple())
    }
}

impl std::str::FromStr for Position {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let parts: Vec<&str> = text.split('.').collect();
        let [severity, micros, id] = parts[..] else { return Err(BadPosition) };
        // Beyond these years the database's times and ours do not agree.
        let micros = micros.parse().ok().filter(|micros| (0..=4_102_444_800_000_000_i64).contains(micros)).ok_or(BadPosition)?;
        Ok(Self {
            severity: severity.parse().map_err(|_| BadPosition)?,
            updated_at: DateTime::from_timestamp_micros(micros).ok_or(BadPosition)?,
            id: Uuid::try_parse(id).map_err(|_| BadPosition)?,
        })
    }
}

/// The text is not the position of a row.
#[derive(Debug, thiserror::Error)]
#[error("not a position in a list")]
pub struct BadPosition;

/// A list limited to this many tenants is merged from one short index walk a tenant; a longer one walks the index of all tenants.
const MERGED: usize = 100;

/// What is open, as the column `is_open` says it.
pub const OPEN: [Status; 3] = [Status::New, Status::InProgress, Status::Unknown];

/// A count stops here and is shown as "1,000+".
pub const COUNT_CAP: i64 = 1_000;

impl Filter {
    pub(super) fn is_merged(&self) -> bool {
        self.tenants.as_ref().is_some_and(|tenants| tenants.len() <= MERGED)
    }

    /// Only open rows are asked for, so that the partial indexes serve.
    pub(super) fn open(&self) -> Option<bool> {
        (!self.statuses.is_empty() && self.statuses.iter().all(|status| OPEN.contains(status))).then_some(true)
    }

    /// The statuses to compare with, where "open" does not say it all: one condition too many makes the planner expect too few rows.
    pub(super) fn single_statuses(&self) -> Option<Vec<&'static str>> {
        let is_open = self.open().is_some() && OPEN.iter().all(|status| self.statuses.contains(status));
        if is_open { None } else { some(self.statuses.iter().map(|status| status.as_str())) }
    }
}

/// Binds a filter's values as `$1` to `$15`, in the order [`list_sql`] names them.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {{
        let filter: &$crate::store::lists::Filter = $filter;
        let (nobody, owner) = match &filter.owner {
            Some($crate::store::lists::Owner::Nobody) => (Some(true), None),
            Some($crate::store::lists::Owner::Is(name)) => (None, Some(name.clone())),
            None => (None, None),
        };
        $query
            .bind(filter.tenants.clone())
            .bind($crate::store::lists::some(filter.severities.iter().map(|severity| *severity as i16)))
            .bind(filter.single_statuses())
            .bind(filter.open())
            .bind(nobody)
            .bind(owner)
            .bind($crate::store::lists::some(filter.products.iter().map(|product| product.as_str())))
            .bind($crate::store::lists::some(filter.tags.iter().cloned()))
            .bind(filter.text.as_deref().map($crate::store::lists::pattern))
            .bind(filter.text.as_deref().map(str::trim))
            .bind(filter.text.as_deref().map($crate::store::lists::entity_keys))
            .bind(filter.updated_since)
            .bind(filter.created_since)
            .bind($crate::store::lists::some(filter.categories.iter().cloned()))
            .bind(filter.without_incident)
    }};
}
pub(super) use bind_filter;

/// The text of a list query: `$table` is the table with its own conditions, read as `r`.
macro_rules! list_sql {
    (where $product:literal, $tag:literal, $category:literal, $alone:literal) => {
        concat!(
            "($2::smallint[] is null or r.severity = any($2)) and ($3::text[] is null or r.status = any($3)) and ($4::boolean is null or r.is_open = $4)",
            " and ($5::boolean is null or r.assigned_to is null) and ($6::text is null or r.assigned_to = $6)",
            " and ($7::text[] is null or ", $product, ") and ($8::text[] is null or ", $tag, ")",
            " and ($9::text is null or r.title ilike $9 or r.external_id = $10 or r.entities && $11::text[])",
            " and ($12::timestamptz is null or r.updated_at >= $12) and ($13::timestamptz is null or r.created_at >= $13)",
            " and ($14::text[] is null or ", $category, ") and (not $15::boolean or ", $alone, ")",
            " and r.tenant_id <> all (array(select o.tenant_id from tenants as o where o.state = 'offboarded'))"
        )
    };
    (merged $table:literal, $filter:expr, $after:literal, $order:literal) => {
        concat!(
            "select r.*, t.name as tenant_name, t.directory_id from (select r.* from unnest($1::uuid[]) as asked (tenant_id) cross join lateral (select * from ", $table,
            " as r where r.tenant_id = asked.tenant_id and ", $filter, " and ", $after, " order by ", $order, " limit $19) as r order by ", $order,
            " limit $19) as r join tenants as t on t.tenant_id = r.tenant_id order by ", $order
        )
    };
    (walked $table:literal, $filter:expr, $after:literal, $order:literal) => {
        concat!(
            "select r.*, t.name as tenant_name, t.directory_id from (select r.* from ", $table, " as r where ($1::uuid[] is null or r.tenant_id = any($1)) and ", $filter,
            " and ", $after, " order by ", $order, " limit $19) as r join tenants as t on t.tenant_id = r.tenant_id order by ", $order
        )
    };
    (count $table:literal, $filter:expr) => {
        concat!("select count(*) from (select 1 from ", $table, " as r where ($1::uuid[] is null or r.tenant_id = any($1)) and ", $filter, " limit $16) as capped")
    };
    (news $table:literal, $filter:expr) => {
        concat!(
            "select count(*) from (select 1 from ", $table, " as r where ($1::uuid[] is null or r.tenant_id = any($1)) and ", $filter,
            " and r.synced_at > $17 - interval '2 minutes' and is_unseen(r.xmin, $18::text::pg_snapshot) limit $16) as capped"
        )
    };
}
pub(super) use list_sql;

/// `None` for an empty list.
pub(super) fn some<T>(values: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let values: Vec<T> = values.collect();
    (!values.is_empty()).then_some(values)
}

/// The text as a pattern that finds it anywhere, with its own wildcards made plain.
pub(super) fn pattern(text: &str) -> String {
    let plain = text.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{plain}%")
}

/// The text as an entity of every kind; `kind:value` is looked for as it stands.
pub(super) fn entity_keys(text: &str) -> Vec<String> {
    let mut keys: Vec<String> = entity::KINDS.iter().filter_map(|kind| entity::key(kind, text)).collect();
    keys.push(text.trim().to_lowercase());
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_search_are_plain_characters() {
        assert_eq!(pattern(r" 50%_\ "), r"%50\%\_\\%");
    }

    #[test]
    fn a_search_looks_for_an_entity_of_every_kind() {
        let keys = entity_keys(" Anna@Example.com ");
        assert!(keys.contains(&"user:anna@example.com".to_owned()) && keys.contains(&"anna@example.com".to_owned()));
    }

    #[test]
    fn a_position_survives_the_address_and_nonsense_does_not_parse() {
        let position =
            Position { severity: Severity::High, updated_at: "2026-11-22T10:00:00.123456Z".parse().unwrap(), id: Uuid::from_u128(7) };
        assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        for bad in [
            "",
            "4",
            "9.1.00000000000000000000000000000007",
            "4.x.7",
            "4.99999999999999999999.00000000000000000000000000000007",
            "4.1.7;--",
            "x",
            "high.1.2",
            "high..",
            "odd.1.00000000000000000000000000000000",
            "high.9999999999999999.00000000000000000000000000000000",
            "high.-8000000000000000000.00000000000000000000000000000000",
            "high.1.00000000000000000000000000000000.x",
        ] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_list_of_open_statuses_is_served_by_the_open_index() {
        let of = |statuses: &[Status]| Filter { statuses: statuses.to_vec(), ..Filter::default() }.open();
        assert_eq!(of(&[Status::New, Status::InProgress]), Some(true));
        assert_eq!(of(&[Status::New, Status::Resolved]), None);
        assert_eq!(of(&[]), None);
        let words = |statuses: &[Status]| Filter { statuses: statuses.to_vec(), ..Filter::default() }.single_statuses();
        assert_eq!(words(&OPEN), None);
        assert_eq!(words(&[Status::New]), Some(vec!["new"]));
        assert_eq!(words(&[Status::New, Status::InProgress, Status::Unknown, Status::Resolved]).unwrap().len(), 4);
    }
}
