//! Whoever comes back from Entra without a good answer: no session, no account, a row in the audit log, and nothing repeated on the page.

use crate::app::{Reply, TestApp};
use crate::customer::Answer;
use crate::staff::{ANN, Browser, OWN, alter, ann, ask, person, portal};
use axum::http::StatusCode;
use uuid::Uuid;
use watchfloor::demo::{Api, Directory, Fault, IdTokenLie, Times};
use watchfloor::model::DirectoryId;

const MAIL: &str = "ann@watchers.example";
const SESSIONS: &str = "select count(*) from sessions";
const USERS: &str = "select count(*) from users";
const REFUSED: &str = "select count(*) from audit_log where action = 'login.entra_refused' and result = 'refused'";
const REASON: &str = "select concat_ws(': ', after->>'reason', after->>'detail') from audit_log order by audit_id desc limit 1";

/// Nobody got in, the page repeats nothing, and the audit log says why.
async fn assert_refused(app: &TestApp, case: &str, before: i64, reply: &Reply, reason: &str) {
    assert!([StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&reply.status), "{case}: {} {}", reply.status, reply.html);
    assert!(!reply.headers.get_all("set-cookie").iter().any(|cookie| cookie.to_str().unwrap().starts_with("sid=")), "{case}");
    assert_eq!((ask::<i64>(app, SESSIONS).await, ask::<i64>(app, USERS).await), (0, 0), "{case}");
    assert_eq!(ask::<i64>(app, REFUSED).await, before + 1, "{case}");
    let told: String = ask(app, REASON).await;
    assert!(told.starts_with(reason), "{case}: {told}");
}

/// A token that lies, and what the audit log says of it.
pub const LIES: &[(&str, IdTokenLie, &str)] = &[
    ("another tenant's token", IdTokenLie::Directory(DirectoryId(Uuid::from_u128(77))), "unproven: it is of another directory"),
    ("a wrong nonce", IdTokenLie::WrongNonce, "unproven: it answers another sign-in"),
    ("no nonce", IdTokenLie::NoNonce, "unproven: "),
    ("no signature", IdTokenLie::Unsigned, "unproven: "),
    ("a wrong signature", IdTokenLie::Forged, "unproven: "),
    ("HS256 with the public key", IdTokenLie::PublicKeyAsSecret, "unproven: its algorithm is not allowed"),
    ("an unknown key", IdTokenLie::UnknownKey, "unproven: its key is not Microsoft's"),
    ("another audience", IdTokenLie::WrongAudience, "unproven: "),
    ("another issuer", IdTokenLie::WrongIssuer, "unproven: its issuer is another"),
    ("expired an hour ago", IdTokenLie::Expired, "unproven: it has expired"),
    ("expired, by a clock ten minutes off", IdTokenLie::Times { from: -4200, until: -600 }, "unproven: it has expired"),
    ("not valid yet, by a clock ten minutes off", IdTokenLie::Times { from: 600, until: 4200 }, "unproven: it is not valid yet"),
];

#[tokio::test]
async fn a_token_that_proves_nothing_lets_nobody_in() {
    let app = portal().await;
    for (n, (case, lie, reason)) in LIES.iter().enumerate() {
        let mut browser = Browser::new(&app);
        let answer = browser.answer().await;
        app.stand_in.world().fault(OWN, Api::Token, Fault::IdToken(*lie), Times::Calls(1));
        let reply = browser.back(&answer).await;
        assert_refused(&app, case, i64::try_from(n).unwrap(), &reply, reason).await;
    }
    // The door is not shut for the honest, nor for a clock that is four minutes off.
    let mut browser = Browser::new(&app);
    let answer = browser.answer().await;
    let off = IdTokenLie::Times { from: 240, until: 4200 };
    app.stand_in.world().fault(OWN, Api::Token, Fault::IdToken(off), Times::Calls(1));
    browser.back(&answer).await.assert_redirect("/");
}

/// An answer that was honest, brought otherwise than it should be, and what the audit log says of it.
const DELIVERIES: &[(&str, &str)] = &[
    ("another browser", "other_browser"),
    ("a browser that began another sign-in", "other_browser"),
    ("another sign-in's state", "failed"),
    ("another sign-in's code", "failed"),
    ("too late", "late"),
    ("no state", "stray"),
    ("a state of nobody's", "stray"),
    ("a consent", "stray"),
    ("a parameter twice", "stray"),
    ("nothing", "stray"),
    ("an error with HTML", "declined: unreadable"),
    ("an error of nobody's", "stray"),
];

