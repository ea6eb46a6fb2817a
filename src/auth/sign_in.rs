//! Signing in with login and password, and changing the password.

use super::AuthError;
use super::passwords::{self, Hasher};
use super::sessions;
use crate::model::UserId;
use crate::store::audit::{self, Actor, Event};
use crate::store::{self, Db};
use secrecy::SecretString;

/// Checks login and password and starts a session; gives its secret. Unknown logins take the same path and time as known ones.
pub async fn sign_in(db: &Db, hasher: &Hasher, login: &str, password: &SecretString, ip: Option<&str>) -> Result<SecretString, AuthError> {
    let login = login.trim().to_lowercase();
    let mut tx = db.no_tenant().await?;
    let (user, hash) = store::users::charge_attempt(&mut tx, &login).await?.unzip();
    tx.commit().await?;
    let matches = hasher.verify(password, hash).await?;
    let mut tx = db.no_tenant().await?;
    let account = match user.filter(|_| matches) {
        Some(user) => store::users::find(&mut tx, user).await?.filter(|account| account.disabled_at.is_none()),
        None => None,
    };
    let ip_text = ip.map(str::to_owned);
    let Some(account) = account else {
        // The login as typed may be a password in the wrong field: it is kept only where it is a user's.
        let event = Event::new(Actor::Stranger, "login").ip(ip_text).refused();
        audit::record(&mut tx, if user.is_some() { event.object(login) } else { event }).await?;
        tx.commit().await?;
        return Err(AuthError::Refused);
    };
    store::users::forgive_attempts(&mut tx, account.user_id).await?;
    let session = sessions::start(&mut tx, account.user_id, account.role, ip).await?;
    audit::record(&mut tx, Event::new(Actor::User(account.user_id, account.login), "login").ip(ip_text)).await?;
    tx.commit().await?;
    Ok(session)
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
    let account = store::users::find(&mut tx, user).await?.ok_or_else(|| anyhow::anyhow!("the user is gone"))?;
    let (_, hash) = store::users::charge_attempt(&mut tx, &account.login).await?.unzip();
    tx.commit().await?;
    if !hasher.verify(old, hash).await? {
        return Err(AuthError::Refused);
    }
    passwords::check_new(new, &[&account.login, &account.display_name]).map_err(AuthError::Form)?;
    let password_hash = hasher.hash(new).await?;
    let mut tx = db.no_tenant().await?;
    store::users::set_password(&mut tx, user, &password_hash).await?;
    audit::record(&mut tx, Event::new(Actor::User(user, account.login.clone()), "user.password").object(account.login).ip(ip)).await?;
    Ok(tx.commit().await?)
}
