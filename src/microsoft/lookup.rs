//! Asking for something that only reads, whatever it is.

use super::lanes::Watch;
use super::operations::{Operation, Way};
use super::request::Ask;
use super::{CallError, Client, Target};
use chrono::{DateTime, Utc};
use serde_json::Value;

impl Client {
    /// Asks one operation that only reads, and returns Microsoft's answer as it came. What it holds is the caller's business: a list is
    /// complete only if it says so.
    pub async fn look_up(
        &self,
        target: &Target,
        app: &str,
        operation: &'static Operation,
        args: &[&str],
        (query, body): (&[(&str, &str)], Option<&Value>),
        now: DateTime<Utc>,
    ) -> Result<String, CallError> {
        if operation.way != Way::Read {
            return Err(CallError::NotConfigured("this operation does more than reading"));
        }
        let mut ask = Ask::new(self, target, app, operation, args)?;
        if !query.is_empty() {
            ask.query(query);
        }
        let ask = if let Some(body) = body { ask.json(body) } else { ask };
        self.ask(&ask, &Watch::start(now)).await
    }
}
