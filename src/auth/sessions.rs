//! Sessions: the only place that makes one.

use super::{Person, secret};
use crate::model::{CustomerId, Role, Scope, TenantId, UserId};
use crate::store::audit::{self, Actor, Event};
use crate::store::{self, Db, Scoped, tickets};
use anyhow::Context;
use secrecy::SecretString;

/// Starts a session and gives its secret, for the cookie. Viewers' sessions last 8 hours, everybody else's 12. `proven`: the person has just
/// shown more than a password.
pub async fn start(tx: &mut Scoped, user: UserId, role: Role, proven: bool, ip: Option<&str>) -> anyhow::Result<SecretString> {
    let session = secret::random()?;
    let hours = if role == Role::Viewer { 8 } else { 12 };
    store::sessions::insert(tx, (&secret::hash(&session), proven), user, hours, ip).await?;
    Ok(session)
}

/// Starts a session of a customer's person and gives its secret, for the cookie. The secret names the tenant, within whose scope alone it is
/// looked up.
pub async fn start_customer(tx: &mut Scoped, tenant: TenantId, customer: CustomerId, ip: Option<&str>) -> anyhow::Result<SecretString> {
    let session = tickets::mint(tenant).context("the operating system gives no random numbers")?;
    store::customers::sessions::insert(tx, tenant, &session.hash, customer, ip).await?;
    Ok(session.text.into())
}

/// Gives a session another secret, for the cookie, because its person has just proven who they are. `None`: it has ended.
pub async fn renew(tx: &mut Scoped, user: UserId, hash: &[u8]) -> anyhow::Result<Option<SecretString>> {
    let session = secret::random()?;
    let renewed = store::sessions::renew(tx, user, hash, &secret::hash(&session)).await?;
    Ok(renewed.then_some(session))
}

/// Lets a session show the portal as a colleague sees it, or again as its own person does; gives its new secret, for the cookie.
pub async fn view_as(tx: &mut Scoped, hash: &[u8], other: Option<UserId>) -> anyhow::Result<SecretString> {
    let session = secret::random()?;
    store::sessions::view_as(tx, (hash, &secret::hash(&session)), other).await?;
    Ok(session)
}

/// Ends the session of a browser in which another one begins, and writes that down. One that has ended already is left alone.
pub async fn replace(db: &Db, session: &SecretString, ip: Option<String>) -> sqlx::Result<()> {
    let hash = secret::hash(session);
    let mut tx = db.no_tenant().await?;
    let Some(standing) = store::sessions::standing(&mut tx, &hash).await? else { return Ok(()) };
    store::sessions::end(&mut tx, standing.user_id, &hash).await?;
    audit::record(&mut tx, Event::new(Actor::User(standing.user_id, standing.login), "session.replace").ip(ip)).await?;
    tx.commit().await
}

/// Who is behind the cookie.
pub async fn identify(db: &Db, session: &SecretString) -> sqlx::Result<Option<Person>> {
    let mut tx = db.all_tenants().await?; // grants are tenants' data; nothing else is read here
    let identity = store::sessions::identify(&mut tx, &secret::hash(session)).await?;
    tx.commit().await?;
    Ok(identity.map(Person::from))
}

/// The same, by the session's hash, for what a page does by itself: a session is not kept alive by it.
pub async fn look(db: &Db, hash: &[u8]) -> sqlx::Result<Option<Person>> {
    let mut tx = db.all_tenants().await?; // as above
    let identity = store::sessions::look(&mut tx, hash).await?;
    tx.commit().await?;
    Ok(identity.map(Person::from))
}

/// Whether a session still lives and its person sees the same tenants, for what goes on after its request. No answer is no.
pub async fn is_open(db: &Db, hash: &[u8], scope: &Scope) -> bool {
    look(db, hash).await.is_ok_and(|person| person.is_some_and(|person| person.scope == *scope))
}
