//! A fresh proof of who somebody is, before anything grave: one layer over the routes that are named here, and a page that keeps what was typed.
//!
//! A session is proven for ten minutes. After that a form to one of these routes is not carried out but answered with a page that asks for a code and
//! holds the form's fields. What comes back from there is the same form with a code: it is checked, the session gets a new id, and the form goes
//! on to its route as if nothing had been asked.

mod form;

use super::account::proof_error;
use super::cookies::{session_name, session_of};
use super::error::PageError;
use super::extract::{ClientIp, Posted, Query, User, client_ip};
use super::login::{self, internal};
use super::page::Page;
use crate::app::AppState;
use crate::auth::form_tokens::FormKey;
use crate::auth::second::{self, Ground, Ways, passkeys};
use crate::auth::secret;
use crate::config::Config;
use crate::model::clock;
use crate::store::sessions::{self, Standing};
use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum_extra::extract::CookieJar;
use form::Form;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The routes whose forms need a fresh proof, and how many parts of the path their page does without: `/admin/users/{user}/link` is sent from
/// `/admin/users/{user}`.
pub const GRAVE: [(&str, usize); 31] = [
    ("/devices/{device}/act", 0),
    ("/tenants/{tenant}/changes/{change}/again", 2),
    ("/tenants/{tenant}/cloud-apps/ranges/new", 0),
    ("/tenants/{tenant}/cloud-apps/ranges/{range}", 0),
    ("/tenants/{tenant}/cloud-apps/ranges/{range}/delete", 0),
    ("/incidents/bulk/{bulk}", 0),
    ("/incidents/bulk/{bulk}/again", 1),
    ("/incidents/bulk/{bulk}/undo", 1),
    ("/admin/tenants/new", 0),
    ("/admin/tenants/import", 0),
    ("/admin/tenants/{tenant}/directory", 1),
    ("/admin/tenants/{tenant}/directory/entry", 2),
    ("/admin/tenants/{tenant}/offboard", 0),
    ("/admin/tenants/{tenant}/people", 0),
    ("/admin/tenants/{tenant}/people/{person}", 1),
    ("/admin/tenants/{tenant}/rebind", 1),
    ("/admin/tenants/{tenant}/rebind/decision", 2),
    ("/admin/users", 0),
    ("/admin/users/{user}", 0),
    ("/admin/users/{user}/link", 1),
    ("/admin/users/{user}/factors", 1),
    ("/admin/users/{user}/disabled", 1),
    ("/admin/users/{user}/view-as", 1),
    ("/account/factors", 1),
    ("/account/factors/new", 2),
    ("/account/factors/name", 2),
    ("/account/factors/remove", 2),
    ("/account/factors/codes", 2),
    ("/account/passkeys", 1),
    ("/account/passkeys/new", 2),
    ("/account/sessions/end", 2),
];

/// Whoever takes more rows along in a file than these proves first who they are.
pub const MANY: usize = 10_000;

pub fn routes() -> Router<AppState> {
    Router::new().route("/account/confirm", get(show).post(confirm))
}

#[derive(Template)]
#[template(path = "step_up.html")]
struct ConfirmPage {
    user: User,
    /// Where the form goes, and how it is encoded where that is not the usual way.
    action: String,
    multipart: bool,
    token: String,
    fields: Vec<(String, String)>,
    /// Whoever signs in at Entra goes there, and then to this page of ours.
    microsoft: Option<String>,
    ways: Ways,
    /// What the browser is to be asked for a passkey, where one was chosen.
    passkey: Option<String>,
    problem: Option<&'static str>,
}

/// Whether somebody's proof is too old, where one is asked of them at all.
fn is_due(config: &Config, standing: &Standing) -> bool {
    !standing.is_fresh && (config.login.needs_second() || standing.factors > 0)
}

