//! What a proven person gets: an account at their first sign-in, the role that their directory gives them now, and a session.

use super::refusal::{Refused, note};
use super::{Answer, Refusal};
use crate::auth::limits::{self, Attempt};
use crate::auth::sessions;
use crate::microsoft::SignedIn;
use crate::model::{Role, visible};
use crate::store::audit::{self, Actor, By, Event};
use crate::store::staff::{self, Person, Trip};
use crate::store::users::{self, Account};
use crate::store::{Db, Scoped};
use anyhow::Context;
use chrono::TimeDelta;
use serde_json::json;

/// By how much Microsoft's clock may differ from ours.
const SKEW: TimeDelta = TimeDelta::minutes(2);

/// Lets somebody in whose directory gives them `role`.
pub(super) async fn admit(db: &Db, person: &SignedIn, role: Role, next: String, ip: Option<&str>) -> anyhow::Result<Answer> {
    let mut tx = db.no_tenant().await?;
    let account = match staff::find(&mut tx, &key(person)).await? {
        Some(account) => Some(account),
        None => create(&mut tx, person, role, ip).await?,
    };
    let account = match account {
        Some(account) => account,
        // Another tab was faster.
        None => staff::find(&mut tx, &key(person)).await?.context("an account could not be made, and there is none")?,
    };
    if account.disabled_at.is_some() {
        note(&mut tx, &Refused::because(Refusal::Disabled), Some((person, Some(&account))), ip).await?;
        tx.commit().await?;
        return Ok(Answer::Out(Refusal::Disabled));
    }
    let user = account.user_id;
    let login = staff::rename(&mut tx, user, person.oid, (&username(person), &display_name(person))).await?;
    if account.role != role {
        change_role(&mut tx, &account, &display_name(person), role, ip).await?;
    }
    limits::forgive(&mut tx, Attempt::SignIn, ip).await?;
    let session = sessions::start(&mut tx, user, role, false, ip).await?;
    let event = Event::new(Actor::User(user, login), "login.entra").ip(ip.map(str::to_owned));
    audit::record(&mut tx, event.after(json!({ "role": role }))).await?;
    tx.commit().await?;
    Ok(Answer::In(session, next))
}

/// Takes a proof of whoever has the session with this hash: it gets a new secret. Only its own person can give it, and not with a sign-in at
/// Microsoft that is older than the trip; where the token does not say how old it is, what was asked of Microsoft counts.
pub(super) async fn renew(db: &Db, person: &SignedIn, trip: Trip, session: &[u8], ip: Option<&str>) -> anyhow::Result<Answer> {
    let mut tx = db.no_tenant().await?;
    let account = staff::find(&mut tx, &key(person)).await?;
    let is_old = person.proven_at.is_some_and(|at| at < trip.begun_at - SKEW);
    let renewed = match &account {
        Some(account) if account.disabled_at.is_none() && !is_old => sessions::renew(&mut tx, account.user_id, session).await?,
        _ => None,
    };
    let (Some(account), Some(renewed)) = (account.as_ref(), renewed) else {
        drop(tx);
        let mut tx = db.no_tenant().await?;
        note(&mut tx, &Refused::because(Refusal::NotProven), Some((person, account.as_ref())), ip).await?;
        tx.commit().await?;
        return Ok(Answer::Out(Refusal::NotProven));
    };
    let event = Event::new(Actor::User(account.user_id, account.login.clone()), "login.proof").ip(ip.map(str::to_owned));
    limits::forgive(&mut tx, Attempt::SignIn, ip).await?;
    audit::record(&mut tx, event.after(json!({ "second": "entra" }))).await?;
    tx.commit().await?;
    Ok(Answer::In(renewed, trip.next))
}

/// Turns somebody away whose directory gives them no role. Whatever they had here before ends.
pub(super) async fn without_role(db: &Db, person: &SignedIn, ip: Option<&str>) -> anyhow::Result<Answer> {
    let mut tx = db.no_tenant().await?;
    let account = staff::find(&mut tx, &key(person)).await?;
    if let Some(account) = &account {
        users::shut_out(&mut tx, account.user_id).await?;
    }
    note(&mut tx, &Refused::because(Refusal::NoRole), Some((person, account.as_ref())), ip).await?;
    tx.commit().await?;
    Ok(Answer::Out(Refusal::NoRole))
}

