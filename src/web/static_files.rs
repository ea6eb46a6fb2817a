//! The style sheet, the scripts and the icon, compiled in and served under names that hold their hash, so that they can be kept for ever.

use super::error::PageError;
use super::extract::Id;
use crate::app::AppState;
use crate::model::hex;
use aws_lc_rs::digest;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::LazyLock;

struct File {
    url: String,
    kind: &'static str,
    body: &'static [u8],
}

impl File {
    fn new(stem: &str, extension: &str, kind: &'static str, body: &'static [u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, body);
        let short = hex::encode(&hash.as_ref()[..8]);
        Self { url: format!("/static/{stem}.{short}.{extension}"), kind, body }
    }
}

static STYLE: LazyLock<File> =
    LazyLock::new(|| File::new("style", "css", "text/css; charset=utf-8", include_bytes!("../../static/style.css")));
static SCRIPT: LazyLock<File> =
    LazyLock::new(|| File::new("app", "js", "text/javascript; charset=utf-8", include_bytes!("../../static/app.js")));
static LIVE: LazyLock<File> =
    LazyLock::new(|| File::new("live", "js", "text/javascript; charset=utf-8", include_bytes!("../../static/live.js")));
static CASE: LazyLock<File> =
    LazyLock::new(|| File::new("case", "js", "text/javascript; charset=utf-8", include_bytes!("../../static/case.js")));
static QUEUE: LazyLock<File> =
    LazyLock::new(|| File::new("queue", "js", "text/javascript; charset=utf-8", include_bytes!("../../static/queue.js")));
static PALETTE: LazyLock<File> =
    LazyLock::new(|| File::new("palette", "js", "text/javascript; charset=utf-8", include_bytes!("../../static/palette.js")));
static PASSKEY: LazyLock<File> =
    LazyLock::new(|| File::new("passkey", "js", "text/javascript; charset=utf-8", include_bytes!("../../static/passkey.js")));
static ICON: LazyLock<File> =
    LazyLock::new(|| File::new("icon", "svg", "image/svg+xml; charset=utf-8", include_bytes!("../../static/icon.svg")));

/// Where the style sheet is.
pub fn style() -> &'static str {
    &STYLE.url
}

/// Where the script is.
pub fn script() -> &'static str {
    &SCRIPT.url
}

/// Where the script of pages that watch for changes is.
pub fn live() -> &'static str {
    &LIVE.url
}

/// Where the script of incidents and alerts is.
pub fn case() -> &'static str {
    &CASE.url
}

/// Where the script of the lists is.
pub fn queue() -> &'static str {
    &QUEUE.url
}

/// Where the script of the palette and the help sheet is.
pub fn palette() -> &'static str {
    &PALETTE.url
}

/// Where the script of pages that ask for a passkey is.
pub fn passkey() -> &'static str {
    &PASSKEY.url
}

/// Where the icon is.
pub fn icon() -> &'static str {
    &ICON.url
}

pub fn routes() -> Router<AppState> {
    Router::new().route("/static/{file}", get(file))
}

async fn file(Id(name): Id<String>) -> Result<impl IntoResponse, PageError> {
    let all = [&*STYLE, &*SCRIPT, &*LIVE, &*CASE, &*QUEUE, &*PALETTE, &*PASSKEY, &*ICON];
    let wanted = all.into_iter().find(|file| file.url.strip_prefix("/static/") == Some(name.as_str()));
    let file = wanted.ok_or(PageError::NotFound)?;
    Ok(([(header::CONTENT_TYPE, file.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], file.body))
}
