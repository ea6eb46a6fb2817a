//! Signing in with login and password, and changing the password.

use super::AuthError;
use super::limits::{self, Attempt};
use super::passwords::{self, Hasher};
use super::sessions;
use crate::config::SecondFactor;
use crate::model::UserId;
use crate::store::audit::{self, Actor, Event};
use crate::store::users::Account;
use crate::store::{self, Db, Scoped, users};
use secrecy::SecretString;

/// How far a password leads.
#[derive(Debug)]
pub enum Entered {
    /// A session's secret.
    In(SecretString),
    /// The secret of a sign-in that goes on with a second factor, for a cookie; see [`super::second`]. It is no session.
    Half(SecretString),
}

/// Who wants to sign in, with what, and what they want to see then.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    pub login: &'a str,
    pub password: &'a SecretString,
    pub next: &'a str,
}

/// Checks login and password. Unknown logins take the same path and time as known ones. What is held against the name is forgotten only once
/// there is a session: otherwise whoever knows a password could guess codes without end.
pub async fn sign_in(
    db: &Db,
    hasher: &Hasher,
    Credentials { login, password, next }: Credentials<'_>,
    second: SecondFactor,
    ip: Option<&str>,
) -> Result<Entered, AuthError> {
    let login = login.trim().to_lowercase();
    let mut tx = db.no_tenant().await?;
    let wait = limits::attempt(&mut tx, Attempt::SignIn, ip).await?;
    let known = if wait.is_none() { charge(&mut tx, &login).await? } else { None };
    tx.commit().await?;
    if let Some(wait) = wait {
        return Err(AuthError::TooMany(wait));
    }
    let account = match matching(hasher, known.as_ref(), password).await? {
        Some((user, hash)) => hold(db, hasher, *user, hash, password).await?,
        None => None,
    };
    let Some((mut tx, account)) = account else {
        let mut tx = db.no_tenant().await?;
        // The login as typed may be a password in the wrong field: it is kept only where it is a user's.
        let event = Event::new(Actor::Stranger, "login").ip(ip.map(str::to_owned)).refused();
        audit::record(&mut tx, if known.is_some() { event.object(login) } else { event }).await?;
        tx.commit().await?;
        return Err(AuthError::Refused);
    };
    if account.factors > 0 || second == SecondFactor::Required {
        let flow = super::second::begin(&mut tx, &account, next).await?;
        tx.commit().await?;
        return Ok(Entered::Half(flow));
    }
    store::limits::forgive(&mut tx, &login).await?;
    limits::forgive(&mut tx, Attempt::SignIn, ip).await?;
    let session = sessions::start(&mut tx, account.user_id, account.role, false, ip).await?;
    audit::record(&mut tx, Event::new(Actor::User(account.user_id, account.login), "login").ip(ip.map(str::to_owned))).await?;
    tx.commit().await?;
    Ok(Entered::In(session))
}

/// Counts an attempt under a name, and gives whose it is, with the hash of the password. `None`: nobody's, or it is locked.
async fn charge(tx: &mut Scoped, login: &str) -> sqlx::Result<Option<(UserId, String)>> {
    let free = store::limits::charge(tx, login).await?;
    let known = users::credential(tx, login).await?;
    Ok(known.filter(|_| free))
}

/// The one whose password this is, after the same work for nobody.
async fn matching<'a>(
    hasher: &Hasher,
    known: Option<&'a (UserId, String)>,
    password: &SecretString,
) -> Result<Option<&'a (UserId, String)>, AuthError> {
    let matches = hasher.verify(password, known.map(|(_, hash)| hash.clone())).await?;
    Ok(known.filter(|_| matches))
}

/// A transaction in which the password that was checked stays the user's: what was begun with it is nothing once there is another. A hash of
/// other times is made anew.
async fn hold(db: &Db, hasher: &Hasher, user: UserId, hash: &str, password: &SecretString) -> Result<Option<(Scoped, Account)>, AuthError> {
    let better = if Hasher::is_old(hash) { Some(hasher.hash(password).await?) } else { None };
    let mut tx = db.no_tenant().await?;
    let Some(account) = users::with_password(&mut tx, user, hash).await? else { return Ok(None) };
    if let Some(better) = better {
        users::set_hash(&mut tx, user, &better).await?;
    }
    Ok(Some((tx, account)))
}

/// Changes a user's own password; every session and API token of the user ends. The attempt counts like a sign-in.
pub async fn change_password(
    db: &Db,
    hasher: &Hasher,
    user: UserId,
    old: &SecretString,
    new: &SecretString,
    ip: Option<String>,
) -> Result<(), AuthError> {
    let mut tx = db.no_tenant().await?;
    let account = users::find(&mut tx, user).await?.ok_or_else(|| anyhow::anyhow!("the user is gone"))?;
    let known = charge(&mut tx, &account.login).await?;
    tx.commit().await?;
    let Some((_, hash)) = matching(hasher, known.as_ref(), old).await? else { return Err(AuthError::Refused) };
    passwords::check_new(new, &[&account.login, &account.display_name]).map_err(AuthError::Form)?;
    let password_hash = hasher.hash(new).await?;
    let mut tx = db.no_tenant().await?;
    let Some(account) = users::with_password(&mut tx, user, hash).await? else { return Err(AuthError::Refused) };
    users::set_password(&mut tx, user, &password_hash).await?;
    store::limits::forgive(&mut tx, &account.login).await?;
    audit::record(&mut tx, Event::new(Actor::User(user, account.login.clone()), "user.password").object(account.login).ip(ip)).await?;
    Ok(tx.commit().await?)
}
