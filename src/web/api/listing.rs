//! What the lists of incidents and alerts have in common: the query's parameters, the page, its coverage.

use super::bearer::Bearer;
use super::problem::Problem;
use crate::model::{Product, TenantId};
use crate::store::Scoped;
use crate::store::coverage::{self, Summary, Which};
use crate::store::lists::{self, Choice, Filter, Hidden, Key, Order, Owner, Position, Span};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

const LIMIT: i64 = 50;
const MOST: i64 = 200;

/// What a list is asked for. A parameter of several values may be repeated, or hold them separated by commas.
#[derive(Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Tenant ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tenant: Vec<String>,
    /// new, in_progress, resolved, redirected, unknown
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    status: Vec<String>,
    /// critical, high, medium, low, informational, unknown
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    severity: Vec<String>,
    /// Names as Microsoft writes them, or `none`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assigned_to: Vec<String>,
    /// defender_xdr, defender_endpoint, cloud_apps, graph
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    product: Vec<String>,
    /// Incidents only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tag: Vec<String>,
    /// Microsoft's words, such as InitialAccess; an incident's are those of its alerts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    category: Vec<String>,
    /// Microsoft's words in any case, such as TruePositive, or `none`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    classification: Vec<String>,
    /// `kind:value`, such as user:ada@example.com
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entity: Vec<String>,
    /// Incidents only: how the clock stands that ends first. breached, at_risk, on_track
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sla: Vec<String>,
    /// Names of the parameters whose values rows must not have: tenant, status, severity, assigned_to, product, tag, category, classification, entity, sla.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not: Vec<String>,
    /// What suppression rules hide: no (default) leaves it out, yes lists it too, only lists nothing else.
    suppressed: Option<String>,
    /// Words of the title, a product's own id, or an entity.
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_since: Option<DateTime<Utc>>,
    /// Updated before.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_until: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_since: Option<DateTime<Utc>>,
    /// Opened before.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_until: Option<DateTime<Utc>>,
    /// Up to three of severity, updated_at, created_at, tenant, title, status, assigned_to, alert_count and sla (incidents: what is due first), with commas between; a
    /// minus before one turns it round. Default: severity, worst first. Severity, the last update and the id follow; behind updated_at the id alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<String>,
    /// 1 to 200
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    /// What is asked for, for people: "severity high · not status new". `None`: nothing is, or how the list looks, which is no filter.
    pub fn words(&self) -> Option<String> {
        if self.sort.is_some() || self.limit.is_some() || self.cursor.is_some() {
            return None;
        }
        let value = serde_json::to_value(self).ok()?;
        let said = |value: &serde_json::Value| match value {
            serde_json::Value::Array(all) => all.iter().filter_map(|one| one.as_str()).collect::<Vec<_>>().join(" or "),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let not = |name: &str| if self.not.iter().any(|other| other == name) { "not " } else { "" };
        let members = value.as_object()?.iter().filter(|(name, value)| *name != "not" && !said(value).trim().is_empty());
        let parts: Vec<String> = members.map(|(name, value)| format!("{}{name} {}", not(name), said(value))).collect();
        (!parts.is_empty()).then(|| parts.join(" · "))
    }

    /// Checks every parameter; `missing`: what the list cannot be sorted by. Tenants outside the token's scope are silently no tenants.
    pub fn check(self, user: &Bearer, missing: &[Key]) -> Result<Listing, Problem> {
        let known = ["tenant", "status", "severity", "assigned_to", "product", "tag", "category", "classification", "entity", "sla"];
        let not: Vec<String> = words("not", &self.not, "names of parameters")?;
        if not.iter().any(|name| !known.contains(&name.as_str())) {
            return Err(invalid("not", "names of parameters"));
        }
        let tenants: Choice<TenantId> = choice(&not, "tenant", words("tenant", &self.tenant, "a tenant's id")?);
        let lower = |words: Vec<String>| words.iter().map(|word| word.to_lowercase()).collect();
        let order = self.sort.as_deref().map_or_else(|| Some(Order::default()), order);
        let order =
            order.filter(|order| missing.iter().all(|key| order.place(*key).is_none())).ok_or_else(|| invalid("sort", "an order"))?;
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=MOST).contains(&limit) {
            return Err(invalid("limit", "a number from 1 to 200"));
        }
        let text = self.q.filter(|text| !text.trim().is_empty());
        if text.as_ref().is_some_and(|text| text.len() > 500 || text.contains('\0')) {
            return Err(invalid("q", "at most 500 characters"));
        }
        let hidden =
            self.suppressed.as_deref().map_or(Ok(Hidden::No), str::parse).map_err(|()| invalid("suppressed", "no, yes or only"))?;
        let after = self.cursor.map(|cursor| order.position(&cursor));
        Ok(Listing {
            filter: Filter {
                tenants: user.scope.narrowed(&tenants.any),
                not_tenants: tenants.not,
                severities: choice(&not, "severity", words("severity", &self.severity, "a severity")?),
                statuses: choice(&not, "status", words("status", &self.status, "a status")?),
                owners: choice(&not, "assigned_to", self.assigned_to.into_iter().map(owner).collect()),
                products: choice(&not, "product", words("product", &self.product, "a product")?),
                tags: choice(&not, "tag", self.tag),
                categories: choice(&not, "category", self.category),
                classifications: choice(&not, "classification", lower(self.classification)),
                entities: choice(&not, "entity", lower(self.entity)),
                sla: choice(&not, "sla", words("sla", &self.sla, "breached, at_risk or on_track")?),
                hidden,
                text,
                updated: Span { since: self.updated_since, until: self.updated_until },
                created: Span { since: self.created_since, until: self.created_until },
                ..Filter::default()
            },
            after: after.transpose().map_err(|_| invalid("cursor", "the next_cursor of a page in this order"))?,
            order,
            limit,
        })
    }
}

