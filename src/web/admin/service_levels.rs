//! Service levels: what was agreed about how fast work is done, and with whom.

mod form;

use crate::app::AppState;
use crate::model::{ServiceLevelId, TenantId, clock};
use crate::store::service_levels::{self, Line, NotWritten, Which};
use crate::store::{self, Scoped};
use crate::web::error::PageError;
use crate::web::extract::{Admin, Id, Lead, Nothing, Posted, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use form::{Fields, Form};
use serde::Deserialize;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/admin/service-levels", get(list).post(add))
        .route("/admin/service-levels/new", get(new))
        .route("/admin/service-levels/{level}", get(edit).post(change))
        .route("/admin/service-levels/{level}/tenants", post(give))
        .route("/admin/service-levels/{level}/delete", post(delete))
        .route("/admin/tenants/{tenant}/service-level", post(give_one))
}

#[derive(Template)]
#[template(path = "admin/service_levels.html")]
struct LevelList {
    user: User,
    levels: Vec<Line>,
}

#[derive(Template)]
#[template(path = "admin/service_level.html")]
struct LevelPage {
    user: User,
    /// As it is stored; `None`: a new one.
    level: Option<Line>,
    groups: Vec<String>,
    form: Form,
}

impl LevelPage {
    fn path(&self) -> String {
        let place = |level: &Line| format!("/admin/service-levels/{}", level.service_level_id);
        self.level.as_ref().map_or_else(|| "/admin/service-levels".to_owned(), place)
    }

    fn at(&self, action: &str) -> String {
        format!("{}/{action}", self.path())
    }
}

async fn list(Admin(user): Admin, db: ScopedDb) -> Result<Page<LevelList>, PageError> {
    let mut tx = db.begin().await?;
    let levels = service_levels::list(&mut tx).await?;
    tx.commit().await?;
    Ok(Page(LevelList { user, levels }))
}

async fn new(Admin(user): Admin) -> Page<LevelPage> {
    Page(LevelPage { user, level: None, groups: Vec::new(), form: Form::proposed() })
}

async fn edit(Admin(user): Admin, db: ScopedDb, Id(level): Id<ServiceLevelId>) -> Result<Page<LevelPage>, PageError> {
    let mut tx = db.begin().await?;
    let (terms, version) = service_levels::get(&mut tx, level).await?.ok_or(PageError::NotFound)?;
    page(tx, user, level, Form::of(&terms, version)).await
}

async fn page(mut tx: Scoped, user: User, level: ServiceLevelId, form: Form) -> Result<Page<LevelPage>, PageError> {
    let lines = service_levels::list(&mut tx).await?;
    let line = lines.into_iter().find(|line| line.service_level_id == level).ok_or(PageError::NotFound)?;
    let groups = store::overview::groups(&mut tx).await?;
    tx.commit().await?;
    Ok(Page(LevelPage { user, level: Some(line), groups, form }))
}

async fn add(Admin(user): Admin, db: ScopedDb, Posted(_, fields): Posted<Fields>) -> Result<Response, PageError> {
    save(user, db, None, fields).await
}

async fn change(
    Admin(user): Admin,
    db: ScopedDb,
    Id(level): Id<ServiceLevelId>,
    Posted(_, fields): Posted<Fields>,
) -> Result<Response, PageError> {
    save(user, db, Some(level), fields).await
}

async fn save(user: User, db: ScopedDb, level: Option<ServiceLevelId>, fields: Fields) -> Result<Response, PageError> {
    let version = fields.version();
    if level.is_some() && version.is_none() {
        return Err(PageError::BadRequest("The form is incomplete or has fields we do not know.".into()));
    }
    let problem = match fields.terms() {
        Err(problem) => problem,
        Ok(terms) => {
            let id = level.unwrap_or_default();
            let mut tx = db.begin().await?;
            match service_levels::save(&mut tx, &user.by(), (id, version.filter(|_| level.is_some())), &terms, clock::now()).await {
                Ok(()) => {
                    tx.commit().await?;
                    return Ok(Redirect::to(&format!("/admin/service-levels/{id}")).into_response());
                }
                Err(NotWritten::NameTaken) => ("name", "Another service level has this name."),
                Err(NotWritten::NoZone) => ("time_zone", "There is no such time zone. Write it as in Europe/Berlin."),
                Err(error) => return Err(not_written(error)),
            }
        }
    };
    let form = Form::wrong_with(fields, problem);
    let page = match level {
        Some(level) => page(db.begin().await?, user, level, form).await?,
        None => Page(LevelPage { user, level: None, groups: Vec::new(), form }),
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

fn not_written(error: NotWritten) -> PageError {
    match error {
        NotWritten::NameTaken => PageError::Conflict("Another service level has this name.".into()),
        NotWritten::NoZone => PageError::BadRequest("There is no such time zone.".into()),
        NotWritten::Changed => PageError::Conflict("Somebody changed this service level meanwhile. Go back, reload and look again.".into()),
        NotWritten::InUse => PageError::Conflict("Tenants have this service level. Give them another one first.".into()),
        NotWritten::Database(error) => error.into(),
    }
}

async fn delete(
    Admin(user): Admin,
    db: ScopedDb,
    Id(level): Id<ServiceLevelId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    service_levels::delete(&mut tx, &user.by(), level).await.map_err(|error| match error {
        NotWritten::Changed => PageError::NotFound,
        other => not_written(other),
    })?;
    tx.commit().await?;
    Ok(Redirect::to("/admin/service-levels"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receivers {
    /// A group; empty: all that have no service level.
    group: String,
}

async fn give(
    Admin(user): Admin,
    db: ScopedDb,
    Id(level): Id<ServiceLevelId>,
    Posted(_, Receivers { group }): Posted<Receivers>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    service_levels::get(&mut tx, level).await?.ok_or(PageError::NotFound)?;
    let which = if group.is_empty() { Which::Without } else { Which::Group(group) };
    service_levels::give(&mut tx, &user.by(), &which, Some(level), clock::now()).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/admin/service-levels/{level}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    /// Empty: none.
    service_level: String,
}

async fn give_one(
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, Given { service_level }): Posted<Given>,
) -> Result<Redirect, PageError> {
    let wrong = || PageError::BadRequest("There is no such service level.".into());
    let level: Option<ServiceLevelId> = (!service_level.is_empty()).then(|| service_level.parse()).transpose().map_err(|_| wrong())?;
    let mut tx = db.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    if let Some(level) = level
        && service_levels::get(&mut tx, level).await?.is_none()
    {
        return Err(wrong());
    }
    let given = service_levels::give(&mut tx, &user.by(), &Which::One(tenant), level, clock::now()).await?;
    tx.commit().await?;
    if given > 0
        && let Err(error) = settle(&db, tenant).await
    {
        tracing::info!(%tenant, %error, "the clocks of a tenant are left to the job that sets them");
    }
    Ok(Redirect::to(&format!("/admin/tenants/{tenant}")))
}

/// Whoever looks at the tenant's incidents next sees it already.
async fn settle(db: &ScopedDb, tenant: TenantId) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    service_levels::settle(&mut tx, tenant).await?;
    tx.commit().await
}
