//! A change of Defender for Cloud Apps that is asked for twice, by a program or by a double click, is one change.

use crate::app::{Reply, TestApp, Visitor};
use crate::cloud_apps_told::alerts;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;
use watchfloor::model::{ChangeId, Role, TenantId, clock};
use watchfloor::{auth, store};

async fn changes(app: &TestApp, tenant: TenantId) -> Vec<String> {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query_scalar("select operation from changes order by operation").fetch_all(&mut *tx).await.unwrap()
}

/// A lead's token for one tenant.
async fn token(app: &TestApp, tenant: TenantId) -> String {
    let (_, user) = app.user(Role::Lead, Some(&[tenant])).await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let (_, token) = auth::api_tokens::create(&mut tx, user, "test", 1, &watchfloor::store::api_tokens::Limits::default()).await.unwrap();
    tx.commit().await.unwrap();
    secrecy::ExposeSecret::expose_secret(&token).to_owned()
}

async fn call(app: &TestApp, token: &str, (method, path, body): (Method, &str, &str), key: &str) -> (StatusCode, Value) {
    let request = app.stranger().request(method, &format!("/api/v1{path}")).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let request = request.header(header::CONTENT_TYPE, "application/json").header("idempotency-key", key);
    let reply = app.stranger().send(request.body(Body::from(body.to_owned())).unwrap()).await;
    (reply.status, serde_json::from_str(&reply.html).unwrap_or_default())
}

#[tokio::test]
async fn a_call_that_comes_again_with_its_key_is_one_change_and_is_answered_with_it() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let (alert, token) = (alerts(&app, tenant, 1).await[0], token(&app, tenant).await);
    let at = |rest: &str| format!("/tenants/{tenant}/cloud-apps{rest}");
    let close = json!({"alerts": [alert], "verdict": "benign", "reason_id": 5}).to_string();
    let range = json!({"name": "Depot", "category": 1, "subnets": ["192.0.2.0/24"]}).to_string();
    let feedback = json!({"value": "0", "text": "Expected"}).to_string();
    let calls = [
        (Method::POST, at("/alerts/close"), close.as_str(), "cloud_apps.alerts.close_benign"),
        (Method::POST, at(&format!("/alerts/{alert}/read")), "", "cloud_apps.alerts.read"),
        (Method::POST, at(&format!("/alerts/{alert}/unread")), "", "cloud_apps.alerts.unread"),
        (Method::POST, at("/activities/20893_1_a/feedback"), feedback.as_str(), "cloud_apps.activities.feedback"),
        (Method::POST, at("/ranges"), range.as_str(), "cloud_apps.subnets.create"),
        (Method::PUT, at("/ranges/5f843e9cfe3f6d80fe58a962"), range.as_str(), "cloud_apps.subnets.update"),
        (Method::DELETE, at("/ranges/5f843e9cfe3f6d80fe58a962"), "", "cloud_apps.subnets.delete"),
        (
            Method::POST,
            at("/discovery/uploads?filename=a.log&source=SQUID&stream=October&snapshot=true"),
            "a log",
            "cloud_apps.discovery.done_upload",
        ),
    ];
    for (method, path, body, operation) in &calls {
        let mut answers = Vec::new();
        for _ in 0..2 {
            let (status, change) = call(&app, &token, (method.clone(), path, body), operation).await;
            assert_eq!((status, &change["operation"], &change["state"]), (StatusCode::ACCEPTED, &json!(operation), &json!("intended")));
            answers.push(change["id"].clone());
        }
        assert_eq!(answers[0], answers[1], "{operation}");
    }
    let mut expected: Vec<&str> = calls.iter().map(|(.., operation)| *operation).collect();
    expected.sort_unstable();
    assert_eq!(changes(&app, tenant).await, expected);
    let (_, unread) = call(&app, &token, (calls[2].0.clone(), &calls[2].1, ""), "another key").await;
    assert_eq!(unread["what"], "Mark alert as unread");
    assert_eq!(changes(&app, tenant).await.len(), 9, "another key is another change");
}

#[tokio::test]
async fn more_than_a_hundred_alerts_are_refused_rather_than_closed_in_part() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let (ids, token) = (alerts(&app, tenant, 101).await, token(&app, tenant).await);
    let path = format!("/tenants/{tenant}/cloud-apps/alerts/close");
    let close = |ids: &[_]| json!({"alerts": ids, "verdict": "benign", "reason_id": 5}).to_string();
    let (status, problem) = call(&app, &token, (Method::POST, &path, &close(&ids)), "all").await;
    assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("alerts")), "{problem}");
    assert!(changes(&app, tenant).await.is_empty());
    assert_eq!(call(&app, &token, (Method::POST, &path, &close(&ids[1..])), "hundred").await.0, StatusCode::ACCEPTED);
}

