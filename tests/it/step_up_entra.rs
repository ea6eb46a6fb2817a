//! A fresh proof of somebody who signs in with Microsoft: asked there once more, whatever Microsoft remembers.

use crate::app::TestApp;
use crate::routes::{GET, POST, Proof, ROUTES};
use crate::second::{events, guarded, is_in, proofs_age};
use crate::staff::{self, ANN, Browser, ann, ask};
use axum::http::StatusCode;
use url::Url;
use watchfloor::config::Login;
use watchfloor::demo::{Api, Fault, IdTokenLie, Times};
use watchfloor::model::UserId;
use watchfloor::web::login::internal;
use watchfloor::web::step_up::GRAVE;

const MAIL: &str = "ann@watchers.example";

/// A portal in which everybody has a second factor, and Ann, its administrator by her directory.
async fn portal() -> (TestApp, Browser, UserId) {
    let app = TestApp::start_as(|stand_in| Login { entra: Some(staff::register(stand_in)), ..Login::default() }).await;
    ann(&app, |ann| ann.roles = vec!["Watchfloor.Admin".to_owned()]);
    let mut browser = Browser::new(&app);
    browser.sign_in(MAIL).await.assert_redirect("/");
    let user = ask(&app, "select user_id from users").await;
    (app, browser, user)
}

fn asks(html: &str) -> bool {
    html.contains("<h1>Confirm that it is you</h1>")
}

/// Where the page of a grave form leads to.
async fn link(browser: &Browser, path: &str) -> String {
    let page = browser.visitor().post_form(path, &[("name", "x")]).await;
    assert!(asks(&page.html) && page.status == StatusCode::FORBIDDEN, "{}", page.html);
    assert!(page.attribute("main input[name=proof_code]", "value").is_none() && !page.html.contains("proof_code"), "no code is asked for");
    page.attribute("main a.button.primary", "href").unwrap()
}

#[tokio::test]
async fn microsoft_asks_anew_and_the_way_leads_back_to_the_page_of_the_form() {
    let (app, mut browser, user) = portal().await;
    let old = browser.visitor();
    assert!(asks(&old.post_form("/admin/users", &[]).await.html), "a sign-in that Microsoft may have remembered proves nothing fresh");
    let link = link(&browser, "/admin/users/01890000-0000-7000-8000-000000000000/disabled").await;
    assert_eq!(link, "/login/entra?confirm=yes&next=%2Fadmin%2Fusers%2F01890000-0000-7000-8000-000000000000");
    let url = browser.go(&link).await;
    let said = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!((said("prompt").as_deref(), said("max_age").as_deref()), (Some("login"), Some("0")));
    let answer = browser.pick(url, MAIL).await.unwrap();
    browser.back(&answer).await.assert_redirect("/admin/users/01890000-0000-7000-8000-000000000000");
    assert!(is_in(&browser.visitor()).await && !is_in(&old).await, "the id is new, the old one nobody's");
    let fields = [("login", "bob@example.com"), ("name", "Bob"), ("role", "viewer")];
    browser.visitor().post_form("/admin/users", &fields).await.assert_success();
    assert_eq!(events(&app, "^login.proof").await, ["login.proof ok {\"second\": \"entra\"}"]);
    assert_eq!(ask::<i64>(&app, "select count(*) from sessions").await, 1);
    proofs_age(&app, user).await;
    assert!(asks(&browser.visitor().post_form("/admin/users", &fields).await.html));
    // The answer counts once.
    assert_eq!(browser.back(&answer).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn somebody_else_an_old_proof_and_another_browser_prove_nothing() {
    let (app, mut browser, _) = portal().await;
    let begin = "/login/entra?confirm=yes&next=/admin/users";
    let refused = async |browser: &mut Browser, url: Url, who: &str| {
        let answer = browser.pick(url, who).await.unwrap();
        let reply = browser.back(&answer).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", reply.html);
        assert!(asks(&browser.visitor().post_form("/admin/users", &[]).await.html), "still to be proven");
    };
    // Somebody else of the directory, who may sign in.
    let other = staff::person(uuid::Uuid::from_u128(7), "bob@watchers.example", &["Watchfloor.Admin"]);
    app.stand_in.world().directory_mut(staff::OWN).unwrap().accounts.push(other);
    Browser::new(&app).sign_in("bob@watchers.example").await.assert_redirect("/");
    let url = browser.go(begin).await;
    refused(&mut browser, url, "bob@watchers.example").await;
    // Microsoft says that it was an hour ago: somebody took the wish to be asked out of the address.
    app.stand_in.world().fault(staff::OWN, Api::Token, Fault::IdToken(IdTokenLie::OldProof), Times::Calls(1));
    let url = browser.go(begin).await;
    refused(&mut browser, url, MAIL).await;
    assert_eq!(events(&app, "entra_refused").await.len(), 2);
    // Another browser has not the cookie of the way.
    let url = browser.go(begin).await;
    let answer = browser.pick(url, MAIL).await.unwrap();
    let mut elsewhere = Browser::new(&app);
    assert_eq!(elsewhere.back(&answer).await.status, StatusCode::UNAUTHORIZED);
    // A session that has ended meanwhile is not brought back.
    let url = browser.go(begin).await;
    let answer = browser.pick(url, MAIL).await.unwrap();
    staff::alter(&app, "delete from sessions").await;
    assert_eq!(browser.back(&answer).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask::<i64>(&app, "select count(*) from sessions").await, 0);
}

#[tokio::test]
async fn whoever_signs_in_with_microsoft_has_no_factor_here_and_is_asked_before_each_grave_form() {
    let (app, browser, user) = portal().await;
    for (route, ..) in ROUTES.iter().filter(|row| row.1 == POST && row.3 == Proof::Fresh) {
        let page = browser.visitor().post_form(&crate::access::example(route), &[]).await;
        assert!(asks(&page.html) && !page.html.contains("proof_code"), "{route}");
        let link = page.attribute("main a.button.primary", "href").unwrap();
        let (_, back) = url::form_urlencoded::parse(link.as_bytes()).find(|(name, _)| name == "next").unwrap();
        assert_eq!(internal(&back), back, "{route}: its page is one that can be led back to");
        let dropped = GRAVE.iter().find(|(grave, _)| grave == route).unwrap().1;
        let form = route.split('/').rev().skip(dropped).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("/");
        assert!(ROUTES.iter().any(|row| row.0 == form && row.1 == GET), "{route}: there is a page {form}");
    }
    let mut tx = app.db.web.no_tenant().await.unwrap();
    sqlx::query("update sessions set proven_at = now() where user_id = $1").bind(user).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(browser.visitor().post_form("/account/factors/new", &[]).await.status, StatusCode::CONFLICT);
    assert!(!browser.visitor().get("/account").await.html.contains("Add an authenticator app"));
    assert_eq!(ask::<uuid::Uuid>(&app, "select entra_object from users").await, ANN);
    let local = guarded().await;
    let stranger = local.stranger().get("/login/entra?confirm=yes").await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND, "there is no Microsoft here");
}
