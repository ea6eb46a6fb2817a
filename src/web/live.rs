//! Pages that are open: a stream that says when to ask, and what there is to say then. The page itself is never changed under its reader.

use super::error::PageError;
use super::extract::{Id, Query, Watcher};
use super::list::{Asked, RawQuery};
use super::scope::ScopedDb;
use super::show::capped;
use crate::app::AppState;
use crate::app::live::{Live, Place};
use crate::auth::sessions;
use crate::model::{AlertId, IncidentId, Scope, clock};
use crate::store::live::{Kind, RecordNews, Seen, Told};
use crate::store::{self, Db};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use url::form_urlencoded;

/// What comes within this time of the first, as all changes of one transaction do, is one event.
const GATHER: Duration = Duration::from_millis(100);
/// Between two events of a stream: whatever comes meanwhile is one event, too.
const PACE: Duration = Duration::from_secs(1);
/// A stream without events looks this often whether its reader is still signed in.
const CHECK: Duration = Duration::from_secs(20);
/// A stream ends after this long; the page opens another one.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// Proxies end connections that say nothing.
const ALIVE: Duration = Duration::from_secs(15);

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/live", get(stream))
        .route("/incidents/news", get(incidents))
        .route("/alerts/news", get(alerts))
        .route("/incidents/{id}/news", get(incident))
        .route("/alerts/{id}/news", get(alert))
}

/// What `partials/live.html` tells the script of a page.
#[derive(Debug)]
pub struct Watch {
    /// Which events are about this page.
    pub kinds: &'static str,
    /// Where to ask for news.
    pub news: String,
    /// The page, loaded again: a list from its first page.
    pub again: String,
}

impl Watch {
    /// Of a list of `kind`.
    pub fn list(kind: Kind, asked: &Asked, seen: &Seen) -> Self {
        let again = asked.address.with("after", "");
        let (path, query) = again.split_once('?').unwrap_or((&again, ""));
        let joint = if query.is_empty() { "" } else { "&" };
        Self { kinds: kind.as_str(), news: format!("{path}/news?{}{joint}{query}", since(seen)), again }
    }

    /// Of the page of one record.
    pub fn record(path: String, seen: &Seen) -> Self {
        Self { kinds: "incidents alerts changes", news: format!("{path}/news?{}", since(seen)), again: path }
    }
}

fn since(seen: &Seen) -> String {
    let at = seen.at.to_rfc3339_opts(SecondsFormat::Micros, true);
    form_urlencoded::Serializer::new(String::new()).append_pair("since", &at).append_pair("seen", &seen.snapshot).finish()
}

/// What a page had seen, as its address of news says it.
#[derive(Clone, Debug, Deserialize)]
struct Since {
    since: DateTime<Utc>,
    seen: String,
}

impl Since {
    fn seen(&self) -> Result<Seen, PageError> {
        Seen::read(self.since, &self.seen).ok_or_else(|| PageError::BadRequest("No page asks for news like this. Reload it.".into()))
    }
}

/// What there is to say.
#[derive(Debug, Serialize)]
struct News {
    count: i64,
    /// The count for the title of the tab.
    number: String,
    text: String,
}

impl News {
    fn of_list(count: i64) -> Json<Self> {
        let number = capped(count);
        Json(Self { count, text: format!("{number} new · load"), number })
    }

    fn of_record(what: &str, news: RecordNews) -> Json<Self> {
        let text = match news {
            RecordNews { there: true, .. } => format!("This {what} has changed at Defender · show"),
            RecordNews { here: true, .. } => format!("A change of this {what} has gone on · show"),
            _ => String::new(),
        };
        let count = i64::from(!text.is_empty());
        Json(Self { count, number: count.to_string(), text })
    }
}

async fn incidents(
    Watcher(user): Watcher,
    db: ScopedDb,
    Query(since): Query<Since>,
    RawQuery(query): RawQuery,
) -> Result<Json<News>, PageError> {
    let (seen, asked) = (since.seen()?, Asked::read("/incidents", &query)?);
    let mut tx = db.begin().await?;
    let filter = asked.filter(&mut tx, &user, clock::now()).await?;
    let count = store::incidents::news(&mut tx, &filter, &seen).await?;
    tx.commit().await?;
    Ok(News::of_list(count))
}

