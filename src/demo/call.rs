//! A request as the stand-in reads it, and what it answers.

use super::cloud_apps;
use super::hosts::{self, Api};
use crate::model::DirectoryId;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use serde_json::Value;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// No request to Microsoft is larger.
const BODY_LIMIT: usize = 1 << 20;
/// But for a log of cloud discovery.
const LOG_LIMIT: usize = (64 << 20) + 1;

/// One request, with the host it is meant for.
pub(super) struct Call {
    pub method: Method,
    /// Of Microsoft's, lower case; empty for the stand-in's own pages.
    pub host: String,
    /// Below the host, with its leading slash.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub async fn read(request: axum::extract::Request) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let named = named.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let path = parts.uri.path();
        let (host, path) = if hosts::is_played(&named) {
            (named, path.to_owned())
        } else {
            let (first, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
            if hosts::is_played(first) { (first.to_owned(), format!("/{rest}")) } else { (String::new(), path.to_owned()) }
        };
        let limit = if cloud_apps::is_store(&host) { LOG_LIMIT } else { BODY_LIMIT };
        let body = axum::body::to_bytes(body, limit).await.map_err(|_| Answer::text(413, "The body is too large."))?;
        let query = pairs(parts.uri.query().unwrap_or_default().as_bytes());
        Ok(Self { method: parts.method, host, path, query, headers: parts.headers, body })
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn is_form(&self) -> bool {
        self.header(&header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
    }

    /// The fields of a form body; empty when the body is something else.
    pub fn form(&self) -> Vec<(String, String)> {
        if self.is_form() { pairs(&self.body) } else { Vec::new() }
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.header(&header::COOKIE)?;
        cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
    }

    /// The path's parts between slashes.
    pub fn segments(&self) -> Vec<&str> {
        self.path.trim_start_matches('/').split('/').collect()
    }
}

/// Decodes `a=b&c=d`.
fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

/// The first value under a name.
pub(super) fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// One answer, with what the ledger is to know of it.
pub(super) struct Answer {
    pub status: u16,
    headers: Vec<(HeaderName, String)>,
    pub body: String,
    pub directory: Option<DirectoryId>,
    pub api: Option<Api>,
    /// The call came before the `Retry-After` it had been given.
    pub early: bool,
    pub delay: Option<Duration>,
    /// The connection is cut after so many bytes of the body.
    pub cut: Option<usize>,
}

impl Answer {
    fn new(status: u16, kind: &str, body: String) -> Self {
        let headers = vec![(header::CONTENT_TYPE, kind.to_owned())];
        Self { status, headers, body, directory: None, api: None, early: false, delay: None, cut: None }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }

    pub fn html(status: u16, body: String) -> Self {
        Self::new(status, "text/html; charset=utf-8", body)
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body.to_owned())
    }

    pub fn redirect(location: &str) -> Self {
        Self::text(302, "").header(header::LOCATION, location.to_owned())
    }

    /// An error of the Defender APIs: `{"error":{"code","message","target"}}`.
    pub fn defender(status: u16, code: &str, message: &str) -> Self {
        let target = uuid::Uuid::new_v4().to_string();
        Self::json(status, &serde_json::json!({"error": {"code": code, "message": message, "target": target}}))
    }

    /// An error of Microsoft Graph: `{"error":{"code","message","innerError"}}`.
    pub fn graph(status: u16, code: &str, message: &str) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        let date = crate::model::clock::now().format("%Y-%m-%dT%H:%M:%S").to_string();
        let inner = serde_json::json!({"date": date, "request-id": id, "client-request-id": id});
        Self::json(status, &serde_json::json!({"error": {"code": code, "message": message, "innerError": inner}}))
    }

    pub fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Says something else under another content type.
    pub fn set_body(&mut self, kind: &str, text: String) {
        self.headers.retain(|(name, _)| *name != header::CONTENT_TYPE);
        self.headers.push((header::CONTENT_TYPE, kind.to_owned()));
        self.body = text;
    }

    pub fn of(mut self, api: Api, directory: DirectoryId) -> Self {
        self.api = Some(api);
        self.directory = Some(directory);
        self
    }

    pub fn into_response(self) -> Response {
        let mut body = self.body;
        if let Some(bytes) = self.cut {
            body.truncate((0..=bytes).rev().find(|at| body.is_char_boundary(*at)).unwrap_or_default());
        }
        let body = if self.cut.is_some() { Body::new(Broken(Some(body.into()))) } else { Body::from(body) };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(name, value);
            }
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.into_response()
    }
}

/// A body that ends with an error after its one piece: the server then cuts the connection.
struct Broken(Option<Bytes>);

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(match self.0.take().filter(|piece| !piece.is_empty()) {
            Some(piece) => Ok(Frame::data(piece)),
            None => Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted)),
        }))
    }
}
