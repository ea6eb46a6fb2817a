//! The headers that every answer carries, errors too.

use crate::app::AppState;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::SocketAddr;

/// A page may load only our own style sheet, script and pictures, and post only to us. `form_target` is one more host that the answer to
/// a form may redirect to (`https://login.example.com`); such a page sets this header itself.
pub fn content_security_policy(form_target: Option<&str>) -> HeaderValue {
    let target = form_target.map(|target| format!(" {target}")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
         form-action 'self'{target}; base-uri 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; \
         report-uri {}",
        super::csp::PATH
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

const FIXED: [(HeaderName, &str); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"), // what frame-ancestors says, for browsers and scanners that do not know it
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), clipboard-read=(), \
         compute-pressure=(), display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), \
         gyroscope=(), hid=(), identity-credentials-get=(), idle-detection=(), keyboard-map=(), local-fonts=(), \
         magnetometer=(), microphone=(), midi=(), otp-credentials=(), payment=(), picture-in-picture=(), \
         screen-wake-lock=(), serial=(), storage-access=(), sync-xhr=(), usb=(), window-management=(), \
         xr-spatial-tracking=()",
    ),
    (header::CACHE_CONTROL, "no-store"),
];

/// A request's number is ours, or of a proxy that is trusted: whatever else a stranger writes there does not get into the log.
pub async fn no_foreign_request_id(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
    let is_trusted = peer.is_some_and(|peer| state.config.trusted_proxies.iter().any(|range| range.contains(peer)));
    if !is_trusted {
        request.headers_mut().remove("x-request-id");
    }
    next.run(request).await
}

/// Adds what the answer does not set itself.
pub async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| content_security_policy(None));
    if state.config.public_url.scheme() == "https" {
        let year = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(year);
    }
    response
}
