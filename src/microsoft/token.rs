//! Tokens of the app itself (client credentials), per tenant, app and resource. In memory only.
//!
//! Shapes: Microsoft's pages "OAuth 2.0 client credentials flow" and "Access token claims reference".

use super::claims::{self, Claims, Expected};
use super::clouds::Api;
use super::credential::{Offer, is_of_one_credential};
use super::http::Outgoing;
use super::lanes::{Lane, Manner, Service, Watch, locked};
use super::refusal::read_refusal;
use super::{App, CallError, Client, Target, clouds, odata, wire};
use crate::config::TokenVersion;
use crate::model::{DirectoryId, Product, TenantId};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use url::{Url, form_urlencoded};
use uuid::Uuid;

/// A token in memory.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) secret: Arc<SecretString>,
    /// `None`: Entra may change the format at any time, which must not stop the call.
    claims: Option<Value>,
    renew_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

type Key = (TenantId, DirectoryId, Uuid, Arc<str>);
/// Locked while a token is fetched, so that one fetch serves all who wait.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Token>>>>;

/// Every token of this process.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<Key, Slot>>);

impl Tokens {
    fn slot(&self, key: Key) -> Slot {
        locked(&self.0).entry(key).or_default().clone()
    }
}

/// Two credentials, and one of them once more if it has just been replaced.
const MOST_TRIED: usize = 3;

/// How long before its end a token is replaced; half its life if that is shorter.
const EARLY: TimeDelta = TimeDelta::minutes(5);

impl Client {
    /// The permissions a fresh token carries: what has really been granted, as far as Entra's replicas know. Compare ignoring case.
    pub async fn roles(&self, target: &Target, app: &str, product: Product, now: DateTime<Utc>) -> Result<Vec<String>, CallError> {
        let app = self.app_for(app, target)?;
        let token = self.token(target, app, &self.api(target, product), true, &Watch::start(now)).await?;
        token.claims.as_ref().map(claims::roles).ok_or(CallError::Unexpected("the token's permissions cannot be read"))
    }

    /// What the token in use for an API says, and what of it is not as it should be; it is fetched if there is none. A token of another
    /// directory is described too, and dropped all the same. Never the token itself.
    pub async fn claims(&self, target: &Target, app: &str, product: Product, now: DateTime<Utc>) -> Result<Claims, CallError> {
        let (app, api, watch) = (self.app_for(app, target)?, self.api(target, product), Watch::start(now));
        let slot = self.tokens().slot(key(target, app, &api));
        let mut kept = slot.lock().await;
        let token = match kept.as_ref().filter(|token| token.renew_at > now) {
            Some(token) => token.clone(),
            None => Arc::new(self.fetch(target, app, &api, &watch).await?),
        };
        *kept = Some(token.clone()).filter(|token| token.is_of(target.directory));
        let expected = Expected { directory: target.directory, client_id: app.client_id, audience: &api.audience, product };
        Ok(Claims::of(token.claims.as_ref(), &expected, watch.now()))
    }

    /// A token that is still good, from memory unless `fresh` is asked for.
    pub(super) async fn token(&self, target: &Target, app: &App, api: &Api, fresh: bool, watch: &Watch) -> Result<Arc<Token>, CallError> {
        let slot = self.tokens().slot(key(target, app, api));
        let mut kept = slot.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| !fresh && token.renew_at > watch.now()) {
            return Ok(token.clone());
        }
        match self.fetch(target, app, api, watch).await.and_then(|token| token.checked(target)) {
            Ok(token) => Ok(kept.insert(Arc::new(token)).clone()),
            Err(error) => {
                // While renewal fails in passing, the old token serves until its end.
                *kept = kept.take().filter(|old| !fresh && error.is_passing() && old.expires_at > watch.now());
                kept.clone().ok_or(error)
            }
        }
    }

    pub(super) async fn drop_token(&self, target: &Target, app: &App, api: &Api) {
        *self.tokens().slot(key(target, app, api)).lock().await = None;
    }

    async fn fetch(&self, target: &Target, app: &App, api: &Api, watch: &Watch) -> Result<Token, CallError> {
        let lane = self.lanes().lane(target.tenant, Service::Login);
        let _turn = lane.turn().await;
        let (mut tried, mut refusal) = (Vec::new(), None);
        while let Some(offer) = self.offer(app, &tried, watch.now()).await? {
            match self.ask_token(&lane, target, app, api, &offer, watch).await {
                Err(error @ CallError::OurCredential { aadsts }) => {
                    app.credentials.refused(&offer, aadsts, watch.now());
                    tried.push(offer.loaded.id);
                    refusal = Some((error, aadsts));
                    if !is_of_one_credential(aadsts) || tried.len() >= MOST_TRIED {
                        break;
                    }
                }
                Ok(token) => {
                    app.credentials.accepted(&offer, watch.now());
                    return Ok(token);
                }
                Err(error) => return Err(error),
            }
        }
        let (error, aadsts) = refusal.unwrap_or((CallError::OurCredential { aadsts: None }, None));
        app.refused_for(target.tenant, aadsts, watch.now());
        Err(error)
    }

    async fn ask_token(
        &self,
        lane: &Lane,
        target: &Target,
        app: &App,
        api: &Api,
        offer: &Offer,
        watch: &Watch,
    ) -> Result<Token, CallError> {
        let path = match api.token {
            TokenVersion::V1 => "oauth2/token",
            TokenVersion::V2 => "oauth2/v2.0/token",
        };
        let url = clouds::login_url(target.cloud, &target.directory.to_string(), path);
        let form = token_form(app, api, offer, &url, watch.now())?;
        let body = Some(("application/x-www-form-urlencoded", form));
        let answer = self.send(lane, &Outgoing { body, ..Outgoing::new(Method::POST, url) }, &Manner::LOGIN, watch).await?;
        match answer.status {
            200 => read_token(&answer.body, watch.now()),
            400..500 => {
                let refusal = read_refusal(&answer.body);
                // A passing fault closes the lane, so that a throttled directory is not asked again and again.
                Err(if refusal.is_passing() { lane.throttled(&Manner::LOGIN, None, watch.now()) } else { refusal })
            }
            _ => Err(CallError::Unexpected("it is neither a token nor an error")),
        }
    }
}

