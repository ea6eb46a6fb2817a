//! Microsoft's own records, as pages show them.

use super::show::{When, visible};
use crate::model::Product;
use crate::store::incidents::Original;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Of one record at most this much is put into a page.
const SHOWN: usize = 256 * 1024;

/// A record as Microsoft sent it, indented.
#[derive(Clone, Debug)]
pub struct OriginalText {
    /// The API's name.
    pub api: String,
    pub when: When,
    pub text: String,
    /// Only the beginning is shown.
    pub cut: bool,
}

impl OriginalText {
    /// Indents an original. What is not JSON is shown as it is.
    pub fn new(original: &Original, now: DateTime<Utc>) -> Self {
        let parsed: Option<Value> = serde_json::from_str(&original.body).ok();
        let mut text = parsed.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| original.body.clone());
        let cut = text.len() > SHOWN;
        if cut {
            text.truncate(text.floor_char_boundary(SHOWN));
        }
        let api = match (original.api.as_str(), original.api.parse::<Product>()) {
            // Graph tells of an alert twice: by itself and inside its incident.
            ("graph_incident", _) => format!("{}, inside its incident", Product::Graph.label()),
            (_, Ok(product)) => product.label().to_owned(),
            (other, Err(_)) => visible(other),
        };
        Self { api, when: When::new(original.updated_at, now), text: visible(&text), cut }
    }
}
