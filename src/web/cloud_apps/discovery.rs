//! Cloud discovery: reports, their categories, and scripts that block apps on an appliance.

use super::{Head, Told, ask, path};
use crate::app::AppState;
use crate::app::cloud_apps::{self, Category, Stream};
use crate::model::cloud_apps::{FORMATS, SOURCES, category, is_id};
use crate::model::{LookupId, LookupState, TenantId, clock};
use crate::store::lookups::{self, Lookup, New};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Nothing, Posted, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

const REPORTS: &str = "cloud_apps.discovery.reports";
const CATEGORIES: &str = "cloud_apps.discovery.categories";
const SCRIPT: &str = "cloud_apps.discovery.block_script";

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/tenants/{tenant}/cloud-apps/discovery", get(show).post(find))
        .route("/tenants/{tenant}/cloud-apps/discovery/categories", post(categories))
        .route("/tenants/{tenant}/cloud-apps/discovery/script", post(script))
        .route("/tenants/{tenant}/cloud-apps/discovery/script/{lookup}", get(download))
}

#[derive(Template)]
#[template(path = "cloud_apps/discovery.html")]
struct DiscoveryPage {
    user: User,
    head: Head,
    told: Option<Told>,
    reports: Vec<Stream>,
    /// The report whose categories are shown, and how they were told.
    report: Option<(Stream, Told)>,
    categories: Vec<Category>,
    /// The latest script: its appliance, how it was told, and where it is.
    script: Option<(String, Told, LookupId)>,
}

impl DiscoveryPage {
    fn category(row: &Category) -> String {
        category(&row.id)
    }

    fn is_answered(told: &Told) -> bool {
        told.state == LookupState::Answered
    }
}

#[derive(Deserialize)]
struct Shown {
    /// Microsoft's id of the report whose categories are shown.
    report: Option<String>,
}

async fn show(user: User, db: ScopedDb, Id(tenant): Id<TenantId>, Query(shown): Query<Shown>) -> Result<Page<DiscoveryPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let head = Head::of(&mut tx, tenant, "discovery", now).await?;
    let found = lookups::latest(&mut tx, tenant, REPORTS, None).await?;
    let listed = found.as_ref().and_then(reports_of);
    let told = found.as_ref().map(|found| Told::of(found, now, listed.is_some()));
    let reports: Vec<Stream> = listed.unwrap_or_default();
    let (mut report, mut list) = (None, Vec::new());
    if let Some(id) = shown.report.filter(|id| is_id(id))
        && let Some(found) = lookups::latest_about(&mut tx, tenant, CATEGORIES, &json!({"streamId": id})).await?
    {
        let listed = found.answer.as_deref().and_then(cloud_apps::categories);
        let told = Told::of(&found, now, listed.is_some());
        list = listed.unwrap_or_default();
        list.sort_by_key(|category| std::cmp::Reverse(category.total));
        report = reports.iter().find(|report| report.id.as_deref() == Some(&id)).cloned().map(|report| (report, told));
    }
    let script = lookups::latest(&mut tx, tenant, SCRIPT, None).await?;
    let script = script.map(|script| (appliance(&script), Told::of(&script, now, true), script.lookup_id));
    tx.commit().await?;
    Ok(Page(DiscoveryPage { user, head, told, reports, report, categories: list, script }))
}

fn reports_of(lookup: &Lookup) -> Option<Vec<Stream>> {
    let reports = cloud_apps::streams(lookup.answer.as_deref()?)?;
    Some(reports.into_iter().map(|(report, _)| report).collect())
}

fn appliance(script: &Lookup) -> String {
    let number = script.query["format"].as_str().unwrap_or_default();
    let known = FORMATS.iter().find(|(format, _)| format.to_string() == number);
    known.map_or_else(|| number.to_owned(), |(_, name)| (*name).to_owned())
}

async fn find(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    ask(&state, &user, tenant, &New { operation: REPORTS, ..New::default() }).await?;
    Ok(Redirect::to(&path(tenant, "discovery")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfReport {
    report: String,
}

async fn categories(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, OfReport { report }): Posted<OfReport>,
) -> Result<Redirect, PageError> {
    if !is_id(&report) {
        return Err(PageError::BadRequest("That is no report's id.".into()));
    }
    let request = Some(json!({"streamId": report, "skip": 0, "limit": 100, "sortField": "score", "sortDirection": "desc"}));
    ask(&state, &user, tenant, &New { operation: CATEGORIES, request, ..New::default() }).await?;
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("report", &report).finish();
    Ok(Redirect::to(&path(tenant, &format!("discovery?{query}"))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Format {
    format: u32,
}

async fn script(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, Format { format }): Posted<Format>,
) -> Result<Redirect, PageError> {
    if !FORMATS.iter().any(|(known, _)| *known == format) {
        return Err(PageError::BadRequest("Choose an appliance.".into()));
    }
    let format = format.to_string();
    let query = [("format", format.as_str()), ("type", "banned")];
    ask(&state, &user, tenant, &New { operation: SCRIPT, query: &query, ..New::default() }).await?;
    Ok(Redirect::to(&path(tenant, "discovery")))
}

/// The script as a file, exactly as Microsoft wrote it.
async fn download(_: User, db: ScopedDb, Id((tenant, lookup)): Id<(TenantId, LookupId)>) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let found = lookups::get(&mut tx, lookup).await?.filter(|found| found.tenant_id == tenant && found.operation == SCRIPT);
    tx.commit().await?;
    let text = found.and_then(|found| found.answer).ok_or(PageError::NotFound)?;
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CONTENT_DISPOSITION, "attachment; filename=\"block-script.txt\"")];
    Ok((headers, text).into_response())
}
