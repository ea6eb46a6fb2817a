//! What a list is searched for by words or entities, found through the indexes that row-level security keeps from its own query.

use super::query::{Along, Table};
use super::{Filter, Found, Listed, Order, Position, number, patterns};
use crate::model::entity;
use crate::store::Scoped;
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use std::borrow::Cow;
use uuid::Uuid;

/// Of what more rows have the walk through the list itself finds a page soon enough.
const FEW: usize = 5_000;
/// As many rows as a page has, mostly.
const PAGE: i64 = 50;
/// What is rare is mostly found in a glance, and what is common soon walked to, even past the rows of other tenants; so each is tried for as long
/// as it mostly takes, then for longer.
const TRIES: [(&str, &str, Along); 3] = [("3ms", "40ms", Along::All), ("25ms", "50ms", Along::Each), ("150ms", "150ms", Along::Each)];
/// What is rare and made of common trigrams may take longer than a moment to find, and walking past all else longer still.
const PATIENCE: &str = "2s";

/// What the functions are asked for.
struct Search {
    /// Patterns of titles of which one must fit.
    words: Option<Vec<String>>,
    number: Option<String>,
    keys: Vec<String>,
}

impl Search {
    /// What a filter's text, or else its entities, ask for; nothing if that is known already, or there is nothing that an index knows.
    fn of(filter: &Filter) -> Option<Self> {
        if !matches!(filter.found, Found::NotAsked) {
            return None;
        }
        match &filter.text {
            Some(text) => {
                let text = Some(text.trim()).filter(|text| !text.is_empty())?;
                Some(Self { words: Some(patterns(text)), number: Some(number(text)), keys: entity::meant(text) })
            }
            None if filter.entities.any.is_empty() => None,
            None => Some(Self { words: None, number: None, keys: filter.entities.any.clone() }),
        }
    }

    /// The filter with what was found; nothing if that took too long.
    fn told(&self, filter: &Filter, found: Option<Vec<Uuid>>) -> Filter {
        let mut filter = filter.clone();
        match found {
            Some(rows) if rows.len() <= FEW => {
                filter.found = Found::Rows(rows);
                if self.words.is_some() {
                    filter.text = None;
                }
            }
            _ => filter.found = Found::Many,
        }
        filter
    }
}

/// What came first.
enum Tried<T> {
    /// The filter with what was found.
    Found(Filter),
    /// A page of the list, with a filter that says so.
    Walked(Listed<T>),
    Neither,
}

impl<T> Tried<T> {
    /// What is known now; nothing if neither was enough.
    fn filter(self) -> Option<Filter> {
        match self {
            Self::Found(filter) => Some(filter),
            Self::Walked(page) => Some(page.filter),
            Self::Neither => None,
        }
    }
}

impl Table {
    /// At most `limit` rows after a position, each with `tenant_name` and `directory_id`.
    pub async fn page<T>(
        &self,
        tx: &mut Scoped,
        filter: &Filter,
        order: &Order,
        after: Option<&Position>,
        limit: i64,
    ) -> sqlx::Result<Listed<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let Some(search) = Search::of(filter) else { return self.rows(tx, filter, order, after, (limit, Along::Each)).await };
        let filter = match self.tried(tx, (filter, &search), order, after, limit).await? {
            Tried::Walked(page) => return Ok(page),
            Tried::Found(filter) => filter,
            Tried::Neither => self.found_at_last(tx, (filter, &search)).await?,
        };
        self.rows(tx, &filter, order, after, (limit, Along::Each)).await
    }

    /// The filter with what its text, or else its entities, find, unless that is known, for whoever reads the list next.
    pub async fn searched<'f>(&self, tx: &mut Scoped, filter: &'f Filter) -> sqlx::Result<Cow<'f, Filter>> {
        let Some(search) = Search::of(filter) else { return Ok(Cow::Borrowed(filter)) };
        Ok(Cow::Owned(match self.tried::<()>(tx, (filter, &search), &Order::default(), None, PAGE).await?.filter() {
            Some(filter) => filter,
            None => self.found_at_last(tx, (filter, &search)).await?,
        }))
    }

    /// The same for what is worth no more than the tries, half a second.
    pub(super) async fn searched_quickly<'f>(&self, tx: &mut Scoped, filter: &'f Filter) -> sqlx::Result<Cow<'f, Filter>> {
        let Some(search) = Search::of(filter) else { return Ok(Cow::Borrowed(filter)) };
        let tried = self.tried::<()>(tx, (filter, &search), &Order::default(), None, PAGE).await?;
        Ok(Cow::Owned(tried.filter().unwrap_or_else(|| search.told(filter, None))))
    }

    /// What is common is read by walking the list, and so is what takes too long to find. Which of the two it is shows by trying both, shortly at
    /// first and then for longer.
    async fn tried<T>(
        &self,
        tx: &mut Scoped,
        (filter, search): (&Filter, &Search),
        order: &Order,
        after: Option<&Position>,
        limit: i64,
    ) -> sqlx::Result<Tried<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let many = search.told(filter, None);
        for (finding, walking, along) in TRIES {
            let found = self.search(tx, search, finding).await?;
            if found.is_some() {
                return Ok(Tried::Found(search.told(filter, found)));
            }
            tx.limit_walk(walking).await?;
            let walked = self.rows(tx, &many, order, after, (limit, along)).await;
            if let Some(page) = tx.limited(walked).await? {
                return Ok(Tried::Walked(page));
            }
        }
        Ok(Tried::Neither)
    }

    /// Where no try was enough, two seconds are spent on finding it; what is not found then is walked to.
    async fn found_at_last(&self, tx: &mut Scoped, (filter, search): (&Filter, &Search)) -> sqlx::Result<Filter> {
        let found = self.search(tx, search, PATIENCE).await?;
        Ok(search.told(filter, found))
    }

    /// The ids of what is found, or of one more than a few; `None` if it takes longer than `time`.
    async fn search(&self, tx: &mut Scoped, search: &Search, time: &'static str) -> sqlx::Result<Option<Vec<Uuid>>> {
        // Number and keys are looked for once, with the first of the patterns.
        macro_rules! found {
            ($function:literal) => {
                concat!(
                    "select distinct f.id from unnest($1::text[]) with ordinality as w (words, n) cross join lateral ",
                    $function,
                    "(w.words, case when w.n = 1 then $2 end, case when w.n = 1 then $3::text[] end, $4) as f (id)"
                )
            };
        }
        let text = if self.is_alerts { found!("search_alerts") } else { found!("search_incidents") };
        let most = i32::try_from(FEW + 1).unwrap_or(i32::MAX);
        tx.limit(time).await?;
        let words: Vec<Option<&String>> = search.words.as_ref().map_or_else(|| vec![None], |words| words.iter().map(Some).collect());
        let query = sqlx::query_scalar(text).bind(words).bind(&search.number).bind(&search.keys).bind(most);
        let rows = query.fetch_all(&mut **tx).await;
        tx.limited(rows).await
    }
}
