//! One-time links under `/setup/`: the first administrator, and new passwords. Good for 30 minutes and one use.

use super::AuthError;
use super::passwords::{self, Hasher};
use super::secret;
use crate::model::{Role, UserId, visible};
use crate::store::audit::{self, Actor, Event};
use crate::store::users::NewUser;
use crate::store::{self, Db, Scoped};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

const MINUTES: i32 = 30;

/// The link with which the first administrator is made, or `None` if there is an administrator.
pub async fn first_admin(db: &Db, public_url: &Url) -> anyhow::Result<Option<Url>> {
    let mut tx = db.no_tenant().await?;
    if store::users::any_admin(&mut tx).await? {
        return Ok(None);
    }
    let link = make(&mut tx, public_url, None).await?;
    tx.commit().await?;
    Ok(Some(link))
}

/// A link with which the user chooses a new password; earlier ones are void. The caller commits and audits.
pub async fn reset(tx: &mut Scoped, public_url: &Url, user: UserId) -> anyhow::Result<Url> {
    store::sessions::void_links(tx, user).await?;
    make(tx, public_url, Some(user)).await
}

async fn make(tx: &mut Scoped, public_url: &Url, user: Option<UserId>) -> anyhow::Result<Url> {
    let token = secret::random()?;
    store::sessions::insert_link(tx, &secret::hash(&token), user, MINUTES).await?;
    Ok(public_url.join(&format!("/setup/{}", token.expose_secret()))?)
}

/// Whom a link is for, without using it: `Some(None)` is the first administrator.
pub async fn peek(db: &Db, token: &SecretString) -> sqlx::Result<Option<Option<UserId>>> {
    let mut tx = db.no_tenant().await?;
    store::sessions::find_link(&mut tx, &secret::hash(token)).await
}

/// Makes the first administrator and uses the link up.
pub async fn create_first_admin(
    db: &Db,
    hasher: &Hasher,
    token: &SecretString,
    login: &str,
    name: &str,
    password: &SecretString,
) -> Result<(), AuthError> {
    let login = login.trim().to_lowercase();
    let name = name.trim();
    let plain = (1..=254).contains(&login.len()) && login.chars().all(|sign| sign.is_ascii_graphic());
    if !plain || name.is_empty() || visible::line(name, 120).is_err() {
        return Err(AuthError::Form("Fill in a sign-in name without spaces (an e-mail address is fine) and your name."));
    }
    passwords::check_new(password, &[&login, name]).map_err(AuthError::Form)?;
    let password_hash = hasher.hash(password).await?;
    let mut tx = db.no_tenant().await?;
    match store::sessions::use_link(&mut tx, &secret::hash(token)).await? {
        Some(None) if !store::users::any_admin(&mut tx).await? => {}
        _ => return Err(AuthError::Refused),
    }
    let user = NewUser { login: &login, display_name: name, role: Role::Admin, all_tenants: true, password_hash: &password_hash };
    if store::users::insert(&mut tx, &user).await?.is_none() {
        return Err(AuthError::Form("That sign-in name is taken."));
    }
    audit::record(&mut tx, Event::new(Actor::Operator, "user.create").object(login)).await?;
    Ok(tx.commit().await?)
}

/// Sets the password of the user the link is for and uses the link up.
pub async fn reset_password(db: &Db, hasher: &Hasher, token: &SecretString, password: &SecretString) -> Result<(), AuthError> {
    let Some(Some(user)) = peek(db, token).await? else { return Err(AuthError::Refused) };
    let mut tx = db.no_tenant().await?;
    let account = store::users::find(&mut tx, user).await?.filter(|account| !account.is_of_entra()).ok_or(AuthError::Refused)?;
    tx.commit().await?;
    passwords::check_new(password, &[&account.login, &account.display_name]).map_err(AuthError::Form)?;
    let password_hash = hasher.hash(password).await?;
    let mut tx = db.no_tenant().await?;
    if store::sessions::use_link(&mut tx, &secret::hash(token)).await? != Some(Some(user)) {
        return Err(AuthError::Refused);
    }
    store::users::set_password(&mut tx, user, &password_hash).await?;
    store::limits::forgive(&mut tx, &account.login).await?;
    audit::record(&mut tx, Event::new(Actor::User(user, account.login.clone()), "user.password_reset").object(account.login)).await?;
    Ok(tx.commit().await?)
}
