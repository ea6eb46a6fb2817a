//! Queries kept for later.

use super::tidy;
use crate::model::hunt::LONGEST_QUERY;
use crate::model::{SavedQueryId, clock};
use crate::store::saved_queries::{self, SavedQuery, Text};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Posted, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::response::Redirect;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "hunting/saved.html")]
struct SavedPage {
    user: User,
    query: SavedQuery,
    may_edit: bool,
}

impl SavedPage {
    fn at(&self, action: &str) -> String {
        format!("/hunting/queries/{}{action}", self.query.query_id)
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
    fn check(&mut self) -> Result<(), PageError> {
        self.query = tidy(self.query.trim());
        self.name = self.name.trim().to_owned();
        let wrong = |text: &str| text.contains('\0');
        if self.name.is_empty() || self.name.chars().count() > 120 {
            return Err(PageError::BadRequest("A query is kept under a name of at most 120 characters.".into()));
        }
        if self.query.is_empty() || self.query.chars().count() > LONGEST_QUERY || self.description.chars().count() > 1000 {
            return Err(PageError::BadRequest("A query has 1 to 10,000 characters, its description at most 1,000.".into()));
        }
        if wrong(&self.name) || wrong(&self.query) || wrong(&self.description) {
            return Err(PageError::BadRequest("There is a character in it that no query can have.".into()));
        }
        Ok(())
    }

    fn text(&self) -> Text<'_> {
        Text { name: &self.name, description: self.description.trim(), query: &self.query, team: self.team }
    }
}

pub(super) async fn create(Analyst(user): Analyst, db: ScopedDb, Posted(_, mut fields): Posted<Fields>) -> Result<Redirect, PageError> {
    fields.check()?;
    let mut tx = db.begin().await?;
    let query = SavedQueryId::new();
    saved_queries::insert(&mut tx, &user.by(), query, &fields.text(), clock::now()).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/hunting?saved={query}")))
}

pub(super) async fn show(Analyst(user): Analyst, db: ScopedDb, Id(query): Id<SavedQueryId>) -> Result<Page<impl Template>, PageError> {
    let mut tx = db.begin().await?;
    let query = saved_queries::get(&mut tx, user.id, query).await?.ok_or(PageError::NotFound)?;
    let may_edit = query.user_id == Some(user.id) || (query.team && user.is_lead());
    Ok(Page(SavedPage { user, query, may_edit }))
}

pub(super) async fn change(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(query): Id<SavedQueryId>,
    Posted(_, mut fields): Posted<Fields>,
) -> Result<Redirect, PageError> {
    fields.check()?;
    let mut tx = db.begin().await?;
    saved_queries::get(&mut tx, user.id, query).await?.ok_or(PageError::NotFound)?;
    if !saved_queries::update(&mut tx, &user.by(), query, &fields.text(), user.is_lead(), clock::now()).await? {
        return Err(PageError::Forbidden);
    }
    tx.commit().await?;
    Ok(Redirect::to("/hunting"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

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
