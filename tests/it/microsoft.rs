//! The client against the stand-in cloud, which refuses whatever Microsoft would refuse.

use crate::fake::{CLIENT_ID, DIRECTORY, SECRET};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;
use uuid::Uuid;
use watchfloor::config;
use watchfloor::demo::{Api, App, Credential, Directory, Fault, IdTokenLie, StandIn, Times, World};
use watchfloor::microsoft::consent::{Callback, Who, parse_callback};
use watchfloor::microsoft::{CallError, Client, CloudAppsQuery, Page, SignInError, SignedIn, Target, cloud_apps, endpoint, xdr};
use watchfloor::model::{Cloud, ConsentOutcome, DirectoryId, Product, TenantId};

pub const NAME: &str = "defender";
const CALLBACK: &str = "https://portal.example.com/consent/callback";
const ROLES: [(Product, &str); 3] = [
    (Product::DefenderXdr, "Incident.Read.All"),
    (Product::DefenderEndpoint, "Alert.Read.All"),
    (Product::CloudApps, "Investigation.Read"),
];

pub fn file(content: &str) -> PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("watchfloor-test-{}", Uuid::new_v4()));
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A stand-in with the directory Contoso, which has consented to the one app, and a client of that app.
pub struct Scene {
    pub cloud: StandIn,
    pub client: Client,
    pub target: Target,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(vec![Credential::Secret(SECRET.to_owned(), None)], vec![config::Credential::secret_file(file(SECRET))]).await
    }

    async fn with_certificate() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["app".to_owned()]).unwrap().self_signed(&key).unwrap();
        let files = config::Credential::certificate_files(file(&certificate.pem()), file(&key.serialize_pem()));
        Self::with(vec![Credential::Certificate(certificate.der().to_vec())], vec![files]).await
    }

    /// With what is registered at Microsoft, and what we have.
    pub async fn with(had: Vec<Credential>, credentials: Vec<config::Credential>) -> Self {
        Self::reading_vaults_as(had, credentials, None).await
    }

    pub async fn reading_vaults_as(had: Vec<Credential>, credentials: Vec<config::Credential>, who: Option<config::Identity>) -> Self {
        let directory = DirectoryId::parse(DIRECTORY).unwrap();
        let mut world = World::new(7);
        world.add_directory(Directory::new(directory, "Contoso", "contoso.com"));
        world.register_app(App {
            client_id: CLIENT_ID,
            name: "Watchfloor".to_owned(),
            publisher: "Northwatch".to_owned(),
            credentials: had,
            redirect_uris: vec![CALLBACK.to_owned()],
            roles: ROLES.iter().map(|(product, role)| (*product, (*role).to_owned())).collect(),
            home: None,
        });
        world.grant(directory, CLIENT_ID);
        let now = world.now();
        let app = config::App {
            name: NAME.to_owned(),
            cloud: Cloud::Commercial,
            client_id: CLIENT_ID,
            credentials,
            consent: config::ConsentForm::V2,
            optional: false,
            permissions: ROLES.iter().map(|(product, role)| (*product, vec![(*role).to_owned()])).collect(),
        };
        let cloud = StandIn::start(world, 0).await.unwrap();
        let client = Client::stand_in(cloud.address(), &[app], now).unwrap().with_identity(who.as_ref(), now).unwrap();
        let client = client.with_retry_delay(Duration::from_millis(1));
        Self { cloud, client, target: Target::new(TenantId::new(), directory, Cloud::Commercial) }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.cloud.world().now()
    }

    pub async fn probe(&self, product: Product) -> Result<(), CallError> {
        self.client.probe(&self.target, NAME, product, self.now()).await
    }

    /// What a browser does: picks the directory's administrator and comes back with the answer.
    async fn browse(&self, url: &Url, form: &[(&str, String)]) -> Callback {
        let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answer = browser.post(url.clone()).form(form).send().await.unwrap();
        assert_eq!(answer.status(), 302, "{}", answer.text().await.unwrap());
        let location = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        assert!(location.as_str().starts_with(CALLBACK));
        parse_callback(location.query().unwrap_or_default())
    }

    async fn sign_in(&self) -> Result<SignedIn, SignInError> {
        let redirect = Url::parse(CALLBACK).unwrap();
        let trip = self.client.sign_in_url(NAME, self.target.directory, &redirect, "the-state", "the-nonce").unwrap();
        let admin = format!("{DIRECTORY}/admin@contoso.com");
        let Callback::SignedIn { code, state } = self.browse(&trip.url, &[("account", admin)]).await else { panic!() };
        assert_eq!(state, "the-state");
        self.client.redeem(NAME, self.target.directory, &redirect, &code, &trip.verifier, "the-nonce", self.now()).await
    }

    /// Asks for a fresh token.
    pub async fn token(&self) -> Result<(), CallError> {
        self.client.roles(&self.target, NAME, Product::DefenderXdr, self.now()).await.map(drop)
    }

    async fn incidents(&self, since: DateTime<Utc>, skip: u32) -> Result<Page, CallError> {
        self.client.xdr_incidents(&self.target, NAME, since, skip, self.now()).await
    }
}

