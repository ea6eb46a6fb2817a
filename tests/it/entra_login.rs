//! Staff who sign in with Microsoft: the account of the first time, what is taken over later, and the role that their directory gives.

use crate::app::TestApp;
use crate::staff::{ANN, Browser, CLIENT, LEADS, OWN, alter, ann, ask, portal};
use axum::http::{StatusCode, header};
use uuid::Uuid;
use watchfloor::demo::{Api, Fault, Times};

const MAIL: &str = "ann@watchers.example";
const ACCOUNTS: &str =
    "select string_agg(concat_ws(' ', login, display_name, role, all_tenants, entra_object), ', ' order by login) from users";
const SESSIONS: &str = "select count(*) from sessions";
/// The newest events, the last one first.
const EVENTS: &str = "select string_agg(action || ' ' || actor || coalesce(' ' || object, ''), ', ' order by audit_id desc) from audit_log";

#[tokio::test]
async fn the_first_sign_in_makes_the_account_with_the_directorys_role_and_no_tenants() {
    let app = portal().await;
    app.tenant("Contoso").await;
    let page = app.stranger().get("/login?next=/incidents%3Fseverity=high").await.assert_success();
    let button = page.attribute("a.button", "href").unwrap();
    assert_eq!(
        (button.as_str(), page.texts("a.button")),
        ("/login/entra?next=%2Fincidents%3Fseverity%3Dhigh", vec!["Sign in with Microsoft".to_owned()])
    );
    let mut browser = Browser::new(&app);
    let url = browser.go(&button).await;
    for (name, value) in [
        ("client_id", CLIENT.to_string().as_str()),
        ("response_type", "code"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", "http://127.0.0.1:8080/login/entra/callback"),
        ("scope", "openid profile"),
        ("prompt", "select_account"),
    ] {
        assert_eq!(url.query_pairs().find(|(key, _)| key == name).unwrap().1, value, "{url}");
    }
    assert!(url.path().ends_with(&format!("/login.microsoftonline.com/{OWN}/oauth2/v2.0/authorize")), "{url}");
    let answer = browser.pick(url, MAIL).await.unwrap();
    let reply = browser.back(&answer).await.assert_redirect("/incidents?severity=high");
    let cookies: Vec<&str> = reply.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert!(cookies.iter().any(|cookie| cookie.starts_with("trip=;") && cookie.contains("Max-Age=0")), "{cookies:?}");
    assert!(cookies.iter().any(|cookie| cookie.starts_with("sid=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax")));
    assert_eq!(ask::<String>(&app, ACCOUNTS).await, format!("{MAIL} Ann Example analyst f {ANN}"));
    assert_eq!(ask::<String>(&app, EVENTS).await, format!("login.entra {MAIL}, user.create entra {MAIL}"));
    let page = browser.get("/").await.assert_success();
    assert!(page.html.contains("No tenant is open to you yet") && !page.html.contains("Contoso"), "{}", page.html);
}

#[tokio::test]
async fn the_same_person_is_found_again_although_name_and_mail_have_changed() {
    let app = portal().await;
    Browser::new(&app).sign_in(MAIL).await.assert_redirect("/");
    alter(&app, "update users set all_tenants = true, theme = 'dark'").await;
    ann(&app, |ann| {
        ann.name = "Ann Married".to_owned();
        ann.upn = "Ann.Married@Watchers.example".to_owned();
    });
    let mut browser = Browser::new(&app);
    browser.sign_in("Ann.Married@Watchers.example").await.assert_redirect("/");
    assert_eq!(ask::<String>(&app, ACCOUNTS).await, format!("ann.married@watchers.example Ann Married analyst t {ANN}"));
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 2, "nobody was signed out");
    let page = browser.get("/account").await.assert_success();
    assert!(page.html.contains("data-theme=\"dark\"") && page.html.contains("ann.married@watchers.example"));
    assert!(!page.html.contains("No tenant is open to you yet"));
}

#[tokio::test]
async fn a_local_account_of_the_same_name_is_somebody_else() {
    let app = portal().await;
    let (login, local) = app.user(watchfloor::model::Role::Admin, None).await;
    ann(&app, |ann| ann.upn.clone_from(&login));
    let mut browser = Browser::new(&app);
    browser.sign_in(&login).await.assert_redirect("/");
    let page = browser.get("/account").await.assert_success();
    assert!(page.html.contains(&format!("{login}#0e570000")) && page.html.contains("Analyst"), "{}", page.html);
    let untouched: String = ask(&app, "select concat_ws(' ', user_id, role) from users where entra_object is null").await;
    assert_eq!(untouched, format!("{local} admin"));
    app.enter(&login).await.get("/account").await.assert_success();
    // It stays so at the next sign-in.
    Browser::new(&app).sign_in(&login).await.assert_redirect("/");
    assert_eq!(ask::<i64>(&app, "select count(*) from users").await, 2);
}

