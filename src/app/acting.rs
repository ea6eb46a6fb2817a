//! What people want changed at Microsoft: checked, written down with its audit row, and queued, all in one transaction.

use crate::model::action::Deed;
use crate::model::{ChangeId, TenantId, clock};
use crate::store::Scoped;
use crate::store::audit::{self, By};
use crate::store::changes::{self, Change, Kept, New};
use crate::store::devices::Device;
use crate::store::tenants::{self, Tenant};
use crate::sync::engine::Queue;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

/// So often may a user ask for each deed that is grave within [`WITHIN`], over all tenants.
const GRAVE: i64 = 5;
const WITHIN: TimeDelta = TimeDelta::minutes(10);

/// Why nothing was written down.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such tenant")]
    NoTenant,
    /// The tenant is paused, offboarded, or not approved.
    #[error("the tenant is not read at the moment")]
    NotRead,
    /// The user has cut off as many devices as one may in a while; so long until it is possible again. The refusal is in the audit log
    /// once the transaction commits.
    #[error("five devices in ten minutes")]
    TooMany(TimeDelta),
    /// The id stands for something else that was asked for.
    #[error("the id was used for something else")]
    Reused,
    /// What is to be changed is not as it was shown: these members.
    #[error("it has changed meanwhile")]
    Changed(Vec<&'static str>),
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
    if known(tx, tenant, change, &new.asked()).await? {
        return Ok(());
    }
    write(tx, queue, by, (tenant, change), new, &Kept::default()).await
}

/// A tenant for which Microsoft may be asked and told things.
pub(super) async fn open(tx: &mut Scoped, tenant: TenantId) -> Result<Tenant, Refusal> {
    let found = tenants::get(tx, tenant).await?.ok_or(Refusal::NoTenant)?;
    if found.is_open() { Ok(found) } else { Err(Refusal::NotRead) }
}

/// Whether just this has been asked for under the id, whatever came of it. An id that stands for something else, or for another tenant's
/// change, is refused.
pub(super) async fn known(tx: &mut Scoped, tenant: TenantId, change: ChangeId, asked: &Value) -> Result<bool, Refusal> {
    match changes::named(tx, tenant, change).await? {
        None => Ok(false),
        Some(found) if found.tenant_id == tenant && found.asked() == *asked => Ok(true),
        Some(_) => Err(Refusal::Reused),
    }
}

/// Writes down what is not [`known`], and queues it.
pub(super) async fn write(
    tx: &mut Scoped,
    queue: &Queue,
    by: &By,
    (tenant, change): (TenantId, ChangeId),
    new: &New<'_>,
    kept: &Kept<'_>,
) -> Result<(), Refusal> {
    open(tx, tenant).await?;
    if !changes::intend(tx, by, tenant, change, new, kept, clock::now()).await? {
        // Somebody has asked under this id since it was looked for.
        return known(tx, tenant, change, &kept.wish.cloned().unwrap_or_else(|| new.asked())).await.map(|_| ());
    }
    Ok(queue.push(tx, tenant, change).await?)
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
    let args = [device.external_id.as_str()];
    let new =
        New { operation: deed.operation(), args: &args, subject: &device.name, request: Some(body), comment: Some(act.comment.trim()) };
    within_limit(tx, queue, by, (device.tenant_id, change), &new).await
}

/// The same as [`want`], but refuses a grave deed beyond what one person may ask for, and writes the refusal to the audit log.
async fn within_limit(
    tx: &mut Scoped,
    queue: &Queue,
    by: &By,
    (tenant, change): (TenantId, ChangeId),
    new: &New<'_>,
) -> Result<(), Refusal> {
    let counts = Deed::of_operation(new.operation).is_some_and(Deed::is_grave);
    if counts {
        // Two requests at once must not both be the fifth.
        changes::one_at_a_time(tx, by).await?;
    }
    if known(tx, tenant, change, &new.asked()).await? {
        return Ok(());
    }
    let now = clock::now();
    let fifth = if counts { changes::asked_at(tx, by, new.operation, now - WITHIN, GRAVE - 1).await? } else { None };
    if let Some(fifth) = fifth {
        let after = json!({ "operation": new.operation, "limit": GRAVE, "minutes": WITHIN.num_minutes() });
        audit::record(tx, by.event("action.refused").tenant(tenant).object(new.subject).after(after).refused()).await?;
        return Err(Refusal::TooMany(fifth + WITHIN - now));
    }
    write(tx, queue, by, (tenant, change), new, &Kept::default()).await
}

/// What an alert is described with: the person, and the change by which it is found if the answer is lost.
pub(super) fn described(change: ChangeId, by: &By, text: &str) -> String {
    format!("{} ({}, watchfloor {change})", text.trim(), by.login())
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

/// A new change like one that was not carried out, with an id of its own, and whatever names the id names the new one.
pub async fn again(tx: &mut Scoped, queue: &Queue, by: &By, of: &Change, change: ChangeId) -> Result<(), Refusal> {
    let args: Vec<&str> = of.args.iter().map(String::as_str).collect();
    let mut request = of.request.clone();
    let text = of.comment.as_deref().unwrap_or_default();
    let mut put = |member: &str, text: String| {
        if let Some(place) = request.as_mut().and_then(|request| request.get_mut(member)) {
            *place = json!(text);
        }
    };
    put("Comment", signed(change, by, text));
    if of.operation == "endpoint.alerts.create" {
        put("description", described(change, by, text));
    }
    let new = New { operation: &of.operation, args: &args, subject: &of.subject, request, comment: of.comment.as_deref() };
    within_limit(tx, queue, by, (of.tenant_id, change), &new).await
}

/// A new id for a form, so that sending it twice is sending it once.
pub fn fresh() -> ChangeId {
    ChangeId(Uuid::now_v7())
}
