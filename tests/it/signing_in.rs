//! Signing in and out, locks, one-time links, sessions, and the headers of every answer.

use crate::app::{PASSWORD, TestApp};
use axum::http::{StatusCode, header};
use watchfloor::auth::links;
use watchfloor::model::Role;
use watchfloor::store;

#[tokio::test]
async fn a_wrong_password_and_an_unknown_login_look_the_same_and_the_sixth_attempt_must_wait() {
    let app = TestApp::start().await;
    let (login, _) = app.user(Role::Analyst, None).await;
    let stranger = app.stranger();
    let attempt = async |login: &str, password: &str| stranger.post_raw("/login", &[("login", login), ("password", password)]).await;
    let (wrong, unknown) = (attempt(&login, "not the password").await, attempt("nobody@example.com", "not the password").await);
    assert_eq!([wrong.status, unknown.status], [StatusCode::UNAUTHORIZED; 2]);
    assert_eq!(wrong.html.replace(&login, ""), unknown.html.replace("nobody@example.com", ""));
    for _ in 0..6 {
        attempt(&login, "not the password").await;
    }
    assert_eq!(attempt(&login, PASSWORD).await.status, StatusCode::UNAUTHORIZED, "the lock holds for the right password too");
}

#[tokio::test]
async fn of_many_attempts_at_once_only_the_free_ones_are_looked_at() {
    let app = TestApp::start().await;
    let (login, _) = app.user(Role::Analyst, None).await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    // Ten failures so far: the next one locks for half a minute, longer than this test takes.
    sqlx::query("insert into sign_in_attempts (login_hash, failures, last_at) values (sha256(convert_to($1, 'UTF8')), 10, now())")
        .bind(&login)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let (db, login) = (app.db.web.clone(), login.clone());
            tokio::spawn(async move {
                let mut tx = db.no_tenant().await.unwrap();
                let charged = store::limits::charge(&mut tx, &login).await.unwrap();
                tx.commit().await.unwrap();
                charged
            })
        })
        .collect();
    let mut looked_at = 0;
    for attempt in attempts {
        looked_at += u32::from(attempt.await.unwrap());
    }
    assert_eq!(looked_at, 1);
    assert_eq!(app.stranger().post_raw("/login", &[("login", &login), ("password", PASSWORD)]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_cookie_is_guarded_and_signing_out_ends_the_session() {
    let app = TestApp::start().await;
    let (login, _) = app.user(Role::Analyst, None).await;
    let reply = app.stranger().post_raw("/login", &[("login", &login), ("password", PASSWORD), ("next", "/incidents?severity=high")]).await;
    let cookie = reply.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    reply.assert_redirect("/incidents?severity=high");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    let analyst = app.enter(&login).await;
    analyst.post_form("/logout", &[]).await.assert_redirect("/login");
    analyst.get("/incidents?severity=high").await.assert_redirect("/login?next=%2Fincidents%3Fseverity%3Dhigh");
}

#[tokio::test]
async fn a_session_ends_when_idle_when_old_and_when_its_user_is_disabled() {
    let app = TestApp::start().await;
    for change in [
        "update sessions set last_seen_at = now() - interval '31 minutes'",
        "update sessions set expires_at = now()",
        "update users set disabled_at = now()",
    ] {
        let viewer = app.sign_in(Role::Viewer).await;
        viewer.get("/account").await.assert_success();
        let mut tx = app.db.web.no_tenant().await.unwrap();
        sqlx::query(change).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        viewer.get("/account").await.assert_redirect("/login?next=%2Faccount");
        viewer.get("/account").await.assert_redirect("/login?next=%2Faccount");
    }
}

#[tokio::test]
async fn a_sixth_session_ends_the_one_unused_for_longest() {
    let app = TestApp::start().await;
    let (login, _) = app.user(Role::Analyst, None).await;
    let first = app.enter(&login).await;
    for _ in 0..5 {
        app.enter(&login).await;
    }
    assert_eq!(first.get("/account").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_new_password_ends_every_session_and_must_be_good() {
    let app = TestApp::start().await;
    let (login, _) = app.user(Role::Analyst, None).await;
    let (here, there) = (app.enter(&login).await, app.enter(&login).await);
    let new = "seven green bicycles";
    let change = async |current: &str, new: &str, again: &str| {
        here.post_form("/account/password", &[("current", current), ("password", new), ("again", again)]).await
    };
    for (current, new, again) in [(PASSWORD, "short", "short"), (PASSWORD, new, "other than that one"), ("wrong wrong wrong", new, new)] {
        assert_eq!(change(current, new, again).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{current} {new}");
    }
    change(PASSWORD, new, new).await.assert_redirect("/login");
    for visitor in [here.clone(), there] {
        assert_eq!(visitor.get("/account").await.status, StatusCode::SEE_OTHER);
    }
    app.stranger().post_raw("/login", &[("login", &login), ("password", new)]).await.assert_redirect("/");
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let app = TestApp::start().await;
    let url = &app.state.config.public_url;
    let (one, two) =
        (links::first_admin(&app.db.web, url).await.unwrap().unwrap(), links::first_admin(&app.db.web, url).await.unwrap().unwrap());
    let stranger = app.stranger();
    stranger.get(one.path()).await.assert_success();
    let fields = [("login", "Root@Example.com"), ("name", "Root"), ("password", "seven green bicycles"), ("again", "seven green bicycles")];
    let weak = [("login", "root@example.com"), ("name", "Root"), ("password", "root@example.com"), ("again", "root@example.com")];
    assert_eq!(stranger.post_raw(one.path(), &weak).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    stranger.post_raw(one.path(), &fields).await.assert_redirect("/login");
    for used in [one.path(), two.path(), "/setup/x"] {
        assert_eq!(stranger.post_raw(used, &fields).await.status, StatusCode::NOT_FOUND, "{used}");
    }
    assert!(links::first_admin(&app.db.web, url).await.unwrap().is_none());
    stranger.post_raw("/login", &[("login", "root@example.com"), ("password", "seven green bicycles")]).await.assert_redirect("/");
}

#[tokio::test]
async fn every_answer_carries_the_guarding_headers() {
    let app = TestApp::start().await;
    for path in ["/login", "/livez", "/nowhere", "/incidents", "/static/x"] {
        let reply = app.stranger().get(path).await;
        let policy = reply.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(reply.headers[header::X_FRAME_OPTIONS], "DENY", "{path}");
        assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(reply.headers[header::REFERRER_POLICY], "no-referrer", "{path}");
        assert!(reply.headers.get(header::STRICT_TRANSPORT_SECURITY).is_none(), "http on loopback");
    }
    let style = app.stranger().get("/login").await.attribute("link[rel=stylesheet]", "href").unwrap();
    let style = app.stranger().get(&style).await.assert_success();
    assert_eq!(style.headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
}
