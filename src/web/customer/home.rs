//! The first page: how completely the customer is watched over, and how many incidents were shared.

use super::Customer;
use crate::app::AppState;
use crate::config::Config;
use crate::model::{Product, SyncHealth, TenantState, clock};
use crate::store::coverage::{self, Coverage};
use crate::store::shares::{self, Numbers};
use crate::store::tenants;
use crate::web::chips::{self, Chip};
use crate::web::error::PageError;
use crate::web::filters;
use crate::web::page::Page;
use crate::web::show::{When, count};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/customer", get(show))
}

/// How one product is read, in plain words. Neither the provider's own words nor Microsoft's stand here.
struct Line {
    product: Product,
    chip: Chip,
    /// Complete to then.
    until: Option<When>,
    /// Not read since then.
    since: Option<When>,
    why: &'static str,
}

#[derive(Template)]
#[template(path = "customer/home.html")]
struct HomePage {
    customer: Customer,
    lines: Vec<Line>,
    is_paused: bool,
    numbers: Numbers,
    contacts: Vec<String>,
}

impl HomePage {
    fn sentence(&self) -> String {
        let good = self.lines.iter().filter(|line| line.chip.class == "ok").count();
        match self.lines.len() {
            0 => "Nothing is read of your directory yet.".to_owned(),
            _ if self.is_paused => "Reading is paused at the moment.".to_owned(),
            all if good == all => "Everything that your provider is to watch is being read.".to_owned(),
            all => {
                format!("{good} of {} are read as they should be.", count(i64::try_from(all).unwrap_or(i64::MAX), "product", "products"))
            }
        }
    }

    fn is_whole(&self) -> bool {
        !self.is_paused && !self.lines.is_empty() && self.lines.iter().all(|line| line.chip.class == "ok")
    }
}

fn line(row: &Coverage, patience: TimeDelta, now: DateTime<Utc>) -> Line {
    let is_late = row.state == SyncHealth::Ok && row.lag(now).is_some_and(|lag| lag > patience);
    let is_paused = row.tenant_state == TenantState::Paused;
    let chip = match row.state {
        _ if is_paused => chips::chip("plain", "Paused"),
        SyncHealth::Ok if is_late => chips::chip("warn", "Late"),
        SyncHealth::Ok => chips::chip("ok", "Read"),
        SyncHealth::Waiting | SyncHealth::Backfilling => chips::chip("note", "Beginning"),
        SyncHealth::Throttled => chips::chip("warn", "Slowed down"),
        _ => chips::chip("bad", "Not read"),
    };
    let is_failing = !row.state.is_reading() && !is_paused;
    Line {
        product: row.product,
        chip,
        until: row.complete_until.map(|at| When::new(at, now)),
        since: row.failing_since.filter(|_| is_failing).map(|at| When::new(at, now)),
        why: why(row.state, is_paused, is_late),
    }
}

fn why(state: SyncHealth, is_paused: bool, is_late: bool) -> &'static str {
    match state {
        _ if is_paused => "Your provider has paused the reading and goes on where it stopped.",
        SyncHealth::Ok if is_late => "The last reading is older than it should be. Your provider sees this as well.",
        SyncHealth::Ok => "",
        SyncHealth::Waiting => "The first reading has not begun yet.",
        SyncHealth::Backfilling => "What happened before you were connected is being read.",
        SyncHealth::Throttled => "Microsoft answers less often than asked at the moment, so this is behind.",
        SyncHealth::NoLicence => "Microsoft says that your directory has no licence for this product.",
        SyncHealth::NoPermission => "A permission that this needs is not granted in your directory.",
        SyncHealth::ConsentLost => "The application was removed from your directory, or its consent was taken back.",
        SyncHealth::OurCredential => "Your provider cannot sign in at Microsoft at the moment and has been told so.",
        SyncHealth::Failing => "Microsoft does not answer as it should. It is tried again all the time.",
    }
}

async fn show(State(config): State<Arc<Config>>, customer: Customer) -> Result<Page<impl Template>, PageError> {
    let now = clock::now();
    let mut tx = customer.begin().await?;
    let tenant = tenants::get(&mut tx, customer.tenant).await?.ok_or(PageError::NotFound)?;
    let coverage = coverage::list(&mut tx, Some(customer.tenant)).await?;
    let numbers = shares::numbers(&mut tx, customer.tenant).await?;
    tx.commit().await?;
    let lines = coverage.iter().filter(|row| row.enabled).map(|row| line(row, coverage::patience(config.sync.interval), now)).collect();
    let contacts = tenant.contacts.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Ok(Page(HomePage { customer, lines, is_paused: tenant.state == TenantState::Paused, numbers, contacts }))
}