#[tokio::test]
async fn every_product_answers_an_app_with_a_secret_and_one_with_a_certificate() {
    for scene in [Scene::start().await, Scene::with_certificate().await] {
        for (product, role) in ROLES {
            scene.probe(product).await.unwrap();
            assert_eq!(scene.client.roles(&scene.target, NAME, product, scene.now()).await.unwrap(), [role]);
        }
    }
}

#[tokio::test]
async fn incidents_and_alerts_of_every_product_are_read_page_by_page() {
    let scene = Scene::start().await;
    let now = scene.now();
    scene.cloud.world().seed_history(scene.target.directory, 20, 230, now);
    let since = now - TimeDelta::days(30);
    let (mut ids, mut skip, mut pages) = (BTreeMap::new(), 0, 0);
    loop {
        let page = scene.incidents(since, skip).await.unwrap();
        for record in &page.records {
            let incident: xdr::Incident = serde_json::from_str(record.get()).unwrap();
            assert!(incident.alerts.iter().all(|alert| serde_json::from_str::<xdr::IncidentAlert>(alert.get()).is_ok()));
            ids.insert(incident.incident_id, incident.incident_name);
        }
        skip += u32::try_from(page.records.len()).unwrap();
        pages += 1;
        if !page.more {
            break;
        }
    }
    assert_eq!((ids.len(), pages), (230, 3));
    let first = ids.keys().next().unwrap();
    let incident = scene.client.xdr_incident(&scene.target, NAME, first, now).await.unwrap().unwrap();
    assert_eq!(&serde_json::from_str::<xdr::Incident>(incident.get()).unwrap().incident_id, first);
    assert!(scene.client.xdr_incident(&scene.target, NAME, "999999999", now).await.unwrap().is_none());

    let page = scene.client.endpoint_alerts(&scene.target, NAME, since, 0, now).await.unwrap();
    let alerts: Vec<endpoint::Alert> = page.records.iter().map(|record| serde_json::from_str(record.get()).unwrap()).collect();
    assert!(!page.more && !alerts.is_empty() && alerts.iter().all(|alert| !alert.evidence.is_empty()));

    let query = CloudAppsQuery::CreatedSince(since);
    let page = scene.client.cloud_apps_alerts(&scene.target, NAME, query, 0, now).await.unwrap();
    let alerts: Vec<cloud_apps::Alert> = page.records.iter().map(|record| serde_json::from_str(record.get()).unwrap()).collect();
    assert!(!alerts.is_empty() && alerts.is_sorted_by_key(|alert| alert.timestamp));
    let query = CloudAppsQuery::ResolvedSince(since);
    let resolved = scene.client.cloud_apps_alerts(&scene.target, NAME, query, 0, now).await.unwrap();
    assert!(resolved.records.len() < page.records.len());
    let ledger_is_clean = scene.cloud.world().ledger.requests().all(|request| request.status < 400 || request.path.ends_with("999999999"));
    assert!(ledger_is_clean, "nothing we send is refused");
}

