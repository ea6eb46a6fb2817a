//! Credentials that Azure keeps: the machine's own identity, and Key Vault.

use crate::credentials::certificate;
use crate::fake::{CLIENT_ID, SECRET};
use crate::microsoft::{NAME, Scene, file};
use chrono::TimeDelta;
use uuid::Uuid;
use watchfloor::config::{self, Assertion, Held, Identity, IdentityPlace, ManagedIdentity, Source};
use watchfloor::demo::{Credential, Machine, VaultEntry};
use watchfloor::microsoft::CallError;
use watchfloor::model::DirectoryId;

const HOST: &str = "contoso-keys.vault.azure.net";
const MACHINE: Uuid = Uuid::from_u128(0x77);
const HOME: DirectoryId = DirectoryId(Uuid::from_u128(0x88));

fn machine() -> Machine {
    Machine { home: HOME, object_id: MACHINE, header: "the-machines-own".to_owned() }
}

fn metadata() -> Source {
    Source::ManagedIdentity(ManagedIdentity { client_id: None, place: IdentityPlace::Metadata })
}

fn entry(value: &str) -> VaultEntry {
    VaultEntry { value: value.to_owned(), content_type: None, expires: None, enabled: true }
}

fn in_vault(holds: Held) -> config::Credential {
    config::Credential { source: Source::Vault { vault: "Contoso-Keys".to_owned(), name: "app".to_owned(), holds }, expires: None }
}

/// A portal on a machine with an identity, whose app's credential lies in Key Vault.
async fn scene(registered: Vec<Credential>, holds: Held) -> Scene {
    let identity = Identity { app: None, source: metadata() };
    let scene = Scene::reading_vaults_as(registered, vec![in_vault(holds)], Some(identity)).await;
    scene.cloud.world().set_machine(Some(machine()));
    scene.cloud.world().may_read_vaults(MACHINE);
    scene
}

fn trouble(scene: &Scene) -> String {
    scene.client.app(NAME).unwrap().credentials(scene.now())[0].trouble.clone().unwrap_or_default()
}

#[tokio::test]
async fn the_machines_identity_is_trusted_by_the_app_in_both_forms_of_its_endpoint() {
    let issuer = format!("https://login.microsoftonline.com/{HOME}/v2.0");
    let trusted = Credential::Federated { issuer, subject: MACHINE.to_string(), audience: "api://AzureADTokenExchange".to_owned() };
    let app_service = |header: &str| {
        let place = IdentityPlace::app_service("http://169.254.129.4:8081/msi/token", header.into()).unwrap();
        Source::ManagedIdentity(ManagedIdentity { client_id: None, place })
    };
    for (source, works) in [(metadata(), true), (app_service("the-machines-own"), true), (app_service("another"), false)] {
        let scene = Scene::with(vec![trusted.clone()], vec![config::Credential { source, expires: None }]).await;
        assert!(scene.token().await.is_err(), "the machine has no identity yet");
        assert!(trouble(&scene).contains("no such identity"), "{}", trouble(&scene));
        scene.cloud.world().set_machine(Some(machine()));
        scene.cloud.world().advance(TimeDelta::minutes(2));
        assert_eq!(scene.token().await.is_ok(), works);
        scene.cloud.world().advance(TimeDelta::hours(25));
        assert_eq!(scene.token().await.is_ok(), works, "its token is replaced before it ends");
    }
    for far in ["https://169.254.129.4/msi/token", "http://10.0.0.1/msi/token", "http://evil.com/", "http://u@127.0.0.1/", "nonsense"] {
        let error = IdentityPlace::app_service(far, "x".into()).unwrap_err().to_string();
        assert!(error.contains("IDENTITY_ENDPOINT"), "{far}: {error}");
    }
}

