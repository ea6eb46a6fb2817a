//! What the lists of incidents and alerts have in common: the query's parameters, the page, its coverage.

use super::bearer::Bearer;
use super::problem::Problem;
use crate::model::TenantId;
use crate::store::Scoped;
use crate::store::coverage::{self, Summary};
use crate::store::lists::{Filter, Order, Owner, Position};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

const LIMIT: i64 = 50;
const MOST: i64 = 200;

/// What a list is asked for. A parameter of several values may be repeated, or hold them separated by commas.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Tenant ids.
    #[serde(default)]
    tenant: Vec<String>,
    /// new, in_progress, resolved, redirected, unknown
    #[serde(default)]
    status: Vec<String>,
    /// critical, high, medium, low, informational, unknown
    #[serde(default)]
    severity: Vec<String>,
    /// A name as Microsoft writes it, or `none`.
    assigned_to: Option<String>,
    /// defender_xdr, defender_endpoint, cloud_apps, graph
    #[serde(default)]
    product: Vec<String>,
    /// Incidents only.
    #[serde(default)]
    tag: Vec<String>,
    /// Words of the title, a product's own id, or an entity.
    q: Option<String>,
    updated_since: Option<DateTime<Utc>>,
    created_since: Option<DateTime<Utc>>,
    /// `severity` (default; then last update) or `updated_at`; worst or newest first
    sort: Option<String>,
    /// 1 to 200
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A list's query, checked.
pub struct Listing {
    pub filter: Filter,
    pub order: Order,
    pub after: Option<Position>,
    pub limit: i64,
}

impl ListQuery {
    /// Checks every parameter; tenants outside the token's scope are silently no tenants.
    pub fn check(self, user: &Bearer) -> Result<Listing, Problem> {
        let asked: Vec<TenantId> = words("tenant", &self.tenant, "a tenant's id")?;
        let tenants = user.scope.narrowed(&asked);
        let order = match self.sort.as_deref() {
            None | Some("severity") => Order::Severity,
            Some("updated_at") => Order::Updated,
            Some(_) => return Err(invalid("sort", "severity or updated_at")),
        };
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=MOST).contains(&limit) {
            return Err(invalid("limit", "a number from 1 to 200"));
        }
        let text = self.q.filter(|text| !text.trim().is_empty());
        if text.as_ref().is_some_and(|text| text.len() > 500 || text.contains('\0')) {
            return Err(invalid("q", "at most 500 characters"));
        }
        Ok(Listing {
            filter: Filter {
                tenants,
                severities: words("severity", &self.severity, "a severity")?,
                statuses: words("status", &self.status, "a status")?,
                owner: self.assigned_to.map(|name| if name == "none" { Owner::Nobody } else { Owner::Is(name) }),
                products: words("product", &self.product, "a product")?,
                tags: self.tag,
                text,
                updated_since: self.updated_since,
                created_since: self.created_since,
                ..Filter::default()
            },
            order,
            after: self.cursor.map(|cursor| cursor.parse()).transpose().map_err(|_| invalid("cursor", "the next_cursor of a page"))?,
            limit,
        })
    }
}

fn invalid(field: &'static str, wanted: &str) -> Problem {
    Problem::field(field, format!("must be {wanted}"))
}

fn words<T: FromStr>(field: &'static str, values: &[String], wanted: &str) -> Result<Vec<T>, Problem> {
    let words = values.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|_| invalid(field, wanted))).collect()
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct Listed<T> {
    pub data: Vec<T>,
    /// Ask for the next page with it; null on the last page.
    pub next_cursor: Option<String>,
    pub coverage: CoverageSummary,
}

/// How complete the list is.
#[derive(Serialize, ToSchema)]
pub struct CoverageSummary {
    /// Everything Microsoft showed up to then is in the list, for the complete tenants.
    complete_until: Option<DateTime<Utc>>,
    /// Tenants whose products are all read and on time.
    complete: usize,
    /// Tenants that should be read.
    total: usize,
    /// None of their products is read.
    blind: usize,
    /// Some of their products are not read.
    degraded: usize,
    /// Read, but not on time.
    late: usize,
    /// Their first reading is under way.
    loading: usize,
    paused: usize,
    /// The same as a sentence.
    sentence: String,
}

impl CoverageSummary {
    /// The coverage of the transaction's scope.
    pub async fn read(tx: &mut Scoped, now: DateTime<Utc>, interval: Duration) -> sqlx::Result<Self> {
        let rows = coverage::list(tx, None).await?;
        Ok(Self::new(&coverage::summary(&rows, now, interval), now))
    }

    fn new(summary: &Summary, now: DateTime<Utc>) -> Self {
        let sentence = summary.sentence(now);
        let Summary { complete_until, complete, total, blind, degraded, late, loading, paused } = *summary;
        Self { complete_until, complete, total, blind, degraded, late, loading, paused, sentence }
    }
}

/// The tenant of a row.
#[derive(Serialize, ToSchema)]
pub struct TenantRef {
    pub id: uuid::Uuid,
    pub name: String,
}

/// Cuts a list read with one row too many to its limit, and says where the next page begins.
pub fn page<T>(mut rows: Vec<T>, limit: i64, position: impl Fn(&T) -> Position) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = more.then(|| rows.last().map(|row| position(row).to_string())).flatten();
    (rows, next)
}
