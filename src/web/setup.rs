//! One-time links: the first administrator, and a new password.

use super::error::PageError;
use super::extract::Id;
use super::login::too_many;
use super::page::Page;
use crate::app::AppState;
use crate::auth::{AuthError, links};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum_extra::extract::Form;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub fn routes() -> Router<AppState> {
    Router::new().route("/setup/{token}", get(form).post(submit))
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    first_admin: bool,
    login: String,
    name: String,
    problem: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setup {
    #[serde(default)]
    login: String,
    #[serde(default)]
    name: String,
    password: SecretString,
    again: SecretString,
}

async fn form(State(state): State<AppState>, Id(token): Id<String>) -> Result<Response, PageError> {
    let user = links::peek(&state.db, &token.into()).await?.ok_or(PageError::NotFound)?;
    Ok(Page(SetupPage { first_admin: user.is_none(), login: String::new(), name: String::new(), problem: None }).into_response())
}

async fn submit(
    State(state): State<AppState>,
    Id(token): Id<String>,
    form: Result<Form<Setup>, axum_extra::extract::FormRejection>,
) -> Result<Response, PageError> {
    let Form(form) = form.map_err(|_| PageError::BadRequest("The form is incomplete.".into()))?;
    let token = SecretString::from(token);
    let first_admin = links::peek(&state.db, &token).await?.ok_or(PageError::NotFound)?.is_none();
    let done = if form.password.expose_secret() != form.again.expose_secret() {
        Err(AuthError::Form("The two passwords are not the same."))
    } else if first_admin {
        links::create_first_admin(&state.db, &state.hasher, &token, &form.login, &form.name, &form.password).await
    } else {
        links::reset_password(&state.db, &state.hasher, &token, &form.password).await
    };
    match done {
        Ok(()) => Ok(Redirect::to("/login").into_response()),
        Err(AuthError::Form(problem)) => {
            let page = SetupPage { first_admin, login: form.login, name: form.name, problem: Some(problem) };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
        Err(AuthError::Refused | AuthError::Over) => Err(PageError::NotFound),
        Err(AuthError::Busy) => Err(PageError::Busy),
        Err(AuthError::TooMany(wait)) => Err(too_many(wait)),
        Err(AuthError::Other(cause)) => Err(PageError::Internal(cause)),
    }
}
