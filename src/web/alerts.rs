//! The list of alerts, those without an incident too.

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
use crate::store::alerts::Alert;
use crate::store::lists::{COUNT_CAP, Order};
use crate::store::live::Kind;
use crate::store::overview::TenantName;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::{DateTime, Utc};
use std::sync::Arc;

pub fn routes() -> Router<AppState> {
    Router::new().route("/alerts", get(list))
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertList {
    user: User,
    asked: Asked,
    alerts: Vec<Alert>,
    total: i64,
    next: Option<String>,
    tenants: Vec<TenantName>,
    reading: Reading,
    empty: Option<Empty>,
    live: Watch,
    now: DateTime<Utc>,
}

impl AlertList {
    /// For the form that changes several; each page has one of its own.
    fn fresh() -> crate::model::ChangeId {
        crate::app::acting::fresh()
    }

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
        match self.asked.address.with("sort", "").trim_start_matches("/alerts") {
            "" => "open",
            "?incident=none" => "alone",
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
) -> Result<Page<AlertList>, PageError> {
    let asked = Asked::read("/alerts", &query)?;
    let now = clock::now();
    let filter = asked.filter(&user);
    let mut tx = db.begin().await?;
    let live = Watch::list(Kind::Alerts, &asked, &store::live::seen(&mut tx).await?);
    let mut alerts = store::alerts::list(&mut tx, &filter, asked.order, asked.after, asked.size + 1).await?;
    let total = store::alerts::count(&mut tx, &filter).await?;
    let tenants = store::overview::names(&mut tx).await?;
    let reading = Reading::of(&mut tx, filter.tenants.as_deref(), Product::ALL, now, config.sync.interval).await?;
    let hidden = if alerts.is_empty() && asked.is_filtered() { store::alerts::count(&mut tx, &Asked::everything(&user)).await? } else { 0 };
    tx.commit().await?;
    let more = i64::try_from(alerts.len()).is_ok_and(|rows| rows > asked.size);
    if more {
        alerts.pop();
    }
    let next = alerts.last().filter(|_| more).map(|last| asked.address.page(&last.position().to_string()));
    let empty = alerts.is_empty().then(|| reading.empty("alerts", tenants.len(), asked.is_filtered(), hidden));
    Ok(Page(AlertList { user, asked, alerts, total, next, tenants, reading, empty, live, now }))
}
