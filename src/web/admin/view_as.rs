//! The portal as a colleague sees it, for an administrator who is asked why something is not there. Only for looking: [`super::super::extract::User`]
//! lets nothing else through.

use crate::app::AppState;
use crate::auth::sessions;
use crate::model::UserId;
use crate::store::{audit, users};
use crate::web::error::PageError;
use crate::web::extract::{Admin, Id, Nothing, Posted};
use crate::web::login;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::post;
use axum_extra::extract::CookieJar;
use secrecy::ExposeSecret;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/users/{user}/view-as", post(begin)).route("/view-as/end", post(end))
}

async fn begin(
    State(state): State<AppState>,
    Admin(user): Admin,
    Id(id): Id<UserId>,
    jar: CookieJar,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<(CookieJar, Redirect), PageError> {
    let mut tx = state.db.no_tenant().await?;
    let account = users::find(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    if id == user.id || account.disabled_at.is_some() {
        return Err(PageError::Conflict("Choose a colleague who can sign in.".into()));
    }
    let session = sessions::view_as(&mut tx, &user.session_hash, Some(id)).await?;
    audit::record(&mut tx, user.by().event("session.view_as").object(account.login)).await?;
    tx.commit().await?;
    Ok((jar.add(login::cookie(&state.config, session.expose_secret().to_owned())), Redirect::to("/")))
}

/// Of whoever sees the portal as nobody else: on to the overview.
async fn end(
    State(state): State<AppState>,
    jar: CookieJar,
    Posted(user, Nothing {}): Posted<Nothing>,
) -> Result<(CookieJar, Redirect), PageError> {
    if user.behind.is_none() {
        return Ok((jar, Redirect::to("/")));
    }
    let mut tx = state.db.no_tenant().await?;
    let session = sessions::view_as(&mut tx, &user.session_hash, None).await?;
    audit::record(&mut tx, user.by().event("session.view_as_end").object(user.login.as_str())).await?;
    tx.commit().await?;
    let cookie = login::cookie(&state.config, session.expose_secret().to_owned());
    Ok((jar.add(cookie), Redirect::to(&format!("/admin/users/{}", user.id))))
}
