//! How the portal proves itself: every kind of credential, two at a time, and their change while it runs.

use crate::fake::{CLIENT_ID, Fake, Reply, SECRET};
use crate::microsoft::{NAME, Scene, file};
use chrono::TimeDelta;
use std::path::Path;
use watchfloor::config::{self, Assertion, Source};
use watchfloor::demo::{Credential, StandIn, World};
use watchfloor::microsoft::{CallError, Client, CredentialStatus, Verdict};
use watchfloor::model::Product;

const ISSUER: &str = "https://kubernetes.example.com";
const SUBJECT: &str = "system:serviceaccount:watchfloor:watchfloor";
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// A certificate as it is registered, its PEM and its key's.
pub fn certificate(days_old: i64) -> (Credential, String, String) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["app".to_owned()]).unwrap();
    let at = |days: i64| {
        let seconds = watchfloor::model::clock::now().timestamp() + days * 86_400;
        x509_parser::time::ASN1Time::from_timestamp(seconds).unwrap().to_datetime()
    };
    (params.not_before, params.not_after) = (at(-days_old), at(90));
    let certificate = params.self_signed(&key).unwrap();
    (Credential::Certificate(certificate.der().to_vec()), certificate.pem(), key.serialize_pem())
}

fn of(source: Source) -> config::Credential {
    config::Credential { source, expires: None }
}

fn secret(value: &str) -> Credential {
    Credential::Secret(value.to_owned(), None)
}

fn trusted() -> Credential {
    Credential::Federated { issuer: ISSUER.to_owned(), subject: SUBJECT.to_owned(), audience: EXCHANGE.to_owned() }
}

fn statuses(scene: &Scene) -> Vec<CredentialStatus> {
    scene.client.app(NAME).unwrap().credentials(scene.now())
}

