//! The list of alerts, those without an incident too.

use super::coverage::Reading;
use super::error::PageError;
use super::extract::User;
use super::filters;
use super::list::{Asked, RawQuery, SIZES};
use super::live::Watch;
use super::page::Page;
use super::queue::{Column, Frame};
use super::scope::ScopedDb;
use super::views::{self, List};
use crate::app::AppState;
use crate::config::Config;
use crate::model::{Product, Status, clock};
use crate::store;
use crate::store::alerts::Alert;
use crate::store::lists::Key;
use crate::store::live::Kind;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use std::sync::Arc;

pub fn routes() -> Router<AppState> {
    Router::new().route("/alerts", get(list))
}

const COLUMNS: [Column; 12] = [
    Column { word: "status", head: "Status", key: Some(Key::Status), usual: true },
    Column { word: "category", head: "Category", key: None, usual: true },
    Column { word: "device", head: "Device", key: None, usual: true },
    Column { word: "account", head: "Account", key: None, usual: true },
    Column { word: "product", head: "Product", key: None, usual: true },
    Column { word: "incident", head: "Incident", key: None, usual: true },
    Column { word: "owner", head: "Owner", key: Some(Key::Owner), usual: false },
    Column { word: "verdict", head: "Verdict", key: None, usual: false },
    Column { word: "activity", head: "Activity", key: Some(Key::Updated), usual: true },
    Column { word: "age", head: "Age", key: Some(Key::Created), usual: true },
    Column { word: "opened", head: "Opened (UTC)", key: Some(Key::Created), usual: false },
    Column { word: "read", head: "Read", key: None, usual: false },
];

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertList {
    user: User,
    frame: Frame,
    live: Watch,
    alerts: Vec<Alert>,
}

impl AlertList {
    /// For the form that changes several; each page has one of its own.
    fn fresh() -> crate::model::ChangeId {
        crate::app::acting::fresh()
    }
}

async fn list(
    State(config): State<Arc<Config>>,
    user: User,
    db: ScopedDb,
    RawQuery(query): RawQuery,
) -> Result<Page<AlertList>, PageError> {
    let (now, asked) = (clock::now(), Asked::read("/alerts", &query)?);
    let mut tx = db.begin().await?;
    let live = Watch::list(Kind::Alerts, &asked, &store::live::seen(&mut tx).await?);
    let tenants = store::overview::names(&mut tx).await?;
    let filter = asked.filter(&user, &tenants, now);
    let page = store::alerts::list(&mut tx, &filter, &asked.order, asked.after.as_ref(), asked.size).await?;
    let total = store::alerts::count(&mut tx, &filter).await?;
    let reading = Reading::of(&mut tx, filter.tenants.as_deref(), Product::ALL, now, config.sync.interval).await?;
    let nothing = page.rows.is_empty();
    let hidden = if nothing && asked.is_filtered() { store::alerts::count(&mut tx, &Asked::everything(&user)).await? } else { 0 };
    let views = views::lines(&mut tx, List::Alerts, &user, &tenants, &asked.address.with("after", ""), now).await?;
    tx.commit().await?;
    let next = page.next.map(|next| asked.address.page(&next.to_string()));
    let empty = nothing.then(|| reading.empty("alerts", tenants.len(), asked.is_filtered(), hidden));
    let frame = Frame { asked, columns: &COLUMNS, tenants, views, total, next, reading, empty, now };
    Ok(Page(AlertList { user, frame, live, alerts: page.rows }))
}
