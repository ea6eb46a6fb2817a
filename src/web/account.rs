//! One's own account: password, looks, sessions.

use super::error::PageError;
use super::extract::{Posted, User};
use super::filters;
use super::login::{self, internal, too_many};
use super::page::Page;
use super::show::When;
use super::step_up;
use crate::app::AppState;
use crate::auth::AuthError;
use crate::auth::sign_in::change_password;
use crate::model::{Scope, clock};
use crate::store;
use crate::store::audit::{self, Event};
use crate::store::factors::{Factor, Kind};
use crate::store::sessions::Session;
use crate::store::users::{Density, Theme};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

mod factors;
mod passkeys;

pub use factors::{Codes, NewKey, proof_error};

pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(factors::routes())
        .merge(passkeys::routes())
        .route("/account", get(show))
        .route("/account/password", post(password))
        .route("/account/appearance", post(appearance))
        .route("/account/sessions/end", post(end_session))
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    user: User,
    sessions: Vec<Session>,
    /// Signs in at Entra and has no password here.
    of_entra: bool,
    second: Second,
    problem: Option<Problem>,
    now: DateTime<Utc>,
}

/// What the page says of second factors.
struct Second {
    factors: Vec<Factor>,
    codes_left: i64,
    /// The last one cannot be removed.
    is_required: bool,
    is_demo: bool,
    /// Whether passkeys can be used at this address.
    passkeys: bool,
}

/// What was wrong with which part of the page.
enum Problem {
    Password(&'static str),
    Factor(&'static str),
}

impl AccountPage {
    fn password_problem(&self) -> Option<&'static str> {
        if let Some(Problem::Password(problem)) = self.problem { Some(problem) } else { None }
    }

    fn factor_problem(&self) -> Option<&'static str> {
        if let Some(Problem::Factor(problem)) = self.problem { Some(problem) } else { None }
    }

    /// Whether a factor can be removed.
    fn can_spare(&self) -> bool {
        !self.second.is_required || self.second.factors.len() > 1
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn reach(&self) -> String {
        match &self.user.scope {
            Scope::All => "all tenants".to_owned(),
            Scope::Tenants(tenants) => super::show::count(i64::try_from(tenants.len()).unwrap_or(i64::MAX), "tenant", "tenants"),
        }
    }
}

/// How a form names a session: by its stored hash, which opens nothing.
fn key(session: &Session) -> String {
    URL_SAFE_NO_PAD.encode(&session.session_hash)
}

/// What a factor is, for people.
fn kind(factor: &Factor) -> &'static str {
    match factor.kind {
        Kind::Totp => "authenticator app",
        Kind::Passkey => "passkey",
    }
}

async fn show(State(state): State<AppState>, user: User) -> Result<Page<AccountPage>, PageError> {
    account_page(&state, user, None).await
}

async fn account_page(state: &AppState, user: User, problem: Option<Problem>) -> Result<Page<AccountPage>, PageError> {
    let mut tx = state.db.no_tenant().await?;
    let sessions = store::sessions::list(&mut tx, user.id).await?;
    let of_entra = store::users::find(&mut tx, user.id).await?.is_some_and(|account| account.is_of_entra());
    let second = Second {
        factors: store::factors::list(&mut tx, user.id).await?,
        codes_left: store::factors::codes_left(&mut tx, user.id).await?,
        is_required: state.config.login.needs_second(),
        is_demo: state.demo.is_some(),
        passkeys: crate::auth::second::passkeys::offered(&state.config.public_url),
    };
    Ok(Page(AccountPage { user, sessions, of_entra, second, problem, now: clock::now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    current: SecretString,
    password: SecretString,
    again: SecretString,
}

async fn password(State(state): State<AppState>, Posted(user, form): Posted<NewPassword>) -> Result<Response, PageError> {
    // Passwords wait in no page: whoever has to prove first who they are types them again afterwards.
    if let Some(first) = step_up::first(&state, &user, "/account").await? {
        return Ok(first.into_response());
    }
    let done = if form.password.expose_secret() == form.again.expose_secret() {
        change_password(&state.db, &state.hasher, user.id, &form.current, &form.password, user.ip.clone()).await
    } else {
        Err(AuthError::Form("The two new passwords are not the same."))
    };
    match done {
        // Every session has ended, this one too.
        Ok(()) => Ok((login::forget_everything(), Redirect::to("/login")).into_response()),
        Err(refused @ (AuthError::Refused | AuthError::Form(_) | AuthError::Over)) => {
            let problem = match refused {
                AuthError::Form(problem) => problem,
                _ => "The current password is not right, or was tried too often: wait a moment.",
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, account_page(&state, user, Some(Problem::Password(problem))).await?).into_response())
        }
        Err(AuthError::Busy) => Err(PageError::Busy),
        Err(AuthError::TooMany(wait)) => Err(too_many(wait)),
        Err(AuthError::Other(cause)) => Err(PageError::Internal(cause)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Appearance {
    theme: Option<Theme>,
    density: Option<Density>,
    keys: Option<bool>,
    #[serde(default)]
    back: String,
}

async fn appearance(State(state): State<AppState>, Posted(user, form): Posted<Appearance>) -> Result<Redirect, PageError> {
    let mut tx = state.db.no_tenant().await?;
    let (theme, density) = (form.theme.unwrap_or(user.theme), form.density.unwrap_or(user.density));
    store::users::set_appearance(&mut tx, user.id, theme, density, form.keys.unwrap_or(user.keys)).await?;
    tx.commit().await?;
    Ok(Redirect::to(internal(&form.back)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndSession {
    /// One of them; without it all but this one.
    session: Option<String>,
}

async fn end_session(State(state): State<AppState>, Posted(user, form): Posted<EndSession>) -> Result<Redirect, PageError> {
    let mut tx = state.db.no_tenant().await?;
    if let Some(session) = form.session {
        let hash = URL_SAFE_NO_PAD.decode(session).map_err(|_| PageError::NotFound)?;
        if !store::sessions::end(&mut tx, user.id, &hash).await? {
            return Err(PageError::NotFound);
        }
    } else {
        store::sessions::end_others(&mut tx, user.id, &user.session_hash).await?;
    }
    audit::record(&mut tx, Event::new(user.actor(), "session.end").ip(user.ip.clone())).await?;
    tx.commit().await?;
    Ok(Redirect::to("/account"))
}
