//! Lists that are kept under a name, and lists as files.

use crate::app::{TestApp, Visitor};
use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::Row;
use watchfloor::model::{Role, TenantId};

/// Three incidents of a tenant: critical, high and medium, the last one resolved.
async fn incidents(app: &TestApp, tenant: TenantId, mark: &str) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, tags, created_at, updated_at)
         select $1, gen_random_uuid(), 'defender_xdr', $2 || n, $2 || n, 6 - n, 'x', case n when 3 then 'resolved' else 'new' end, 'x', array['a', 'b'],
                now() - n * interval '1 day', now()
         from generate_series(1, 3) as n",
    )
    .bind(tenant)
    .bind(mark)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

async fn events(app: &TestApp, action: &str) -> i64 {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("select count(*) from audit_log where action = $1").bind(action).fetch_one(&mut *tx).await.unwrap().get(0)
}

#[tokio::test]
async fn a_list_whose_rows_lie_scattered_has_its_number_asked_for_after_the_page_within_each_readers_tenants() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    for tenant in [alder, birch] {
        for mark in 0..30 {
            incidents(&app, tenant, &format!("{mark} of ")).await;
        }
    }
    let (analyst, narrow) = (app.sign_in(Role::Analyst).await, app.sign_in_for(Role::Analyst, &[alder]).await);
    let scattered =
        [("tag=a&status=all", "180"), ("tag=nowhere&not=tag", "120"), ("severity=high&not=severity", "60"), ("title=0+of+1", "2")];
    for (query, number) in scattered {
        let page = analyst.get(&format!("/incidents?{query}")).await.assert_success();
        let shown = if number == "2" { "2" } else { "50+" };
        assert_eq!(
            (page.texts("h1 .count"), page.texts(".pager [data-total]")),
            (vec![shown.to_owned()], vec![shown.to_owned()]),
            "{query}"
        );
        let asked = page.attribute("nav.views", "data-counts").unwrap();
        assert_eq!(asked == "/incidents/views", number == "2", "what is known is not asked for: {asked}");
        let counts = async |visitor: &Visitor| serde_json::from_str::<Value>(&visitor.get(&asked).await.assert_success().html).unwrap();
        let expected = if number == "2" { Value::Null } else { json!(number) };
        assert_eq!(counts(&analyst).await[""], expected, "{query}");
        let half = number.parse::<i64>().unwrap() / 2;
        assert_eq!(counts(&narrow).await[""], if number == "2" { Value::Null } else { json!(half.to_string()) }, "{query}");
    }
    assert_eq!(
        analyst.get("/incidents").await.assert_success().texts("h1 .count"),
        ["120"],
        "what an index holds together is counted at once"
    );
    assert_eq!(analyst.get("/incidents/views?severity=none-such").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_view_is_its_owners_or_the_teams_and_counts_what_each_reader_may_see() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    incidents(&app, alder, "of Alder ").await;
    incidents(&app, birch, "of Birch ").await;
    let (analyst, other, viewer) =
        (app.sign_in(Role::Analyst).await, app.sign_in_for(Role::Analyst, &[alder]).await, app.sign_in(Role::Viewer).await);
    let keep = |name: &'static str, team: bool| {
        let mut fields = vec![("list", "incidents"), ("name", name), ("query", "severity=critical&after=&size=100&sort=-tenant")];
        if team {
            fields.push(("team", "true"));
        }
        fields
    };
    let there = "/incidents?severity=critical&size=100&sort=-tenant";
    analyst.post_form("/views", &keep("Worst", false)).await.assert_redirect(there);
    assert_eq!(viewer.post_form("/views", &keep("For all", true)).await.status, StatusCode::FORBIDDEN);
    analyst.post_form("/views", &keep("For all", true)).await.assert_redirect(there);
    let shown = analyst.get(there).await.assert_success();
    assert_eq!(shown.texts(".views a[aria-current=page]"), ["Worst 2", "For all 2 team"]);
    assert_eq!(shown.texts("tbody th a"), ["of Birch 1", "of Alder 1"]);
    let narrow = other.get(there).await.assert_success();
    assert_eq!(narrow.texts(".views a[aria-current=page]"), ["For all 1 team"], "somebody else's own view is nobody's business");
    assert!(!narrow.html.contains("Birch"));
    let counts =
        async |visitor: &Visitor| serde_json::from_str::<Value>(&visitor.get("/incidents/views").await.assert_success().html).unwrap();
    for (visitor, open, worst) in [(&analyst, "4", "2"), (&other, "2", "1"), (&viewer, "4", "2")] {
        let counts = counts(visitor).await;
        assert_eq!((&counts["/incidents"], &counts[there]), (&json!(open), &json!(worst)), "{counts}");
    }

    let team = shown.attribute(".views form[action$=delete]", "action").unwrap();
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let rows = sqlx::query("select view_id::text, team from saved_views order by team").fetch_all(&mut *tx).await.unwrap();
    drop(tx);
    let paths: Vec<String> = rows.iter().map(|row| format!("/views/{}/delete", row.get::<String, _>(0))).collect();
    assert!(paths.contains(&team));
    for path in &paths {
        assert_eq!(other.post_form(path, &[]).await.status, StatusCode::NOT_FOUND, "neither own nor a lead's to throw away");
    }
    let lead = app.sign_in(Role::Lead).await;
    assert_eq!(lead.post_form(&paths[0], &[]).await.status, StatusCode::NOT_FOUND);
    lead.post_form(&paths[1], &[]).await.assert_redirect("/incidents");
    analyst.post_form(&paths[0], &[]).await.assert_redirect("/incidents");
    assert!(analyst.get(there).await.assert_success().texts(".views a[aria-current=page]").is_empty());
    assert_eq!((events(&app, "view.saved").await, events(&app, "view.deleted").await), (2, 2));
}

