//! Making a passkey: a page with what the browser is to be asked, and its answer.

use super::factors::{codes_page, proof_error};
use crate::app::AppState;
use crate::auth::AuthError;
use crate::auth::second::own::Owner;
use crate::auth::second::passkeys;
use crate::web::error::PageError;
use crate::web::extract::{Nothing, Posted, User};
use crate::web::page::Page;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use secrecy::SecretString;
use serde::Deserialize;

pub fn routes() -> Router<AppState> {
    Router::new().route("/account/passkeys", post(add)).route("/account/passkeys/new", post(begin))
}

#[derive(Template)]
#[template(path = "account_passkey.html")]
struct PasskeyPage {
    user: User,
    options: String,
    name: String,
    problem: Option<&'static str>,
}

async fn begin(State(state): State<AppState>, Posted(user, Nothing {}): Posted<Nothing>) -> Result<Page<PasskeyPage>, PageError> {
    page(&state, user, String::new(), None).await
}

async fn page(state: &AppState, user: User, name: String, problem: Option<&'static str>) -> Result<Page<PasskeyPage>, PageError> {
    let by = user.by();
    let owner = Owner { user: user.id, session: &user.session_hash, by: &by };
    let options = passkeys::begin(&state.db, owner, &state.config.public_url).await?;
    let options = options.ok_or_else(|| PageError::Conflict("This account can have no passkey here.".into()))?;
    Ok(Page(PasskeyPage { user, options, name, problem }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    name: String,
    answer: SecretString,
}

async fn add(State(state): State<AppState>, Posted(user, form): Posted<Added>) -> Result<Response, PageError> {
    let by = user.by();
    let owner = Owner { user: user.id, session: &user.session_hash, by: &by };
    match passkeys::finish(&state.db, owner, (&form.name, &form.answer), &state.config.public_url).await {
        Ok(Some(codes)) => Ok(codes_page(user, &codes)),
        Ok(None) | Err(AuthError::Over) => Ok(Redirect::to("/account").into_response()),
        Err(error) => {
            let problem = match error {
                AuthError::Refused => "The answer of your device was not good for this. Try again.",
                other => proof_error(other)?,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&state, user, form.name, Some(problem)).await?).into_response())
        }
    }
}
