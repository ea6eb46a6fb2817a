//! A customer's administrator with a browser: our cookie, and the stand-in's pages.

use crate::app::{Reply, TestApp, Visitor};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use std::collections::BTreeMap;
use url::Url;
use uuid::Uuid;
use watchfloor::demo::Directory;
use watchfloor::model::{DirectoryId, TenantId, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::tenants::{self, Tenant};
use watchfloor::store::{invites, tickets};

/// The query of an answer of Microsoft's.
pub type Answer = BTreeMap<String, String>;

pub struct Customer {
    visitor: Visitor,
    http: reqwest::Client,
    /// Our cookie, as the browser would send it back.
    pub flow: Option<String>,
}

/// A directory of the stand-in, with the domain `NAME.example`.
pub fn directory(app: &TestApp, name: &str) -> DirectoryId {
    let id = DirectoryId(Uuid::new_v4());
    app.stand_in.world().add_directory(Directory::new(id, name, &format!("{}.example", name.to_lowercase())));
    id
}

/// A new invite for a tenant: the secret of its link.
pub async fn invite(app: &TestApp, tenant: TenantId) -> String {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let ticket = tickets::mint(tenant).unwrap();
    invites::create(&mut tx, &By { actor: Actor::Operator, ip: None }, tenant, &ticket, None, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    ticket.text
}

/// A tenant that waits for the consent to `defender`, with or without a preset directory.
pub async fn waiting(app: &TestApp, name: &str, expected: Option<DirectoryId>) -> TenantId {
    waiting_for(app, name, expected, &["defender"]).await
}

/// The same for other apps.
pub async fn waiting_for(app: &TestApp, name: &str, expected: Option<DirectoryId>, apps: &[&str]) -> TenantId {
    let tenant = TenantId::new();
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("insert into tenants (tenant_id, name, expected_directory_id, apps) values ($1, $2, $3, $4)")
        .bind(tenant)
        .bind(name)
        .bind(expected)
        .bind(apps)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    tenant
}

pub async fn get(app: &TestApp, tenant: TenantId) -> Tenant {
    tenants::get(&mut app.db.web.all_tenants().await.unwrap(), tenant).await.unwrap().unwrap()
}

pub async fn count(app: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut *app.db.web.all_tenants().await.unwrap()).await.unwrap()
}

pub const VERIFY_JOBS: &str = "select count(*) from jobs.jobs where task_identifier = 'verify'";

impl Customer {
    pub fn new(app: &TestApp) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { visitor: app.stranger(), http, flow: None }
    }

    async fn send(&mut self, method: Method, path: &str) -> Reply {
        self.send_form(method, path, "").await
    }

    /// Sends a form of our page.
    pub async fn say(&mut self, path: &str, form: &str) -> Reply {
        self.send_form(Method::POST, path, form).await
    }

    async fn send_form(&mut self, method: Method, path: &str, form: &str) -> Reply {
        let mut request = self.visitor.request(method, path).header("sec-fetch-site", "same-origin");
        if !form.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(flow) = &self.flow {
            request = request.header(header::COOKIE, format!("flow={flow}"));
        }
        let reply = self.visitor.send(request.body(Body::from(form.to_owned())).unwrap()).await;
        if let Some(cookie) = reply.headers.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().strip_prefix("flow=").unwrap().split(';').next().unwrap();
            self.flow = Some(cookie.to_owned());
        }
        reply
    }

    pub async fn open(&mut self, invite: &str) -> Reply {
        self.send(Method::GET, &format!("/onboard/{invite}")).await
    }

    /// Presses the button of the app `defender`; where it leads.
    pub async fn press(&mut self, invite: &str) -> Url {
        self.press_for(invite, "defender").await
    }

    /// The same for another app.
    pub async fn press_for(&mut self, invite: &str, app: &str) -> Url {
        let reply = self.send(Method::POST, &format!("/onboard/{invite}/consent/{app}")).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.html);
        Url::parse(reply.headers[header::LOCATION].to_str().unwrap()).unwrap()
    }

    /// Answers a page of the stand-in; what it sends back with, or none where it keeps the visitor.
    pub async fn at_microsoft(&self, url: Url, fields: &[(&str, &str)]) -> Option<Answer> {
        let location = self.sent_to(url, fields).await?;
        assert_eq!(location.path(), "/consent/callback");
        Some(location.query_pairs().into_owned().collect())
    }

    /// Answers a page of the stand-in; where it sends the browser, or none where it keeps the visitor.
    pub async fn sent_to(&self, url: Url, fields: &[(&str, &str)]) -> Option<Url> {
        let answer = self.http.post(url).form(fields).send().await.unwrap();
        Some(Url::parse(answer.headers().get("location")?.to_str().unwrap()).unwrap())
    }

    /// What a page of the stand-in shows: status and HTML.
    pub async fn look(&self, url: Url) -> (u16, String) {
        let answer = self.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Decides for one app as the administrator of a directory.
    pub async fn decide(&mut self, invite: &str, app: &str, directory: DirectoryId, decision: &str) -> Answer {
        let url = self.press_for(invite, app).await;
        self.at_microsoft(url, &[("directory", &directory.to_string()), ("decision", decision)]).await.unwrap()
    }

    /// Consents as the administrator of a directory.
    pub async fn accept(&mut self, invite: &str, directory: DirectoryId) -> Answer {
        let url = self.press(invite).await;
        self.at_microsoft(url, &[("directory", &directory.to_string()), ("decision", "accept")]).await.unwrap()
    }

    /// Signs in where a reply leads, as that directory's administrator.
    pub async fn sign_in(&self, away: &Reply, directory: DirectoryId, domain: &str) -> Answer {
        assert_eq!(away.status, StatusCode::SEE_OTHER, "{}", away.html);
        let url = Url::parse(away.headers[header::LOCATION].to_str().unwrap()).unwrap();
        self.at_microsoft(url, &[("account", &format!("{directory}/admin@{domain}"))]).await.unwrap()
    }

    /// Brings an answer to us.
    pub async fn back(&mut self, answer: &Answer) -> Reply {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
        self.send(Method::GET, &format!("/consent/callback?{query}")).await
    }

    /// The whole way with one directory; the last answer of ours.
    pub async fn go_through(&mut self, invite: &str, directory: DirectoryId, domain: &str) -> Reply {
        let answer = self.accept(invite, directory).await;
        let away = self.back(&answer).await;
        let answer = self.sign_in(&away, directory, domain).await;
        self.back(&answer).await
    }
}
