//! Ranges of IP addresses: the list, adding, editing the whole of one, deleting.

use super::{Head, Shown, Told, answer, ask, change, next_of, path};
use crate::app::cloud_apps::{self, Subnet};
use crate::app::{AppState, acting};
use crate::model::cloud_apps::{CATEGORIES, Range, category_name, everything, is_id};
use crate::model::{ChangeId, ChangeState, LookupId, TenantId, clock};
use crate::store::Scoped;
use crate::store::changes;
use crate::store::lookups::{Lookup, New};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Lead, Posted, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

const LIST: &str = "cloud_apps.subnets.list";

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/tenants/{tenant}/cloud-apps/ranges", get(show).post(find))
        .route("/tenants/{tenant}/cloud-apps/ranges/new", get(blank).post(create))
        .route("/tenants/{tenant}/cloud-apps/ranges/{range}", get(edit).post(update))
        .route("/tenants/{tenant}/cloud-apps/ranges/{range}/delete", get(confirm).post(delete))
}

#[derive(Template)]
#[template(path = "cloud_apps/ranges.html")]
struct RangesPage {
    user: User,
    head: Head,
    told: Option<Told>,
    lookup: Option<LookupId>,
    rows: Vec<Subnet>,
    more: bool,
}

impl RangesPage {
    fn category(row: &Subnet) -> String {
        row.category.map(category_name).unwrap_or_default()
    }
}

/// The ranges of an answer, and whether there are more. `None`: there is no answer that can be read, or no range of it can.
fn rows(found: &Lookup) -> Option<(Vec<Subnet>, bool)> {
    let list = cloud_apps::list::<Subnet>(found.answer.as_deref()?)?;
    let known = !list.records.is_empty() || list.unread.is_empty();
    known.then(|| (list.records.into_iter().map(|(range, _)| range).collect(), list.more))
}

async fn show(user: User, db: ScopedDb, Id(tenant): Id<TenantId>, Query(shown): Query<Shown>) -> Result<Page<RangesPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let head = Head::of(&mut tx, tenant, "ranges", now).await?;
    let found = answer(&mut tx, tenant, shown.answer, &[LIST]).await?;
    tx.commit().await?;
    let listed = found.as_ref().and_then(rows);
    let told = found.as_ref().map(|found| Told::of(found, now, listed.is_some()));
    let (lookup, (rows, more)) = (found.map(|found| found.lookup_id), listed.unwrap_or_default());
    Ok(Page(RangesPage { user, head, told, lookup, rows, more }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    after: Option<LookupId>,
}

async fn find(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(tenant): Id<TenantId>,
    Posted(_, Find { after }): Posted<Find>,
) -> Result<Redirect, PageError> {
    let request = match after {
        Some(after) => next_of(&state, &user, tenant, after, LIST).await?,
        None => everything(),
    };
    let asked = ask(&state, &user, tenant, &New { operation: LIST, request: Some(request), ..New::default() }).await?;
    Ok(Redirect::to(&path(tenant, &format!("ranges?answer={}", asked.lookup_id))))
}

/// A range as a form holds it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    change: ChangeId,
    name: String,
    category: i64,
    subnets: String,
    #[serde(default)]
    organization: String,
    #[serde(default)]
    tags: String,
}

impl Form {
    fn check(&self) -> Result<Range, Vec<(&'static str, String)>> {
        Range::new(&self.name, self.category, &self.subnets, &self.organization, &self.tags)
    }
}

impl From<Subnet> for Form {
    fn from(range: Subnet) -> Self {
        Self {
            change: acting::fresh(),
            name: range.name.unwrap_or_default(),
            category: range.category.unwrap_or_default(),
            subnets: range.subnets.join("\n"),
            organization: range.organization.unwrap_or_default(),
            tags: range.tags.join(", "),
        }
    }
}

#[derive(Template)]
#[template(path = "cloud_apps/range.html")]
struct RangePage {
    user: User,
    head: Head,
    /// Microsoft's id; none of a new one.
    id: Option<String>,
    form: Form,
    wrong: Vec<(&'static str, String)>,
    told: Option<Told>,
}

impl RangePage {
    fn why(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|(name, _)| *name == field).map(|(_, why)| why.as_str())
    }

    fn action(&self) -> String {
        self.head.at(&format!("ranges/{}", self.id.as_deref().unwrap_or("new")))
    }

    /// A category without a name of Microsoft's, or none: it must not become the first of the list unasked.
    fn odd_category(&self) -> Option<String> {
        let number = self.form.category;
        let unknown = || if number == 0 { "Microsoft did not say: choose".to_owned() } else { category_name(number) };
        (!CATEGORIES.iter().any(|(known, _)| *known == number)).then(unknown)
    }
}

