//! Changing incidents and alerts: only what differs is sent, through the API that the tenant grants, and the comment names the person, whom
//! the app hides.

pub mod batch;
mod wish;

pub use wish::{Now, Wish};

use super::AppState;
use super::acting::{Refusal, change_of, described, known, want, write};
use crate::auth::Person;
use crate::microsoft::Client;
use crate::model::{Adapter, ChangeId, Product, TenantId, clock};
use crate::store::audit::By;
use crate::store::changes::{Kept, New};
use crate::store::incidents::Incident;
use crate::store::{Scoped, alerts::Alert, leases, tenants};
use crate::sync::engine::Queue;
use crate::sync::{adapter, rows};
use serde_json::{Map, Value, json};
use wish::is_long;

/// The longest comment that Microsoft Graph takes.
const GRAPHS_LONGEST: usize = 1_000;

/// Something to be changed.
struct Record<'a> {
    tenant: TenantId,
    product: Product,
    id: &'a str,
    subject: String,
}

/// One call that changes a record.
struct Part {
    operation: &'static str,
    request: Value,
    /// How what it changes stood when it was shown, in the request's words; `None`: it is compared with nothing.
    expects: Option<Value>,
}

/// Calls that change one record, the fields before the comment: Graph takes comments by a call of their own. `seen`: how the
/// record was shown, as far as it changes.
fn parts(
    record: &Record<'_>,
    through: Adapter,
    mut members: Map<String, Value>,
    seen: Option<&Now>,
    comment: Option<String>,
) -> Result<Vec<Part>, Refusal> {
    if members.is_empty() && comment.is_none() {
        return Err(Refusal::Wrong("status", "Nothing differs from what is there."));
    }
    let of_alert = record.product == Product::DefenderEndpoint;
    let stood = seen.map(|seen| seen.only(&members)).filter(|stood| !stood.is_empty());
    if through == Adapter::Defender {
        members.extend(comment.map(|comment| ("comment".to_owned(), json!(comment))));
        let operation = if of_alert { "endpoint.alerts.update" } else { "xdr.incidents.update" };
        return Ok(vec![Part { operation, request: Value::Object(members), expects: stood.map(Value::Object) }]);
    }
    if comment.as_deref().is_some_and(|comment| comment.chars().count() > GRAPHS_LONGEST) {
        return Err(Refusal::Wrong("comment", "Microsoft Graph takes comments of 1,000 characters, your name included."));
    }
    let (update, say) =
        if of_alert { ("graph.alerts.update", "graph.alerts.comment") } else { ("graph.incidents.update", "graph.incidents.comment") };
    let of_graph = |members: Map<String, Value>| members.into_iter().map(|(name, value)| of_graph(name, value)).collect();
    let fields = (!members.is_empty()).then(|| Part {
        operation: update,
        request: Value::Object(of_graph(members)),
        expects: stood.map(|stood| Value::Object(of_graph(stood))),
    });
    let comment = comment.map(|comment| Part {
        operation: say,
        request: json!({ "@odata.type": "microsoft.graph.security.alertComment", "comment": comment }),
        expects: None,
    });
    Ok(fields.into_iter().chain(comment).collect())
}

/// A member in Graph's words, after Microsoft's page "Update incident" of the Graph security API.
fn of_graph(name: String, value: Value) -> (String, Value) {
    match (name.as_str(), &value) {
        ("tags", _) => ("customTags".to_owned(), value),
        ("assignedTo", Value::String(owner)) if owner.is_empty() => (name, Value::Null),
        (_, Value::String(word)) => {
            let word = rows::to_graph(&name, word);
            (name, json!(word))
        }
        _ => (name, value),
    }
}

/// Writes the changes of one record down; the first is `change` and keeps what was asked for.
async fn send(
    tx: &mut Scoped,
    queue: &Queue,
    by: &By,
    record: &Record<'_>,
    (change, asked): (ChangeId, Option<&Value>),
    (parts, comment): (Vec<Part>, Option<&str>),
) -> Result<(), Refusal> {
    let (last, mut behind) = (parts.len() - 1, None);
    for (n, Part { operation, request, expects }) in parts.into_iter().enumerate() {
        let id = if n == 0 { change } else { change_of(by, &format!("{change} {n}")) };
        let new =
            New { operation, args: &[record.id], subject: &record.subject, request: Some(request), comment: comment.filter(|_| n == last) };
        let kept = Kept { wish: asked.filter(|_| n == 0), expects: expects.as_ref(), behind };
        write(tx, queue, by, (record.tenant, id), &new, &kept).await?;
        behind = Some(id);
    }
    Ok(())
}

async fn through(tx: &mut Scoped, microsoft: &Client, tenant: TenantId, product: Product) -> Result<Adapter, Refusal> {
    let tenant = tenants::get(tx, tenant).await?.ok_or(Refusal::NoTenant)?;
    Ok(adapter::to_change(microsoft, tx, &tenant, product).await?)
}