async fn deliver(app: &TestApp, case: &str, browser: &mut Browser, honest: &Answer) -> Reply {
    let with = |name: &str, value: &str| {
        let mut answer = honest.clone();
        answer.insert(name.to_owned(), value.to_owned());
        answer
    };
    let without = |name: &str| honest.iter().filter(|(key, _)| *key != name).map(|(key, value)| (key.clone(), value.clone())).collect();
    match case {
        "another browser" => Browser::new(app).back(honest).await,
        "a browser that began another sign-in" => {
            let mut other = Browser::new(app);
            other.answer().await;
            other.back(honest).await
        }
        // In one browser, so that the state itself is good.
        "another sign-in's state" => {
            let second = browser.answer().await;
            browser.back(&with("state", &second["state"])).await
        }
        "another sign-in's code" => {
            let stolen = Browser::new(app).answer().await;
            browser.back(&with("code", &stolen["code"])).await
        }
        "too late" => {
            alter(app, "update sign_in_trips set expires_at = now() where answered_at is null").await;
            browser.back(honest).await
        }
        "no state" => browser.back(&without("state")).await,
        "a state of nobody's" => browser.back(&with("state", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).await,
        "a consent" => {
            let mut answer: Answer = without("code");
            answer.insert("admin_consent".to_owned(), "True".to_owned());
            answer.insert("tenant".to_owned(), OWN.to_string());
            browser.back(&answer).await
        }
        "a parameter twice" => browser.get(&format!("/login/entra/callback?state={}&code=a&code=b", honest["state"])).await,
        "nothing" => browser.get("/login/entra/callback").await,
        "an error with HTML" => {
            let mut answer = with("error", "access_denied<script>alert(7)</script>");
            answer.insert("error_description".to_owned(), "<script>alert(7)</script>".to_owned());
            browser.back(&answer).await
        }
        "an error of nobody's" => browser.get("/login/entra/callback?error=access_denied&error_description=alert(7)").await,
        _ => unreachable!("{case}"),
    }
}

#[tokio::test]
async fn an_answer_that_is_not_this_browsers_own_fresh_one_lets_nobody_in() {
    let app = portal().await;
    for (n, (case, reason)) in DELIVERIES.iter().enumerate() {
        let mut browser = Browser::new(&app);
        let honest = browser.answer().await;
        let reply = deliver(&app, case, &mut browser, &honest).await;
        assert_refused(&app, case, i64::try_from(n).unwrap(), &reply, reason).await;
        for text in ["alert(7)", "access_denied", &honest["state"], &honest["code"], MAIL] {
            assert!(!reply.html.contains(text), "{case} shows {text}: {}", reply.html);
        }
        let written: String = ask(&app, "select string_agg(audit_log::text, ' ') from audit_log").await;
        assert!(!written.contains(&honest["code"]) && !written.contains(&honest["state"]), "{case}: {written}");
    }
    Browser::new(&app).sign_in(MAIL).await.assert_redirect("/");
}

#[tokio::test]
async fn an_answer_counts_once_and_the_second_one_ends_nothing() {
    let app = portal().await;
    let mut browser = Browser::new(&app);
    let answer = browser.answer().await;
    let mut tab = browser.tab(&app);
    browser.back(&answer).await.assert_redirect("/");
    let again = tab.back(&answer).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask::<String>(&app, REASON).await, "replayed");
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 1);
    browser.get("/account").await.assert_success();
    // Nor does the code count again, in a sign-in that is otherwise good.
    let mut second = tab.answer().await;
    second.insert("code".to_owned(), answer["code"].clone());
    assert_eq!(tab.back(&second).await.status, StatusCode::UNAUTHORIZED);
    assert!(ask::<String>(&app, REASON).await.starts_with("failed"));
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 1);
    let secrets: i64 = ask(&app, "select count(*) from sign_in_trips where pkce_verifier is not null").await;
    assert_eq!(secrets, 0, "what an answered trip kept secret is forgotten");
}

