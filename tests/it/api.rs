//! The JSON API as a program meets it: tokens, scope, problems, lists, and the description that says all of it.

use crate::api_calls::{PROMISED, body_of, filled};
use crate::app::{Reply, TestApp, Visitor};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use watchfloor::model::{Product, Role, TenantId, UserId};
use watchfloor::{auth, store};

/// A program with a token.
pub struct Program {
    visitor: Visitor,
    token: Option<String>,
}

impl Program {
    pub async fn of(app: &TestApp, role: Role, tenants: Option<&[TenantId]>) -> Self {
        let (_, user) = app.user(role, tenants).await;
        Self::of_user(app, user).await
    }

    /// Somebody's, with all their rights.
    pub async fn of_user(app: &TestApp, user: UserId) -> Self {
        let mut tx = app.db.web.no_tenant().await.unwrap();
        let (_, token) =
            auth::api_tokens::create(&mut tx, user, "test", 1, &watchfloor::store::api_tokens::Limits::default()).await.unwrap();
        tx.commit().await.unwrap();
        Self::with(app, &token)
    }

    pub fn with(app: &TestApp, token: &secrecy::SecretString) -> Self {
        Self { visitor: app.stranger(), token: Some(secrecy::ExposeSecret::expose_secret(token).to_owned()) }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let reply = self.send(method, path, (None, body)).await;
        (reply.status, serde_json::from_str(&reply.html).unwrap_or_default())
    }

    /// A call with an `Idempotency-Key`: the whole answer.
    pub async fn keyed(&self, method: Method, path: &str, key: &str, body: Value) -> Reply {
        self.send(method, path, (Some(key), Some(body))).await
    }

    /// The whole answer.
    pub async fn answer(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.send(method, path, (None, body)).await
    }

    async fn send(&self, method: Method, path: &str, (key, body): (Option<&str>, Option<Value>)) -> Reply {
        let mut request = self.visitor.request(method, &format!("/api/v1{path}"));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let reply = self.visitor.send(request.body(body).unwrap()).await;
        if reply.status.is_client_error() || reply.status.is_server_error() {
            assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json", "{path}: {}", reply.html);
        }
        reply
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body)).await
    }
}

/// Every call the description names: method and path.
pub async fn described(app: &TestApp) -> Vec<(Method, String)> {
    let reply = app.stranger().get("/api/v1/openapi.json").await.assert_success();
    let openapi: Value = serde_json::from_str(&reply.html).unwrap();
    assert_eq!(openapi["openapi"], "3.1.0");
    let paths = openapi["paths"].as_object().unwrap();
    let calls = paths.iter().flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (method, path)));
    calls.map(|(method, path)| (method.to_uppercase().parse().unwrap(), path.strip_prefix("/api/v1").unwrap().to_owned())).collect()
}

