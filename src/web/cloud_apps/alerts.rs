//! The open alerts, and what is done with them.

use super::{Head, Shown, Told, answer, ask, change, path};
use crate::app::{AppState, acting, cloud_apps};
use crate::model::cloud_apps::{Closing, Feedback, Verdict, open_alerts};
use crate::model::{AlertId, ChangeId, Product, TenantId, clock};
use crate::store::Scoped;
use crate::store::alerts::Alert;
use crate::store::changes::New;
use crate::store::lists::{Filter, OPEN, Order};
use crate::store::lookups::{self, Lookup};
use crate::web::acting::refused;
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Nothing, Posted, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{get, post};
use serde::Deserialize;

/// Alerts on the page, and how many can be marked at once: each is a call.
const ROWS: i64 = 100;
const MARKED: usize = 10;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/tenants/{tenant}/cloud-apps", get(show))
        .route("/tenants/{tenant}/cloud-apps/alerts", post(work))
        .route("/tenants/{tenant}/cloud-apps/compare", post(compare))
}

#[derive(Template)]
#[template(path = "cloud_apps/alerts.html")]
struct AlertsPage {
    user: User,
    head: Head,
    alerts: Vec<Alert>,
    /// There may be more than are listed.
    cut: bool,
    told: Option<Told>,
    compared: Option<Compared>,
}

/// What Microsoft has open, beside what we have.
struct Compared {
    /// As Microsoft counts, and never fewer than it listed.
    total: u64,
    /// The newest of them, which were compared.
    newest: usize,
    /// Microsoft has more than these.
    more: bool,
    /// Id and title of those that are not open here.
    missing: Vec<(String, String)>,
}

impl Compared {
    async fn of(tx: &mut Scoped, tenant: TenantId, found: &Lookup) -> sqlx::Result<Option<Self>> {
        let Some(list) = found.answer.as_deref().and_then(cloud_apps::list::<serde_json::Value>) else { return Ok(None) };
        let theirs: Vec<(String, String)> = list.records.iter().map(|(alert, _)| named(alert)).collect();
        let ids: Vec<String> = theirs.iter().map(|(id, _)| id.clone()).collect();
        let open = crate::store::alerts::open_ids(tx, tenant, Product::CloudApps, &ids).await?;
        let (newest, total) = (theirs.len(), list.total.unwrap_or_default().max(theirs.len() as u64));
        let missing = theirs.into_iter().filter(|(id, _)| !open.contains(id)).collect();
        Ok(Some(Self { total, newest, more: list.more || total > newest as u64, missing }))
    }
}

async fn show(user: User, db: ScopedDb, Id(tenant): Id<TenantId>, Query(shown): Query<Shown>) -> Result<Page<AlertsPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let head = Head::of(&mut tx, tenant, "alerts", now).await?;
    let filter = Filter {
        tenants: Some(vec![tenant]),
        statuses: OPEN.to_vec().into(),
        products: vec![Product::CloudApps].into(),
        ..Filter::default()
    };
    let alerts = crate::store::alerts::list(&mut tx, &filter, &Order::default(), None, ROWS).await?.rows;
    let found = answer(&mut tx, tenant, shown.answer, &["cloud_apps.alerts.list_get"]).await?;
    let compared = match &found {
        Some(found) => Compared::of(&mut tx, tenant, found).await?,
        None => None,
    };
    tx.commit().await?;
    let told = found.map(|found| Told::of(&found, now, compared.is_some()));
    let cut = i64::try_from(alerts.len()).is_ok_and(|rows| rows >= ROWS);
    Ok(Page(AlertsPage { user, head, alerts, cut, told, compared }))
}

fn named(alert: &serde_json::Value) -> (String, String) {
    let text = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
    (text("_id"), text("title"))
}

