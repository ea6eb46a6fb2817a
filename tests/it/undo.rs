//! Taking a closing back gives an incident the status back that it had, and undoes nothing that somebody else did.

use crate::app::{TestApp, Visitor};
use axum::http::StatusCode;
use uuid::Uuid;
use watchfloor::model::{Role, TenantId};

async fn run(app: &TestApp, tenant: TenantId, sql: &'static str) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(sql).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// What became of the changes of a tenant, and the status that each asked for, in their order.
async fn changes(app: &TestApp, tenant: TenantId) -> Vec<(String, Option<String>)> {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query_as("select state, request->>'status' from changes order by created_at, change_id").fetch_all(&mut *tx).await.unwrap()
}

/// An incident of a tenant, as the row of its list says it.
async fn row(app: &TestApp) -> (TenantId, Visitor, String) {
    let tenant = app.tenant("Own").await;
    crate::pages::case(app, tenant, "mine").await;
    run(app, tenant, "update incidents set status_raw = 'Active', classification = null, determination = null").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let picked = analyst.get("/incidents").await.attribute("td input[name=incident]", "value").unwrap();
    (tenant, analyst, picked)
}

async fn close(analyst: &Visitor, picked: &str) -> String {
    let form = Uuid::now_v7().to_string();
    let rest = [("status", "Resolved"), ("verdict", "FalsePositive/Clean"), ("comment", "Tested")];
    let fields: Vec<_> = [("change", form.as_str()), ("incident", picked)].into_iter().chain(rest).collect();
    assert_eq!(analyst.post_form("/incidents/batch", &fields).await.status, StatusCode::SEE_OTHER);
    form
}

async fn undo(analyst: &Visitor, form: &str, picked: &str) -> (StatusCode, String) {
    let (id, change) = (picked.split('/').next().unwrap(), Uuid::now_v7().to_string());
    let reply = analyst.post_form("/incidents/batch/undo", &[("change", change.as_str()), ("batch", form), ("incident", id)]).await;
    (reply.status, reply.headers.get("location").map_or_else(String::new, |to| to.to_str().unwrap().to_owned()))
}

const MICROSOFT_DID_IT: &str = "update changes set state = 'done', finished_at = now() where state = 'intended'";

#[tokio::test]
async fn what_was_done_is_changed_back_once_and_a_second_undo_sends_nothing() {
    let app = TestApp::start().await;
    let (tenant, analyst, picked) = row(&app).await;
    let form = close(&analyst, &picked).await;
    run(&app, tenant, MICROSOFT_DID_IT).await;
    run(&app, tenant, "update incidents set status = 'resolved', status_raw = 'Resolved'").await;
    assert_eq!(undo(&analyst, &form, &picked).await.0, StatusCode::SEE_OTHER);
    let sent = |state: &str, status: &str| (state.to_owned(), Some(status.to_owned()));
    assert_eq!(changes(&app, tenant).await, [sent("done", "Resolved"), sent("intended", "Active")]);
    run(&app, tenant, MICROSOFT_DID_IT).await;
    run(&app, tenant, "update incidents set status = 'new', status_raw = 'Active'").await;
    assert_eq!(undo(&analyst, &form, &picked).await.0, StatusCode::SEE_OTHER);
    assert_eq!(changes(&app, tenant).await[2..], [("done".to_owned(), None)], "it was so already");
}

#[tokio::test]
async fn a_colleagues_change_after_the_closing_is_not_undone_with_it() {
    let app = TestApp::start().await;
    let (tenant, analyst, picked) = row(&app).await;
    let form = close(&analyst, &picked).await;
    run(&app, tenant, MICROSOFT_DID_IT).await;
    run(&app, tenant, "update incidents set status = 'in_progress', status_raw = 'InProgress'").await;
    let (status, told) = undo(&analyst, &form, &picked).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(changes(&app, tenant).await[1..], [("failed".to_owned(), None)]);
    let page = analyst.get(&told).await.assert_success();
    assert!(page.html.contains("the status is InProgress now"), "{}", page.html);
    assert_eq!(page.attribute("[data-failed]", "data-failed").unwrap().trim(), picked.split('/').next().unwrap());
}

#[tokio::test]
async fn a_closing_that_was_not_sent_leaves_nothing_to_undo() {
    let app = TestApp::start().await;
    let (tenant, analyst, picked) = row(&app).await;
    run(&app, tenant, "update incidents set status = 'in_progress', status_raw = 'InProgress'").await;
    let form = close(&analyst, &picked).await;
    assert_eq!(undo(&analyst, &form, &picked).await, (StatusCode::SEE_OTHER, format!("/incidents/batch/{form}?back=")));
    assert_eq!(changes(&app, tenant).await, [("failed".to_owned(), None)]);
}

#[tokio::test]
async fn an_undo_brings_no_status_of_its_own_and_what_nobody_knows_cannot_be_undone() {
    let app = TestApp::start().await;
    let (tenant, analyst, picked) = row(&app).await;
    let form = close(&analyst, &picked).await;
    run(&app, tenant, "update changes set state = 'lost', finished_at = now()").await;
    assert_eq!(undo(&analyst, &form, &picked).await.0, StatusCode::CONFLICT);
    let (again, status) = (Uuid::now_v7().to_string(), format!("{}/Resolved///", &picked[..36]));
    let with_status = analyst.post_form("/incidents/batch/undo", &[("change", &*again), ("batch", &form), ("incident", &*status)]).await;
    assert_eq!(with_status.status, StatusCode::BAD_REQUEST);
    assert_eq!(changes(&app, tenant).await.len(), 1);
}
