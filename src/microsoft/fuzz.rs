//! Doors for fuzz targets (`tests/fuzz`), to what reads texts of strangers and is no other floor's business. Only in their build.

pub use super::id_token::fuzz as id_token;

use super::{http, odata};
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use std::time::Duration;
use url::Url;

/// Where a page's link leads, if it is followed.
pub fn next_page(asked: &Url, link: &str) -> Option<Url> {
    odata::next_page(asked, link).ok()
}

/// How long a `Retry-After` has us wait.
pub fn retry_after(value: &str, server_time: DateTime<Utc>) -> Option<Duration> {
    http::retry_after(value, server_time)
}

/// The records of a list's page, and its link to the next.
pub fn list(body: &str, asked: &Url) -> Option<(Vec<Box<RawValue>>, Option<String>)> {
    odata::read(body, asked).ok()
}