/// Spelled as in the answers.
fn order(text: &str) -> Option<Order> {
    let spelled = [("updated_at", Key::Updated), ("created_at", Key::Created), ("assigned_to", Key::Owner), ("alert_count", Key::Alerts)];
    let word = |word: &str| {
        let (minus, name) = word.strip_prefix('-').map_or(("", word), |name| ("-", name));
        let key = spelled.iter().find(|(other, _)| *other == name);
        format!("{minus}{}", key.map_or(name, |(_, key)| key.as_str()))
    };
    text.split(',').map(word).collect::<Vec<_>>().join(",").parse().ok()
}

fn owner(name: String) -> Owner {
    if name == "none" { Owner::Nobody } else { Owner::Is(name) }
}

fn choice<T>(not: &[String], name: &str, values: Vec<T>) -> Choice<T> {
    if not.iter().any(|other| other == name) { Choice { any: Vec::new(), not: values } } else { values.into() }
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
    complete: i64,
    /// Tenants that should be read.
    total: i64,
    /// None of their products is read.
    blind: i64,
    /// Some of their products are not read.
    degraded: i64,
    /// Read, but not on time.
    late: i64,
    /// Their first reading is under way.
    loading: i64,
    paused: i64,
    /// The same as a sentence.
    sentence: String,
}

impl CoverageSummary {
    /// The coverage of the transaction's scope.
    pub async fn read(tx: &mut Scoped, now: DateTime<Utc>, interval: Duration) -> sqlx::Result<Self> {
        let summary = coverage::summary(tx, &Which { tenants: None, products: Product::ALL, now, interval }).await?;
        let sentence = summary.sentence(now);
        let Summary { complete_until, complete, total, blind, degraded, late, loading, paused, readings: _ } = summary;
        Ok(Self { complete_until, complete, total, blind, degraded, late, loading, paused, sentence })
    }
}

impl<T> Listed<T> {
    /// A page of the store's, with its coverage.
    pub fn new<R>(page: lists::Listed<R>, coverage: CoverageSummary, row: impl FnMut(R) -> T) -> Self {
        let next_cursor = page.next.map(|next| next.to_string());
        Self { data: page.rows.into_iter().map(row).collect(), next_cursor, coverage }
    }
}

/// The tenant of a row.
#[derive(Serialize, ToSchema)]
pub struct TenantRef {
    pub id: uuid::Uuid,
    pub name: String,
}
