//! The API's errors: RFC 9457 `application/problem+json`, the cause to the log only.

use crate::store::Trouble;
use crate::web::error::{Told, retry_after};
use axum::Json;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde::Serialize;

/// What went wrong with an API call. `?` on anything else means "our fault".
#[derive(Debug)]
pub enum Problem {
    /// No token, or one that is unknown, expired or revoked.
    Unauthorized,
    /// The token's user may not do this.
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// The request contradicts what stands in the registry.
    Conflict(String),
    /// More than one person may in a while, and how long until it is possible again.
    TooMany(String, TimeDelta),
    /// Fields are wrong.
    Invalid(Vec<FieldError>),
    /// The body or the query is not of the call's form.
    BadRequest(String),
    Internal(anyhow::Error),
}

/// The body of every error answer.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ProblemBody {
    /// A name for the kind of problem that programs may rely on.
    r#type: String,
    title: &'static str,
    status: u16,
    /// What happened, for people.
    detail: String,
    /// A reference for support; it also stands in the log.
    instance: String,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// One wrong field.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    field: &'static str,
    message: String,
}

impl Problem {
    /// One wrong field.
    pub fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field, message: message.into() }])
    }

    /// Several wrong fields.
    pub fn fields(wrong: impl Iterator<Item = (&'static str, String)>) -> Self {
        Self::Invalid(wrong.map(|(field, message)| FieldError { field, message }).collect())
    }
}

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}

/// Nobody knows here what was asked, and a change may be stored before its answer fails.
const UNCERTAIN: &str = "Of a call that changes something it is not certain whether that was saved: look before you send it again.";

/// What the caller is told where the cause is for the log.
const fn our_fault(trouble: Trouble) -> (StatusCode, &'static str, &'static str, &'static str) {
    match trouble {
        Trouble::Away => (
            StatusCode::SERVICE_UNAVAILABLE,
            "away",
            "Not at the moment",
            "The database does not answer, or has too much to do. Try again in a few seconds.",
        ),
        Trouble::TooSlow => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too-slow",
            "That takes too long",
            "There are too many rows to find or to sort this way: narrow the filter, or ask for another order.",
        ),
        Trouble::NoText => (
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request cannot be read",
            "A text holds a NUL character, which cannot be kept or looked for.",
        ),
        Trouble::Other => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            "Something went wrong on our side. Try again, and name the reference if it stays.",
        ),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let instance = uuid::Uuid::new_v4().simple().to_string();
        let (mut errors, mut wait) = (Vec::new(), None);
        let (status, kind, title, detail) = match self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "A valid bearer token is needed",
                "Send the header `Authorization: Bearer <token>` with a token that is neither expired nor revoked.".to_owned(),
            ),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed", "The token's user may not do this.".to_owned()),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found", "There is no such object in the token's scope.".to_owned()),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not possible", "This address does not take that method.".to_owned())
            }
            Self::TooMany(detail, until) => {
                wait = Some((header::RETRY_AFTER, retry_after(until)));
                (StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many", detail)
            }
            Self::Conflict(detail) => (StatusCode::CONFLICT, "conflict", "Conflict", detail),
            Self::BadRequest(detail) => (StatusCode::BAD_REQUEST, "bad-request", "The request cannot be read", detail),
            Self::Invalid(fields) => {
                let detail = fields.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.message)).collect::<Vec<_>>().join(" ");
                errors = fields;
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "A field is wrong", detail)
            }
            Self::Internal(cause) => {
                let trouble = Trouble::of(&cause);
                let (status, kind, title, detail) = our_fault(trouble);
                wait = (status == StatusCode::SERVICE_UNAVAILABLE).then(|| (header::RETRY_AFTER, retry_after(TimeDelta::seconds(5))));
                if trouble == Trouble::NoText {
                    (status, kind, title, detail.to_owned())
                } else {
                    tracing::error!(error = format!("{cause:#}"), reference = instance, "api call failed");
                    (status, kind, title, format!("{detail} {UNCERTAIN}"))
                }
            }
        };
        let body = ProblemBody {
            r#type: format!("urn:watchfloor:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail,
            instance: format!("urn:uuid:{instance}"),
            errors,
        };
        (wait.map(|wait| [wait]), body).into_response()
    }
}

impl IntoResponse for ProblemBody {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(self)).into_response()
    }
}

/// A layer: what the layers around all routes answer with a page, programs get in the API's form.
pub async fn of_pages(request: Request, next: Next) -> Response {
    let is_call = request.uri().path().starts_with("/api/v1/");
    let mut response = next.run(request).await;
    let Some(told) = response.extensions_mut().remove::<Told>().filter(|_| is_call) else { return response };
    let kind = match response.status() {
        StatusCode::SERVICE_UNAVAILABLE => "overloaded",
        StatusCode::TOO_MANY_REQUESTS => "busy",
        StatusCode::FORBIDDEN => "forbidden",
        status if status.is_server_error() => "internal",
        _ => "bad-request",
    };
    let body = ProblemBody {
        r#type: format!("urn:watchfloor:problem:{kind}"),
        title: told.title,
        status: response.status().as_u16(),
        detail: told.message.into_owned(),
        instance: format!("urn:watchfloor:reference:{}", told.reference),
        errors: Vec::new(),
    };
    let wait = response.headers_mut().remove(header::RETRY_AFTER).map(|wait| [(header::RETRY_AFTER, wait)]);
    (wait, body).into_response()
}
