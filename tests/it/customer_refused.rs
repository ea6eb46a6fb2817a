//! Whoever of a customer's, or of nobody's, comes back from Entra without a good answer or an invitation: no session, no account, one and the same
//! page, and a row in the audit log that says why.

use crate::app::{Reply, TestApp};
use crate::customer::Answer;
use crate::entra_refused::LIES;
use crate::guests::{Bound, bound, enter, go, invite, portal, rebind};
use crate::staff::{Browser, OWN, alter, ask, person};
use axum::http::StatusCode;
use uuid::Uuid;
use watchfloor::demo::{Api, Fault, IdTokenLie, Times};
use watchfloor::model::DirectoryId;

const SESSIONS: &str = "select count(*) from customer_sessions";
const PEOPLE: &str = "select count(*) from customers";
const REFUSED: &str = "select count(*) from audit_log where action = 'customer.refused' and result = 'refused'";
const REASON: &str = "select concat_ws(': ', after->>'reason', after->>'detail') from audit_log order by audit_id desc limit 1";

/// Nobody got in, nothing was made, and the audit log says why.
async fn assert_refused(app: &TestApp, case: &str, (people, rows): (i64, i64), reply: &Reply, reason: &str) {
    assert!([StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&reply.status), "{case}: {} {}", reply.status, reply.html);
    assert!(!reply.headers.get_all("set-cookie").iter().any(|cookie| cookie.to_str().unwrap().starts_with("cid=")), "{case}");
    assert_eq!((ask::<i64>(app, SESSIONS).await, ask::<i64>(app, PEOPLE).await), (0, people), "{case}");
    assert_eq!(ask::<i64>(app, REFUSED).await, rows + 1, "{case}");
    let told: String = ask(app, REASON).await;
    assert!(told.starts_with(reason), "{case}: {told}");
}

/// To Microsoft and as far as the answer, with an invite or without.
async fn answer(browser: &mut Browser, invite: Option<&str>, directory: DirectoryId, upn: &str) -> Answer {
    let url = go(browser, invite).await;
    browser.pick_of(url, directory, upn).await.unwrap()
}

#[tokio::test]
async fn a_token_that_proves_nothing_lets_no_customer_in_and_uses_no_invite_up() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let secret = invite(&app, contoso.tenant, false).await;
    for (n, (case, lie, reason)) in LIES.iter().enumerate() {
        app.forget_attempts().await;
        let mut browser = Browser::customer(&app);
        let answer = answer(&mut browser, Some(&secret), contoso.directory, &contoso.admin()).await;
        app.stand_in.world().fault(contoso.directory, Api::Token, Fault::IdToken(*lie), Times::Calls(1));
        let reply = browser.back(&answer).await;
        assert_refused(&app, case, (0, i64::try_from(n).unwrap()), &reply, reason).await;
    }
    let mut browser = Browser::customer(&app);
    let answer = answer(&mut browser, Some(&secret), contoso.directory, &contoso.admin()).await;
    browser.back(&answer).await.assert_redirect("/customer");
}

#[tokio::test]
async fn without_an_invite_the_token_says_by_what_it_is_measured_and_is_measured_all_the_same() {
    let app = portal().await;
    let (contoso, fabrikam) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    enter(&app, &contoso, &contoso.admin(), true).await;
    alter(&app, "delete from customer_sessions").await;
    // A token of Fabrikam's person that names Contoso's directory has Contoso's issuer only in its text: the person is nobody there.
    let lies = [
        ("another directory", IdTokenLie::Directory(contoso.directory), "not_known: not invited"),
        ("nobody's directory", IdTokenLie::Directory(DirectoryId(Uuid::from_u128(77))), "not_known: no customer's directory"),
        ("personal accounts", IdTokenLie::Directory(DirectoryId(Uuid::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad))), "unproven: "),
        ("a wrong signature", IdTokenLie::Forged, "unproven: "),
        ("no signature", IdTokenLie::Unsigned, "unproven: "),
        ("another issuer", IdTokenLie::WrongIssuer, "unproven: "),
        ("another audience", IdTokenLie::WrongAudience, "unproven: "),
        ("a wrong nonce", IdTokenLie::WrongNonce, "unproven: "),
        ("expired", IdTokenLie::Expired, "unproven: "),
    ];
    for (n, (case, lie, reason)) in lies.iter().enumerate() {
        app.forget_attempts().await;
        let mut browser = Browser::customer(&app);
        let answer = answer(&mut browser, None, fabrikam.directory, &fabrikam.admin()).await;
        app.stand_in.world().fault(fabrikam.directory, Api::Token, Fault::IdToken(*lie), Times::Calls(1));
        let reply = browser.back(&answer).await;
        assert_refused(&app, case, (1, i64::try_from(n).unwrap()), &reply, reason).await;
    }
}

