//! A template as an answer.

use super::error::PageError;
use askama::Template;
use axum::response::{Html, IntoResponse, Response};

/// A page: its template struct is rendered; a failure to render is our error page.
#[derive(Debug)]
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => PageError::from(error).into_response(),
        }
    }
}
