//! One hunt: how it stands in each tenant, and what was found.

use crate::app::AppState;
use crate::app::hunts::{self, Over, Refusal, Wish};
use crate::model::{HuntId, HuntOutcome, clock};
use crate::store;
use crate::store::hunts::{Column, Hunt, Part};
use crate::web::chips::{self, Chip};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Nothing, Posted, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::{When, count, thousands};
use askama::Template;
use axum::extract::State;
use axum::response::Redirect;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

/// Rows on a page.
const ROWS: usize = 200;
/// Characters of one value that are shown; the file holds all.
const SHOWN: usize = 2000;

#[derive(Template)]
#[template(path = "hunting/show.html")]
struct HuntPage {
    user: User,
    hunt: Hunt,
    parts: Vec<Part>,
    columns: Vec<Column>,
    rows: Vec<(usize, Value)>,
    /// From 0.
    page: usize,
    now: DateTime<Utc>,
}

impl HuntPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn standing(&self) -> Chip {
        super::standing(&self.hunt)
    }

    /// A path of this hunt's own.
    fn at(&self, action: &str) -> String {
        format!("/hunting/{}/{action}", self.hunt.hunt_id)
    }

    fn progress(&self) -> String {
        let ended = self.hunt.seen - self.hunt.open;
        format!("{} of {} ended", thousands(ended), count(self.hunt.seen, "tenant", "tenants"))
    }

    /// Tenants of the hunt that the reader does not see (any more).
    fn unseen(&self) -> i64 {
        i64::from(self.hunt.tenants) - self.hunt.seen
    }

    fn total(&self) -> usize {
        usize::try_from(self.hunt.row_count).unwrap_or(0)
    }

    /// "Rows 1 to 200 of 1,204".
    fn place(&self) -> String {
        let number = |n: usize| thousands(i64::try_from(n).unwrap_or(i64::MAX));
        let first = self.page * ROWS;
        format!("Rows {} to {} of {}", number(first + 1), number(first + self.rows.len()), number(self.total()))
    }

    fn next(&self) -> Option<String> {
        ((self.page + 1) * ROWS < self.total()).then(|| format!("/hunting/{}?page={}", self.hunt.hunt_id, self.page + 2))
    }

    fn previous(&self) -> Option<String> {
        (self.page > 0).then(|| format!("/hunting/{}?page={}", self.hunt.hunt_id, self.page))
    }

    fn tenant(&self, found: &(usize, Value)) -> &str {
        &self.parts[found.0].tenant_name
    }

    /// Microsoft's interface, for people.
    fn through(part: &Part) -> &'static str {
        match part.operation.as_deref() {
            Some("graph.hunting.run") => "Graph",
            Some("xdr.hunting.run") => "Defender XDR",
            Some("endpoint.query.run") => "Defender for Endpoint",
            _ => "",
        }
    }

    fn remedy(&self, part: &Part) -> Option<&'static str> {
        let stopped = part.outcome == HuntOutcome::Cancelled && self.hunt.stopped.as_deref() == Some("refused");
        if stopped { None } else { part.outcome.remedy() }
    }

    fn cell(found: &(usize, Value), column: &Column) -> String {
        let text = plain(&found.1[column.name.as_str()]);
        if text.chars().count() > SHOWN { text.chars().take(SHOWN).chain(['…']).collect() } else { text }
    }

    /// Where an alert is made from what a row tells of, if it names device, time and report.
    fn event(&self, (part, row): &(usize, Value)) -> Option<String> {
        let [machine, event_time, report_id] = ["DeviceId", "Timestamp", "ReportId"].map(|name| plain(&row[name]));
        if machine.is_empty() || event_time.is_empty() || report_id.is_empty() {
            return None;
        }
        let query = [("machine", machine), ("event_time", event_time), ("report_id", report_id)];
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        Some(format!("/tenants/{}/endpoint/alert?{query}", self.parts[*part].tenant_id))
    }

    /// The whole is reloaded while something may still happen, until there is something to read.
    fn is_live(&self) -> bool {
        self.hunt.is_running() && self.rows.is_empty()
    }
}

/// A value as it stands in a cell: texts without quotes, nothing for null, JSON for what holds more.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    /// From 1.
    page: Option<usize>,
}

pub(super) async fn show(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(hunt): Id<HuntId>,
    Query(asked): Query<Asked>,
) -> Result<Page<impl Template>, PageError> {
    let mut tx = db.begin().await?;
    let hunt = store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(PageError::NotFound)?;
    let parts = store::hunts::parts(&mut tx, hunt.hunt_id).await?;
    let page = asked.page.unwrap_or(1).clamp(1, 1_000_000) - 1;
    let rows = store::hunt_rows::page(&mut tx, hunt.hunt_id, &parts, page * ROWS, ROWS).await?;
    tx.commit().await?;
    Ok(Page(HuntPage { columns: store::hunts::columns(&parts), user, hunt, parts, rows, page, now: clock::now() }))
}

pub(super) async fn cancel(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(hunt): Id<HuntId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(PageError::NotFound)?;
    store::hunts::cancel(&mut tx, &user.by(), hunt, clock::now()).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/hunting/{hunt}")))
}

/// The same once more, over those of its tenants that the reader sees.
pub(super) async fn again(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(hunt): Id<HuntId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let old = store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(PageError::NotFound)?;
    let tenants = store::hunts::parts(&mut tx, hunt).await?.iter().map(|part| part.tenant_id).collect();
    tx.commit().await?;
    let wish = Wish { title: &old.title, query: &old.query, api: old.api, timespan: old.timespan.as_deref(), over: Over::These(tenants) };
    let started = hunts::start(&state.db, &state.queue, &user.scope, &user.by(), &wish, clock::now()).await;
    match started {
        Ok(hunt) => Ok(Redirect::to(&format!("/hunting/{hunt}"))),
        Err(Refusal::Field(_, message)) => Err(PageError::Conflict(message.into())),
        Err(Refusal::NoTenant) => Err(PageError::NotFound),
        Err(Refusal::TooMany(wait)) => Err(PageError::TooMany(hunts::TOO_MANY.into(), wait)),
        Err(Refusal::Failed(error)) => Err(error.into()),
    }
}
