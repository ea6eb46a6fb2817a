//! Everything that a filter finds, changed from its list: who may, what is found, what stands in the way, and who sees the job.

use crate::acting_pages::changes;
use crate::app::{Reply, TestApp, Visitor};
use axum::http::StatusCode;
use uuid::Uuid;
use watchfloor::model::{Role, TenantId};

/// Keeps what a list finds: the path of the page that says so.
pub async fn frozen(visitor: &Visitor, query: &str) -> String {
    let reply = visitor.post_form("/incidents/bulk", &[("query", query)]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.html);
    reply.headers["location"].to_str().unwrap().to_owned()
}

/// Sends the form of such a page.
pub async fn sent(visitor: &Visitor, path: &str, rest: &[(&str, &str)]) -> Reply {
    let id = Uuid::now_v7().to_string();
    let fields: Vec<_> = [("change", id.as_str())].into_iter().chain(rest.iter().copied()).collect();
    visitor.post_form(path, &fields).await
}

pub async fn run(app: &TestApp, tenant: TenantId, sql: &'static str) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(sql).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// How many rows of audit there are of an action.
pub async fn audited(app: &TestApp, action: &str) -> i64 {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query_scalar("select count(*) from audit_log where action = $1").bind(action).fetch_one(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn a_viewer_may_not_and_what_is_not_ones_own_is_neither_found_nor_counted() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    for (tenant, mark) in [(own, "one"), (own, "merged"), (foreign, "three")] {
        crate::pages::case(&app, tenant, mark).await;
    }
    run(&app, own, "update incidents set status = 'redirected' where external_id = 'Xmerged'").await;
    let (analyst, viewer) = (app.sign_in_for(Role::Analyst, &[own]).await, app.sign_in(Role::Viewer).await);
    assert_eq!(viewer.post_form("/incidents/bulk", &[("query", "")]).await.status, StatusCode::FORBIDDEN);
    assert!(viewer.get("/incidents").await.attribute("form#bulk", "action").is_none());
    assert_eq!(analyst.get("/incidents").await.texts("form#bulk button"), ["Change all 1 that match…"]);
    for (query, left_out) in [("status=all", true), (&*format!("status=new&tenant={own}&tenant={foreign}"), false)] {
        let page = analyst.get(&frozen(&analyst, query).await).await.assert_success();
        assert_eq!(page.texts("h1"), ["1 incident of Own"], "{query}");
        assert_eq!(page.texts("tbody tr"), ["Own may not be changed▲ High1"], "{query}");
        assert_eq!(page.texts(".bulk-go button"), ["Change 0 of 1 incident"], "nothing can be sent");
        assert_eq!(page.html.contains("1 more match and are left out"), left_out, "{query}");
        assert!(!page.texts("main").concat().contains("Foreign"), "{query}");
    }
    let none = analyst.get(&frozen(&analyst, &format!("tenant={foreign}")).await).await.assert_success();
    assert!(none.html.contains("Nothing matches that could be changed") && none.attribute(".bulk-go button", "class").is_none());
    // What has not begun is its maker's alone, and looks like nothing to everybody else.
    let path = frozen(&analyst, "").await;
    let admin = app.sign_in(Role::Admin).await;
    let unknown = format!("/incidents/bulk/{}", Uuid::now_v7());
    for other in [&path, &unknown] {
        assert_eq!(admin.get(other).await.status, StatusCode::NOT_FOUND);
        assert_eq!(sent(&admin, other, &[("take", "1")]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(admin.get(&format!("{other}/incidents")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(admin.post_form(&format!("{other}/stop"), &[]).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(analyst.post_raw(&path, &[("take", "1")]).await.status, StatusCode::FORBIDDEN, "a form without our token");
    assert!(changes(&app, own).await.is_empty() && changes(&app, foreign).await.is_empty());
    assert_eq!(audited(&app, "bulk.started").await, 0);
}

#[tokio::test]
async fn what_would_close_badly_or_says_nothing_or_is_too_much_does_not_begin() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    crate::pages::case(&app, tenant, "mine").await;
    run(&app, tenant, "update incidents set classification = null, determination = null").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let path = frozen(&analyst, "").await;
    let (closed, verdict, id) = (("status", "Resolved"), ("verdict", "FalsePositive/Clean"), Uuid::now_v7().to_string());
    for (rest, said) in [
        (&[][..], "Say what is to change"),
        (&[closed, verdict], "say in a comment what was found"),
        (&[closed, ("comment", "Seen")], "say what it was: choose a verdict"),
        (&[closed, ("verdict", "FalsePositive"), ("comment", "Seen")], "say more exactly what it was"),
        (&[("take", "1"), ("incident", id.as_str())], "fields we do not know"),
    ] {
        let reply = sent(&analyst, &path, rest).await;
        assert!(reply.status == StatusCode::BAD_REQUEST && reply.html.contains(said), "{said}: {}", reply.html);
    }
    assert!(analyst.get(&path).await.assert_success().attribute(".bulk-go button", "class").is_some(), "it has not begun");
    run(
        &app,
        tenant,
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         select (select tenant_id from tenants limit 1), gen_random_uuid(), 'defender_xdr', 'N' || n, 'Many', 2, 'low', 'new', 'Active', now(), now()
         from generate_series(1, 10000) as n",
    )
    .await;
    let many = analyst.post_form("/incidents/bulk", &[("query", "")]).await;
    assert!(many.status == StatusCode::BAD_REQUEST && many.html.contains("More than 10,000 incidents match"), "{}", many.html);
    let page = analyst.get(&frozen(&analyst, "severity=low").await).await.assert_success();
    assert_eq!(page.texts("h1"), ["10,000 incidents of Own"]);
}

#[tokio::test]
async fn a_form_sent_twice_is_one_job_and_it_shows_to_each_what_they_may_see() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    for (tenant, mark) in [(alder, "one"), (alder, "two"), (birch, "three")] {
        crate::pages::case(&app, tenant, mark).await;
    }
    let (analyst, narrow) = (app.sign_in(Role::Analyst).await, app.sign_in_for(Role::Lead, &[birch]).await);
    let path = frozen(&analyst, "q=Title").await;
    for _ in 0..2 {
        sent(&analyst, &path, &[("take", "1"), ("tags", "new")]).await.assert_redirect(&path);
    }
    assert_eq!(sent(&analyst, &path, &[("status", "InProgress")]).await.status, StatusCode::CONFLICT);
    assert_eq!(audited(&app, "bulk.started").await, 1);
    let mine = analyst.get(&path).await.assert_success();
    assert_eq!(mine.texts("tbody th"), ["Alder", "Birch"]);
    assert_eq!(mine.texts("tbody td.num"), ["2", "2", "0", "0", "1", "1", "0", "0"]);
    assert_eq!(mine.attribute("[data-reload]", "data-reload").as_deref(), Some("3"));
    assert_eq!(mine.attribute("progress", "max").as_deref(), Some("3"));
    assert!(mine.html.contains("“Title”") && mine.attribute("a[href='/incidents?q=Title']", "href").is_some());
    // A lead sees and calls off what is in the tenants that they see, and nothing of the rest.
    let theirs = narrow.get(&path).await.assert_success();
    assert_eq!(theirs.texts("tbody th"), ["Birch"]);
    assert!(!theirs.html.contains("Alder") && !theirs.html.contains("“Title”") && theirs.html.contains("not yours to see"));
    let lines = narrow.get(&format!("{path}/incidents?tenant={alder}")).await.assert_success();
    assert!(!lines.html.contains("Title one") && !lines.html.contains("Title two"), "{}", lines.html);
    let new = Uuid::now_v7().to_string();
    for act in ["again", "undo"] {
        assert_eq!(narrow.post_form(&format!("{path}/{act}"), &[("new", &new)]).await.status, StatusCode::NOT_FOUND, "{act}");
    }
    narrow.post_form(&format!("{path}/stop"), &[]).await.assert_redirect(&path);
    let after = analyst.get(&path).await.assert_success();
    assert_eq!(after.texts("tbody td.num"), ["2", "2", "0", "0", "0", "1", "0", "0", "0", "1"]);
    let colleague = app.sign_in(Role::Analyst).await;
    assert_eq!(colleague.post_form(&format!("{path}/stop"), &[]).await.status, StatusCode::NOT_FOUND, "an analyst calls off their own");
    let stranger = app.sign_in_for(Role::Lead, &[app.tenant("Cedar").await]).await;
    assert_eq!(stranger.get(&path).await.status, StatusCode::NOT_FOUND);
    // The list of jobs tells each the same, and nothing of one that has not begun.
    frozen(&analyst, "").await;
    let list = async |visitor: &Visitor| visitor.get("/incidents/bulk").await.assert_success().texts("tbody tr");
    let (own, theirs) = (list(&analyst).await.concat(), list(&narrow).await.concat());
    assert!(own.contains("3 incidents of 2 tenants“Title”") && own.contains("Under way"), "{own}");
    assert!(theirs.contains("1 incident of 1 tenant") && theirs.contains("Called off") && !theirs.contains("Title"), "{theirs}");
    assert_eq!((list(&analyst).await.len(), list(&stranger).await.len()), (1, 0));
}
