//! Changing incidents and alerts: only what differs is sent, and the comment names the person, whom the app hides.

use super::acting::{Refusal, want};
use crate::auth::Person;
use crate::model::{ChangeId, TenantId};
use crate::store::audit::By;
use crate::store::changes::New;
use crate::store::incidents::Incident;
use crate::store::{Scoped, alerts::Alert};
use crate::sync::engine::Queue;
use serde_json::{Map, Value, json};

/// What somebody wants an incident or alert to be. `None`: as it is.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Microsoft's words.
    pub status: Option<String>,
    /// An empty name takes the owner away.
    pub assigned_to: Option<String>,
    pub classification: Option<String>,
    pub determination: Option<String>,
    /// Incidents only.
    pub tags: Option<Vec<String>>,
    pub comment: Option<String>,
}

/// Longer than anything Microsoft's portal makes.
const LONGEST: usize = 2_000;

impl Wish {
    /// The body, with what differs from `now`: status, owner, classification, determination.
    fn body(&self, now: [Option<&str>; 4], tags: Option<&[String]>, who: &Person) -> Result<Value, Refusal> {
        let mut body = Map::new();
        let asked = [
            ("status", &self.status),
            ("assignedTo", &self.assigned_to),
            ("classification", &self.classification),
            ("determination", &self.determination),
        ];
        for ((name, asked), now) in asked.into_iter().zip(now) {
            let Some(asked) = asked.as_deref().map(str::trim) else { continue };
            if asked.len() > LONGEST {
                return Err(Refusal::Wrong(name, "This is too long."));
            }
            if asked != now.unwrap_or_default() {
                body.insert(name.to_owned(), json!(asked));
            }
        }
        if let (Some(asked), Some(now)) = (&self.tags, tags)
            && asked.as_slice() != now
        {
            body.insert("tags".to_owned(), json!(asked));
        }
        if let Some(comment) = self.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty()) {
            if comment.len() > LONGEST {
                return Err(Refusal::Wrong("comment", "This is too long."));
            }
            body.insert("comment".to_owned(), json!(format!("{comment} ({}, {})", who.name, who.login)));
        }
        if body.is_empty() {
            return Err(Refusal::Wrong("status", "Nothing differs from what is there."));
        }
        Ok(Value::Object(body))
    }
}

/// Writes the change of an incident down and queues it.
pub async fn incident(
    tx: &mut Scoped,
    queue: &Queue,
    (by, who): (&By, &Person),
    of: &Incident,
    change: ChangeId,
    wish: &Wish,
) -> Result<(), Refusal> {
    if of.product != "defender_xdr" {
        return Err(Refusal::Wrong("incident", "Incidents of this product cannot be changed from here."));
    }
    let now = [Some(of.status_raw.as_str()), of.assigned_to.as_deref(), of.classification.as_deref(), of.determination.as_deref()];
    let body = wish.body(now, Some(&of.tags), who)?;
    let args = [of.external_id.as_str()];
    let subject = format!("#{} {}", of.external_id, of.title);
    let new =
        New { operation: "xdr.incidents.update", args: &args, subject: &subject, request: Some(body), comment: wish.comment.as_deref() };
    want(tx, queue, by, of.tenant_id, change, &new).await
}

/// Writes the change of an alert of Defender for Endpoint down and queues it.
pub async fn alert(
    tx: &mut Scoped,
    queue: &Queue,
    (by, who): (&By, &Person),
    of: &Alert,
    change: ChangeId,
    wish: &Wish,
) -> Result<(), Refusal> {
    if of.product != "defender_endpoint" {
        return Err(Refusal::Wrong("alert", "Alerts of this product cannot be changed from here."));
    }
    let now = [Some(of.status_raw.as_str()), of.assigned_to.as_deref(), of.classification.as_deref(), of.determination.as_deref()];
    let body = wish.body(now, None, who)?;
    let args = [of.external_id.as_str()];
    let new =
        New { operation: "endpoint.alerts.update", args: &args, subject: &of.title, request: Some(body), comment: wish.comment.as_deref() };
    want(tx, queue, by, of.tenant_id, change, &new).await
}

/// Writes one change of several alerts of one tenant down and queues it. What all of them are to be is sent, whatever they are now.
pub async fn alerts(
    tx: &mut Scoped,
    queue: &Queue,
    (by, who): (&By, &Person),
    (tenant, ids): (TenantId, &[String]),
    change: ChangeId,
    wish: &Wish,
) -> Result<(), Refusal> {
    let mut body = wish.body([None; 4], None, who)?;
    body["alertIds"] = json!(ids);
    let subject = format!("{} alerts", ids.len());
    let args = ["batch"];
    let new =
        New { operation: "endpoint.alerts.batch", args: &args, subject: &subject, request: Some(body), comment: wish.comment.as_deref() };
    want(tx, queue, by, tenant, change, &new).await
}

/// Something that happened on a device, as a hunting result names it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Microsoft's id of the device.
    pub machine: &'a str,
    pub event_time: &'a str,
    pub report_id: &'a str,
    pub title: &'a str,
    pub severity: &'a str,
    pub category: &'a str,
    pub description: &'a str,
    pub recommended_action: &'a str,
}

/// Writes down that an alert is to be made from an event, and queues it. Its description names the person and the change.
pub async fn create(tx: &mut Scoped, queue: &Queue, by: &By, tenant: TenantId, change: ChangeId, event: &Event<'_>) -> Result<(), Refusal> {
    let Event { machine, event_time, report_id, title, severity, category, description, recommended_action } = *event;
    let given = [
        ("machine", machine),
        ("event_time", event_time),
        ("report_id", report_id),
        ("title", title),
        ("severity", severity),
        ("category", category),
        ("description", description),
        ("recommended_action", recommended_action),
    ];
    for (name, text) in given {
        if text.trim().is_empty() || text.len() > LONGEST {
            return Err(Refusal::Wrong(name, "Every field is needed, none longer than 2,000 characters."));
        }
    }
    let request = json!({
        "machineId": machine.trim(), "eventTime": event_time.trim(), "reportId": report_id.trim(), "title": title.trim(), "severity": severity,
        "category": category, "description": format!("{} ({}, watchfloor {change})", description.trim(), by.login()),
        "recommendedAction": recommended_action.trim(),
    });
    let args = ["alert"];
    let new = New {
        operation: "endpoint.alerts.create",
        args: &args,
        subject: title.trim(),
        request: Some(request),
        comment: Some(description.trim()),
    };
    want(tx, queue, by, tenant, change, &new).await
}
