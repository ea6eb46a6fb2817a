//! Several incidents changed by one form: a change of each, so that each has an outcome of its own.

use super::{Now, Record, Wish, at_work, of_incident, parts, send, through};
use crate::app::acting::{Refusal, change_of};
use crate::auth::Person;
use crate::microsoft::Client;
use crate::model::{Adapter, ChangeId, ChangeState, Product, Status, TenantId, clock};
use crate::store::Scoped;
use crate::store::audit::{self, By};
use crate::store::changes::{self, Change, Kept, New, Outcome};
use crate::store::incidents::Incident;
use crate::store::tenants;
use crate::sync::engine::Queue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// An incident that somebody chose, and how it was shown to them.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub incident: Incident,
    /// `None`: it is not compared with anything.
    pub shown: Option<Now>,
}

/// What is asked for incident by incident. Of a wish's tags a batch adds what is not there; it takes none away.
fn asked(wish: &Wish, of: &Incident) -> Value {
    wish.asked("incidents", &[&of.external_id])
}

/// Where a change keeps the status that its incident had before, behind what was asked for.
const BEFORE: usize = 8;

/// What the first change of an incident keeps: what was asked for, and the status before it.
fn kept(wish: &Wish, of: &Incident) -> Value {
    let mut kept = asked(wish, of);
    if let Some(parts) = kept.as_array_mut() {
        parts.push(json!(of.status_raw));
    }
    kept
}

/// Whether an incident can be changed from here.
pub fn can_change(of: &Incident) -> bool {
    of.product == Product::DefenderXdr.as_str() && of.status != Status::Redirected
}

/// A wish as something keeps it that stands for many incidents.
pub fn written(wish: &Wish) -> Value {
    wish.asked("incidents", &[])
}

/// Whether everything of a wish can be sent for whatever incident; those that were shown like this must also close well.
pub fn check(wish: &Wish, who: &Person, shown: &[Now]) -> Result<(), Refusal> {
    wish.members(None)?;
    wish.signed(who)?;
    shown.iter().try_for_each(|now| wish.closes_well(now))
}

/// The wish that a change of a batch keeps.
pub fn wish_of(change: &Change) -> Option<Wish> {
    read(change.wish.as_ref()?)
}

/// The wish that was written so.
pub fn read(asked: &Value) -> Option<Wish> {
    if asked[0] != "incidents" {
        return None;
    }
    let text = |n: usize| asked[n].as_str().map(str::to_owned);
    let tags = asked[6].as_array().map(|tags| tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect());
    let (status, assigned_to, classification) = (text(2), text(3), text(4));
    Some(Wish { status, assigned_to, classification, determination: text(5), tags, comment: text(7), ..Wish::default() })
}

/// The change of one incident among those that one form asks for.
fn change_in(by: &By, batch: ChangeId, of: &Incident) -> ChangeId {
    change_of(by, &format!("{batch} {}", of.incident_id))
}

/// Whether just this has been asked for by the form, whatever came of it. A form that stands for something else is refused.
pub async fn known(tx: &mut Scoped, by: &By, (batch, of): (ChangeId, &[Chosen]), wish: &Wish) -> Result<bool, Refusal> {
    let before = changes::together(tx, by, batch).await?;
    if before.is_empty() {
        return Ok(false);
    }
    // The first change of each incident keeps what was asked for.
    let asked_then = |kept: Value| kept.as_array().into_iter().flatten().take(BEFORE).cloned().collect::<Value>();
    let before: BTreeMap<ChangeId, Value> =
        before.into_iter().filter_map(|(_, change)| Some((change.change_id, asked_then(change.wish?)))).collect();
    let now: BTreeMap<ChangeId, Value> =
        of.iter().map(|chosen| (change_in(by, batch, &chosen.incident), asked(wish, &chosen.incident))).collect();
    if before == now { Ok(true) } else { Err(Refusal::Reused) }
}

/// The names of those tenants that Microsoft may be told nothing for at the moment.
pub async fn closed(tx: &mut Scoped, of: &[Chosen]) -> Result<Vec<String>, Refusal> {
    let ids: BTreeSet<TenantId> = of.iter().map(|chosen| chosen.incident.tenant_id).collect();
    let mut names = Vec::new();
    for id in ids {
        let tenant = tenants::get(tx, id).await?.ok_or(Refusal::NoTenant)?;
        if !tenant.is_open() {
            names.push(tenant.name);
        }
    }
    Ok(names)
}

/// Writes a change of each incident down and queues it. One that is so already, or that somebody changed since it was shown, is written
/// down with its end and not sent. Ask [`known`] and [`closed`] before.
pub async fn incidents(
    tx: &mut Scoped,
    means: (&Queue, &Client),
    who: (&By, &Person),
    (batch, of): (ChangeId, &[Chosen]),
    wish: &Wish,
) -> Result<(), Refusal> {
    of.iter().try_for_each(|chosen| wish.closes_well(&(&chosen.incident).into()))?;
    let mut by_tenant: BTreeMap<TenantId, Vec<&Chosen>> = BTreeMap::new();
    for chosen in of {
        if chosen.incident.product != Product::DefenderXdr.as_str() {
            return Err(Refusal::Wrong("incident", "Incidents of this product cannot be changed from here."));
        }
        by_tenant.entry(chosen.incident.tenant_id).or_default().push(chosen);
    }
    for (tenant, of) in by_tenant {
        let through = through(tx, means.1, tenant, Product::DefenderXdr).await?;
        let mut written = Vec::new();
        for chosen in of {
            let change = change_in(who.0, batch, &chosen.incident);
            one(tx, means.0, who, (chosen, through), (change, wish)).await?;
            written.extend([change, change_of(who.0, &format!("{change} 1"))]);
        }
        changes::join(tx, tenant, batch, &written).await?;
    }
    Ok(())
}

