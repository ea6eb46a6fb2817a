//! A list that leaves something out says so.

use crate::app::TestApp;
use serde_json::{Value, json};
use watchfloor::model::{LookupId, Role, TenantId, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::lookups::{self, New};

async fn answered(app: &TestApp, tenant: TenantId, operation: &str, args: &[&str], records: Vec<Value>) {
    told(app, tenant, operation, args, &json!({ "value": records }).to_string()).await;
}

async fn told(app: &TestApp, tenant: TenantId, operation: &str, args: &[&str], answer: &str) {
    let (lookup, by) = (LookupId::new(), By { actor: Actor::Operator, ip: None });
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    lookups::ask(&mut tx, &by, tenant, lookup, &New { operation, args, ..New::default() }, clock::now()).await.unwrap();
    lookups::answer(&mut tx, tenant, lookup, Ok(answer), clock::now()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn investigations_and_indicators_beyond_the_limit_are_told() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let viewer = app.sign_in(Role::Viewer).await;
    for (list, operation) in [("investigations", "endpoint.investigations.list"), ("indicators", "endpoint.indicators.list")] {
        for (records, told) in [(199, None), (200, Some("The first 200; there may be more.")), (230, Some("The first 200 of 230."))] {
            answered(&app, tenant, operation, &[], vec![json!({"id": "1", "title": "A"}); records]).await;
            let page = viewer.get(&format!("/tenants/{tenant}/endpoint")).await.assert_success();
            assert_eq!(page.texts(&format!("#{list} .pager")).first().map(String::as_str), told, "{operation}");
            assert_eq!(page.texts(&format!("#{list} tbody tr")).len(), records.min(200), "{operation}");
        }
    }
}

#[tokio::test]
async fn a_devices_answers_beyond_the_limit_are_told() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into devices (tenant_id, device_id, external_id, name, body, synced_at) values ($1, $1, 'abc', 'A device', '{}', now())",
    )
    .bind(tenant)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let viewer = app.sign_in(Role::Viewer).await;
    for (list, operation) in
        [("users", "endpoint.machines.users"), ("alerts", "endpoint.machines.alerts"), ("actions", "endpoint.actions.list")]
    {
        for (records, told) in [(49, None), (50, Some("The first 50; there may be more.")), (61, Some("The first 50 of 61."))] {
            answered(&app, tenant, operation, &["abc"], vec![json!({"id": "x", "title": "x", "type": "x"}); records]).await;
            let page = viewer.get(&format!("/devices/{tenant}")).await.assert_success();
            let lines = page.texts(&format!("#ask-{list} p.quiet"));
            assert_eq!(lines.iter().find(|line| line.starts_with("The first")).map(String::as_str), told, "{operation}");
            assert_eq!(page.texts(&format!("#ask-{list} li")).len(), records.min(50), "{operation}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_said_to_be_unreadable_and_not_to_be_none() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let viewer = app.sign_in(Role::Viewer).await;
    let path = format!("/tenants/{tenant}/endpoint");
    assert!(viewer.get(&path).await.assert_success().texts("#indicators .empty")[0].contains("Nothing has been asked yet"));
    answered(&app, tenant, "endpoint.indicators.list", &[], Vec::new()).await;
    assert!(viewer.get(&path).await.assert_success().texts("#indicators .empty")[0].contains("Microsoft lists none"));
    told(&app, tenant, "endpoint.indicators.list", &[], "{\"value\": 7}").await;
    let shown = viewer.get(&path).await.assert_success().texts("#indicators .empty");
    assert!(shown[0].contains("could not be read") && !shown[0].contains("none"), "{shown:?}");
}
