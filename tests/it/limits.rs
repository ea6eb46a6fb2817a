//! What strangers may try, and how often; and what was begun with a password that is none any more.

use crate::app::{PASSWORD, Reply, TestApp};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, StatusCode, header};
use futures_util::future::join_all;
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, Executor as _, PgConnection, Row};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use url::form_urlencoded;
use watchfloor::auth::sign_in::{Credentials, change_password, sign_in};
use watchfloor::auth::{AuthError, links};
use watchfloor::config::SecondFactor;
use watchfloor::model::{Role, UserId};
use watchfloor::store::{self, Db};

/// A request from an address.
async fn from(app: &TestApp, address: &str, method: Method, path: &str, fields: &[(&str, &str)]) -> Reply {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let peer = ConnectInfo::<SocketAddr>(SocketAddr::new(address.parse().unwrap(), 40_000));
    let request = app.stranger().request(method, path).header("sec-fetch-site", "same-origin").extension(peer);
    app.stranger().send(request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(Body::from(body)).unwrap()).await
}

async fn enter(app: &TestApp, address: &str, login: &str, password: &str) -> Reply {
    from(app, address, Method::POST, "/login", &[("login", login), ("password", password)]).await
}

async fn count(app: &TestApp, which: &str) -> i64 {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    let row = tx.fetch_one(AssertSqlSafe(format!("select count(*) from audit_log where {which}"))).await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn an_address_may_try_ten_names_and_then_waits_and_that_is_written_down_once() {
    let app = TestApp::start().await;
    let tried = join_all((0..30).map(|n| {
        let app = &app;
        async move { enter(app, "203.0.113.7", &format!("nobody-{n}"), "some pass phrase").await }
    }));
    let replies = tried.await;
    let refused: Vec<&Reply> = replies.iter().filter(|reply| reply.status == StatusCode::TOO_MANY_REQUESTS).collect();
    assert_eq!(refused.len(), 20, "{:?}", replies.iter().map(|reply| reply.status).collect::<Vec<_>>());
    let wait: u64 = refused[0].headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=7).contains(&wait), "{wait}");
    assert_eq!(count(&app, "action = 'security.limited' and object = 'sign-in 203.0.113.7'").await, 1);
    assert_eq!(enter(&app, "203.0.113.8", "nobody", "some pass phrase").await.status, StatusCode::UNAUTHORIZED, "others may");
}