#[tokio::test]
async fn a_consent_comes_back_with_the_directory_and_a_refusal_with_its_reason() {
    let scene = Scene::start().await;
    let redirect = Url::parse(CALLBACK).unwrap();
    let url = scene.client.consent_url(NAME, None, &redirect, "the-state").unwrap();
    let admin = ("account", format!("{DIRECTORY}/admin@contoso.com"));
    let answer = scene.browse(&url, &[admin.clone(), ("decision", "accept".to_owned())]).await;
    let Callback::Granted { tenant, state, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((tenant, state.as_str()), (scene.target.directory, "the-state"));
    let answer = scene.browse(&url, &[admin, ("decision", "cancel".to_owned())]).await;
    let Callback::Failed { state, failure } = answer else { panic!("{answer:?}") };
    assert_eq!((state.as_deref(), failure.meaning().outcome), (Some("the-state"), ConsentOutcome::Declined));
}

#[tokio::test]
async fn a_sign_in_proves_the_directory() {
    for scene in [Scene::start().await, Scene::with_certificate().await] {
        let person = scene.sign_in().await.unwrap();
        let oid = scene.cloud.world().directory(scene.target.directory).unwrap().accounts[0].object_id;
        assert_eq!((person.tid, person.oid), (scene.target.directory, oid));
        scene.cloud.world().rotate_keys();
        let refused = scene.sign_in().await;
        assert_eq!(refused, Err(SignInError::Refused("its key is not Microsoft's")), "keys are not read again within a minute");
        scene.cloud.world().advance(TimeDelta::minutes(2));
        scene.sign_in().await.unwrap();
    }
}

#[tokio::test]
async fn a_lying_id_token_proves_nothing() {
    let other = DirectoryId::parse("11112222-0000-cccc-1111-dddd2222eeee").unwrap();
    for lie in [
        IdTokenLie::Unsigned,
        IdTokenLie::Forged,
        IdTokenLie::WrongNonce,
        IdTokenLie::WrongAudience,
        IdTokenLie::WrongIssuer,
        IdTokenLie::Expired,
        IdTokenLie::Directory(other),
    ] {
        let scene = Scene::start().await;
        scene.cloud.world().fault(scene.target.directory, Api::Token, Fault::IdToken(lie), Times::Forever);
        let refused = scene.sign_in().await;
        assert!(matches!(refused, Err(SignInError::Refused(_))), "{lie:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_code_works_once_and_only_with_its_verifier() {
    let scene = Scene::start().await;
    let redirect = Url::parse(CALLBACK).unwrap();
    let directory = scene.target.directory;
    let trip = scene.client.sign_in_url(NAME, directory, &redirect, "s", "n").unwrap();
    let admin = ("account", format!("{DIRECTORY}/admin@contoso.com"));
    let Callback::SignedIn { code, .. } = scene.browse(&trip.url, std::slice::from_ref(&admin)).await else { panic!() };
    let redeem = |verifier: SecretString| {
        let (client, redirect, code, now) = (scene.client.clone(), redirect.clone(), code.clone(), scene.now());
        async move { client.redeem(NAME, directory, &redirect, &code, &verifier, "n", now).await }
    };
    let wrong = "x".repeat(43);
    assert!(matches!(redeem(wrong.into()).await, Err(SignInError::Call(CallError::Entra { .. }))));
    redeem(trip.verifier.clone()).await.unwrap();
    assert!(matches!(redeem(trip.verifier.clone()).await, Err(SignInError::Call(_))));
}

#[tokio::test]
async fn what_the_customer_lacks_is_told_apart() {
    let scene = Scene::start().await;
    let directory = scene.target.directory;
    scene.cloud.world().drop_role(directory, CLIENT_ID, "Alert.Read.All");
    let error = scene.probe(Product::DefenderEndpoint).await.unwrap_err();
    assert!(matches!(error, CallError::Forbidden { .. }), "{error:?}");
    assert_eq!(error.remedy().who, Who::Customer);
    assert!(scene.client.roles(&scene.target, NAME, Product::DefenderEndpoint, scene.now()).await.unwrap().is_empty());
    scene.probe(Product::DefenderXdr).await.unwrap();

    scene.cloud.world().set_licences(directory, &[Product::DefenderXdr]);
    let error = scene.probe(Product::CloudApps).await.unwrap_err();
    assert!(matches!(error, CallError::NoLicence { .. }), "{error:?}");

    scene.cloud.world().revoke(directory, CLIENT_ID);
    let error = scene.probe(Product::DefenderXdr).await.unwrap_err();
    assert_eq!(error, CallError::ConsentLost { aadsts: Some(700_016) });

    scene.cloud.world().remove_directory(directory);
    let error = scene.probe(Product::DefenderXdr).await.unwrap_err();
    assert_eq!(error, CallError::ConsentLost { aadsts: Some(90_002) });
}

#[tokio::test]
async fn microsoft_is_never_called_early() {
    let scene = Scene::start().await;
    let directory = scene.target.directory;
    let throttle = Fault::Throttle(Some("30".to_owned()));
    scene.cloud.world().fault(directory, Api::DefenderXdr, throttle, Times::Calls(1));
    for seconds in [0, 10, 29] {
        let later = scene.now() + TimeDelta::seconds(seconds);
        let error = scene.client.probe(&scene.target, NAME, Product::DefenderXdr, later).await.unwrap_err();
        assert!(matches!(error, CallError::Throttled { .. }), "{error:?}");
    }
    assert!(scene.cloud.world().ledger.early().is_empty());
    scene.cloud.world().advance(TimeDelta::seconds(31));
    scene.probe(Product::DefenderXdr).await.unwrap();
    assert!(scene.cloud.world().ledger.early().is_empty());
}

#[tokio::test]
async fn a_token_withdrawn_in_the_middle_is_replaced_and_a_lost_answer_is_asked_again() {
    let scene = Scene::start().await;
    scene.probe(Product::DefenderXdr).await.unwrap();
    scene.cloud.world().expire_tokens(scene.target.directory);
    scene.probe(Product::DefenderXdr).await.unwrap();
    scene.cloud.world().fault(scene.target.directory, Api::DefenderXdr, Fault::Status(502), Times::Calls(3));
    scene.probe(Product::DefenderXdr).await.unwrap();
    scene.cloud.world().fault(scene.target.directory, Api::DefenderXdr, Fault::TruncatedJson, Times::Calls(1));
    let error = scene.probe(Product::DefenderXdr).await.unwrap_err();
    assert!(matches!(error, CallError::Unexpected(_)), "{error:?}");
}
