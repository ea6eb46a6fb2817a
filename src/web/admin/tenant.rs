//! One tenant of the registry: its onboarding, its form, and everything that can be done with it.

use super::consents::{self, AppLine};
use super::form::{Fields, Form};
use super::steps::{Known, Step};
use crate::app::AppState;
use crate::app::onboarding::{self, Desk};
use crate::config::Config;
use crate::model::registration::Wrong;
use crate::model::{Adapter, DirectoryId, Seat, ServiceLevelId, TenantId, TenantState, clock};
use crate::store::entries::Entry;
use crate::store::rebinds::Request;
use crate::store::service_levels::{self, Line};
use crate::store::tenants::{Tenant, WriteError};
use crate::store::{self, Scoped};
use crate::web::chips;
use crate::web::error::PageError;
use crate::web::extract::{Id, Lead, Posted, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::When;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/tenants/{tenant}", get(show).post(update))
}

#[derive(Template)]
#[template(path = "admin/tenant.html")]
struct TenantPage {
    user: User,
    known: Known,
    steps: Vec<Step>,
    form: Form,
    rebind: Option<Request>,
    /// Every service level, and the one that it has.
    levels: (Vec<Line>, Option<ServiceLevelId>),
    problem: bool,
}

impl TenantPage {
    fn at(&self, action: &str) -> String {
        format!("/admin/tenants/{}/{action}", self.known.tenant.tenant_id)
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.known.now)
    }

    fn is_offboarded(&self) -> bool {
        self.known.tenant.state == TenantState::Offboarded
    }

    fn is_paused(&self) -> bool {
        self.known.tenant.state == TenantState::Paused
    }

    /// The tests may be asked for.
    fn can_check(&self) -> bool {
        let tenant = &self.known.tenant;
        tenant.directory_id.is_some()
            && (!tenant.needs_approval || self.known.entry.is_some())
            && !self.is_paused()
            && !self.is_offboarded()
    }

    fn has_level(&self, level: &Line) -> bool {
        self.levels.1 == Some(level.service_level_id)
    }

    fn is_own(&self, request: &Request) -> bool {
        request.requested_by == self.user.id
    }

    /// The reader entered the directory that waits.
    fn is_own_entry(&self, entry: &Entry) -> bool {
        entry.entered_by == self.user.id
    }

    /// Staff may enter the directory: no answer of Microsoft's is going to name it.
    fn can_enter(&self) -> bool {
        let tenant = &self.known.tenant;
        tenant.directory_id.is_none()
            && matches!(tenant.state, TenantState::Invited | TenantState::ConsentPending | TenantState::Verifying)
            && self.known.apps.iter().any(|app| !app.form.comes_back())
    }

    /// The directory that is expected, or that the customer named.
    fn hint(&self) -> Option<DirectoryId> {
        self.known.tenant.expected_directory_id.or_else(|| self.known.apps.iter().find_map(AppLine::hint))
    }

    /// The apps to be consented to again.
    fn again(&self) -> Vec<&AppLine> {
        self.known.apps.iter().filter(|app| !app.again.is_empty()).collect()
    }
}

async fn show(State(desk): State<Desk>, Lead(user): Lead, db: ScopedDb, Id(tenant): Id<TenantId>) -> Result<Page<TenantPage>, PageError> {
    let mut tx = db.begin().await?;
    let (known, rebind) = know(&mut tx, &desk.config, tenant).await?;
    let levels = levels(&mut tx, tenant).await?;
    let form = Form::of(&desk.config, &known.tenant);
    Ok(Page(TenantPage { user, steps: known.steps(), known, form, rebind, levels, problem: false }))
}

async fn levels(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<(Vec<Line>, Option<ServiceLevelId>)> {
    let own = service_levels::of_tenant(tx, tenant).await?;
    Ok((service_levels::list(tx).await?, own.map(|(level, ..)| level)))
}

async fn know(tx: &mut Scoped, config: &Config, tenant_id: TenantId) -> Result<(Known, Option<Request>), PageError> {
    let tenant = store::tenants::get(tx, tenant_id).await?.ok_or(PageError::NotFound)?;
    let now = clock::now();
    let again = store::reconsent::needed(tx, &onboarding::expected(config), Some(tenant_id)).await?;
    let apps = consents::lines(config, &tenant, &store::consents::of_tenant(tx, tenant_id).await?, &again, now);
    let known = Known {
        apps,
        entry: store::entries::open(tx, tenant_id).await?,
        invite: store::invites::latest(tx, tenant_id).await?,
        attempts: store::consents::list(tx, tenant_id, 20).await?,
        permissions: store::permissions::list(tx, tenant_id).await?,
        coverage: store::coverage::list(tx, Some(tenant_id)).await?,
        tenant,
        now,
    };
    Ok((known, store::rebinds::open(tx, tenant_id).await?))
}

async fn update(
    State(desk): State<Desk>,
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, fields): Posted<Fields>,
) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let (known, rebind) = know(&mut tx, &desk.config, tenant).await?;
    let levels = levels(&mut tx, tenant).await?;
    drop(tx); // a domain may have to be looked up
    let version = fields.version.parse().ok().and_then(DateTime::from_timestamp_micros);
    let version = version.ok_or(PageError::BadRequest("The form does not say which version it changes.".into()))?;
    let pin = fields.incident_api.as_deref().map(Adapter::parse_pin).transpose();
    let pin = pin.map_err(|_| PageError::BadRequest("The API is graph, defender or automatic.".into()))?;
    let mut raw = fields.raw();
    let wrong = match onboarding::check(&desk, &mut raw, Some(&known.tenant), clock::now()).await? {
        Err(wrong) => wrong,
        Ok(good) => {
            let mut tx = db.begin().await?;
            match store::tenants::update(&mut tx, &user.by(), &known.tenant, &good, version, clock::now()).await {
                Ok(()) => {
                    if good.region == Seat::Fastest && known.tenant.seat() != Seat::Fastest {
                        desk.queue.find_region(&mut tx, tenant).await?;
                    }
                    if let Some(pin) = pin {
                        decide(&desk, &mut tx, &user, &known.tenant, pin).await?;
                    }
                    tx.commit().await?;
                    return Ok(Redirect::to(&format!("/admin/tenants/{tenant}")).into_response());
                }
                Err(WriteError::NameTaken) => vec![Wrong { field: "name", why: "Another tenant has this name." }],
                Err(WriteError::GroupHeld) => vec![Wrong { field: "group", why: super::GROUP_HELD }],
                Err(error) => return Err(super::not_written(error)),
            }
        }
    };
    let form = Form::wrong_with(&desk.config, raw, wrong, Some(&known.tenant));
    let page = TenantPage { user, steps: known.steps(), known, form, rebind, levels, problem: true };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
}

/// Decides through which API the tenant is read; whether it can be is tested at once.
async fn decide(desk: &Desk, tx: &mut Scoped, user: &User, tenant: &Tenant, pin: Option<Adapter>) -> anyhow::Result<()> {
    store::adapters::pin(tx, &user.by(), tenant, pin).await?;
    if tenant.incident_api != pin && tenant.is_open() {
        desk.queue.verify(tx, tenant.tenant_id).await?;
    }
    Ok(())
}