async fn one(
    tx: &mut Scoped,
    queue: &Queue,
    (by, who): (&By, &Person),
    (chosen, through): (&Chosen, Adapter),
    (change, wish): (ChangeId, &Wish),
) -> Result<(), Refusal> {
    let of = &chosen.incident;
    let (record, now, kept) = (of_incident(of), Now::from(of), kept(wish, of));
    let tags = wish.tags.as_ref().map(|added| {
        let new = added.iter().filter(|tag| !of.tags.contains(tag)).cloned();
        of.tags.iter().cloned().chain(new).collect()
    });
    let this = Wish { tags, shown: chosen.shown.clone(), ..wish.clone() };
    let members = match this.members(Some(&now)) {
        Err(Refusal::Changed(members)) => {
            let why = format!("Not sent: somebody has changed it since it was shown to you: {}.", now.told(&members));
            return set_aside(tx, by, &record, (change, &kept, wish), (ChangeState::Failed, &why, through)).await;
        }
        other => other?,
    };
    let comment = this.signed(who)?;
    if members.is_empty() && comment.is_none() {
        let why = "It was so already: nothing was sent.";
        return set_aside(tx, by, &record, (change, &kept, wish), (ChangeState::Done, why, through)).await;
    }
    let seen = this.shown.is_some().then_some(&now);
    let parts = parts(&record, through, members, seen, comment)?;
    send(tx, queue, by, &record, (change, Some(&kept)), (parts, wish.comment.as_deref())).await?;
    at_work(tx, (by, who), of, wish).await
}

/// Writes a change down of which nothing is sent, with its end.
async fn set_aside(
    tx: &mut Scoped,
    by: &By,
    record: &Record<'_>,
    (change, asked, wish): (ChangeId, &Value, &Wish),
    (end, why, through): (ChangeState, &str, Adapter),
) -> Result<(), Refusal> {
    let operation = if through == Adapter::Defender { "xdr.incidents.update" } else { "graph.incidents.update" };
    let args = [record.id];
    let new = New { operation, args: &args, subject: &record.subject, request: None, comment: wish.comment.as_deref() };
    let kept = Kept { wish: Some(asked), ..Kept::default() };
    if !changes::intend(tx, by, record.tenant, change, &new, &kept, clock::now()).await? {
        return Ok(()); // the same form, twice at the same time
    }
    if let Some(written) = changes::get(tx, change).await? {
        let outcome = Outcome { state: end, reason: Some(why), external_id: None, answer: None };
        changes::settle(tx, &written, &outcome, clock::now()).await?;
    }
    Ok(())
}

/// What is left to be undone of a form's changes of one incident.
#[derive(Clone, Debug)]
pub enum Undo {
    /// Nothing: what had not been sent is called off, and nothing else was done.
    Nothing,
    /// It cannot be said yet: they are being sent, or nobody knows what became of them.
    Unknown,
    /// Microsoft did what was asked for: this gives the status back, and `Chosen::shown` what it was set to.
    Back(Box<(Wish, Now)>),
}

/// Calls off those of these changes of a tenant that nobody has begun to send, each with its audit row, and tells which.
pub async fn withdraw(tx: &mut Scoped, by: &By, tenant: TenantId, ids: &[ChangeId]) -> Result<Vec<ChangeId>, Refusal> {
    let off = changes::withdraw(tx, tenant, ids, "Called off before it was sent.", clock::now()).await?;
    for id in &off {
        if let Some(change) = changes::named(tx, tenant, *id).await? {
            let after = json!({ "change": id, "operation": change.operation });
            audit::record(tx, by.event("change.cancelled").tenant(tenant).object(&change.subject).after(after)).await?;
        }
    }
    Ok(off)
}

/// Calls off what has not been sent of a form's changes of an incident. `None`: the form asked for none.
pub async fn call_off(tx: &mut Scoped, by: &By, batch: ChangeId, of: &Incident) -> Result<Option<Undo>, Refusal> {
    let own = changes::of_batch(tx, by, batch, of.tenant_id, &of.external_id).await?;
    if own.is_empty() {
        return Ok(None);
    }
    let ids: Vec<ChangeId> = own.iter().map(|change| change.change_id).collect();
    let off = withdraw(tx, by, of.tenant_id, &ids).await?;
    let mut rest = own.iter().filter(|change| !off.contains(&change.change_id));
    if rest.clone().any(|change| !change.state.is_final() || change.state == ChangeState::Lost) {
        return Ok(Some(Undo::Unknown));
    }
    // What was set aside has no request.
    let done = rest.any(|change| change.state == ChangeState::Done && change.request.is_some());
    // Of a form that set no status there is none to give back.
    let kept = own.iter().find_map(|change| change.wish.as_ref()).filter(|kept| done && kept[2].is_string());
    Ok(Some(kept.map_or(Undo::Nothing, |kept| back(kept, of))))
}

/// The way back from what a change kept.
fn back(kept: &Value, of: &Incident) -> Undo {
    let asked = kept[2].as_str().unwrap_or(&of.status_raw);
    // Microsoft's interfaces write the same words in their own ways.
    let status = if of.status_raw.eq_ignore_ascii_case(asked) { &of.status_raw } else { asked };
    let shown = Now { status: status.to_owned(), ..Now::from(of) };
    Undo::Back(Box::new((Wish { status: kept[BEFORE].as_str().map(str::to_owned), is_way_back: true, ..Wish::default() }, shown)))
}
