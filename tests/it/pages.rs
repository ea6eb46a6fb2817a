//! The reading pages: what they show, to whom, and how they say that there is nothing.

use crate::app::TestApp;
use crate::bulk::run;
use axum::http::StatusCode;
use std::collections::BTreeSet;
use watchfloor::model::{AlertId, IncidentId, Product, Role, TenantId};

/// One incident with one alert, every text of both marked, and their originals.
pub async fn case(app: &TestApp, tenant: TenantId, mark: &str) -> (IncidentId, AlertId) {
    let (incident, alert) = (IncidentId::new(), AlertId::new());
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, classification,
                                determination, assigned_to, tags, alert_count, entities, products, url, created_at, updated_at)
         values ($1, $2, 'defender_xdr', 'X' || $3, 'Title ' || $3, 4, $3, 'new', $3, $3, $3, 'owner-' || $3, array['tag-' || $3], 1,
                 array['user:' || lower($3), 'ip:192.0.2.1'], array[$3], 'https://security.microsoft.com/incidents/' || $3, now(), now())",
    )
    .bind(tenant)
    .bind(incident)
    .bind(mark)
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query(
        "insert into alerts (tenant_id, alert_id, product, external_id, incident_id, incident_external_id, title, severity, severity_raw, status,
                             status_raw, category, service_source, detection_source, assigned_to, device, account, mitre_techniques, entities,
                             created_at, updated_at)
         values ($1, $4, 'defender_xdr', 'X' || $3, $2, 'X' || $3, 'Alert ' || $3, 3, $3, 'new', $3, $3, $3, $3, $3, $3, $3, array[$3], array['user:' || lower($3)],
                 now(), now())",
    )
    .bind(tenant)
    .bind(incident)
    .bind(mark)
    .bind(alert)
    .execute(&mut *tx)
    .await
    .unwrap();
    let body =
        serde_json::json!({"description": mark, "entities": [{"entityType": "User", "userPrincipalName": mark}, {"entityType": mark}]});
    for (table, column, id) in [("incident_raw", "incident_id", incident.0), ("alert_raw", "alert_id", alert.0)] {
        let insert = format!(
            "insert into {table} (tenant_id, {column}, api, body, body_hash, updated_at) values ($1, $2, 'defender_xdr', $3::json, '', now())"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(insert)).bind(tenant).bind(id).bind(body.to_string());
        query.execute(&mut *tx).await.unwrap();
    }
    sqlx::query("insert into incident_events (tenant_id, event_id, incident_id, at, kind, before, after) values ($1, $2, $2, now(), 'owner', $3, $3)")
        .bind(tenant)
        .bind(incident)
        .bind(mark)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    (incident, alert)
}

#[tokio::test]
async fn nobody_sees_another_tenants_words_on_any_page_search_filter_or_count() {
    let app = TestApp::start().await;
    let (a, b) = (app.tenant("CANARY-ALDER").await, app.tenant("CANARY-BIRCH").await);
    for (tenant, mark) in [(a, "CANARY-ALDER"), (b, "CANARY-BIRCH")] {
        case(&app, tenant, mark).await;
        app.reading(tenant, Product::DefenderXdr, "failing", Some(mark)).await;
    }
    for (own, foreign, mine, theirs) in [(a, b, "ALDER", "CANARY-BIRCH"), (b, a, "BIRCH", "CANARY-ALDER")] {
        let analyst = app.sign_in_for(Role::Analyst, &[own]).await;
        let mut paths: Vec<String> = vec!["/".into(), "/account".into(), "/incidents/bulk".into()];
        for list in ["incidents", "alerts"] {
            for query in ["", "status=all", "sort=updated", "size=200", "severity=high", "product=defender_xdr", "owner=none"] {
                paths.push(format!("/{list}?{query}"));
            }
            for name in ["q", "owner", "tag", "category"] {
                paths.push(format!("/{list}?{name}={mine}"));
            }
            paths.push(format!("/{list}?tenant={own}&tenant={foreign}"));
            paths.push(format!("/{list}?q=192.0.2.1&status=all"));
        }
        let mut links = BTreeSet::new();
        for path in &paths {
            let page = analyst.get(path).await.assert_success();
            let page_links = page.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            links.extend(page_links.filter(|link| link.starts_with("/incidents/") || link.starts_with("/alerts/")).map(str::to_owned));
            assert!(!page.html.contains(theirs) && !page.html.contains(&theirs.to_lowercase()), "{path}");
        }
        for file in links.iter().filter(|link| link.contains("/export.")) {
            let rows = analyst.get(&file.replace("&amp;", "&")).await.assert_success().html;
            assert!(!rows.contains(theirs) && !rows.contains(&theirs.to_lowercase()), "{file}");
        }
        links.retain(|link| !link.contains("/export.") && link != "/incidents/bulk");
        assert_eq!(links.len(), 2, "{links:?}");
        for link in links {
            let page = analyst.get(&link).await.assert_success();
            assert!(page.html.contains(mine) && !page.html.contains(theirs), "{link}");
            assert!(!page.html.contains("elsewhere"), "a sighting in another tenant is told: {link}");
        }
        // Asking for the other's tenant, words and id finds nothing and counts nothing.
        for query in
            [format!("tenant={foreign}"), format!("q={theirs}&status=all"), format!("owner=owner-{theirs}"), format!("tag=tag-{theirs}")]
        {
            let page = analyst.get(&format!("/incidents?{query}")).await.assert_success();
            assert!(page.texts("table.queue tbody tr").is_empty(), "{query}");
        }
        assert_eq!(analyst.get("/").await.texts(".tile .value")[0], "1");
    }
    let lead = app.sign_in(Role::Lead).await;
    assert_eq!(lead.get("/incidents").await.assert_success().texts("table.queue tbody tr").len(), 2);
    let page = lead.get("/incidents?q=CANARY-ALDER").await.assert_success();
    assert_eq!(page.texts("table.queue tbody th a"), ["Title CANARY-ALDER"]);
}

