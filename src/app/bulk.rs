//! Bulk jobs: what is checked before one begins, the same for pages and programs. `work` does them.

mod work;

pub use work::work;

use super::acting::Refusal;
use super::triage::{Now, Wish, batch};
use crate::auth::Person;
use crate::microsoft::operations::{graph, xdr};
use crate::model::{BulkId, Role, TenantId};
use crate::store::Scoped;
use crate::store::audit::By;
use crate::store::bulk::{self, Bulk, MOST, New, Which};
use crate::sync::engine::Queue;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Writes a job down with what it is made of; it does not begin. False: the id is known already, and nothing was written.
///
/// # Errors
/// [`Refusal`]; then the transaction must not be committed.
pub async fn freeze(tx: &mut Scoped, by: &By, new: &New<'_>, now: DateTime<Utc>) -> Result<bool, Refusal> {
    match bulk::freeze(tx, by, new, now).await? {
        None => Ok(false),
        Some(matched) if matched > MOST => Err(Refusal::Wrong(
            "filter",
            "More than 10,000 incidents match, the most that one job may have. Narrow the filter and try again.",
        )),
        Some(_) => Ok(true),
    }
}

/// The permissions of which a customer must have granted one, or its incidents cannot be changed.
pub fn permissions() -> Vec<&'static str> {
    [&xdr::INCIDENTS_UPDATE, &graph::INCIDENTS_UPDATE].into_iter().flat_map(|operation| operation.permissions).copied().collect()
}

/// A job of this person's, or no job.
async fn own(tx: &mut Scoped, who: &Person, bulk: BulkId) -> Result<Bulk, Refusal> {
    bulk::get(tx, who.id, bulk).await?.filter(|found| found.is_of(who.id)).ok_or(Refusal::NoTenant)
}

/// Lets a job begin. One that has begun with this wish is left as it is.
///
/// # Errors
/// [`Refusal`]; then nothing begins. An incident that would not close well, as it was shown, keeps all from beginning.
pub async fn start(
    tx: &mut Scoped,
    queue: &Queue,
    (by, who): (&By, &Person),
    bulk: BulkId,
    wish: &Wish,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    own(tx, who, bulk).await?;
    let shown: Vec<Now> = bulk::standings(tx, bulk)
        .await?
        .into_iter()
        .map(|(status, classification, determination)| Now { status, classification, determination, ..Now::default() })
        .collect();
    let wanted = batch::written(wish);
    if wanted == batch::written(&Wish::default()) {
        return Err(Refusal::Wrong("change", "Say what is to change: a status, a verdict, an owner, tags or a comment."));
    }
    batch::check(wish, who, &shown)?;
    begin(tx, queue, (by, who), bulk, &wanted, now).await
}

async fn begin(
    tx: &mut Scoped,
    queue: &Queue,
    (by, who): (&By, &Person),
    bulk: BulkId,
    wanted: &Value,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let Some(tenants) = bulk::start(tx, by, bulk, wanted, now).await? else {
        // It has begun before, perhaps just now.
        let begun = own(tx, who, bulk).await?;
        return if begun.wish.as_ref() == Some(wanted) { Ok(()) } else { Err(Refusal::Reused) };
    };
    Ok(queue.bulk(tx, bulk, &tenants).await?)
}

/// A job of what another one left or did, under an id of its own, and lets it begin. Known already: nothing is done.
async fn follow(
    tx: &mut Scoped,
    queue: &Queue,
    who: (&By, &Person),
    (new, wanted, none): (&New<'_>, &Value, &'static str),
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    if !freeze(tx, who.0, new, now).await? {
        return own(tx, who.1, new.bulk).await.map(|_| ());
    }
    if own(tx, who.1, new.bulk).await?.matched == 0 {
        return Err(Refusal::Wrong("bulk", none));
    }
    begin(tx, queue, who, new.bulk, wanted, now).await
}

/// Tries what failed in a job again, as the job `new`: once, or each time would say again what Microsoft has been told.
///
/// # Errors
/// [`Refusal`]; then the transaction must not be committed.
pub async fn again(
    tx: &mut Scoped,
    queue: &Queue,
    (by, who): (&By, &Person),
    (of, new): (BulkId, BulkId),
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let old = own(tx, who, of).await?;
    let wanted = old.wish.clone().ok_or(Refusal::NoTenant)?;
    bulk::one_at_a_time(tx, of).await?;
    if bulk::after(tx, who.id, of).await?.1.is_some_and(|known| known != new) {
        return Err(Refusal::Wrong("bulk", "What failed has been tried again already: see what became of that."));
    }
    let words = following("What failed of: ", old.words_for(who.id, &who.scope));
    let new = New { bulk: new, words: &words, query: &old.query, asked: None, undoes: old.undoes, which: Which::Failed(of) };
    follow(tx, queue, (by, who), (&new, &wanted, "Nothing of it has failed."), now).await
}

/// Gives the incidents that a job changed the status back that they had before, as the job `new`.
///
/// # Errors
/// [`Refusal`]; then the transaction must not be committed.
pub async fn undo(
    tx: &mut Scoped,
    queue: &Queue,
    (by, who): (&By, &Person),
    (of, new): (BulkId, BulkId),
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let old = own(tx, who, of).await?;
    if !has_undo(&old) {
        return Err(Refusal::Wrong("bulk", "It changed no status: there is nothing that could be given back."));
    }
    let words = following("Taken back: ", old.words_for(who.id, &who.scope));
    let new = New { bulk: new, words: &words, query: &old.query, asked: None, undoes: Some(of), which: Which::Changed(of) };
    follow(tx, queue, (by, who), (&new, &json!(["undo"]), "Nothing of it was carried out."), now).await
}

/// Whether a job set a status, which is what can be given back.
pub fn has_undo(of: &Bulk) -> bool {
    of.undoes.is_none() && of.wish.as_ref().and_then(batch::read).is_some_and(|wish| wish.status.is_some())
}

/// The words of a job that follows another; the beginning is not repeated.
fn following(beginning: &str, words: Option<&str>) -> String {
    let words = words.unwrap_or_default();
    if words.starts_with(beginning) { words.to_owned() } else { format!("{beginning}{words}") }
}

/// Whether this person may call the rest of a job off: whoever made it may, and a lead, in the tenants that they see.
pub fn may_stop(who: &Person, of: &Bulk) -> bool {
    of.started_at.is_some() && (of.is_of(who.id) || who.role.allows(Role::Lead))
}

/// Calls off what has not been sent, as far as this person sees.
///
/// # Errors
/// [`Refusal`]; then the transaction must not be committed.
pub async fn stop(tx: &mut Scoped, (by, who): (&By, &Person), of: BulkId) -> Result<(), Refusal> {
    let found = bulk::get(tx, who.id, of).await?.filter(|found| may_stop(who, found)).ok_or(Refusal::NoTenant)?;
    bulk::stop(tx, by, of, found.is_of(who.id)).await?;
    let mut unsent: BTreeMap<TenantId, Vec<_>> = BTreeMap::new();
    for (tenant, change) in bulk::unsent_of(tx, of).await? {
        unsent.entry(tenant).or_default().push(change);
    }
    for (tenant, changes) in unsent {
        batch::withdraw(tx, by, tenant, &changes).await?;
    }
    Ok(())
}
