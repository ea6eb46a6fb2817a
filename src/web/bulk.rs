//! Everything that a list's filter finds, changed by one form: first a page that says what would be changed, then the job.

mod begun;
mod told;
mod words;

use super::acting::refused;
use super::error::PageError;
use super::extract::{Analyst, Id, Posted, User};
use super::filters;
use super::incident_batch::BatchForm;
use super::list::Asked;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::{count, thousands};
use crate::app::acting::{self, Refusal};
use crate::app::{self, AppState};
use crate::model::{BulkId, ChangeId, clock};
use crate::store::bulk::{self, Bulk, New, Share, Which};
use crate::store::{Scoped, overview};
use crate::sync::engine::Queue;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/incidents/bulk", get(begun::page).post(freeze))
        .route("/incidents/bulk/{bulk}", get(show).post(start))
        .route("/incidents/bulk/{bulk}/again", post(again))
        .route("/incidents/bulk/{bulk}/undo", post(undo))
        .route("/incidents/bulk/{bulk}/stop", post(stop))
        .merge(told::routes())
}

fn at(bulk: BulkId) -> Redirect {
    Redirect::to(&format!("/incidents/bulk/{bulk}"))
}

/// The list that a job came from.
fn back(of: &Bulk) -> String {
    Asked::read("/incidents", &of.query).map_or_else(|_| "/incidents".to_owned(), |list| list.address.here())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FreezeForm {
    /// The list, as its address has it.
    #[serde(default)]
    query: String,
}

/// Keeps what the list finds now, for the page that says so.
async fn freeze(Analyst(user): Analyst, db: ScopedDb, Posted(_, form): Posted<FreezeForm>) -> Result<Redirect, PageError> {
    let (now, asked) = (clock::now(), Asked::read("/incidents", &form.query)?);
    let mut tx = db.begin().await?;
    let names = overview::names(&mut tx).await?;
    let filter = asked.filter(&mut tx, &user, now).await?;
    let (bulk, words) = (BulkId::new(), words::told(&asked, &names));
    let query = asked.address.with("after", "");
    let query = query.split_once('?').map_or("", |(_, query)| query);
    let new = New { bulk, words: &words, query, asked: None, undoes: None, which: Which::Found(&filter) };
    app::bulk::freeze(&mut tx, &user.by(), &new, now).await.map_err(refused)?;
    tx.commit().await?;
    Ok(at(bulk))
}

/// What would be changed.
#[derive(Template)]
#[template(path = "bulk/preview.html")]
struct PreviewPage {
    user: User,
    bulk: Bulk,
    shares: Vec<Share>,
    back: String,
    path: String,
}

impl PreviewPage {
    fn fresh() -> ChangeId {
        acting::fresh()
    }

    fn words(&self) -> &str {
        self.bulk.words_for(self.user.id, &self.user.scope).unwrap_or_default()
    }

    /// "213 incidents".
    fn incidents(&self) -> String {
        count(i64::from(self.bulk.matched), "incident", "incidents")
    }

    /// "14 tenants", or the only one's name.
    fn tenants(&self) -> String {
        match self.shares.as_slice() {
            [one] => super::show::visible(&one.tenant_name),
            more => count(i64::try_from(more.len()).unwrap_or(i64::MAX), "tenant", "tenants"),
        }
    }

    /// How many of them Microsoft can be told of.
    fn sendable(&self) -> i64 {
        self.shares.iter().filter(|share| share.is_open() && share.may_change).map(|share| i64::from(share.matched)).sum()
    }

    /// "80 incidents of 6 tenants", or "2 of 80 incidents" where the rest cannot be sent.
    fn going(&self) -> String {
        if self.sendable() < i64::from(self.bulk.matched) {
            format!("{} of {}", thousands(self.sendable()), self.incidents())
        } else {
            format!("{} of {}", self.incidents(), self.tenants())
        }
    }

    fn left_out(&self) -> String {
        thousands(i64::from(self.bulk.left_out))
    }

    fn closed(&self) -> usize {
        self.shares.iter().filter(|share| !share.is_open()).count()
    }

    /// Tenants that are read, but whose incidents may not be changed.
    fn forbidden(&self) -> usize {
        self.shares.iter().filter(|share| share.is_open() && !share.may_change).count()
    }
}

/// A job as its maker looks at it before it begins, and as everybody does afterwards.
async fn show(Analyst(user): Analyst, db: ScopedDb, Id(id): Id<BulkId>) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let bulk = bulk::get(&mut tx, user.id, id).await?.ok_or(PageError::NotFound)?;
    if bulk.started_at.is_some() {
        return told::page(tx, user, bulk).await;
    }
    let shares = bulk::shares(&mut tx, id, &app::bulk::permissions()).await?;
    tx.commit().await?;
    Ok(Page(PreviewPage { user, back: back(&bulk), path: format!("/incidents/bulk/{id}"), bulk, shares }).into_response())
}

/// Lets the job begin.
async fn start(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<BulkId>,
    Posted(_, form): Posted<BatchForm>,
) -> Result<Redirect, PageError> {
    if !form.incident.is_empty() {
        return Err(PageError::BadRequest("The form is incomplete or has fields we do not know.".into()));
    }
    let mut tx = db.begin().await?;
    // Whose it is comes before what it asks for.
    bulk::get(&mut tx, user.id, id).await?.filter(|found| found.is_of(user.id)).ok_or(PageError::NotFound)?;
    let wish = form.wish(&user.login)?;
    let begun = app::bulk::start(&mut tx, &queue, (&user.by(), &user), id, &wish, clock::now()).await;
    finish(tx, begun, id).await
}

async fn finish(tx: Scoped, done: Result<(), Refusal>, shown: BulkId) -> Result<Redirect, PageError> {
    done.map_err(refused)?;
    tx.commit().await?;
    Ok(at(shown))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewForm {
    /// The id of the job to be.
    new: BulkId,
}

/// Tries what failed again, as a job of its own.
async fn again(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<BulkId>,
    Posted(_, form): Posted<NewForm>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let begun = app::bulk::again(&mut tx, &queue, (&user.by(), &user), (id, form.new), clock::now()).await;
    finish(tx, begun, form.new).await
}

/// Gives back the statuses that there were before, as a job of its own.
async fn undo(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<BulkId>,
    Posted(_, form): Posted<NewForm>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let begun = app::bulk::undo(&mut tx, &queue, (&user.by(), &user), (id, form.new), clock::now()).await;
    finish(tx, begun, form.new).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StopForm {}

/// Calls the rest off.
async fn stop(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<BulkId>,
    Posted(_, StopForm {}): Posted<StopForm>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let stopped = app::bulk::stop(&mut tx, (&user.by(), &user), id).await;
    finish(tx, stopped, id).await
}
