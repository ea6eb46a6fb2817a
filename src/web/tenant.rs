//! One tenant: what is open, how it is read, what it lets us do, and what happened.

use super::acting::refused;
use super::chips::{self, Chip};
use super::consent::{self, Group};
use super::error::PageError;
use super::extract::{Analyst, Id, Lead, Nothing, Posted, User};
use super::filters;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::When;
use crate::app::budgets::{self, Budget};
use crate::app::{AppState, onboarding, readings};
use crate::config::Config;
use crate::model::{Adapter, Cloud, SyncHealth, TenantId, TenantState, clock, portal};
use crate::store;
use crate::store::alerts::Alert;
use crate::store::audit::{self, Entry};
use crate::store::consents::Attempt;
use crate::store::coverage::Coverage;
use crate::store::drifts::Drift;
use crate::store::incidents::Incident;
use crate::store::lists::{self, Order};
use crate::store::reconsent::Needed;
use crate::store::runs::Run;
use crate::store::tenants::Tenant;
use crate::sync::engine::Queue;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use std::sync::Arc;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/tenants/{tenant}", get(show))
        .route("/tenants/{tenant}/sync", post(sync_now))
        .route("/tenants/{tenant}/check", post(check))
        .route("/tenants/{tenant}/region", post(find_region))
}

#[derive(Template)]
#[template(path = "tenants/detail.html")]
struct TenantPage {
    user: User,
    tenant: Tenant,
    incidents: Vec<Incident>,
    alerts: Vec<Alert>,
    coverage: Vec<Coverage>,
    runs: Vec<Run>,
    groups: Vec<Group>,
    drifts: Vec<Drift>,
    budgets: Vec<Budget>,
    attempts: Vec<Attempt>,
    /// Apps to be consented to again.
    again: Vec<Needed>,
    audit: Vec<Entry>,
    now: DateTime<Utc>,
}

impl TenantPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    /// A path of this tenant's own.
    fn at(&self, action: &str) -> String {
        format!("/tenants/{}/{action}", self.tenant.tenant_id)
    }

    /// What staff may still do with it.
    fn can_work(&self) -> bool {
        let closed = matches!(self.tenant.state, TenantState::Paused | TenantState::Offboarded);
        self.user.is_analyst() && self.tenant.directory_id.is_some() && !self.tenant.needs_approval && !closed
    }

    /// Its Microsoft Defender portal.
    fn portal(&self) -> Option<String> {
        portal::page(self.tenant.cloud, self.tenant.directory_id?, &["incidents"])
    }

    /// Limits of which something was used lately.
    fn used(&self) -> Vec<&Budget> {
        self.budgets.iter().filter(|budget| !budget.is_idle()).collect()
    }

    /// The fastest region may be looked for.
    fn can_find_region(&self) -> bool {
        self.user.is_lead() && self.tenant.cloud == Cloud::Commercial && self.tenant.state != TenantState::Offboarded
    }

    /// The API it is read through, where there are two.
    fn way(row: &Coverage) -> Option<Adapter> {
        row.adapter.filter(|_| Adapter::of(row.product).len() > 1)
    }

    fn percent(row: &Coverage) -> String {
        format!("{:.0}", row.backfill_done * 100.0)
    }

    fn is_loading(row: &Coverage) -> bool {
        matches!(row.state, SyncHealth::Backfilling)
    }

    fn result(run: &Run) -> Option<Chip> {
        run.outcome.as_ref()?.parse().ok().map(chips::health)
    }

    /// How many readings stand in the row of the first, and when the last of them ended.
    fn repeated(&self, run: &Run) -> Option<(i32, When)> {
        run.finished_at.filter(|_| run.times > 1).map(|last| (run.times, When::new(last, self.now)))
    }

    fn seconds(run: &Run) -> Option<String> {
        run.finished_at.filter(|_| run.times == 1).map(|end| super::show::span(end - run.started_at))
    }

    /// No answer came in time.
    fn is_silent(&self, attempt: &Attempt) -> bool {
        attempt.answered_at.is_none() && self.now >= attempt.expires_at
    }

    fn is_unread(&self) -> bool {
        !self.tenant.state.is_read()
    }
}

async fn show(
    State(config): State<Arc<Config>>,
    user: User,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
) -> Result<Page<TenantPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let found = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    let open = vec![crate::model::Status::New, crate::model::Status::InProgress, crate::model::Status::Unknown];
    let filter = lists::Filter { tenants: Some(vec![tenant]), statuses: open.into(), ..lists::Filter::default() };
    let mut coverage = store::coverage::list(&mut tx, Some(tenant)).await?;
    coverage.retain(|row| row.enabled);
    let audit_filter = audit::Filter { tenant: Some(tenant), ..audit::Filter::default() };
    let page = TenantPage {
        incidents: store::incidents::list(&mut tx, &filter, &Order::default(), None, 8).await?.rows,
        alerts: store::alerts::list(&mut tx, &filter, &Order::default(), None, 8).await?.rows,
        runs: store::runs::recent(&mut tx, tenant, 12).await?,
        groups: Group::of(store::permissions::list(&mut tx, tenant).await?, Vec::new()),
        drifts: store::drifts::shown(&mut tx, Some(tenant), consent::MOST).await?,
        budgets: budgets::of(&mut tx, tenant, now).await?,
        attempts: if user.is_lead() { store::consents::list(&mut tx, tenant, 10).await? } else { Vec::new() },
        audit: if user.is_lead() { audit::list(&mut tx, &audit_filter, 15).await? } else { Vec::new() },
        again: store::reconsent::needed(&mut tx, &onboarding::expected(&config), Some(tenant)).await?,
        tenant: found,
        coverage,
        user,
        now,
    };
    Ok(Page(page))
}

async fn sync_now(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    readings::at_once(&mut tx, &queue, &user.by(), tenant).await.map_err(refused)?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/tenants/{tenant}")))
}

async fn check(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let found = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    let waits = found.needs_approval && store::entries::open(&mut tx, tenant).await?.is_none();
    if found.directory_id.is_none() || waits || matches!(found.state, TenantState::Paused | TenantState::Offboarded) {
        return Err(PageError::Conflict("There is nothing to check: no directory is bound, or the tenant is paused.".into()));
    }
    queue.verify(&mut tx, tenant).await?;
    audit::record(&mut tx, user.by().event("tenant.check").tenant(tenant).object(found.name)).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/tenants/{tenant}")))
}

async fn find_region(
    State(queue): State<Queue>,
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let found = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    if found.cloud != Cloud::Commercial {
        return Err(PageError::Conflict("Government clouds have no regions.".into()));
    }
    store::regions::set_fastest(&mut tx, &user.by(), tenant, clock::now())
        .await
        .map_err(|_| PageError::Conflict("This tenant is offboarded.".into()))?;
    queue.find_region(&mut tx, tenant).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/tenants/{tenant}")))
}
