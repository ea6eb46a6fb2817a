//! Links to what was collected from a device. Asked of Microsoft while the person waits; they are never stored, logged or shown.

use crate::microsoft::consent::Who;
use crate::microsoft::operations::endpoint;
use crate::microsoft::{CallError, Client, Pace};
use crate::model::clock;
use crate::store::audit::{self, By};
use crate::store::changes::Change;
use crate::store::{Db, permissions, tenants};
use crate::sync;
use serde_json::json;
use url::Url;

/// Why there is no link, and what to do about it.
pub fn why(error: &CallError) -> String {
    let remedy = error.remedy();
    let next = if remedy.who == Who::Automatic { "Ask again in a while." } else { remedy.staff };
    format!("Microsoft gave no link. {} {next}", error.reason())
}

/// The link to a package, or to the result of a live response's command `index`. Written to the audit log, without the link.
///
/// # Errors
/// The outer one is ours, the inner one Microsoft's.
pub async fn link(db: &Db, client: &Client, by: &By, of: &Change, index: Option<u32>) -> anyhow::Result<Result<Url, CallError>> {
    let mut tx = db.tenant(of.tenant_id).await?;
    let tenant = tenants::get(&mut tx, of.tenant_id).await?;
    let granted = sync::grants(permissions::granted(&mut tx, of.tenant_id).await?);
    let event = by.event("action.collected").tenant(of.tenant_id).object(&of.subject);
    audit::record(&mut tx, event.after(json!({ "change": of.change_id, "index": index }))).await?;
    tx.commit().await?;
    let Some((tenant, action)) = tenant.filter(|tenant| tenant.state.is_read()).zip(of.external_id.as_deref()) else {
        return Ok(Err(CallError::NotFound));
    };
    let Some(target) = sync::target(&tenant).map(|target| target.at(Pace::Person)) else { return Ok(Err(CallError::NotFound)) };
    let (operation, index) = match index {
        Some(index) => (&endpoint::ACTIONS_RESULT, index.to_string()),
        None => (&endpoint::ACTIONS_PACKAGE, String::new()),
    };
    let app = match client.app_to_call(operation, &tenant.apps, &granted) {
        Ok(app) => app,
        Err(error) => return Ok(Err(error)),
    };
    let args = [action, index.as_str()];
    let args = if index.is_empty() { &args[..1] } else { &args[..] };
    Ok(client.collected(&target, &app, operation, args, clock::now()).await)
}
