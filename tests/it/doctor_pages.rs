//! The consent doctor and the budgets as people and programs see them, each within their scope.

use crate::api::Program;
use crate::app::TestApp;
use axum::http::{Method, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::types::Json;
use watchfloor::model::{PermissionState, Product, Role, TenantId, Verdict, clock};
use watchfloor::store::claims::{self, Claims, Problem};
use watchfloor::store::permissions::{self, Permission};
use watchfloor::store::{drifts, usage};

const ENDPOINT: Product = Product::DefenderEndpoint;

/// A tenant one of whose permissions worked and was taken away.
async fn sick(app: &TestApp, name: &str) -> TenantId {
    let (tenant, now) = (app.tenant(name).await, clock::now());
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    let good = Permission {
        granted: Some(true),
        licensed: Some(true),
        working: Some(true),
        state: PermissionState::Granted,
        checked_at: Some(now),
        since: Some(now),
        answer: Some("HTTP 200".to_owned()),
        proof: Some("xdr.incidents.list".to_owned()),
        ..Permission::asked("defender", Product::DefenderXdr, "Incident.Read.All")
    };
    let untried = Permission {
        working: None,
        reason: Some("Granted, not tried: it would act.".to_owned()),
        ..Permission { product: ENDPOINT, permission: "Machine.Isolate".to_owned(), proof: None, answer: None, ..good.clone() }
    };
    let gone = Permission {
        granted: Some(false),
        state: PermissionState::Revoked,
        reason: Some(format!("It was granted once at {name} and is no longer.")),
        checked_at: Some(now),
        since: Some(now - TimeDelta::hours(3)),
        remedy: Some("Send the customer a new consent link.".to_owned()),
        remedy_customer: Some("Please open the link and consent again.".to_owned()),
        ..Permission::asked("defender", ENDPOINT, "Alert.Read.All")
    };
    for row in [&good, &untried, &gone] {
        permissions::record(&mut tx, tenant, row).await.unwrap();
    }
    drifts::note(&mut tx, tenant, Some(Verdict::Works), &gone, now).await.unwrap();
    let problems = vec![Problem { claim: Some("roles".to_owned()), why: "Asked for and not among them: Alert.Read.All.".to_owned() }];
    let row = Claims {
        app: "defender".to_owned(),
        product: ENDPOINT,
        claims: Some(json!({"tid": name, "aud": "https://api.securitycenter.microsoft.com", "exp": 1_767_225_600})),
        problems: Json(problems),
        error: None,
        answer: None,
        fetched_at: now,
    };
    claims::record(&mut tx, tenant, &row).await.unwrap();
    tx.commit().await.unwrap();
    tenant
}

async fn used(app: &TestApp, tenant: TenantId, calls: u32, at: DateTime<Utc>) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    usage::add(&mut tx, tenant, &[usage::Added { budget: "xdr incidents list", calls, throttled: 2 }], at).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn the_doctors_page_says_what_is_wrong_and_what_to_do_and_nothing_of_another_tenant() {
    let app = TestApp::start().await;
    let (ours, theirs) = (sick(&app, "Contoso").await, sick(&app, "Fabrikam").await);
    let analyst = app.sign_in_for(Role::Analyst, &[ours]).await;
    assert_eq!(analyst.get(&format!("/tenants/{theirs}/consent")).await.status, StatusCode::NOT_FOUND);
    let page = analyst.get(&format!("/tenants/{ours}/consent")).await.assert_success();
    assert!(!page.html.contains("Fabrikam") && !page.html.contains(&theirs.to_string()));
    let rows = page.texts("table.permissions tbody tr");
    assert_eq!(rows.len(), 3);
    let of = |name: &str| rows.iter().find(|row| row.contains(name)).unwrap().clone();
    assert!(
        of("Incident.Read.All").contains("Works")
            && ["HTTP 200", "xdr.incidents.list"].iter().all(|text| of("Incident.Read.All").contains(text))
    );
    assert!(of("Machine.Isolate").contains("it would act") && of("Machine.Isolate").contains("Not tried"));
    assert!(of("Alert.Read.All").contains("Revoked") && of("Alert.Read.All").contains("3 h ago"), "{}", of("Alert.Read.All"));
    assert!(of("Alert.Read.All").contains("For the customer: Please open the link"));
    assert_eq!(page.texts("table.permissions .chip.bad").len(), 2, "the verdict and the cell \u{201c}granted\u{201d}, of one row");
    // The token's claims, with what is wrong marked; a claim that is missing is a line of its own.
    let claims = page.texts("details.claims .facts > div");
    assert!(claims.iter().any(|line| line.starts_with("tidContoso")), "{claims:?}");
    assert!(claims.iter().any(|line| line.starts_with("exp1767225600 (2026-01-01 00:00:00 UTC)")), "{claims:?}");
    assert!(claims.iter().any(|line| line.starts_with("rolesnot there") && line.contains("Asked for and not among them")), "{claims:?}");
    let viewer = app.sign_in_for(Role::Viewer, &[ours]).await;
    let plain = viewer.get(&format!("/tenants/{ours}/consent")).await.assert_success();
    assert!(plain.texts("details.claims").is_empty(), "claims are for those who work on it");
    let admin = app.sign_in(Role::Admin).await;
    let summary = admin.get("/admin/apps").await.assert_success();
    let line = summary.texts("table.tallies tbody tr").into_iter().find(|row| row.contains("Alert.Read.All")).unwrap();
    assert_eq!(line, "Alert.Read.AllDefender for Endpoint2000200");
}

#[tokio::test]
async fn a_change_is_a_banner_until_somebody_of_that_tenant_notes_it() {
    let app = TestApp::start().await;
    let (ours, theirs) = (sick(&app, "Contoso").await, sick(&app, "Fabrikam").await);
    let (ann, bob) = (app.sign_in_for(Role::Analyst, &[ours]).await, app.sign_in_for(Role::Analyst, &[theirs]).await);
    let viewer = app.sign_in_for(Role::Viewer, &[ours]).await;
    let overview = ann.get("/").await.assert_success();
    assert_eq!(overview.texts("#drifts li").len(), 1);
    assert!(overview.texts("#drifts li")[0].starts_with("Contoso: Alert.Read.All"));
    let page = ann.get(&format!("/tenants/{ours}")).await.assert_success();
    assert!(page.texts("section.notice.bad")[0].contains("Alert.Read.All of Defender for Endpoint: works before, now revoked"));
    assert!(page.texts("#permissions")[0].contains("Send the customer a new consent link."));
    let up_to = page.attribute("input[name=up_to]", "value").unwrap();
    let path = format!("/tenants/{ours}/consent/acknowledge");
    let form = [("up_to", up_to.as_str())];
    assert_eq!(viewer.post_form(&path, &form).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bob.post_form(&path, &form).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ann.post_form(&path, &[("up_to", "banana")]).await.status, StatusCode::BAD_REQUEST);
    ann.post_form(&path, &[("up_to", "1000000")]).await.assert_redirect(&format!("/tenants/{ours}/consent"));
    assert_eq!(ann.get("/").await.texts("#drifts li").len(), 1, "what came after the form was made has not been seen");
    ann.post_form(&path, &form).await.assert_redirect(&format!("/tenants/{ours}/consent"));
    assert!(ann.get("/").await.texts("#drifts li").is_empty());
    assert!(ann.get(&format!("/tenants/{ours}")).await.texts("section.notice.bad").is_empty());
    assert_eq!(bob.get("/").await.texts("#drifts li").len(), 1);
    let noted: i64 = sqlx::query_scalar("select count(*) from audit_log where action = 'consent.change_acknowledged'")
        .fetch_one(&mut *app.db.web.all_tenants().await.unwrap())
        .await
        .unwrap();
    assert_eq!(noted, 1);
}

#[tokio::test]
async fn what_was_used_of_microsofts_limits_stands_on_the_page_and_in_the_api_within_the_scope() {
    let app = TestApp::start().await;
    let (ours, theirs) = (app.tenant("Contoso").await, app.tenant("Fabrikam").await);
    let now = clock::now();
    used(&app, ours, 30, now).await;
    used(&app, theirs, 7, now).await;
    let viewer = app.sign_in_for(Role::Viewer, &[ours]).await;
    let page = viewer.get(&format!("/tenants/{ours}")).await.assert_success();
    assert_eq!(page.texts("#calls tbody tr > *"), ["xdr incidents list", "30 of 1500", "30 of 50", "2"]);
    assert_eq!(page.attribute("#calls progress", "max").as_deref(), Some("1500"));
    assert_eq!(page.attribute("#calls progress", "value").as_deref(), Some("30"));
    assert_eq!(viewer.get(&format!("/tenants/{theirs}")).await.status, StatusCode::NOT_FOUND);
    let program = Program::of(&app, Role::Viewer, Some(&[ours])).await;
    assert_eq!(program.get(&format!("/tenants/{theirs}/usage")).await.0, StatusCode::NOT_FOUND);
    let (status, answer) = program.get(&format!("/tenants/{ours}/usage")).await;
    assert_eq!(status, StatusCode::OK);
    let list = answer["data"].as_array().unwrap();
    assert!(list.len() > 15, "every limit is listed: {}", list.len());
    let used = list.iter().find(|limit| limit["limit"] == "xdr incidents list").unwrap();
    let expected = json!({"product": "defender_xdr", "limit": "xdr incidents list", "per_minute": 50, "per_hour": 1500, "last_hour": 30,
        "busiest_minute": 30, "throttled": 2, "last_24_hours": 30});
    assert_eq!(*used, expected);
    assert!(list.iter().filter(|limit| limit["limit"] != "xdr incidents list").all(|limit| limit["last_24_hours"] == 0));
}

#[tokio::test]
async fn the_api_tells_the_verdict_and_the_remedy_and_takes_a_region_and_a_portal() {
    let app = TestApp::start().await;
    let tenant = sick(&app, "Contoso").await;
    let lead = Program::of(&app, Role::Lead, None).await;
    let (_, answer) = lead.get(&format!("/tenants/{tenant}/permissions")).await;
    let rows = answer["data"].as_array().unwrap();
    let gone = rows.iter().find(|row| row["permission"] == "Alert.Read.All").unwrap();
    assert_eq!((&gone["verdict"], &gone["state"], &gone["granted"]), (&json!("revoked"), &json!("revoked"), &json!(false)));
    assert!(gone["remedy"].is_string() && gone["remedy_customer"].is_string() && gone["since"].is_string());
    assert_eq!(rows.iter().find(|row| row["permission"] == "Machine.Isolate").unwrap()["verdict"], "untried");

    let new = json!({"name": "Fabrikam", "endpoint_region": "eu", "cloud_apps_host": "fabrikam.us.portal.cloudappsecurity.com"});
    let (status, made) = lead.post("/tenants", new).await;
    assert_eq!((status, &made["endpoint_region"]), (StatusCode::CREATED, &json!("eu")), "{made}");
    let path = format!("/tenants/{}", made["id"].as_str().unwrap());
    for (change, field) in
        [(json!({"endpoint_region": "moon"}), "endpoint_region"), (json!({"cloud_apps_host": "evil.com"}), "cloud_apps_host")]
    {
        let (status, problem) = lead.call(Method::PATCH, &path, Some(change)).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{problem}");
    }
    let (_, same) = lead.call(Method::PATCH, &path, Some(json!({"notes": "x"}))).await;
    assert_eq!((&same["endpoint_region"], &same["cloud_apps_host"]), (&json!("eu"), &json!("fabrikam.us.portal.cloudappsecurity.com")));
    let (_, auto) = lead.call(Method::PATCH, &path, Some(json!({"endpoint_region": "auto", "cloud_apps_host": ""}))).await;
    assert_eq!((&auto["endpoint_auto"], &auto["cloud_apps_host"]), (&json!(true), &json!(null)));
    let (_, general) = lead.call(Method::PATCH, &path, Some(json!({"endpoint_region": ""}))).await;
    assert_eq!((&general["endpoint_auto"], &general["endpoint_region"]), (&json!(false), &json!(null)));
}
