//! Pages: HTML from the server, a file for each group of pages with its structs, handlers and routes together.
//!
//! To add a page: a template struct beside its handler, the route in that file's `routes()`, a line in [`router`], and a row in
//! `tests/it/access.rs` that says who may come. The handler's arguments are the policy: [`extract::User`] and the roles,
//! [`extract::Id`] for ids in paths, [`extract::Posted`] for forms, [`scope::ScopedDb`] for data.

pub mod account;
pub mod acting;
pub mod admin;
pub mod alert;
pub mod alerts;
pub mod api;
mod attend;
pub mod batch;
pub mod batch_told;
pub mod bulk;
pub mod changes;
pub mod chips;
pub mod cloud_apps;
mod colleagues;
pub mod consent;
mod cookies;
pub mod coverage;
mod csp;
pub mod customer;
pub mod deadline;
pub mod device;
pub mod devices;
pub mod download;
pub mod endpoint;
pub mod error;
pub mod evidence;
pub mod export;
pub mod extract;
pub mod filters;
pub mod groups;
pub mod headers;
pub mod health;
pub mod hunting;
pub mod incident;
pub mod incident_batch;
pub mod incidents;
pub mod list;
pub mod live;
pub mod login;
pub mod names;
pub mod onboard;
pub mod originals;
pub mod overview;
pub mod page;
pub mod palette;
pub mod picks;
pub mod posted;
pub mod preview;
pub mod qr;
pub mod queue;
mod refusals;
pub mod scope;
pub mod setup;
pub mod shift;
pub mod show;
pub mod static_files;
pub mod step_up;
pub mod suppressions;
pub mod tenant;
pub mod tenants;
pub mod told;
pub mod trend;
pub mod triage;
pub mod views;

use crate::app::AppState;
use crate::store::audit;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Router, body::Body};
use error::PageError;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;

/// Requests under way at once in one process; what comes beside them is told to come later, before anything is done for it.
const AT_ONCE: usize = 256;
/// For whom that does not hold.
const HEALTH: [&str; 2] = ["/livez", "/readyz"];
/// The longest address, path and query: a filter of a hundred tenants has 4,400 bytes.
const ADDRESS: usize = 8 * 1024;
/// The most a request may take, and the largest body of one that says nothing else.
const TIME: Duration = Duration::from_secs(15);
const BODY: usize = 64 * 1024;
/// Requests that bring a large file, and the most they may take.
const LONG: [&str; 2] = ["/tenants/{tenant}/cloud-apps/discovery/upload", "/api/v1/tenants/{id}/cloud-apps/discovery/uploads"];
const LONG_TIME: Duration = Duration::from_mins(10);

/// Every page behind the layers that guard it.
pub fn router(state: AppState) -> Router {
    let pages = Router::new()
        .merge(health::routes())
        .merge(csp::routes())
        .merge(static_files::routes())
        .merge(login::routes())
        .merge(setup::routes())
        .merge(account::routes())
        .merge(step_up::routes())
        .merge(onboard::routes())
        .merge(customer::routes())
        .merge(api::routes())
        .merge(overview::routes())
        .merge(shift::routes())
        .merge(live::routes())
        .merge(incidents::routes())
        .merge(incident::routes())
        .merge(alerts::routes())
        .merge(alert::routes())
        .merge(suppressions::routes())
        .merge(views::routes())
        .merge(export::routes())
        .merge(tenants::routes())
        .merge(tenant::routes())
        .merge(changes::routes())
        .merge(consent::routes())
        .merge(hunting::routes())
        .merge(cloud_apps::routes())
        .merge(acting::routes())
        .merge(triage::routes())
        .merge(batch::routes())
        .merge(incident_batch::routes())
        .merge(batch_told::routes())
        .merge(bulk::routes())
        .merge(preview::routes())
        .merge(palette::routes())
        .merge(colleagues::routes())
        .merge(devices::routes())
        .merge(device::routes())
        .merge(endpoint::routes())
        .merge(admin::routes());
    guarded(pages, state)
}

/// Routes behind the layers that guard every page.
pub fn guarded(pages: Router<AppState>, state: AppState) -> Router {
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), headers::no_foreign_request_id))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(from_fn(audited))
        .layer(from_fn_with_state(state.clone(), headers::guard))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(from_fn(api::of_pages))
        .layer(from_fn(attend::attend))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::new(Semaphore::new(AT_ONCE)), shed))
        .layer(from_fn_with_state(refusals::Scribe::new(state.clone()), refusals::write_down))
        .layer(
            own_site_only(&state).with_rejection_response(|_: ProtectionError| -> Response<Body> { PageError::Forbidden.into_response() }),
        )
        .layer(from_fn(in_time))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(state.clone(), step_up::guard));
    pages
        .fallback(|| async { PageError::NotFound })
        .method_not_allowed_fallback(|| async { PageError::MethodNotAllowed })
        .layer(layers)
        .with_state(state)
}

/// Only the pattern of the path goes to the log: paths and queries may hold one-time tokens and search words.
fn span(request: &Request) -> tracing::Span {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info_span!("request", method = %request.method(), path, id)
}

/// What a request does is written down under its number.
async fn audited(request: Request, next: Next) -> Response {
    let number = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    audit::as_request(number, next.run(request)).await
}

fn own_site_only(state: &AppState) -> CsrfLayer {
    let own = state.config.public_url.origin().ascii_serialization();
    CsrfLayer::new().add_trusted_origin(own).unwrap_or_default()
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no text");
    metrics::counter!("watchfloor_panics_total").increment(1);
    PageError::Internal(anyhow::anyhow!("panic: {text}")).into_response()
}

/// Nothing that is too much to do, and no address that is none of ours.
async fn shed(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    if request.uri().path_and_query().is_some_and(|address| address.as_str().len() > ADDRESS) {
        return StatusCode::URI_TOO_LONG.into_response();
    }
    let place = places.try_acquire();
    if place.is_err() && !HEALTH.contains(&request.uri().path()) {
        metrics::counter!("watchfloor_requests_shed_total").increment(1);
        return PageError::Overloaded.into_response();
    }
    next.run(request).await
}

async fn in_time(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let time = if LONG.contains(&path) { LONG_TIME } else { TIME };
    tokio::time::timeout(time, next.run(request)).await.unwrap_or_else(|_| PageError::Busy.into_response())
}
