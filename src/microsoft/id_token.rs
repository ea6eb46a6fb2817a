//! Verifying an id_token, by the rules of Microsoft's page "Access tokens in the Microsoft identity platform" (validation of issuer and
//! signing key).

use super::http::Outgoing;
use super::lanes::{Service, locked};
use super::sign_in::{SignInError, SignedIn};
use super::{CallError, Client, clouds, odata};
use crate::model::{Cloud, DirectoryId};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// What the id_token must say.
pub(super) struct Expected<'a> {
    pub(super) cloud: Cloud,
    pub(super) directory: DirectoryId,
    pub(super) audience: Uuid,
    pub(super) nonce: &'a str,
}

/// Clocks may differ by this much.
const SKEW: TimeDelta = TimeDelta::minutes(5);
/// Keys are read again after a day at the latest.
const OLDEST_KEYS: TimeDelta = TimeDelta::hours(24);
/// A token with an unknown key makes us read them again, at most this often: anybody can name unknown keys.
const SOONEST_REFRESH: TimeDelta = TimeDelta::minutes(1);

/// The signing keys of a login host.
#[derive(Clone, Debug, Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone, Debug, Deserialize)]
struct Key {
    #[serde(default)]
    kid: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    /// Whose tokens it may sign; `{tenantid}` stands for any directory.
    #[serde(default)]
    issuer: Option<String>,
}

/// The keys of each login host, with the time they were read.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<HashMap<&'static str, Kept>>);

type Kept = (DateTime<Utc>, Arc<KeySet>);

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    tid: String,
    oid: Uuid,
    exp: i64,
    nbf: i64,
    #[serde(default)]
    auth_time: Option<i64>,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    preferred_username: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    /// Stand in place of `groups` where those are too many, see Microsoft's page "ID token claims reference".
    #[serde(default)]
    hasgroups: bool,
    #[serde(default, rename = "_claim_names")]
    claim_names: BTreeMap<String, Value>,
}

impl Client {
    pub(super) async fn verify(&self, token: &str, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<SignedIn, SignInError> {
        let key = self.key(expected.cloud, &key_named(token)?, now).await?;
        proven(token, &key, expected, now)
    }

    async fn key(&self, cloud: Cloud, kid: &str, now: DateTime<Utc>) -> Result<Key, SignInError> {
        let host = clouds::login_host(cloud);
        let kept = locked(&self.keys().0).get(host).cloned();
        let find = |set: &KeySet| set.keys.iter().find(|key| key.kid == kid).cloned();
        if let Some((read_at, set)) = kept {
            let age = (now - read_at).abs();
            match find(&set) {
                Some(key) if age < OLDEST_KEYS => return Ok(key),
                None if age < SOONEST_REFRESH => return Err(SignInError::Refused("its key is not Microsoft's")),
                _ => {}
            }
        }
        let set = Arc::new(self.read_keys(cloud, now).await?);
        locked(&self.keys().0).insert(host, (now, set.clone()));
        find(&set).ok_or(SignInError::Refused("its key is not Microsoft's"))
    }

    async fn read_keys(&self, cloud: Cloud, now: DateTime<Utc>) -> Result<KeySet, CallError> {
        let url = clouds::login_url(cloud, "common", "discovery/v2.0/keys");
        let places = self.lanes().places(Service::Login);
        let _place = places.acquire().await;
        let answer = self.http().send(&Outgoing::new(Method::GET, url), now).await?;
        match answer.status {
            200 => serde_json::from_str(odata::object(&answer.body)?).map_err(|_| CallError::Unexpected("it holds no keys")),
            429 => Err(CallError::Throttled { retry_after: answer.retry_after }),
            status @ 500.. => Err(CallError::Server { status }),
            _ => Err(CallError::Unexpected("it holds no keys")),
        }
    }
}

/// The name of the key that a token says it is signed with.
fn key_named(token: &str) -> Result<String, SignInError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| SignInError::Refused("it is no signed token"))?;
    if header.alg != Algorithm::RS256 {
        return Err(SignInError::Refused("its algorithm is not allowed"));
    }
    header.kid.ok_or(SignInError::Refused("it names no key"))
}

fn proven(token: &str, key: &Key, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<SignedIn, SignInError> {
    let decoding = DecodingKey::from_rsa_components(&key.n, &key.e).map_err(|_| SignInError::Refused("its key is unusable"))?;
    let claims = jsonwebtoken::decode::<Claims>(token, &decoding, &validation(expected))
        .map_err(|_| SignInError::Refused("signature, audience or claims are wrong"))?
        .claims;
    judge(claims, key.issuer.as_deref(), expected, now)
}

/// The directory that a token claims to be of. Nothing is verified: it only says by what the token is to be measured.
pub(super) fn directory_of(token: &str) -> Option<DirectoryId> {
    #[derive(Deserialize)]
    struct Claimed {
        tid: String,
    }
    let claimed: Claimed = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    DirectoryId::parse(&claimed.tid)
}

/// Signature and audience by the library; times by our own clock, below.
fn validation(expected: &Expected<'_>) -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
    validation.set_audience(&[expected.audience.to_string()]);
    validation
}

fn judge(claims: Claims, key_issuer: Option<&str>, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<SignedIn, SignInError> {
    let tid = DirectoryId::parse(&claims.tid).ok_or(SignInError::Refused("it names no directory"))?;
    let issuer = clouds::issuer(expected.cloud, tid);
    let key_may = key_issuer.is_none_or(|of_key| of_key.replace("{tenantid}", &tid.to_string()) == issuer);
    let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(SignInError::Refused("its times are unreadable"));
    let (from, until) = (time(claims.nbf)?, time(claims.exp)?);
    let faults = [
        (claims.iss != issuer, "its issuer is another"),
        (!key_may, "its key may not sign for this directory"),
        (tid != expected.directory, "it is of another directory"),
        (now >= until + SKEW, "it has expired"),
        (now < from - SKEW, "it is not valid yet"),
        (claims.nonce.is_empty() || claims.nonce != expected.nonce, "it answers another sign-in"),
    ];
    match faults.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, what)) => Err(SignInError::Refused(what)),
        None => Ok(person(claims, tid, issuer)),
    }
}

fn person(claims: Claims, tid: DirectoryId, issuer: String) -> SignedIn {
    SignedIn {
        tid,
        oid: claims.oid,
        issuer,
        name: claims.name,
        username: claims.preferred_username,
        roles: claims.roles,
        // A directory may be set to name groups by something else, which is no id.
        groups: claims.groups.iter().filter_map(|group| Uuid::try_parse(group).ok()).collect(),
        proven_at: claims.auth_time.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        more_groups: claims.hasgroups || claims.claim_names.contains_key("groups"),
    }
}

#[cfg(fuzzing)]
pub mod fuzz;
#[cfg(test)]
mod tests;
