//! The second half of a sign-in with a password: a code, or the first factor of the account.

use super::internal;
use crate::app::AppState;
use crate::auth::form_tokens::FormKey;
use crate::auth::second::{self, Ground, Shown, Through, Ways};
use crate::config::Config;
use crate::model::clock;
use crate::web::account::{Codes, NewKey, proof_error};
use crate::web::cookies::trip_cookie;
use crate::web::error::PageError;
use crate::web::extract::ClientIp;
use crate::web::page::Page;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::Cookie;
use axum_extra::extract::{CookieJar, Form};
use secrecy::SecretString;
use serde::Deserialize;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/login/second", get(show).post(enter))
        .route("/login/second/new", post(enrol))
        .route("/login/second/passkey", post(ask))
}

#[derive(Template)]
#[template(path = "login_second.html")]
struct SecondPage {
    login: String,
    /// Where the account has no factor yet.
    key: Option<NewKey>,
    name: String,
    token: String,
    ways: Ways,
    /// Of the form that chooses a passkey, where there is one.
    passkey_token: String,
    /// What the browser is to be asked for a passkey, where one was chosen.
    passkey: Option<String>,
    problem: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "login_codes.html")]
struct CodesPage {
    codes: Codes,
    next: String,
}

/// The cookie of a sign-in that is under way.
fn name(config: &Config) -> &'static str {
    if config.public_url.scheme() == "https" { "__Host-half" } else { "half" }
}

pub(super) fn cookie(config: &Config, value: &str) -> Cookie<'static> {
    trip_cookie(config, name(config), value)
}

fn flow_of(jar: &CookieJar, config: &Config) -> Option<SecretString> {
    jar.get(name(config)).map(|cookie| cookie.value().to_owned().into())
}

async fn show(State(state): State<AppState>, jar: CookieJar) -> Result<Response, PageError> {
    let Some(flow) = flow_of(&jar, &state.config) else { return Ok(Redirect::to("/login").into_response()) };
    page(&state, &flow, (String::new(), None), None).await
}

async fn page(
    state: &AppState,
    flow: &SecretString,
    (name, passkey): (String, Option<String>),
    problem: Option<&'static str>,
) -> Result<Response, PageError> {
    let Some(known) = second::under_way(&state.db, flow).await? else { return Ok(Redirect::to("/login").into_response()) };
    let key = known.secret.as_ref().map(|key| NewKey::new(key, &known.login)).transpose()?;
    let path = if key.is_some() { "/login/second/new" } else { "/login/second" };
    let ways = second::ways(&state.db, known.user_id, &state.config.public_url).await?;
    let forms = FormKey::of_session(flow);
    let passkey_token = forms.token("/login/second/passkey");
    let page = SecondPage { login: known.login, key, name, token: forms.token(path), ways, passkey_token, passkey, problem };
    Ok((if problem.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK }, Page(page)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entered {
    form_token: String,
    #[serde(default)]
    code: Option<SecretString>,
    #[serde(default)]
    recovery: Option<SecretString>,
    #[serde(default)]
    passkey: Option<SecretString>,
}

async fn enter(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    jar: CookieJar,
    form: Result<Form<Entered>, axum_extra::extract::FormRejection>,
) -> Result<Response, PageError> {
    let Form(form) = form.map_err(|_| incomplete())?;
    let Some(flow) = flow_of(&jar, &state.config) else { return Ok(Redirect::to("/login").into_response()) };
    if !FormKey::of_session(&flow).accepts("/login/second", &form.form_token) {
        return Err(PageError::Forbidden);
    }
    let shown = form.code.map(Shown::Code).or(form.recovery.map(Shown::Recovery)).or(form.passkey.map(Shown::Passkey));
    let shown = shown.ok_or_else(incomplete)?;
    match second::finish(&state.db, &flow, &shown, ground(&state, ip.as_deref())).await {
        Ok(Through { session, next }) => Ok((signed_in(&state, jar, &session, ip).await?, Redirect::to(internal(&next))).into_response()),
        Err(error) => page(&state, &flow, (String::new(), None), Some(proof_error(error)?)).await,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enrolled {
    form_token: String,
    name: String,
    code: SecretString,
}

async fn enrol(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    jar: CookieJar,
    form: Result<Form<Enrolled>, axum_extra::extract::FormRejection>,
) -> Result<Response, PageError> {
    let Form(form) = form.map_err(|_| incomplete())?;
    let Some(flow) = flow_of(&jar, &state.config) else { return Ok(Redirect::to("/login").into_response()) };
    if !FormKey::of_session(&flow).accepts("/login/second/new", &form.form_token) {
        return Err(PageError::Forbidden);
    }
    match second::enrol(&state.db, &flow, (&form.name, &form.code), ground(&state, ip.as_deref())).await {
        Ok((Through { session, next }, codes)) => {
            let forms = FormKey::of_session(&session);
            let codes = Codes::new(&codes, |path| forms.token(path));
            let page = Page(CodesPage { codes, next: internal(&next).to_owned() });
            Ok((signed_in(&state, jar, &session, ip).await?, page).into_response())
        }
        Err(error) => page(&state, &flow, (form.name, None), Some(proof_error(error)?)).await,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    form_token: String,
}

/// A passkey was chosen: the page asks the browser for it.
async fn ask(
    State(state): State<AppState>,
    jar: CookieJar,
    form: Result<Form<Chosen>, axum_extra::extract::FormRejection>,
) -> Result<Response, PageError> {
    let Form(form) = form.map_err(|_| incomplete())?;
    let Some(flow) = flow_of(&jar, &state.config) else { return Ok(Redirect::to("/login").into_response()) };
    if !FormKey::of_session(&flow).accepts("/login/second/passkey", &form.form_token) {
        return Err(PageError::Forbidden);
    }
    let passkey = second::ask_passkey(&state.db, &flow, &state.config.public_url).await?;
    page(&state, &flow, (String::new(), passkey), None).await
}

fn ground<'a>(state: &'a AppState, ip: Option<&'a str>) -> Ground<'a> {
    Ground { public_url: &state.config.public_url, ip, now: clock::now() }
}

fn incomplete() -> PageError {
    PageError::BadRequest("The form is incomplete.".into())
}

/// The session's cookie in place of the one that led to it.
async fn signed_in(state: &AppState, jar: CookieJar, session: &SecretString, ip: Option<String>) -> Result<CookieJar, PageError> {
    super::signed_in(state, jar.remove(cookie(&state.config, "")), session, ip).await
}
