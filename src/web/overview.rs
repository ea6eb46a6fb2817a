//! The first page: how things stand over all tenants.

use super::coverage::{Gap, Reading};
use super::error::PageError;
use super::extract::User;
use super::filters;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::{When, capped, thousands};
use super::trend::Trend;
use crate::app::{AppState, Demo, onboarding};
use crate::config::Config;
use crate::model::{Product, Severity, SlaState, TenantId, clock};
use crate::store;
use crate::store::drifts::Drift;
use crate::store::overview::{TenantLine, Totals};
use crate::store::reconsent::Needed;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Tenants and gaps shown; the rest is behind a link.
const TENANTS: i64 = 50;
const GAPS: usize = 12;
const DRIFTS: i64 = 50;

pub fn routes() -> Router<AppState> {
    Router::new().route("/", get(overview))
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    user: User,
    reading: Reading,
    tiles: Vec<Tile>,
    tenants: Vec<TenantLine>,
    more_tenants: i64,
    drifts: Vec<Drifted>,
    gaps: Vec<Gap>,
    more_gaps: usize,
    trend: Trend,
    demo: Option<Arc<Demo>>,
    now: DateTime<Utc>,
}

/// What a tenant allows has changed for the worse.
struct Drifted {
    tenant: TenantId,
    name: String,
    /// As "Alert.Read.All, Machine.Read.All".
    permissions: String,
    at: DateTime<Utc>,
}

impl Drifted {
    /// One line for each tenant, the newest first.
    fn of(drifts: Vec<Drift>) -> Vec<Self> {
        let mut lines: Vec<Self> = Vec::new();
        for drift in drifts {
            if let Some(line) = lines.iter_mut().find(|line| line.tenant == drift.tenant_id) {
                line.permissions.push_str(", ");
                line.permissions.push_str(&drift.permission);
            } else {
                lines.push(Self { tenant: drift.tenant_id, name: drift.tenant_name, permissions: drift.permission, at: drift.at });
            }
        }
        lines
    }
}

struct Tile {
    label: &'static str,
    value: String,
    note: String,
    link: String,
}

impl Overview {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }
}

/// Severities in the order of [`TenantLine::incidents`].
fn by_severity(line: &TenantLine) -> impl Iterator<Item = (Severity, i64)> {
    Severity::ALL.into_iter().zip(line.incidents.iter().copied())
}

async fn overview(
    State(state): State<AppState>,
    State(config): State<Arc<Config>>,
    user: User,
    db: ScopedDb,
) -> Result<Page<Overview>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let totals = store::overview::totals(&mut tx).await?;
    let tenants = store::overview::tenants(&mut tx, TENANTS).await?;
    let mine = store::overview::owned(&mut tx, &user.login).await?;
    let days = store::overview::days(&mut tx, now.date_naive()).await?;
    let reading = Reading::of(&mut tx, None, Product::ALL, now, config.sync.interval).await?;
    let mut gaps = reading.gaps(&mut tx).await?;
    let drifts = Drifted::of(store::drifts::shown(&mut tx, None, DRIFTS).await?);
    let waiting = store::waiting::count(&mut tx).await?;
    let late = store::service_levels::counts(&mut tx).await?;
    let again = store::reconsent::needed(&mut tx, &onboarding::expected(&config), None).await?;
    tx.commit().await?;
    let mut tiles = tiles(&totals, mine, &days);
    tiles.extend(sla_tiles(late));
    tiles.extend(waiting_tile(waiting));
    tiles.extend(consent_tile(&again));
    let more_gaps = gaps.len().saturating_sub(GAPS);
    gaps.truncate(GAPS);
    Ok(Page(Overview {
        user,
        reading,
        tiles,
        tenants,
        more_tenants: (totals.tenants - TENANTS).max(0),
        drifts,
        gaps,
        more_gaps,
        trend: Trend::new(days),
        demo: state.demo,
        now,
    }))
}

/// Only where something is late, or soon will be.
fn sla_tiles((late, near): (i64, i64)) -> impl Iterator<Item = Tile> {
    let tile =
        |n: i64, label, note: &str, state| Tile { label, value: capped(n), note: note.to_owned(), link: format!("/incidents?sla={state}") };
    let tiles = [(late, "SLA breached", "open and late", SlaState::Breached), (near, "SLA at risk", "due soon", SlaState::AtRisk)];
    tiles.into_iter().filter(|(n, ..)| *n > 0).map(move |(n, label, note, state)| tile(n, label, note, state))
}

/// Only where an answer is awaited.
fn waiting_tile(waiting: i64) -> Option<Tile> {
    let (label, note, link) = ("Waiting for customer", "an answer is awaited".to_owned(), "/incidents?waiting=customer".to_owned());
    (waiting > 0).then(|| Tile { label, value: capped(waiting), note, link })
}

/// Only where there is something to do.
fn consent_tile(again: &[Needed]) -> Option<Tile> {
    let tenants: BTreeSet<TenantId> = again.iter().map(|needed| needed.tenant_id).collect();
    let value = i64::try_from(tenants.len()).unwrap_or(i64::MAX);
    let (label, note, link) =
        ("Re-consent needed", "tenants that lack what is asked for now".to_owned(), "/tenants?consent=again".to_owned());
    (value > 0).then(|| Tile { label, value: thousands(value), note, link })
}

fn tiles(totals: &Totals, mine: i64, days: &[store::overview::Day]) -> Vec<Tile> {
    let Totals { incidents, worst, unassigned, alerts, beside, .. } = *totals;
    let beside = if beside == 0 { "each counted once".to_owned() } else { format!("and {} of Cloud Apps beside", thousands(beside)) };
    let today = days.last().copied();
    let (opened, resolved) = today.map_or((0, 0), |day| (day.opened, day.resolved));
    let tile = |label, value, note: &str, link: &str| Tile { label, value: thousands(value), note: note.to_owned(), link: link.to_owned() };
    // As the days count: whatever rules hide, and whatever became of it.
    let opened_today =
        format!("/incidents?status=all&suppressed=yes&sort=updated{}", today.map_or(String::new(), |today| format!("&from={}", today.day)));
    vec![
        tile("Open incidents", incidents, "new or in progress", "/incidents"),
        tile("Critical and high", worst, "of the open ones", "/incidents?severity=critical&severity=high"),
        tile("Unassigned", unassigned, "nobody has taken them", "/incidents?owner=none"),
        Tile { value: capped(mine), ..tile("Mine", mine, "assigned to you", "/incidents?owner=me") },
        tile("Open alerts", alerts, &beside, "/alerts"),
        tile("Opened today", opened, "since 00:00 UTC", &opened_today),
        tile("Resolved today", resolved, "since 00:00 UTC", "/incidents?status=resolved&sort=updated"),
    ]
}
