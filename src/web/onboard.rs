//! The customer's side: the page behind an invite, the way to Microsoft, and what comes back.

mod say;

use super::cookies::trip_cookie;
use super::error::PageError;
use super::extract::{ClientIp, Id};
use super::headers::content_security_policy;
use super::page::Page;
use crate::app::AppState;
use crate::app::onboarding::{self, AppStep, Ask, Desk, Flow, Reply, Told, View, Visit};
use crate::config::Config;
use crate::model::{SyncHealth, TenantState, clock, permission};
use crate::store::audit::{Actor, By, carried};
use askama::Template;
use axum::Router;
use axum::extract::{FromRef, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::Cookie;
use std::collections::BTreeSet;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/onboard/{invite}", get(show))
        .route("/onboard/{invite}/consent/{app}", post(go))
        .route("/consent/callback", get(callback))
        .merge(say::routes())
}

#[derive(Template)]
#[template(path = "onboard/invite.html")]
struct InvitePage {
    view: View,
    token: String,
    provider: String,
    expires: String,
}

impl InvitePage {
    fn permissions(&self) -> impl Iterator<Item = &Ask> {
        self.view.apps.iter().flat_map(|app| &app.asks)
    }

    /// Nothing that is asked for changes anything.
    fn reads_only(&self) -> bool {
        !self.permissions().any(|ask| ask.changes)
    }

    fn controls(&self) -> bool {
        self.permissions().any(|ask| permission::controls(&ask.permission))
    }

    fn shows_files(&self) -> bool {
        self.permissions().any(|ask| permission::shows_files(&ask.permission))
    }

    /// The app whose button comes next, what is needed before what is optional; the first one again when only the proof of the directory is
    /// missing.
    fn next(&self) -> &str {
        let apps = &self.view.apps;
        let again = || if self.lacks_proof() { apps.iter().find(|app| app.is_granted()) } else { None };
        apps.iter().find(|app| !app.is_settled()).or_else(again).map_or("", |app| &app.name)
    }

    /// The same in words.
    fn next_purpose(&self) -> String {
        self.view.apps.iter().find(|app| app.name == self.next()).map_or_else(String::new, AppStep::purpose)
    }

    /// Something was approved, and no sign-in has proven the directory yet.
    fn lacks_proof(&self) -> bool {
        !self.view.is_proven() && self.view.apps.iter().any(AppStep::is_granted)
    }

    /// Whether the way to Microsoft is offered for it.
    fn leads_on(&self, app: &AppStep) -> bool {
        !app.is_granted() || (self.lacks_proof() && app.name == self.next())
    }

    fn granted(&self) -> usize {
        self.view.apps.iter().filter(|app| app.is_granted()).count()
    }

    /// Everything that is needed is approved, or the customer says so.
    fn is_enough(&self) -> bool {
        self.view.apps.iter().all(|app| app.optional || app.is_settled())
    }

    /// The customer says of something that it was accepted, and nothing proves it yet.
    fn is_reported(&self) -> bool {
        !self.view.is_proven() && self.view.apps.iter().any(AppStep::is_reported)
    }

    /// It is asked again, because what is asked for has grown.
    fn is_again(&self) -> bool {
        self.view.tenant.directory_id.is_some() && self.view.invite.apps.is_some() && self.view.invite.proven_at.is_none()
    }
}

#[derive(Template)]
#[template(path = "onboard/progress.html")]
struct ProgressPage {
    view: View,
    provider: String,
}

impl ProgressPage {
    /// Nothing more will happen on this page by itself.
    fn is_over(&self) -> bool {
        self.is_tested()
            && self
                .view
                .coverage
                .iter()
                .filter(|row| row.enabled)
                .all(|row| !matches!(row.state, SyncHealth::Waiting | SyncHealth::Backfilling))
    }

    fn is_tested(&self) -> bool {
        self.view.tenant.state.is_read()
    }

    fn is_paused(&self) -> bool {
        self.view.tenant.state == TenantState::Paused
    }

    /// Of all products' first readings, in percent.
    fn percent(&self) -> u8 {
        let rows: Vec<f64> =
            self.view.coverage.iter().filter(|row| row.enabled && row.state.is_reading()).map(|row| row.backfill_done).collect();
        let mean = rows.iter().sum::<f64>() / f64::from(u32::try_from(rows.len().max(1)).unwrap_or(1));
        (1..=100).rev().find(|percent| mean * 100.0 >= f64::from(*percent)).unwrap_or(0)
    }
}

#[derive(Template)]
#[template(path = "onboard/told.html")]
struct ToldPage {
    told: Told,
    /// The onboarding page, where it can be tried again.
    back: Option<String>,
}

fn told(told: Told, back: Option<String>) -> Response {
    let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Page(ToldPage { told, back })).into_response()
}