#[tokio::test]
async fn hostile_text_is_shown_as_text() {
    let app = TestApp::start().await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}gpj.exe";
    let tenant = app.tenant("<b>Evil</b> & Sons").await;
    let (incident, alert) = case(&app, tenant, evil).await;
    app.reading(tenant, Product::DefenderXdr, "failing", Some(evil)).await;
    let viewer = app.sign_in(Role::Viewer).await;
    for path in [
        "/".to_owned(),
        "/incidents".to_owned(),
        "/alerts".to_owned(),
        format!("/incidents/{incident}"),
        format!("/alerts/{alert}"),
        "/incidents?q=%3Cscript%3E%22%27%3E".to_owned(),
    ] {
        let page = viewer.get(&path).await.assert_success();
        assert!(!page.html.contains("<script>alert") && !page.html.contains("<img") && !page.html.contains("<b>Evil"), "{path}");
        assert!(!page.html.contains('\u{202e}'), "{path}: text may be turned around");
        assert_eq!(page.texts("script").concat(), "", "{path}");
    }
    let page = viewer.get(&format!("/incidents/{incident}")).await;
    assert!(
        page.texts("h1")[0].contains("<script>alert(1)</script>\"'><img src=x onerror=alert(1)>⟨U+202E⟩gpj.exe"),
        "{:?}",
        page.texts("h1")
    );
}

#[tokio::test]
async fn an_empty_list_says_why_it_is_empty() {
    let app = TestApp::start().await;
    let lead = app.sign_in(Role::Lead).await;
    let title = async |path: &str| lead.get(path).await.assert_success().texts(".empty h2").pop();
    assert_eq!(title("/incidents").await.as_deref(), Some("No tenant yet"));
    let tenant = app.tenant("Alder").await;
    assert_eq!(title("/incidents").await.as_deref(), Some("Not read yet"));
    for (state, reason, expected) in [
        ("waiting", None, "Not read yet"),
        ("no_permission", Some("Incident.Read.All is missing"), "No permission"),
        ("no_licence", Some("The directory has no Defender"), "No licence"),
        ("failing", Some("Microsoft answers 503"), "Reading fails since"),
        ("ok", None, "No open incidents"),
    ] {
        sqlx_reset(&app, tenant).await;
        app.reading(tenant, Product::DefenderXdr, state, reason).await;
        let page = lead.get("/incidents").await.assert_success();
        let shown = page.texts(".empty h2").pop().unwrap();
        assert!(shown.starts_with(expected), "{state}: {shown}");
        if let Some(reason) = reason {
            assert!(page.texts(".empty li")[0].contains(reason), "{state}");
        }
    }
    case(&app, tenant, "ONE").await;
    assert_eq!(title("/incidents?severity=low").await.as_deref(), Some("The filter hides 1 open one"));
    assert_eq!(title("/incidents").await, None);
    let second = app.tenant("Birch").await;
    app.reading(second, Product::DefenderXdr, "consent_lost", Some("The app was removed")).await;
    let page = lead.get("/incidents").await.assert_success();
    assert!(page.texts(".coverage")[0].contains("for 1 of 2 tenants; 1 not read"), "{:?}", page.texts(".coverage"));
}

