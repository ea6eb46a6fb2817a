//! API tokens: `wf_` and 43 random characters, shown once.

use super::{Person, secret};
use crate::model::{TokenId, UserId};
use crate::store::api_tokens::Limits;
use crate::store::audit::{self, Actor, Event};
use crate::store::{self, Db, Scoped};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// By this the token is known for what it is, to people and to scanners for leaked secrets.
pub const PREFIX: &str = "wf_";

/// Makes a token that acts as `user` for `days`, within limits.
pub async fn create(tx: &mut Scoped, user: UserId, name: &str, days: i32, limits: &Limits) -> anyhow::Result<(TokenId, SecretString)> {
    let token = SecretString::from(format!("{PREFIX}{}", secret::random()?.expose_secret()));
    let id = store::api_tokens::insert(tx, &secret::hash(&token), user, (name, days), limits).await?;
    Ok((id, token))
}

/// Who is behind a bearer token that came from `ip`. Its first use is written into the audit log.
pub async fn identify(db: &Db, token: &SecretString, ip: Option<String>) -> sqlx::Result<Option<Person>> {
    if !token.expose_secret().starts_with(PREFIX) {
        return Ok(None);
    }
    let mut tx = db.all_tenants().await?; // grants are tenants' data; nothing else is read here
    let known = store::api_tokens::identify(&mut tx, &secret::hash(token)).await?;
    if let Some(known) = known.as_ref().filter(|known| known.is_new) {
        let actor = Actor::User(known.identity.user_id, known.identity.login.clone());
        let event = Event::new(actor, "api_token.first_use").object(known.token_id.to_string());
        audit::record(&mut tx, event.ip(ip).after(json!({ "name": known.name }))).await?;
    }
    tx.commit().await?;
    Ok(known.map(|known| known.identity.into()))
}
