//! Closing an incident or alert says what it was and what was found, from pages and for programs alike.

use crate::api::Program;
use crate::app::{TestApp, Visitor};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use watchfloor::model::{Role, TenantId};

async fn run(app: &TestApp, tenant: TenantId, sql: &'static str) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(sql).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn changes(app: &TestApp, tenant: TenantId) -> usize {
    crate::acting_pages::changes(app, tenant).await.len()
}

async fn send(visitor: &Visitor, path: &str, status: &str, verdict: &str, comment: &str) -> crate::app::Reply {
    let id = Uuid::now_v7().to_string();
    let fields = [("change", id.as_str()), ("status", status), ("assigned_to", "owner-mark"), ("verdict", verdict), ("comment", comment)];
    visitor.post_form(path, &fields).await
}

#[tokio::test]
async fn a_form_that_closes_without_verdict_or_comment_comes_back_and_says_which() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, alert) = crate::pages::case(&app, tenant, "mark").await;
    run(&app, tenant, "update incidents set classification = null, determination = null, status_raw = 'Active'").await;
    run(&app, tenant, "update alerts set product = 'defender_endpoint', status_raw = 'New'").await;
    let analyst = app.sign_in(Role::Analyst).await;
    for (path, verdict) in
        [(format!("/incidents/{incident}"), "TruePositive/Malware"), (format!("/alerts/{alert}"), "FalsePositive/NotMalicious")]
    {
        let before = changes(&app, tenant).await;
        for (verdict, comment, told, field) in [
            ("", "KEPT", "say what it was", "select[name=verdict]"),
            ("TruePositive", "KEPT", "say more exactly what it was", "select[name=verdict]"),
            (verdict, "", "in a comment what was found", "textarea[name=comment]"),
            (verdict, " \r\n ", "in a comment what was found", "textarea[name=comment]"),
        ] {
            let reply = send(&analyst, &path, "Resolved", verdict, comment).await;
            assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {verdict} {comment}");
            assert!(reply.texts("[role=alert]")[0].contains(told), "{:?}", reply.texts("[role=alert]"));
            assert_eq!(reply.attribute("form.stack [aria-invalid=true]", "name"), reply.attribute(&format!("form.stack {field}"), "name"));
            assert_eq!(reply.texts("form.stack textarea[name=comment]")[0], comment.trim(), "what was written is there");
            assert_eq!(reply.attribute("form.stack select[name=status] option[selected]", "value").as_deref(), Some("Resolved"));
        }
        assert_eq!(changes(&app, tenant).await, before, "{path}: nothing was sent");
        send(&analyst, &path, "Resolved", verdict, "Cleaned").await.assert_redirect(&path);
        assert_eq!(changes(&app, tenant).await, before + 1, "{path}");
    }
}

#[tokio::test]
async fn what_is_there_already_counts_and_what_is_closed_is_not_closed_again() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let (analyst, path) = (app.sign_in(Role::Analyst).await, format!("/incidents/{incident}"));
    run(&app, tenant, "update incidents set classification = 'TruePositive', determination = 'Phishing', status_raw = 'Active'").await;
    assert_eq!(
        send(&analyst, &path, "Resolved", "FalsePositive", "Seen").await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "Phishing is none of its"
    );
    send(&analyst, &path, "Resolved", "", "Seen").await.assert_redirect(&path);
    for unsaid in [
        "update incidents set classification = 'Unknown'",
        "update incidents set classification = 'TruePositive', determination = 'NotAvailable'",
        "update incidents set determination = null",
    ] {
        run(&app, tenant, unsaid).await;
        assert_eq!(send(&analyst, &path, "Resolved", "", "Seen").await.status, StatusCode::UNPROCESSABLE_ENTITY, "{unsaid}");
    }
    send(&analyst, &path, "InProgress", "", "").await.assert_redirect(&path);
    run(&app, tenant, "update incidents set status_raw = 'Resolved', status = 'resolved'").await;
    send(&analyst, &path, "Resolved", "", "One more thing").await.assert_redirect(&path);
    send(&analyst, &path, "Active", "", "").await.assert_redirect(&path);
}

#[tokio::test]
async fn programs_and_batches_close_by_the_same_rule() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, alert) = crate::pages::case(&app, tenant, "mark").await;
    run(&app, tenant, "update incidents set classification = null, determination = null, status_raw = 'Active'").await;
    run(&app, tenant, "update alerts set product = 'defender_endpoint', status_raw = 'New'").await;
    let program = Program::of(&app, Role::Analyst, None).await;
    let whole = json!({"status": "Resolved", "classification": "FalsePositive", "determination": "Other", "comment": "Test"});
    let wanting = |member: &str| {
        let mut wish: Value = whole.clone();
        wish.as_object_mut().unwrap().remove(member);
        wish
    };
    let batch = format!("/tenants/{tenant}/alerts/batch");
    for (method, path, in_batch) in [
        (Method::PATCH, format!("/incidents/{incident}"), false),
        (Method::PATCH, format!("/alerts/{alert}"), false),
        (Method::POST, batch, true),
    ] {
        let asked = |wish: Value| if in_batch { json!({"alerts": [alert.to_string()], "change": wish}) } else { wish };
        let before = changes(&app, tenant).await;
        for member in ["classification", "determination", "comment"] {
            let (status, problem) = program.call(method.clone(), &path, Some(asked(wanting(member)))).await;
            assert_eq!(
                (status, problem["errors"][0]["field"].as_str()),
                (StatusCode::UNPROCESSABLE_ENTITY, Some(member)),
                "{path}: {problem}"
            );
        }
        let small = asked(json!({"status": "resolved", "comment": "x"}));
        assert_eq!(
            program.call(method.clone(), &path, Some(small)).await.0,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}: however it is spelt"
        );
        assert_eq!(changes(&app, tenant).await, before, "{path}: nothing was sent");
        assert_eq!(program.call(method.clone(), &path, Some(asked(whole.clone()))).await.0, StatusCode::ACCEPTED, "{path}");
    }
    let analyst = app.sign_in(Role::Analyst).await;
    let (id, alert) = (Uuid::now_v7().to_string(), alert.to_string());
    let fields = [("change", id.as_str()), ("alert", &alert), ("status", "Resolved"), ("verdict", ""), ("comment", "Seen")];
    let refused = analyst.post_form("/alerts/batch", &fields).await;
    assert!(refused.status == StatusCode::BAD_REQUEST && refused.html.contains("say what it was"), "{}", refused.html);
}
