//! What is refused is written into the audit log: who wanted what, at first each time and then how often. An id that somebody is told does not
//! exist may be another tenant's, so that is written down as well, whichever it is: looking whether it exists would take a while that tells.

use super::error::Told;
use super::extract::client_ip;
use crate::app::AppState;
use crate::auth::limits::household;
use crate::model::TenantId;
use crate::store::Db;
use crate::store::audit::{self, Actor, By, Event};
use crate::store::limits::{self, Limit};
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// So many rows at once, and then one a minute: of one person or address, and of all strangers together.
const EACH: Limit = Limit { burst: 10.0, each_second: 1.0 / 60.0 };
const STRANGERS: Limit = Limit { burst: 30.0, each_second: 1.0 / 6.0 };
/// So many are written at once.
const AT_ONCE: usize = 3;
/// The longest address that is written down whole.
const LONG: usize = 200;

/// Who sends a request, as soon as somebody has found out.
#[derive(Clone, Debug, Default)]
pub struct Caller(Arc<OnceLock<(By, Option<TenantId>)>>);

impl Caller {
    /// Notes it. `tenant`: whose person it is, if a customer's.
    pub fn note(parts: &Parts, by: By, tenant: Option<TenantId>) {
        if let Some(caller) = parts.extensions.get::<Self>() {
            caller.0.get_or_init(|| (by, tenant));
        }
    }
}

/// What a request wanted.
struct Wanted {
    /// Method and path without the query. A stranger's is the pattern only: a path may hold a one-time secret.
    what: String,
    pattern: String,
    /// One of its parts is somebody's choice.
    names_something: bool,
    of_api: bool,
    ip: Option<String>,
}

impl Wanted {
    fn of(parts: &Parts, state: &AppState) -> Self {
        let pattern = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let path = parts.uri.path();
        Self {
            what: format!("{} {}", parts.method, &path[..path.floor_char_boundary(LONG)]),
            pattern: format!("{} {pattern}", parts.method),
            names_something: pattern.contains('{'),
            of_api: path.starts_with("/api/"),
            ip: client_ip(parts, &state.config),
        }
    }
}

/// What the layer needs.
#[derive(Clone)]
pub struct Scribe {
    state: AppState,
    /// What strangers can have refused takes few of the database's connections.
    places: Arc<Semaphore>,
}

impl Scribe {
    pub fn new(state: AppState) -> Self {
        Self { state, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// The layer.
pub async fn write_down(State(Scribe { state, places }): State<Scribe>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::default();
    parts.extensions.insert(caller.clone());
    let wanted = Wanted::of(&parts, &state);
    let response = next.run(Request::from_parts(parts, body)).await;
    let told = response.extensions().get::<Told>().map(|told| told.title);
    let caller = caller.0.get();
    let Some(action) = action(response.status(), caller.is_some(), &wanted, told) else { return response };
    let Ok(_place) = places.try_acquire() else {
        metrics::counter!("watchfloor_refusals_unwritten_total").increment(1);
        return response;
    };
    if let Err(error) = record(&state, caller, &wanted, action, json!({ "status": response.status().as_u16(), "told": told })).await {
        tracing::warn!(%error, "what was refused is not in the audit log");
    }
    response
}

/// What an answer is called in the audit log, if it is a refusal. A page of its own, of the sign-in say, has written its own row.
fn action(status: StatusCode, known: bool, wanted: &Wanted, told: Option<&str>) -> Option<&'static str> {
    match status {
        _ if told.is_none() && !wanted.of_api => None,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some("security.refused"),
        StatusCode::NOT_FOUND if known && wanted.names_something => Some("security.not_found"),
        _ => None,
    }
}

async fn record(
    state: &AppState,
    caller: Option<&(By, Option<TenantId>)>,
    wanted: &Wanted,
    action: &str,
    answer: Value,
) -> sqlx::Result<()> {
    let stranger = By { actor: Actor::Stranger, ip: wanted.ip.clone() };
    let (by, tenant) = caller.map_or((&stranger, None), |(by, tenant)| (by, *tenant));
    let way = if wanted.of_api { "api" } else { "page" };
    let who = match (by.user(), by.customer()) {
        (Some(user), _) => format!("{way} {user}"),
        (_, Some(customer)) => format!("customer {customer}"),
        _ => household(wanted.ip.as_deref().unwrap_or_default()),
    };
    let object = if caller.is_some() { &wanted.what } else { &wanted.pattern };
    let mut event = by.event(action).object(object.as_str()).refused();
    event.tenant = tenant;
    let all = caller.is_none().then_some("refused");
    now_and_then(&state.db, &format!("refused {who}"), all, event, answer).await
}

/// Writes a row about a person or address (`who`), as long as there are few of them, and of `all` strangers together: otherwise the next one says
/// how many there were.
pub async fn now_and_then(db: &Db, who: &str, all: Option<&str>, event: Event<'_>, mut after: Value) -> sqlx::Result<()> {
    let mut tx = db.no_tenant().await?;
    let buckets: Vec<(&str, Limit)> = [(who, EACH)].into_iter().chain(all.map(|all| (all, STRANGERS))).collect();
    for (bucket, limit) in &buckets {
        if limits::take(&mut tx, bucket, *limit).await?.is_some() {
            return tx.commit().await;
        }
    }
    let names: Vec<&str> = buckets.iter().map(|(name, _)| *name).collect();
    after["unwritten"] = limits::untold(&mut tx, &names).await?.into();
    audit::record(&mut tx, event.after(after)).await?;
    tx.commit().await
}
