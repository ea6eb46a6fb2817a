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
    invites::create(&mut tx, &By { actor: Actor::Operator, ip: None }, tenant, &ticket, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    ticket.text
}

impl Customer {
    pub fn new(app: &TestApp) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { visitor: app.stranger(), http, flow: None }
    }

    async fn send(&mut self, method: Method, path: &str) -> Reply {
        let mut request = self.visitor.request(method, path).header("sec-fetch-site", "same-origin");
        if let Some(flow) = &self.flow {
            request = request.header(header::COOKIE, format!("flow={flow}"));
        }
        let reply = self.visitor.send(request.body(Body::empty()).unwrap()).await;
        if let Some(cookie) = reply.headers.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().strip_prefix("flow=").unwrap().split(';').next().unwrap();
            self.flow = Some(cookie.to_owned());
        }
        reply
    }

    pub async fn open(&mut self, invite: &str) -> Reply {
        self.send(Method::GET, &format!("/onboard/{invite}")).await
    }

    /// Presses the button; where it leads.
    pub async fn press(&mut self, invite: &str) -> Url {
        let reply = self.send(Method::POST, &format!("/onboard/{invite}/consent/defender")).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.html);
        Url::parse(reply.headers[header::LOCATION].to_str().unwrap()).unwrap()
    }

    /// Answers a page of the stand-in; what it sends back with, or none where it keeps the visitor.
    pub async fn at_microsoft(&self, url: Url, fields: &[(&str, &str)]) -> Option<Answer> {
        let answer = self.http.post(url).form(fields).send().await.unwrap();
        let location = Url::parse(answer.headers().get("location")?.to_str().unwrap()).unwrap();
        assert_eq!(location.path(), "/consent/callback");
        Some(location.query_pairs().into_owned().collect())
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
