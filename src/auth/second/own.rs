//! What somebody does with their own factors, in a session whose proof is fresh. Each change ends their other sessions and whatever they had begun.

use super::codes;
use crate::auth::{AuthError, totp};
use crate::model::{FactorId, UserId, visible};
use crate::store::audit::{self, By};
use crate::store::factors::{self, Kind};
use crate::store::flows::{self, Kind as Begun};
use crate::store::{self, Db, Scoped, users};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// Somebody in a session, which stays.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub user: UserId,
    /// The session's hash.
    pub session: &'a [u8],
    pub by: &'a By,
}

/// A name for a factor.
pub fn name(text: &str) -> Result<&str, AuthError> {
    let text = text.trim();
    if text.is_empty() || visible::line(text, 60).is_err() {
        return Err(AuthError::Form("Give it a name of at most 60 visible characters, such as “My phone”."));
    }
    Ok(text)
}

/// Whether a code is of this key, now and for the first time.
pub(super) async fn is_of(
    tx: &mut Scoped,
    user: UserId,
    key: &SecretString,
    code: &SecretString,
    now: DateTime<Utc>,
) -> anyhow::Result<bool> {
    Ok(match totp::step(key, code.expose_secret(), now)? {
        Some(step) => factors::use_step(tx, user, step).await?,
        None => false,
    })
}

/// Keeps a factor of one-time codes.
pub(super) async fn add(tx: &mut Scoped, by: &By, user: UserId, name: &str, key: &SecretString) -> sqlx::Result<()> {
    factors::insert(tx, user, (Kind::Totp, name), key, None).await?;
    let event = by.event("user.factor.add").object(by.login());
    audit::record(tx, event.after(json!({ "kind": Kind::Totp, "name": name }))).await
}

/// Begins to make a factor: gives its key, for the page.
pub async fn begin(db: &Db, owner: Owner<'_>) -> anyhow::Result<SecretString> {
    let key = totp::new_key()?;
    let mut tx = db.no_tenant().await?;
    flows::begin(&mut tx, (Begun::NewFactor, owner.session), owner.user, "", Some(&key)).await?;
    tx.commit().await?;
    Ok(key)
}

/// The key of the factor that is being made.
pub async fn key(db: &Db, owner: Owner<'_>) -> sqlx::Result<Option<SecretString>> {
    let mut tx = db.no_tenant().await?;
    let flow = flows::find(&mut tx, Begun::NewFactor, owner.session).await?;
    Ok(flow.filter(|flow| flow.user_id == owner.user).and_then(|flow| flow.secret))
}

/// Ends the making of a factor with its first code. The first factor of all brings recovery codes along, which are shown once.
///
/// # Errors
/// [`AuthError::Over`]: it must begin again. [`AuthError::Refused`]: the code is not of this key. [`AuthError::Form`]: about the name.
pub async fn finish(
    db: &Db,
    owner: Owner<'_>,
    (text, code): (&str, &SecretString),
    now: DateTime<Utc>,
) -> Result<Option<Vec<SecretString>>, AuthError> {
    let name = name(text)?;
    let mut tx = db.no_tenant().await?;
    let account = users::hold(&mut tx, owner.user).await?.filter(|account| !account.is_of_entra()).ok_or(AuthError::Over)?;
    let flow = flows::take(&mut tx, Begun::NewFactor, owner.session).await?.filter(|flow| flow.user_id == owner.user);
    let key = flow.and_then(|flow| flow.secret).ok_or(AuthError::Over)?;
    if !is_of(&mut tx, owner.user, &key, code, now).await? {
        return Err(AuthError::Refused); // rolled back: the flow is there still
    }
    add(&mut tx, owner.by, owner.user, name, &key).await?;
    let made = if account.factors == 0 { Some(codes::make(&mut tx, owner.user).await?) } else { None };
    end_the_rest(&mut tx, owner).await?;
    tx.commit().await?;
    Ok(made)
}

/// Gives a factor another name.
///
/// # Errors
/// [`AuthError::Over`]: there is no such factor. [`AuthError::Form`]: about the name.
pub async fn rename(db: &Db, owner: Owner<'_>, factor: FactorId, text: &str) -> Result<(), AuthError> {
    let name = name(text)?;
    let mut tx = db.no_tenant().await?;
    if !factors::rename(&mut tx, owner.user, factor, name).await? {
        return Err(AuthError::Over);
    }
    audit::record(&mut tx, owner.by.event("user.factor.name").object(owner.by.login()).after(json!({ "name": name }))).await?;
    Ok(tx.commit().await?)
}

/// Removes a factor. Where one is required, the last stays.
///
/// # Errors
/// [`AuthError::Over`]: there is no such factor. [`AuthError::Form`]: it is the last.
pub async fn remove(db: &Db, owner: Owner<'_>, factor: FactorId, required: bool) -> Result<(), AuthError> {
    let mut tx = db.no_tenant().await?;
    let account = users::hold(&mut tx, owner.user).await?.ok_or(AuthError::Over)?;
    if required && account.factors < 2 {
        return Err(AuthError::Form("This is your last second factor, and one is required. Add another one first."));
    }
    let (kind, name) = factors::remove(&mut tx, owner.user, factor).await?.ok_or(AuthError::Over)?;
    let event = owner.by.event("user.factor.remove").object(owner.by.login());
    audit::record(&mut tx, event.before(json!({ "kind": kind, "name": name }))).await?;
    end_the_rest(&mut tx, owner).await?;
    Ok(tx.commit().await?)
}

/// Makes a new set of recovery codes, which are shown once; the old ones are void. `None`: there is no factor for which they could stand in.
pub async fn new_codes(db: &Db, owner: Owner<'_>) -> anyhow::Result<Option<Vec<SecretString>>> {
    let mut tx = db.no_tenant().await?;
    if users::hold(&mut tx, owner.user).await?.is_none_or(|account| account.factors == 0) {
        return Ok(None);
    }
    let left = factors::codes_left(&mut tx, owner.user).await?;
    let made = codes::make(&mut tx, owner.user).await?;
    let event = owner.by.event("user.recovery_codes").object(owner.by.login());
    audit::record(&mut tx, event.before(json!({ "left": left })).after(json!({ "left": made.len() }))).await?;
    end_the_rest(&mut tx, owner).await?;
    tx.commit().await?;
    Ok(Some(made))
}

/// Whatever the old factors let in: other sessions, tokens, what was begun.
pub(super) async fn end_the_rest(tx: &mut Scoped, owner: Owner<'_>) -> sqlx::Result<()> {
    store::sessions::end_others(tx, owner.user, owner.session).await?;
    store::api_tokens::revoke_of(tx, owner.user).await?;
    flows::end(tx, owner.user).await
}

/// Removes every factor of somebody else's account, or of one from the shell: whatever they had here ends, and where a factor is required they
/// make a new one at the next sign-in. False if there was none. The caller commits.
pub async fn reset(tx: &mut Scoped, by: &By, user: UserId, login: &str) -> sqlx::Result<bool> {
    let removed = factors::remove_all(tx, user).await?;
    if removed == 0 {
        return Ok(false);
    }
    users::shut_out(tx, user).await?;
    audit::record(tx, by.event("user.factor.reset").object(login).before(json!({ "factors": removed }))).await?;
    Ok(true)
}
