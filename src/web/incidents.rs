//! The list of incidents.

use super::coverage::{Empty, Reading};
use super::error::PageError;
use super::extract::User;
use super::filters;
use super::list::{Asked, RawQuery, SIZES, owner_label};
use super::live::Watch;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::{When, thousands};
use crate::app::AppState;
use crate::config::Config;
use crate::model::{Product, Severity, Status, clock};
use crate::store;
use crate::store::incidents::Incident;
use crate::store::lists::{COUNT_CAP, Order};
use crate::store::live::Kind;
use crate::store::overview::TenantName;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// The products that give incidents.
const PRODUCTS: [Product; 2] = [Product::DefenderXdr, Product::Graph];

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents", get(list))
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentList {
    user: User,
    asked: Asked,
    incidents: Vec<Incident>,
    total: i64,
    next: Option<String>,
    tenants: Vec<TenantName>,
    reading: Reading,
    empty: Option<Empty>,
    live: Watch,
    now: DateTime<Utc>,
}

impl IncidentList {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn total_text(&self) -> String {
        if self.total > COUNT_CAP { format!("{}+", thousands(COUNT_CAP)) } else { thousands(self.total) }
    }

    fn owner(&self) -> Option<&str> {
        owner_label(&self.asked, &self.user)
    }

    fn tenant_names(&self) -> Vec<&str> {
        self.tenants.iter().filter(|tenant| self.asked.tenants.contains(&tenant.tenant_id)).map(|tenant| tenant.name.as_str()).collect()
    }

    /// The view the filters amount to, if it is one of those with a tab.
    fn view(&self) -> &'static str {
        match self.asked.address.with("sort", "").trim_start_matches("/incidents") {
            "" => "open",
            "?owner=none" => "unassigned",
            "?owner=me" => "mine",
            "?status=resolved" => "resolved",
            _ => "",
        }
    }
}

async fn list(
    State(config): State<Arc<Config>>,
    user: User,
    db: ScopedDb,
    RawQuery(query): RawQuery,
) -> Result<Page<IncidentList>, PageError> {
    let asked = Asked::read("/incidents", &query)?;
    let now = clock::now();
    let filter = asked.filter(&user);
    let mut tx = db.begin().await?;
    let live = Watch::list(Kind::Incidents, &asked, &store::live::seen(&mut tx).await?);
    let mut incidents = store::incidents::list(&mut tx, &filter, asked.order, asked.after, asked.size + 1).await?;
    let total = store::incidents::count(&mut tx, &filter).await?;
    let tenants = store::overview::names(&mut tx).await?;
    let reading = Reading::of(&mut tx, filter.tenants.as_deref(), &PRODUCTS, now, config.sync.interval).await?;
    let hidden =
        if incidents.is_empty() && asked.is_filtered() { store::incidents::count(&mut tx, &Asked::everything(&user)).await? } else { 0 };
    tx.commit().await?;
    let more = i64::try_from(incidents.len()).is_ok_and(|rows| rows > asked.size);
    if more {
        incidents.pop();
    }
    let next = incidents.last().filter(|_| more).map(|last| asked.address.page(&last.position().to_string()));
    let empty = incidents.is_empty().then(|| reading.empty("incidents", tenants.len(), asked.is_filtered(), hidden));
    Ok(Page(IncidentList { user, asked, incidents, total, next, tenants, reading, empty, live, now }))
}
