//! What a change of shift asks for: what happened since one looked, what colleagues want read, and how the work stands.

mod people;
mod since;
mod times;

use super::coverage::Reading;
use super::error::PageError;
use super::extract::{Posted, Query, User};
use super::filters;
use super::incident::timeline::remote;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::{When, thousands};
use super::views::List;
use crate::app::AppState;
use crate::config::Config;
use crate::model::{Status, clock};
use crate::store::incidents::IncidentEvent;
use crate::store::shift::{self, Changed, Pinned, Sums};
use crate::store::{self, Scoped};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{get, post};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use people::Worker;
use serde::Deserialize;
use since::Since;
use std::sync::Arc;

/// How far back the times go that it took.
const WEEK: TimeDelta = TimeDelta::days(7);
/// What a reading is writing while the page is made bears times from before it: better told twice than never.
const SETTLING: TimeDelta = TimeDelta::seconds(10);

pub fn routes() -> Router<AppState> {
    Router::new().route("/shift", get(page)).route("/shift/looked", post(looked))
}

#[derive(Template)]
#[template(path = "shift.html")]
struct ShiftPage {
    user: User,
    reading: Reading,
    since: Since,
    start: DateTime<Utc>,
    tiles: Vec<Tile>,
    notes: Vec<Pinned>,
    more_notes: bool,
    incidents: Vec<Line>,
    changed: i64,
    /// More was read than was looked at.
    cut: bool,
    workers: Vec<Worker>,
    more_workers: bool,
    times: Vec<times::Line>,
    now: DateTime<Utc>,
}

struct Tile {
    label: &'static str,
    value: String,
    note: &'static str,
    /// Into the queue, where a filter of it says the same.
    link: Option<String>,
}

/// An incident that changed, and how, in words.
struct Line {
    incident: Changed,
    happened: Vec<String>,
    /// More happened than is told.
    more: bool,
}

impl ShiftPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    /// What the button says of the reader: nothing later than what this page can know.
    fn until(&self) -> String {
        (self.now - SETTLING).to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    /// The changed incidents in the queue, where a filter says the same.
    fn queue(&self) -> Option<String> {
        self.since.filter().map(|word| format!("/incidents?status=all&updated={word}&sort=updated"))
    }

    /// "The first 50 of 1,204.", if more changed than is shown.
    fn shown(&self) -> Option<String> {
        (self.changed > shift::INCIDENTS).then(|| format!("The first {} of {}, worst first.", shift::INCIDENTS, thousands(self.changed)))
    }

    /// Of so many events the page tells at most.
    fn looked_at() -> String {
        thousands(shift::EVENTS)
    }

    fn never_looked(&self) -> bool {
        self.since == Since::Looked && self.user.looked_at.is_none()
    }

    fn unpin(note: &Pinned) -> String {
        format!("/incidents/{}/notes/{}/pin", note.incident_id, note.note_id)
    }
}

#[derive(Deserialize)]
struct Asked {
    since: Option<String>,
}

async fn page(
    State(config): State<Arc<Config>>,
    user: User,
    db: ScopedDb,
    Query(Asked { since }): Query<Asked>,
) -> Result<Page<ShiftPage>, PageError> {
    let since = since.filter(|text| !text.is_empty()).map_or(Ok(Since::default()), |text| text.parse());
    let since: Since = since.map_err(|()| PageError::BadRequest("A shift begins at a time such as 06:00.".into()))?;
    let now = clock::now();
    let start = since.start(&user, now);
    let mut tx = db.begin().await?;
    let reading = Reading::of(&mut tx, None, List::Incidents.products(), now, config.sync.interval).await?;
    let news = shift::news(&mut tx, start).await?;
    let incidents = lines(&mut tx, news.incidents, start).await?;
    let mut notes = shift::pinned(&mut tx).await?;
    let workers = workers(&mut tx, &user, start).await?;
    let acknowledged = shift::acknowledged(&mut tx, now - WEEK).await?;
    let times = times::lines(&acknowledged, &shift::resolved(&mut tx, now - WEEK).await?);
    tx.commit().await?;
    let more_notes = i64::try_from(notes.len()).is_ok_and(|notes| notes > shift::NOTES);
    if more_notes {
        notes.pop();
    }
    Ok(Page(ShiftPage {
        user,
        reading,
        since,
        start,
        tiles: tiles(&news.sums, since),
        notes,
        more_notes,
        incidents,
        changed: news.sums.changed,
        cut: news.cut,
        more_workers: workers.len() > people::shown() + 1,
        workers: workers.into_iter().take(people::shown() + 1).collect(),
        times,
        now,
    }))
}

async fn lines(tx: &mut Scoped, incidents: Vec<Changed>, start: DateTime<Utc>) -> sqlx::Result<Vec<Line>> {
    let mut events = shift::events(tx, &incidents, start).await?;
    let line = |incident: Changed| {
        let events: Vec<IncidentEvent> = events.remove(&incident.incident_id).unwrap_or_default();
        let more = i64::try_from(events.len()).is_ok_and(|told| told >= shift::EVENTS_OF_ONE);
        Line { incident, happened: events.iter().map(remote).collect(), more }
    };
    Ok(incidents.into_iter().map(line).collect())
}

async fn workers(tx: &mut Scoped, user: &User, start: DateTime<Utc>) -> sqlx::Result<Vec<Worker>> {
    let open = shift::open(tx, user.scope.narrowed(&[]).as_deref()).await?;
    let resolved = shift::resolved_by(tx, start).await?;
    let changes = shift::changes(tx, start).await?;
    Ok(people::workers(open, resolved, changes, &user.login))
}

fn tiles(sums: &Sums, since: Since) -> Vec<Tile> {
    let tile = |label, value, note, query: Option<&str>| {
        let link = query.and_then(|query| since.filter().map(|word| format!("/incidents?{query}={word}&sort=updated")));
        Tile { label, value: thousands(value), note, link }
    };
    vec![
        tile("Changed", sums.changed, "incidents, each counted once", Some("status=all&updated")),
        tile("First read", sums.opened, "opened at Microsoft, now or earlier", Some("status=all&created")),
        tile("Taken", sums.taken, "nobody’s before", None),
        tile("Raised", sums.raised, "to a higher severity", None),
        tile("Seen resolved", sums.resolved, "their change was read here", Some("status=resolved&updated")),
        tile("Reopened", sums.reopened, "resolved before", None),
    ]
}

/// The form: what its reader has seen is what there was when the page was made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    until: DateTime<Utc>,
}

async fn looked(db: ScopedDb, Posted(user, Seen { until }): Posted<Seen>) -> Result<Redirect, PageError> {
    if until > clock::now() {
        return Err(PageError::BadRequest("That time has not come yet.".into()));
    }
    let mut tx = db.begin().await?;
    store::users::looked(&mut tx, user.id, until).await?;
    tx.commit().await?;
    Ok(Redirect::to("/shift"))
}