#[tokio::test]
async fn a_range_of_64_bits_is_one_address_and_whoever_gets_in_uses_nothing_up() {
    let app = TestApp::start().await;
    let (login, _) = app.user(Role::Viewer, None).await;
    for _ in 0..12 {
        assert_eq!(enter(&app, "2001:db8:1:2::1", &login, PASSWORD).await.status, StatusCode::SEE_OTHER);
    }
    for n in 0..10 {
        let reply = enter(&app, &format!("2001:db8:1:2:{n}::9"), &format!("nobody-{n}"), "some pass phrase").await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(enter(&app, "2001:db8:1:2::1", &login, PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(enter(&app, "2001:db8:1:3::1", &login, PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn answers_of_microsofts_that_nobody_waits_for_do_not_fill_the_audit_log() {
    let app = TestApp::start().await;
    for n in 0..25 {
        let reply = from(&app, "203.0.113.7", Method::GET, &format!("/consent/callback?made-up={n}"), &[]).await;
        assert!(reply.html.contains("class=\"card"), "the page is the same each time");
    }
    assert_eq!(count(&app, "actor_kind = 'stranger'").await, 11, "ten, and that there were more");
}

#[tokio::test]
async fn a_name_that_nobody_has_is_locked_like_one_that_somebody_has() {
    let app = TestApp::start().await;
    let (login, _) = app.user(Role::Viewer, None).await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    for name in [login.as_str(), "nobody at all", "nul\0byte"] {
        let mut free = 0;
        while store::limits::charge(&mut tx, name).await.unwrap() {
            free += 1;
        }
        assert_eq!(free, 6, "{name}: five are free, the sixth locks");
    }
}

#[tokio::test]
async fn a_name_with_a_nul_is_wrong_and_no_fault() {
    let app = TestApp::start().await;
    assert_eq!(enter(&app, "203.0.113.9", "ann\0", "some pass phrase").await.status, StatusCode::UNAUTHORIZED);
    let link = links::first_admin(&app.db.web, &app.state.config.public_url).await.unwrap().unwrap();
    for (login, name) in [("ann\0", "Ann"), ("ann", "Ann\0"), ("ann\u{7}", "Ann")] {
        let fields = [("login", login), ("name", name), ("password", "seven green bicycles"), ("again", "seven green bicycles")];
        let reply = app.stranger().post_raw(link.path(), &fields).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{login:?} {name:?}");
    }
}

/// Waits until somebody waits for a lock that this connection holds.
async fn somebody_waits(holder: &mut PgConnection) {
    let waiting = "select exists (select from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid)))";
    let begun = Instant::now();
    while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut *holder).await.unwrap() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody waits for the account");
        tokio::task::yield_now().await;
    }
}

/// A new password whose transaction is open still.
async fn reset(app: &TestApp, user: UserId) -> PgConnection {
    let mut owner = sqlx::ConnectOptions::connect(&app.db.owner).await.unwrap();
    let hash = app.state.hasher.hash(&SecretString::from("seven green bicycles")).await.unwrap();
    owner.execute("begin").await.unwrap();
    sqlx::query("update users set password_hash = $2 where user_id = $1").bind(user).bind(hash).execute(&mut owner).await.unwrap();
    owner
}

#[tokio::test]
async fn what_was_begun_with_the_old_password_is_nothing_once_there_is_a_new_one() {
    let app = TestApp::start().await;
    let (login, user) = app.user(Role::Admin, None).await;
    let old = SecretString::from(PASSWORD);
    let (db, hasher): (&Db, _) = (&app.db.web, &app.state.hasher);

    let mut holder = reset(&app, user).await;
    let credentials = Credentials { login: &login, password: &old, next: "/" };
    let straddling = sign_in(db, hasher, credentials, SecondFactor::Optional, None);
    let finish = async {
        somebody_waits(&mut holder).await;
        holder.execute("commit").await.unwrap();
    };
    let (session, ()) = tokio::join!(straddling, finish);
    assert!(matches!(session, Err(AuthError::Refused)), "no session");
    holder.close().await.unwrap();

    // Back to the first password; now somebody who knows it changes it while its owner does.
    let mut tx = db.no_tenant().await.unwrap();
    store::users::set_password(&mut tx, user, &hasher.hash(&old).await.unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    let mut holder = reset(&app, user).await;
    let thief = SecretString::from("a thief's own pass phrase");
    let straddling = change_password(db, hasher, user, &old, &thief, None);
    let finish = async {
        somebody_waits(&mut holder).await;
        holder.execute("commit").await.unwrap();
    };
    let (changed, ()) = tokio::join!(straddling, finish);
    assert!(matches!(changed, Err(AuthError::Refused)), "{changed:?}");
    let new = SecretString::from("seven green bicycles");
    sign_in(db, hasher, Credentials { login: &login, password: &new, next: "/" }, SecondFactor::Optional, None).await.unwrap();
}

#[tokio::test]
async fn a_link_is_void_once_there_is_a_newer_one_or_a_new_password_or_the_account_is_disabled() {
    let app = TestApp::start().await;
    let (_, user) = app.user(Role::Viewer, None).await;
    let link = async || {
        let mut tx = app.db.web.no_tenant().await.unwrap();
        let url = links::reset(&mut tx, &app.state.config.public_url, user).await.unwrap();
        tx.commit().await.unwrap();
        url.path().to_owned()
    };
    let works = async |path: &str| app.stranger().get(path).await.status == StatusCode::OK;
    let (first, second) = (link().await, link().await);
    assert!(!works(&first).await && works(&second).await);
    let mut tx = app.db.web.no_tenant().await.unwrap();
    store::users::set_password(&mut tx, user, "$argon2id$another").await.unwrap();
    tx.commit().await.unwrap();
    assert!(!works(&second).await);
    let third = link().await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    store::users::set_disabled(&mut tx, user, true).await.unwrap();
    store::users::set_disabled(&mut tx, user, false).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!works(&third).await);
}

#[tokio::test]
async fn a_hash_of_other_times_is_made_anew_at_the_next_sign_in() {
    let app = TestApp::start().await;
    let (login, user) = app.user(Role::Viewer, None).await;
    // PASSWORD, at a lower cost.
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, argon2::Params::new(8, 1, 1, None).unwrap());
    let old = argon2::PasswordHasher::hash_password(&argon2, PASSWORD.as_bytes()).unwrap().to_string();
    let mut tx = app.db.web.no_tenant().await.unwrap();
    store::users::set_hash(&mut tx, user, &old).await.unwrap();
    tx.commit().await.unwrap();
    app.enter(&login).await.get("/account").await.assert_success();
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let (_, new) = store::users::credential(&mut tx, &login).await.unwrap().unwrap();
    assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
    app.enter(&login).await.get("/account").await.assert_success();
}