impl Token {
    /// Whether it says of itself that it was issued in this directory, or does not say.
    fn is_of(&self, directory: DirectoryId) -> bool {
        self.claims.as_ref().and_then(claims::directory).is_none_or(|tid| DirectoryId::parse(&tid) == Some(directory))
    }

    /// The same, unless it was issued in another directory.
    fn checked(self, target: &Target) -> Result<Self, CallError> {
        if self.is_of(target.directory) {
            return Ok(self);
        }
        tracing::error!(tenant = %target.tenant, "a token was issued for another directory than the one asked; it was dropped");
        Err(CallError::WrongTenantToken)
    }
}

/// Built apart from the sending: the serializer may not cross an await.
fn token_form(app: &App, api: &Api, offer: &Offer, url: &Url, now: DateTime<Utc>) -> Result<String, CallError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials").append_pair("client_id", &app.client_id.to_string());
    match api.token {
        TokenVersion::V1 => form.append_pair("resource", &api.audience),
        TokenVersion::V2 => form.append_pair("scope", &format!("{}/.default", api.audience)),
    };
    for (name, value) in offer.loaded.credential.proof(app.client_id, url, now)? {
        form.append_pair(name, value.expose_secret());
    }
    Ok(form.finish())
}

fn key(target: &Target, app: &App, api: &Api) -> Key {
    (target.tenant, target.directory, app.client_id, api.audience.clone())
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: SecretString,
    /// A number in version 2.0, a text in version 1.0.
    #[serde(deserialize_with = "wire::integer")]
    expires_in: Option<i64>,
}

/// A token that is not one of a tenant's, with its end.
pub(super) fn read_bearer(body: &str, now: DateTime<Utc>) -> Result<(SecretString, DateTime<Utc>), CallError> {
    let token = read_token(body, now)?;
    Ok((token.secret.expose_secret().to_owned().into(), token.expires_at))
}

fn read_token(body: &str, now: DateTime<Utc>) -> Result<Token, CallError> {
    let body: TokenBody = serde_json::from_str(odata::object(body)?).map_err(|_| CallError::Unexpected("it holds no token"))?;
    let seconds = body.expires_in.ok_or(CallError::Unexpected("the token's lifetime is no number"))?;
    if body.access_token.expose_secret().is_empty() {
        return Err(CallError::Unexpected("the token is empty"));
    }
    let life = TimeDelta::seconds(seconds.clamp(60, 86_400));
    Ok(Token {
        claims: claims::read(body.access_token.expose_secret()),
        secret: Arc::new(body.access_token),
        renew_at: now + life - EARLY.min(life / 2),
        expires_at: now + life,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn body(expires_in: &str) -> String {
        format!(r#"{{"token_type":"Bearer","expires_in":{expires_in},"access_token":"a.b.c"}}"#)
    }

    #[test]
    fn tokens_of_both_versions_are_read() {
        for file in [
            include_str!("../../tests/fixtures/entra-token-v1-success.json"),
            include_str!("../../tests/fixtures/entra-token-v2-success.json"),
            include_str!("../../tests/fixtures/entra-token-v2-success-ext.json"),
        ] {
            let token = read_token(file, NOW).unwrap();
            assert_eq!(token.expires_at, NOW + TimeDelta::seconds(3599));
            assert_eq!(token.renew_at, NOW + TimeDelta::seconds(3599 - 300));
            assert_eq!(token.claims, None, "what cannot be decoded stops nothing");
        }
    }

    #[test]
    fn a_strange_lifetime_is_kept_within_a_minute_and_a_day() {
        for (expires_in, seconds) in [("0", 60), ("-7", 60), ("\"90\"", 90), ("1000000000000", 86_400)] {
            let token = read_token(&body(expires_in), NOW).unwrap();
            assert_eq!(token.expires_at, NOW + TimeDelta::seconds(seconds), "{expires_in}");
            assert!(token.renew_at > NOW && token.renew_at < token.expires_at);
        }
        for bad in ["\"banana\"", "null", "{}"] {
            assert!(read_token(&body(bad), NOW).is_err(), "{bad}");
        }
        for bad in ["", "null", "{}", "<html>", r#"{"access_token":"","expires_in":1}"#] {
            assert!(matches!(read_token(bad, NOW), Err(CallError::Unexpected(_))), "{bad}");
        }
    }
}
