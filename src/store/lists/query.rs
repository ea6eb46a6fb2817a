//! The text of a list's query.

use super::conditions::{push_choice, push_owners, push_sla, push_statuses, push_tenants};
use super::{Choice, Filter, Found, HISTORY, Hidden, Listed, Only, Order, Position, number, patterns};
use crate::model::entity;
use crate::store::Scoped;
use crate::store::live::Seen;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

/// A list limited to this many tenants is merged from one short index walk a tenant; a longer one walks the index of all tenants.
const MERGED: usize = 100;

/// A table that is listed; its rows are read as `r`.
pub(in crate::store) struct Table {
    pub(super) name: &'static str,
    pub(super) id: &'static str,
    pub(super) is_alerts: bool,
}

pub(in crate::store) const INCIDENTS: Table = Table { name: "incidents", id: "incident_id", is_alerts: false };
pub(in crate::store) const ALERTS: Table = Table { name: "alerts", id: "alert_id", is_alerts: true };

/// The index along which the rows of a few tenants are read, where the order has one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Along {
    /// Each tenant's own, and merged.
    Each,
    /// That of all tenants, past the rows of others.
    All,
}

/// A row, and its values by which the list is sorted.
#[derive(FromRow)]
struct Placed<T> {
    #[sqlx(flatten)]
    row: T,
    place: Vec<String>,
}

