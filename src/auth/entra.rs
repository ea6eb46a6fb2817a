//! Signing staff in at Entra: the way there, and what may come back.
//!
//! Nothing in an answer counts by itself, because a browser carries it. It counts with a state of ours, once, within ten minutes, in the
//! browser that began; and who somebody is and what they may do says the id_token alone, which Entra gives us for the code and which is
//! verified. A person is who issued the token, the directory and the object id. The invitation of staff is a role or a group of their
//! directory that the operator has mapped: whoever has none gets no account and no session.

pub(super) mod admit;
pub(super) mod refusal;

pub use refusal::Refusal;

use super::limits::{self, Attempt};
use super::{secret, trips};
use crate::config::{Config, EntraLogin};
use crate::microsoft::{self, SignedIn};
use crate::model::Role;
use crate::store::staff::{self, Start, Trip};
use crate::store::{Db, tickets};
use chrono::{DateTime, TimeDelta, Utc};
use refusal::Refused;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use url::Url;

/// What signing in at Entra works with. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    pub db: Db,
    pub microsoft: microsoft::Client,
    pub config: Arc<Config>,
}

/// What the browser gets.
pub enum Answer {
    /// A session's secret, and where to go on to.
    In(SecretString, String),
    Out(Refusal),
}

/// How a trip begins.
pub enum Begun {
    /// Where the browser goes, and the secret by which it is known again.
    Away(Url, String),
    /// There were too many; how long until the next.
    TooMany(TimeDelta),
    /// There is no such sign-in.
    Nowhere,
}

/// Begins a trip. A browser that is under way already keeps its secret, so that a second tab does not cut off the first.
/// `proves`: the session, by its hash, whose person is to prove who they are once more; Microsoft is told to ask them, whatever it knows.
pub async fn begin(door: &Door, (next, proves): (&str, Option<&[u8]>), browser: Option<String>, ip: Option<&str>) -> anyhow::Result<Begun> {
    let (state, nonce) = (secret::random()?, secret::random()?);
    let callback = door.config.sign_in_callback();
    let Some(trip) = door.microsoft.staff_trip(&callback, state.expose_secret(), nonce.expose_secret(), proves.is_some()) else {
        return Ok(Begun::Nowhere);
    };
    let browser = trips::browser(browser)?;
    let start = Start {
        state_hash: &secret::hash(&state),
        browser_hash: &tickets::hash(&browser),
        nonce: nonce.expose_secret(),
        pkce_verifier: trip.verifier.expose_secret(),
        next,
        proves,
    };
    let mut tx = door.db.no_tenant().await?;
    let wait = limits::attempt(&mut tx, Attempt::SignIn, ip).await?;
    if wait.is_none() {
        staff::begin(&mut tx, &start).await?;
    }
    tx.commit().await?;
    Ok(wait.map_or(Begun::Away(trip.url, browser), Begun::TooMany))
}

/// Takes what Microsoft sent a browser back with, and writes what became of it into the audit log. Run it where a lost connection cannot
/// cut it off. `browser` is the secret of [`begin`]. No connection is held while Microsoft answers.
pub async fn answer(door: &Door, query: &str, browser: Option<&str>, ip: Option<&str>, now: DateTime<Utc>) -> anyhow::Result<Answer> {
    let Some(login) = &door.config.login.entra else { anyhow::bail!("there is no [login.entra]") };
    let refused = match under_way(door, query, browser).await? {
        Ok((trip, code)) => match identify(door, login, &trip, &code, now).await {
            Ok((person, Some(_))) if trip.proves.is_some() => {
                let session = trip.proves.clone().unwrap_or_default();
                return admit::renew(&door.db, &person, trip, &session, ip).await;
            }
            Ok((person, Some(role))) => return admit::admit(&door.db, &person, role, trip.next, ip).await,
            Ok((person, None)) => return admit::without_role(&door.db, &person, ip).await,
            Err(refused) => refused,
        },
        Err(refused) => refused,
    };
    let mut tx = door.db.no_tenant().await?;
    if trips::is_told(&mut tx, refused.why, ip).await? {
        refusal::note(&mut tx, &refused, None, ip).await?;
    }
    tx.commit().await?;
    Ok(Answer::Out(refused.why))
}

/// The trip that an answer belongs to, which is used up by it, and the code that it brings.
async fn under_way(door: &Door, query: &str, browser: Option<&str>) -> anyhow::Result<Result<(Trip, SecretString), Refused>> {
    let Some(brought) = trips::read(query) else { return Ok(Err(Refused::because(Refusal::Stray))) };
    let mut tx = door.db.no_tenant().await?;
    let answered = staff::answer(&mut tx, &brought.state_hash).await?;
    tx.commit().await?;
    Ok(brought.of(answered, browser))
}

/// Who came back, and the highest role that their directory gives them here.
async fn identify(
    door: &Door,
    login: &EntraLogin,
    trip: &Trip,
    code: &SecretString,
    now: DateTime<Utc>,
) -> Result<(SignedIn, Option<Role>), Refused> {
    let ask = async {
        let (callback, nonce) = (door.config.sign_in_callback(), trip.nonce.expose_secret());
        let person = door.microsoft.redeem_staff(&callback, (code, &trip.pkce_verifier), nonce, now).await.map_err(trips::refused)?;
        let mut role = login.role_of(&person.roles, &person.groups);
        // Never a lower role in silence: where Graph does not answer, nobody is signed in.
        let left = if person.more_groups { login.groups_above(role) } else { Vec::new() };
        if !left.is_empty() {
            let more = door.microsoft.staff_groups(person.oid, &left, now).await.map_err(|error| trips::failed(&error))?;
            role = role.into_iter().chain(login.role_of(&[], &more)).min();
        }
        Ok((person, role))
    };
    trips::in_time(ask).await
}
