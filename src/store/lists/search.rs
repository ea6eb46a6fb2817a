//! What a list is searched for by words or entities, found through the indexes that row-level security keeps from its own query.

use super::query::Table;
use super::{Filter, Found, entity_keys, patterns};
use crate::store::Scoped;
use std::borrow::Cow;
use uuid::Uuid;

/// Of what more rows have the walk through the list itself finds a page soon enough.
const FEW: usize = 5_000;
/// As many rows as the longest page has.
const PAGE: i64 = 200;
/// What is rare is found in a glance, mostly, and what is common is soon walked to, also past what is not a reader's.
const GLANCE: &str = "5ms";
const SOON: &str = "25ms";
const MOMENT: &str = "150ms";
/// What is rare and made of common trigrams takes longer than a moment to find, and walking past all else longer still.
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
                Some(Self { words: Some(patterns(text)), number: Some(text.to_owned()), keys: entity_keys(text) })
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

impl Table {
    /// The filter with what its text, or else its entities, find, unless that is known. What is common is found by walking the list, and so is
    /// what takes too long to find. Which of the two it is shows by trying both, shortly at first and then for a moment each; and where neither is
    /// enough, two seconds are spent on finding it.
    pub async fn searched<'f>(&self, tx: &mut Scoped, filter: &'f Filter) -> sqlx::Result<Cow<'f, Filter>> {
        let Some(search) = Search::of(filter) else { return Ok(Cow::Borrowed(filter)) };
        for (finding, walking) in [(GLANCE, SOON), (MOMENT, MOMENT)] {
            let found = self.search(tx, &search, finding).await?;
            if found.is_some() || self.is_walked_within(tx, filter, walking).await? {
                return Ok(Cow::Owned(search.told(filter, found)));
            }
        }
        let found = self.search(tx, &search, PATIENCE).await?;
        Ok(Cow::Owned(search.told(filter, found)))
    }

    /// The same for what is worth no more than a moment.
    pub(super) async fn searched_quickly<'f>(&self, tx: &mut Scoped, filter: &'f Filter) -> sqlx::Result<Cow<'f, Filter>> {
        let Some(search) = Search::of(filter) else { return Ok(Cow::Borrowed(filter)) };
        let found = self.search(tx, &search, MOMENT).await?;
        Ok(Cow::Owned(search.told(filter, found)))
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

    /// Whether the walk comes to a page's rows, or to the end, in such a time.
    async fn is_walked_within(&self, tx: &mut Scoped, filter: &Filter, time: &'static str) -> sqlx::Result<bool> {
        tx.limit(time).await?;
        let walked = self.counted(tx, filter, None, PAGE).await;
        Ok(tx.limited(walked).await?.is_some())
    }
}
