//! Changing things from a page: who may, for which tenant, how often, and that a form sent twice is one change.

use crate::app::TestApp;
use axum::http::StatusCode;
use watchfloor::model::{DeviceId, Role, TenantId, clock};
use watchfloor::store::devices::{self, Row};

/// A device of a tenant, as the reading job stores it.
pub async fn device(app: &TestApp, tenant: TenantId, name: &str) -> DeviceId {
    let row = Row {
        external_id: format!("id-of-{name}"),
        name: name.to_owned(),
        health: Some("Active".to_owned()),
        risk: Some("High".to_owned()),
        exposure: None,
        value: None,
        onboarding: None,
        os: Some("Windows11".to_owned()),
        os_version: None,
        device_group: None,
        last_ip: None,
        external_ip: None,
        aad_id: None,
        tags: vec!["VIP".to_owned()],
        first_seen: None,
        last_seen: Some(clock::now()),
        body: "{}".to_owned(),
    };
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    devices::store(&mut tx, tenant, &[row], clock::now()).await.unwrap();
    let id = devices::find_named(&mut tx, tenant, name).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    id
}

pub async fn changes(app: &TestApp, tenant: TenantId) -> Vec<(String, String)> {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query_as("select operation, state from changes order by created_at").fetch_all(&mut *tx).await.unwrap()
}

fn form<'a>(change: &'a str, deed: &'a str) -> [(&'a str, &'a str); 3] {
    [("change", change), ("deed", deed), ("comment", "Because of alert 1234")]
}

