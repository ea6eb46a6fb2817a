//! Forms of those who are signed in.

use super::error::PageError;
use super::extract::User;
use crate::app::AppState;
use crate::auth::form_tokens;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum_extra::extract::Form;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

/// Somebody signed in whose pages have forms.
pub trait Sender: FromRequestParts<AppState, Rejection = PageError> + Send {
    /// Path and query of the request.
    fn here(&self) -> &str;

    /// Whether a form's token was made for this session and path.
    fn accepts_form_token(&self, path: &str, token: &str) -> bool;
}

/// A form sent by somebody signed in, from our page of the same session. Needs `form_token` among its fields, which `T` does not see.
#[derive(Clone, Debug)]
pub struct Posted<T, S = User>(pub S, pub T);

/// A form without a field.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl<T: DeserializeOwned, S: Sender> FromRequest<AppState> for Posted<T, S> {
    type Rejection = PageError;
    async fn from_request(request: Request, state: &AppState) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let sender = S::from_request_parts(&mut parts, state).await?;
        let path = sender.here().split('?').next().unwrap_or_default();
        let (token, rest) = split_token(Request::from_parts(parts.clone(), body)).await?;
        if !sender.accepts_form_token(path, &token) {
            return Err(PageError::Forbidden);
        }
        let form = Form::from_request(Request::from_parts(parts, Body::from(rest)), state).await;
        match form {
            Ok(Form(form)) => Ok(Self(sender, form)),
            Err(_) => Err(PageError::BadRequest("The form is incomplete or has fields we do not know.".into())),
        }
    }
}

/// The form's token, and the other fields as they came.
async fn split_token(request: Request) -> Result<(String, String), PageError> {
    let body = Bytes::from_request(request, &()).await.map_err(|_| PageError::BadRequest("The form is too large.".into()))?;
    let mut token = String::new();
    let mut rest = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(&body) {
        if name == form_tokens::FIELD {
            token = value.into_owned();
        } else {
            rest.append_pair(&name, &value);
        }
    }
    Ok((token, rest.finish()))
}
