//! What the rows of a list have in common, counted.

use super::conditions::push_tenants;
use super::query::{Table, names};
use super::{Filter, Order};
use crate::model::{Severity, TenantId};
use crate::store::Scoped;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::QueryBuilder;
use std::str::FromStr;

/// So many rows of a list are put into groups or figures, the first of its order; of a longer list nobody waits for the rest.
pub const LOOKED_AT: i64 = 10_000;
const GROUPS: i64 = 100;

/// What a list can be put into groups by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Tenant,
    Title,
    /// What Microsoft calls the detector of an alert; an incident is in the group of each of its alerts.
    Detector,
    /// An incident or alert is in the group of each of its users, and the same with devices.
    User,
    Device,
    Owner,
}

impl By {
    pub const ALL: [Self; 6] = [Self::Tenant, Self::Title, Self::Detector, Self::User, Self::Device, Self::Owner];

    /// Its word in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Title => "title",
            Self::Detector => "detector",
            Self::User => "user",
            Self::Device => "device",
            Self::Owner => "owner",
        }
    }

    /// A table `g (key, label)` beside a row `r`, with a row for each group that it belongs to. The key is null for "none".
    const fn sql(self, is_alerts: bool) -> &'static str {
        match self {
            Self::Tenant => "(select r.tenant_id::text, ''::text)",
            Self::Title => "(select r.title, r.title)",
            Self::Owner => "(select r.assigned_to, r.assigned_to)",
            Self::User => "(select distinct e, e from unnest(r.entities) as e where starts_with(e, 'user:'))",
            Self::Device => "(select distinct e, e from unnest(r.entities) as e where starts_with(e, 'device:'))",
            Self::Detector if is_alerts => "(select r.detector_id, r.title)",
            Self::Detector => {
                "(select a.detector_id, min(a.title) from alerts as a where a.tenant_id = r.tenant_id and a.incident_id = r.id group by 1)"
            }
        }
    }
}

impl FromStr for By {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|by| by.as_str() == text).ok_or(())
    }
}

/// Rows of a list that have something in common.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Group {
    /// A tenant's id, a title, a detector's id, an entity as `kind:value`, an owner; `None`: the rows without one.
    pub key: Option<String>,
    /// Of a detector the title of one of its alerts; otherwise the key.
    pub label: Option<String>,
    pub rows: i64,
    pub worst: Severity,
    /// The last update among them, by Microsoft's time.
    pub newest: DateTime<Utc>,
    pub tenants: i64,
    /// Rows that all groups are made of, at most [`LOOKED_AT`].
    pub looked_at: i64,
}

/// A list in figures.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Rows that were looked at, at most [`LOOKED_AT`].
    pub rows: i64,
    /// Worst first; only those that occur.
    pub severities: Vec<(Severity, i64)>,
    /// Days (UTC) of the last thirty on which rows were opened.
    pub days: Vec<(NaiveDate, i64)>,
    /// The ten tenants with the most rows.
    pub tenants: Vec<(TenantId, i64)>,
}

#[derive(sqlx::FromRow)]
struct Figure {
    severity: Option<Severity>,
    day: Option<NaiveDate>,
    tenant_id: Option<TenantId>,
    rows: i64,
}

impl Table {
    /// The hundred largest groups of the first [`LOOKED_AT`] rows that the filter finds.
    pub async fn groups(&self, tx: &mut Scoped, filter: &Filter, order: &Order, by: By) -> sqlx::Result<Vec<Group>> {
        let filter = self.searched(tx, filter).await?;
        let mut query = self.found(&filter, order);
        query.push("select g.key, min(g.label) as label, count(*) as rows, max(r.severity) as worst, max(r.updated_at) as newest, ");
        query
            .push("count(distinct r.tenant_id) as tenants, (select count(*) from found) as looked_at from found as r left join lateral ")
            .push(by.sql(self.is_alerts));
        query.push(" as g (key, label) on true group by g.key order by count(*) desc, max(r.severity) desc, g.key nulls last limit ");
        query.push_bind(GROUPS).build_query_as().persistent(false).fetch_all(&mut **tx).await
    }

    /// The first [`LOOKED_AT`] rows that the filter finds, in figures. `last`: the last of the thirty days.
    pub async fn figures(&self, tx: &mut Scoped, filter: &Filter, order: &Order, last: NaiveDate) -> sqlx::Result<Figures> {
        let filter = self.searched(tx, filter).await?;
        let mut query = self.found(&filter, order);
        query.push("select severity, null::date as day, null::uuid as tenant_id, count(*) as rows from found group by severity union all ");
        query.push(
            "select null, day, null, count(*) from (select (created_at at time zone 'UTC')::date as day from found) as d where day > ",
        );
        query.push_bind(last).push(" - 30 and day <= ").push_bind(last).push(" group by day union all ");
        query.push("(select null, null, tenant_id, count(*) from found group by tenant_id order by count(*) desc, tenant_id limit 10)");
        let mut figures = Figures::default();
        for figure in query.build_query_as::<Figure>().persistent(false).fetch_all(&mut **tx).await? {
            figures.rows += figure.severity.map_or(0, |_| figure.rows);
            figures.severities.extend(figure.severity.map(|severity| (severity, figure.rows)));
            figures.days.extend(figure.day.map(|day| (day, figure.rows)));
            figures.tenants.extend(figure.tenant_id.map(|tenant| (tenant, figure.rows)));
        }
        figures.severities.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
        figures.days.sort_unstable();
        figures.tenants.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        Ok(figures)
    }

    /// A query that begins with the rows to look at, as `found`.
    fn found(&self, filter: &Filter, order: &Order) -> QueryBuilder<sqlx::Postgres> {
        let (table, id, detector) = (self.name, self.id, if self.is_alerts { ", r.detector_id" } else { "" });
        let columns =
            format!("r.{id} as id, r.tenant_id, r.title, r.severity, r.assigned_to, r.entities, r.created_at, r.updated_at{detector}");
        let mut query =
            QueryBuilder::new(format!("with found as materialized (select {columns} from {table} as r{} where true", names(order)));
        push_tenants(&mut query, filter);
        self.push_rest(&mut query, filter, order, None, LOOKED_AT);
        query.push(") ");
        query
    }
}
