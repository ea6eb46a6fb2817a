//! What is refused is written down: who wanted what, and not without end.

use crate::api::Program;
use crate::app::TestApp;
use crate::guests::{bound, incident, person, portal};
use crate::staff::{alter, ask};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use watchfloor::model::{IncidentId, Role};
use watchfloor::store::limits;

/// Rows of one kind, the first first: who, from which tenant, what.
const ROWS: &str =
    "select coalesce(string_agg(concat_ws(' ', action, actor_kind, split_part(actor, '-', 1), object), '; ' order by audit_id), 'none')
                    from audit_log where action like 'security.%' and result = 'refused'";

#[tokio::test]
async fn what_a_role_may_not_do_and_a_form_of_another_page_are_written_down() {
    let app = TestApp::start().await;
    let viewer = app.sign_in(Role::Viewer).await;
    assert_eq!(viewer.get("/admin/users?q=secret").await.status, StatusCode::FORBIDDEN);
    assert_eq!(viewer.post_raw("/account/appearance", &[("form_token", "old")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(viewer.post_from("cross-site", "/account/appearance", &[]).await.status, StatusCode::FORBIDDEN);
    let told = "security.refused user viewer GET /admin/users; security.refused user viewer POST /account/appearance; \
                security.refused stranger stranger POST /account/appearance";
    assert_eq!(ask::<String>(&app, ROWS).await, told, "who sends from another site is not looked at");
    let numbered = "select count(*) from audit_log where action = 'security.refused' and request_id is not null";
    assert_eq!(ask::<i64>(&app, numbered).await, 3);
}

#[tokio::test]
async fn an_id_of_another_tenant_and_one_that_nobody_has_are_written_down_alike() {
    let app = portal().await;
    let (contoso, fabrikam) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    let foreign = incident(&app, fabrikam.tenant, "Ransomware").await;
    let unknown = IncidentId::new();
    let viewer = app.sign_in_for(Role::Viewer, &[contoso.tenant]).await;
    for id in [foreign, unknown] {
        assert_eq!(viewer.get(&format!("/incidents/{id}")).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(viewer.get("/no-such-page").await.status, StatusCode::NOT_FOUND, "that names nothing");
    let row = |id: IncidentId| format!("security.not_found user viewer GET /incidents/{id}");
    assert_eq!(ask::<String>(&app, ROWS).await, format!("{}; {}", row(foreign), row(unknown)));

    let (_, customer) = person(&app, &contoso, "Ada", false).await;
    assert_eq!(customer.get(&format!("/customer/incidents/{foreign}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(customer.get("/customer/people").await.status, StatusCode::FORBIDDEN);
    let of_contoso = "select count(*) from audit_log as a join tenants as t on t.tenant_id = a.tenant_id
                      where t.name = 'Contoso' and a.action in ('security.not_found', 'security.refused') and a.actor_kind = 'customer'";
    assert_eq!(ask::<i64>(&app, of_contoso).await, 2, "in that tenant's log");
}

#[tokio::test]
async fn a_program_without_a_good_token_or_with_too_weak_a_one_is_written_down() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let viewer = Program::of(&app, Role::Viewer, None).await;
    assert_eq!(viewer.call(Method::POST, &format!("/tenants/{tenant}/invites"), None).await.0, StatusCode::FORBIDDEN);
    let wrong = app.stranger().request(Method::GET, "/api/v1/incidents").header(header::AUTHORIZATION, "Bearer wf_wrong");
    assert_eq!(app.stranger().send(wrong.body(Body::empty()).unwrap()).await.status, StatusCode::UNAUTHORIZED);
    let told = format!(
        "security.refused user viewer POST /api/v1/tenants/{tenant}/invites; security.refused stranger stranger GET /api/v1/incidents"
    );
    assert_eq!(ask::<String>(&app, ROWS).await, told);
    let written: String = ask(&app, "select string_agg(audit_log::text, ' ') from audit_log").await;
    assert!(!written.contains("wf_wrong"));
}

#[tokio::test]
async fn a_secret_in_an_address_is_not_written_down_and_whoever_goes_on_gets_a_row_now_and_then() {
    let app = TestApp::start().await;
    for _ in 0..100 {
        assert_eq!(app.stranger().post_from("cross-site", "/setup/HIDDEN", &[]).await.status, StatusCode::FORBIDDEN);
    }
    let rows = "select string_agg(after->>'unwritten', ' ' order by audit_id) from audit_log where action = 'security.refused'";
    assert_eq!(ask::<String>(&app, rows).await, "0 0 0 0 0 0 0 0 0 0");
    alter(&app, "update buckets set level = 1").await;
    assert_eq!(app.stranger().post_from("cross-site", "/setup/HIDDEN", &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask::<String>(&app, rows).await, "0 0 0 0 0 0 0 0 0 0 90", "how many there were meanwhile");
    assert_eq!(app.stranger().post_from("cross-site", "/setup/HIDDEN", &[]).await.status, StatusCode::FORBIDDEN);
    alter(&app, "update buckets set at = now() - interval '2 hours'").await;
    let mut tx = app.db.worker.no_tenant().await.unwrap();
    limits::forget(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        ask::<String>(&app, "select after::text from audit_log where action = 'security.limited'").await,
        "{\"refused\": 1}",
        "the rest"
    );
    let written: String = ask(&app, "select string_agg(audit_log::text, ' ') from audit_log").await;
    assert!(written.contains("POST /setup/{token}") && !written.contains("HIDDEN"), "{written}");
}

#[tokio::test]
async fn what_a_browser_kept_from_a_page_is_written_down_without_anybodys_text() {
    let app = TestApp::start().await;
    let report = async |body: &'static str| {
        let request = app.stranger().request(Method::POST, "/csp-reports").header(header::CONTENT_TYPE, "application/csp-report");
        app.stranger().send(request.header("sec-fetch-site", "same-origin").body(Body::from(body)).unwrap()).await.status
    };
    let sent = r#"{"csp-report": {"document-uri": "https://portal.example/setup/HIDDEN", "violated-directive": "script-src-elem",
                  "effective-directive": "script-src-elem", "disposition": "enforce", "status-code": 200,
                  "blocked-uri": "https://evil.example/HIDDEN", "script-sample": "HIDDEN"}}"#;
    assert_eq!(report(sent).await, StatusCode::NO_CONTENT);
    for nothing in ["", "{}", "[1]", r#"{"csp-report": {}}"#, r#"{"csp-report": 7}"#, "\u{0}"] {
        assert_eq!(report(nothing).await, StatusCode::BAD_REQUEST, "{nothing}");
    }
    assert_eq!(ask::<String>(&app, ROWS).await, "security.csp stranger stranger script-src-elem");
    let written: String = ask(&app, "select string_agg(audit_log::text, ' ') from audit_log").await;
    assert!(written.contains("https://evil.example") && !written.contains("HIDDEN"), "{written}");
    let older = r#"{"csp-report": {"violated-directive": "img-src 'self'", "blocked-uri": "inline"}}"#;
    for _ in 0..30 {
        assert_eq!(report(older).await, StatusCode::NO_CONTENT);
    }
    let rows = "select string_agg(distinct object, ' ') || ' ' || count(*) from audit_log where action = 'security.csp'";
    assert_eq!(ask::<String>(&app, rows).await, "img-src script-src-elem 10");
}
