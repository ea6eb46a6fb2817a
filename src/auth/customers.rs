//! Signing customers' people in, each at the directory of their own organisation.
//!
//! It is the way of staff (`auth/entra.rs`) with another app and another question at its end: the directory that has signed the token must be the one
//! that is bound to a tenant, and the person must have been invited. An invitation is a link, which makes one account; from then on a person
//! is who issued the token, the directory and the object id. Whoever is not let in is told nothing about whether the directory is a customer's.

use super::entra::admit::{display_name, key, username};
use super::entra::refusal::Refused;
use super::entra::{Answer, Begun, Door, Refusal};
use super::limits::{self, Attempt};
use super::{secret, sessions, trips};
use crate::microsoft::SignedIn;
use crate::model::{DirectoryId, TenantId};
use crate::store::audit::{self, Actor, By, Event};
use crate::store::customers::invites::{self, Used};
use crate::store::customers::sessions::Identity;
use crate::store::customers::trips::{Invited, Start, Trip};
use crate::store::customers::{self, Customer};
use crate::store::{self, Db, Scoped, tickets};
use anyhow::Context;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// What an invite opens.
#[derive(Clone, Debug)]
pub struct Open {
    pub tenant_name: String,
    invited: Invited,
}

/// What the invite with this secret opens. `None`: nothing, for whatever reason.
pub async fn open(db: &Db, invite: &str) -> sqlx::Result<Option<Open>> {
    let Some((tenant, hash)) = tickets::read(invite) else { return Ok(None) };
    let mut tx = db.tenant(tenant).await?;
    let found = invites::look(&mut tx, tenant, &hash).await?;
    tx.commit().await?;
    Ok(found.map(|(tenant_name, directory)| Open { tenant_name, invited: Invited { tenant, hash, directory } }))
}

/// Begins a trip, with an invite to the directory of its tenant, and without one to wherever the person belongs.
pub async fn begin(door: &Door, invite: Option<&Open>, browser: Option<String>, ip: Option<&str>) -> anyhow::Result<Begun> {
    let (state, nonce) = (secret::random()?, secret::random()?);
    let invited = invite.map(|open| &open.invited);
    let (directory, callback) = (invited.map(|invited| invited.directory), door.config.customers_callback());
    let Some(trip) = door.microsoft.customer_trip(directory, &callback, state.expose_secret(), nonce.expose_secret()) else {
        return Ok(Begun::Nowhere);
    };
    let browser = trips::browser(browser)?;
    let start = Start {
        state_hash: &secret::hash(&state),
        browser_hash: &tickets::hash(&browser),
        nonce: nonce.expose_secret(),
        pkce_verifier: trip.verifier.expose_secret(),
        invited,
    };
    let mut tx = door.db.no_tenant().await?;
    let wait = limits::attempt(&mut tx, Attempt::SignIn, ip).await?;
    if wait.is_none() {
        customers::trips::begin(&mut tx, &start).await?;
    }
    tx.commit().await?;
    Ok(wait.map_or(Begun::Away(trip.url, browser), Begun::TooMany))
}

/// Takes what Microsoft sent a browser back with, see [`super::entra::answer`].
pub async fn answer(door: &Door, query: &str, browser: Option<&str>, ip: Option<&str>, now: DateTime<Utc>) -> anyhow::Result<Answer> {
    let (trip, code) = match under_way(door, query, browser).await? {
        Ok(found) => found,
        Err(refused) => return turn_away(&door.db, &refused, None, ip).await,
    };
    let directory = trip.invited.as_ref().map(|invited| invited.directory);
    match identify(door, directory, &trip, &code, now).await {
        Ok(person) => admit(&door.db, &person, trip.invited.as_ref(), ip).await,
        Err(refused) => turn_away(&door.db, &refused, None, ip).await,
    }
}

async fn under_way(door: &Door, query: &str, browser: Option<&str>) -> anyhow::Result<Result<(Trip, SecretString), Refused>> {
    let Some(brought) = trips::read(query) else { return Ok(Err(Refused::because(Refusal::Stray))) };
    let mut tx = door.db.no_tenant().await?;
    let answered = customers::trips::answer(&mut tx, &brought.state_hash).await?;
    tx.commit().await?;
    Ok(brought.of(answered, browser))
}

/// Who came back. No connection is held while Microsoft answers.
async fn identify(
    door: &Door,
    directory: Option<DirectoryId>,
    trip: &Trip,
    code: &SecretString,
    now: DateTime<Utc>,
) -> Result<SignedIn, Refused> {
    let (callback, nonce) = (door.config.customers_callback(), trip.nonce.expose_secret());
    let ask = async {
        let redeemed = door.microsoft.redeem_customer(directory, &callback, (code, &trip.pkce_verifier), nonce, now).await;
        redeemed.map_err(trips::refused)
    };
    trips::in_time(ask).await
}