const ENDED: Told = Told {
    status: 410,
    title: "This link has ended",
    text: "It was used already, replaced by a newer one, or is older than three days. Please ask your provider for a new link.",
};
const UNKNOWN: Told = Told {
    status: 404,
    title: "This link is not known",
    text: "Perhaps it was cut off when it was copied. Please open it from the mail again, or ask your provider for a new one.",
};

async fn show(State(desk): State<Desk>, ClientIp(ip): ClientIp, Id(token): Id<String>, jar: CookieJar) -> Result<Response, PageError> {
    let flow = flow(&jar, &desk.config);
    let by = By { actor: Actor::Customer, ip };
    let view = match onboarding::visit(&desk, &by, &token, flow.as_ref(), clock::now()).await? {
        Visit::Unknown => return Ok(told(UNKNOWN, None)),
        Visit::Ended => return Ok(told(ENDED, None)),
        Visit::Open(view) => *view,
    };
    let provider = desk.config.public_url.host_str().unwrap_or_default().to_owned();
    let (Some(_), Some(flow)) = (view.invite.used_at, flow.clone()) else {
        let flow = match flow.filter(|flow| flow.invite == token) {
            Some(flow) => flow,
            None => Flow::new(&token)?,
        };
        let policy = content_security_policy(Some(&microsoft_hosts(&desk, &view)));
        let expires = view.invite.expires_at.format("%-d %B %Y, %H:%M UTC").to_string();
        let jar = jar.add(cookie(&desk.config, &flow));
        return Ok((jar, [(header::CONTENT_SECURITY_POLICY, policy)], Page(InvitePage { view, token, provider, expires })).into_response());
    };
    // The page goes on by itself, and the cookie lives as long as somebody looks.
    let page = ProgressPage { view, provider };
    let refresh = if page.is_over() { None } else { Some([(header::REFRESH, HeaderValue::from_static("5"))]) };
    Ok((jar.add(cookie(&desk.config, &flow)), refresh, Page(page)).into_response())
}

/// The hosts the page's forms lead to.
fn microsoft_hosts(desk: &Desk, view: &View) -> String {
    let callback = desk.config.consent_callback();
    let link = |app: &AppStep| desk.microsoft.consent_url(&app.name, None, &callback, "");
    let hosts: BTreeSet<String> = view.apps.iter().filter_map(link).map(|url| url.origin().ascii_serialization()).collect();
    hosts.into_iter().collect::<Vec<_>>().join(" ")
}

async fn go(
    State(desk): State<Desk>,
    ClientIp(ip): ClientIp,
    Id((token, app)): Id<(String, String)>,
    jar: CookieJar,
) -> Result<Response, PageError> {
    let by = By { actor: Actor::Customer, ip };
    let flow = flow(&jar, &desk.config);
    match onboarding::begin(&desk, &by, &token, &app, flow, clock::now()).await? {
        Some((url, flow)) => Ok((jar.add(cookie(&desk.config, &flow)), Redirect::to(url.as_str())).into_response()),
        None => Ok(told(ENDED, None)),
    }
}

async fn callback(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    RawQuery(query): RawQuery,
    jar: CookieJar,
) -> Result<Response, PageError> {
    let desk = Desk::from_ref(&state);
    let flow = flow(&jar, &desk.config);
    // In a task of its own: a browser that goes away must not cut a binding in two.
    let task = {
        let (desk, flow) = (desk.clone(), flow.clone());
        tokio::spawn(carried(async move { onboarding::answer(&desk, &query.unwrap_or_default(), flow.as_ref(), ip, clock::now()).await }))
    };
    let back = flow.as_ref().map(|flow| format!("/onboard/{}", flow.invite));
    match (task.await??, flow, back) {
        (Reply::Away(url), Some(flow), _) => Ok((jar.add(cookie(&desk.config, &flow)), Redirect::to(url.as_str())).into_response()),
        (Reply::Back, Some(flow), Some(back)) => Ok((jar.add(cookie(&desk.config, &flow)), Redirect::to(&back)).into_response()),
        (Reply::Told(words), _, back) => Ok(told(words, back)),
        (Reply::Away(_) | Reply::Back, _, _) => Ok(told(Told::STRAY, None)),
    }
}

/// The cookie's name: `__Host-` needs https, which only a loopback address may do without.
fn cookie_name(config: &Config) -> &'static str {
    if config.public_url.scheme() == "https" { "__Host-flow" } else { "flow" }
}

fn flow(jar: &CookieJar, config: &Config) -> Option<Flow> {
    Flow::read(jar.get(cookie_name(config))?.value())
}

/// Every step renews it.
fn cookie(config: &Config, flow: &Flow) -> Cookie<'static> {
    trip_cookie(config, cookie_name(config), &flow.cookie())
}