async fn deliver(app: &TestApp, case: &str, browser: &mut Browser, honest: &Answer) -> Reply {
    match case {
        "another browser" => Browser::customer(app).back(honest).await,
        "staff's callback" => {
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(honest).finish();
            let staffs = browser.get(&format!("/login/entra/callback?{query}")).await;
            assert_eq!(staffs.status, StatusCode::UNAUTHORIZED, "it is no trip of staff's");
            Browser::customer(app).back(honest).await
        }
        "too late" => {
            alter(app, "update customer_trips set expires_at = now() where answered_at is null").await;
            browser.back(honest).await
        }
        "a state of nobody's" => {
            let mut answer = honest.clone();
            answer.insert("state".to_owned(), "A".repeat(43));
            browser.back(&answer).await
        }
        "Microsoft says no" => browser.get(&format!("/login/customer/callback?error=access_denied&state={}", honest["state"])).await,
        "nothing" => browser.get("/login/customer/callback").await,
        _ => unreachable!("{case}"),
    }
}

#[tokio::test]
async fn an_answer_that_is_not_this_browsers_own_fresh_one_lets_no_customer_in() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let secret = invite(&app, contoso.tenant, false).await;
    let cases = [
        ("another browser", "other_browser"),
        ("staff's callback", "other_browser"),
        ("too late", "late"),
        ("a state of nobody's", "stray"),
        ("Microsoft says no", "declined"),
        ("nothing", "stray"),
    ];
    for (n, (case, reason)) in cases.iter().enumerate() {
        app.forget_attempts().await;
        let mut browser = Browser::customer(&app);
        let honest = answer(&mut browser, Some(&secret), contoso.directory, &contoso.admin()).await;
        let reply = deliver(&app, case, &mut browser, &honest).await;
        assert_refused(&app, case, (0, i64::try_from(n).unwrap()), &reply, reason).await;
        assert!(!reply.html.contains("Contoso") && !reply.html.contains(&honest["state"]), "{case}: {}", reply.html);
    }
    // An honest one counts once.
    let mut browser = Browser::customer(&app);
    let honest = answer(&mut browser, Some(&secret), contoso.directory, &contoso.admin()).await;
    let mut tab = browser.tab(&app);
    browser.back(&honest).await.assert_redirect("/customer");
    assert_eq!(tab.back(&honest).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask::<String>(&app, REASON).await, "replayed");
    assert_eq!(ask::<i64>(&app, SESSIONS).await, 1);
    let secrets = "select count(*) from customer_trips where answered_at is not null and num_nonnulls(nonce, pkce_verifier) > 0";
    assert_eq!(ask::<i64>(&app, secrets).await, 0, "what an answered trip kept secret is forgotten");
}

/// Signs in without an invite; how that ended.
async fn try_in(app: &TestApp, directory: DirectoryId, upn: &str) -> Reply {
    app.forget_attempts().await;
    let mut browser = Browser::customer(app);
    let answer = answer(&mut browser, None, directory, upn).await;
    browser.back(&answer).await
}

#[tokio::test]
async fn whoever_was_not_invited_sees_one_page_whether_their_directory_is_a_customers_or_not() {
    let app = portal().await;
    let (contoso, fabrikam) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    let stranger = crate::customer::directory(&app, "Nobody");
    enter(&app, &contoso, &contoso.admin(), true).await;
    alter(&app, "delete from customer_sessions").await;
    // Somebody else has the administrator's address now.
    let other = Uuid::from_u128(0xb0b);
    let colleague = contoso.user(&app);
    app.stand_in.world().directory_mut(contoso.directory).unwrap().accounts[0] = person(other, &contoso.admin(), &[]);
    let cases = [
        ("the same name, another person", contoso.directory, contoso.admin(), "not_known: not invited"),
        ("a colleague", contoso.directory, colleague, "not_known: not invited"),
        ("another customer's person", fabrikam.directory, fabrikam.admin(), "not_known: not invited"),
        ("nobody's person", stranger, "admin@nobody.example".to_owned(), "not_known: no customer's directory"),
        ("the provider's own", OWN, "ann@watchers.example".to_owned(), "not_known: no customer's directory"),
    ];
    let mut pages = Vec::new();
    for (n, (case, directory, upn, reason)) in cases.iter().enumerate() {
        let reply = try_in(&app, *directory, upn).await;
        assert_refused(&app, case, (1, i64::try_from(n).unwrap()), &reply, reason).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        pages.push(reply.html);
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "the page tells nothing");
}