async fn compare(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let query = open_alerts();
    let new = lookups::New { operation: "cloud_apps.alerts.list_get", query: &query, ..lookups::New::default() };
    let asked = ask(&state, &user, tenant, &new).await?;
    Ok(Redirect::to(&path(tenant, &format!("?answer={}", asked.lookup_id)).replace("/?", "?")))
}

/// What is to be done with some alerts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Work {
    change: ChangeId,
    #[serde(default)]
    alert: Vec<AlertId>,
    /// read, unread or close.
    act: String,
    /// "benign:5": the verdict and the reason.
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    feedback: String,
    #[serde(default)]
    contact: String,
    /// "alert": back to the alert's own page.
    #[serde(default)]
    back: String,
}

async fn work(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, work): Posted<Work>,
) -> Result<Redirect, PageError> {
    if work.alert.is_empty() {
        return Err(PageError::BadRequest("Choose at least one alert.".into()));
    }
    let alerts = cloud_apps::alerts_of(&state.db, &user.scope, tenant, &work.alert).await.map_err(refused)?;
    let alerts = alerts.ok_or(PageError::NotFound)?;
    match work.act.as_str() {
        "close" => close(&state, &user, tenant, &alerts, &work).await?,
        "read" | "unread" => mark(&state, &user, tenant, &alerts, &work).await?,
        _ => return Err(PageError::BadRequest("There is no such action.".into())),
    }
    let back = match &alerts[..] {
        [alert] if work.back == "alert" => format!("/alerts/{}", alert.alert_id),
        _ => path(tenant, ""),
    };
    Ok(Redirect::to(&back))
}

async fn close(state: &AppState, user: &User, tenant: TenantId, alerts: &[Alert], work: &Work) -> Result<(), PageError> {
    let wrong = |why: &'static str| PageError::BadRequest(why.into());
    let (verdict, reason) = work.verdict.split_once(':').ok_or(wrong("Choose as what to close."))?;
    let verdict: Verdict = verdict.parse().map_err(|_| wrong("Choose as what to close."))?;
    let reason = if reason.is_empty() { None } else { Some(reason.parse().map_err(|_| wrong("There is no such reason."))?) };
    let contact = Some(work.contact.trim().to_owned()).filter(|contact| !contact.is_empty());
    let text = work.feedback.trim().to_owned();
    let feedback = (!text.is_empty() || contact.is_some()).then_some(Feedback { text, contact });
    let ids = alerts.iter().map(|alert| alert.external_id.clone()).collect();
    let closing = Closing::new(ids, verdict, reason, &work.comment, feedback).map_err(wrong)?;
    let args: Vec<&str> = closing.ids().iter().map(String::as_str).collect();
    let subject = cloud_apps::subject(alerts);
    let comment = Some(work.comment.as_str()).filter(|comment| !comment.is_empty());
    let new = New { operation: verdict.operation(), args: &args, subject: &subject, request: Some(closing.body()), comment };
    change(state, user, (tenant, work.change), &new).await.map(drop)
}

async fn mark(state: &AppState, user: &User, tenant: TenantId, alerts: &[Alert], work: &Work) -> Result<(), PageError> {
    if alerts.len() > MARKED {
        return Err(PageError::BadRequest("At most ten alerts can be marked at once: each is a call of its own.".into()));
    }
    let operation = if work.act == "read" { "cloud_apps.alerts.read" } else { "cloud_apps.alerts.unread" };
    let (by, mut last) = (user.by(), None);
    let mut tx = state.db.begin(&user.scope).await?;
    for alert in alerts {
        // Each is a call, and so a change of its own.
        let change = acting::change_of(&by, &format!("{} {} {}", work.change, work.act, alert.alert_id));
        let new = New { operation, args: &[&alert.external_id], subject: &alert.title, request: None, comment: None };
        acting::want(&mut tx, &state.queue, &by, tenant, change, &new).await.map_err(refused)?;
        last = Some(change);
    }
    tx.commit().await?;
    if let Some(last) = last {
        cloud_apps::outcome(&state.db, tenant, last).await?;
    }
    Ok(())
}
