//! Staff sign in, in a real browser, at a certified OpenID provider that stands where Entra does; and whoever comes back from it with a
//! falsified token does not. The provider is a program of others (`tests/peers`), so neither side can agree with us by mistake.

use crate::app::TestApp;
use crate::apps::{APP_SECRET, secret_file};
use crate::browser::Browser;
use crate::peers::{LOGIN, installed, program};
use crate::staff::{ANN, CLIENT, OWN, ask};
use crate::tunnel::{self, Papers};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use uuid::Uuid;
use watchfloor::auth::entra::Refusal;
use watchfloor::config::{Config, Credential, EntraLogin, Login, Outbound, SecondFactor};
use watchfloor::microsoft::Client;
use watchfloor::model::{Cloud, Role, clock};

const MAIL: &str = "ann@watchers.example";
const BACK: &str = "/login/entra/callback";
const SESSIONS: &str = "select count(*) from sessions";
const REASON: &str = "select concat_ws(': ', after->>'reason', after->>'detail') from audit_log order by audit_id desc limit 1";

/// The provider, which ends with its value.
struct Peer {
    _child: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Peer {
    /// The provider, and where it listens.
    fn start(settings: &Value) -> (Self, SocketAddr) {
        let script = installed("node_modules").parent().unwrap().join("oidc_sign_in.mjs");
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/oidc_sign_in.mjs"), &script).unwrap();
        let mut child = program(Path::new("node"), &script).spawn().unwrap();
        let (say, hear) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut peer = Self { _child: child, say, hear };
        let address = format!("127.0.0.1:{}", peer.told(settings)).parse().unwrap();
        (peer, address)
    }

    /// How its tokens lie from now on.
    fn lie(&mut self, lie: &Value) {
        assert_eq!(self.told(lie), "ok");
    }

    fn told(&mut self, line: &Value) -> String {
        writeln!(self.say, "{line}").unwrap();
        let mut answer = String::new();
        self.hear.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

struct Scene {
    app: TestApp,
    address: String,
    peer: Peer,
    browser: Browser,
    /// Path and query of what browsers brought back.
    answers: Arc<Mutex<Vec<String>>>,
}

fn login() -> EntraLogin {
    EntraLogin {
        directory_id: OWN,
        client_id: CLIENT,
        cloud: Cloud::Commercial,
        credential: Credential::secret_file(secret_file(Uuid::new_v4())),
        roles: [("Watchfloor.Analyst".to_owned(), Role::Analyst)].into(),
        groups: BTreeMap::new(),
    }
}

/// The people of the directory, each by the name that its button bears.
fn people() -> Value {
    let person =
        |oid: Uuid, roles: &[&str]| json!({ "tid": OWN, "oid": oid, "name": "Ann Example", "preferred_username": MAIL, "roles": roles });
    json!({
        "ann": person(ANN, &["Watchfloor.Analyst"]),
        "of-the-same-mail": person(Uuid::from_u128(13), &[]),
        "of-the-same-mail-with-a-role": person(Uuid::from_u128(14), &["Watchfloor.Analyst"]),
    })
}

impl Scene {
    async fn start() -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let papers = Papers::of(&[LOGIN]);
        let (certificate, key) = papers.files();
        let (peer, server) = Peer::start(&json!({
            "issuer": format!("https://{LOGIN}/{OWN}/v2.0"), "directory": OWN, "client": CLIENT, "secret": APP_SECRET,
            "redirect": format!("{address}{BACK}"), "tlsCertificate": certificate, "tlsKey": key, "people": people(),
        }));
        let rules = format!("--host-resolver-rules=MAP {LOGIN} {server}");
        let browser = Browser::start_with(&[&rules, "--ignore-certificate-errors"]).await?;
        let outbound = Outbound { proxy: Some(tunnel::proxy_to(server).await.0), ca_file: Some(papers.ca_file) };
        let login = Login { second_factor: SecondFactor::Optional, entra: Some(login()), customers: None };
        let microsoft = Client::new(&outbound, &[], clock::now()).unwrap().with_logins(&login, clock::now()).unwrap();
        let app = TestApp::start().await;
        let mut state = app.state.clone();
        let config = Config { public_url: address.parse().unwrap(), login, ..(*state.config).clone() };
        (state.config, state.microsoft) = (Arc::new(config), microsoft);
        let answers = Arc::new(Mutex::new(Vec::new()));
        let kept = answers.clone();
        let keep = from_fn(move |request: Request, next: Next| {
            let here = request.uri().to_string();
            if here.starts_with(BACK) {
                kept.lock().unwrap().push(here);
            }
            next.run(request)
        });
        let service = watchfloor::web::router(state).layer(keep).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Some(Self { app, address, peer, browser, answers })
    }

    /// From our sign-in page to the provider, and back as this person. Nobody is signed in before.
    async fn sign_in(&self, person: &str) {
        self.app.forget_attempts().await;
        self.browser.driver.delete_all_cookies().await.unwrap();
        self.browser.open(&format!("{}/login", self.address)).await;
        self.browser.click("Sign in with Microsoft").await;
        self.browser.sees(person).await;
        self.browser.click(person).await;
    }

    /// Nobody was let in by what just came back, and the audit log says why.
    async fn is_refused(&self, case: &str, sessions: i64, (why, detail): (Refusal, &str)) {
        self.browser.sees(why.sentence()).await;
        assert_eq!(ask::<i64>(&self.app, SESSIONS).await, sessions, "{case}");
        let told: String = ask(&self.app, REASON).await;
        assert!(told.starts_with(why.word()) && told.ends_with(detail), "{case}: {told}");
    }
}

/// How a token lies, and what the audit log says of it.
fn lies() -> Vec<(&'static str, Value, &'static str)> {
    let elsewhere = Uuid::from_u128(77);
    let issuer = format!("https://{LOGIN}/{elsewhere}/v2.0");
    vec![
        ("another directory", json!({"claims": {"tid": elsewhere, "iss": issuer}}), ""),
        ("another directory in the issuer alone", json!({"claims": {"iss": issuer}}), "its issuer is another"),
        ("another app's token", json!({"claims": {"aud": elsewhere}}), ""),
        ("another sign-in's nonce", json!({"claims": {"nonce": "of another"}}), "it answers another sign-in"),
        ("unsigned", json!({"header": {"alg": "none"}, "signed": "not at all"}), ""),
        (
            "the public key as a secret",
            json!({"header": {"alg": "HS256"}, "signed": "with the public key as a secret"}),
            "its algorithm is not allowed",
        ),
        ("a foreign key by our name", json!({"signed": "by somebody else"}), ""),
        ("a foreign key", json!({"header": {"kid": "foreign"}, "signed": "by somebody else"}), "its key is not Microsoft's"),
        ("no key's name", json!({"header": {"kid": null}}), ""),
        ("expired, by a clock ten minutes off", json!({"shift": [["nbf", -4200], ["exp", -600]]}), "it has expired"),
        ("not valid yet, by a clock ten minutes off", json!({"shift": [["nbf", 600], ["exp", 4200]]}), "it is not valid yet"),
    ]
}

#[tokio::test]
async fn staff_sign_in_at_a_certified_provider_and_no_falsified_answer_of_it_lets_anybody_in() {
    let Some(mut scene) = Scene::start().await else { return };
    for (case, lie, detail) in lies() {
        scene.peer.lie(&lie);
        scene.sign_in("ann").await;
        scene.is_refused(case, 0, (Refusal::Unproven, detail)).await;
    }
    assert_eq!(ask::<i64>(&scene.app, "select count(*) from users").await, 0, "and nobody has got an account");
    scene.peer.lie(&json!({}));
    scene.sign_in("ann").await;
    scene.browser.sees("No tenant is open to you yet").await;
    let accounts = "select string_agg(concat_ws(' ', login, role, entra_object), ', ' order by created_at) from users";
    assert_eq!(ask::<String>(&scene.app, accounts).await, format!("{MAIL} analyst {ANN}"));
    // The same answer once more, in the browser that brought it, where nobody is signed in any more.
    let answer = scene.answers.lock().unwrap().last().unwrap().clone();
    let sid = scene.browser.driver.get_named_cookie("sid").await.unwrap();
    scene.browser.driver.delete_cookie(sid.name).await.unwrap();
    scene.browser.open(&format!("{}{answer}", scene.address)).await;
    scene.is_refused("replayed", 1, (Refusal::Replayed, "")).await;
    // Ann's mail makes nobody Ann: without a role nobody, and with one somebody else.
    scene.sign_in("of-the-same-mail").await;
    scene.is_refused("without a role", 1, (Refusal::NoRole, "")).await;
    scene.sign_in("of-the-same-mail-with-a-role").await;
    scene.browser.sees("No tenant is open to you yet").await;
    let owners = "select string_agg(u.entra_object::text, ' ' order by u.entra_object) from sessions as s join users as u using (user_id)";
    assert_eq!(ask::<String>(&scene.app, owners).await, format!("{} {ANN}", Uuid::from_u128(14)));
}