async fn one(
    tx: &mut Scoped,
    state: &AppState,
    (by, who): (&By, &Person),
    record: &Record<'_>,
    now: &Now,
    (change, wish): (ChangeId, &Wish),
) -> Result<(), Refusal> {
    let asked = wish.asked(record.product.as_str(), &[record.id]);
    if known(tx, record.tenant, change, &asked).await? {
        return Ok(());
    }
    let through = through(tx, &state.microsoft, record.tenant, record.product).await?;
    let members = wish.members(Some(now))?;
    wish.closes_well(now)?;
    let seen = wish.shown.is_some().then_some(now);
    let parts = parts(record, through, members, seen, wish.signed(who)?)?;
    send(tx, &state.queue, by, record, (change, Some(&asked)), (parts, wish.comment.as_deref())).await
}

/// Writes the change of an incident down and queues it.
pub async fn incident(
    tx: &mut Scoped,
    state: &AppState,
    who: (&By, &Person),
    of: &Incident,
    change: ChangeId,
    wish: &Wish,
) -> Result<(), Refusal> {
    if of.product != Product::DefenderXdr.as_str() {
        return Err(Refusal::Wrong("incident", "Incidents of this product cannot be changed from here."));
    }
    one(tx, state, who, &of_incident(of), &of.into(), (change, wish)).await?;
    at_work(tx, who, of, wish).await
}

/// Whoever takes an incident is at work on it, unless somebody else is; any other change is a sign of life of whoever is.
async fn at_work(tx: &mut Scoped, (by, who): (&By, &Person), of: &Incident, wish: &Wish) -> Result<(), Refusal> {
    let (takes, now) = (wish.assigned_to.as_deref() == Some(who.login.as_str()), clock::now());
    if takes {
        leases::take(tx, (by, &who.name), of, None, now).await?;
    } else {
        leases::renew(tx, by, of, now).await?;
    }
    Ok(())
}

fn of_incident(of: &Incident) -> Record<'_> {
    Record { tenant: of.tenant_id, product: Product::DefenderXdr, id: &of.external_id, subject: of.subject() }
}

fn record(of: &Alert) -> Record<'_> {
    Record { tenant: of.tenant_id, product: Product::DefenderEndpoint, id: &of.external_id, subject: of.title.clone() }
}

/// Writes the change of an alert of Defender for Endpoint down and queues it.
pub async fn alert(
    tx: &mut Scoped,
    state: &AppState,
    who: (&By, &Person),
    of: &Alert,
    change: ChangeId,
    wish: &Wish,
) -> Result<(), Refusal> {
    if of.product != Product::DefenderEndpoint.as_str() {
        return Err(Refusal::Wrong("alert", "Alerts of this product cannot be changed from here."));
    }
    if wish.tags.is_some() {
        return Err(Refusal::Wrong("tags", "Alerts have no tags."));
    }
    one(tx, state, who, &record(of), &of.into(), (change, wish)).await
}

/// Writes down that several alerts of one tenant are to be changed, and queues it: one change or, through Graph, which takes one alert at a
/// time, changes of each. What all of them are to be is sent, whatever they are now.
pub async fn alerts(
    tx: &mut Scoped,
    state: &AppState,
    (by, who): (&By, &Person),
    (tenant, of): (TenantId, &[Alert]),
    change: ChangeId,
    wish: &Wish,
) -> Result<(), Refusal> {
    if wish.tags.is_some() {
        return Err(Refusal::Wrong("tags", "Alerts have no tags."));
    }
    let ids: Vec<&str> = of.iter().map(|alert| alert.external_id.as_str()).collect();
    let asked = wish.asked("alerts", &ids);
    if known(tx, tenant, change, &asked).await? {
        return Ok(());
    }
    let through = through(tx, &state.microsoft, tenant, Product::DefenderEndpoint).await?;
    of.iter().try_for_each(|alert| wish.closes_well(&alert.into()))?;
    let (members, signed) = (wish.members(None)?, wish.signed(who)?);
    let comment = wish.comment.as_deref();
    if through == Adapter::Defender {
        let all = Record { tenant, product: Product::DefenderEndpoint, id: "batch", subject: format!("{} alerts", of.len()) };
        let mut parts = parts(&all, through, members, None, signed)?;
        for part in &mut parts {
            part.operation = "endpoint.alerts.batch";
            part.request["alertIds"] = json!(ids);
        }
        return send(tx, &state.queue, by, &all, (change, Some(&asked)), (parts, comment)).await;
    }
    for (n, alert) in of.iter().enumerate() {
        let id = if n == 0 { change } else { change_of(by, &format!("{change} of {}", alert.alert_id)) };
        let parts = parts(&record(alert), through, members.clone(), None, signed.clone())?;
        send(tx, &state.queue, by, &record(alert), (id, Some(&asked).filter(|_| n == 0)), (parts, comment)).await?;
    }
    Ok(())
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
        if text.trim().is_empty() || is_long(text) {
            return Err(Refusal::Wrong(name, "Every field is needed, none longer than 2,000 characters."));
        }
    }
    let request = json!({
        "machineId": machine.trim(), "eventTime": event_time.trim(), "reportId": report_id.trim(), "title": title.trim(), "severity": severity,
        "category": category, "description": described(change, by, description),
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
