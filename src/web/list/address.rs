//! The address of a list.

use super::super::error::PageError;
use crate::store::lists::Choice;
use std::str::FromStr;
use url::form_urlencoded;

/// The query of a list as it was sent, without what is empty.
#[derive(Clone, Debug)]
pub struct Address {
    pub(super) path: &'static str,
    pub(super) pairs: Vec<(String, String)>,
}

impl Address {
    /// "/incidents" or "/alerts".
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The values of one parameter.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The only value of a parameter, or the first.
    pub fn one(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn value<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, PageError> {
        self.one(name).map(|text| text.parse().map_err(|_| unreadable())).transpose()
    }

    /// This list with a parameter set to one value (or, with an empty one, without it), from its first page.
    pub fn with(&self, name: &str, value: &str) -> String {
        let kept = self
            .pairs
            .iter()
            .filter(|(key, of)| key != name && key != "after" && !(key == "not" && of == name))
            .map(|(key, value)| (key.as_str(), value.as_str()));
        self.url(kept.chain((!value.is_empty()).then_some((name, value))))
    }

    /// The same with two parameters.
    pub fn with_both(&self, first: (&str, &str), second: (&str, &str)) -> String {
        let kept = self.pairs.iter().filter(|(key, _)| key != first.0 && key != second.0 && key != "after");
        self.url(kept.map(|(key, value)| (key.as_str(), value.as_str())).chain([first, second]))
    }

    /// This list without a parameter.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let pairs = self.pairs.iter().filter(|(key, of)| key != name && !(key == "not" && of == name)).cloned().collect();
        Self { path: self.path, pairs }
    }

    /// The page of this list that begins after a position.
    pub fn page(&self, after: &str) -> String {
        let kept = self.pairs.iter().filter(|(key, _)| key != "after").map(|(key, value)| (key.as_str(), value.as_str()));
        self.url(kept.chain([("after", after)]))
    }

    /// This list without filters; order and size stay.
    pub fn bare(&self) -> String {
        self.url(self.kept().iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// This very page of the list.
    pub fn here(&self) -> String {
        self.url(self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// What stands behind the question mark of [`Self::here`].
    pub fn query(&self) -> String {
        self.here().split_once('?').map_or_else(String::new, |(_, query)| query.to_owned())
    }

    /// What a new filter keeps: order, size and columns.
    pub fn kept(&self) -> Vec<(String, String)> {
        self.pairs.iter().filter(|(key, _)| is_of_form(key)).cloned().collect()
    }

    /// Whether a parameter has this value among others.
    pub fn has(&self, name: &'static str, value: &str) -> bool {
        self.all(name).any(|other| other == value)
    }

    /// What is chosen of a parameter, or is not wanted.
    pub(super) fn choice<T: FromStr>(&self, name: &'static str) -> Result<Choice<T>, PageError> {
        let values: Vec<T> = self.all(name).map(|value| value.parse().map_err(|_| unreadable())).collect::<Result<_, _>>()?;
        Ok(if self.has("not", name) { Choice { any: Vec::new(), not: values } } else { values.into() })
    }

    fn url<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { self.path.to_owned() } else { format!("{}?{query}", self.path) }
    }
}

/// What says how a list looks, and not what is in it.
pub(super) fn is_of_form(name: &str) -> bool {
    matches!(name, "sort" | "size" | "cols" | "by" | "charts")
}

pub(super) fn unreadable() -> PageError {
    PageError::BadRequest("The address of this list is not one that Watchfloor makes. Go back, or begin with the whole list.".into())
}
