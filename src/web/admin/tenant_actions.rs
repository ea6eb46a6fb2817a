//! What staff do with a tenant: approve its directory, test, pause, offboard, and ask for another directory.

use crate::app::AppState;
use crate::app::onboarding::{self, Desk, Judged};
use crate::model::{DirectoryId, TenantId, TenantState, clock, visible};
use crate::store;
use crate::store::tenants::Tenant;
use crate::web::error::PageError;
use crate::web::extract::{Id, Lead, Posted, User};
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{get, post};
use serde::Deserialize;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/admin/tenants/{tenant}/directory", post(judge_directory))
        .route("/admin/tenants/{tenant}/directory/entry", post(enter_directory))
        .route("/admin/tenants/{tenant}/state", post(set_state))
        .route("/admin/tenants/{tenant}/offboard", get(confirm_offboard).post(offboard))
        .route("/admin/tenants/{tenant}/rebind", post(ask_rebind))
        .route("/admin/tenants/{tenant}/rebind/decision", post(decide_rebind))
}

fn back(tenant: TenantId) -> Redirect {
    Redirect::to(&format!("/admin/tenants/{tenant}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judgement {
    /// As the page showed it: another may have been learnt meanwhile.
    directory: DirectoryId,
    decision: Decision,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Approve,
    Refuse,
}

async fn judge_directory(
    State(desk): State<Desk>,
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<Judgement>,
) -> Result<Redirect, PageError> {
    let approved = form.decision == Decision::Approve;
    let tx = db.begin().await?;
    let judged = onboarding::judge(&desk, tx, (&user.by(), user.id), tenant, (form.directory, approved), clock::now()).await?;
    answered(judged, tenant)
}

fn answered(judged: Judged, tenant: TenantId) -> Result<Redirect, PageError> {
    match judged {
        Judged::Done => Ok(back(tenant)),
        Judged::NoTenant => Err(PageError::NotFound),
        Judged::No(why) => Err(PageError::Conflict(why.into())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    directory: String,
}

async fn enter_directory(
    State(desk): State<Desk>,
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<Entry>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    drop(tx);
    let directory = DirectoryId::parse(form.directory.trim()).ok_or(PageError::BadRequest("That is not a directory id.".into()))?;
    let mut tx = desk.db.all_tenants().await?;
    let held = store::tenants::holder(&mut tx, directory, Some(tenant)).await?.is_some();
    drop(tx);
    let tx = db.begin().await?;
    let judged = onboarding::enter(&desk, tx, (&user.by(), user.id), tenant, (directory, held), clock::now()).await?;
    answered(judged, tenant)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    to: Wish,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wish {
    Pause,
    Resume,
}

async fn set_state(
    State(desk): State<Desk>,
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<Change>,
) -> Result<Redirect, PageError> {
    use TenantState::{Active, Blind, ConsentPending, Degraded, Invited, Paused, Verifying};
    let (by, now) = (user.by(), clock::now());
    let mut tx = db.begin().await?;
    let old = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    let (from, to, reason): (&[TenantState], _, _) = match (form.to, old.directory_id) {
        (Wish::Pause, _) => (&[Invited, ConsentPending, Verifying, Active, Degraded, Blind], Paused, "Paused by staff."),
        (Wish::Resume, Some(_)) => (&[Paused], Verifying, "Resumed by staff; permissions are being tested."),
        (Wish::Resume, None) => (&[Paused], Invited, "Resumed by staff; waits for consent."),
    };
    store::tenants::set_state(&mut tx, &by, tenant, from, to, reason, now).await.map_err(super::not_written)?;
    if to == Verifying && !old.needs_approval {
        desk.queue.verify(&mut tx, tenant).await?;
    }
    tx.commit().await?;
    Ok(back(tenant))
}

#[derive(Template)]
#[template(path = "admin/offboard.html")]
struct OffboardPage {
    user: User,
    tenant: Tenant,
    days: i64,
    purge: String,
}

async fn confirm_offboard(Lead(user): Lead, db: ScopedDb, Id(tenant): Id<TenantId>) -> Result<Page<OffboardPage>, PageError> {
    let mut tx = db.begin().await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    if tenant.state == TenantState::Offboarded {
        return Err(PageError::Conflict("This tenant is offboarded already.".into()));
    }
    let purge = (clock::now() + store::offboarding::PURGE_AFTER).format("%-d %B %Y").to_string();
    Ok(Page(OffboardPage { user, tenant, days: store::offboarding::PURGE_AFTER.num_days(), purge }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Farewell {
    /// The tenant's name, typed.
    name: String,
}

async fn offboard(
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<Farewell>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    if form.name.trim() != tenant.name {
        return Err(PageError::BadRequest("The name typed is not the tenant's. Nothing was changed.".into()));
    }
    store::offboarding::offboard(&mut tx, &user.by(), &tenant, clock::now()).await.map_err(super::not_written)?;
    tx.commit().await?;
    Ok(Redirect::to("/admin/tenants"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    directory: String,
    reason: String,
}

async fn ask_rebind(
    State(desk): State<Desk>,
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<Wanted>,
) -> Result<Redirect, PageError> {
    let directory = match form.directory.trim() {
        "" => None,
        text => Some(DirectoryId::parse(text).ok_or(PageError::BadRequest("That is not a directory id.".into()))?),
    };
    let reason = form.reason.trim();
    if reason.is_empty() || visible::line(reason, 500).is_err() {
        return Err(PageError::BadRequest("Say in a sentence why the directory changes.".into()));
    }
    if let Some(directory) = directory {
        let mut tx = desk.db.all_tenants().await?;
        if store::tenants::holder(&mut tx, directory, None).await?.is_some() {
            return Err(PageError::Conflict("This directory is in the registry already.".into()));
        }
    }
    let mut tx = db.begin().await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    if tenant.directory_id.is_none() || tenant.needs_approval || tenant.state == TenantState::Offboarded {
        return Err(PageError::Conflict("No directory is bound: edit the expected one instead.".into()));
    }
    let asked = store::rebinds::request(&mut tx, &user.by(), user.id, &tenant, directory, reason, clock::now()).await;
    asked.map_err(super::not_written)?;
    tx.commit().await?;
    Ok(back(tenant.tenant_id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    /// The request as the page showed it.
    request: uuid::Uuid,
    decision: Decision,
}

async fn decide_rebind(
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<Verdict>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    let open = store::rebinds::open(&mut tx, tenant).await?.filter(|open| open.request_id == form.request);
    let open = open.ok_or(PageError::Conflict("This request has been decided already.".into()))?;
    if open.requested_by == user.id {
        store::rebinds::refuse_own(&mut tx, &user.by(), &open).await?;
        tx.commit().await?;
        return Err(PageError::Conflict("Your own request must be decided by somebody else.".into()));
    }
    let approved = form.decision == Decision::Approve;
    store::rebinds::decide(&mut tx, &user.by(), user.id, &open, approved, clock::now()).await.map_err(super::not_written)?;
    tx.commit().await?;
    Ok(back(tenant))
}