/// Another content at the same place, with a time of change of its own.
fn rewrite(path: &Path, content: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::set_permissions(&new, std::fs::metadata(path).unwrap().permissions()).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[tokio::test]
async fn a_certificate_signs_in_the_present_form_and_in_the_one_before() {
    for (assertion, algorithm) in [(Assertion::Ps256, "PS256"), (Assertion::Rs256, "RS256")] {
        let (registered, pem, key) = certificate(1);
        let source = Source::CertificateFiles { certificate: file(&pem), key: file(&key), assertion };
        let scene = Scene::with(vec![registered], vec![of(source)]).await;
        scene.token().await.unwrap_or_else(|error| panic!("{algorithm}: {error}"));
    }
}

#[tokio::test]
async fn a_federated_token_is_read_anew_each_time_and_compared_exactly() {
    let path = file("a.b.c");
    let scene = Scene::with(vec![trusted()], vec![of(Source::TokenFile(path.clone()))]).await;
    assert_eq!(scene.token().await, Err(CallError::OurCredential { aadsts: Some(50_027) }), "no token at all");
    for (issuer, subject, audience, number) in [
        ("https://evil.example.com", SUBJECT, EXCHANGE, 700_211),
        (ISSUER, "system:serviceaccount:other:other", EXCHANGE, 700_213),
        (ISSUER, SUBJECT, "api://azureadtokenexchange", 700_212),
    ] {
        let token = scene.cloud.world().outside_token(issuer, subject, audience);
        rewrite(&path, &token);
        assert_eq!(scene.token().await, Err(CallError::OurCredential { aadsts: Some(number) }));
    }
    let token = scene.cloud.world().outside_token(ISSUER, SUBJECT, EXCHANGE);
    rewrite(&path, &token);
    scene.token().await.unwrap();
    scene.cloud.world().advance(TimeDelta::hours(2));
    assert_eq!(scene.token().await, Err(CallError::OurCredential { aadsts: Some(700_024) }), "it has expired");
    let token = scene.cloud.world().outside_token(ISSUER, SUBJECT, EXCHANGE);
    rewrite(&path, &token);
    scene.token().await.unwrap();
}

#[tokio::test]
async fn of_two_credentials_the_newer_is_used_and_the_other_stands_in_when_it_is_refused() {
    let (old, old_pem, old_key) = certificate(30);
    let (new, new_pem, new_key) = certificate(1);
    let files = |pem: &str, key: &str| config::Credential::certificate_files(file(pem), file(key));
    // The newer one is not registered yet, as in the middle of a rotation in the wrong order.
    let scene = Scene::with(vec![old.clone()], vec![files(&old_pem, &old_key), files(&new_pem, &new_key)]).await;
    assert_eq!(statuses(&scene).iter().map(|status| status.in_use).collect::<Vec<_>>(), [false, true]);
    scene.token().await.unwrap();
    let after = statuses(&scene);
    assert_eq!(after.iter().map(|status| status.in_use).collect::<Vec<_>>(), [true, false], "the other one is used on");
    assert_eq!(after[1].refused.map(|(_, number)| number), Some(Some(700_027)));
    let news = scene.client.take_verdicts();
    assert!(news.iter().any(|(app, place, verdict)| app == NAME && *place == after[1].place && matches!(verdict, Verdict::Refused { .. })));
    assert!(news.iter().any(|(_, place, verdict)| place.is_empty() && matches!(verdict, Verdict::Accepted { .. })), "the app as a whole");
    let asked = |scene: &Scene| scene.cloud.world().ledger.requests().filter(|request| request.path.ends_with("/token")).count();
    let before = asked(&scene);
    scene.token().await.unwrap();
    assert_eq!(asked(&scene), before + 1, "the refused one is not tried each time");

    let app = |credentials| Scene::with(credentials, vec![files(&old_pem, &old_key), files(&new_pem, &new_key)]);
    let both = app(vec![old, new]).await;
    both.token().await.unwrap();
    assert_eq!(asked(&both), 1);
    let none = app(vec![secret("x")]).await;
    assert_eq!(none.token().await, Err(CallError::OurCredential { aadsts: Some(700_027) }));
    assert_eq!(asked(&none), 2, "each once");
}

#[tokio::test]
async fn a_secret_changed_in_its_file_is_used_at_once_after_a_refusal_and_a_broken_one_never() {
    let path = file(SECRET);
    let scene = Scene::with(vec![secret(SECRET), secret("the-next-one")], vec![config::Credential::secret_file(&path)]).await;
    scene.token().await.unwrap();
    rewrite(&path, "");
    scene.cloud.world().advance(TimeDelta::minutes(2));
    scene.token().await.unwrap();
    let status = &statuses(&scene)[0];
    assert!(status.trouble.as_ref().unwrap().contains("the file is empty") && status.loaded, "{status:?}");

    rewrite(&path, "the-next-one");
    scene.cloud.world().advance(TimeDelta::minutes(2));
    scene.token().await.unwrap();
    assert_eq!(statuses(&scene)[0].trouble, None);
    let register = |credentials| {
        let mut world = scene.cloud.world();
        let mut app = world.app(CLIENT_ID).unwrap().clone();
        app.credentials = credentials;
        world.register_app(app);
    };
    register(vec![secret("the-last-one")]);
    rewrite(&path, "the-last-one");
    scene.token().await.unwrap();
    register(vec![secret("nobody-knows")]);
    assert_eq!(scene.token().await, Err(CallError::OurCredential { aadsts: Some(7_000_215) }));
    assert!(matches!(&scene.client.take_verdicts()[0].2, Verdict::Refused { aadsts: Some(7_000_215), .. }));
}

#[tokio::test]
async fn the_older_token_endpoint_is_asked_in_its_own_form() {
    let scene = Scene::start().await;
    let api = config::Api {
        cloud: watchfloor::model::Cloud::Commercial,
        product: Product::DefenderXdr,
        base: None,
        audience: None,
        token: Some(config::TokenVersion::V1),
    };
    let client = scene.client.clone().with_apis(&[api]).unwrap();
    client.probe(&scene.target, NAME, Product::DefenderXdr, scene.now()).await.unwrap();
    client.probe(&scene.target, NAME, Product::DefenderEndpoint, scene.now()).await.unwrap();
    let asked: Vec<_> = scene.cloud.world().ledger.requests().filter(|request| request.path.ends_with("/token")).cloned().collect();
    assert!(asked[0].path.ends_with(&format!("{}/oauth2/token", scene.target.directory)), "{}", asked[0].path);
    assert_eq!((asked[0].form("resource"), asked[0].form("scope")), (Some("https://api.security.microsoft.com"), None));
    assert!(asked[1].path.ends_with("/oauth2/v2.0/token") && asked[1].form("resource").is_none());
}

#[tokio::test]
async fn a_redirect_of_the_token_endpoint_is_not_followed() {
    let canary = Fake::start(|_| None).await;
    let location = format!("http://{}/steal", canary.address);
    let fake = Fake::start(move |_| Some(Reply(302, vec![("location", location.clone())], vec![]))).await;
    let error = fake.client().probe(&crate::fake::target(), crate::fake::APP, Product::DefenderXdr, crate::fake::now()).await.unwrap_err();
    assert!(matches!(error, CallError::Entra { .. } | CallError::Unexpected(_)), "{error:?}");
    assert!(canary.seen().is_empty());
}

#[tokio::test]
async fn a_portal_begins_with_one_good_credential_of_two_and_not_with_none() {
    let cloud = StandIn::start(World::new(1), 0).await.unwrap();
    let client = |credentials| {
        let app = config::App { credentials, ..crate::fake::app() };
        Client::stand_in(cloud.address(), &[app], cloud.world().now())
    };
    let (good, gone) = (config::Credential::secret_file(file(SECRET)), config::Credential::secret_file("/nowhere/secret"));
    let begun = client(vec![gone.clone(), good]).unwrap();
    let status = &begun.app(NAME).unwrap().credentials(cloud.world().now())[0];
    assert!(status.trouble.as_ref().unwrap().contains("/nowhere/secret") && !status.loaded);
    let error = format!("{:#}", client(vec![gone]).unwrap_err());
    assert!(error.contains("app `defender`") && error.contains("client_secret_file = /nowhere/secret"), "{error}");
}