/// What makes the person.
pub(in crate::auth) fn key(person: &SignedIn) -> Person<'_> {
    Person { issuer: &person.issuer, directory: person.tid, object: person.oid }
}

async fn create(tx: &mut Scoped, person: &SignedIn, role: Role, ip: Option<&str>) -> anyhow::Result<Option<Account>> {
    let (login, name) = (username(person), display_name(person));
    let Some(user) = staff::insert(tx, &key(person), (&login, &name), role).await? else { return Ok(None) };
    let account = users::find(tx, user).await?.context("an account that was just made")?;
    let facts = json!({ "name": name, "role": role, "directory": person.tid, "object_id": person.oid });
    let by = directory(ip);
    audit::record(tx, by.event("user.create").object(account.login.as_str()).after(facts)).await?;
    Ok(Some(account))
}

/// The directory gives another role than before. Sessions and tokens of the old one end. Who was an administrator has seen all tenants for
/// that reason alone, and sees none until some are granted.
async fn change_role(tx: &mut Scoped, account: &Account, name: &str, role: Role, ip: Option<&str>) -> anyhow::Result<()> {
    let all_tenants = account.all_tenants && account.role != Role::Admin;
    users::change(tx, account.user_id, name, role, all_tenants).await?;
    let facts = |role: Role, all_tenants: bool| json!({ "role": role, "all_tenants": all_tenants });
    let (before, after) = (facts(account.role, account.all_tenants), facts(role, all_tenants || role == Role::Admin));
    let by = directory(ip);
    Ok(audit::record(tx, by.event("user.update").object(account.login.as_str()).before(before).after(after)).await?)
}

/// Who decides on accounts of Entra's.
fn directory(ip: Option<&str>) -> By {
    By { actor: Actor::System("entra"), ip: ip.map(str::to_owned) }
}

/// What the person signs in as, as far as people can read it. It says nothing about who it is.
pub(in crate::auth) fn username(person: &SignedIn) -> String {
    let plain = |name: &String| !name.is_empty() && name.len() <= 200 && name.chars().all(|c| c.is_ascii_graphic());
    person.username.as_ref().map(|name| name.trim().to_lowercase()).filter(plain).unwrap_or_else(|| format!("entra:{}", person.oid))
}

/// What the person is called, if people can read it.
pub(in crate::auth) fn display_name(person: &SignedIn) -> String {
    let name = person.name.as_deref().map(str::trim).filter(|name| !name.is_empty() && visible::line(name, 120).is_ok());
    name.map_or_else(|| username(person), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DirectoryId;
    use uuid::Uuid;

    #[test]
    fn a_name_that_nobody_could_read_is_not_taken_over() {
        let oid = Uuid::from_u128(5);
        let of = |username: Option<&str>, name: Option<&str>| {
            let person = SignedIn {
                tid: DirectoryId(Uuid::from_u128(1)),
                oid,
                issuer: String::new(),
                name: name.map(str::to_owned),
                username: username.map(str::to_owned),
                roles: Vec::new(),
                groups: Vec::new(),
                more_groups: false,
                proven_at: None,
            };
            (super::username(&person), display_name(&person))
        };
        let ada = ("ada@example.com".to_owned(), "Ada Lovelace".to_owned());
        assert_eq!(of(Some(" Ada@Example.com "), Some("Ada Lovelace")), ada);
        let nobody = format!("entra:{oid}");
        for bad in [None, Some(""), Some("ada lovelace"), Some("\u{430}da@example.com"), Some("a\u{202e}b"), Some(&*"a".repeat(201))] {
            assert_eq!(of(bad, Some("Ada Lovelace")).0, nobody, "{bad:?}");
        }
        for bad in [None, Some(" "), Some("Ada\u{202e}"), Some("Ada\nLovelace"), Some(&*"a".repeat(121))] {
            assert_eq!(of(Some("ada@example.com"), bad).1, "ada@example.com", "{bad:?}");
        }
    }
}
