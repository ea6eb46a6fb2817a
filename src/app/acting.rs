//! What people want changed at Microsoft: checked, written down with its audit row, and queued, all in one transaction.

use crate::model::action::Deed;
use crate::model::{ChangeId, TenantId, clock};
use crate::store::audit::{self, By};
use crate::store::changes::{self, Change, New};
use crate::store::devices::Device;
use crate::store::{Scoped, tenants};
use crate::sync::engine::Queue;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

/// So many isolations may a user ask for within [`WITHIN`], over all tenants.
const ISOLATIONS: i64 = 5;
const WITHIN: TimeDelta = TimeDelta::minutes(10);

/// Why nothing was written down.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such tenant")]
    NoTenant,
    /// The tenant is paused, offboarded, or not approved.
    #[error("the tenant is not read at the moment")]
    NotRead,
    /// The user has cut off as many devices as one may in a while. The refusal is in the audit log once the transaction commits.
    #[error("five devices in ten minutes")]
    TooMany,
    /// A field, and what is wrong with it.
    #[error("{0}: {1}")]
    Wrong(&'static str, &'static str),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The change that a key of the caller's names: the same for the same user and key.
pub fn change_of(by: &By, key: &str) -> ChangeId {
    let hash = crate::store::tickets::hash(&format!("{:?} {key}", by.user()));
    let bytes = hash.first_chunk().copied().unwrap_or_default();
    ChangeId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// Writes a change down and queues its sending. A change known already (a form sent twice) is left as it is.
pub async fn want(tx: &mut Scoped, queue: &Queue, by: &By, tenant: TenantId, change: ChangeId, new: &New<'_>) -> Result<(), Refusal> {
    let found = tenants::get(tx, tenant).await?.ok_or(Refusal::NoTenant)?;
    if !found.state.is_read() || found.needs_approval {
        return Err(Refusal::NotRead);
    }
    if changes::intend(tx, by, tenant, change, new, clock::now()).await? {
        queue.push(tx, tenant, change).await?;
    }
    Ok(())
}

/// Something to be done to a device.
#[derive(Clone, Debug, Default)]
pub struct Act {
    pub comment: String,
    /// Of [`Deed::Quarantine`].
    pub sha1: String,
    /// Of [`Deed::LiveResponse`]: `PutFile`, `RunScript` or `GetFile`; the file, script or path; the script's arguments.
    pub command: String,
    pub target: String,
    pub arguments: String,
}

/// Writes an action on a device down and queues it. The comment that Microsoft gets names the change and the person.
pub async fn act(
    tx: &mut Scoped,
    queue: &Queue,
    by: &By,
    device: &Device,
    change: ChangeId,
    (deed, act): (Deed, &Act),
) -> Result<(), Refusal> {
    if act.comment.trim().is_empty() {
        return Err(Refusal::Wrong("comment", "Say why: Microsoft wants a comment, and so does the audit log."));
    }
    let body = body(deed, act, &signed(change, by, &act.comment))?;
    within_limit(tx, by, (device.tenant_id, &device.name), deed.operation(), change).await?;
    let args = [device.external_id.as_str()];
    let new =
        New { operation: deed.operation(), args: &args, subject: &device.name, request: Some(body), comment: Some(act.comment.trim()) };
    want(tx, queue, by, device.tenant_id, change, &new).await
}

/// Refuses an isolation beyond what one person may ask for, and writes the refusal to the audit log.
async fn within_limit(
    tx: &mut Scoped,
    by: &By,
    (tenant, subject): (TenantId, &str),
    operation: &str,
    change: ChangeId,
) -> Result<(), Refusal> {
    if operation != Deed::Isolate.operation() || changes::get(tx, change).await?.is_some() {
        return Ok(());
    }
    // Two requests at once must not both be the fifth.
    changes::one_at_a_time(tx, by).await?;
    if changes::asked_since(tx, by, operation, clock::now() - WITHIN).await? >= ISOLATIONS {
        let after = json!({ "operation": operation, "limit": ISOLATIONS, "minutes": WITHIN.num_minutes() });
        audit::record(tx, by.event("action.refused").tenant(tenant).object(subject).after(after).refused()).await?;
        return Err(Refusal::TooMany);
    }
    Ok(())
}

/// "[watchfloor 0193…] ada: Ransomware".
fn signed(change: ChangeId, by: &By, comment: &str) -> String {
    format!("[watchfloor {change}] {}: {}", by.login(), comment.trim())
}

fn body(deed: Deed, act: &Act, comment: &str) -> Result<Value, Refusal> {
    let mut body = json!({ "Comment": comment });
    match deed {
        Deed::Isolate => body["IsolationType"] = json!("Full"),
        Deed::IsolateSelective => body["IsolationType"] = json!("Selective"),
        Deed::ScanQuick => body["ScanType"] = json!("Quick"),
        Deed::ScanFull => body["ScanType"] = json!("Full"),
        Deed::Quarantine => {
            let sha1 = act.sha1.trim().to_ascii_lowercase();
            if sha1.len() != 40 || !sha1.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(Refusal::Wrong("sha1", "A SHA-1 has 40 hexadecimal digits."));
            }
            body["Sha1"] = json!(sha1);
        }
        Deed::LiveResponse => body["Commands"] = commands(act)?,
        Deed::Release | Deed::Collect | Deed::Restrict | Deed::Lift | Deed::Investigate | Deed::Offboard => {}
    }
    Ok(body)
}

