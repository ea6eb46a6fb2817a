//! The list of incidents.

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
use crate::model::{Status, entity};
use crate::store;
use crate::store::incidents::Incident;
use crate::store::lists::Key;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use std::sync::Arc;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents", get(list))
}

/// The first only where there is a service level.
static COLUMNS: [Column; 13] = [
    Column { word: "sla", head: "SLA", key: Some(Key::Sla), usual: true },
    Column { word: "status", head: "Status", key: Some(Key::Status), usual: true },
    Column { word: "owner", head: "Owner", key: Some(Key::Owner), usual: true },
    Column { word: "alerts", head: "Alerts", key: Some(Key::Alerts), usual: true },
    Column { word: "entities", head: "Entities", key: None, usual: true },
    Column { word: "products", head: "Products", key: None, usual: true },
    Column { word: "tags", head: "Tags", key: None, usual: false },
    Column { word: "verdict", head: "Verdict", key: None, usual: false },
    Column { word: "activity", head: "Activity", key: Some(Key::Updated), usual: true },
    Column { word: "age", head: "Age", key: Some(Key::Created), usual: true },
    Column { word: "opened", head: "Opened (UTC)", key: Some(Key::Created), usual: false },
    Column { word: "resolved", head: "Resolved", key: None, usual: false },
    Column { word: "read", head: "Read", key: None, usual: false },
];

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentList {
    user: User,
    frame: Frame,
    groups: Option<Groups>,
    charts: Option<Charts>,
    incidents: Vec<Incident>,
}

async fn list(
    State(config): State<Arc<Config>>,
    user: User,
    db: ScopedDb,
    RawQuery(query): RawQuery,
) -> Result<Page<IncidentList>, PageError> {
    let mut tx = db.begin().await?;
    let columns = if store::service_levels::any(&mut tx).await? { &COLUMNS[..] } else { &COLUMNS[1..] };
    let mut frame = Frame::begin(&mut tx, (List::Incidents, columns), &user, &query, config.sync.interval).await?;
    let groups = Groups::read(&mut tx, &frame).await?;
    let Asked { order, after, size, .. } = &frame.asked;
    let mut incidents = if groups.is_some() {
        frame.end_grouped(&mut tx, &user).await?;
        Vec::new()
    } else {
        let page = store::incidents::list(&mut tx, &frame.filter, order, after.as_ref(), *size).await?;
        frame.end(&mut tx, &user, page).await?
    };
    for incident in &mut incidents {
        entity::sort(&mut incident.entities);
    }
    let charts = Charts::read(&mut tx, &frame).await?;
    tx.commit().await?;
    Ok(Page(IncidentList { user, frame, groups, charts, incidents }))
}
