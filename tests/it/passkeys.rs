//! Passkeys in a real browser with a device of Chromium's own: made, signed in with, confirmed with; and what is no answer of theirs.

use crate::app::{PASSWORD, TestApp};
use crate::browser::Browser;
use crate::second::{Owner, change, events, guarded, limits_pass, owner, proofs_age};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thirtyfour::prelude::*;
use tokio::net::TcpListener;
use watchfloor::auth::second::{self, Ground, Shown};
use watchfloor::config::Config;
use watchfloor::model::{Role, clock};

/// Keeps what a browser would send, where a test wants to have it first.
const HOLD: &str =
    "if (sessionStorage.hold) HTMLFormElement.prototype.submit = function () { window.answer = this.elements.passkey.value; };";

/// A portal whose browsers know passkeys, at this address and at another one, which is no other host.
struct Scene {
    app: TestApp,
    browser: Browser,
    address: String,
    elsewhere: String,
    /// Chromium's name for the device.
    device: String,
    owner: Owner,
}

/// Serves the portal once more at a port of its own, as if it were called by this name.
async fn serve(app: &TestApp, public: Option<&str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let mut state = app.state.clone();
    state.config = Arc::new(Config { public_url: public.unwrap_or(&address).parse().unwrap(), ..(*state.config).clone() });
    let service = watchfloor::web::router(state).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

impl Scene {
    async fn start() -> Option<Self> {
        let browser = Browser::start().await?;
        let app = guarded().await;
        let address = serve(&app, None).await;
        let elsewhere = serve(&app, Some(&address)).await;
        let tools = browser.driver.cdp();
        tools.send_raw("WebAuthn.enable", json!({})).await.unwrap();
        let device = json!({ "options": { "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
                                          "isUserVerified": true, "automaticPresenceSimulation": true } });
        let device =
            tools.send_raw("WebAuthn.addVirtualAuthenticator", device).await.unwrap()["authenticatorId"].as_str().unwrap().to_owned();
        tools.send_raw("Page.addScriptToEvaluateOnNewDocument", json!({ "source": HOLD })).await.unwrap();
        let owner = owner(&app, Role::Admin).await;
        Some(Self { app, browser, address, elsewhere, device, owner })
    }

    /// The owner makes a passkey.
    async fn make(&self) {
        self.browser.open(&format!("{}/login", self.address)).await;
        self.browser.driver.add_cookie(Cookie::new("sid", self.owner.visitor.session.clone().unwrap())).await.unwrap();
        self.browser.open(&format!("{}/account", self.address)).await;
        self.browser.click("Add a passkey").await;
        self.browser.sees("A passkey is kept by this device").await;
        self.browser.screenshots("passkey-new").await;
        self.browser.click("Make the passkey").await;
        self.browser.sees("My passkey passkey").await;
    }

    /// Types the password, up to the second half.
    async fn begin(&self) {
        limits_pass(&self.app).await;
        self.browser.driver.delete_all_cookies().await.unwrap();
        self.browser.open(&format!("{}/login?next=/account", self.address)).await;
        self.browser.fill("Name or e-mail address", &self.owner.login).await;
        self.browser.fill("Password", PASSWORD).await;
        self.browser.click("Sign in").await;
        self.browser.sees("One more step").await;
    }

    async fn runs(&self, script: &str) -> String {
        self.browser.driver.execute(format!("return String({script})"), Vec::new()).await.unwrap().convert().unwrap()
    }

    /// Lets the browser answer, and keeps the answer; with the sign-in that it is for.
    async fn answer(&self) -> (SecretString, String) {
        self.begin().await;
        self.runs("sessionStorage.hold = 'yes'").await;
        self.browser.click("Use a passkey").await;
        let there = async {
            while self.runs("window.answer").await == "undefined" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), there).await.expect("the browser answers");
        let answer = self.runs("window.answer").await;
        self.runs("sessionStorage.removeItem('hold')").await;
        let flow = self.browser.driver.get_named_cookie("half").await.unwrap().value;
        (flow.into(), answer)
    }

    /// Whether the portal at this address lets somebody in with an answer.
    async fn accepts(&self, flow: &SecretString, answer: &str, address: &str) -> bool {
        limits_pass(&self.app).await;
        let (shown, public_url) = (Shown::Passkey(answer.to_owned().into()), address.parse().unwrap());
        let ground = Ground { public_url: &public_url, ip: None, now: clock::now() };
        second::finish(&self.app.db.web, flow, &shown, ground).await.is_ok()
    }

    async fn tool(&self, name: &str, more: Value) -> Value {
        let mut given = json!({ "authenticatorId": self.device });
        given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.browser.driver.cdp().send_raw(name, given).await.unwrap()
    }
}

