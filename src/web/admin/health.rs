//! How the portal does: database, jobs, the tenants read latest, records that could not be read.

use crate::app::AppState;
use crate::model::{Product, TenantState, clock};
use crate::store::coverage::{self, Coverage, Which};
use crate::store::health::{self, Jobs, Unread};
use crate::web::chips;
use crate::web::error::PageError;
use crate::web::extract::{Admin, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::show::{When, span};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::{DateTime, Utc};
use std::time::Instant;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/health", get(show))
}

const SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "admin/health.html")]
struct HealthPage {
    user: User,
    sentence: String,
    database_ms: u128,
    jobs: Vec<Jobs>,
    /// How many notices there are about apps and their credentials.
    told: usize,
    /// Worst first.
    late: Vec<Coverage>,
    unread: Vec<Unread>,
    now: DateTime<Utc>,
}

impl HealthPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn lag(&self, row: &Coverage) -> String {
        row.lag(self.now).map_or_else(|| "never complete".to_owned(), span)
    }
}

async fn show(State(state): State<AppState>, Admin(user): Admin) -> Result<Page<HealthPage>, PageError> {
    let now = clock::now();
    let begun = Instant::now();
    state.db.ping().await?;
    let database_ms = begun.elapsed().as_millis();
    let mut tx = state.db.begin(&user.scope).await?;
    let which = Which { tenants: None, products: Product::ALL, now, interval: state.config.sync.interval };
    let sentence = coverage::summary(&mut tx, &which).await?.sentence(now);
    let mut rows = coverage::gaps(&mut tx, &which).await?;
    // A first reading that is under way is not late, and nobody waits for one that is paused.
    rows.retain(|row| row.tenant_state != TenantState::Paused && (row.complete_until.is_some() || !row.state.is_reading()));
    rows.sort_by_key(|row| row.complete_until);
    rows.truncate(SHOWN);
    let told = user.notices().count();
    let (jobs, unread) = (health::jobs(&mut tx).await?, health::unread(&mut tx).await?);
    Ok(Page(HealthPage { user, sentence, database_ms, jobs, told, late: rows, unread, now }))
}