async fn alerts(
    Watcher(user): Watcher,
    db: ScopedDb,
    Query(since): Query<Since>,
    RawQuery(query): RawQuery,
) -> Result<Json<News>, PageError> {
    let (seen, asked) = (since.seen()?, Asked::read("/alerts", &query)?);
    let mut tx = db.begin().await?;
    let filter = asked.filter(&mut tx, &user, clock::now()).await?;
    let count = store::alerts::news(&mut tx, &filter, &seen).await?;
    tx.commit().await?;
    Ok(News::of_list(count))
}

async fn incident(_: Watcher, db: ScopedDb, Id(id): Id<IncidentId>, Query(since): Query<Since>) -> Result<Json<News>, PageError> {
    let seen = since.seen()?;
    let mut tx = db.begin().await?;
    let incident = store::incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let news = store::live::of_incident(&mut tx, &incident, &seen).await?;
    tx.commit().await?;
    Ok(News::of_record("incident", news))
}

async fn alert(_: Watcher, db: ScopedDb, Id(id): Id<AlertId>, Query(since): Query<Since>) -> Result<Json<News>, PageError> {
    let seen = since.seen()?;
    let mut tx = db.begin().await?;
    let alert = store::alerts::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let news = store::live::of_alert(&mut tx, &alert, &seen).await?;
    tx.commit().await?;
    Ok(News::of_record("alert", news))
}

async fn stream(State(live): State<Live>, State(db): State<Db>, Watcher(user): Watcher) -> Response {
    let Some(place) = live.join(user.who().0) else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")], "too many open pages\n").into_response();
    };
    let now = Instant::now();
    let open = Open { place, db, session: user.session_hash.clone(), scope: user.scope.clone(), ends: now + LIFE, next: now };
    let events = futures_util::stream::unfold(open, |mut open| async move {
        let event = open.event().await?;
        Some((Ok::<_, Infallible>(event), open))
    });
    // nginx keeps back what it is not told to pass on at once.
    let headers = [("x-accel-buffering", "no"), ("cache-control", "no-store")];
    (headers, Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE))).into_response()
}

/// A stream that is open.
struct Open {
    place: Place,
    db: Db,
    session: Vec<u8>,
    /// What its reader may see; the stream ends when that changes.
    scope: Scope,
    ends: Instant,
    /// When it may tell again.
    next: Instant,
}

impl Open {
    /// The next event: which kinds of rows changed that the reader may see. None when the stream is over, as it is for a reader who has
    /// signed out or sees other tenants now: both are looked at before each event.
    async fn event(&mut self) -> Option<Event> {
        let mut kinds = BTreeSet::new();
        let mut due = Instant::now() + CHECK;
        loop {
            tokio::select! {
                () = self.place.closing.cancelled() => return None,
                () = sleep_until(self.ends) => return None,
                told = self.place.heard.recv() => {
                    let told = told_to(&self.scope, &told);
                    if kinds.is_empty() && !told.is_empty() {
                        due = self.next.max(Instant::now() + GATHER);
                    }
                    kinds.extend(told);
                }
                () = sleep_until(due) => {
                    if !sessions::is_open(&self.db, &self.session, &self.scope).await {
                        return None;
                    }
                    due = Instant::now() + CHECK;
                    if !kinds.is_empty() {
                        self.next = Instant::now() + PACE;
                        let kinds: Vec<&str> = kinds.into_iter().map(Kind::as_str).collect();
                        return Some(Event::default().event("news").data(kinds.join(" ")));
                    }
                }
            }
        }
    }
}

/// What of it concerns a reader of these tenants. What was missed may have been anything.
fn told_to(scope: &Scope, told: &Result<Told, RecvError>) -> Vec<Kind> {
    match told {
        Ok(Told::Changed(kind, tenant)) if scope.holds(*tenant) => vec![*kind],
        Ok(Told::Changed(..)) => Vec::new(),
        Ok(Told::Missed) | Err(_) => Kind::ALL.to_vec(),
    }
}
