//! Activities: a filter, what it found, one of them, and feedback.

use super::{Head, Shown, Told, answer, ask, change, next_of, path, pretty};
use crate::app::AppState;
use crate::app::cloud_apps::{self, Activity};
use crate::model::cloud_apps::{ActivityFeedback, ActivityQuery, Feedback, is_id};
use crate::model::{ChangeId, LookupId, TenantId, clock};
use crate::store::changes;
use crate::store::lookups::{Lookup, New};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Posted, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{get, post};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;

const LIST: &str = "cloud_apps.activities.list";
const GET: &str = "cloud_apps.activities.get";

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/tenants/{tenant}/cloud-apps/activities", get(show).post(find))
        .route("/tenants/{tenant}/cloud-apps/activities/one", post(one))
        .route("/tenants/{tenant}/cloud-apps/activities/feedback", post(feedback))
}

/// One activity of an answer.
pub(super) struct Row {
    pub activity: Activity,
    pub json: String,
}

/// The activities of an answer, the list's or a single one, and whether there are more. `None`: there is no answer that can be read.
pub(super) fn rows(lookup: &Lookup) -> Option<(Vec<Row>, Option<u64>, bool)> {
    let text = lookup.answer.as_deref()?;
    if lookup.operation == GET {
        let activity = serde_json::from_str(text).unwrap_or_default();
        return Some((vec![Row { activity, json: pretty(text) }], None, false));
    }
    let list = cloud_apps::list::<Activity>(text)?;
    let unread = list.unread.into_iter().map(|original| (Activity::default(), original));
    let rows = list.records.into_iter().chain(unread).map(|(activity, original)| Row { activity, json: pretty(&original) }).collect();
    Some((rows, list.total, list.more))
}

#[derive(Template)]
#[template(path = "cloud_apps/activities.html")]
struct ActivitiesPage {
    user: User,
    head: Head,
    told: Option<Told>,
    /// What was asked, in Microsoft's words.
    asked: String,
    lookup: Option<LookupId>,
    rows: Vec<Row>,
    total: Option<u64>,
    more: bool,
}

async fn show(user: User, db: ScopedDb, Id(tenant): Id<TenantId>, Query(shown): Query<Shown>) -> Result<Page<ActivitiesPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let head = Head::of(&mut tx, tenant, "activities", now).await?;
    let found = answer(&mut tx, tenant, shown.answer, &[LIST, GET]).await?;
    tx.commit().await?;
    let listed = found.as_ref().and_then(rows);
    let filters = found.as_ref().and_then(|found| found.request.as_ref()).map(|request| request["filters"].to_string());
    let asked = filters.filter(|filters| filters != "{}").unwrap_or_default();
    let told = found.as_ref().map(|found| Told::of(found, now, listed.is_some()));
    let (lookup, (rows, total, more)) = (found.map(|found| found.lookup_id), listed.unwrap_or_default());
    Ok(Page(ActivitiesPage { user, head, told, asked, lookup, rows, total, more }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    #[serde(default)]
    who: String,
    #[serde(default)]
    ip: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    alert: String,
    /// Days, as a date field sends them.
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    scan: String,
    /// The answer to go on from.
    after: Option<LookupId>,
}

/// The first or last moment of a day, UTC.
fn day(text: &str, time: NaiveTime) -> Result<Option<DateTime<Utc>>, PageError> {
    if text.is_empty() {
        return Ok(None);
    }
    let day: NaiveDate = text.parse().map_err(|_| PageError::BadRequest("That is no day.".into()))?;
    Ok(Some(day.and_time(time).and_utc()))
}

async fn find(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, find): Posted<Find>,
) -> Result<Redirect, PageError> {
    let request = if let Some(after) = find.after {
        next_of(&state, &user, tenant, after, LIST).await?
    } else {
        let last = NaiveTime::from_hms_milli_opt(23, 59, 59, 999).unwrap_or_default();
        let (since, until) = (day(&find.since, NaiveTime::MIN)?, day(&find.until, last)?);
        let (user, ip, action, alert, scan) = (find.who, find.ip, find.action, find.alert, find.scan == "yes");
        let query = ActivityQuery { user, ip, action, alert, since, until, scan };
        query.body().map_err(|why| PageError::BadRequest(why.into()))?
    };
    let asked = ask(&state, &user, tenant, &New { operation: LIST, request: Some(request), ..New::default() }).await?;
    Ok(Redirect::to(&path(tenant, &format!("activities?answer={}", asked.lookup_id))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    activity: String,
}

async fn one(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, One { activity }): Posted<One>,
) -> Result<Redirect, PageError> {
    if !is_id(&activity) {
        return Err(PageError::BadRequest("That is no activity's id.".into()));
    }
    let asked = ask(&state, &user, tenant, &New { operation: GET, args: &[&activity], ..New::default() }).await?;
    Ok(Redirect::to(&path(tenant, &format!("activities?answer={}", asked.lookup_id))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFeedback {
    change: ChangeId,
    activity: String,
    value: String,
    text: String,
    #[serde(default)]
    contact: String,
}

async fn feedback(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, new): Posted<NewFeedback>,
) -> Result<Redirect, PageError> {
    if !is_id(&new.activity) {
        return Err(PageError::BadRequest("That is no activity's id.".into()));
    }
    let contact = Some(new.contact.trim().to_owned()).filter(|contact| !contact.is_empty());
    let feedback = ActivityFeedback::new(new.value.trim(), Feedback { text: new.text, contact });
    let request = feedback.map_err(|why| PageError::BadRequest(why.into()))?.body();
    let subject = format!("Activity {}", new.activity);
    let (args, id) = ([new.activity.as_str()], (tenant, new.change));
    let new =
        changes::New { operation: "cloud_apps.activities.feedback", args: &args, subject: &subject, request: Some(request), comment: None };
    change(&state, &user, id, &new).await?;
    Ok(Redirect::to(&path(tenant, "activities")))
}
