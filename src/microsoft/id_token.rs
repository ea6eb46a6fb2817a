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
use std::collections::HashMap;
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
    nonce: String,
    #[serde(default)]
    name: Option<String>,
}

impl Client {
    pub(super) async fn verify(&self, token: &str, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<SignedIn, SignInError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| SignInError::Refused("it is no signed token"))?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512) {
            return Err(SignInError::Refused("its algorithm is not allowed"));
        }
        let kid = header.kid.ok_or(SignInError::Refused("it names no key"))?;
        let key = self.key(expected.cloud, &kid, now).await?;
        let decoding = DecodingKey::from_rsa_components(&key.n, &key.e).map_err(|_| SignInError::Refused("its key is unusable"))?;
        let claims = jsonwebtoken::decode::<Claims>(token, &decoding, &validation(header.alg, expected))
            .map_err(|_| SignInError::Refused("signature, audience or claims are wrong"))?
            .claims;
        judge(claims, key.issuer.as_deref(), expected, now)
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

/// Signature and audience by the library; times by our own clock, below.
fn validation(algorithm: Algorithm, expected: &Expected<'_>) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
    validation.set_audience(&[expected.audience.to_string()]);
    validation
}

fn judge(claims: Claims, key_issuer: Option<&str>, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<SignedIn, SignInError> {
    let tid = DirectoryId::parse(&claims.tid).ok_or(SignInError::Refused("it names no directory"))?;
    let issuer = format!("https://{}/{tid}/v2.0", clouds::login_host(expected.cloud));
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
        None => Ok(SignedIn { tid, oid: claims.oid, name: claims.name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    const NOW: i64 = 1_767_225_600;
    const DIRECTORY: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
    }

    /// A client that has just read the keys of the login host: one for every directory, one for personal accounts.
    fn client(key: &rcgen::KeyPair) -> Client {
        let public = jwk(key);
        let of = |kid: &str, issuer: &str| Key {
            kid: kid.to_owned(),
            n: public.0.clone(),
            e: public.1.clone(),
            issuer: Some(issuer.to_owned()),
        };
        let keys = vec![
            of("any", "https://login.microsoftonline.com/{tenantid}/v2.0"),
            of("personal", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
        ];
        let client = Client::stand_in("127.0.0.1:1".parse().unwrap(), &[], now()).unwrap();
        locked(&client.keys().0).insert("login.microsoftonline.com", (now(), Arc::new(KeySet { keys })));
        client
    }

    fn jwk(key: &rcgen::KeyPair) -> (String, String) {
        let key = EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap();
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
        let jwk = serde_json::to_value(jwk).unwrap();
        (jwk["n"].as_str().unwrap().to_owned(), jwk["e"].as_str().unwrap().to_owned())
    }

    fn claims() -> Value {
        json!({
            "iss": format!("https://login.microsoftonline.com/{DIRECTORY}/v2.0"), "tid": DIRECTORY, "oid": Uuid::from_u128(5),
            "aud": Uuid::from_u128(7), "exp": NOW + 3600, "nbf": NOW, "nonce": "n", "name": "Ada",
        })
    }

    fn signed(key: &rcgen::KeyPair, kid: &str, algorithm: Algorithm, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
        encode(&header, claims, &EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap()).unwrap()
    }

    async fn verify(client: &Client, token: &str) -> Result<SignedIn, SignInError> {
        let directory = DirectoryId::parse(DIRECTORY).unwrap();
        let expected = Expected { cloud: Cloud::Commercial, directory, audience: Uuid::from_u128(7), nonce: "n" };
        client.verify(token, &expected, now()).await
    }

    fn rsa() -> rcgen::KeyPair {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap()
    }

    #[tokio::test]
    async fn a_good_id_token_names_directory_and_person() {
        let key = rsa();
        let person = verify(&client(&key), &signed(&key, "any", Algorithm::RS256, &claims())).await.unwrap();
        assert_eq!((person.tid.to_string().as_str(), person.oid, person.name.as_deref()), (DIRECTORY, Uuid::from_u128(5), Some("Ada")));
    }

    #[tokio::test]
    async fn every_forged_claim_is_refused() {
        let key = rsa();
        let client = client(&key);
        let other = "11112222-0000-cccc-1111-dddd2222eeee";
        for (name, value) in [
            ("iss", json!(format!("https://login.microsoftonline.com/{other}/v2.0"))),
            ("iss", json!(format!("https://sts.windows.net/{DIRECTORY}/"))),
            ("iss", json!(format!("https://login.microsoftonline.us/{DIRECTORY}/v2.0"))),
            ("tid", json!(other)),
            ("tid", json!("organizations")),
            ("aud", json!(Uuid::from_u128(8))),
            ("exp", json!(NOW - 301)),
            ("exp", json!("later")),
            ("nbf", json!(NOW + 301)),
            ("nonce", json!("m")),
            ("nonce", json!("")),
            ("nonce", Value::Null),
            ("oid", json!("ada@contoso.com")),
        ] {
            let mut claims = claims();
            claims[name] = value.clone();
            let refused = verify(&client, &signed(&key, "any", Algorithm::RS256, &claims)).await;
            assert!(matches!(refused, Err(SignInError::Refused(_))), "{name} = {value}: {refused:?}");
        }
        let mut foreign = claims();
        foreign["tid"] = json!(other);
        foreign["iss"] = json!(format!("https://login.microsoftonline.com/{other}/v2.0"));
        let refused = verify(&client, &signed(&key, "any", Algorithm::RS256, &foreign)).await;
        assert_eq!(refused, Err(SignInError::Refused("it is of another directory")));
    }

    #[tokio::test]
    async fn five_minutes_of_skew_are_allowed() {
        let key = rsa();
        let mut claims = claims();
        claims["exp"] = json!(NOW - 299);
        claims["nbf"] = json!(NOW + 299);
        assert!(verify(&client(&key), &signed(&key, "any", Algorithm::RS256, &claims)).await.is_ok());
    }

    #[tokio::test]
    async fn unsigned_foreign_and_wrongly_keyed_tokens_are_refused() {
        let key = rsa();
        let client = client(&key);
        let good = signed(&key, "any", Algorithm::RS256, &claims());
        let payload = good.split('.').nth(1).unwrap().to_owned();
        let unsigned = format!("{}.{payload}.", BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"any"}"#));
        let header = Header { kid: Some("any".to_owned()), ..Header::new(Algorithm::HS256) };
        let by_public_key = encode(&header, &claims(), &EncodingKey::from_secret(jwk(&key).0.as_bytes())).unwrap();
        let mut nameless = Header::new(Algorithm::RS256);
        nameless.kid = None;
        let nameless = encode(&nameless, &claims(), &EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap()).unwrap();
        for (what, token) in [
            ("alg none", unsigned),
            ("HS256 with the public key", by_public_key),
            ("PS256", signed(&key, "any", Algorithm::PS256, &claims())),
            ("another's key", signed(&rsa(), "any", Algorithm::RS256, &claims())),
            ("a key nobody has", signed(&key, "unknown", Algorithm::RS256, &claims())),
            ("the key of personal accounts", signed(&key, "personal", Algorithm::RS256, &claims())),
            ("no key", nameless),
            ("cut", good[..good.len() - 4].to_owned()),
            ("nothing", String::new()),
        ] {
            let refused = verify(&client, &token).await;
            assert!(matches!(refused, Err(SignInError::Refused(_))), "{what}: {refused:?}");
        }
    }

    #[test]
    fn the_documented_keys_are_read_with_their_issuers() {
        let set: KeySet = serde_json::from_str(include_str!("../../tests/fixtures/entra-jwks-common.json")).unwrap();
        let issuers: Vec<_> = set.keys.iter().map(|key| key.issuer.as_deref().unwrap().contains("{tenantid}")).collect();
        assert_eq!(issuers, [true, true, false]);
    }
}