async fn blank(Lead(user): Lead, db: ScopedDb, Id(tenant): Id<TenantId>) -> Result<Page<RangePage>, PageError> {
    let mut tx = db.begin().await?;
    let head = Head::of(&mut tx, tenant, "ranges", clock::now()).await?;
    tx.commit().await?;
    Ok(Page(RangePage { user, head, id: None, form: Form { category: 1, ..Form::default() }, wrong: Vec::new(), told: None }))
}

/// A range as it was read last, whole. Without a reading there is nothing to edit: an update blanks what it does not name.
async fn known(tx: &mut Scoped, tenant: TenantId, id: &str) -> Result<(Subnet, Lookup), PageError> {
    let found = crate::store::lookups::latest_with(tx, tenant, LIST, id).await?;
    let found = found.ok_or(PageError::Conflict("Read the ranges first: what is changed must be known whole.".into()))?;
    let range = rows(&found).unwrap_or_default().0.into_iter().find(|range| range.id == id).ok_or(PageError::NotFound)?;
    Ok((range, found))
}

async fn edit(Lead(user): Lead, db: ScopedDb, Id((tenant, id)): Id<(TenantId, String)>) -> Result<Page<RangePage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let head = Head::of(&mut tx, tenant, "ranges", now).await?;
    let (range, found) = known(&mut tx, tenant, &id).await?;
    tx.commit().await?;
    let told = Some(Told::of(&found, now, true));
    Ok(Page(RangePage { user, head, id: Some(id), form: range.into(), wrong: Vec::new(), told }))
}

async fn create(
    State(state): State<AppState>,
    Lead(user): Lead,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<Form>,
) -> Result<Response, PageError> {
    save(&state, user, tenant, None, form).await
}

async fn update(
    State(state): State<AppState>,
    Lead(user): Lead,
    Id((tenant, id)): Id<(TenantId, String)>,
    Posted(_, form): Posted<Form>,
) -> Result<Response, PageError> {
    if !is_id(&id) {
        return Err(PageError::NotFound);
    }
    save(&state, user, tenant, Some(id), form).await
}

async fn save(state: &AppState, user: User, tenant: TenantId, id: Option<String>, form: Form) -> Result<Response, PageError> {
    let range = match form.check() {
        Ok(range) => range,
        Err(wrong) => {
            let mut tx = state.db.begin(&user.scope).await?;
            let head = Head::of(&mut tx, tenant, "ranges", clock::now()).await?;
            let page = Page(RangePage { user, head, id, form, wrong, told: None });
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let args: Vec<&str> = id.as_deref().into_iter().collect();
    let operation = if id.is_some() { "cloud_apps.subnets.update" } else { "cloud_apps.subnets.create" };
    let new = changes::New { operation, args: &args, subject: range.name(), request: Some(range.body()), comment: None };
    let outcome = change(state, &user, (tenant, form.change), &new).await?;
    back_to_list(state, &user, tenant, outcome.map(|outcome| outcome.state)).await
}

/// The list, read again where something came of the change.
async fn back_to_list(state: &AppState, user: &User, tenant: TenantId, outcome: Option<ChangeState>) -> Result<Response, PageError> {
    if outcome == Some(ChangeState::Done) {
        ask(state, user, tenant, &New { operation: LIST, request: Some(everything()), ..New::default() }).await?;
    }
    Ok(Redirect::to(&path(tenant, "ranges")).into_response())
}

#[derive(Template)]
#[template(path = "cloud_apps/range_delete.html")]
struct DeletePage {
    user: User,
    head: Head,
    range: Subnet,
}

impl DeletePage {
    fn action(&self) -> String {
        self.head.at(&format!("ranges/{}/delete", self.range.id))
    }
}

async fn confirm(Lead(user): Lead, db: ScopedDb, Id((tenant, id)): Id<(TenantId, String)>) -> Result<Page<DeletePage>, PageError> {
    let mut tx = db.begin().await?;
    let head = Head::of(&mut tx, tenant, "ranges", clock::now()).await?;
    let (range, _) = known(&mut tx, tenant, &id).await?;
    tx.commit().await?;
    Ok(Page(DeletePage { user, head, range }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    change: ChangeId,
    /// The range's name, for the record.
    name: String,
}

async fn delete(
    State(state): State<AppState>,
    Lead(user): Lead,
    Id((tenant, id)): Id<(TenantId, String)>,
    Posted(_, named): Posted<Named>,
) -> Result<Response, PageError> {
    if !is_id(&id) {
        return Err(PageError::NotFound);
    }
    let subject: String = format!("{} ({id})", named.name.chars().take(200).collect::<String>());
    let new = changes::New { operation: "cloud_apps.subnets.delete", args: &[&id], subject: &subject, request: None, comment: None };
    let outcome = change(&state, &user, (tenant, named.change), &new).await?;
    back_to_list(&state, &user, tenant, outcome.map(|outcome| outcome.state)).await
}