#[tokio::test]
async fn an_invite_is_good_for_one_person_of_its_own_directory_once_and_in_time() {
    let app = portal().await;
    let (contoso, fabrikam) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    let secret = invite(&app, contoso.tenant, false).await;
    // Microsoft itself keeps a person of another directory; a forged answer with their code comes to nothing.
    let mut browser = Browser::customer(&app);
    let url = go(&mut browser, Some(&secret)).await;
    let mut honest = browser.pick_of(url, contoso.directory, &contoso.admin()).await.unwrap();
    let mut foreign = Browser::customer(&app);
    let theirs = answer(&mut foreign, None, fabrikam.directory, &fabrikam.admin()).await;
    honest.insert("code".to_owned(), theirs["code"].clone());
    let reply = browser.back(&honest).await;
    assert_refused(&app, "another directory's code", (0, 0), &reply, "failed").await;
    // Two come with one invite: one gets in.
    let (mut one, mut two) = (Browser::customer(&app), Browser::customer(&app));
    let first = answer(&mut one, Some(&secret), contoso.directory, &contoso.admin()).await;
    let second = answer(&mut two, Some(&secret), contoso.directory, &contoso.user(&app)).await;
    one.back(&first).await.assert_redirect("/customer");
    alter(&app, "delete from customer_sessions").await;
    let reply = two.back(&second).await;
    assert_refused(&app, "used", (1, 1), &reply, "not_known: the invitation is used or over").await;
    assert_eq!(app.stranger().get(&format!("/customer/invite/{secret}")).await.status, StatusCode::NOT_FOUND);
    // One that runs out on the way.
    let secret = invite(&app, contoso.tenant, false).await;
    let honest = answer(&mut two, Some(&secret), contoso.directory, &contoso.user(&app)).await;
    alter(&app, "update customer_invites set expires_at = now() where used_at is null").await;
    let reply = two.back(&honest).await;
    assert_refused(&app, "expired", (1, 2), &reply, "not_known: the invitation is used or over").await;
    for ended in [secret.as_str(), "ended", &"A".repeat(64)] {
        assert_eq!(app.stranger().get(&format!("/customer/invite/{ended}")).await.status, StatusCode::NOT_FOUND);
        Browser::customer(&app).get(&format!("/login/customer?invite={ended}")).await.assert_redirect("/customer/invite/ended");
    }
}

/// What is changed while somebody has a session, and what the audit log says when they come again.
const CHANGES: &[(&str, &str, &str)] = &[
    ("disabled", "update customers set disabled_at = now()", "not_known: disabled"),
    ("offboarded", "update tenants set state = 'offboarded'", "not_known: no customer's directory"),
    ("bound elsewhere", "update tenants set directory_id = gen_random_uuid()", "not_known: no customer's directory"),
    ("unbound", "update tenants set directory_id = null", "not_known: no customer's directory"),
    ("not approved", "update tenants set needs_approval = true", "not_known: no customer's directory"),
];

#[tokio::test]
async fn what_ends_the_right_to_be_here_acts_on_the_next_request_and_at_the_next_sign_in() {
    for (case, change, reason) in CHANGES {
        let app = portal().await;
        let contoso: Bound = bound(&app, "Contoso").await;
        let mut browser = enter(&app, &contoso, &contoso.admin(), true).await;
        browser.get("/customer").await.assert_success();
        alter(&app, change).await;
        browser.get("/customer").await.assert_redirect("/customer/login");
        browser.visitor().post_form("/customer/people", &[("label", "Eve")]).await.assert_redirect("/customer/login");
        alter(&app, "delete from customer_sessions").await;
        let reply = try_in(&app, contoso.directory, &contoso.admin()).await;
        assert_refused(&app, case, (1, 0), &reply, reason).await;
    }
}

#[tokio::test]
async fn an_invite_opens_nothing_once_its_tenant_is_offboarded_or_bound_to_another_directory() {
    let app = portal().await;
    let (contoso, fabrikam) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    let secret = invite(&app, contoso.tenant, true).await;
    let mut browser = Browser::customer(&app);
    let honest = answer(&mut browser, Some(&secret), contoso.directory, &contoso.admin()).await;
    let elsewhere = crate::customer::directory(&app, "Elsewhere");
    rebind(&app, contoso.tenant, Some(elsewhere)).await;
    let reply = browser.back(&honest).await;
    assert_refused(&app, "bound elsewhere on the way", (0, 0), &reply, "not_known: another directory than the customer's").await;
    let secret = invite(&app, fabrikam.tenant, true).await;
    let honest = answer(&mut browser, Some(&secret), fabrikam.directory, &fabrikam.admin()).await;
    alter(&app, "update tenants set state = 'offboarded' where name = 'Fabrikam'").await;
    let reply = browser.back(&honest).await;
    assert_refused(&app, "offboarded on the way", (0, 1), &reply, "not_known: another directory than the customer's").await;
    assert_eq!(app.stranger().get(&format!("/customer/invite/{secret}")).await.status, StatusCode::NOT_FOUND);
}