#[tokio::test]
async fn a_passkey_is_made_signed_in_with_and_confirmed_with_in_a_browser() {
    let Some(scene) = Scene::start().await else { return };
    scene.make().await;
    scene.begin().await;
    scene.browser.screenshots("passkey-enter").await;
    scene.browser.click("Use a passkey").await;
    scene.browser.sees("recovery codes are left").await;
    proofs_age(&scene.app, scene.owner.id).await;
    scene.browser.click("Make new recovery codes").await;
    scene.browser.sees("Confirm that it is you").await;
    scene.browser.screenshots("passkey-confirm").await;
    scene.browser.click("Use a passkey").await;
    scene.browser.sees("Keep these recovery codes").await;
    let told = events(&scene.app, "^login|factor.add").await;
    let second = |name: &str| format!("{name} ok {{\"second\": \"passkey\"}}");
    assert_eq!(told[told.len() - 2..], [second("login"), second("login.proof")]);
    assert!(told.contains(&"user.factor.add ok {\"kind\": \"passkey\", \"name\": \"My passkey\"}".to_owned()), "{told:?}");
}

#[tokio::test]
async fn an_answer_counts_once_for_its_own_challenge_at_its_own_address() {
    let Some(scene) = Scene::start().await else { return };
    scene.make().await;
    let (flow, answer) = scene.answer().await;
    let mut forged: Value = serde_json::from_str(&answer).unwrap();
    let signature = forged["response"]["signature"].as_str().unwrap().to_owned();
    forged["response"]["signature"] = json!(format!("{}AA{}", &signature[..20], &signature[22..]));
    assert!(!scene.accepts(&flow, &forged.to_string(), &scene.address).await, "a forged signature");
    assert!(!scene.accepts(&flow, &answer, &scene.address).await, "the challenge was used up by the wrong answer");
    for bad in ["", "{}", "[]", "begin"] {
        assert!(!scene.accepts(&flow, bad, &scene.address).await, "{bad}");
    }
    let (flow, answer) = scene.answer().await;
    assert!(!scene.accepts(&flow, &answer, &scene.elsewhere).await, "an answer of another origin");
    let (flow, answer) = scene.answer().await;
    let (other, _) = scene.answer().await;
    assert!(!scene.accepts(&other, &answer, &scene.address).await, "the challenge of another sign-in");
    assert!(scene.accepts(&flow, &answer, &scene.address).await);
    assert!(!scene.accepts(&flow, &answer, &scene.address).await, "twice");
    assert_eq!(events(&scene.app, "^login.second").await.len(), 8);
}

#[tokio::test]
async fn a_page_at_another_address_gets_an_answer_that_is_worth_nothing() {
    let Some(scene) = Scene::start().await else { return };
    scene.make().await;
    scene.begin().await;
    // The same host, so that the browser gives cookie and key; the origin is another, and stands in what the key signs.
    scene.browser.open(&format!("{}/login/second", scene.elsewhere)).await;
    scene.browser.click("Use a passkey").await;
    scene.browser.sees("That code or passkey is not right").await;
    assert_eq!(events(&scene.app, "^login.second").await, ["login.second refused"]);
}

#[tokio::test]
async fn a_counter_that_goes_back_and_a_key_that_was_removed_are_refused() {
    let Some(scene) = Scene::start().await else { return };
    scene.make().await;
    // Of two answers the later one comes first.
    let ((early, first), (late, second)) = (scene.answer().await, scene.answer().await);
    assert!(scene.accepts(&late, &second, &scene.address).await && !scene.accepts(&early, &first, &scene.address).await);
    // A copy of the key, as old as it was made.
    let all = scene.tool("WebAuthn.getCredentials", json!({})).await;
    let mut copy = all["credentials"][0].clone();
    scene.tool("WebAuthn.removeCredential", json!({ "credentialId": copy["credentialId"] })).await;
    copy["signCount"] = json!(0);
    scene.tool("WebAuthn.addCredential", json!({ "credential": copy })).await;
    let (flow, answer) = scene.answer().await;
    assert!(!scene.accepts(&flow, &answer, &scene.address).await);
    assert_eq!(events(&scene.app, "^login.second").await, vec!["login.second refused {\"reason\": \"counter\"}"; 2]);

    copy["signCount"] = json!(100);
    scene.tool("WebAuthn.removeCredential", json!({ "credentialId": copy["credentialId"] })).await;
    scene.tool("WebAuthn.addCredential", json!({ "credential": copy })).await;
    let (flow, answer) = scene.answer().await;
    change(&scene.app, scene.owner.id, "delete from factors where user_id = $1 and kind = 'passkey'").await;
    assert!(!scene.accepts(&flow, &answer, &scene.address).await, "its key was removed meanwhile");
    scene.begin().await;
    assert_eq!(scene.runs("document.body.innerText.includes('passkey')").await, "false", "none is asked for any more");
}
