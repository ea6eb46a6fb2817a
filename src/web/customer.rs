//! The customers' side: what their own people see once they are signed in. They see their own tenant and, of its incidents, those that are shared
//! with them. Nothing here takes a session of staff, and no page of staff takes one of these.

mod access;
mod home;
mod incidents;
mod login;
mod people;
mod who;

pub use people::{Invited, Link, link};
pub use who::{Customer, CustomerAdmin};

use super::cookies;
use super::error::Told;
use crate::app::AppState;
use crate::config::Config;
use askama::Template;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum_extra::extract::cookie::Cookie;

pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(login::routes())
        .merge(home::routes())
        .merge(incidents::routes())
        .merge(access::routes())
        .merge(people::routes())
        .layer(from_fn(own_errors))
}

#[derive(Template)]
#[template(path = "customer/error.html")]
struct ErrorPage {
    told: Told,
}

/// The page of an error, without links to staff's pages.
async fn own_errors(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let Some(told) = response.extensions_mut().remove::<Told>() else { return response };
    let Ok(html) = (ErrorPage { told: told.clone() }).render() else { return response };
    let mut own = (response.status(), Html(html)).into_response();
    own.extensions_mut().insert(told);
    for (name, value) in response.headers() {
        own.headers_mut().entry(name).or_insert(value.clone());
    }
    own.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
    own
}

/// The session cookie's name, see [`cookies::session_name`].
fn cookie_name(config: &Config) -> &'static str {
    if config.public_url.scheme() == "https" { "__Host-cid" } else { "cid" }
}

/// The session's.
fn cookie(config: &Config, value: String) -> Cookie<'static> {
    cookies::session_cookie(config, cookie_name(config), value)
}
