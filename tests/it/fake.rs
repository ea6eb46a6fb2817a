//! A tiny Microsoft for single answers: a fixture, a hostile page, a fault. Stories with tenants and incidents use the stand-in cloud.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::form_urlencoded;
use uuid::Uuid;
use watchfloor::config;
use watchfloor::microsoft::{Client, Target};
use watchfloor::model::{Cloud, DirectoryId, Product, TenantId};

pub const DIRECTORY: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
pub const CLIENT_ID: Uuid = Uuid::from_u128(0x1111_aaaa_2222_bbbb_3333_cccc_4444_0000);
pub const SECRET: &str = "fake~Secret+value/1=";
pub const APP: &str = "defender";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub host: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    pub fn is_token_request(&self) -> bool {
        self.path.ends_with("/oauth2/v2.0/token")
    }
}

/// What to answer: a status, headers and a body.
pub struct Reply(pub u16, pub Vec<(&'static str, String)>, pub Vec<u8>);

impl Reply {
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self(200, vec![("content-type", "application/json".to_owned())], body.into())
    }

    pub fn status(status: u16) -> Self {
        Self(status, vec![], vec![])
    }
}

type Answer = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

#[derive(Clone)]
pub struct Fake {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<Answer>,
}

impl Fake {
    /// Answers with `answer`; where that is `None`, a token request gets a token of the directory asked and anything else a 404.
    pub async fn start(answer: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self { address: listener.local_addr().unwrap(), seen: Arc::default(), answer: Arc::new(answer) };
        let router = fake.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// Serves the same answers on any listener.
    pub fn router(&self) -> Router {
        let this = self.clone();
        Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let this = this.clone();
            async move { this.answer(method, &uri, headers, &body) }
        })
    }

    fn answer(&self, method: Method, uri: &Uri, headers: HeaderMap, body: &Bytes) -> Response<Body> {
        let of_header = headers.get("host").map(|host| host.to_str().unwrap().to_owned()).unwrap_or_default();
        let (host, path) = if of_header.starts_with("127.0.0.1") {
            let (host, path) = uri.path()[1..].split_once('/').unwrap_or_default();
            (host.to_owned(), format!("/{path}"))
        } else {
            (of_header, uri.path().to_owned())
        };
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let seen = Seen { method, host, path, query, headers, body: String::from_utf8(body.to_vec()).unwrap() };
        let Reply(status, headers, body) = (self.answer)(&seen).unwrap_or_else(|| default_answer(&seen));
        self.seen.lock().unwrap().push(seen);
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        response.body(Body::from(body)).unwrap()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests that were not for a token.
    pub fn calls(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.is_token_request()).collect()
    }

    pub fn client(&self) -> Client {
        Client::stand_in(self.address, &[app()], now()).unwrap().with_retry_delay(Duration::from_millis(1))
    }
}

fn default_answer(seen: &Seen) -> Reply {
    if seen.is_token_request() { Reply::json(token_body(seen.path.split('/').nth(1).unwrap_or_default())) } else { Reply::status(404) }
}

/// A token that says it is of this directory.
pub fn token_body(directory: &str) -> String {
    let claims = json!({"tid": directory, "roles": ["Incident.Read.All"], "aud": "x", "exp": 1});
    let token = format!("e30.{}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()), Uuid::new_v4().simple());
    json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}).to_string()
}

pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

pub fn app() -> config::App {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("watchfloor-secret-{}", Uuid::new_v4()));
    std::fs::write(&path, SECRET).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    config::App {
        name: APP.to_owned(),
        cloud: Cloud::Commercial,
        client_id: CLIENT_ID,
        credentials: vec![config::Credential::secret_file(path)],
        consent: config::ConsentForm::V2,
        optional: false,
        permissions: [(Product::DefenderXdr, vec!["Incident.Read.All".to_owned()])].into(),
    }
}

/// A tenant of its own with the directory of the fixtures.
pub fn target() -> Target {
    Target::new(TenantId::new(), DirectoryId::parse(DIRECTORY).unwrap(), Cloud::Commercial)
}
