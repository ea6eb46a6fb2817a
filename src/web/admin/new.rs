//! Adding a tenant.

use super::form::{Fields, Form};
use crate::app::AppState;
use crate::app::onboarding::{self, Desk};
use crate::model::registration::{Raw, Wrong};
use crate::model::{TenantId, clock};
use crate::store;
use crate::store::tenants::WriteError;
use crate::web::error::PageError;
use crate::web::extract::{Lead, Posted, User};
use crate::web::page::Page;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/tenants/new", get(show).post(create))
}

#[derive(Template)]
#[template(path = "admin/new.html")]
struct NewPage {
    user: User,
    form: Form,
}

async fn show(State(desk): State<Desk>, Lead(user): Lead) -> Page<NewPage> {
    Page(NewPage { user, form: Form::empty(&desk.config) })
}

async fn create(State(desk): State<Desk>, Lead(user): Lead, Posted(_, fields): Posted<Fields>) -> Result<Response, PageError> {
    let mut raw = fields.raw();
    let good = match onboarding::check(&desk, &mut raw, None, clock::now()).await? {
        Ok(good) => good,
        Err(wrong) => return Ok(again(&desk, user, raw, wrong)),
    };
    let tenant = TenantId::new();
    let mut tx = desk.db.tenant(tenant).await?;
    match store::tenants::create(&mut tx, &user.by(), tenant, &good, clock::now()).await {
        Ok(()) => {}
        Err(WriteError::NameTaken) => {
            return Ok(again(&desk, user, raw, vec![Wrong { field: "name", why: "Another tenant has this name." }]));
        }
        Err(error) => return Err(super::not_written(error)),
    }
    tx.commit().await?;
    Ok(Redirect::to(&format!("/admin/tenants/{tenant}")).into_response())
}

fn again(desk: &Desk, user: User, raw: Raw, wrong: Vec<Wrong>) -> Response {
    let form = Form::wrong_with(&desk.config, raw, wrong, None);
    (StatusCode::UNPROCESSABLE_ENTITY, Page(NewPage { user, form })).into_response()
}