#[tokio::test]
async fn a_view_needs_a_name_a_list_and_filters_that_can_be_read_and_twenty_are_the_most() {
    let app = TestApp::start().await;
    let viewer = app.sign_in(Role::Viewer).await;
    let long = "x".repeat(61);
    for (list, name, query) in [
        ("incidents", " ", ""),
        ("incidents", long.as_str(), ""),
        ("devices", "A", ""),
        ("alerts", "A", "severity=worst"),
        ("alerts", "A", "after=x"),
    ] {
        let reply = viewer.post_form("/views", &[("list", list), ("name", name), ("query", query)]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{list} {name} {query}");
    }
    for n in 0..20 {
        let name = format!("View {n}");
        viewer.post_form("/views", &[("list", "alerts"), ("name", &name), ("query", "")]).await.assert_redirect("/alerts");
    }
    assert_eq!(
        viewer.post_form("/views", &[("list", "alerts"), ("name", "One more"), ("query", "")]).await.status,
        StatusCode::BAD_REQUEST
    );
    viewer
        .post_form("/views", &[("list", "alerts"), ("name", "View 7"), ("query", "severity=high")])
        .await
        .assert_redirect("/alerts?severity=high");
    viewer.post_form("/views", &[("list", "incidents"), ("name", "<b>"), ("query", "")]).await.assert_redirect("/incidents");
    assert!(viewer.get("/incidents").await.assert_success().html.contains("&#60;b&#62;"));
}

#[tokio::test]
async fn a_list_as_a_file_holds_what_its_filters_find_for_this_reader_in_its_order() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("=Alder").await, app.tenant("Birch").await);
    incidents(&app, alder, "of Alder \"").await;
    incidents(&app, birch, "of Birch ").await;
    let (all, narrow) = (app.sign_in(Role::Viewer).await, app.sign_in_for(Role::Viewer, &[alder]).await);
    let reply = all.get("/incidents/export.csv?sort=-tenant&status=all").await.assert_success();
    assert!(reply.headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"incidents-"));
    let lines: Vec<&str> = reply.html.lines().collect();
    assert!(lines.len() == 7 && lines[0].starts_with("\"tenant\",\"id\",\"product\"") && lines[1].starts_with("\"Birch\""), "{lines:#?}");
    assert!(lines[4].starts_with("\"'=Alder\"") && lines[4].contains("\"of Alder \"\"") && lines[4].contains("\"a, b\""), "{}", lines[4]);
    let reply = narrow.get("/incidents/export.json?q=of").await.assert_success();
    let rows: serde_json::Value = serde_json::from_str(&reply.html).unwrap();
    let titles: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["of Alder \"1", "of Alder \"2"], "open ones of its own tenant");
    let none = narrow.get(&format!("/incidents/export.json?tenant={birch}")).await.assert_success();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&none.html).unwrap(), serde_json::json!([]));
    assert_eq!(narrow.get("/alerts/export.csv").await.assert_success().html.lines().count(), 1);
    assert_eq!(narrow.get("/incidents/export.csv?severity=worst").await.status, StatusCode::BAD_REQUEST);
    assert_eq!((events(&app, "incident.exported").await, events(&app, "alert.exported").await), (3, 1));
}

#[tokio::test]
async fn a_long_list_is_written_piece_by_piece_without_losing_or_doubling_a_row() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into alerts (tenant_id, alert_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         select $1, gen_random_uuid(), 'cloud_apps', n::text, 'Alert', 3, 'x', 'new', 'x', now(), now() - n % 7 * interval '1 minute'
         from generate_series(1, 2500) as n",
    )
    .bind(tenant)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let viewer = app.sign_in(Role::Viewer).await;
    let reply = viewer.get("/alerts/export.json?sort=title").await.assert_success();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&reply.html).unwrap();
    let ids: std::collections::HashSet<&str> = rows.iter().map(|row| row["external_id"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), ids.len()), (2500, 2500));
}

#[tokio::test]
async fn columns_are_shown_and_hidden_by_the_address_and_heads_sort() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    incidents(&app, tenant, "Case ").await;
    let viewer = app.sign_in(Role::Viewer).await;
    let page = viewer.get("/incidents").await.assert_success();
    assert_eq!(page.texts("thead th:not(.pick-cell)").len(), 10);
    assert!(page.html.contains("href=\"/incidents?cols=status%2Cowner%2Calerts%2Centities%2Cproducts%2Ctags%2Cactivity%2Cage\""));
    let page = viewer.get("/incidents?cols=tags,opened&sort=tenant,-severity").await.assert_success();
    assert_eq!(page.texts("thead th:not(.pick-cell)"), ["Severity ↑2", "Tenant ↑", "Incident", "Tags", "Opened (UTC)"]);
    assert_eq!(page.texts("tbody th a"), ["Case 2", "Case 1"]);
    assert_eq!(page.attribute("thead th[aria-sort]", "aria-sort").as_deref(), Some("ascending"));
    assert_eq!(viewer.get("/incidents?cols=none").await.assert_success().texts("thead th:not(.pick-cell)").len(), 3);
    let page = viewer.get("/incidents?severity=critical&not=severity&created=8h").await.assert_success();
    assert!(page.html.contains("not ◆ Critical") && page.texts("tbody th a").is_empty(), "{}", page.html);
    let page = viewer.get("/incidents?severity=critical&not=severity&created=7d&status=all").await.assert_success();
    assert_eq!(page.texts("tbody th a"), ["Case 2", "Case 3"]);
}
