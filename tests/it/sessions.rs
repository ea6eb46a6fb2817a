//! Where a session ends although nobody signs out, and what guards its cookie where the portal is called by https.

use crate::app::{PASSWORD, Reply, TestApp, Visitor};
use crate::routes::{GET, ROUTES};
use crate::second::{browser, cookie, events, guarded, is_in, owner, proofs_age, signed_in};
use crate::staff;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use std::net::SocketAddr;
use std::sync::Arc;
use watchfloor::config::Config;
use watchfloor::model::Role;

const FORM: &str = "application/x-www-form-urlencoded";

/// A form as a browser with these cookies sends it.
fn form(path: &str, cookies: &str, body: String) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri(path).header(header::HOST, "127.0.0.1:8080").header(header::COOKIE, cookies);
    request.header("sec-fetch-site", "same-origin").header(header::CONTENT_TYPE, FORM).body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn whoever_signs_in_again_ends_the_session_that_this_browser_had() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.user(Role::Analyst, None).await.0, app.user(Role::Viewer, None).await.0);
    let (first, elsewhere) = (app.enter(&ann).await, app.enter(&ann).await);
    let sign_in = |login: &str| format!("login={}&password={}", login.replace('@', "%40"), PASSWORD.replace(' ', "+"));
    // As herself again, and then somebody else at the same browser.
    let reply = first.send(form("/login", &format!("sid={}", first.session.clone().unwrap()), sign_in(&ann))).await;
    let again = signed_in(&app, &reply);
    assert!(!is_in(&first).await && is_in(&again).await && is_in(&elsewhere).await, "another browser's session stays");
    let reply = again.send(form("/login", &format!("sid={}", again.session.clone().unwrap()), sign_in(&bob))).await;
    assert!(!is_in(&again).await && is_in(&signed_in(&app, &reply)).await && is_in(&elsewhere).await);
    assert_eq!(events(&app, "^session.replace$").await.len(), 2);
    // A cookie that names no session is nothing.
    let reply = app.stranger().send(form("/login", "sid=nothing", sign_in(&ann))).await;
    assert!(is_in(&signed_in(&app, &reply)).await);
    assert_eq!(events(&app, "^session.replace$").await.len(), 2);
}

#[tokio::test]
async fn whoever_signs_in_with_microsoft_again_does_so_too() {
    let app = staff::portal().await;
    let mut ann = staff::Browser::new(&app);
    ann.sign_in("ann@watchers.example").await.assert_redirect("/");
    let before = ann.visitor();
    ann.sign_in("ann@watchers.example").await.assert_redirect("/");
    assert!(!is_in(&before).await && is_in(&ann.visitor()).await);
}

#[tokio::test]
async fn a_new_password_and_the_end_of_other_sessions_need_a_fresh_proof() {
    let app = guarded().await;
    let ann = owner(&app, Role::Analyst).await;
    let (here, elsewhere) = (ann.visitor.clone(), ann.enter(&app).await);
    proofs_age(&app, ann.id).await;
    let new = [("current", PASSWORD), ("password", "nine quiet herons fly"), ("again", "nine quiet herons fly")];
    here.post_form("/account/password", &new).await.assert_redirect("/account/confirm?next=%2Faccount");
    let page = here.post_form("/account/sessions/end", &[]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.html.contains("Confirm that it is you") && is_in(&elsewhere).await);
    let fresh = ann.enter(&app).await;
    fresh.post_form("/account/sessions/end", &[]).await.assert_redirect("/account");
    assert!(is_in(&fresh).await && !is_in(&here).await && !is_in(&elsewhere).await);
    let reply = fresh.post_form("/account/password", &new).await;
    assert_eq!(reply.headers["clear-site-data"], "\"cache\", \"cookies\", \"storage\"");
    reply.assert_redirect("/login");
}

/// The same portal, called by https.
fn by_https(app: &TestApp) -> Router {
    let mut state = app.state.clone();
    state.config = Arc::new(Config {
        public_url: "https://portal.example.com".parse().unwrap(),
        trusted_proxies: vec!["10.0.0.0/8".to_owned().try_into().unwrap()],
        ..(*state.config).clone()
    });
    watchfloor::web::router(state)
}

fn set(reply: &Reply) -> Vec<&str> {
    reply.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect()
}

