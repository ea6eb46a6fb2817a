//! Queries kept for later.

use super::tidy;
use crate::model::hunt::LONGEST_QUERY;
use crate::model::{SavedQueryId, clock};
use crate::store::saved_queries::{self, SavedQuery, Text};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Nothing, Posted, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

/// A query to look at, to change or, if it is not kept yet, to keep.
#[derive(Template)]
#[template(path = "hunting/saved.html")]
struct SavedPage {
    user: User,
    query: Option<SavedQuery>,
    fields: Fields,
    may_edit: bool,
    problem: Option<&'static str>,
}

impl SavedPage {
    fn at(&self, action: &str) -> String {
        self.query.as_ref().map_or_else(|| "/hunting/queries".to_owned(), |query| format!("/hunting/queries/{}{action}", query.query_id))
    }

    fn name(&self) -> &str {
        self.query.as_ref().map_or("Keep a query", |query| &query.name)
    }

    /// The form again, with what is wrong with it.
    fn again(user: User, query: Option<SavedQuery>, fields: Fields, problem: &'static str) -> Response {
        let page = Self { user, query, fields, may_edit: true, problem: Some(problem) };
        (StatusCode::BAD_REQUEST, Page(page)).into_response()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    name: String,
    #[serde(default)]
    description: String,
    query: String,
    #[serde(default)]
    team: bool,
}

impl Fields {
    fn check(&mut self) -> Result<(), &'static str> {
        self.query = tidy(self.query.trim());
        self.name = self.name.trim().to_owned();
        let wrong = |text: &str| text.contains('\0');
        if self.name.is_empty() || self.name.chars().count() > 120 {
            return Err("A query is kept under a name of at most 120 characters.");
        }
        if self.query.is_empty() || self.query.chars().count() > LONGEST_QUERY || self.description.chars().count() > 1000 {
            return Err("A query has 1 to 10,000 characters, its description at most 1,000.");
        }
        if wrong(&self.name) || wrong(&self.query) || wrong(&self.description) {
            return Err("There is a character in it that no query can have.");
        }
        Ok(())
    }

    fn text(&self) -> Text<'_> {
        Text { name: &self.name, description: self.description.trim(), query: &self.query, team: self.team }
    }
}

pub(super) async fn create(Analyst(user): Analyst, db: ScopedDb, Posted(_, mut fields): Posted<Fields>) -> Result<Response, PageError> {
    if let Err(problem) = fields.check() {
        return Ok(SavedPage::again(user, None, fields, problem));
    }
    let mut tx = db.begin().await?;
    let query = SavedQueryId::new();
    saved_queries::insert(&mut tx, &user.by(), query, &fields.text(), clock::now()).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/hunting?saved={query}")).into_response())
}

fn may_edit(user: &User, query: &SavedQuery) -> bool {
    query.user_id == Some(user.id) || (query.team && user.is_lead())
}

pub(super) async fn show(Analyst(user): Analyst, db: ScopedDb, Id(query): Id<SavedQueryId>) -> Result<Page<impl Template>, PageError> {
    let mut tx = db.begin().await?;
    let query = saved_queries::get(&mut tx, user.id, query).await?.ok_or(PageError::NotFound)?;
    let may_edit = may_edit(&user, &query);
    let fields = Fields { name: query.name.clone(), description: query.description.clone(), query: query.query.clone(), team: query.team };
    Ok(Page(SavedPage { user, query: Some(query), fields, may_edit, problem: None }))
}

pub(super) async fn change(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(query): Id<SavedQueryId>,
    Posted(_, mut fields): Posted<Fields>,
) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let old = saved_queries::get(&mut tx, user.id, query).await?.ok_or(PageError::NotFound)?;
    if !may_edit(&user, &old) {
        return Err(PageError::Forbidden);
    }
    if let Err(problem) = fields.check() {
        return Ok(SavedPage::again(user, Some(old), fields, problem));
    }
    if !saved_queries::update(&mut tx, &user.by(), query, &fields.text(), user.is_lead(), clock::now()).await? {
        return Err(PageError::Forbidden);
    }
    tx.commit().await?;
    Ok(Redirect::to("/hunting").into_response())
}

pub(super) async fn delete(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(query): Id<SavedQueryId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    saved_queries::get(&mut tx, user.id, query).await?.ok_or(PageError::NotFound)?;
    if !saved_queries::delete(&mut tx, &user.by(), query, user.is_lead()).await? {
        return Err(PageError::Forbidden);
    }
    tx.commit().await?;
    Ok(Redirect::to("/hunting"))
}