/// The same for a page that finds out by itself that it is grave: where to go first, if anywhere. `back` is a page of ours.
pub async fn first(state: &AppState, user: &User, back: &str) -> Result<Option<Redirect>, PageError> {
    let standing = sessions::standing(&mut state.db.no_tenant().await?, &user.session_hash).await?;
    if !standing.is_some_and(|standing| is_due(&state.config, &standing)) {
        return Ok(None);
    }
    if user.behind.is_some() {
        return Err(PageError::Conflict("This needs a fresh proof of who you are: stop looking as somebody else first.".into()));
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", back).finish();
    Ok(Some(Redirect::to(&format!("/account/confirm?{query}"))))
}

/// The layer.
pub async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let grave = GRAVE.iter().find(|(route, _)| *route == path && request.method() == Method::POST);
    let Some((_, dropped)) = grave else { return next.run(request).await };
    match look(&state, request, *dropped).await {
        Ok(Looked::Pass(request)) => next.run(request).await,
        Ok(Looked::Renewed(request, cookie)) => {
            let mut response = next.run(request).await;
            // A route that gives the session yet another secret has its own.
            let name = format!("{}=", session_name(&state.config));
            let has_own = |set: &HeaderValue| set.to_str().is_ok_and(|set| set.starts_with(&name));
            if !response.headers().get_all(header::SET_COOKIE).iter().any(has_own) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(Looked::Ask(page)) => page,
        Err(error) => error.into_response(),
    }
}

enum Looked {
    /// On to the route, which refuses what it would refuse anyway.
    Pass(Request),
    /// On to the route, in the session of this cookie.
    Renewed(Request, HeaderValue),
    Ask(Response),
}

async fn look(state: &AppState, request: Request, dropped: usize) -> Result<Looked, PageError> {
    let (mut parts, body) = request.into_parts();
    let Some(session) = session_of(&parts.headers, &state.config) else { return Ok(Looked::Pass(Request::from_parts(parts, body))) };
    let standing = sessions::standing(&mut state.db.no_tenant().await?, &secret::hash(&session)).await?;
    let Some(standing) = standing else { return Ok(Looked::Pass(Request::from_parts(parts, body))) };
    let mut form = Form::read(&parts, body).await?;
    let path = parts.uri.path().to_owned();
    if !FormKey::of_session(&session).accepts(&path, form.token()) {
        return Ok(Looked::Pass(form.into_request(parts)));
    }
    let shown = form.take_shown();
    if !is_due(&state.config, &standing) {
        return Ok(Looked::Pass(form.into_request(parts)));
    }
    let user = User::from_request_parts(&mut parts, state).await?;
    let ip = client_ip(&parts, &state.config);
    let ground = Ground { public_url: &state.config.public_url, ip: ip.as_deref(), now: clock::now() };
    let problem = match shown {
        Some(shown) => match second::prove(&state.db, (standing.user_id, &user.session_hash), &shown, ground).await {
            Ok(renewed) => return go_on(state, parts, form, &path, &renewed),
            Err(error) => Some(proof_error(error)?),
        },
        None => None,
    };
    let parts: Vec<&str> = path.split('/').collect();
    let back = parts[..parts.len() - dropped].join("/");
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::FORBIDDEN };
    let page = ask(state, user, &standing, (&back, form), problem).await?;
    Ok(Looked::Ask((status, page).into_response()))
}

/// The form in the renewed session: as its page would send it there.
fn go_on(state: &AppState, mut parts: Parts, mut form: Form, path: &str, session: &SecretString) -> Result<Looked, PageError> {
    let cookie = login::cookie(&state.config, session.expose_secret().to_owned());
    parts.extensions.remove::<User>();
    let jar = CookieJar::from_headers(&parts.headers).add((cookie.name().to_owned(), cookie.value().to_owned()));
    let cookies: Vec<String> = jar.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
    parts.headers.insert(header::COOKIE, HeaderValue::try_from(cookies.join("; "))?);
    form.set_token(FormKey::of_session(session).token(path));
    Ok(Looked::Renewed(form.into_request(parts), HeaderValue::try_from(cookie.to_string())?))
}

/// The page that asks, and holds a form meanwhile. A passkey is asked for once it was chosen: that takes a form, because it leaves something
/// behind.
async fn ask(
    state: &AppState,
    user: User,
    standing: &Standing,
    (back, form): (&str, Form),
    problem: Option<&'static str>,
) -> Result<Page<ConfirmPage>, PageError> {
    let url = &state.config.public_url;
    let passkey = if form.wants_passkey() { passkeys::ask(&state.db, user.id, &user.session_hash, url).await? } else { None };
    Ok(Page(ConfirmPage {
        action: user.here.clone(),
        multipart: form.is_multipart(),
        token: form.token().to_owned(),
        fields: form.into_fields(),
        microsoft: standing.of_entra.then(|| to_microsoft(back)),
        ways: second::ways(&state.db, user.id, url).await?,
        passkey,
        user,
        problem,
    }))
}

fn to_microsoft(back: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("confirm", "yes").append_pair("next", back).finish();
    format!("/login/entra?{query}")
}

#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    next: String,
}

async fn show(State(state): State<AppState>, user: User, Query(back): Query<Back>) -> Result<Response, PageError> {
    let next = internal(&back.next).to_owned();
    confirm_page(&state, user, Form::leading_to(&next), &next, None).await
}

async fn confirm_page(
    state: &AppState,
    mut user: User,
    mut form: Form,
    next: &str,
    problem: Option<&'static str>,
) -> Result<Response, PageError> {
    let standing = sessions::standing(&mut state.db.no_tenant().await?, &user.session_hash).await?;
    let Some(standing) = standing.filter(|standing| is_due(&state.config, standing)) else { return Ok(Redirect::to(next).into_response()) };
    "/account/confirm".clone_into(&mut user.here);
    form.set_token(user.form_token("/account/confirm"));
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, ask(state, user, &standing, (next, form), problem).await?).into_response())
}

async fn confirm(
    State(state): State<AppState>,
    ClientIp(ip): ClientIp,
    jar: CookieJar,
    Posted(user, fields): Posted<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    let mut form = Form::of(fields);
    let next = internal(form.field("next").unwrap_or_default()).to_owned();
    let ground = Ground { public_url: &state.config.public_url, ip: ip.as_deref(), now: clock::now() };
    let Some(shown) = form.take_shown() else { return confirm_page(&state, user, form, &next, None).await };
    match second::prove(&state.db, (user.id, &user.session_hash), &shown, ground).await {
        Ok(session) => {
            let cookie = login::cookie(&state.config, session.expose_secret().to_owned());
            Ok((jar.add(cookie), Redirect::to(&next)).into_response())
        }
        Err(error) => {
            let problem = proof_error(error)?;
            confirm_page(&state, user, form, &next, Some(problem)).await
        }
    }
}
