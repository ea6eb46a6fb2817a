//! Customers' people sign in and out, the first time by an invitation.

use super::{Customer, cookie};
use crate::app::{AppState, Demo};
use crate::auth::customers::{self, Open};
use crate::auth::entra::{Answer, Begun, Door, Refusal};
use crate::config::Config;
use crate::model::clock;
use crate::store::audit;
use crate::store::customers::sessions;
use crate::web::cookies::trip_cookie;
use crate::web::error::PageError;
use crate::web::extract::{ClientIp, Id, Nothing, Posted, Query};
use crate::web::filters;
use crate::web::login::too_many;
use crate::web::page::Page;
use askama::Template;
use axum::Router;
use axum::extract::{FromRef, RawQuery, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::Cookie;
use secrecy::ExposeSecret;
use serde::Deserialize;
use std::sync::Arc;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/customer/login", get(form))
        .route("/customer/invite/{ticket}", get(invitation))
        .route("/customer/logout", post(leave))
        .route("/login/customer", get(go))
        .route("/login/customer/callback", get(callback))
}

#[derive(Template)]
#[template(path = "customer/login.html")]
struct LoginPage {
    problem: Option<&'static str>,
    demo: Option<Arc<Demo>>,
}

#[derive(Template)]
#[template(path = "customer/invite.html")]
struct InvitePage {
    /// The tenant's name and the invite's secret; `None`: the invite opens nothing.
    invite: Option<(String, String)>,
    provider: String,
}

/// There is such a sign-in.
fn needed(config: &Config) -> Result<(), PageError> {
    config.login.customers.as_ref().map(|_| ()).ok_or(PageError::NotFound)
}

async fn form(State(state): State<AppState>, customer: Result<Customer, PageError>) -> Result<Response, PageError> {
    needed(&state.config)?;
    if customer.is_ok() {
        return Ok(Redirect::to("/customer").into_response());
    }
    Ok(Page(LoginPage { problem: None, demo: state.demo }).into_response())
}

/// Says nothing of why an invite opens nothing.
async fn invitation(State(state): State<AppState>, Id(ticket): Id<String>) -> Result<Response, PageError> {
    needed(&state.config)?;
    let open = customers::open(&state.db, &ticket).await?;
    let status = if open.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let provider = state.config.public_url.host_str().unwrap_or_default().to_owned();
    let invite = open.map(|open| (open.tenant_name, ticket));
    Ok((status, Page(InvitePage { invite, provider })).into_response())
}

#[derive(Deserialize)]
struct Way {
    /// The secret of an invite.
    invite: Option<String>,
}

/// A link may begin it, as for staff: Microsoft asks everybody who they are, and an answer counts in no other browser.
async fn go(State(state): State<AppState>, ClientIp(ip): ClientIp, Query(way): Query<Way>, jar: CookieJar) -> Result<Response, PageError> {
    needed(&state.config)?;
    let door = Door::from_ref(&state);
    let invite: Option<Open> = match &way.invite {
        None => None,
        Some(secret) => match customers::open(&state.db, secret).await? {
            Some(open) => Some(open),
            None => return Ok(Redirect::to("/customer/invite/ended").into_response()),
        },
    };
    let browser = jar.get(trip_name(&state.config)).map(|cookie| cookie.value().to_owned());
    match customers::begin(&door, invite.as_ref(), browser, ip.as_deref()).await? {
        Begun::Away(url, browser) => Ok((jar.add(trip(&state.config, &browser)), Redirect::to(url.as_str())).into_response()),
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
    needed(&state.config)?;
    let door = Door::from_ref(&state);
    let browser = jar.get(trip_name(&state.config)).map(|cookie| cookie.value().to_owned());
    // In a task of its own: a browser that goes away must not keep a refusal out of the audit log.
    let task = tokio::spawn(audit::carried(async move {
        customers::answer(&door, &query.unwrap_or_default(), browser.as_deref(), ip.as_deref(), clock::now()).await
    }));
    match task.await?? {
        Answer::In(session, next) => {
            let jar = jar.remove(trip(&state.config, "")).add(cookie(&state.config, session.expose_secret().to_owned()));
            Ok((jar, Redirect::to(&next)).into_response())
        }
        Answer::Out(refusal) => Ok(refused(state, refusal)),
    }
}

fn refused(state: AppState, refusal: Refusal) -> Response {
    let status = if refusal.is_forbidden() { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
    (status, Page(LoginPage { problem: Some(refusal.sentence()), demo: state.demo })).into_response()
}

/// Leaves the cookies alone that are not ours: somebody of staff may be signed in in the same browser.
async fn leave(
    State(state): State<AppState>,
    jar: CookieJar,
    Posted(customer, Nothing {}): Posted<Nothing, Customer>,
) -> Result<Response, PageError> {
    let mut tx = customer.begin().await?;
    sessions::end(&mut tx, customer.tenant, &customer.session_hash).await?;
    audit::record(&mut tx, customer.by().event("customer.logout").tenant(customer.tenant)).await?;
    tx.commit().await?;
    let clear = [(HeaderName::from_static("clear-site-data"), "\"cache\", \"storage\"")];
    Ok((jar.remove(cookie(&state.config, String::new())), clear, Redirect::to("/customer/login")).into_response())
}

/// The name of the cookie that binds a trip to its browser, another one than staff's.
fn trip_name(config: &Config) -> &'static str {
    if config.public_url.scheme() == "https" { "__Host-ctrip" } else { "ctrip" }
}

fn trip(config: &Config, value: &str) -> Cookie<'static> {
    trip_cookie(config, trip_name(config), value)
}
