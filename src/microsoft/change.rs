//! Sending something that changes data at Microsoft, whatever it is.

use super::lanes::Watch;
use super::operations::{Operation, Way};
use super::request::Ask;
use super::{CallError, Client, Target, cloud_apps};
use chrono::{DateTime, Utc};
use serde_json::Value;

impl Client {
    /// Sends an operation that changes something, once. The answer is Microsoft's body, which may be empty.
    ///
    /// # Errors
    /// [`CallError::may_have_acted`] tells whether Microsoft may have done it all the same.
    pub async fn change(
        &self,
        target: &Target,
        app: &str,
        operation: &'static Operation,
        args: &[&str],
        body: Option<&Value>,
        now: DateTime<Utc>,
    ) -> Result<String, CallError> {
        if operation.way != Way::Write {
            return Err(CallError::NotConfigured("this operation changes nothing"));
        }
        if !cloud_apps::is_safe(operation, body) {
            return Err(CallError::NotConfigured("a close must name its alerts: without ids Microsoft would close them all"));
        }
        let ask = Ask::new(self, target, app, operation, args)?;
        let ask = if let Some(body) = body { ask.json(body) } else { ask };
        self.ask(&ask, &Watch::start(now)).await
    }

    /// The app to call an operation as: of the tenant's apps the one whose granted permission for it is the least, and of those the one
    /// that asks for the fewest permissions in all. Where nothing that would do is known to be granted, one that asks for it: the call then
    /// tells why not.
    ///
    /// # Errors
    /// [`CallError::NotConfigured`], if no app of the tenant asks for any permission that is enough.
    pub fn app_to_call(&self, operation: &Operation, apps: &[String], granted: &[Granted]) -> Result<String, CallError> {
        let product = operation.product;
        let candidates = apps.iter().filter_map(|name| self.app(name)).filter_map(|app| {
            let asked = app.permissions.get(&product)?.iter().filter_map(|name| operation.rank(name)).min()?;
            let mine = granted.iter().filter(|grant| grant.app == app.name && grant.product == product);
            let had = mine.filter_map(|grant| operation.rank(&grant.permission)).min();
            let size: usize = app.permissions.values().map(Vec::len).sum();
            Some(((had.is_none(), had.unwrap_or(asked), size), app))
        });
        let best = candidates.min_by_key(|(order, _)| *order);
        best.map(|(_, app)| app.name.clone()).ok_or(CallError::NotConfigured("no app of this tenant asks for the permission this needs"))
    }
}

/// A permission that an app's token was seen to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub app: String,
    pub product: crate::model::Product,
    pub permission: String,
}
