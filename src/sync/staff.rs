//! Whether the provider's own directory still vouches for the staff who are signed in with Microsoft.
//!
//! Each of them is asked for about every five minutes: whether the account is enabled, and whether its app roles and groups still give the
//! role that it was let in with. If not, its sessions and tokens end, and the next sign-in decides anew. Where the directory does not answer,
//! nobody is thrown out, for an outage of Microsoft's is when people need the portal; but after half an hour those who run it are told on
//! every page, until it answers again. A session ends by itself after twelve hours at most.

use super::read::Reader;
use crate::config::EntraLogin;
use crate::microsoft::{AppRoles, CallError, Client, LOGIN};
use crate::store::alarms::{self, Refusal};
use crate::store::audit::{self, Actor, Event};
use crate::store::staff::{self, Present};
use crate::store::{Scoped, users};
use chrono::{DateTime, Utc};
use serde_json::json;

/// People of one pass, at most; the next one follows a minute later.
const AT_ONCE: i64 = 50;

const BY: Actor = Actor::System("entra");

/// One pass. No connection is held while Microsoft answers.
///
/// # Errors
/// When the database fails; the next pass goes on.
pub async fn check(reader: &Reader, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.no_tenant().await?;
    let people = staff::unvouched(&mut tx, AT_ONCE).await?;
    tx.commit().await?;
    let microsoft = &reader.microsoft;
    let mine = |person: &Present| microsoft.staff_issuer().is_some_and(|issuer| issuer == person.entra_issuer);
    let (ours, others): (Vec<Present>, Vec<Present>) = people.into_iter().partition(mine);
    for person in others {
        end(reader, &person, "Sign-in with this directory is not configured any more.").await?;
    }
    let failed = match microsoft.login().filter(|_| !ours.is_empty()) {
        Some(login) => ask(reader, login, &ours, now).await?,
        None => None,
    };
    tell(reader, failed.as_ref(), now).await
}

/// Questions without an answer after which a pass ends: the others would get none either.
const FAILURES: usize = 3;

/// Asks for one after the other. The answer is why one of them got none.
async fn ask(reader: &Reader, login: &EntraLogin, people: &[Present], now: DateTime<Utc>) -> anyhow::Result<Option<CallError>> {
    let microsoft = &reader.microsoft;
    let roles = if login.roles.is_empty() { Ok(None) } else { microsoft.staff_roles(now).await.map(Some) };
    let roles = match roles {
        Ok(roles) => roles,
        Err(error) => return Ok(Some(error)),
    };
    let mut failed = Vec::new();
    for person in people {
        match judge(microsoft, login, roles.as_ref(), person, now).await {
            Ok(None) => {
                let mut tx = reader.db.no_tenant().await?;
                staff::vouch(&mut tx, person.user_id).await?;
                tx.commit().await?;
            }
            Ok(Some(why)) => end(reader, person, why).await?,
            Err(error) => failed.push(error),
        }
        if failed.len() >= FAILURES {
            break;
        }
    }
    Ok(failed.pop())
}

/// Why somebody may not stay, if they may not.
async fn judge(
    microsoft: &Client,
    login: &EntraLogin,
    roles: Option<&AppRoles>,
    person: &Present,
    now: DateTime<Utc>,
) -> Result<Option<&'static str>, CallError> {
    let groups: Vec<_> = login.groups.keys().copied().collect();
    let Some(standing) = microsoft.staff_standing(person.entra_object, roles, &groups, now).await? else {
        return Ok(Some("The account is disabled in the directory, or gone."));
    };
    // A higher role than before is given at the next sign-in.
    Ok(match login.role_of(&standing.roles, &standing.groups) {
        Some(role) if role.allows(person.role) => None,
        Some(_) => Some("The directory gives a lower role than before."),
        None => Some("The directory gives no role any more."),
    })
}

async fn end(reader: &Reader, person: &Present, why: &'static str) -> anyhow::Result<()> {
    let mut tx = reader.db.no_tenant().await?;
    users::shut_out(&mut tx, person.user_id).await?;
    let facts = json!({ "reason": why, "object_id": person.entra_object });
    audit::record(&mut tx, Event::new(BY, "user.shut_out").object(person.login.as_str()).after(facts)).await?;
    Ok(tx.commit().await?)
}

/// Begins and ends the one alarm.
async fn tell(reader: &Reader, failed: Option<&CallError>, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx: Scoped = reader.db.no_tenant().await?;
    match (staff::silent_since(&mut tx).await?, failed) {
        (Some(since), Some(error)) => {
            let reason = error.reason();
            let remedy = remedy(error);
            let refusal = Refusal { app: LOGIN, credential: "", at: now, aadsts: None, reason: &reason, remedy };
            if alarms::raise(&mut tx, &refusal).await? {
                let event = Event { result: "failed", ..Event::new(BY, "user.vouch") };
                audit::record(&mut tx, event.after(json!({ "since": since, "reason": reason }))).await?;
                tracing::error!(reason, "the directory has not said for half an hour whether staff may stay signed in");
            }
        }
        (None, None) => {
            alarms::clear(&mut tx, LOGIN, "", now).await?;
        }
        _ => {}
    }
    Ok(tx.commit().await?)
}

fn remedy(error: &CallError) -> &'static str {
    match error {
        CallError::Forbidden { .. } | CallError::ConsentLost { .. } => {
            "Give the app of [login.entra] the permissions that the README names, with an administrator’s consent."
        }
        CallError::OurCredential { .. } => "Correct the credential of [login.entra].",
        _ => "Disable accounts here if somebody must not stay.",
    }
}
