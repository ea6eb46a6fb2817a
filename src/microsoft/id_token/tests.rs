use super::*;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

const NOW: i64 = 1_767_225_600;
const DIRECTORY: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

/// A client that has just read the keys of the login host: one for every directory, one for personal accounts.
fn client(key: &rcgen::KeyPair) -> Client {
    let public = jwk(key);
    let of =
        |kid: &str, issuer: &str| Key { kid: kid.to_owned(), n: public.0.clone(), e: public.1.clone(), issuer: Some(issuer.to_owned()) };
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
async fn roles_and_groups_are_read_and_so_is_that_there_are_more() {
    let key = rsa();
    let client = client(&key);
    let group = Uuid::from_u128(9);
    let read = async |more: Value| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        verify(&client, &signed(&key, "any", Algorithm::RS256, &claims)).await
    };
    let person =
        read(json!({"roles": ["Watchfloor.Lead"], "groups": [group, "CONTOSO\\staff"], "preferred_username": "ada@contoso.com"})).await;
    let person = person.unwrap();
    assert_eq!((person.roles, person.groups, person.more_groups), (vec!["Watchfloor.Lead".to_owned()], vec![group], false));
    assert_eq!(
        (person.username.as_deref(), person.issuer),
        (Some("ada@contoso.com"), format!("https://login.microsoftonline.com/{DIRECTORY}/v2.0"))
    );
    let sources = json!({"src1": {"endpoint": "https://graph.windows.net/x/users/y/getMemberObjects"}});
    for more in [json!({"hasgroups": true}), json!({"_claim_names": {"groups": "src1"}, "_claim_sources": sources})] {
        let person = read(more).await.unwrap();
        assert!(person.more_groups && person.groups.is_empty());
    }
    assert!(!read(json!({"_claim_names": {"other": "src1"}})).await.unwrap().more_groups);
    for strange in [json!({"roles": "Watchfloor.Admin"}), json!({"groups": "all"}), json!({"hasgroups": "perhaps"})] {
        assert!(matches!(read(strange).await, Err(SignInError::Refused(_))));
    }
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
        ("RS384", signed(&key, "any", Algorithm::RS384, &claims())),
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
    let set: KeySet = serde_json::from_str(include_str!("../../../tests/fixtures/entra-jwks-common.json")).unwrap();
    let issuers: Vec<_> = set.keys.iter().map(|key| key.issuer.as_deref().unwrap().contains("{tenantid}")).collect();
    assert_eq!(issuers, [true, true, false]);
}