/// Presses a form's button twice before the first answer is there.
async fn twice(visitor: &Visitor, path: &str, fields: &[(&str, &str)]) {
    let change = Uuid::now_v7().to_string();
    let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("change", change.as_str())]).collect();
    let (one, two) = tokio::join!(visitor.post_form(path, &fields), visitor.post_form(path, &fields));
    for reply in [one, two] {
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{path}: {}", reply.html);
    }
}

async fn upload(visitor: &Visitor, path: &str, change: &str, content: &str) -> Reply {
    let part = |name: &str, value: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let token = visitor.form_token(path);
    let fields = [part("form_token", &token), part("change", change), part("source", "SQUID"), part("stream", "October")].concat();
    let file = format!("--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"proxy.log\"\r\n\r\n{content}\r\n--b--\r\n");
    let request = visitor.request(Method::POST, path).header("sec-fetch-site", "same-origin");
    let request = request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=b");
    visitor.send(request.body(Body::from([fields, file].concat())).unwrap()).await
}

#[tokio::test]
async fn a_form_sent_twice_is_one_change() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let alert = alerts(&app, tenant, 1).await[0].to_string();
    let lead = app.sign_in(Role::Lead).await;
    let at = |rest: &str| format!("/tenants/{tenant}/cloud-apps{rest}");
    let range = [("name", "Depot"), ("category", "1"), ("subnets", "192.0.2.0/24")];
    let (work, feedback, new) = (at("/alerts"), at("/activities/feedback"), at("/ranges/new"));
    let (edit, delete) = (at("/ranges/5f843e9cfe3f6d80fe58a962"), at("/ranges/5f843e9cfe3f6d80fe58a962/delete"));
    let close = [("alert", alert.as_str()), ("act", "close"), ("verdict", "benign:5")];
    let read = [("alert", alert.as_str()), ("act", "read")];
    let (log, id) = (at("/discovery/upload"), Uuid::now_v7().to_string());
    // Together, because each page waits some seconds for a worker that is not there.
    tokio::join!(
        twice(&lead, &work, &close),
        twice(&lead, &work, &read),
        twice(&lead, &feedback, &[("activity", "20893_1_a"), ("value", "0"), ("text", "Expected")]),
        twice(&lead, &new, &range),
        twice(&lead, &edit, &range),
        twice(&lead, &delete, &[("name", "Depot")]),
        async {
            let (one, two) = tokio::join!(upload(&lead, &log, &id, "GET /"), upload(&lead, &log, &id, "GET /"));
            assert_eq!((one.status, two.status), (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER), "{} {}", one.html, two.html);
        },
    );
    let expected = [
        "cloud_apps.activities.feedback",
        "cloud_apps.alerts.close_benign",
        "cloud_apps.alerts.read",
        "cloud_apps.discovery.done_upload",
        "cloud_apps.subnets.create",
        "cloud_apps.subnets.delete",
        "cloud_apps.subnets.update",
    ];
    assert_eq!(changes(&app, tenant).await, expected);
}

#[tokio::test]
async fn another_file_with_the_key_of_one_that_broke_off_is_refused() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let lead = app.sign_in(Role::Lead).await;
    let path = format!("/tenants/{tenant}/cloud-apps/discovery/upload");
    let change = ChangeId::new();
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    store::uploads::put(&mut tx, tenant, change, 0, b"GET /", clock::now()).await.unwrap();
    store::uploads::put(&mut tx, tenant, change, 1, b"more", clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    for another in ["GET /elsewhere", "GET /"] {
        let reply = upload(&lead, &path, &change.to_string(), another).await;
        assert!(reply.status == StatusCode::BAD_REQUEST && reply.html.contains("Another file was begun"), "{another}: {}", reply.html);
    }
    assert!(changes(&app, tenant).await.is_empty());
}

#[tokio::test]
async fn every_form_that_changes_something_carries_an_id_of_its_own() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let alert = alerts(&app, tenant, 1).await[0];
    let lead = app.sign_in(Role::Lead).await;
    let at = |rest: &str| format!("/tenants/{tenant}/cloud-apps{rest}");
    for (page, form) in [
        (at(""), at("/alerts")),
        (format!("/alerts/{alert}"), at("/alerts")),
        (at("/ranges/new"), at("/ranges/new")),
        (at("/discovery"), at("/discovery/upload")),
    ] {
        let id = async || {
            let page = lead.get(&page).await.assert_success();
            page.attribute(&format!("form[action='{form}'] input[name=change]"), "value").unwrap()
        };
        assert_ne!(id().await, id().await, "{page}");
    }
}
