//! Tenants: the list, worst first, and the list of the registry with the same columns.

use super::chips;
use super::error::PageError;
use super::extract::{Lead, Query, User};
use super::page::Page;
use super::scope::ScopedDb;
use super::show::When;
use crate::app::{AppState, onboarding};
use crate::config::Config;
use crate::model::{TenantId, TenantState, clock};
use crate::store::reconsent;
use crate::store::tenant_lists::{self, Filter, Line, ProductLine};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

pub fn routes() -> Router<AppState> {
    Router::new().route("/tenants", get(list)).route("/admin/tenants", get(registry))
}

const PAGE: i64 = 100;
/// In the address: only tenants that must consent again.
const AGAIN: &str = "again";

#[derive(Template)]
#[template(path = "tenants/list.html")]
struct TenantsPage {
    user: User,
    /// The registry's list, whose rows lead to editing.
    admin: bool,
    text: String,
    state: Option<TenantState>,
    page: i64,
    more: bool,
    counts: Vec<(TenantState, i64)>,
    /// Those that must consent again.
    again: BTreeSet<TenantId>,
    /// They alone are shown.
    only_again: bool,
    lines: Vec<Line>,
    products: Vec<ProductLine>,
    now: DateTime<Utc>,
}

impl TenantsPage {
    fn base(&self) -> &'static str {
        if self.admin { "/admin/tenants" } else { "/tenants" }
    }

    fn products_of(&self, tenant: &Line) -> impl Iterator<Item = &ProductLine> {
        let tenant = tenant.tenant_id;
        self.products.iter().filter(move |line| line.tenant_id == tenant)
    }

    /// Names of those whose permissions somebody should look at.
    fn lacking(&self, tenant: &Line) -> String {
        let lacking = self.products_of(tenant).filter(|line| chips::lacks(line));
        lacking.map(|line| line.product.label()).collect::<Vec<_>>().join(", ")
    }

    fn last_of(&self, line: &ProductLine) -> Option<When> {
        line.last_success.map(|at| When::new(at, self.now))
    }

    fn since(&self, line: &Line) -> When {
        When::new(line.state_since, self.now)
    }

    /// All tenants that are not offboarded.
    fn current(&self) -> i64 {
        self.counts.iter().filter(|(state, _)| *state != TenantState::Offboarded).map(|(_, n)| n).sum()
    }

    /// The states that any tenant is in, in their own order.
    fn states(&self) -> impl Iterator<Item = (TenantState, i64)> {
        TenantState::ALL.iter().filter_map(|state| self.counts.iter().find(|(of, _)| of == state)).copied()
    }

    fn is_filtered(&self) -> bool {
        self.state.is_some() || self.only_again || !self.text.is_empty()
    }

    fn is_again(&self, line: &Line) -> bool {
        self.again.contains(&line.tenant_id)
    }

    fn is_all(&self) -> bool {
        self.state.is_none() && !self.only_again
    }

    fn link(&self, state: Option<TenantState>, page: i64) -> String {
        self.address(state, page, false)
    }

    /// The first page of those that must consent again.
    fn again_tab(&self) -> String {
        self.address(None, 1, true)
    }

    fn address(&self, state: Option<TenantState>, page: i64, again: bool) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        if let Some(state) = state {
            query.append_pair("state", state.as_str());
        }
        if again {
            query.append_pair("consent", AGAIN);
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        let query = query.finish();
        if query.is_empty() { self.base().to_owned() } else { format!("{}?{query}", self.base()) }
    }

    /// The first page of another state.
    fn tab(&self, state: TenantState) -> String {
        self.link(Some(state), 1)
    }

    fn is_at(&self, state: TenantState) -> bool {
        self.state == Some(state)
    }

    fn previous(&self) -> String {
        self.address(self.state, self.page - 1, self.only_again)
    }

    fn next(&self) -> String {
        self.address(self.state, self.page + 1, self.only_again)
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    consent: String,
    #[serde(default)]
    page: String,
}

async fn list(
    State(config): State<Arc<Config>>,
    user: User,
    db: ScopedDb,
    Query(asked): Query<Asked>,
) -> Result<Page<TenantsPage>, PageError> {
    page(&config, user, &db, asked, false).await
}

async fn registry(
    State(config): State<Arc<Config>>,
    Lead(user): Lead,
    db: ScopedDb,
    Query(asked): Query<Asked>,
) -> Result<Page<TenantsPage>, PageError> {
    page(&config, user, &db, asked, true).await
}

async fn page(config: &Config, user: User, db: &ScopedDb, asked: Asked, admin: bool) -> Result<Page<TenantsPage>, PageError> {
    let unreadable = || PageError::BadRequest("The address of this list cannot be read.".into());
    let state = match asked.state.as_str() {
        "" => None,
        word => Some(word.parse::<TenantState>().map_err(|_| unreadable())?),
    };
    let page: i64 = if asked.page.is_empty() { 1 } else { asked.page.parse().map_err(|_| unreadable())? };
    let only_again = asked.consent == AGAIN;
    if !(only_again || asked.consent.is_empty()) || !(1..=1_000).contains(&page) || asked.q.chars().count() > 200 || asked.q.contains('\0')
    {
        return Err(unreadable());
    }
    let mut tx = db.begin().await?;
    let needed = reconsent::needed(&mut tx, &onboarding::expected(config), None).await?;
    let again: BTreeSet<TenantId> = needed.into_iter().map(|needed| needed.tenant_id).collect();
    let only = only_again.then(|| again.iter().copied().collect());
    let filter = Filter { text: asked.q.trim().to_owned(), state, only };
    let counts = tenant_lists::count_states(&mut tx).await?;
    let mut lines = tenant_lists::list(&mut tx, &filter, (page - 1) * PAGE, PAGE + 1).await?;
    let more = lines.len() > 100;
    lines.truncate(100);
    let shown: Vec<TenantId> = lines.iter().map(|line| line.tenant_id).collect();
    let products = tenant_lists::products(&mut tx, &shown).await?;
    let now = clock::now();
    Ok(Page(TenantsPage { user, admin, text: filter.text, state, page, more, counts, again, only_again, lines, products, now }))
}