/// Lets a proven person in whom somebody has invited, now or earlier.
async fn admit(db: &Db, person: &SignedIn, invited: Option<&Invited>, ip: Option<&str>) -> anyhow::Result<Answer> {
    let tenant = match invited {
        Some(invited) => Some(invited.tenant),
        None => customers::tenant_of(&mut db.all_tenants().await?, &key(person)).await?, // nothing else is read there
    };
    let Some(tenant) = tenant else { return turn_away(db, &unknown("no customer's directory"), Some((person, None)), ip).await };
    let mut tx = db.tenant(tenant).await?;
    match account(&mut tx, tenant, person, invited, ip).await? {
        Ok(customer) => {
            limits::forgive(&mut tx, Attempt::SignIn, ip).await?;
            let session = sessions::start_customer(&mut tx, tenant, customer.customer_id, ip).await?;
            let by = By { actor: Actor::Member(customer.customer_id, username(person)), ip: ip.map(str::to_owned) };
            audit::record(&mut tx, by.event("customer.login").tenant(tenant)).await?;
            tx.commit().await?;
            Ok(Answer::In(session, "/customer".to_owned()))
        }
        Err(why) => {
            drop(tx); // nothing of it counts, nor is the invite used up
            turn_away(db, &unknown(why), Some((person, Some(tenant))), ip).await
        }
    }
}

/// The account of a person, made now if an invite says so; or why there is none.
async fn account(
    tx: &mut Scoped,
    tenant: TenantId,
    person: &SignedIn,
    invited: Option<&Invited>,
    ip: Option<&str>,
) -> anyhow::Result<Result<Customer, &'static str>> {
    if !customers::is_of(tx, tenant, &key(person)).await? {
        return Ok(Err("another directory than the customer's"));
    }
    let used = match invited {
        None => None,
        Some(invited) => match invites::use_up(tx, tenant, &invited.hash).await? {
            Some(used) => Some(used),
            None => return Ok(Err("the invitation is used or over")),
        },
    };
    let customer = match (customers::find(tx, tenant, &key(person)).await?, &used) {
        (Some(known), _) => known,
        (None, Some(invite)) => create(tx, tenant, person, invite, ip).await?,
        (None, None) => return Ok(Err("not invited")),
    };
    if customer.disabled_at.is_some() {
        return Ok(Err("disabled"));
    }
    let is_admin = used.is_some_and(|invite| invite.is_admin);
    customers::greet(tx, &customer, (&display_name(person), &username(person)), is_admin).await?;
    Ok(Ok(customer))
}

async fn create(tx: &mut Scoped, tenant: TenantId, person: &SignedIn, invite: &Used, ip: Option<&str>) -> anyhow::Result<Customer> {
    let (name, login) = (display_name(person), username(person));
    if let Some(id) = customers::insert(tx, tenant, &key(person), (&name, &login), invite).await? {
        let by = By { actor: Actor::Member(id, login.clone()), ip: ip.map(str::to_owned) };
        let facts =
            json!({ "invite": invite.invite_id, "administrator": invite.is_admin, "directory": person.tid, "object_id": person.oid });
        audit::record(tx, by.event("customer.create").tenant(tenant).object(login).after(facts)).await?;
    }
    // Another tab may have been faster.
    customers::find(tx, tenant, &key(person)).await?.context("an account could not be made, and there is none")
}

/// One answer for everybody who is not let in; the audit log knows more.
fn unknown(why: &'static str) -> Refused {
    Refused::with(Refusal::NotKnown, why)
}

/// Writes a refusal down; with whom it was, where a verified token says so, and for which tenant.
async fn turn_away(db: &Db, refused: &Refused, who: Option<(&SignedIn, Option<TenantId>)>, ip: Option<&str>) -> anyhow::Result<Answer> {
    refused.alert();
    let mut tx = db.no_tenant().await?;
    if trips::is_told(&mut tx, refused.why, ip).await? {
        let event = Event::new(Actor::Stranger, "customer.refused").ip(ip.map(str::to_owned)).refused();
        let (reason, detail) = (refused.why.word(), &refused.detail);
        let mut event = match who {
            None => event.after(json!({ "reason": reason, "detail": detail })),
            Some((person, _)) => {
                let facts = json!({ "reason": reason, "detail": detail, "directory": person.tid, "object_id": person.oid });
                event.object(username(person)).after(facts)
            }
        };
        event.tenant = who.and_then(|(_, tenant)| tenant);
        audit::record(&mut tx, event).await?;
    }
    tx.commit().await?;
    Ok(Answer::Out(refused.why))
}

/// Who is behind the cookie, and of which tenant.
pub async fn find(db: &Db, session: &SecretString) -> sqlx::Result<Option<(TenantId, Vec<u8>, Identity)>> {
    let Some((tenant, hash)) = tickets::read(session.expose_secret()) else { return Ok(None) };
    let mut tx = db.tenant(tenant).await?;
    let identity = store::customers::sessions::identify(&mut tx, tenant, &hash).await?;
    tx.commit().await?;
    Ok(identity.map(|identity| (tenant, hash, identity)))
}

/// The link of a new invite, to be shown once.
pub async fn invite(tx: &mut Scoped, by: &By, tenant: TenantId, wish: Wish<'_>) -> anyhow::Result<(SecretString, DateTime<Utc>)> {
    let ticket = tickets::mint(tenant).context("the operating system gives no random numbers")?;
    let Wish { label, is_admin, made_by } = wish;
    let expires = invites::create(tx, by, tenant, invites::New { ticket_hash: &ticket.hash, label, is_admin, made_by }).await?;
    Ok((ticket.text.into(), expires))
}

/// Who is to be invited.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// For whom, for people: 1 to 120 characters.
    pub label: &'a str,
    /// They may invite and disable colleagues.
    pub is_admin: bool,
    /// The name of whoever invites.
    pub made_by: &'a str,
}