#[tokio::test]
async fn of_two_who_bring_one_answer_at_once_one_gets_in() {
    let app = portal().await;
    let mut browser = Browser::new(&app);
    let answer = browser.answer().await;
    let mut same = browser.tab(&app);
    let (one, two) = tokio::join!(browser.back(&answer), same.back(&answer));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::UNAUTHORIZED]);
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 1);
}

#[tokio::test]
async fn nobody_gets_in_without_a_mapped_role_and_whoever_loses_it_loses_everything() {
    let app = portal().await;
    ann(&app, |ann| ann.roles = vec!["Watchfloor.Cleaner".to_owned(), "watchfloor.admin".to_owned()]);
    let reply = Browser::new(&app).sign_in(MAIL).await;
    assert_refused(&app, "no role", 0, &reply, "no_role").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!(ask::<String>(&app, "select object || ' ' || (after->>'object_id') from audit_log").await, format!("{MAIL} {ANN}"));

    ann(&app, |ann| ann.roles = vec!["Watchfloor.Viewer".to_owned()]);
    let mut first = Browser::new(&app);
    first.sign_in(MAIL).await.assert_redirect("/");
    ann(&app, |ann| ann.roles.clear());
    assert_eq!(Browser::new(&app).sign_in(MAIL).await.status, StatusCode::FORBIDDEN);
    first.get("/account").await.assert_redirect("/login?next=%2Faccount");
    assert_eq!((ask::<i64>(&app, SESSIONS).await, ask::<i64>(&app, USERS).await), (0, 1));
}

#[tokio::test]
async fn an_account_that_is_disabled_here_or_there_gets_no_session() {
    let app = portal().await;
    Browser::new(&app).sign_in(MAIL).await.assert_redirect("/");
    alter(&app, "update users set disabled_at = now()").await;
    alter(&app, "delete from sessions").await;
    ann(&app, |ann| ann.name = "Ann Other".to_owned());
    let reply = Browser::new(&app).sign_in(MAIL).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!(ask::<String>(&app, REASON).await, "disabled");
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 0);
    assert_eq!(ask::<String>(&app, "select display_name from users").await, "Ann Example", "nothing is taken over");

    ann(&app, |ann| ann.enabled = false);
    let mut browser = Browser::new(&app);
    let url = browser.go("/login/entra").await;
    assert!(browser.pick(url, MAIL).await.is_none(), "Microsoft keeps her");
}

#[tokio::test]
async fn somebody_elses_account_is_not_found_by_mail_or_name() {
    let app = portal().await;
    let mut first = Browser::new(&app);
    first.sign_in(MAIL).await.assert_redirect("/");
    // Ann has left, and another Ann has her address and her name.
    let other = Uuid::from_u128(0xb0b);
    let as_other = |roles: &[&str]| app.stand_in.world().directory_mut(OWN).unwrap().accounts = vec![person(other, MAIL, roles)];
    as_other(&[]);
    assert_eq!(Browser::new(&app).sign_in(MAIL).await.status, StatusCode::FORBIDDEN);
    first.get("/account").await.assert_success();
    as_other(&["Watchfloor.Admin"]);
    Browser::new(&app).sign_in(MAIL).await.assert_redirect("/");
    let rows: String = ask(&app, "select string_agg(concat_ws(' ', login, role, entra_object), ', ' order by role) from users").await;
    assert_eq!(rows, format!("{MAIL}#00000000 admin {other}, {MAIL} analyst {ANN}"));
    assert_eq!(first.get("/admin/users").await.status, StatusCode::FORBIDDEN, "the first Ann has got nothing of it");
    // The same object in another directory, with which Microsoft's page stops her.
    let foreign = DirectoryId(Uuid::new_v4());
    let mut elsewhere = Directory::new(foreign, "Elsewhere", "elsewhere.example");
    elsewhere.accounts = vec![person(ANN, MAIL, &["Watchfloor.Admin"])];
    app.stand_in.world().add_directory(elsewhere);
    let url = Browser::new(&app).go("/login/entra").await;
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = http.post(url).form(&[("account", format!("{foreign}/{MAIL}"))]).send().await.unwrap();
    assert_eq!(answer.status(), 403);
}