#[tokio::test]
async fn a_paused_tenant_is_called_paused_and_no_reading_of_it_late() {
    let app = TestApp::start().await;
    let admin = app.sign_in(Role::Admin).await;
    let tenant = app.tenant("Alder").await;
    app.reading(tenant, Product::DefenderXdr, "ok", None).await;
    let gap = async || admin.get("/").await.assert_success().texts("[aria-labelledby=coverage] li").join(" ");
    let late = async || admin.get("/admin/health").await.assert_success().texts("td.title").contains(&"Alder".to_owned());
    run(&app, tenant, "update sync_state set complete_until = now() - interval '1 day'").await;
    assert!(gap().await.contains("Check that a worker runs") && late().await, "{}", gap().await);
    run(&app, tenant, "update tenants set state = 'paused'").await;
    assert!(gap().await.contains("Paused") && !gap().await.contains("worker") && !late().await, "{}", gap().await);
    assert_eq!(admin.get("/incidents").await.assert_success().texts(".empty h2"), ["Paused"]);
    for path in ["/tenants".to_owned(), format!("/tenants/{tenant}")] {
        let page = admin.get(&path).await.assert_success();
        assert!(!page.html.contains("Up to date") && page.html.contains("Paused"), "{path}");
    }
    run(&app, tenant, "update tenants set state = 'offboarded', purge_after = '2026-12-27'").await;
    let page = admin.get(&format!("/tenants/{tenant}")).await.assert_success();
    assert!(page.html.contains("is deleted on 27 December 2026") && !page.html.contains("is not read yet"), "{}", page.html);
}

async fn sqlx_reset(app: &TestApp, tenant: TenantId) {
    use sqlx::ConnectOptions;
    let mut owner = app.db.owner.connect().await.unwrap();
    sqlx::query("set app.all_tenants = 'on'").execute(&mut owner).await.unwrap();
    sqlx::query("delete from sync_state where tenant_id = $1").bind(tenant).execute(&mut owner).await.unwrap();
}

#[tokio::test]
async fn pages_follow_one_another_without_loss_while_rows_arrive() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    for n in 0..120 {
        case(&app, tenant, &format!("N{n:03}")).await;
    }
    let analyst = app.sign_in_for(Role::Analyst, &[tenant]).await;
    let mut next = Some("/incidents".to_owned());
    let mut seen = Vec::new();
    while let Some(path) = next {
        let page = analyst.get(&path).await.assert_success();
        seen.extend(page.texts("table.queue tbody th a"));
        next = page.attribute("a[rel=next]", "href");
        case(&app, tenant, &format!("LATE{}", seen.len())).await; // sorts before what has been read
    }
    let distinct: BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (120, 120));
    for bad in ["after=x", "after=high.1.2", "severity=terrible", "tenant=1", "sort=worst", "status=closed", "q=a%00b"] {
        assert_eq!(analyst.get(&format!("/incidents?{bad}")).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn theme_and_density_are_kept_and_lead_back_to_the_page() {
    let app = TestApp::start().await;
    let viewer = app.sign_in(Role::Viewer).await;
    let look = async || {
        let page = viewer.get("/incidents").await.assert_success();
        (page.attribute("html", "data-theme").unwrap(), page.attribute("html", "data-density").unwrap())
    };
    assert_eq!(look().await, ("system".to_owned(), "comfortable".to_owned()));
    let fields = [("theme", "dark"), ("back", "/incidents?severity=high")];
    viewer.post_form("/account/appearance", &fields).await.assert_redirect("/incidents?severity=high");
    viewer.post_form("/account/appearance", &[("density", "compact"), ("back", "https://evil.example/")]).await.assert_redirect("/");
    assert_eq!(look().await, ("dark".to_owned(), "compact".to_owned()));
    assert_eq!(viewer.post_form("/account/appearance", &[("role", "admin")]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn applying_another_filter_keeps_each_tag_and_entity_that_an_address_asks_for() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let viewer = app.sign_in_for(Role::Viewer, &[tenant]).await;
    let page = viewer.get("/incidents?tag=a&tag=b%20c&entity=user:x&entity=ip:y&entity=ip:z&not=tag").await.assert_success();
    for (name, first, others) in [("tag", "a", vec!["b c"]), ("entity", "user:x", vec!["ip:y", "ip:z"])] {
        assert_eq!(page.attribute(&format!("form.filters [type=text][name={name}]"), "value").unwrap(), first);
        let further = page.texts(&format!("form.filters label:has([type=checkbox][name={name}][checked])"));
        assert_eq!(further, others.iter().map(|value| format!("or {value}")).collect::<Vec<_>>());
    }
    let page = viewer.get(&format!("/alerts?tenant={tenant}")).await.assert_success();
    assert_eq!(page.texts("title"), ["Alerts · Alder · Watchfloor"]);
}
