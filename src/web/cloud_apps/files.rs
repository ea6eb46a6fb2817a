//! Files. Microsoft's table of permissions does not name them, and has been seen to refuse apps: the page says so.

use super::{Head, Shown, Told, answer, ask, next_of, path, pretty};
use crate::app::AppState;
use crate::app::cloud_apps::{self, File};
use crate::model::cloud_apps::{everything, is_id};
use crate::model::{LookupId, TenantId, clock};
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
use serde::Deserialize;
use serde_json::json;

const LIST: &str = "cloud_apps.files.list";
const GET: &str = "cloud_apps.files.get";

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/tenants/{tenant}/cloud-apps/files", get(show).post(find))
        .route("/tenants/{tenant}/cloud-apps/files/one", post(one))
}

#[derive(Template)]
#[template(path = "cloud_apps/files.html")]
struct FilesPage {
    user: User,
    head: Head,
    told: Option<Told>,
    lookup: Option<LookupId>,
    /// Each with its original.
    rows: Vec<(File, String)>,
    more: bool,
}

/// The files of an answer, the list's or a single one, each with its original, and whether there are more. `None`: there is no answer that
/// can be read.
fn rows(lookup: &Lookup) -> Option<(Vec<(File, String)>, bool)> {
    let text = lookup.answer.as_deref()?;
    if lookup.operation == GET {
        return Some((vec![(serde_json::from_str(text).unwrap_or_default(), pretty(text))], false));
    }
    let list = cloud_apps::list::<File>(text)?;
    let unread = list.unread.into_iter().map(|original| (File::default(), original));
    Some((list.records.into_iter().chain(unread).map(|(file, original)| (file, pretty(&original))).collect(), list.more))
}

async fn show(user: User, db: ScopedDb, Id(tenant): Id<TenantId>, Query(shown): Query<Shown>) -> Result<Page<FilesPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let head = Head::of(&mut tx, tenant, "files", now).await?;
    let found = answer(&mut tx, tenant, shown.answer, &[LIST, GET]).await?;
    tx.commit().await?;
    let listed = found.as_ref().and_then(rows);
    let told = found.as_ref().map(|found| Told::of(found, now, listed.is_some()));
    let (lookup, (rows, more)) = (found.map(|found| found.lookup_id), listed.unwrap_or_default());
    Ok(Page(FilesPage { user, head, told, lookup, rows, more }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    /// all or public.
    #[serde(default)]
    which: String,
    after: Option<LookupId>,
}

async fn find(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, find): Posted<Find>,
) -> Result<Redirect, PageError> {
    let request = match (find.after, find.which.as_str()) {
        (Some(after), _) => next_of(&state, &user, tenant, after, LIST).await?,
        // 3 public, 4 public on the internet.
        (None, "public") => json!({"filters": {"sharing": {"eq": [3, 4]}}, "skip": 0, "limit": 100}),
        (None, _) => everything(),
    };
    let asked = ask(&state, &user, tenant, &New { operation: LIST, request: Some(request), ..New::default() }).await?;
    Ok(Redirect::to(&path(tenant, &format!("files?answer={}", asked.lookup_id))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    file: String,
}

async fn one(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, One { file }): Posted<One>,
) -> Result<Redirect, PageError> {
    if !is_id(&file) {
        return Err(PageError::BadRequest("That is no file's id.".into()));
    }
    let asked = ask(&state, &user, tenant, &New { operation: GET, args: &[&file], ..New::default() }).await?;
    Ok(Redirect::to(&path(tenant, &format!("files?answer={}", asked.lookup_id))))
}
