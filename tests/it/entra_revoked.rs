//! Staff who are signed in with Microsoft while their directory changes its mind, or does not answer.

use crate::app::TestApp;
use crate::staff::{ANN, Browser, CLIENT, LEADS, OWN, alter, ann, ask, portal};
use tokio_util::sync::CancellationToken;
use watchfloor::auth::api_tokens;
use watchfloor::config::Sync;
use watchfloor::demo::{Account, Api, Fault, Times};
use watchfloor::microsoft::Client;
use watchfloor::model::{Role, UserId, clock};
use watchfloor::sync::read::Reader;
use watchfloor::sync::staff;

const MAIL: &str = "ann@watchers.example";
const GOOD_TOKENS: &str = "select count(*) from api_tokens where revoked_at is null";
const SHUT_OUT: &str =
    "select string_agg(concat_ws(' ', actor, object, after->>'reason'), '; ') from audit_log where action = 'user.shut_out'";
const ALARMS: &str = "select count(*) from app_alarms where app = 'login.entra'";

/// What the worker does each minute, at a time when everybody is due.
async fn check(app: &TestApp) {
    check_with(app, app.state.microsoft.clone()).await;
}

async fn check_with(app: &TestApp, microsoft: Client) {
    alter(app, "update users set vouched_at = vouched_at - interval '5 minutes'").await;
    // A call that Microsoft refused is made again in a moment only.
    let reader = Reader::new(app.db.worker.clone(), microsoft.with_concurrency(8), Sync::default(), CancellationToken::new());
    staff::check(&reader, clock::now()).await.unwrap();
}

/// Ann, signed in, with a token for a script.
async fn signed_in(app: &TestApp) -> Browser {
    let mut browser = Browser::new(app);
    browser.sign_in(MAIL).await.assert_redirect("/");
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let user = UserId(ask(app, "select user_id from users where entra_object is not null").await);
    api_tokens::create(&mut tx, user, "script", 30, &watchfloor::store::api_tokens::Limits::default()).await.unwrap();
    tx.commit().await.unwrap();
    browser
}

#[tokio::test]
async fn whoever_is_disabled_deleted_or_without_role_at_entra_is_out_within_minutes() {
    type Change = fn(&mut Account);
    let disabled: Change = |ann| ann.enabled = false;
    let deleted: Change = |ann| ann.object_id = uuid::Uuid::from_u128(1);
    let without: Change = |ann| ann.roles = vec!["Watchfloor.Cleaner".to_owned()];
    let lower: Change = |ann| ann.roles = vec!["Watchfloor.Viewer".to_owned()];
    for (what, change, why) in [
        ("disabled", disabled, "disabled in the directory, or gone"),
        ("deleted", deleted, "disabled in the directory, or gone"),
        ("without role", without, "no role any more"),
        ("a lower role", lower, "a lower role"),
    ] {
        let app = portal().await;
        let other = app.sign_in(Role::Viewer).await;
        let mut browser = signed_in(&app).await;
        check(&app).await;
        browser.get("/account").await.assert_success();
        ann(&app, change);
        check(&app).await;
        browser.get("/account").await.assert_redirect("/login?next=%2Faccount");
        assert_eq!(ask::<i64>(&app, GOOD_TOKENS).await, 0, "{what}");
        let told: String = ask(&app, SHUT_OUT).await;
        assert!(told.starts_with(&format!("entra {MAIL} The ")) && told.contains(why) && !told.contains(';'), "{what}: {told}");
        other.get("/account").await.assert_success();
        check(&app).await;
        assert_eq!(ask::<String>(&app, SHUT_OUT).await, told, "said once");
    }
}

#[tokio::test]
async fn a_token_alone_is_watched_too_and_so_is_a_role_that_a_group_gave() {
    let app = portal().await;
    ann(&app, |ann| ann.groups = vec![LEADS]);
    signed_in(&app).await;
    alter(&app, "delete from sessions").await;
    check(&app).await;
    assert_eq!(ask::<i64>(&app, GOOD_TOKENS).await, 1);
    ann(&app, |ann| ann.groups.clear());
    check(&app).await;
    assert_eq!(ask::<i64>(&app, GOOD_TOKENS).await, 0);
}

