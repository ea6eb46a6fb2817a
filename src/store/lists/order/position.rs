//! Where a page of a list ends.

use super::{BadPosition, Order};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

/// The last row of a page: the next page begins after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// One for each key.
    pub(super) values: Vec<String>,
    pub(super) id: Uuid,
}

impl Position {
    /// Of the values that a query selected.
    pub(in crate::store::lists) fn new(mut values: Vec<String>, order: &Order) -> Result<Self, BadPosition> {
        let id = values.pop().and_then(|id| Uuid::try_parse(&id).ok()).ok_or(BadPosition)?;
        let keys = order.full();
        let fits = keys.len() == values.len() && keys.iter().zip(&values).all(|((key, _), value)| key.accepts(value));
        if fits { Ok(Self { values, id }) } else { Err(BadPosition) }
    }
}

impl std::fmt::Display for Position {
    /// The place in a list's address, and the cursor of the API.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.id.simple().to_string();
        let all: Vec<&str> = self.values.iter().map(String::as_str).chain([id.as_str()]).collect();
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(serde_json::json!(all).to_string()))
    }
}

impl Order {
    /// The position of a row, as its list's address holds it.
    ///
    /// # Errors
    /// When the text is not one of this order.
    pub fn position(&self, text: &str) -> Result<Position, BadPosition> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| BadPosition)?;
        Position::new(serde_json::from_slice(&json).map_err(|_| BadPosition)?, self)
    }
}
