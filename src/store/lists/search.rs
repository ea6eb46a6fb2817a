//! What a list is searched for by words or entities, found through the indexes that row-level security keeps from its own query.

use super::query::Table;
use super::{Filter, Found, entity_keys, pattern};
use crate::store::Scoped;
use sqlx::query::QueryScalar;
use sqlx::{Postgres, postgres::PgArguments};
use std::borrow::Cow;
use uuid::Uuid;

/// Of what more rows have the walk through the list itself finds a page soon enough.
const FEW: usize = 5_000;
/// Trigrams need three characters.
const SHORTEST: usize = 3;

impl Table {
    /// The filter with what its text, or else its entities, find, unless that is known. What is common, or takes longer than a moment to
    /// find, is found by walking the list.
    pub async fn searched<'f>(&self, tx: &mut Scoped, filter: &'f Filter) -> sqlx::Result<Cow<'f, Filter>> {
        if !matches!(filter.found, Found::NotAsked) {
            return Ok(Cow::Borrowed(filter));
        }
        let text = filter.text.as_deref().map(str::trim).filter(|text| text.chars().count() >= SHORTEST);
        let (words, number, keys) = match text {
            Some(text) => (Some(pattern(text)), Some(text), entity_keys(text)),
            None if filter.text.is_none() && !filter.entities.any.is_empty() => (None, None, filter.entities.any.clone()),
            None => return Ok(Cow::Borrowed(filter)),
        };
        let most = i32::try_from(FEW + 1).unwrap_or(i32::MAX);
        tx.limit("150ms").await?;
        let rows = self.search().bind(words).bind(number).bind(&keys).bind(most).fetch_all(&mut **tx).await;
        let mut filter = filter.clone();
        match tx.limited(rows).await? {
            Some(rows) if rows.len() <= FEW => filter.found = Found::Rows(rows),
            _ => filter.found = Found::Many,
        }
        if text.is_some() && matches!(filter.found, Found::Rows(_)) {
            filter.text = None;
        }
        Ok(Cow::Owned(filter))
    }

    fn search(&self) -> QueryScalar<'static, Postgres, Uuid, PgArguments> {
        sqlx::query_scalar(if self.is_alerts { "select search_alerts($1, $2, $3, $4)" } else { "select search_incidents($1, $2, $3, $4)" })
    }
}
