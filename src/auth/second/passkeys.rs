//! Passkeys (WebAuthn) as a second factor. A challenge is kept here, sealed, for ten minutes and for one answer; the key's owner must have been
//! verified by the device; and a counter that does not go up means that there are two of one key.

use super::own::{self, Owner};
use super::{Bad, Good, codes};
use crate::auth::AuthError;
use crate::model::{FactorId, UserId};
use crate::store::factors::{self, Kind};
use crate::store::flows::{self, Kind as Begun};
use crate::store::{Db, Scoped, audit, users};
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;
use webauthn_rs::prelude::{
    Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// What works with passkeys at this address. `None`: browsers know none there, because it is neither https nor this machine, or has no name.
fn at(public_url: &Url) -> Option<Webauthn> {
    let host = public_url.domain().filter(|host| public_url.scheme() == "https" || *host == "localhost")?;
    WebauthnBuilder::new(host, public_url).ok()?.rp_name("Watchfloor").build().ok()
}

/// Whether passkeys can be used at this address.
pub fn offered(public_url: &Url) -> bool {
    at(public_url).is_some()
}

fn sealed(state: &impl Serialize) -> anyhow::Result<SecretString> {
    Ok(serde_json::to_string(state)?.into())
}

fn opened<T: DeserializeOwned>(state: &SecretString) -> anyhow::Result<T> {
    serde_json::from_str(state.expose_secret()).context("a passkey's state cannot be read")
}

async fn keys(tx: &mut Scoped, user: UserId) -> anyhow::Result<Vec<(FactorId, Passkey, u64)>> {
    let stored = factors::secrets(tx, user, Kind::Passkey).await?;
    let read = |(factor, secret): (FactorId, SecretString)| {
        let value: serde_json::Value = opened(&secret)?;
        let counter = value["cred"]["counter"].as_u64().context("a passkey without a counter")?;
        Ok((factor, serde_json::from_value(value)?, counter))
    };
    stored.into_iter().map(read).collect()
}

/// Asks for one of a user's passkeys: what the browser is told. `hash`: of the sign-in under way, or of the session. `None`: there is none.
pub async fn ask(db: &Db, user: UserId, hash: &[u8], public_url: &Url) -> anyhow::Result<Option<String>> {
    let Some(webauthn) = at(public_url) else { return Ok(None) };
    let mut tx = db.no_tenant().await?;
    let keys: Vec<Passkey> = keys(&mut tx, user).await?.into_iter().map(|(_, key, _)| key).collect();
    if keys.is_empty() {
        return Ok(None);
    }
    let (options, state) = webauthn.start_passkey_authentication(&keys)?;
    flows::begin(&mut tx, (Begun::Proof, hash), user, "", Some(&sealed(&state)?)).await?;
    tx.commit().await?;
    Ok(Some(serde_json::to_string(&options.public_key)?))
}

/// The challenge that an answer is for; it is used up, whatever the answer is worth. The caller commits.
pub(super) async fn asked(tx: &mut Scoped, user: UserId, hash: &[u8]) -> sqlx::Result<Option<SecretString>> {
    let flow = flows::take(tx, Begun::Proof, hash).await?;
    Ok(flow.filter(|flow| flow.user_id == user).and_then(|flow| flow.secret))
}

/// Looks at an answer. The caller holds the user.
pub(super) async fn judge(
    tx: &mut Scoped,
    user: UserId,
    (answer, state): (&SecretString, Option<&SecretString>),
    public_url: &Url,
) -> anyhow::Result<Result<Good, Bad>> {
    let (Some(webauthn), Some(state)) = (at(public_url), state) else { return Ok(Err(Bad::Wrong)) };
    let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(answer.expose_secret()) else { return Ok(Err(Bad::Wrong)) };
    let result = match webauthn.finish_passkey_authentication(&answer, &opened::<PasskeyAuthentication>(state)?) {
        Ok(result) => result,
        Err(WebauthnError::CredentialPossibleCompromise) => return Ok(Err(Bad::Counter)),
        Err(_) => return Ok(Err(Bad::Wrong)),
    };
    // As it stands now: the challenge knows it as it was when it was made.
    let stored = keys(tx, user).await?.into_iter().find(|(_, key, _)| key.cred_id() == result.cred_id());
    let Some((factor, mut key, counter)) = stored.filter(|_| result.user_verified()) else { return Ok(Err(Bad::Wrong)) };
    let shown = u64::from(result.counter());
    if (shown > 0 || counter > 0) && shown <= counter {
        return Ok(Err(Bad::Counter));
    }
    key.update_credential(&result);
    factors::set_secret(tx, factor, &sealed(&key)?).await?;
    factors::used(tx, factor).await?;
    Ok(Ok(Good::Passkey))
}

/// Begins to make a passkey: what the browser is told. `None`: none can be used at this address, or the account is of Entra's.
pub async fn begin(db: &Db, owner: Owner<'_>, public_url: &Url) -> anyhow::Result<Option<String>> {
    let mut tx = db.no_tenant().await?;
    let account = users::find(&mut tx, owner.user).await?.filter(|account| !account.is_of_entra());
    let (Some(webauthn), Some(account)) = (at(public_url), account) else { return Ok(None) };
    let known = keys(&mut tx, owner.user).await?.into_iter().map(|(_, key, _)| key.cred_id().clone()).collect();
    let (options, state) = webauthn.start_passkey_registration(owner.user.0, &account.login, &account.display_name, Some(known))?;
    flows::begin(&mut tx, (Begun::NewPasskey, owner.session), owner.user, "", Some(&sealed(&state)?)).await?;
    tx.commit().await?;
    Ok(Some(serde_json::to_string(&options.public_key)?))
}

/// Ends the making of a passkey with what the browser answers. The first factor of all brings recovery codes along, which are shown once.
///
/// # Errors
/// [`AuthError::Over`]: it must begin again. [`AuthError::Refused`]: the answer is none to what was asked. [`AuthError::Form`]: about the name.
pub async fn finish(
    db: &Db,
    owner: Owner<'_>,
    (text, answer): (&str, &SecretString),
    public_url: &Url,
) -> Result<Option<Vec<SecretString>>, AuthError> {
    let name = own::name(text)?;
    let mut tx = db.no_tenant().await?;
    let flow = flows::take(&mut tx, Begun::NewPasskey, owner.session).await?.filter(|flow| flow.user_id == owner.user);
    tx.commit().await?; // for one answer, whatever it is worth
    let (Some(webauthn), Some(state)) = (at(public_url), flow.and_then(|flow| flow.secret)) else { return Err(AuthError::Over) };
    let answer: RegisterPublicKeyCredential = serde_json::from_str(answer.expose_secret()).map_err(|_| AuthError::Refused)?;
    let key = webauthn.finish_passkey_registration(&answer, &opened::<PasskeyRegistration>(&state)?).map_err(|_| AuthError::Refused)?;
    let mut tx = db.no_tenant().await?;
    let account = users::hold(&mut tx, owner.user).await?.ok_or(AuthError::Over)?;
    let made = factors::insert(&mut tx, owner.user, (Kind::Passkey, name), &sealed(&key)?, Some(key.cred_id())).await?;
    made.ok_or(AuthError::Refused)?;
    let event = owner.by.event("user.factor.add").object(owner.by.login());
    audit::record(&mut tx, event.after(json!({ "kind": Kind::Passkey, "name": name }))).await?;
    let codes = if account.factors == 0 { Some(codes::make(&mut tx, owner.user).await?) } else { None };
    own::end_the_rest(&mut tx, owner).await?;
    tx.commit().await?;
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_offered_where_browsers_know_them() {
        for (address, is_offered) in [
            ("https://portal.example.com", true),
            ("https://portal.example.com:8443", true),
            ("http://localhost:8080", true),
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080", false),
            ("https://192.0.2.7", false),
            ("http://portal.example.com", false),
        ] {
            assert_eq!(offered(&address.parse().unwrap()), is_offered, "{address}");
        }
    }
}
