//! Asking twice: one key or form is one request, whatever became of it meanwhile, and stands for nothing else.

use crate::acting_pages::{changes, device};
use crate::api::Program;
use crate::app::{Reply, TestApp};
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};
use watchfloor::model::{Role, TenantId};

fn isolation(comment: &str) -> Value {
    json!({"action": "isolate", "comment": comment})
}

fn answered(reply: &Reply) -> (StatusCode, Value) {
    (reply.status, serde_json::from_str::<Value>(&reply.html).unwrap()["id"].clone())
}

/// What Microsoft's answer makes of the row.
async fn refreshed(app: &TestApp, tenant: TenantId, sql: &'static str) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(sql).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_key_stands_for_one_request_and_never_for_another_device_tenant_or_comment() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    let (one, two, other) = (device(&app, alder, "one").await, device(&app, alder, "two").await, device(&app, birch, "other").await);
    let lead = Program::of(&app, Role::Lead, None).await;
    let act = async |device, comment: &str| lead.keyed(Method::POST, &format!("/devices/{device}/actions"), "K", isolation(comment)).await;
    let first = answered(&act(one, "Ransomware").await);
    assert_eq!(first.0, StatusCode::ACCEPTED);
    assert_eq!(answered(&act(one, "Ransomware").await), first, "the same again is the same change");
    for (device, comment) in [(two, "Ransomware"), (other, "Ransomware"), (one, "Something else")] {
        let reply = act(device, comment).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{device} {comment}: {}", reply.html);
        assert!(reply.html.contains("Idempotency-Key"), "{}", reply.html);
    }
    assert_eq!((changes(&app, alder).await.len(), changes(&app, birch).await.len()), (1, 0));
    let another = Program::of(&app, Role::Lead, None).await;
    let theirs = another.keyed(Method::POST, &format!("/devices/{two}/actions"), "K", isolation("Ransomware")).await;
    assert_eq!(theirs.status, StatusCode::ACCEPTED, "keys are each user's own");
}

#[tokio::test]
async fn one_key_over_many_tenants_does_not_get_round_the_limit_of_isolations() {
    let app = TestApp::start().await;
    let mut devices = Vec::new();
    for n in 0..7 {
        let tenant = app.tenant(&format!("Tenant {n}")).await;
        devices.push(device(&app, tenant, &format!("device-{n}")).await);
    }
    let lead = Program::of(&app, Role::Lead, None).await;
    let act = async |device, key: &str| lead.keyed(Method::POST, &format!("/devices/{device}/actions"), key, isolation("Worm")).await;
    let mut accepted = 0;
    for device in &devices {
        accepted += u8::from(act(*device, "always the same").await.status == StatusCode::ACCEPTED);
    }
    assert_eq!(accepted, 1);
    for (n, device) in devices.iter().enumerate().skip(1) {
        let reply = act(*device, &format!("key {n}")).await;
        if n < 5 {
            assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.html);
            continue;
        }
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{}", reply.html);
        let wait: i64 = reply.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((540..=601).contains(&wait), "until the first of the five is ten minutes old: {wait}");
    }
    let again = act(devices[4], "key 4").await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "what was accepted stays so: {}", again.html);
}

#[tokio::test]
async fn a_change_asked_for_again_after_it_was_carried_out_is_the_same_change() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let program = Program::of(&app, Role::Analyst, None).await;
    let path = format!("/incidents/{incident}");
    let ask = async |body: Value| program.keyed(Method::PATCH, &path, "K", body).await;
    let wish = json!({"status": "Resolved", "assigned_to": "owner-mark", "comment": "Clean"});
    let first = answered(&ask(wish.clone()).await);
    assert_eq!(first.0, StatusCode::ACCEPTED);
    refreshed(&app, tenant, "update incidents set status_raw = 'Resolved', status = 'resolved'").await;
    assert_eq!(answered(&ask(wish).await), first, "although nothing differs from what is there");
    for other in [json!({"status": "Active", "assigned_to": "owner-mark"}), json!({"status": "Resolved", "assigned_to": "ann"})] {
        assert_eq!(ask(other.clone()).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{other}");
    }
    let fresh = program.call(Method::PATCH, &path, Some(json!({"status": "Resolved"}))).await;
    assert_eq!(fresh.0, StatusCode::UNPROCESSABLE_ENTITY, "without the key nothing differs");

    // A form sent twice, with the first done in between.
    let analyst = app.sign_in(Role::Analyst).await;
    let id = uuid::Uuid::now_v7().to_string();
    let fields =
        |comment| [("change", id.as_str()), ("status", "InProgress"), ("assigned_to", "owner-mark"), ("verdict", ""), ("comment", comment)];
    analyst.post_form(&path, &fields("")).await.assert_redirect(&path);
    refreshed(&app, tenant, "update incidents set status_raw = 'InProgress', status = 'in_progress'").await;
    analyst.post_form(&path, &fields("")).await.assert_redirect(&path);
    let changed = analyst.post_form(&path, &fields("And this")).await;
    assert_eq!(changed.status, StatusCode::CONFLICT);
    assert_eq!(changed.texts("h1"), ["Not possible now"]);
    assert_eq!(changes(&app, tenant).await.len(), 2);
}
