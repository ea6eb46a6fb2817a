//! The list of alerts, those without an incident too.

use super::error::PageError;
use super::extract::User;
use super::filters;
use super::groups::{Charts, Groups};
use super::list::{Asked, RawQuery, SIZES};
use super::page::Page;
use super::queue::{Column, Frame};
use super::scope::ScopedDb;
use super::views::List;
use crate::app::AppState;
use crate::config::Config;
use crate::model::Status;
use crate::store;
use crate::store::alerts::Alert;
use crate::store::lists::Key;
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
    groups: Option<Groups>,
    charts: Option<Charts>,
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
    let mut tx = db.begin().await?;
    let mut frame = Frame::begin(&mut tx, (List::Alerts, &COLUMNS), &user, &query, config.sync.interval).await?;
    let groups = Groups::read(&mut tx, &frame).await?;
    let Asked { order, after, size, .. } = &frame.asked;
    let alerts = if groups.is_some() {
        frame.end_grouped(&mut tx, &user).await?;
        Vec::new()
    } else {
        let page = store::alerts::list(&mut tx, &frame.filter, order, after.as_ref(), *size).await?;
        frame.end(&mut tx, &user, page).await?
    };
    let charts = Charts::read(&mut tx, &frame).await?;
    tx.commit().await?;
    Ok(Page(AlertList { user, frame, groups, charts, alerts }))
}
