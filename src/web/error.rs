//! What goes wrong on a page, as the visitor sees it. The cause goes to the log only; the reference id is in both.

use crate::store::Trouble;
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use chrono::TimeDelta;
use std::borrow::Cow;

/// Anything that is not the page asked for. `?` on any error is [`PageError::Internal`]: our fault.
#[derive(Debug)]
pub enum PageError {
    /// Nobody is signed in; afterwards on to this path.
    SignIn(Option<String>),
    /// Nobody of a customer's is signed in.
    CustomerSignIn,
    /// Unknown, or another tenant's: the answer is the same.
    NotFound,
    Forbidden,
    /// An administrator sees the portal as this colleague does, and may not do that meanwhile.
    OnlyLooking(String),
    MethodNotAllowed,
    /// What to correct, for the visitor.
    BadRequest(Cow<'static, str>),
    /// Why it is not possible as things stand, and what to do, for the visitor.
    Conflict(Cow<'static, str>),
    /// More than one person may in a while, for the visitor, and how long until it is possible again.
    TooMany(Cow<'static, str>, TimeDelta),
    /// Too much at once: try again.
    Busy,
    /// The same, said before anything was begun.
    Overloaded,
    Internal(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}

/// What an error's page says; it goes along with the answer, for those who have a form of their own for it.
#[derive(Clone, Debug)]
pub struct Told {
    pub title: &'static str,
    pub message: Cow<'static, str>,
    pub reference: String,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    message: &'a str,
    reference: &'a str,
}

/// Nobody knows here what was asked, and a change may be stored before its page fails.
const UNCERTAIN: &str = "If you were changing something, it is not certain whether that was saved: look before you send it again.";

/// What the visitor is told where the cause is for the log.
const fn our_fault(trouble: Trouble) -> (StatusCode, &'static str, &'static str) {
    match trouble {
        Trouble::Away => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Not at the moment",
            "The portal’s database does not answer, or has too much to do. Try again in a few seconds.",
        ),
        Trouble::TooSlow => (
            StatusCode::SERVICE_UNAVAILABLE,
            "That takes too long",
            "There are too many rows to find or to sort this way. Go back and narrow the list: by tenant, severity or time, or with another order.",
        ),
        Trouble::NoText => {
            (StatusCode::BAD_REQUEST, "That did not work", "A text holds a NUL character, which cannot be kept or looked for.")
        }
        Trouble::Other => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong",
            "This is a fault on our side and has been logged. Try again; if it stays, give your operator the reference below.",
        ),
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let reference = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
        let mut wait = TimeDelta::seconds(5);
        let (status, title, message) = match self {
            Self::SignIn(next) => return to_sign_in(next.as_deref()).into_response(),
            Self::CustomerSignIn => return Redirect::to("/customer/login").into_response(),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found", Cow::from("There is no such page, or it is not yours to see.")),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "Not allowed",
                Cow::from("Your role does not allow this, or the form came from an old page. Go back, reload and try again."),
            ),
            Self::OnlyLooking(name) => (
                StatusCode::FORBIDDEN,
                "Only looking",
                Cow::from(format!(
                    "You see the portal as {name} does. Meanwhile nothing can be changed, and {name}’s account page stays closed. Go back and stop that first, at the top of any page."
                )),
            ),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "Not possible", Cow::from("This address does not take that kind of request."))
            }
            Self::BadRequest(message) => (StatusCode::BAD_REQUEST, "That did not work", message),
            Self::TooMany(message, until) => {
                wait = until;
                (StatusCode::TOO_MANY_REQUESTS, "Too many", message)
            }
            Self::Conflict(message) => (StatusCode::CONFLICT, "Not possible now", message),
            Self::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Busy",
                Cow::from("There is too much to do at once; try again in a few seconds. Nothing was done."),
            ),
            Self::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                "Busy",
                Cow::from(format!("There is too much to do at once; try again in a few seconds. {UNCERTAIN}")),
            ),
            Self::Internal(cause) => {
                let trouble = Trouble::of(&cause);
                let (status, title, message) = our_fault(trouble);
                if trouble == Trouble::NoText {
                    (status, title, Cow::from(message))
                } else {
                    tracing::error!(reference, error = format!("{cause:#}"), "a page failed");
                    (status, title, Cow::from(format!("{message} {UNCERTAIN}")))
                }
            }
        };
        if !status.is_server_error() {
            tracing::info!(reference, status = status.as_u16(), "refused");
        }
        let page = ErrorPage { title, message: &message, reference: &reference };
        let html = page.render().unwrap_or_else(|_| title.to_owned());
        let mut response = (status, Html(html)).into_response();
        let told = Told { title, message: message.clone(), reference: reference.clone() };
        response.extensions_mut().insert(told);
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after(wait));
        }
        response
    }
}

/// Whole seconds, at least one.
pub fn retry_after(wait: TimeDelta) -> HeaderValue {
    HeaderValue::from((wait.num_seconds() + 1).max(1))
}

fn to_sign_in(next: Option<&str>) -> Redirect {
    let Some(next) = next.filter(|next| *next != "/") else { return Redirect::to("/login") };
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    Redirect::to(&format!("/login?{query}"))
}
