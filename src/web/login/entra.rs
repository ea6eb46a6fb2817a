//! Signing in with Microsoft: off to Entra and back.

use super::{LoginPage, internal, too_many};
use crate::app::AppState;
use crate::auth::entra::{self, Answer, Begun, Door, Refusal};
use crate::config::Config;
use crate::model::clock;
use crate::store::audit::carried;
use crate::web::cookies::trip_cookie;
use crate::web::error::PageError;
use crate::web::extract::{ClientIp, Query, User};
use crate::web::page::Page;
use axum::Router;
use axum::extract::{FromRef, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::Cookie;
use serde::Deserialize;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/login/entra", get(go)).route("/login/entra/callback", get(callback))
}

#[derive(Deserialize)]
struct Way {
    #[serde(default)]
    next: String,
    /// Whoever is signed in is to prove once more who they are.
    confirm: Option<String>,
}

/// A link may begin it: whoever is made to follow one is asked by Microsoft who they are, and an answer counts in no other browser.
async fn go(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    Query(query): Query<Way>,
    jar: CookieJar,
    user: Result<User, PageError>,
) -> Result<Response, PageError> {
    let door = Door::from_ref(&state);
    // Whoever is not signed in has nothing to confirm, and signs in.
    let proves = user.ok().filter(|_| query.confirm.is_some()).map(|user| user.session_hash.clone());
    let browser = jar.get(cookie_name(&state.config)).map(|cookie| cookie.value().to_owned());
    match entra::begin(&door, (internal(&query.next), proves.as_deref()), browser, ip.as_deref()).await? {
        Begun::Away(url, browser) => Ok((jar.add(cookie(&state.config, &browser)), Redirect::to(url.as_str())).into_response()),
        Begun::TooMany(wait) => Err(too_many(wait)),
        Begun::Nowhere => Err(PageError::NotFound),
    }
}

async fn callback(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    RawQuery(query): RawQuery,
    jar: CookieJar,
) -> Result<Response, PageError> {
    if state.config.login.entra.is_none() {
        return Err(PageError::NotFound);
    }
    let door = Door::from_ref(&state);
    let browser = jar.get(cookie_name(&state.config)).map(|cookie| cookie.value().to_owned());
    let from = ip.clone();
    // In a task of its own: a browser that goes away must not keep a refusal out of the audit log.
    let task = tokio::spawn(carried(async move {
        entra::answer(&door, &query.unwrap_or_default(), browser.as_deref(), ip.as_deref(), clock::now()).await
    }));
    match task.await?? {
        Answer::In(session, next) => {
            let jar = super::signed_in(&state, jar.remove(cookie(&state.config, "")), &session, from).await?;
            Ok((jar, Redirect::to(internal(&next))).into_response())
        }
        Answer::Out(refusal) => Ok(refused(state, refusal)),
    }
}

fn refused(state: AppState, refusal: Refusal) -> Response {
    let status = if refusal.is_forbidden() { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
    (status, Page(LoginPage::new(state, String::new(), String::new(), Some(refusal.sentence())))).into_response()
}

/// The name of the cookie that binds a trip to its browser: `__Host-` needs https, which only a loopback address may do without.
fn cookie_name(config: &Config) -> &'static str {
    if config.public_url.scheme() == "https" { "__Host-trip" } else { "trip" }
}

fn cookie(config: &Config, value: &str) -> Cookie<'static> {
    trip_cookie(config, cookie_name(config), value)
}