#[tokio::test]
async fn every_described_call_needs_a_token_and_hides_other_tenants() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Alder").await, app.tenant("Birch").await);
    let lead = Program::of(&app, Role::Lead, Some(&[own])).await;
    let stranger = Program { visitor: app.stranger(), token: None };
    let liar = Program { visitor: app.stranger(), token: Some(format!("wf_{}", "A".repeat(43))) };
    let calls = described(&app).await;
    let paths: BTreeSet<&str> = calls.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(paths, PROMISED.iter().copied().collect());
    for (method, path) in calls {
        let body = body_of(&method, &path);
        for who in [&stranger, &liar] {
            let (status, problem) = who.call(method.clone(), &filled(&path, &own.to_string()), body.clone()).await;
            assert_eq!(
                (status, &problem["type"]),
                (StatusCode::UNAUTHORIZED, &json!("urn:watchfloor:problem:unauthorized")),
                "{method} {path}"
            );
        }
        if path.contains("{id}") {
            let (status, mut of_foreign) = lead.call(method.clone(), &filled(&path, &foreign.to_string()), body.clone()).await;
            let (_, mut of_nothing) = lead.call(method.clone(), &filled(&path, &TenantId::new().to_string()), body.clone()).await;
            let (_, mut of_nonsense) = lead.call(method.clone(), &filled(&path, "1%27--"), body).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}");
            for problem in [&mut of_foreign, &mut of_nothing, &mut of_nonsense] {
                problem["instance"].take();
            }
            assert_eq!(of_foreign, of_nothing, "{method} {path}");
            assert_eq!(of_foreign, of_nonsense, "{method} {path}");
        }
    }
    assert_eq!(stranger.get("/nothing/here").await.0, StatusCode::NOT_FOUND);
    assert_eq!(stranger.call(Method::PUT, "/me", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let (_, coverage) = lead.get("/coverage").await;
    let (_, tenants) = lead.get("/tenants").await;
    assert!(!format!("{coverage}{tenants}").contains("Birch"), "{coverage} {tenants}");
}

#[tokio::test]
async fn a_lead_of_some_tenants_may_add_one_and_then_sees_it() {
    let app = TestApp::start().await;
    let own = app.tenant("Own").await;
    let lead = Program::of(&app, Role::Lead, Some(&[own])).await;
    let (status, made) = lead.call(Method::POST, "/tenants", Some(json!({ "name": "Another" }))).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["id"].as_str().unwrap();
    assert_eq!(lead.get(&format!("/tenants/{id}")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_or_disabled_token_is_no_token() {
    let app = TestApp::start().await;
    let (_, user) = app.user(Role::Viewer, None).await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let (id, token) = auth::api_tokens::create(&mut tx, user, "test", 1, &watchfloor::store::api_tokens::Limits::default()).await.unwrap();
    tx.commit().await.unwrap();
    let program = Program::with(&app, &token);
    let (status, me) = program.get("/me").await;
    assert_eq!((status, &me["role"], &me["all_tenants"]), (StatusCode::OK, &json!("viewer"), &json!(true)));
    let mut tx = app.db.web.no_tenant().await.unwrap();
    assert!(store::api_tokens::revoke(&mut tx, id).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(program.get("/me").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_role_does_what_it_may_and_no_more() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    app.reading(tenant, Product::DefenderXdr, "ok", None).await;
    let path = |rest: &str| format!("/tenants/{tenant}{rest}");
    let cases = [
        (Method::POST, "/tenants".to_owned(), Some(json!({ "name": "New" })), Role::Lead),
        (Method::PATCH, path(""), Some(json!({ "notes": "x", "apps": ["defender"] })), Role::Lead),
        (Method::POST, path("/invites"), None, Role::Lead),
        (Method::POST, path("/sync"), None, Role::Analyst),
        (Method::GET, "/audit".to_owned(), None, Role::Admin),
        (Method::GET, path("/permissions"), None, Role::Viewer),
    ];
    for role in Role::ALL {
        let program = Program::of(&app, *role, None).await;
        for (method, path, body, needed) in &cases {
            let body = body.clone().map(|mut body| {
                if body["name"].is_string() {
                    body["name"] = json!(format!("New {role}"));
                }
                body
            });
            let (status, answer) = program.call(method.clone(), path, body).await;
            assert_eq!(status.is_success(), role.allows(*needed), "{role} {method} {path}: {status} {answer}");
            assert_eq!(status == StatusCode::FORBIDDEN, !role.allows(*needed), "{role} {method} {path}: {status} {answer}");
        }
    }
}

#[tokio::test]
async fn a_tenant_is_registered_invited_changed_and_offboarded() {
    let app = TestApp::start().await;
    let lead = Program::of(&app, Role::Lead, None).await;
    let directory = "11111111-2222-3333-4444-555555555555";
    let (status, tenant) = lead.post("/tenants", json!({ "name": "Alder", "directory_id": directory, "tags": ["gold"] })).await;
    assert_eq!(status, StatusCode::CREATED, "{tenant}");
    assert_eq!(
        (&tenant["state"], &tenant["expected_directory_id"], &tenant["tags"]),
        (&json!("invited"), &json!(directory), &json!(["gold"]))
    );
    let id = tenant["id"].as_str().unwrap();

    let (status, problem) = lead.post("/tenants", json!({ "name": "alder" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    for (body, field) in [
        (json!({ "name": "" }), "name"),
        (json!({ "name": "X", "directory_id": "organizations" }), "directory"),
        (json!({ "name": "X", "cloud": "moon" }), "cloud"),
        (json!({ "name": "X", "apps": ["nope"] }), "apps"),
        (json!({ "name": "X", "domain": "contoso.com/../common" }), "domain"),
    ] {
        let (status, problem) = lead.post("/tenants", body.clone()).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{body}: {problem}");
    }
    for body in [json!({ "name": "X", "role": "admin" }), json!([]), json!({ "name": null }), json!({})] {
        let (status, problem) = lead.post("/tenants", body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {problem}");
    }

    assert_eq!(lead.post(&format!("/tenants/{id}/invites"), Value::Null).await.0, StatusCode::CREATED, "as if there were no body");
    let (status, invite) = lead.post(&format!("/tenants/{id}/invites"), json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{invite}");
    assert!(invite["url"].as_str().unwrap().starts_with("http://127.0.0.1:8080/onboard/"), "{invite}");
    let link = url::Url::parse(invite["consents"][0]["url"].as_str().unwrap()).unwrap();
    assert!(link.path().ends_with(&format!("/login.microsoftonline.com/{directory}/v2.0/adminconsent")), "{link}");
    let query: std::collections::HashMap<_, _> = link.query_pairs().into_owned().collect();
    assert_eq!(query["client_id"], app.client_id.to_string());
    assert_eq!(query["redirect_uri"], "http://127.0.0.1:8080/consent/callback");
    assert!(query["scope"].ends_with("/.default") && query["state"].len() == 64, "{query:?}");

    let (status, changed) = lead.call(Method::PATCH, &format!("/tenants/{id}"), Some(json!({ "notes": "calls only" }))).await;
    assert_eq!((status, &changed["notes"], &changed["tags"]), (StatusCode::OK, &json!("calls only"), &json!(["gold"])));
    assert_eq!(lead.call(Method::POST, &format!("/tenants/{id}/approve"), None).await.0, StatusCode::CONFLICT);
    assert_eq!(lead.call(Method::POST, &format!("/tenants/{id}/sync"), None).await.0, StatusCode::CONFLICT);
    assert_eq!(lead.call(Method::DELETE, &format!("/tenants/{id}"), None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(lead.get("/tenants").await.1["data"], json!([]));
    assert_eq!(lead.post(&format!("/tenants/{id}/invites"), json!({})).await.0, StatusCode::CONFLICT);
    let admin = Program::of(&app, Role::Admin, None).await;
    let (_, log) = admin.get("/audit?action=tenant.").await;
    let actions: Vec<_> = log["data"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["tenant.offboard", "tenant.update", "tenant.create"]);
}

#[tokio::test]
async fn lists_are_walked_by_cursor_and_bad_questions_are_told() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         select $1, gen_random_uuid(), 'defender_xdr', n::text, 'case ' || n, n % 6, 'x', 'new', 'x', now(), now() - n * interval '1 minute'
         from generate_series(1, 25) as n",
    )
    .bind(tenant)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let viewer = Program::of(&app, Role::Viewer, None).await;
    for sort in ["severity", "updated_at"] {
        let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
        loop {
            let (status, page) = viewer.get(&format!("/incidents?limit=10&sort={sort}{cursor}")).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            assert!(page["coverage"]["sentence"].is_string(), "{page}");
            seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen.len(), 25, "{sort}");
    }
    let (_, page) = viewer.get("/incidents?severity=critical,high&severity=low").await;
    assert_eq!(page["data"].as_array().unwrap().len(), 12);
    let id = page["data"][0]["id"].as_str().unwrap();
    let (status, one) = viewer.get(&format!("/incidents/{id}")).await;
    assert_eq!((status, &one), (StatusCode::OK, &page["data"][0]));
    for (query, status) in [
        ("limit=0", 422),
        ("limit=201", 422),
        ("limit=x", 400),
        ("sort=tenant_id;--", 422),
        ("sort=severity,severity", 422),
        ("cursor=forged", 422),
        ("cursor=high.-8000000000000000000.00000000000000000000000000000000", 422),
        ("severity=worst", 422),
        ("status=new,old", 422),
        ("tenant=1", 422),
        ("nonsense=1", 400),
        ("updated_since=yesterday", 400),
        ("q=%00", 422),
    ] {
        for list in ["incidents", "alerts"] {
            let (got, problem) = viewer.get(&format!("/{list}?{query}")).await;
            assert_eq!(got.as_u16(), status, "{list}?{query}: {problem}");
        }
    }
}
