//! Devices, batches of alerts and alerts from events through the API: each is one change, for those who may, in their own tenants.

use crate::api::Program;
use crate::app::TestApp;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use watchfloor::model::{Role, TenantId};

/// A device and an alert of Endpoint's, both with the tenant's own id.
async fn records(app: &TestApp, tenant: TenantId) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    for sql in [
        "insert into devices (tenant_id, device_id, external_id, name, body, synced_at) values ($1, $1, 'abc', 'A device', '{}', now())",
        "insert into alerts (tenant_id, alert_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         values ($1, $1, 'defender_endpoint', 'da1', 'Title', 4, 'High', 'new', 'New', now(), now())",
    ] {
        sqlx::query(sql).bind(tenant).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn devices_and_alerts_are_changed_through_the_api_by_analysts_in_their_own_tenants() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Alder").await, app.tenant("Birch").await);
    records(&app, own).await;
    records(&app, foreign).await;
    let (viewer, analyst) = (Program::of(&app, Role::Viewer, None).await, Program::of(&app, Role::Analyst, Some(&[own])).await);
    let event = json!({
        "machine": "abc", "event_time": "2026-01-01T00:00:00Z", "report_id": "7", "title": "Seen", "severity": "Low", "category": "Malware",
        "description": "Found by a hunt", "recommended_action": "Look",
    });
    let wishes: [(Method, String, Value, &str); 5] = [
        (Method::PATCH, format!("/devices/{own}"), json!({"add_tag": "vip"}), "endpoint.machines.tags"),
        (Method::PATCH, format!("/devices/{own}"), json!({"remove_tag": "vip"}), "endpoint.machines.tags"),
        (Method::PATCH, format!("/devices/{own}"), json!({"value": "High"}), "endpoint.machines.update"),
        (
            Method::POST,
            format!("/tenants/{own}/alerts/batch"),
            json!({"alerts": [own], "change": {"status": "InProgress"}}),
            "endpoint.alerts.batch",
        ),
        (Method::POST, format!("/tenants/{own}/alerts"), event, "endpoint.alerts.create"),
    ];
    for (method, path, body, operation) in &wishes {
        assert_eq!(viewer.call(method.clone(), path, Some(body.clone())).await.0, StatusCode::FORBIDDEN, "{path}");
        let (status, change) = analyst.call(method.clone(), path, Some(body.clone())).await;
        assert_eq!((status, change["operation"].as_str()), (StatusCode::ACCEPTED, Some(*operation)), "{change}");
        let there = path.replace(&own.to_string(), &foreign.to_string());
        assert_eq!(analyst.call(method.clone(), &there, Some(body.clone())).await.0, StatusCode::NOT_FOUND, "{there}");
    }
    let mixed = json!({"alerts": [own, foreign], "change": {"status": "InProgress"}});
    let (status, _) = analyst.call(Method::POST, &format!("/tenants/{own}/alerts/batch"), Some(mixed)).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "an alert of another tenant spoils the whole batch");
    for bad in [json!({}), json!({"add_tag": "a", "value": "High"}), json!({"add_tag": " "})] {
        let (status, _) = analyst.call(Method::PATCH, &format!("/devices/{own}"), Some(bad.clone())).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let mut tx = app.db.web.all_tenants().await.unwrap();
    let written: Vec<(TenantId, i64)> =
        sqlx::query_as("select tenant_id, count(*) from changes group by tenant_id").fetch_all(&mut *tx).await.unwrap();
    assert_eq!(written, [(own, 5)], "one change each, and none for what was refused");
}
