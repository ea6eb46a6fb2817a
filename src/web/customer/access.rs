//! What the provider may do in the customer's directory and how to end that, who of its staff looked, and what they changed.

use super::Customer;
use crate::app::AppState;
use crate::app::onboarding::{Ask, purpose};
use crate::config::Config;
use crate::model::change::deed;
use crate::model::clock;
use crate::store::changes::{self, Change};
use crate::store::looks::{self, Look};
use crate::store::permissions::{self, Permission};
use crate::store::tenants;
use crate::web::error::PageError;
use crate::web::filters;
use crate::web::page::Page;
use crate::web::show::When;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many looks and changes are shown, the latest.
const LOOKS: i64 = 200;
const CHANGES: i64 = 50;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/customer/access", get(show))
}

/// An application of the provider's with what it was granted.
struct App {
    purpose: String,
    /// By which it is found in Entra.
    client_id: Option<String>,
    asks: Vec<Ask>,
}

/// A change that staff made at Microsoft. Who it was, and why, is the provider's own business.
struct Line {
    what: String,
    subject: String,
    state: &'static str,
    class: &'static str,
    when: When,
}

#[derive(Template)]
#[template(path = "customer/access.html")]
struct AccessPage {
    customer: Customer,
    apps: Vec<App>,
    /// The name of the place where customers administer their directory.
    portal: &'static str,
    looks: Vec<Look>,
    lines: Vec<Line>,
}

/// The granted permissions, by app.
fn apps(config: &Config, granted: Vec<Permission>) -> Vec<App> {
    let mut by_app: BTreeMap<String, Vec<Ask>> = BTreeMap::new();
    for row in granted.into_iter().filter(|row| row.granted == Some(true)) {
        by_app.entry(row.app).or_default().push(Ask::new(row.product, row.permission));
    }
    let client_id = |name: &str| config.app.iter().find(|app| app.name == name).map(|app| app.client_id.to_string());
    by_app.into_iter().map(|(name, asks)| App { purpose: purpose(&name, &asks), client_id: client_id(&name), asks }).collect()
}

fn line(change: Change, now: DateTime<Utc>) -> Line {
    let class = if change.state.class().is_empty() { "plain" } else { change.state.class() };
    Line {
        what: deed(&change.operation).to_owned(),
        state: change.state.label(),
        class,
        when: When::new(change.created_at, now),
        subject: change.subject,
    }
}

async fn show(State(config): State<Arc<Config>>, customer: Customer) -> Result<Page<impl Template>, PageError> {
    let (now, id) = (clock::now(), customer.tenant);
    let mut tx = customer.begin().await?;
    let tenant = tenants::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let granted = permissions::list(&mut tx, id).await?;
    let looks = looks::list(&mut tx, id, LOOKS).await?;
    let changes = changes::recent(&mut tx, id, None, CHANGES).await?;
    tx.commit().await?;
    let lines = changes.into_iter().map(|change| line(change, now)).collect();
    Ok(Page(AccessPage { customer, apps: apps(&config, granted), portal: tenant.cloud.directory_portal(), looks, lines }))
}