#[tokio::test]
async fn a_secret_and_a_certificate_are_read_from_key_vault_and_renewed_from_there() {
    let scene = scene(vec![Credential::Secret(SECRET.to_owned(), None)], Held::Secret).await;
    let ends = scene.now() + TimeDelta::days(20);
    scene.cloud.world().put_into_vault(HOST, "app", VaultEntry { expires: Some(ends), ..entry(SECRET) });
    scene.token().await.unwrap();
    let status = &scene.client.app(NAME).unwrap().credentials(scene.now())[0];
    assert_eq!((status.kind, status.place.as_str()), ("Client secret", "Contoso-Keys/app"));
    assert_eq!(status.ends_at.map(|at| at.timestamp()), Some(ends.timestamp()));

    let mut app = scene.cloud.world().app(CLIENT_ID).unwrap().clone();
    app.credentials = vec![Credential::Secret("the-next-one".to_owned(), None)];
    scene.cloud.world().register_app(app);
    scene.cloud.world().put_into_vault(HOST, "app", entry("the-next-one"));
    scene.cloud.world().advance(TimeDelta::minutes(2));
    scene.token().await.unwrap();

    let (registered, pem, key) = certificate(1);
    let scene = self::scene(vec![registered], Held::Certificate(Assertion::Ps256)).await;
    let content_type = Some("application/x-pem-file".to_owned());
    scene.cloud.world().put_into_vault(HOST, "app", VaultEntry { content_type, ..entry(&format!("{key}{pem}")) });
    scene.token().await.unwrap();
    let asked: Vec<String> = scene.cloud.world().ledger.requests().map(|request| request.host.clone()).collect();
    assert_eq!(asked[..3], ["169.254.169.254", HOST, "login.microsoftonline.com"].map(str::to_owned));
}

#[tokio::test]
async fn what_key_vault_refuses_is_told_and_what_was_read_before_stays_in_use() {
    let identity = Identity { app: None, source: metadata() };
    let registered = vec![Credential::Secret(SECRET.to_owned(), None)];
    let scene = Scene::reading_vaults_as(registered.clone(), vec![in_vault(Held::Secret)], Some(identity)).await;
    scene.cloud.world().set_machine(Some(machine()));
    let later = || scene.cloud.world().advance(TimeDelta::minutes(2));
    assert_eq!(scene.token().await, Err(CallError::OurCredential { aadsts: None }));
    assert!(trouble(&scene).contains("Key Vault Secrets User"), "{}", trouble(&scene));
    scene.cloud.world().may_read_vaults(MACHINE);
    later();
    scene.token().await.unwrap_err();
    assert!(trouble(&scene).contains("no such entry"), "{}", trouble(&scene));
    scene.cloud.world().put_into_vault(HOST, "app", entry(SECRET));
    later();
    scene.token().await.unwrap();
    scene.cloud.world().put_into_vault(HOST, "app", VaultEntry { enabled: false, ..entry("hunter2") });
    later();
    scene.token().await.unwrap();
    assert!(trouble(&scene).contains("disabled") && !trouble(&scene).contains("hunter2"), "{}", trouble(&scene));

    let packed = self::scene(registered.clone(), Held::Certificate(Assertion::Ps256)).await;
    let content_type = Some("application/x-pkcs12".to_owned());
    packed.cloud.world().put_into_vault(HOST, "app", VaultEntry { content_type, ..entry("MIIKcQIBAzCCCi0GCSqGSIb3DQEHAaCCCh4") });
    packed.token().await.unwrap_err();
    assert!(trouble(&packed).contains("PKCS #12") && !trouble(&packed).contains("MIIK"), "{}", trouble(&packed));

    let nobody = Scene::with(registered, vec![in_vault(Held::Secret)]).await;
    nobody.token().await.unwrap_err();
    assert!(trouble(&nobody).contains("[identity]"), "{}", trouble(&nobody));
}

#[tokio::test]
async fn key_vault_is_read_as_an_app_of_our_own_directory_where_there_is_no_managed_identity() {
    let own = Uuid::from_u128(0x99);
    let identity = Identity { app: Some((HOME, own)), source: Source::SecretFile(file("the-portals-own")) };
    let registered = vec![Credential::Secret(SECRET.to_owned(), None)];
    let scene = Scene::reading_vaults_as(registered, vec![in_vault(Held::Secret)], Some(identity)).await;
    {
        let mut world = scene.cloud.world();
        world.add_directory(watchfloor::demo::Directory::new(HOME, "Northwatch", "northwatch.example"));
        let app = watchfloor::demo::App {
            client_id: own,
            credentials: vec![Credential::Secret("the-portals-own".to_owned(), None)],
            roles: vec![],
            ..world.app(CLIENT_ID).unwrap().clone()
        };
        world.register_app(app);
        world.grant(HOME, own);
        world.put_into_vault(HOST, "app", entry(SECRET));
    }
    scene.token().await.unwrap_err();
    scene.cloud.world().may_read_vaults(own);
    scene.cloud.world().advance(TimeDelta::minutes(2));
    scene.token().await.unwrap();
    let asked =
        scene.cloud.world().ledger.requests().filter(|request| request.form("scope") == Some("https://vault.azure.net/.default")).count();
    assert_eq!(asked, 1, "its token is kept");
}
