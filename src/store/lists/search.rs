//! What a list is searched for by words or entities, found through the indexes that row-level security keeps from its own query.

use super::query::{CANCELLED, Table};
use super::{Filter, entity_keys, pattern};
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
    /// The filter, with the rows that its words (or else its entities) find in place of these, where they are few. What is common, or takes
    /// longer than a moment to find, stays as it is.
    pub(super) async fn narrowed<'f>(&self, tx: &mut Scoped, filter: &'f Filter) -> sqlx::Result<Cow<'f, Filter>> {
        let text = filter.text.as_deref().map(str::trim).filter(|text| text.chars().count() >= SHORTEST);
        let (words, number, keys) = match text {
            Some(text) => (Some(pattern(text)), Some(text), entity_keys(text)),
            None if filter.text.is_none() && !filter.entities.any.is_empty() => (None, None, filter.entities.any.clone()),
            None => return Ok(Cow::Borrowed(filter)),
        };
        sqlx::raw_sql("savepoint searching; set local statement_timeout = '150ms'").execute(&mut **tx).await?;
        let most = i32::try_from(FEW + 1).unwrap_or(i32::MAX);
        let found = self.search().bind(words).bind(number).bind(&keys).bind(most).fetch_all(&mut **tx).await;
        // This takes the time limit back as well.
        sqlx::raw_sql("rollback to savepoint searching; release savepoint searching").execute(&mut **tx).await?;
        let found = match found {
            Ok(found) if found.len() <= FEW => found,
            Ok(_) => return Ok(Cow::Borrowed(filter)),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(CANCELLED) => return Ok(Cow::Borrowed(filter)),
            Err(error) => return Err(error),
        };
        let mut narrow = Filter { only: Some(found), ..filter.clone() };
        if text.is_some() {
            narrow.text = None;
        } else {
            narrow.entities.any.clear();
        }
        Ok(Cow::Owned(narrow))
    }

    fn search(&self) -> QueryScalar<'static, Postgres, Uuid, PgArguments> {
        sqlx::query_scalar(if self.is_alerts { "select search_alerts($1, $2, $3, $4)" } else { "select search_incidents($1, $2, $3, $4)" })
    }
}
