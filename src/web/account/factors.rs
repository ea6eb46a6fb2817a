//! One's own second factors and recovery codes. Every route but the file asks for a fresh proof first (`web/step_up.rs`).

use super::{Problem, account_page};
use crate::app::AppState;
use crate::auth::second::own::{self, Owner};
use crate::auth::{AuthError, totp};
use crate::model::{FactorId, clock};
use crate::store;
use crate::web::error::PageError;
use crate::web::extract::{Nothing, Posted, User};
use crate::web::login::too_many;
use crate::web::page::Page;
use crate::web::qr::Code;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/account/factors", post(add))
        .route("/account/factors/new", post(begin))
        .route("/account/factors/name", post(rename))
        .route("/account/factors/remove", post(remove))
        .route("/account/factors/codes", post(new_codes))
        .route("/account/factors/codes/file", post(file))
}

const FILE: &str = "/account/factors/codes/file";

/// The key of a factor that is being made, for an app: as a picture and in letters.
pub struct NewKey {
    pub code: Option<Code>,
    /// In fours.
    pub letters: String,
}

impl NewKey {
    pub fn new(key: &SecretString, login: &str) -> anyhow::Result<Self> {
        let letters = key.expose_secret().as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
        Ok(Self { code: Code::new(totp::address(key, login)?.expose_secret()), letters })
    }
}

/// Recovery codes on the one page that shows them.
pub struct Codes {
    /// One in a line.
    pub text: String,
    /// Of the form that gives them as a file.
    pub token: String,
}

impl Codes {
    /// `token`: of a form to the file, in the session that gets them.
    pub fn new(codes: &[SecretString], token: impl Fn(&str) -> String) -> Self {
        let text = codes.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>().join("\n");
        Self { text, token: token(FILE) }
    }
}

#[derive(Template)]
#[template(path = "account_factor.html")]
struct FactorPage {
    user: User,
    key: NewKey,
    name: String,
    problem: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "account_codes.html")]
struct CodesPage {
    user: User,
    codes: Codes,
}

pub(super) fn codes_page(user: User, codes: &[SecretString]) -> Response {
    let codes = Codes::new(codes, |path| user.form_token(path));
    Page(CodesPage { user, codes }).into_response()
}

/// What a person is told of a proof that was not good; everything else is an error page.
pub fn proof_error(error: AuthError) -> Result<&'static str, PageError> {
    match error {
        AuthError::Refused => {
            Ok("That code or passkey is not right, was used before, or there were too many attempts: wait for the next code and try again.")
        }
        AuthError::Form(problem) => Ok(problem),
        AuthError::Over => Err(PageError::SignIn(None)),
        AuthError::Busy => Err(PageError::Busy),
        AuthError::TooMany(wait) => Err(too_many(wait)),
        AuthError::Other(cause) => Err(PageError::Internal(cause)),
    }
}

async fn begin(State(state): State<AppState>, Posted(user, Nothing {}): Posted<Nothing>) -> Result<Page<FactorPage>, PageError> {
    let of_entra = store::users::find(&mut state.db.no_tenant().await?, user.id).await?.is_none_or(|account| account.is_of_entra());
    if of_entra {
        return Err(PageError::Conflict("You sign in with Microsoft, where your second factors are.".into()));
    }
    let by = user.by();
    let key = own::begin(&state.db, Owner { user: user.id, session: &user.session_hash, by: &by }).await?;
    Ok(Page(FactorPage { key: NewKey::new(&key, &user.login)?, user, name: String::new(), problem: None }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    name: String,
    code: SecretString,
}

async fn add(State(state): State<AppState>, Posted(user, form): Posted<Added>) -> Result<Response, PageError> {
    let by = user.by();
    let owner = Owner { user: user.id, session: &user.session_hash, by: &by };
    match own::finish(&state.db, owner, (&form.name, &form.code), clock::now()).await {
        Ok(Some(codes)) => Ok(codes_page(user, &codes)),
        Ok(None) | Err(AuthError::Over) => Ok(Redirect::to("/account").into_response()),
        Err(error) => {
            let problem = Some(proof_error(error)?);
            let Some(key) = own::key(&state.db, owner).await? else { return Ok(Redirect::to("/account").into_response()) };
            let page = FactorPage { key: NewKey::new(&key, &user.login)?, user, name: form.name, problem };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renamed {
    factor: FactorId,
    name: String,
}

async fn rename(State(state): State<AppState>, Posted(user, form): Posted<Renamed>) -> Result<Response, PageError> {
    let by = user.by();
    let owner = Owner { user: user.id, session: &user.session_hash, by: &by };
    let done = own::rename(&state.db, owner, form.factor, &form.name).await;
    told(&state, user, done).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removed {
    factor: FactorId,
}

async fn remove(State(state): State<AppState>, Posted(user, form): Posted<Removed>) -> Result<Response, PageError> {
    let by = user.by();
    let owner = Owner { user: user.id, session: &user.session_hash, by: &by };
    let done = own::remove(&state.db, owner, form.factor, state.config.login.needs_second()).await;
    told(&state, user, done).await
}

async fn told(state: &AppState, user: User, done: Result<(), AuthError>) -> Result<Response, PageError> {
    match done {
        Ok(()) => Ok(Redirect::to("/account").into_response()),
        Err(AuthError::Over) => Err(PageError::NotFound),
        Err(error) => {
            let problem = Problem::Factor(proof_error(error)?);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, account_page(state, user, Some(problem)).await?).into_response())
        }
    }
}

async fn new_codes(State(state): State<AppState>, Posted(user, Nothing {}): Posted<Nothing>) -> Result<Response, PageError> {
    let by = user.by();
    let made = own::new_codes(&state.db, Owner { user: user.id, session: &user.session_hash, by: &by }).await?;
    let codes = made.ok_or_else(|| PageError::Conflict("Recovery codes stand in for a second factor: add one first.".into()))?;
    Ok(codes_page(user, &codes))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    codes: SecretString,
}

/// Gives the codes that a page shows back as a file: nothing of them is kept here.
async fn file(Posted(_, form): Posted<Written>) -> Result<Response, PageError> {
    let lines: Vec<&str> = form.codes.expose_secret().lines().map(str::trim).collect();
    let plain = |line: &&str| line.len() == 29 && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if lines.len() > 10 || !lines.iter().all(plain) {
        return Err(PageError::BadRequest("These are no recovery codes.".into()));
    }
    let text = format!("Recovery codes for Watchfloor. Each works once.\n\n{}\n", lines.join("\n"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"watchfloor-recovery-codes.txt\"")),
    ];
    Ok((headers, text).into_response())
}
