//! Hunting's pages and calls: who starts, sees, cancels and takes away what.

use crate::api::Program;
use crate::app::{TestApp, Visitor};
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};
use watchfloor::model::{HuntId, HuntOutcome, Role, TenantId, clock};
use watchfloor::store::hunts::{self, Claimed, Column, Settled};

/// An active tenant with a directory.
pub async fn tenant(app: &TestApp, name: &str, group: &str) -> TenantId {
    let tenant = app.tenant(name).await;
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update tenants set directory_id = gen_random_uuid(), tenant_group = $2 where tenant_id = $1")
        .bind(tenant)
        .bind(group)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    tenant
}

/// Starts a hunt through the page.
pub async fn start(visitor: &Visitor, query: &str, tenants: &[TenantId]) -> HuntId {
    let tenants: Vec<String> = tenants.iter().map(ToString::to_string).collect();
    let mut fields = vec![("query", query), ("over", "some")];
    fields.extend(tenants.iter().map(|tenant| ("tenants", tenant.as_str())));
    let reply = visitor.post_form("/hunting", &fields).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.html);
    reply.headers[header::LOCATION].to_str().unwrap().rsplit('/').next().unwrap().parse::<uuid::Uuid>().map(HuntId).unwrap()
}

/// What a worker would note.
pub async fn settle(app: &TestApp, hunt: HuntId, tenant: TenantId, columns: &[&str], rows: &[Value]) {
    let texts: Vec<String> = rows.iter().map(Value::to_string).collect();
    let settled = Settled {
        outcome: HuntOutcome::Ok,
        operation: Some("xdr.hunting.run"),
        columns: columns.iter().map(|name| Column { name: (*name).to_owned(), r#type: "String".to_owned() }).collect(),
        rows: texts.iter().map(String::as_str).collect(),
        truncated: false,
        stats: None,
        reason: None,
    };
    finish(app, hunt, tenant, &settled).await;
}

async fn finish(app: &TestApp, hunt: HuntId, tenant: TenantId, settled: &Settled<'_>) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    assert!(matches!(hunts::claim(&mut tx, tenant, hunt, clock::now()).await.unwrap(), Claimed::Yes(_)));
    hunts::settle(&mut tx, tenant, hunt, settled, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
}

pub async fn count(app: &TestApp, sql: &str) -> i64 {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {sql}"))).fetch_one(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn a_hunt_runs_over_all_a_group_or_some_and_never_over_another_scopes_tenants() {
    let app = TestApp::start().await;
    let (alder, birch, cedar) =
        (tenant(&app, "Alder", "north").await, tenant(&app, "Birch", "south").await, tenant(&app, "Cedar", "north").await);
    let unread = app.tenant("Unread").await;
    let analyst = app.sign_in_for(Role::Analyst, &[alder, birch, unread]).await;
    let page = analyst.get("/hunting").await.assert_success();
    assert!(page.html.contains("All 2 that are read") && !page.html.contains("Cedar"), "{}", page.html);
    for (fields, expected) in [(vec![("over", "all")], 2), (vec![("over", "group"), ("group", "north")], 1)] {
        let fields: Vec<_> = fields.into_iter().chain([("query", "DeviceInfo"), ("timespan", "P7D"), ("api", "auto")]).collect();
        let reply = analyst.post_form("/hunting", &fields).await;
        let hunt = reply.headers[header::LOCATION].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
        assert_eq!(count(&app, &format!("hunt_tenants where hunt_id = '{hunt}'")).await, expected, "{fields:?}");
    }
    start(&analyst, "DeviceInfo", &[unread]).await;
    let before = count(&app, "hunts").await;
    for foreign in [cedar, TenantId::new()] {
        let reply = analyst
            .post_form(
                "/hunting",
                &[("query", "DeviceInfo"), ("over", "some"), ("tenants", &alder.to_string()), ("tenants", &foreign.to_string())],
            )
            .await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
    }
    for (fields, message) in [
        (vec![("query", "  "), ("over", "all")], "Write a query."),
        (vec![("query", "KEPT"), ("over", "some")], "Choose at least one tenant"),
        (vec![("query", "KEPT"), ("over", "group"), ("group", "west")], "Choose at least one tenant"),
        (vec![("query", "KEPT"), ("over", "all"), ("timespan", "last week")], "ISO 8601"),
    ] {
        let reply = analyst.post_form("/hunting", &fields).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(reply.html.contains(message), "{}", reply.html);
        assert_eq!(reply.texts("textarea[data-run]"), [fields[0].1.trim()], "what was written is not lost");
    }
    assert_eq!(count(&app, "hunts").await, before);
    assert_eq!(
        count(&app, "audit_log where action = 'hunt.started' and after ? 'query_sha256' and after ->> 'query' = 'DeviceInfo'").await,
        3
    );
    assert_eq!(count(&app, "jobs.jobs where task_identifier = 'hunt'").await, 4);
    let viewer = app.sign_in(Role::Viewer).await;
    assert!(!viewer.get("/").await.html.contains("/hunting"), "a viewer is not led there");
}

#[tokio::test]
async fn a_colleagues_hunt_is_seen_only_by_who_sees_every_tenant_of_it() {
    let app = TestApp::start().await;
    let (alder, birch) = (tenant(&app, "Alder", "").await, tenant(&app, "Birch", "").await);
    let owner = app.sign_in_for(Role::Analyst, &[alder, birch]).await;
    let hunt = start(&owner, "DeviceInfo | where DeviceName has \"CANARY-QUERY\"", &[alder, birch]).await;
    settle(&app, hunt, alder, &["A"], &[json!({"A": "CANARY-ALDER"})]).await;
    settle(&app, hunt, birch, &["A"], &[json!({"A": "CANARY-BIRCH"})]).await;
    let half = app.sign_in_for(Role::Lead, &[alder]).await;
    let whole = app.sign_in_for(Role::Analyst, &[alder, birch]).await;
    let admin = app.sign_in(Role::Admin).await;
    let unknown = HuntId::new();
    for path in ["", "/csv"] {
        assert_eq!(half.get(&format!("/hunting/{hunt}{path}")).await.status, StatusCode::NOT_FOUND);
        for visitor in [&owner, &whole, &admin] {
            let page = visitor.get(&format!("/hunting/{hunt}{path}")).await.assert_success();
            assert!(page.html.contains("CANARY-ALDER") && page.html.contains("CANARY-BIRCH"), "{}", page.html);
        }
    }
    for action in ["cancel", "again"] {
        for id in [hunt, unknown] {
            assert_eq!(half.post_form(&format!("/hunting/{id}/{action}"), &[]).await.status, StatusCode::NOT_FOUND, "{action}");
        }
    }
    assert_eq!(half.get(&format!("/hunting?from={hunt}")).await.status, StatusCode::NOT_FOUND);
    assert!(!half.get("/hunting").await.assert_success().html.contains("CANARY"));
    assert!(whole.get("/hunting").await.assert_success().html.contains("CANARY-QUERY"));
    let program = Program::of(&app, Role::Analyst, Some(&[alder])).await;
    assert_eq!(program.get(&format!("/hunts/{hunt}")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(program.call(Method::DELETE, &format!("/hunts/{hunt}"), None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(program.get("/hunts").await.1["data"], json!([]));
    assert_eq!(count(&app, "audit_log where action = 'hunt.exported'").await, 3);
}

#[tokio::test]
async fn who_loses_a_tenant_loses_what_it_answered_but_keeps_the_hunt() {
    let app = TestApp::start().await;
    let (alder, birch) = (tenant(&app, "Alder", "").await, tenant(&app, "Birch", "").await);
    let (login, user) = app.user(Role::Analyst, Some(&[alder, birch])).await;
    let owner = app.enter(&login).await;
    let hunt = start(&owner, "DeviceInfo", &[alder, birch]).await;
    settle(&app, hunt, alder, &["A"], &[json!({"A": "CANARY-ALDER"})]).await;
    settle(&app, hunt, birch, &["B"], &[json!({"B": "CANARY-BIRCH"})]).await;
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("delete from grants where user_id = $1 and tenant_id = $2").bind(user).bind(birch).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let page = owner.get(&format!("/hunting/{hunt}")).await.assert_success();
    assert!(page.html.contains("CANARY-ALDER") && page.html.contains("1 of its tenants are no longer yours to see"), "{}", page.html);
    let file = owner.get(&format!("/hunting/{hunt}/csv")).await.assert_success();
    for text in [&page.html, &file.html] {
        assert!(!text.contains("CANARY-BIRCH") && !text.contains("Birch"), "{text}");
    }
    let again = owner.post_form(&format!("/hunting/{hunt}/again"), &[]).await;
    let again = again.headers[header::LOCATION].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(count(&app, &format!("hunt_tenants where hunt_id = '{again}'")).await, 1, "run again over what is left");
}

#[tokio::test]
async fn rows_of_all_tenants_stand_in_one_table_of_pages_and_in_a_harmless_file() {
    let app = TestApp::start().await;
    let (alder, birch) = (tenant(&app, "=Alder", "").await, tenant(&app, "Birch", "").await);
    let analyst = app.sign_in(Role::Analyst).await;
    let hunt = start(&analyst, "DeviceInfo", &[alder, birch]).await;
    let page = analyst.get(&format!("/hunting/{hunt}")).await.assert_success();
    assert!(page.html.contains("data-reload") && page.html.contains("0 of 2 tenants ended"), "{}", page.html);
    let odd = json!({"Name": "=HYPERLINK(\"http://x\")", "N": -7.25, "Only": null, "More": {"a": [1]}});
    settle(&app, hunt, alder, &["Name", "N", "More"], &[odd]).await;
    let many: Vec<Value> = (0..1204).map(|n| json!({"Name": format!("row {n} <b>"), "Only": "@x"})).collect();
    settle(&app, hunt, birch, &["Name", "Only"], &many).await;

    let page = analyst.get(&format!("/hunting/{hunt}")).await.assert_success();
    assert_eq!(page.texts(".found thead th"), ["Tenant", "Name", "N", "More", "Only"], "the columns of both");
    assert_eq!(page.texts(".found tbody tr").len(), 200);
    assert_eq!(page.texts(".found tbody tr:first-child > *"), ["=Alder", "=HYPERLINK(\"http://x\")", "-7.25", "{\"a\":[1]}", ""]);
    assert!(page.html.contains("Rows 1 to 200 of 1,205") && page.html.contains("row 7 &#60;b&#62;") && !page.html.contains("data-reload"));
    let next = analyst.get(&format!("/hunting/{hunt}?page=7")).await.assert_success();
    assert_eq!(next.texts(".found tbody tr").len(), 5);
    assert!(next.texts(".found tbody tr:last-child").pop().unwrap().contains("row 1203"));
    analyst.get(&format!("/hunting/{hunt}?page=99")).await.assert_success();
    assert_eq!(analyst.get(&format!("/hunting/{hunt}?page=x")).await.status, StatusCode::BAD_REQUEST);

    let file = analyst.get(&format!("/hunting/{hunt}/csv")).await.assert_success();
    assert!(file.headers[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment; filename=\"hunt-"));
    let lines: Vec<&str> = file.html.split("\r\n").collect();
    assert_eq!(lines.len(), 1 + 1 + 1204 + 1, "a head, all rows, and the end");
    assert_eq!(lines[0], "\"Tenant\",\"Name\",\"N\",\"More\",\"Only\"");
    assert_eq!(lines[1], "\"'=Alder\",\"'=HYPERLINK(\"\"http://x\"\")\",\"-7.25\",\"{\"\"a\"\":[1]}\",\"\"");
    assert_eq!(lines[2], "\"Birch\",\"row 0 <b>\",\"\",\"\",\"'@x\"");
}

#[tokio::test]
async fn the_page_says_what_happened_in_each_tenant_and_what_to_do() {
    let app = TestApp::start().await;
    let (alder, birch) = (tenant(&app, "Alder", "").await, tenant(&app, "Birch", "").await);
    let analyst = app.sign_in(Role::Analyst).await;
    for outcome in HuntOutcome::ALL.iter().filter(|outcome| outcome.remedy().is_some()) {
        let hunt = start(&analyst, "DeviceInfo", &[alder]).await;
        finish(&app, hunt, alder, &Settled::without_rows(*outcome, None, "Microsoft says: <odd>\u{202e}")).await;
        let page = analyst.get(&format!("/hunting/{hunt}")).await.assert_success();
        assert!(page.texts("table.registry .chip").pop().unwrap().ends_with(outcome.label()), "{outcome}");
        assert!(page.html.contains("Microsoft says: &#60;odd&#62;⟨U+202E⟩"), "{}", page.html);
        assert_eq!(page.texts(".remedy"), [outcome.remedy().unwrap()], "{outcome}");
        assert!(page.html.contains("No tenant answered, so nothing is known."), "{outcome}");
    }
    let hunt = start(&analyst, "DeviceInfo", &[alder, birch]).await;
    settle(&app, hunt, alder, &["A"], &[]).await;
    analyst.post_form(&format!("/hunting/{hunt}/cancel"), &[]).await.assert_redirect(&format!("/hunting/{hunt}"));
    let page = analyst.get(&format!("/hunting/{hunt}")).await.assert_success();
    assert!(
        page.html.contains("Cancelled by") && page.html.contains("1 of 2 tenants answered, and nothing was found there."),
        "{}",
        page.html
    );
    assert_eq!(count(&app, "audit_log where action = 'hunt.cancelled'").await, 1);
    let edit = analyst.get(&format!("/hunting?from={hunt}")).await.assert_success();
    assert_eq!(edit.texts("textarea[data-run]"), ["DeviceInfo"]);
    assert!(edit.attribute(&format!("input[value=\"{birch}\"]"), "checked").is_some());
}

#[tokio::test]
async fn queries_are_kept_for_oneself_or_for_the_team() {
    let app = TestApp::start().await;
    let (ann, bob, lead) = (app.sign_in(Role::Analyst).await, app.sign_in(Role::Analyst).await, app.sign_in(Role::Lead).await);
    let list = ann.get("/hunting").await.assert_success();
    assert_eq!(list.texts(".list strong").len(), 5, "some come with Watchfloor");
    let keep = async |team: bool, name: &str| {
        let mut fields = vec![("name", name), ("description", "What it finds"), ("query", "DeviceInfo\r\n| take 5")];
        if team {
            fields.push(("team", "true"));
        }
        let reply = ann.post_form("/hunting/queries", &fields).await;
        reply.headers[header::LOCATION].to_str().unwrap().rsplit('=').next().unwrap().to_owned()
    };
    let (own, team) = (keep(false, "OWN").await, keep(true, "TEAM").await);
    let used = ann.get(&format!("/hunting?saved={own}")).await.assert_success();
    assert_eq!(used.texts("textarea[data-run]"), ["DeviceInfo | take 5"]);
    let seen = bob.get("/hunting").await.html;
    assert!(seen.contains("TEAM") && !seen.contains("OWN"));
    let change = [("name", "NEW"), ("query", "DeviceInfo"), ("team", "true")];
    for path in [format!("/hunting/queries/{own}"), format!("/hunting?saved={own}")] {
        assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(lead.post_form(&format!("/hunting/queries/{own}"), &change).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bob.post_form(&format!("/hunting/queries/{team}"), &change).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bob.post_form(&format!("/hunting/queries/{team}/delete"), &[]).await.status, StatusCode::FORBIDDEN);
    assert!(!bob.get(&format!("/hunting/queries/{team}")).await.assert_success().html.contains("Delete"));
    lead.post_form(&format!("/hunting/queries/{team}"), &change).await.assert_redirect("/hunting");
    ann.post_form(&format!("/hunting/queries/{own}/delete"), &[]).await.assert_redirect("/hunting");
    let seen = ann.get("/hunting").await.html;
    assert!(seen.contains("NEW") && !seen.contains("TEAM") && !seen.contains("OWN"));
    let program = Program::of(&app, Role::Analyst, None).await;
    assert_eq!(program.get("/saved-queries").await.1["data"].as_array().unwrap().len(), 6);
    for bad in [vec![("name", ""), ("query", "x")], vec![("name", "x"), ("query", " ")], vec![("name", "x")]] {
        assert_eq!(ann.post_form("/hunting/queries", &bad).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_program_hunts_reads_page_by_page_and_cancels() {
    let app = TestApp::start().await;
    let (alder, birch) = (tenant(&app, "Alder", "").await, tenant(&app, "Birch", "").await);
    let program = Program::of(&app, Role::Analyst, Some(&[alder, birch])).await;
    let viewer = Program::of(&app, Role::Viewer, None).await;
    let body = json!({"query": "DeviceInfo", "all": true, "timespan": "P7D"});
    assert_eq!(viewer.post("/hunts", body.clone()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(viewer.get("/hunts").await.0, StatusCode::FORBIDDEN);
    let (status, hunt) = program.post("/hunts", body).await;
    assert_eq!((status, &hunt["tenants"], &hunt["running"]), (StatusCode::ACCEPTED, &json!(2), &json!(true)), "{hunt}");
    let id = HuntId(hunt["id"].as_str().unwrap().parse().unwrap());
    settle(&app, id, alder, &["A"], &(0..5).map(|n| json!({"A": n})).collect::<Vec<_>>()).await;
    let (_, page) = program.get(&format!("/hunts/{id}?limit=3")).await;
    assert_eq!(page["data"][2], json!({"tenant": {"id": alder, "name": "Alder"}, "row": {"A": 2}}));
    let (_, page) = program.get(&format!("/hunts/{id}?limit=3&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!((page["data"].as_array().unwrap().len(), &page["next_cursor"]), (2, &Value::Null));
    let outcomes: Vec<&str> = page["outcomes"].as_array().unwrap().iter().map(|outcome| outcome["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["ok", "waiting"]);
    let (_, cancelled) = program.call(Method::DELETE, &format!("/hunts/{id}"), None).await;
    assert_eq!((&cancelled["stopped"], &cancelled["running"]), (&json!("cancelled"), &json!(false)));
    assert_eq!(program.get("/hunts").await.1["data"].as_array().unwrap().len(), 1);
    for (body, field) in [
        (json!({"query": "", "all": true}), "query"),
        (json!({"query": "x"}), "tenants"),
        (json!({"query": "x", "all": true, "tenants": [alder]}), "tenants"),
        (json!({"query": "x", "tenants": [TenantId::new()]}), "tenants"),
        (json!({"query": "x", "all": true, "api": "none"}), "api"),
        (json!({"query": "x", "all": true, "timespan": "7 days"}), "timespan"),
    ] {
        let (status, problem) = program.post("/hunts", body).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)));
    }
}