fn commands(act: &Act) -> Result<Value, Refusal> {
    let key = match act.command.as_str() {
        "PutFile" => "FileName",
        "RunScript" => "ScriptName",
        "GetFile" => "Path",
        _ => return Err(Refusal::Wrong("command", "Choose what is to be done.")),
    };
    if act.target.trim().is_empty() {
        return Err(Refusal::Wrong("target", "Name the file, the script or the path."));
    }
    let mut params = vec![json!({"key": key, "value": act.target.trim()})];
    if act.command == "RunScript" && !act.arguments.trim().is_empty() {
        params.push(json!({"key": "Args", "value": act.arguments.trim()}));
    }
    Ok(json!([{ "type": act.command, "params": params }]))
}

/// Asks for a running action to be cancelled.
pub async fn cancel(tx: &mut Scoped, queue: &Queue, by: &By, of: &Change, change: ChangeId, comment: &str) -> Result<(), Refusal> {
    let Some(action) = of.external_id.as_deref().filter(|_| !of.state.is_final()) else {
        return Err(Refusal::Wrong("change", "It does not run."));
    };
    let comment = if comment.trim().is_empty() { "Not wanted any more" } else { comment };
    let request = json!({ "Comment": signed(change, by, comment) });
    let args = [action];
    let new = New {
        operation: "endpoint.actions.cancel",
        args: &args,
        subject: &of.subject,
        request: Some(request),
        comment: Some(comment.trim()),
    };
    want(tx, queue, by, of.tenant_id, change, &new).await
}

/// A new change like one that was not carried out, with an id of its own.
pub async fn again(tx: &mut Scoped, queue: &Queue, by: &By, of: &Change, change: ChangeId) -> Result<(), Refusal> {
    within_limit(tx, by, (of.tenant_id, &of.subject), &of.operation, change).await?;
    let args: Vec<&str> = of.args.iter().map(String::as_str).collect();
    let mut request = of.request.clone();
    if let Some(comment) = request.as_mut().and_then(|request| request.get_mut("Comment")) {
        *comment = json!(signed(change, by, of.comment.as_deref().unwrap_or_default()));
    }
    let new = New { operation: &of.operation, args: &args, subject: &of.subject, request, comment: of.comment.as_deref() };
    want(tx, queue, by, of.tenant_id, change, &new).await
}

/// A new id for a form, so that sending it twice is sending it once.
pub fn fresh() -> ChangeId {
    ChangeId(Uuid::now_v7())
}
