//! Signing in and out.

mod entra;
mod second;

use super::cookies;
use super::error::PageError;
use super::extract::{ClientIp, Nothing, Posted, Query, User};
use super::page::Page;
use crate::app::{AppState, Demo};
use crate::auth::AuthError;
use crate::auth::sign_in::{self, Entered, sign_in};
use crate::config::Config;
use crate::store;
use crate::store::audit::{self, Event};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::Cookie;
use axum_extra::extract::{CookieJar, Form};
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::sync::Arc;

pub fn routes() -> Router<AppState> {
    Router::new().route("/login", get(form).post(enter)).route("/logout", post(leave)).merge(entra::routes()).merge(second::routes())
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    next: String,
    login: String,
    problem: Option<&'static str>,
    /// Whether staff sign in at Entra as well.
    entra: bool,
    /// Whether customers' people have a door of their own.
    customers: bool,
    demo: Option<Arc<Demo>>,
}

impl LoginPage {
    fn new(state: AppState, next: String, login: String, problem: Option<&'static str>) -> Self {
        let (entra, customers) = (state.config.login.entra.is_some(), state.config.login.customers.is_some());
        Self { next, login, problem, entra, customers, demo: state.demo }
    }

    /// Where signing in with Microsoft begins.
    fn microsoft(&self) -> String {
        let next = internal(&self.next);
        if next == "/" {
            return "/login/entra".to_owned();
        }
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        format!("/login/entra?{query}")
    }
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    login: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// A path of our own pages to go on to; anything else is the overview.
pub fn internal(next: &str) -> &str {
    const PAGES: [&str; 8] = ["incidents", "alerts", "tenants", "devices", "hunting", "admin", "account", ""];
    let Some(rest) = next.strip_prefix('/') else { return "/" };
    let first = rest.split(['/', '?']).next().unwrap_or_default();
    let plain = next.len() <= 2000 && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && !next.starts_with("//");
    if plain && PAGES.contains(&first) { next } else { "/" }
}

async fn form(State(state): State<AppState>, Query(query): Query<Next>, user: Result<User, PageError>) -> Result<Response, PageError> {
    if user.is_ok() {
        return Ok(Redirect::to(internal(&query.next)).into_response());
    }
    Ok(Page(LoginPage::new(state, query.next, String::new(), None)).into_response())
}

async fn enter(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    jar: CookieJar,
    form: Result<Form<Credentials>, axum_extra::extract::FormRejection>,
) -> Result<Response, PageError> {
    let Form(form) = form.map_err(|_| PageError::BadRequest("The form is incomplete.".into()))?;
    let credentials = sign_in::Credentials { login: &form.login, password: &form.password, next: internal(&form.next) };
    match sign_in(&state.db, &state.hasher, credentials, state.config.login.second_factor, ip.as_deref()).await {
        Ok(Entered::In(session)) => Ok((signed_in(&state, jar, &session, ip).await?, Redirect::to(internal(&form.next))).into_response()),
        Ok(Entered::Half(flow)) => {
            Ok((jar.add(second::cookie(&state.config, flow.expose_secret())), Redirect::to("/login/second")).into_response())
        }
        Err(AuthError::Refused | AuthError::Form(_) | AuthError::Over) => {
            let problem = Some("That name and password do not match, or there were too many attempts: wait a moment and try again.");
            let page = Page(LoginPage::new(state, form.next, form.login, problem));
            Ok((StatusCode::UNAUTHORIZED, page).into_response())
        }
        Err(AuthError::Busy) => Err(PageError::Busy),
        Err(AuthError::TooMany(wait)) => Err(too_many(wait)),
        Err(AuthError::Other(cause)) => Err(PageError::Internal(cause)),
    }
}

/// Somebody has tried to sign in too often.
pub fn too_many(wait: TimeDelta) -> PageError {
    PageError::TooMany("There were too many attempts to sign in. Wait a moment and try again.".into(), wait)
}

async fn leave(State(state): State<AppState>, jar: CookieJar, Posted(user, Nothing {}): Posted<Nothing>) -> Result<Response, PageError> {
    let mut tx = state.db.no_tenant().await?;
    store::sessions::end(&mut tx, user.who().0, &user.session_hash).await?;
    audit::record(&mut tx, Event::new(user.actor(), "session.logout").ip(user.ip.clone())).await?;
    tx.commit().await?;
    Ok((jar.remove(cookie(&state.config, String::new())), forget_everything(), Redirect::to("/login")).into_response())
}

/// Has the browser forget what it keeps of us.
pub(super) fn forget_everything() -> [(HeaderName, &'static str); 1] {
    [(HeaderName::from_static("clear-site-data"), "\"cache\", \"cookies\", \"storage\"")]
}

/// The cookie of a session that begins. The one that this browser had until now ends, whoever's it was: nobody would see it again.
async fn signed_in(state: &AppState, jar: CookieJar, session: &SecretString, ip: Option<String>) -> Result<CookieJar, PageError> {
    if let Some(before) = jar.get(cookies::session_name(&state.config)) {
        let before = SecretString::from(before.value().to_owned());
        crate::auth::sessions::replace(&state.db, &before, ip).await?;
    }
    Ok(jar.add(cookie(&state.config, session.expose_secret().to_owned())))
}

/// The session's.
pub(super) fn cookie(config: &Config, value: String) -> Cookie<'static> {
    cookies::session_cookie(config, cookies::session_name(config), value)
}

#[cfg(test)]
mod tests {
    use super::internal;

    #[test]
    fn only_our_own_pages_are_gone_on_to() {
        for good in ["/", "/incidents?severity=high", "/tenants/x", "/?a=b"] {
            assert_eq!(internal(good), good);
        }
        for bad in [
            "",
            "incidents",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/logout",
            "/in cidents",
            "/incidents\r\nX: y",
            "/login",
        ] {
            assert_eq!(internal(bad), "/", "{bad}");
        }
    }
}