#[tokio::test]
async fn a_role_changed_at_entra_acts_at_the_next_sign_in_and_ends_what_was_begun_with_the_old_one() {
    let app = portal().await;
    let mut old = Browser::new(&app);
    old.sign_in(MAIL).await.assert_redirect("/");
    let user = ask::<Uuid>(&app, "select user_id from users").await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    watchfloor::auth::api_tokens::create(
        &mut tx,
        watchfloor::model::UserId(user),
        "script",
        30,
        &watchfloor::store::api_tokens::Limits::default(),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    ann(&app, |ann| ann.roles = vec!["Watchfloor.Viewer".to_owned(), "Watchfloor.Admin".to_owned()]);
    let mut new = Browser::new(&app);
    new.sign_in(MAIL).await.assert_redirect("/");
    new.get("/admin/users").await.assert_success();
    old.get("/account").await.assert_redirect("/login?next=%2Faccount");
    assert_eq!(ask::<i64>(&app, "select count(*) from api_tokens where revoked_at is null").await, 0);
    assert_eq!(ask::<String>(&app, ACCOUNTS).await, format!("{MAIL} Ann Example admin t {ANN}"), "the highest of two, and all tenants");
    let told: String =
        ask(&app, "select concat_ws(' ', actor, before->>'role', after->>'role') from audit_log where action = 'user.update'").await;
    assert_eq!(told, "entra analyst admin");

    // And down again: what an administrator saw for being one is not seen any more.
    ann(&app, |ann| ann.roles = vec!["Watchfloor.Viewer".to_owned()]);
    Browser::new(&app).sign_in(MAIL).await.assert_redirect("/");
    new.get("/account").await.assert_redirect("/login?next=%2Faccount");
    assert_eq!(ask::<String>(&app, ACCOUNTS).await, format!("{MAIL} Ann Example viewer f {ANN}"));
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 1);
}

#[tokio::test]
async fn a_group_gives_a_role_and_graph_is_asked_where_a_token_cannot_name_them_all() {
    let app = portal().await;
    let others = |count: u128| (0..count).map(|n| Uuid::from_u128(1000 + n)).collect::<Vec<_>>();
    let role = async |count, leads: bool| {
        ann(&app, |ann| ann.groups = others(count).into_iter().chain(leads.then_some(LEADS)).collect());
        Browser::new(&app).sign_in(MAIL).await.assert_redirect("/");
        ask::<String>(&app, "select role from users").await
    };
    assert_eq!(role(3, true).await, "lead", "named by the token, and higher than her app role");
    assert_eq!(role(3, false).await, "analyst");
    assert_eq!(asked_of_graph(&app), 0);
    assert_eq!(role(200, true).await, "lead", "too many for a token");
    assert_eq!(asked_of_graph(&app), 1);
    assert_eq!(role(201, false).await, "analyst");
    assert_eq!(asked_of_graph(&app), 2);
    ann(&app, |ann| ann.roles = vec!["Watchfloor.Admin".to_owned()]);
    assert_eq!(role(201, true).await, "admin");
    assert_eq!(asked_of_graph(&app), 2, "no group would give more");
}

fn asked_of_graph(app: &TestApp) -> usize {
    let world = app.stand_in.world();
    world.ledger.requests().filter(|request| request.path.ends_with(&format!("/users/{ANN}/checkMemberGroups"))).count()
}

#[tokio::test]
async fn where_graph_does_not_say_the_groups_nobody_gets_a_lower_role_in_silence() {
    let app = portal().await;
    ann(&app, |ann| ann.groups = (0..300).map(Uuid::from_u128).chain([LEADS]).collect());
    let deny = async |reason: &str| {
        let reply = Browser::new(&app).sign_in(MAIL).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reason}");
        let told: String = ask(&app, "select after->>'detail' from audit_log order by audit_id desc limit 1").await;
        assert!(told.contains(reason), "{told}");
        assert_eq!((ask::<i64>(&app, SESSIONS).await, ask::<i64>(&app, "select count(*) from users").await), (0, 0));
    };
    app.stand_in.world().fault(OWN, Api::Graph, Fault::json("{\"value\":\"all\"}"), Times::Calls(1));
    deny("could not be used").await;
    app.stand_in.world().drop_role(OWN, CLIENT, "Directory.Read.All");
    app.stand_in.world().drop_role(OWN, CLIENT, "User.Read.All");
    deny("permission is missing").await;
    app.stand_in.world().revoke(OWN, CLIENT);
    deny("not in this directory").await;
    app.stand_in.world().grant(OWN, CLIENT);
    Browser::new(&app).sign_in(MAIL).await.assert_redirect("/");
    assert_eq!(ask::<String>(&app, "select role from users").await, "lead");
}

#[tokio::test]
async fn one_goes_on_to_a_page_of_ours_and_to_no_other() {
    let app = portal().await;
    for bad in ["https://evil.example", "//evil.example", "/logout", "/\\evil.example"] {
        let mut browser = Browser::new(&app);
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", bad).finish();
        let url = browser.go(&format!("/login/entra?{query}")).await;
        assert_eq!(ask::<String>(&app, "select next from sign_in_trips where answered_at is null").await, "/", "{bad}");
        let answer = browser.pick(url, MAIL).await.unwrap();
        browser.back(&answer).await.assert_redirect("/");
        // Nor if it got past the first look.
        let mut browser = Browser::new(&app);
        let answer = browser.answer().await;
        alter(&app, "update sign_in_trips set next = 'https://evil.example/' where answered_at is null").await;
        browser.back(&answer).await.assert_redirect("/");
    }
}

#[tokio::test]
async fn two_tabs_of_one_browser_can_both_end_what_they_began() {
    let app = portal().await;
    let mut first = Browser::new(&app);
    let one = first.answer().await;
    let mut second = first.tab(&app);
    let two = second.answer().await;
    assert_eq!(first.trip, second.trip);
    first.back(&one).await.assert_redirect("/");
    second.back(&two).await.assert_redirect("/");
    // A secret that we cannot have made is not taken over.
    let mut odd = Browser::new(&app);
    odd.trip = Some("guessed".to_owned());
    odd.answer().await;
    assert_eq!(odd.trip.as_ref().map(String::len), Some(43));
}

#[tokio::test]
async fn without_a_configured_app_there_is_no_button_and_no_way() {
    let app = TestApp::start().await;
    let page = app.stranger().get("/login").await.assert_success();
    assert!(!page.html.contains("Microsoft"), "{}", page.html);
    for path in ["/login/entra", "/login/entra/callback?code=x&state=y"] {
        assert_eq!(app.stranger().get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
