//! Customers' people sign in: the first time by an invite, and from then on without one.

use crate::app::TestApp;
use crate::guests::{CLIENT, bound, enter, go, invite, portal};
use crate::staff::{Browser, alter, ask};
use axum::http::{StatusCode, header};

const PEOPLE: &str =
    "select string_agg(concat_ws(' ', username, display_name, is_admin, invited_by), ', ' order by username) from customers";
const SESSIONS: &str = "select count(*) from customer_sessions";
const EVENTS: &str =
    "select string_agg(action || ' ' || split_part(actor, ' (', 1) || ' ' || result, ', ' order by audit_id) from audit_log
                      where action like 'customer.%'";

#[tokio::test]
async fn an_invite_makes_the_account_and_afterwards_the_person_signs_in_without_one() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let secret = invite(&app, contoso.tenant, true).await;
    let page = app.stranger().get(&format!("/customer/invite/{secret}")).await.assert_success();
    assert_eq!(page.texts("h1"), ["You are invited to Contoso"]);
    let mut browser = Browser::customer(&app);
    let url = browser.go(&page.attribute("a.button.primary", "href").unwrap()).await;
    for (name, value) in [
        ("client_id", CLIENT.to_string().as_str()),
        ("response_type", "code"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", "http://127.0.0.1:8080/login/customer/callback"),
        ("scope", "openid profile"),
        ("prompt", "select_account"),
    ] {
        assert_eq!(url.query_pairs().find(|(key, _)| key == name).unwrap().1, value, "{url}");
    }
    assert!(url.path().ends_with(&format!("/{}/oauth2/v2.0/authorize", contoso.directory)), "the invite's directory alone: {url}");
    let answer = browser.pick_of(url, contoso.directory, &contoso.admin()).await.unwrap();
    let reply = browser.back(&answer).await.assert_redirect("/customer");
    let cookies: Vec<&str> = reply.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert!(cookies.iter().any(|cookie| cookie.starts_with("ctrip=;") && cookie.contains("Max-Age=0")), "{cookies:?}");
    assert!(cookies.iter().any(|cookie| cookie.starts_with("cid=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax")));
    let page = browser.get("/customer").await.assert_success();
    assert!(page.html.contains("<title>Contoso ·") && page.html.contains("<h1>Contoso</h1>"), "{}", page.html);
    assert!(ask::<String>(&app, PEOPLE).await.ends_with("t Lena Lead"));
    assert_eq!(ask::<i64>(&app, "select count(*) from users").await, 0, "nobody of staff");

    let mut again = Browser::customer(&app);
    let url = go(&mut again, None).await;
    assert!(url.path().ends_with("/organizations/oauth2/v2.0/authorize"), "{url}");
    let answer = again.pick_of(url, contoso.directory, &contoso.admin()).await.unwrap();
    again.back(&answer).await.assert_redirect("/customer");
    again.get("/customer/people").await.assert_success();
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 2);
    let name = contoso.admin();
    assert_eq!(
        ask::<String>(&app, EVENTS).await,
        format!("customer.invite command line ok, customer.create {name} ok, customer.login {name} ok, customer.login {name} ok")
    );
}

#[tokio::test]
async fn a_person_is_found_again_although_name_and_mail_have_changed() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    enter(&app, &contoso, &contoso.admin(), false).await;
    {
        let mut world = app.stand_in.world();
        let account = &mut world.directory_mut(contoso.directory).unwrap().accounts[0];
        "New Name".clone_into(&mut account.name);
        "new@contoso.example".clone_into(&mut account.upn);
    }
    let mut again = Browser::customer(&app);
    let url = go(&mut again, None).await;
    let answer = again.pick_of(url, contoso.directory, "new@contoso.example").await.unwrap();
    again.back(&answer).await.assert_redirect("/customer");
    assert_eq!(ask::<String>(&app, PEOPLE).await, "new@contoso.example New Name f Lena Lead");
}

#[tokio::test]
async fn whoever_signs_out_is_out_and_staff_in_the_same_browser_stay() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let mut browser = enter(&app, &contoso, &contoso.admin(), false).await;
    let visitor = browser.visitor();
    let reply = visitor.post_form("/customer/logout", &[]).await.assert_redirect("/customer/login");
    assert!(!reply.headers["clear-site-data"].to_str().unwrap().contains("cookies"), "only our own cookie goes");
    browser.get("/customer").await.assert_redirect("/customer/login");
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 0);
    assert!(ask::<String>(&app, EVENTS).await.ends_with(&format!("customer.logout {} ok", contoso.admin())));
}

#[tokio::test]
async fn a_session_ends_when_idle_when_old_and_when_a_sixth_begins() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let mut browser = enter(&app, &contoso, &contoso.admin(), false).await;
    let hours: f64 = ask(&app, "select (extract(epoch from expires_at - created_at) / 3600)::float8 from customer_sessions").await;
    assert!((hours - 8.0).abs() < 0.001, "{hours}");
    alter(&app, "update customer_sessions set last_seen_at = now() - interval '29 minutes'").await;
    browser.get("/customer").await.assert_success();
    alter(&app, "update customer_sessions set last_seen_at = now() - interval '30 minutes'").await;
    browser.get("/customer").await.assert_redirect("/customer/login");
    alter(&app, "update customer_sessions set last_seen_at = now(), expires_at = now()").await;
    browser.get("/customer").await.assert_redirect("/customer/login");
    alter(&app, "update customer_sessions set expires_at = now() + interval '1 hour', last_seen_at = now() - interval '2 minutes'").await;
    browser.get("/customer").await.assert_success();
    for _ in 0..5 {
        alter(&app, "update customer_sessions set last_seen_at = last_seen_at - interval '2 minutes'").await;
        app.forget_attempts().await;
        enter(&app, &contoso, &contoso.admin(), false).await;
    }
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 5);
    browser.get("/customer").await.assert_redirect("/customer/login");
}

#[tokio::test]
async fn without_the_configuration_there_is_no_such_page_and_no_link_to_one() {
    let app = TestApp::start().await;
    for path in ["/customer", "/customer/login", "/customer/invite/x", "/login/customer", "/login/customer/callback", "/customer/people"] {
        assert_eq!(app.stranger().get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!app.stranger().get("/login").await.assert_success().html.contains("/customer/login"));
    let app = portal().await;
    assert!(app.stranger().get("/login").await.assert_success().html.contains("/customer/login"));
}
