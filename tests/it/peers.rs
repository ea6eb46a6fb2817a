//! Programs of others that know the protocol better than we do: a certified OpenID provider takes our requests for tokens, and Microsoft's own
//! library gets tokens from the stand-in. `script/setup test` installs them below the target directory.

use crate::credentials::certificate;
use crate::fake::{CLIENT_ID, DIRECTORY, SECRET};
use crate::microsoft::{Scene, file};
use crate::tunnel::{self, Papers};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use uuid::Uuid;
use watchfloor::config::{self, Outbound};
use watchfloor::demo::Credential;
use watchfloor::microsoft::{CallError, Client, Target};
use watchfloor::model::{Cloud, DirectoryId, Product, TenantId, clock};

pub const LOGIN: &str = "login.microsoftonline.com";
const SCOPE: &str = "https://api.security.microsoft.com/.default";

pub fn installed(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers").join(name);
    assert!(path.exists(), "{} is missing: run script/setup test", path.display());
    path
}

pub fn program(program: &Path, script: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(script).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The provider, with a client that has a secret and one that has a certificate, and the proxy that leads to it. It ends when the first is dropped.
async fn provider(certificate: &str, by_secret: Uuid, by_certificate: Uuid) -> (Child, Outbound) {
    let folder = installed("node_modules").parent().unwrap().to_owned();
    let script = folder.join("oidc.mjs");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/oidc.mjs"), &script).unwrap();
    let papers = Papers::of(&[LOGIN]);
    let (tls_certificate, tls_key) = papers.files();
    let settings = json!({
        "issuer": format!("https://{LOGIN}/{DIRECTORY}/v2.0"), "path": format!("/{DIRECTORY}/oauth2/v2.0/token"), "scope": SCOPE,
        "bySecret": by_secret, "secret": SECRET, "byCertificate": by_certificate, "certificate": certificate,
        "tlsCertificate": tls_certificate, "tlsKey": tls_key,
    });
    let mut child = program(Path::new("node"), &script).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(format!("{settings}\n").as_bytes()).unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
    let server = format!("127.0.0.1:{}", port.trim()).parse().unwrap();
    let (proxy, _) = tunnel::proxy_to(server).await;
    (child, Outbound { proxy: Some(proxy), ca_file: Some(papers.ca_file) })
}

#[tokio::test]
async fn a_certified_provider_accepts_our_secret_and_our_signed_assertion() {
    let (_, pem, key) = certificate(1);
    let (by_secret, by_certificate) = (Uuid::new_v4(), Uuid::new_v4());
    let (_child, outbound) = provider(&pem, by_secret, by_certificate).await;
    let app = |name: &str, client_id, credential| config::App {
        name: name.to_owned(),
        client_id,
        credentials: vec![credential],
        ..crate::fake::app()
    };
    let (_, other_pem, other_key) = certificate(1);
    let files = |pem: &str, key: &str| config::Credential::certificate_files(file(pem), file(key));
    let apps = [
        app("secret", by_secret, config::Credential::secret_file(file(SECRET))),
        app("certificate", by_certificate, files(&pem, &key)),
        app("wrong-secret", by_secret, config::Credential::secret_file(file("wrong"))),
        app("wrong-certificate", by_certificate, files(&other_pem, &other_key)),
    ];
    let now = clock::now();
    let client = Client::new(&outbound, &apps, now).unwrap();
    let target = Target::new(TenantId::new(), DirectoryId::parse(DIRECTORY).unwrap(), Cloud::Commercial);
    for name in ["wrong-secret", "wrong-certificate"] {
        let refused = client.claims(&target, name, Product::DefenderXdr, now).await;
        assert_eq!(refused, Err(CallError::OurCredential { aadsts: None }), "{name}");
    }
    for name in ["secret", "certificate"] {
        // Its tokens are opaque: that they are issued is what counts.
        let claims = client.claims(&target, name, Product::DefenderXdr, now).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(claims.all, Value::Null);
    }
}

/// What MSAL for Python says of the stand-in's answer.
async fn msal(scene: &Scene, credential: &Value) -> Value {
    let papers = Papers::of(&[LOGIN]);
    let (proxy, _) = tunnel::proxy_to(papers.serve(watchfloor::demo::router(scene.cloud.shared())).await).await;
    let settings = json!({
        "client_id": CLIENT_ID, "authority": format!("https://{LOGIN}/{DIRECTORY}"), "credential": credential, "scope": SCOPE,
        "proxy": proxy, "ca_file": papers.ca_file,
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/msal_client.py");
    let mut child = program(&installed("venv/bin/python"), &script).spawn().unwrap();
    child.stdin.take().unwrap().write_all(settings.to_string().as_bytes()).unwrap();
    // Not on the thread that serves what it asks.
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "MSAL failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn microsofts_own_library_gets_tokens_from_the_stand_in() {
    let (registered, pem, key) = certificate(1);
    let scene = Scene::with(
        vec![registered, Credential::Secret(SECRET.to_owned(), None)],
        vec![config::Credential::certificate_files(file(&pem), file(&key))],
    )
    .await;
    let der = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents;
    let sha1 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    let sha1: String = sha1.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let refused = msal(&scene, &json!("not-the-secret")).await;
    assert_eq!((&refused["token"], &refused["error"]), (&json!(false), &json!("invalid_client")), "{refused}");
    assert_eq!(refused["error_codes"], json!([7_000_215]));
    for (what, credential) in [
        ("secret", json!(SECRET)),
        ("certificate", json!({"private_key": key, "public_certificate": pem})),
        ("certificate named by its SHA-1", json!({"private_key": key, "thumbprint": sha1})),
    ] {
        let given = msal(&scene, &credential).await;
        assert_eq!((&given["token"], &given["again"]), (&json!(true), &json!("cache")), "{what}: {given}");
        assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(3599)), "{what}");
    }
    let asked: Vec<String> = scene.cloud.world().ledger.requests().map(|request| format!("{} {}", request.status, request.path)).collect();
    assert!(asked.contains(&format!("200 /{DIRECTORY}/v2.0/.well-known/openid-configuration")), "{asked:?}");
}