#[tokio::test]
async fn another_tenants_device_is_no_device_and_only_a_responder_acts() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let (mine, theirs) = (device(&app, own, "mine").await, device(&app, foreign, "theirs").await);
    let (analyst, responder) = (app.sign_in_for(Role::Analyst, &[own]).await, app.sign_in_for(Role::Responder, &[own]).await);
    let id = uuid::Uuid::now_v7().to_string();
    let (path, wrong) = (format!("/devices/{mine}/act"), format!("/devices/{theirs}/act"));
    assert_eq!(responder.post_form(&wrong, &form(&id, "isolate")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(responder.get(&format!("{wrong}?deed=isolate")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(responder.get(&format!("/devices/{theirs}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(analyst.post_form(&path, &form(&id, "isolate")).await.status, StatusCode::FORBIDDEN);
    assert!(changes(&app, own).await.is_empty() && changes(&app, foreign).await.is_empty());
    let list = responder.get("/devices").await.assert_success();
    assert!(list.html.contains("mine") && !list.html.contains("theirs"));
    // The confirmation names tenant and device in its button.
    let page = responder.get(&format!("{path}?deed=isolate")).await.assert_success();
    assert!(page.texts("form.stack button").iter().any(|text| text == "Isolate: mine of Own"), "{}", page.html);
    responder.post_form(&path, &form(&id, "isolate")).await.assert_redirect(&format!("/devices/{mine}#changes"));
    assert_eq!(changes(&app, own).await, [("endpoint.act.isolate".to_owned(), "intended".to_owned())]);
    let page = responder.get(&format!("/tenants/{own}/changes")).await.assert_success();
    assert!(page.html.contains("Isolate device") && page.html.contains("Because of alert 1234"));
    assert_eq!(responder.get(&format!("/tenants/{foreign}/changes")).await.status, StatusCode::NOT_FOUND);
    assert!(responder.get(&format!("/devices/{mine}")).await.assert_success().html.contains("Isolate device"));
}

#[tokio::test]
async fn a_form_sent_twice_is_one_change_and_the_sixth_isolation_is_refused_and_audited() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let lead = app.sign_in_for(Role::Lead, &[tenant]).await;
    let path = format!("/devices/{}/act", device(&app, tenant, "mine").await);
    let id = uuid::Uuid::now_v7().to_string();
    for _ in 0..3 {
        assert_eq!(lead.post_form(&path, &form(&id, "isolate")).await.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(changes(&app, tenant).await.len(), 1);
    for deed in ["isolate", "isolate_selective", "isolate", "isolate"] {
        let id = uuid::Uuid::now_v7().to_string();
        assert_eq!(lead.post_form(&path, &form(&id, deed)).await.status, StatusCode::SEE_OTHER);
    }
    let id = uuid::Uuid::now_v7().to_string();
    let sixth = lead.post_form(&path, &form(&id, "isolate_selective")).await;
    assert!(sixth.status == StatusCode::TOO_MANY_REQUESTS && sixth.html.contains("five devices within ten minutes"), "{}", sixth.html);
    assert_eq!(changes(&app, tenant).await.len(), 5);
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let refused: i64 = sqlx::query_scalar("select count(*) from audit_log where action = 'action.refused' and result = 'refused'")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(refused, 1);
    drop(tx);
    // So it is with each of what hurts the work at a device, by itself.
    for n in 0..6 {
        let id = uuid::Uuid::now_v7().to_string();
        let status = lead.post_form(&path, &form(&id, "restrict")).await.status;
        assert_eq!(status == StatusCode::TOO_MANY_REQUESTS, n == 5, "{n}: {status}");
    }
    // Releasing is always possible.
    let id = uuid::Uuid::now_v7().to_string();
    assert_eq!(lead.post_form(&path, &form(&id, "release")).await.status, StatusCode::SEE_OTHER);
    // What is missing is said.
    let id = uuid::Uuid::now_v7().to_string();
    assert_eq!(lead.post_form(&path, &form(&id, "quarantine_file")).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_incident_is_changed_by_one_form_whose_comment_names_the_analyst() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let (viewer, analyst) = (app.sign_in(Role::Viewer).await, app.sign_in(Role::Analyst).await);
    let path = format!("/incidents/{incident}");
    let id = uuid::Uuid::now_v7().to_string();
    let fields = [
        ("change", id.as_str()),
        ("status", "Resolved"),
        ("assigned_to", "somebody@example.com"),
        ("verdict", "TruePositive/Malware"),
        ("tags", "a, b"),
        ("comment", "Done with it"),
    ];
    assert_eq!(viewer.post_form(&path, &fields).await.status, StatusCode::FORBIDDEN);
    for _ in 0..2 {
        analyst.post_form(&path, &fields).await.assert_redirect(&path);
    }
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let rows: Vec<(serde_json::Value, Vec<String>)> =
        sqlx::query_as("select request, args from changes").fetch_all(&mut *tx).await.unwrap();
    drop(tx);
    let [(request, args)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(args, &["Xmark"]);
    let comment = request["comment"].as_str().unwrap();
    assert!(comment.starts_with("Done with it (Test Person, analyst-"), "{comment}");
    assert_eq!(request["tags"], serde_json::json!(["a", "b"]));
    let mut names: Vec<&str> = request.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["assignedTo", "classification", "comment", "determination", "status", "tags"]);
    let page = analyst.get(&path).await.assert_success();
    assert!(page.html.contains("Waiting") && page.html.contains("Save at Own"), "{}", page.html);
}

#[tokio::test]
async fn chosen_alerts_are_one_change_for_each_tenant_and_an_event_becomes_an_alert() {
    let app = TestApp::start().await;
    let (a, b) = (app.tenant("Alder").await, app.tenant("Birch").await);
    let mut ids = Vec::new();
    for (tenant, mark) in [(a, "one"), (b, "two")] {
        let (_, alert) = crate::pages::case(&app, tenant, mark).await;
        let mut tx = app.db.worker.tenant(tenant).await.unwrap();
        sqlx::query("update alerts set product = 'defender_endpoint'").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        ids.push(alert.to_string());
    }
    let (analyst, narrow) = (app.sign_in(Role::Analyst).await, app.sign_in_for(Role::Analyst, &[a]).await);
    let id = uuid::Uuid::now_v7().to_string();
    let fields = [
        ("change", id.as_str()),
        ("alert", &ids[0]),
        ("alert", &ids[1]),
        ("status", "Resolved"),
        ("verdict", "TruePositive/Malware"),
        ("comment", "Seen"),
    ];
    assert_eq!(narrow.post_form("/alerts/batch", &fields).await.status, StatusCode::NOT_FOUND, "another tenant's alert is no alert");
    for _ in 0..2 {
        assert_eq!(analyst.post_form("/alerts/batch", &fields).await.status, StatusCode::SEE_OTHER);
    }
    for tenant in [a, b] {
        assert_eq!(changes(&app, tenant).await, [("endpoint.alerts.batch".to_owned(), "intended".to_owned())]);
    }
    assert!(analyst.get("/alerts").await.assert_success().html.contains("Change the chosen alerts"));

    let path = format!("/tenants/{a}/endpoint/alert");
    analyst.get(&format!("{path}?machine=x&event_time=y&report_id=7")).await.assert_success();
    let id = uuid::Uuid::now_v7().to_string();
    let names = ["machine", "event_time", "report_id", "title", "severity", "category", "description", "recommended_action"];
    let fields: Vec<(&str, &str)> = [("change", id.as_str())].into_iter().chain(names.map(|name| (name, "given"))).collect();
    analyst.post_form(&path, &fields).await.assert_redirect(&format!("/tenants/{a}/changes"));
    assert_eq!(changes(&app, a).await.len(), 2);
    analyst.get(&format!("/tenants/{a}/endpoint")).await.assert_success();
}