#[tokio::test]
async fn by_https_cookies_are_locked_to_this_host_and_the_browser_keeps_to_https() {
    let app = guarded().await;
    let stranger = app.stranger().at(&by_https(&app));
    let (login, _) = app.user(Role::Analyst, None).await;
    let body = format!("login={}&password={}", login.replace('@', "%40"), PASSWORD.replace(' ', "+"));
    let half = stranger.send(form("/login", "", body)).await;
    assert!(matches!(set(&half)[..], [one] if one.starts_with("__Host-half=") && is_locked(one)), "{:?}", set(&half));
    assert_eq!(half.headers[header::STRICT_TRANSPORT_SECURITY], "max-age=63072000; includeSubDomains");
    let missing = stranger.get("/nowhere").await;
    assert_eq!(missing.headers[header::STRICT_TRANSPORT_SECURITY], "max-age=63072000; includeSubDomains", "errors too");
    for (name, value) in [("cross-origin-opener-policy", "same-origin"), ("cross-origin-resource-policy", "same-origin")] {
        assert_eq!(missing.headers[name], value);
    }
    // A session's cookie counts under its locked name only.
    let ann = owner(&app, Role::Analyst).await;
    let session = ann.visitor.session.clone().unwrap();
    let at =
        |name: &str| Request::builder().uri("/account").header(header::COOKIE, format!("{name}={session}")).body(Body::empty()).unwrap();
    assert_eq!(stranger.send(at("sid")).await.status, StatusCode::SEE_OTHER);
    let page = stranger.send(at("__Host-sid")).await.assert_success();
    let token = page.attribute("form[action='/logout'] input[name=form_token]", "value").unwrap();
    let out = stranger.send(form("/logout", &format!("__Host-sid={session}"), format!("form_token={token}"))).await;
    assert!(set(&out).iter().all(|cookie| cookie.starts_with("__Host-sid=;") && cookie.contains("Max-Age=0")), "{:?}", set(&out));
    assert_eq!(out.headers["clear-site-data"], "\"cache\", \"cookies\", \"storage\"");
    assert!(!is_in(&browser(&app, session)).await);
}

fn is_locked(cookie: &str) -> bool {
    ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"].iter().all(|part| cookie.contains(part)) && !cookie.contains("Domain")
}

#[tokio::test]
async fn by_https_a_whole_sign_in_sets_the_locked_cookie() {
    let app = TestApp::start().await;
    let (login, _) = app.user(Role::Analyst, None).await;
    let body = format!("login={}&password={}", login.replace('@', "%40"), PASSWORD.replace(' ', "+"));
    let reply = app.stranger().at(&by_https(&app)).send(form("/login", "", body)).await;
    assert!(matches!(set(&reply)[..], [one] if one.starts_with("__Host-sid=") && is_locked(one)), "{:?}", set(&reply));
    assert!(cookie(&reply, "__Host-sid").is_some());
}

#[tokio::test]
async fn a_request_has_our_own_number_or_that_of_a_trusted_proxy() {
    let app = TestApp::start().await;
    let stranger = app.stranger().at(&by_https(&app));
    let ask = async |visitor: &Visitor, peer: Option<&str>| {
        let mut request = Request::builder().uri("/login").header("x-request-id", "chosen").body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        }
        visitor.send(request).await.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    for peer in [None, Some("192.0.2.1"), Some("::ffff:192.0.2.1")] {
        assert!(uuid::Uuid::try_parse(&ask(&stranger, peer).await).is_ok(), "{peer:?}");
    }
    assert_eq!(ask(&stranger, Some("10.1.2.3")).await, "chosen");
}

#[tokio::test]
async fn every_text_names_its_character_set() {
    let app = TestApp::start().await;
    let admin = app.sign_in(Role::Admin).await;
    let mut paths: Vec<String> =
        ROUTES.iter().filter(|(route, method, ..)| *method == GET && !route.contains('{')).map(|row| row.0.to_owned()).collect();
    paths.retain(|path| path != "/live");
    paths.extend(
        ["/api/docs/", "/api/docs/swagger-ui.css", "/api/docs/swagger-initializer.js", "/api/docs/swagger-ui-bundle.js"].map(str::to_owned),
    );
    let login = app.stranger().get("/login").await;
    paths.extend(
        [("link[rel=stylesheet]", "href"), ("link[rel=icon]", "href"), ("script", "src")]
            .map(|(what, name)| login.attribute(what, name).unwrap()),
    );
    for path in paths {
        let reply = admin.get(&path).await;
        let Some(kind) = reply.headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap()) else { continue };
        let is_text = kind.starts_with("text/") || kind.contains("javascript") || kind.contains("+xml");
        assert!(!is_text || kind.ends_with("charset=utf-8"), "{path}: {kind}");
    }
}
