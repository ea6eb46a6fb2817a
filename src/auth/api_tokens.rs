//! API tokens: `wf_` and 43 random characters, shown once.

use super::{Person, secret};
use crate::model::{TokenId, UserId};
use crate::store::{self, Db, Scoped};
use secrecy::{ExposeSecret, SecretString};

/// By this the token is known for what it is, to people and to scanners for leaked secrets.
pub const PREFIX: &str = "wf_";

/// Makes a token that acts as `user` for `days`.
pub async fn create(tx: &mut Scoped, user: UserId, name: &str, days: i32) -> anyhow::Result<(TokenId, SecretString)> {
    let token = SecretString::from(format!("{PREFIX}{}", secret::random()?.expose_secret()));
    let id = store::api_tokens::insert(tx, &secret::hash(&token), user, name, days).await?;
    Ok((id, token))
}

/// Who is behind a bearer token.
pub async fn identify(db: &Db, token: &SecretString) -> sqlx::Result<Option<Person>> {
    if !token.expose_secret().starts_with(PREFIX) {
        return Ok(None);
    }
    let mut tx = db.all_tenants().await?; // grants are tenants' data; nothing else is read here
    let identity = store::api_tokens::identify(&mut tx, &secret::hash(token)).await?;
    tx.commit().await?;
    Ok(identity.map(Person::from))
}
