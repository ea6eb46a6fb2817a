//! What the pages of Defender for Cloud Apps say where nothing is listed: "none" only where Microsoft said so, and how its alerts are read.

use crate::app::TestApp;
use axum::http::StatusCode;
use serde_json::{Value, json};
use watchfloor::model::{AlertId, LookupId, Product, Role, TenantId, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::lookups::{self, New};

const UNREADABLE: &str = "Microsoft’s answer could not be read, so nothing is known.";

/// Puts a question down with its answer; `None`: there is none yet.
async fn asked(app: &TestApp, tenant: TenantId, new: &New<'_>, answer: Option<Result<&str, &str>>) {
    let (lookup, by) = (LookupId::new(), By { actor: Actor::Operator, ip: None });
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    lookups::ask(&mut tx, &by, tenant, lookup, new, clock::now()).await.unwrap();
    if let Some(answer) = answer {
        lookups::answer(&mut tx, tenant, lookup, answer, clock::now()).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Open alerts of Cloud Apps whose ids are numbers of 24 digits, from the most severe down.
pub async fn alerts(app: &TestApp, tenant: TenantId, count: i32) -> Vec<AlertId> {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    let ids = sqlx::query_scalar(
        "insert into alerts (tenant_id, alert_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         select $1, gen_random_uuid(), 'cloud_apps', lpad(n::text, 24, '0'), 'Alert ' || n, case when n <= 100 then 4 else 2 end, 'x', 'new',
                'open', now(), now() from generate_series(1, $2) as n returning alert_id",
    )
    .bind(tenant)
    .bind(count)
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    ids
}

#[tokio::test]
async fn none_is_said_only_of_an_answer_that_says_so() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let viewer = app.sign_in(Role::Viewer).await;
    for (section, operation, none) in [
        ("/activities", "cloud_apps.activities.list", "No activity in this answer."),
        ("/entities", "cloud_apps.entities.list", "No account in this answer."),
        ("/files", "cloud_apps.files.list", "No file in this answer."),
        ("/ranges", "cloud_apps.subnets.list", "No range in this answer."),
        ("/discovery", "cloud_apps.discovery.reports", "No report in this answer."),
        ("", "cloud_apps.alerts.list_get", "Microsoft has none open."),
    ] {
        let empty = if section == "/discovery" { "[]" } else { r#"{"data": [], "hasNext": false, "total": 0}"# };
        for (answer, told) in [
            (None, "Not known yet."),
            (Some(Err("Microsoft had a fault.")), "Not known yet."),
            (Some(Ok("<html>")), UNREADABLE),
            (Some(Ok(r#"{"error": "none"}"#)), UNREADABLE),
            (Some(Ok(empty)), none),
        ] {
            asked(&app, tenant, &New { operation, ..New::default() }, answer).await;
            let page = viewer.get(&format!("/tenants/{tenant}/cloud-apps{section}")).await.assert_success();
            assert!(page.html.contains(told), "{section} {answer:?}: {}", page.html);
            assert_eq!(page.html.contains(none), told == none, "{section} {answer:?}: {}", page.html);
        }
    }
    asked(&app, tenant, &New { operation: "cloud_apps.subnets.list", ..New::default() }, Some(Ok(r#"{"data": [7]}"#))).await;
    let page = viewer.get(&format!("/tenants/{tenant}/cloud-apps/ranges")).await.assert_success();
    assert!(page.html.contains(UNREADABLE), "no range of it is one: {}", page.html);
}

#[tokio::test]
async fn categories_and_an_alerts_own_page_say_none_only_where_microsoft_did() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let alert = alerts(&app, tenant, 1).await[0];
    let viewer = app.sign_in(Role::Viewer).await;
    let reports = r#"[{"_id": "5f843e9cfe3f6d80fe58a962", "displayName": "Firewall"}]"#;
    asked(&app, tenant, &New { operation: "cloud_apps.discovery.reports", ..New::default() }, Some(Ok(reports))).await;
    let id = format!("{:0>24}", 1);
    let about: [(&str, Value, String, &str, &str); 2] = [
        (
            "cloud_apps.discovery.categories",
            json!({"streamId": "5f843e9cfe3f6d80fe58a962"}),
            format!("/tenants/{tenant}/cloud-apps/discovery?report=5f843e9cfe3f6d80fe58a962"),
            "[]",
            "None.",
        ),
        (
            "cloud_apps.activities.list",
            json!({"filters": {"activity.alertId": {"eq": [id]}}}),
            format!("/alerts/{alert}"),
            r#"{"data": []}"#,
            "It has none.",
        ),
    ];
    for (operation, request, path, empty, none) in about {
        for (answer, told) in [(None, "Not known yet."), (Some("{"), UNREADABLE), (Some(empty), none)] {
            let new = New { operation, request: Some(request.clone()), ..New::default() };
            asked(&app, tenant, &new, answer.map(Ok)).await;
            let page = viewer.get(&path).await.assert_success();
            assert!(page.html.contains(told), "{operation} {answer:?}: {}", page.html);
            assert_eq!(page.html.contains(&format!(">{none}<")), told == none, "{operation} {answer:?}: {}", page.html);
        }
    }
    asked(&app, tenant, &New { operation: "cloud_apps.alerts.get", args: &[&id], ..New::default() }, None).await;
    let page = viewer.get(&format!("/alerts/{alert}")).await.assert_success();
    assert!(page.html.contains("no answer yet") && !page.html.contains("The alert at Microsoft"), "{}", page.html);
}

#[tokio::test]
async fn a_tenant_whose_cloud_apps_are_not_read_says_so_above_its_alerts() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let viewer = app.sign_in(Role::Viewer).await;
    let path = format!("/tenants/{tenant}/cloud-apps");
    let unknown = "Whether there are open alerts is not known.";
    let page = viewer.get(&path).await.assert_success();
    assert!(page.html.contains("have not been read yet") && page.html.contains(unknown), "{}", page.html);
    for (state, word, reason) in
        [("no_licence", "No licence", "The directory has no licence."), ("failing", "Failing", "Microsoft has faults since 13:10.")]
    {
        app.reading(tenant, Product::CloudApps, state, Some(reason)).await;
        let page = viewer.get(&path).await.assert_success();
        assert!(page.texts(".chip").iter().any(|chip| chip.contains(word)), "{state}: {}", page.html);
        assert!(page.html.contains(reason) && page.html.contains(unknown), "{state}: {}", page.html);
    }
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query("update sync_state set state = 'ok', reason = null, complete_until = now()").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let page = viewer.get(&path).await.assert_success();
    assert!(
        page.html.contains("Alerts are complete to") && page.html.contains("No open alert of Defender for Cloud Apps"),
        "{}",
        page.html
    );
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query("update sync_state set enabled = false").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let page = viewer.get(&path).await.assert_success();
    assert!(page.html.contains("No app of Alder asks for Defender for Cloud Apps") && page.html.contains(unknown), "{}", page.html);
}

#[tokio::test]
async fn what_microsoft_has_open_is_compared_with_all_of_ours_and_the_page_says_how_much_of_it() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    alerts(&app, tenant, 150).await;
    let viewer = app.sign_in(Role::Viewer).await;
    let of = |numbers: std::ops::RangeInclusive<i32>| -> Vec<Value> {
        numbers.map(|n| json!({"_id": format!("{n:0>24}"), "title": format!("Alert {n}")})).collect()
    };
    let compare = async |numbers, more: bool, total: i32| {
        let answer = json!({"data": of(numbers), "hasNext": more, "total": total}).to_string();
        asked(&app, tenant, &New { operation: "cloud_apps.alerts.list_get", ..New::default() }, Some(Ok(&answer))).await;
        viewer.get(&format!("/tenants/{tenant}/cloud-apps")).await.assert_success().html
    };
    // Those that Microsoft lists first are not among the 100 most severe of ours.
    let page = compare(51..=150, true, 150).await;
    assert!(page.contains("150 open at Microsoft; the newest 100 compared; every one of them is open here too."), "{page}");
    assert!(page.contains("the 100 most severe; there may be more"), "{page}");
    let page = compare(150..=152, false, 3).await;
    assert!(page.contains("3 open at Microsoft, of which 2 are not open here:") && page.contains("Alert 152"), "{page}");
    let foreign = app.sign_in_for(Role::Viewer, &[app.tenant("Birch").await]).await;
    assert_eq!(foreign.get(&format!("/tenants/{tenant}/cloud-apps")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_category_that_microsoft_did_not_name_does_not_become_the_first_of_the_list() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let lead = app.sign_in(Role::Lead).await;
    for (category, label) in [(json!(null), "Microsoft did not say: choose"), (json!(9), "9")] {
        let range = json!({"_id": "5f843e9cfe3f6d80fe58a962", "name": "Depot", "category": category, "subnets": [{"originalString": "192.0.2.0/24"}]});
        let answer = json!({"data": [range]}).to_string();
        asked(&app, tenant, &New { operation: "cloud_apps.subnets.list", ..New::default() }, Some(Ok(&answer))).await;
        let page = lead.get(&format!("/tenants/{tenant}/cloud-apps/ranges/5f843e9cfe3f6d80fe58a962")).await.assert_success();
        assert_eq!(page.texts("select[name=category] option[selected]"), [label], "{}", page.html);
        let sent = page.attribute("select[name=category] option[selected]", "value").unwrap();
        let fields = [("change", uuid::Uuid::now_v7().to_string()), ("name", "Depot".to_owned()), ("category", sent)];
        let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, text)| (*name, text.as_str())).collect();
        fields.push(("subnets", "192.0.2.0/24"));
        let reply = lead.post_form(&format!("/tenants/{tenant}/cloud-apps/ranges/5f843e9cfe3f6d80fe58a962"), &fields).await;
        assert!(reply.status == StatusCode::UNPROCESSABLE_ENTITY && reply.html.contains("Choose a category."), "{}", reply.html);
    }
}