impl Table {
    /// A page of a filter that has been searched for, or that is to be found by walking.
    pub(super) async fn rows<T>(
        &self,
        tx: &mut Scoped,
        filter: &Filter,
        order: &Order,
        after: Option<&Position>,
        (limit, along): (i64, Along),
    ) -> sqlx::Result<Listed<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut query = self.select(filter, order, after, (limit.saturating_add(1), along));
        let mut found: Vec<Placed<T>> = query.build_query_as().persistent(false).fetch_all(&mut **tx).await?;
        let most = usize::try_from(limit).unwrap_or(0);
        let more = found.len() > most;
        found.truncate(most);
        let last = found.last().filter(|_| more).map(|last| Position::new(last.place.clone(), order));
        let next = last.transpose().map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Listed { rows: found.into_iter().map(|placed| placed.row).collect(), next, filter: filter.clone() })
    }

    /// How many rows the filter finds; it stops at `cap`.
    pub async fn count(&self, tx: &mut Scoped, filter: &Filter, cap: i64) -> sqlx::Result<i64> {
        let filter = self.searched(tx, filter).await?;
        self.counted(tx, &filter, None, cap).await
    }

    /// The same for rows that were stored after what a page has seen.
    pub async fn news(&self, tx: &mut Scoped, filter: &Filter, seen: &Seen, cap: i64) -> sqlx::Result<i64> {
        let filter = self.searched_quickly(tx, filter).await?;
        self.counted(tx, &filter, Some(seen), cap).await
    }

    /// How many rows the filter finds, if it takes no longer than a moment; else `None`, and the transaction goes on as if nothing had been
    /// asked.
    pub async fn count_quickly(&self, tx: &mut Scoped, filter: &Filter, cap: i64) -> sqlx::Result<Option<i64>> {
        let filter = self.searched_quickly(tx, filter).await?;
        tx.limit("400ms").await?;
        let counted = self.counted(tx, &filter, None, cap).await;
        tx.limited(counted).await
    }

    /// The ids of the rows that the filter finds, in order; at most `most`.
    pub async fn ids(&self, tx: &mut Scoped, filter: &Filter, order: &Order, most: i64) -> sqlx::Result<Vec<Uuid>> {
        let filter = &*self.searched(tx, filter).await?;
        let mut query = QueryBuilder::new(format!("select r.{} from {} as r{} where true", self.id, self.name, names(order)));
        push_tenants(&mut query, filter);
        self.push_rest(&mut query, filter, order, None, most);
        query.build_query_scalar().persistent(false).fetch_all(&mut **tx).await
    }

    /// The conditions of the filter, for a statement on the table as `r`.
    pub fn push_where(&self, query: &mut QueryBuilder<Postgres>, filter: &Filter) {
        push_tenants(query, filter);
        self.push_filter(query, filter);
    }

    /// Counts what a filter finds that has been searched for, or that is to be found by walking.
    pub(super) async fn counted(&self, tx: &mut Scoped, filter: &Filter, seen: Option<&Seen>, cap: i64) -> sqlx::Result<i64> {
        let mut query = QueryBuilder::new(format!("select count(*) from (select 1 from {} as r where true", self.name));
        self.push_where(&mut query, filter);
        if let Some(seen) = seen {
            query.push(" and r.synced_at > ").push_bind(seen.at).push(" - interval '2 minutes' and is_unseen(r.xmin, ");
            query.push_bind(seen.snapshot.clone()).push("::pg_snapshot)");
        }
        query.push(" limit ").push_bind(cap).push(") as capped");
        query.build_query_scalar().persistent(false).fetch_one(&mut **tx).await
    }

    fn select(&self, filter: &Filter, order: &Order, after: Option<&Position>, (limit, along): (i64, Along)) -> QueryBuilder<Postgres> {
        let (table, place, sorted) = (self.name, order.values_sql(self.id), order.sql(self.id));
        let mut query = QueryBuilder::new("select r.*, t.name as tenant_name, t.directory_id, t.cloud from (");
        if order.is_by_tenant() {
            // Tenant by tenant in the order of their names, as far as the page goes.
            query.push(format!("select r.* from tenants as t cross join lateral (select r.*, {place} as place from {table} as r"));
            query.push(" where r.tenant_id = t.tenant_id");
            push_tenants(&mut query, filter);
            self.push_rest(&mut query, filter, order, after, limit);
            query.push(format!(") as r where t.state <> 'offboarded' order by {sorted} limit ")).push_bind(limit);
            query.push(format!(") as r join tenants as t on t.tenant_id = r.tenant_id order by {sorted}"));
            return query;
        }
        let is_indexed = order.is_indexed() && (filter.is_open_only() || !order.is_by_due());
        let is_merged = |tenants: &&Vec<_>| along == Along::Each && tenants.len() <= MERGED && is_indexed;
        let merged = filter.tenants.as_ref().filter(is_merged);
        // The indexes of open rows keep what is hidden apart.
        let halves = filter.hidden == Hidden::Too && filter.is_open_only() && is_indexed;
        if merged.is_some() || halves {
            // The walks give keys, which their indexes hold; of the rows only those of the page are read.
            let key = format!("r.tenant_id, r.{}", self.id);
            query.push(format!("select r.*, {place} as place from (select {key} from "));
            if let Some(tenants) = merged {
                query.push("unnest(").push_bind(tenants.clone()).push("::uuid[]) as asked (tenant_id) cross join ");
            }
            if halves {
                query.push("(values (false), (true)) as half (hidden) cross join ");
            }
            let due = if order.is_by_due() { "r.urgency, " } else { "" };
            query.push(format!("lateral (select {key}, {due}r.severity, r.updated_at from {table} as r where true"));
            match merged {
                Some(_) => _ = query.push(" and r.tenant_id = asked.tenant_id"),
                None => push_tenants(&mut query, filter),
            }
            query.push(if halves { " and r.hidden = half.hidden" } else { "" });
            self.push_rest(&mut query, filter, order, after, limit);
            query.push(format!(") as r order by {sorted} limit ")).push_bind(limit);
            query.push(format!(") as k join {table} as r on r.tenant_id = k.tenant_id and r.{id} = k.{id}", id = self.id));
        } else {
            query.push(format!("select r.*, {place} as place from {table} as r{} where true", names(order)));
            push_tenants(&mut query, filter);
            self.push_rest(&mut query, filter, order, after, limit);
        }
        query.push(format!(") as r join tenants as t on t.tenant_id = r.tenant_id order by {sorted}"));
        query
    }

    pub(super) fn push_rest(
        &self,
        query: &mut QueryBuilder<Postgres>,
        filter: &Filter,
        order: &Order,
        after: Option<&Position>,
        limit: i64,
    ) {
        self.push_filter(query, filter);
        if let Some(after) = after {
            order.push_after(query, self.id, after);
        }
        query.push(format!(" order by {} limit ", order.sql(self.id))).push_bind(limit);
    }

    /// Every condition but the tenants.
    fn push_filter(&self, query: &mut QueryBuilder<Postgres>, filter: &Filter) {
        let texts = |values: &[crate::model::Product]| values.iter().map(|product| product.as_str().to_owned()).collect::<Vec<_>>();
        if !filter.not_tenants.is_empty() {
            query.push(" and not r.tenant_id = any(").push_bind(filter.not_tenants.clone()).push(")");
        }
        push_choice(query, "r.severity = any(", &filter.severities, |severities| severities.iter().map(|s| *s as i16).collect::<Vec<_>>());
        push_statuses(query, filter);
        query.push(match filter.hidden {
            Hidden::No => " and not r.hidden",
            Hidden::Too => "",
            Hidden::Only => " and r.hidden",
        });
        push_owners(query, &filter.owners);
        let product = if self.is_alerts { "r.product = any(" } else { "r.products && (" };
        push_choice(query, product, &filter.products, texts);
        // An alert has no tags.
        push_choice(query, if self.is_alerts { "'{}'::text[] && (" } else { "r.tags && (" }, &filter.tags, <[String]>::to_vec);
        self.push_of_alerts(query, "category", &filter.categories);
        self.push_of_alerts(query, "detector_id", &filter.detectors);
        push_choice(query, "r.title = any(", &filter.titles, <[String]>::to_vec);
        push_choice(query, "lower(coalesce(r.classification, 'none')) = any(", &filter.classifications, <[String]>::to_vec);
        push_choice(query, "r.entities && (", &filter.entities, <[String]>::to_vec);
        if let Found::Rows(rows) = &filter.found {
            query.push(format!(" and r.{} = any(", self.id)).push_bind(rows.clone()).push(")");
        }
        if let Some(text) = &filter.text {
            query.push(" and (r.title ilike any(").push_bind(patterns(text)).push(") or r.external_id = ").push_bind(number(text));
            query.push(" or r.entities && ").push_bind(entity::meant(text)).push(")");
        }
        let times = [
            ("r.updated_at >= ", filter.updated.since),
            ("r.updated_at < ", filter.updated.until),
            ("r.created_at >= ", filter.created.since),
            ("r.created_at < ", filter.created.until),
            ("r.synced_at >= ", filter.read_since),
            ("r.updated_at >= ", filter.read_since.map(|since| since - HISTORY)),
        ];
        for (words, time) in times {
            if let Some(time) = time {
                query.push(" and ").push(words).push_bind(time);
            }
        }
        match self.is_alerts {
            true if !filter.sla.any.is_empty() => _ = query.push(" and false"),
            true => {}
            false => push_sla(query, &filter.sla),
        }
        query.push(match (filter.only, self.is_alerts) {
            (None, _) => "",
            (Some(Only::WithoutIncident), true) => " and r.incident_id is null and r.incident_external_id is null",
            (Some(Only::Waiting), false) => " and r.waiting_since is not null",
            (Some(_), _) => " and false",
        });
        query.push(" and r.tenant_id <> all (array(select o.tenant_id from tenants as o where o.state = 'offboarded'))");
    }

    /// A column that alerts have: an incident has the values of its alerts.
    fn push_of_alerts(&self, query: &mut QueryBuilder<Postgres>, column: &str, choice: &Choice<String>) {
        let words = if self.is_alerts {
            format!("coalesce(r.{column}, '') = any(")
        } else {
            format!(
                "exists (select from alerts as a where a.tenant_id = r.tenant_id and a.incident_id = r.incident_id and a.{column} = any("
            )
        };
        for (not, values) in [("", &choice.any), ("not ", &choice.not)] {
            if !values.is_empty() {
                query.push(" and ").push(not).push(&words).push_bind(values.clone()).push(if self.is_alerts { ")" } else { "))" });
            }
        }
    }
}

/// What an order needs beside the table itself.
pub(super) fn names(order: &Order) -> &'static str {
    if order.needs_tenant() { " join tenants as t on t.tenant_id = r.tenant_id" } else { "" }
}
