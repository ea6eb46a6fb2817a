//! The second factor of local accounts: making it, signing in with it, recovery codes, and losing it.

use crate::app::{PASSWORD, TestApp};
use crate::second::{browser, change, code, cookie, events, guarded, half, is_in, limits_pass, owner, proofs_age, signed_in, time_passes};
use axum::http::{StatusCode, header};
use watchfloor::model::Role;

async fn count(app: &TestApp, sql: &'static str) -> i64 {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap()
}

const SESSIONS: &str = "select count(*) from sessions";

#[tokio::test]
async fn a_password_alone_leads_to_no_session_but_to_setting_up_a_factor() {
    let app = guarded().await;
    let (login, _) = app.user(Role::Analyst, None).await;
    let reply = app.stranger().post_raw("/login", &[("login", &login), ("password", PASSWORD)]).await;
    let set: Vec<&str> = reply.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert!(set.len() == 1 && set[0].starts_with("half=") && set[0].contains("HttpOnly") && set[0].contains("Max-Age=600"), "{set:?}");
    let half = half(&app, &login).await;
    assert_eq!(count(&app, SESSIONS).await, 0);
    let page = half.get("/login/second").await.assert_success();
    let key = page.texts(".key code").remove(0);
    assert!(page.html.contains("Set up a second factor") && key.len() == 39 && page.html.contains("<svg class=\"qr\""), "{}", page.html);
    assert_eq!(page.texts(".key code"), half.get("/login/second").await.texts(".key code"), "the key is the same until it is used");
    // The flow's secret is no session's, and a half of a sign-in is refused everything else.
    for path in ["/", "/account", "/incidents"] {
        let visitor = browser(&app, half.cookie.clone());
        assert_eq!(visitor.get(path).await.status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(half.get(path).await.status, StatusCode::SEE_OTHER, "{path}");
    }
    for (name, tried) in [("My phone", "000000"), ("My phone", ""), ("", code(&key, 0).as_str()), ("My phone", &code(&key, 9))] {
        let reply = half.post("/login/second/new", &[("name", name), ("code", tried)]).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{name} {tried}");
    }
    // With no factor, nothing can be shown that would count as one.
    assert_eq!(half.code(&code(&key, 0)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(count(&app, SESSIONS).await, 0);
}

#[tokio::test]
async fn a_factor_is_set_up_once_and_asked_for_from_then_on() {
    let app = guarded().await;
    let owner = owner(&app, Role::Analyst).await;
    assert!(is_in(&owner.visitor).await && owner.codes.len() == 10);
    assert_eq!(
        events(&app, "factor|^login").await,
        ["user.factor.add ok {\"kind\": \"totp\", \"name\": \"My phone\"}", "login ok {\"second\": \"totp\"}",]
    );
    let again = half(&app, &owner.login).await;
    let page = again.get("/login/second").await.assert_success();
    assert!(page.html.contains("One more step") && !page.html.contains(&owner.key), "{}", page.html);
    assert_eq!(
        again.post("/login/second/new", &[("name", "x"), ("code", &code(&owner.key, 0))]).await.status,
        StatusCode::SEE_OTHER,
        "no second first factor"
    );
    let typed = code(&owner.key, 0);
    let reply = again.code(&format!("{} {}", &typed[..3], &typed[3..])).await;
    let new = signed_in(&app, &reply);
    reply.assert_redirect("/account");
    assert!(is_in(&new).await && is_in(&owner.visitor).await);
    assert_eq!(again.get("/login/second").await.status, StatusCode::SEE_OTHER, "the flow is used up");
    assert_eq!(again.code(&code(&owner.key, 1)).await.status, StatusCode::SEE_OTHER);
    // Where it is optional, whoever has one is asked for it all the same.
    let page = new.get("/account").await.assert_success();
    assert!(page.html.contains("10 recovery codes are left") && page.html.contains("the last one stays"), "{}", page.html);
}

#[tokio::test]
async fn a_code_counts_once_and_none_that_is_older_and_wrong_ones_are_written_down() {
    let app = guarded().await;
    let owner = owner(&app, Role::Analyst).await;
    let first = half(&app, &owner.login).await;
    for bad in ["٠٠٠٠٠٠", "00000", "0000000", "abcdef", &code(&owner.key, 5), &code(&owner.key, -5), &owner.codes[0]] {
        limits_pass(&app).await;
        assert_eq!(first.code(bad).await.status, StatusCode::UNAUTHORIZED, "{bad:?}");
    }
    assert_eq!(events(&app, "^login.second").await, vec!["login.second refused"; 7]);
    let (used, older) = (code(&owner.key, 0), code(&owner.key, -1));
    assert!(cookie(&first.code(&used).await, "sid").is_some());
    for old in [used, older] {
        limits_pass(&app).await;
        let again = half(&app, &owner.login).await;
        assert_eq!(again.code(&old).await.status, StatusCode::UNAUTHORIZED);
    }
    let next = half(&app, &owner.login).await;
    assert!(cookie(&next.code(&code(&owner.key, 1)).await, "sid").is_some(), "one step early");
}

#[tokio::test]
async fn a_recovery_code_works_once_and_ends_everything_else() {
    let app = guarded().await;
    let owner = owner(&app, Role::Analyst).await;
    let other = half(&app, &owner.login).await;
    let reply = half(&app, &owner.login).await.recover(&owner.codes[3].to_uppercase().replace('-', " ")).await;
    let recovered = signed_in(&app, &reply);
    assert!(is_in(&recovered).await && !is_in(&owner.visitor).await);
    assert_eq!(other.code(&code(&owner.key, 0)).await.status, StatusCode::SEE_OTHER, "what was begun has ended");
    assert!(recovered.get("/account").await.html.contains("9 recovery codes are left"));
    let told = events(&app, "^login$").await.pop().unwrap();
    assert!(told.contains("recovery_code") && told.contains("\"recovery_codes_left\": 9"), "{told}");
    for bad in [owner.codes[3].as_str(), "-", "0000-0000-0000-0000"] {
        limits_pass(&app).await;
        assert_eq!(half(&app, &owner.login).await.recover(bad).await.status, StatusCode::UNAUTHORIZED, "{bad}");
    }
    // A new set makes the old one void, and is shown once.
    time_passes(&app, owner.id).await;
    let page = recovered.post_form("/account/factors/codes", &[]).await.assert_success();
    let new: Vec<String> = page.texts("#codes")[0].split(' ').map(str::to_owned).collect();
    assert!(new.len() == 10 && !new.contains(&owner.codes[4]), "{new:?}");
    limits_pass(&app).await;
    assert_eq!(half(&app, &owner.login).await.recover(&owner.codes[4]).await.status, StatusCode::UNAUTHORIZED);
    assert!(cookie(&half(&app, &owner.login).await.recover(&new[0]).await, "sid").is_some());
    let file = recovered.post_form("/account/factors/codes/file", &[("codes", &new.join("\n"))]).await;
    assert_eq!(file.status, StatusCode::SEE_OTHER, "the recovery ended this session, too");
}

#[tokio::test]
async fn the_codes_come_as_a_file_and_nothing_else_does() {
    let app = guarded().await;
    let owner = owner(&app, Role::Viewer).await;
    let file = owner.visitor.post_form("/account/factors/codes/file", &[("codes", &owner.codes.join("\r\n"))]).await.assert_success();
    assert!(
        file.headers[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment; filename=\"watchfloor-recovery-codes.txt\"")
    );
    assert!(owner.codes.iter().all(|code| file.html.contains(code)));
    let bad = owner.visitor.post_form("/account/factors/codes/file", &[("codes", "<script>alert(1)</script>")]).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn factors_are_added_named_and_removed_and_each_change_ends_the_other_sessions() {
    let app = guarded().await;
    let owner = owner(&app, Role::Analyst).await;
    let (here, there) = (owner.enter(&app).await, owner.enter(&app).await);
    let begun = half(&app, &owner.login).await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let token = "insert into api_tokens (token_id, token_hash, user_id, name, expires_at) values (gen_random_uuid(), 'x', $1, 'x', now() + interval '1 day')";
    sqlx::query(token).bind(owner.id).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let page = here.post_form("/account/factors/new", &[]).await.assert_success();
    let key = page.texts(".key code").remove(0);
    assert_eq!(
        here.post_form("/account/factors", &[("name", "Tablet"), ("code", &code(&owner.key, 0))]).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    time_passes(&app, owner.id).await;
    assert_eq!(
        there.post_form("/account/factors", &[("name", "Tablet"), ("code", &code(&key, 0))]).await.status,
        StatusCode::SEE_OTHER,
        "begun elsewhere"
    );
    here.post_form("/account/factors", &[("name", "Tablet"), ("code", &code(&key, 0))]).await.assert_redirect("/account");
    assert!(is_in(&here).await && !is_in(&there).await && !is_in(&owner.visitor).await);
    assert_eq!(count(&app, "select count(*) from api_tokens where revoked_at is null").await, 0, "nor does a token work any more");
    assert_eq!(begun.code(&code(&owner.key, 1)).await.status, StatusCode::SEE_OTHER, "what was begun has ended");

    let page = here.get("/account").await.assert_success();
    let ids: Vec<String> = page.html.split("name=\"factor\" value=\"").skip(1).map(|rest| rest[..36].to_owned()).collect();
    let (phone, tablet) = (&ids[0], ids.last().unwrap());
    here.post_form("/account/factors/name", &[("factor", tablet), ("name", "Slate")]).await.assert_redirect("/account");
    assert_eq!(
        here.post_form("/account/factors/name", &[("factor", tablet), ("name", "\u{202e}x")]).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert!(here.get("/account").await.html.contains("Slate"));
    // Somebody else's factor is none.
    let stranger = self::owner(&app, Role::Admin).await;
    for (path, fields) in [
        ("/account/factors/remove", vec![("factor", phone.as_str())]),
        ("/account/factors/name", vec![("factor", phone), ("name", "Mine")]),
    ] {
        let status = stranger.visitor.post_form(path, &fields).await.status;
        assert!([StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY].contains(&status), "{path}: {status}");
    }
    let there = signed_in(&app, &{
        time_passes(&app, owner.id).await;
        half(&app, &owner.login).await.code(&code(&key, 0)).await
    });
    here.post_form("/account/factors/remove", &[("factor", phone)]).await.assert_redirect("/account");
    assert!(is_in(&here).await && !is_in(&there).await);
    let last = here.post_form("/account/factors/remove", &[("factor", tablet)]).await;
    assert!(last.status == StatusCode::UNPROCESSABLE_ENTITY && last.html.contains("last second factor"), "{}", last.html);
    assert_eq!(events(&app, "factor.(add|name|remove)").await.len(), 5, "with the other one's first factor");
}

#[tokio::test]
async fn where_it_is_optional_a_factor_is_asked_of_whoever_has_one() {
    let app = TestApp::start().await;
    let (login, id) = app.user(Role::Admin, None).await;
    let visitor = app.enter(&login).await;
    let key = visitor.post_form("/account/factors/new", &[]).await.assert_success().texts(".key code").remove(0);
    let codes = visitor.post_form("/account/factors", &[("name", "Phone"), ("code", &code(&key, 0))]).await.assert_success();
    assert_eq!(codes.texts("#codes")[0].split(' ').count(), 10);
    time_passes(&app, id).await;
    let again = signed_in(&app, &half(&app, &login).await.code(&code(&key, 0)).await);
    let page = again.get("/account").await.assert_success();
    let factor = page.attribute("input[name=factor]", "value").unwrap();
    proofs_age(&app, id).await;
    assert_eq!(again.post_form("/account/factors/remove", &[("factor", &factor)]).await.status, StatusCode::FORBIDDEN);
    change(&app, id, "update sessions set proven_at = now() where user_id = $1").await;
    again.post_form("/account/factors/remove", &[("factor", &factor)]).await.assert_redirect("/account");
    assert_eq!(count(&app, "select count(*) from recovery_codes").await, 0);
    app.enter(&login).await;
}
