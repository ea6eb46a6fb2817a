//! The list of incidents.

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
use crate::store::incidents::Incident;
use crate::store::lists::Key;
use crate::store::live::Kind;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use std::sync::Arc;

/// The products that give incidents.
const PRODUCTS: [Product; 2] = [Product::DefenderXdr, Product::Graph];

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents", get(list))
}

const COLUMNS: [Column; 12] = [
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
    live: Watch,
    incidents: Vec<Incident>,
}

async fn list(
    State(config): State<Arc<Config>>,
    user: User,
    db: ScopedDb,
    RawQuery(query): RawQuery,
) -> Result<Page<IncidentList>, PageError> {
    let (now, asked) = (clock::now(), Asked::read("/incidents", &query)?);
    let mut tx = db.begin().await?;
    let live = Watch::list(Kind::Incidents, &asked, &store::live::seen(&mut tx).await?);
    let tenants = store::overview::names(&mut tx).await?;
    let filter = asked.filter(&user, &tenants, now);
    let page = store::incidents::list(&mut tx, &filter, &asked.order, asked.after.as_ref(), asked.size).await?;
    let total = store::incidents::count(&mut tx, &filter).await?;
    let reading = Reading::of(&mut tx, filter.tenants.as_deref(), &PRODUCTS, now, config.sync.interval).await?;
    let nothing = page.rows.is_empty();
    let hidden = if nothing && asked.is_filtered() { store::incidents::count(&mut tx, &Asked::everything(&user)).await? } else { 0 };
    let views = views::lines(&mut tx, List::Incidents, &user, &tenants, &asked.address.with("after", ""), now).await?;
    tx.commit().await?;
    let next = page.next.map(|next| asked.address.page(&next.to_string()));
    let empty = nothing.then(|| reading.empty("incidents", tenants.len(), asked.is_filtered(), hidden));
    let frame = Frame { asked, columns: &COLUMNS, tenants, views, total, next, reading, empty, now };
    Ok(Page(IncidentList { user, frame, live, incidents: page.rows }))
}