#[tokio::test]
async fn a_higher_role_waits_for_the_next_sign_in_and_nobody_is_asked_about_too_often() {
    let app = portal().await;
    let mut browser = signed_in(&app).await;
    ann(&app, |ann| ann.groups = vec![LEADS]);
    check(&app).await;
    browser.get("/account").await.assert_success();
    assert_eq!(ask::<String>(&app, "select role from users").await, "analyst");
    let about_ann = format!("id eq '{ANN}'");
    let asked = || app.stand_in.world().ledger.requests().filter(|request| request.query("$filter") == Some(&about_ann)).count();
    assert_eq!(asked(), 1);
    let reader = Reader::new(app.db.worker.clone(), app.state.microsoft.clone(), Sync::default(), CancellationToken::new());
    staff::check(&reader, clock::now()).await.unwrap();
    assert_eq!(asked(), 1, "vouched for just now");
    alter(&app, "update sessions set last_seen_at = now() - interval '31 minutes'").await;
    alter(&app, "update api_tokens set revoked_at = now()").await;
    check(&app).await;
    assert_eq!(asked(), 1, "nobody is there");
}

#[tokio::test]
async fn where_the_directory_is_silent_nobody_is_thrown_out_and_after_half_an_hour_administrators_know() {
    let app = portal().await;
    let mut browser = signed_in(&app).await;
    let admin = app.sign_in(Role::Admin).await;
    let told = async || {
        app.state.notices.forget();
        admin.get("/account").await.assert_success().html.contains("may still be here")
    };
    app.stand_in.world().drop_role(OWN, CLIENT, "Directory.Read.All");
    app.stand_in.world().drop_role(OWN, CLIENT, "User.Read.All");
    check(&app).await;
    browser.get("/account").await.assert_success();
    assert_eq!((ask::<i64>(&app, ALARMS).await, told().await), (0, false), "not yet");
    alter(&app, "update users set vouched_at = now() - interval '31 minutes' where entra_object is not null").await;
    check(&app).await;
    check(&app).await;
    browser.get("/account").await.assert_success();
    assert_eq!((ask::<i64>(&app, ALARMS).await, told().await), (1, true));
    assert_eq!(ask::<i64>(&app, "select count(*) from audit_log where action = 'user.vouch' and result = 'failed'").await, 1, "once");
    app.stand_in.world().grant(OWN, CLIENT);
    check(&app).await;
    assert_eq!((ask::<i64>(&app, ALARMS).await, told().await), (0, false));
}

#[tokio::test]
async fn an_answer_that_may_not_be_microsofts_is_no_word_against_anybody() {
    let app = portal().await;
    let mut browser = signed_in(&app).await;
    let vouched = "select count(*) from users where vouched_at > now() - interval '1 minute'";
    for answer in [
        Fault::json("{\"value\":[{\"accountEnabled\":null}]}"),
        Fault::json("{}"),
        Fault::html(),
        Fault::Forbidden,
        Fault::Body(404, "text/html", "<title>Not found</title>".to_owned()),
    ] {
        // After the list of app roles, which is good.
        app.stand_in.world().fault_after(OWN, Api::Graph, 1, answer.clone(), Times::Calls(1));
        check(&app).await;
        browser.get("/account").await.assert_success();
        assert_eq!((ask::<i64>(&app, vouched).await, ask::<i64>(&app, GOOD_TOKENS).await), (0, 1), "{answer:?}");
    }
    check(&app).await;
    assert_eq!(ask::<i64>(&app, vouched).await, 1);
}

#[tokio::test]
async fn whoever_came_from_a_directory_that_is_not_configured_any_more_is_out() {
    let app = portal().await;
    let mut browser = signed_in(&app).await;
    let without = Client::stand_in(app.stand_in.address(), &[], clock::now()).unwrap();
    check_with(&app, without).await;
    browser.get("/account").await.assert_redirect("/login?next=%2Faccount");
    assert_eq!(ask::<i64>(&app, GOOD_TOKENS).await, 0);
}
