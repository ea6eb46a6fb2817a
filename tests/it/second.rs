//! Somebody with a second factor: their phone, the sign-in in two halves, and a portal that asks for it.

use crate::app::{PASSWORD, Reply, TestApp, Visitor};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use totp_rs::{Builder, Secret};
use url::form_urlencoded;
use watchfloor::auth::form_tokens::{FIELD, FormKey};
use watchfloor::config::Login;
use watchfloor::model::{Role, UserId, clock};

/// A portal in which nobody signs in with a password alone.
pub async fn guarded() -> TestApp {
    TestApp::start_as(|_| Login::default()).await
}

/// What an app shows for a key, so many half minutes from now.
pub fn code(key: &str, steps: i64) -> String {
    let secret = Secret::try_from_base32(key.replace(' ', "")).unwrap();
    let totp = Builder::new().with_secret(secret).with_account_name("test").build().unwrap();
    totp.generate(u64::try_from(clock::now().timestamp() + 30 * steps).unwrap()).to_string()
}

/// A sign-in whose password was right.
#[derive(Clone)]
pub struct Half {
    visitor: Visitor,
    pub cookie: String,
}

/// Types login and password.
pub async fn half(app: &TestApp, login: &str) -> Half {
    let reply = app.stranger().post_raw("/login", &[("login", login), ("password", PASSWORD), ("next", "/account")]).await;
    let cookie = cookie(&reply, "half").unwrap_or_else(|| panic!("{} {}", reply.status, reply.html));
    reply.assert_redirect("/login/second");
    Half { visitor: app.stranger(), cookie }
}

/// The value of a cookie that an answer sets.
pub fn cookie(reply: &Reply, name: &str) -> Option<String> {
    let all = reply.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let value = all.filter_map(|cookie| cookie.strip_prefix(name)?.strip_prefix('=')?.split(';').next()).find(|value| !value.is_empty());
    value.map(str::to_owned)
}

impl Half {
    pub async fn get(&self, path: &str) -> Reply {
        let request = self.visitor.request(Method::GET, path).header(header::COOKIE, format!("half={}", self.cookie));
        self.visitor.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = FormKey::of_session(&self.cookie.clone().into()).token(path);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).append_pair(FIELD, &token).finish();
        let request = self.visitor.request(Method::POST, path).header(header::COOKIE, format!("half={}", self.cookie));
        let request = request.header("sec-fetch-site", "same-origin").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.visitor.send(request.body(Body::from(body)).unwrap()).await
    }

    pub async fn code(&self, code: &str) -> Reply {
        self.post("/login/second", &[("code", code)]).await
    }

    pub async fn recover(&self, code: &str) -> Reply {
        self.post("/login/second", &[("recovery", code)]).await
    }
}

/// A browser with this secret as its session.
pub fn browser(app: &TestApp, session: String) -> Visitor {
    let mut visitor = app.stranger();
    visitor.session = Some(session);
    visitor
}

/// The browser in which a sign-in ended.
#[track_caller]
pub fn signed_in(app: &TestApp, reply: &Reply) -> Visitor {
    let session = cookie(reply, "sid").unwrap_or_else(|| panic!("{} {}", reply.status, reply.html));
    browser(app, session)
}

/// Somebody with a factor, signed in.
pub struct Owner {
    pub login: String,
    pub id: UserId,
    pub key: String,
    pub codes: Vec<String>,
    pub visitor: Visitor,
}

/// A new user who has set up a factor at the first sign-in.
pub async fn owner(app: &TestApp, role: Role) -> Owner {
    let (login, id) = app.user(role, None).await;
    let half = half(app, &login).await;
    let key = half.get("/login/second").await.texts(".key code").remove(0);
    let reply = half.post("/login/second/new", &[("name", "My phone"), ("code", &code(&key, 0))]).await.assert_success();
    let codes = reply.texts("#codes").remove(0).split_whitespace().map(str::to_owned).collect();
    let visitor = signed_in(app, &reply);
    time_passes(app, id).await;
    Owner { login, id, key, codes, visitor }
}

/// The next code of somebody's counts, as it would half a minute later.
pub async fn time_passes(app: &TestApp, user: UserId) {
    change(app, user, "update users set totp_step = null where user_id = $1").await;
}

/// Somebody's proofs are older than they may be.
pub async fn proofs_age(app: &TestApp, user: UserId) {
    change(app, user, "update sessions set proven_at = now() - interval '601 seconds' where user_id = $1").await;
}

/// What is held against names and addresses is forgotten.
pub async fn limits_pass(app: &TestApp) {
    let mut tx = app.db.web.no_tenant().await.unwrap();
    for sql in ["delete from sign_in_attempts", "delete from buckets"] {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

pub async fn change(app: &TestApp, user: UserId, sql: &'static str) {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query(sql).bind(user).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

impl Owner {
    /// Signs in once more, with a code.
    pub async fn enter(&self, app: &TestApp) -> Visitor {
        time_passes(app, self.id).await;
        signed_in(app, &half(app, &self.login).await.code(&code(&self.key, 0)).await)
    }
}

/// Whether somebody is signed in there.
pub async fn is_in(visitor: &Visitor) -> bool {
    visitor.get("/account").await.status == StatusCode::OK
}

/// Events of the audit log with these beginnings, oldest first: action, result and what was told.
pub async fn events(app: &TestApp, like: &str) -> Vec<String> {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query_scalar("select concat_ws(' ', action, result, after) from audit_log where action ~ $1 order by audit_id")
        .bind(like)
        .fetch_all(&mut *tx)
        .await
        .unwrap()
}
