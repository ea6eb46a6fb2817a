//! What a token of the API may do: never more than its user, and less where its maker said so.

use crate::api::Program;
use crate::app::TestApp;
use crate::commands::{portal_with_an_app, run};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use watchfloor::auth;
use watchfloor::model::{Role, TenantId, UserId};
use watchfloor::store::api_tokens::Limits;

async fn program(app: &TestApp, user: UserId, limits: Limits) -> Program {
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let (_, token) = auth::api_tokens::create(&mut tx, user, "script", 1, &limits).await.unwrap();
    tx.commit().await.unwrap();
    Program::with(app, &token)
}

async fn seen(program: &Program) -> Vec<String> {
    let (status, list) = program.get("/tenants").await;
    assert_eq!(status, StatusCode::OK);
    let mut names: Vec<String> = list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_token_has_the_lesser_of_its_own_role_and_its_users() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    for (of_user, of_token, acts_as) in [
        (Role::Lead, Some(Role::Viewer), Role::Viewer),
        (Role::Viewer, Some(Role::Lead), Role::Viewer),
        (Role::Admin, Some(Role::Analyst), Role::Analyst),
        (Role::Lead, Some(Role::Lead), Role::Lead),
        (Role::Lead, None, Role::Lead),
    ] {
        let (_, user) = app.user(of_user, None).await;
        let program = program(&app, user, Limits { role: of_token, tenants: None }).await;
        assert_eq!(program.get("/me").await.1["role"], json!(acts_as.as_str()), "{of_user} {of_token:?}");
        let (status, _) = program.call(Method::POST, &format!("/tenants/{tenant}/sync"), None).await;
        assert_eq!(status == StatusCode::FORBIDDEN, !acts_as.allows(Role::Analyst), "{of_user} {of_token:?}: {status}");
        let (status, _) = program.call(Method::POST, &format!("/tenants/{tenant}/invites"), None).await;
        assert_eq!(status == StatusCode::FORBIDDEN, !acts_as.allows(Role::Lead), "{of_user} {of_token:?}: {status}");
    }
}

#[tokio::test]
async fn a_token_sees_the_tenants_that_both_it_and_its_user_see() {
    let app = TestApp::start().await;
    let (alder, birch, cedar) = (app.tenant("Alder").await, app.tenant("Birch").await, app.tenant("Cedar").await);
    let limits = |tenants: &[TenantId]| Limits { role: Some(Role::Viewer), tenants: Some(tenants.to_vec()) };
    let (_, all) = app.user(Role::Admin, None).await;
    let (_, some) = app.user(Role::Lead, Some(&[alder, birch])).await;
    let of_all = program(&app, all, limits(&[birch])).await;
    let of_some = program(&app, some, limits(&[birch, cedar])).await;
    let of_none = program(&app, some, limits(&[cedar])).await;
    assert_eq!(seen(&of_all).await, ["Birch"]);
    assert_eq!(seen(&of_some).await, ["Birch"]);
    assert_eq!(seen(&of_none).await, Vec::<String>::new(), "never everything");
    assert_eq!(seen(&program(&app, some, Limits::default()).await).await, ["Alder", "Birch"]);
    for (program, tenant) in [(&of_all, alder), (&of_some, cedar), (&of_some, alder), (&of_none, cedar)] {
        assert_eq!(program.get(&format!("/tenants/{tenant}")).await.0, StatusCode::NOT_FOUND);
    }
    let me = of_all.get("/me").await.1;
    assert_eq!(me["all_tenants"], json!(false), "{me}");
    let mut tx = app.db.web.tenant(birch).await.unwrap();
    sqlx::query("update tenants set state = 'offboarded' where tenant_id = $1").bind(birch).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(seen(&of_all).await, Vec::<String>::new());
}

#[tokio::test]
async fn its_first_use_is_written_down_once() {
    let app = TestApp::start().await;
    let (login, user) = app.user(Role::Viewer, None).await;
    let program = program(&app, user, Limits::default()).await;
    let written = async || -> Vec<(String, Value)> {
        let mut tx = app.db.web.all_tenants().await.unwrap();
        sqlx::query_as("select actor, after from audit_log where action = 'api_token.first_use'").fetch_all(&mut *tx).await.unwrap()
    };
    assert_eq!(written().await, []);
    let (one, two) = tokio::join!(program.get("/me"), program.get("/me"));
    assert_eq!((one.0, two.0), (StatusCode::OK, StatusCode::OK));
    program.get("/me").await;
    assert_eq!(written().await, [(login, json!({ "name": "script" }))]);
}

#[tokio::test]
async fn a_token_of_some_tenants_keeps_no_registry() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let (_, user) = app.user(Role::Admin, None).await;
    for (role, tenants) in [(Some(Role::Lead), vec![tenant]), (None, vec![tenant]), (Some(Role::Viewer), vec![])] {
        let mut tx = app.db.web.no_tenant().await.unwrap();
        let limits = Limits { role, tenants: Some(tenants) };
        assert!(auth::api_tokens::create(&mut tx, user, "script", 1, &limits).await.is_err(), "{limits:?}");
    }
}

#[test]
fn the_shell_makes_tokens_with_limits_and_shows_them() {
    let dir = portal_with_an_app();
    assert_eq!(run(&dir, &["user", "add", "ann", "--name", "Ann", "--role", "lead", "--all-tenants"]).0, 0);
    let (_, id, _) = run(&dir, &["tenant", "add", "Contoso", "--domain", "contoso.example"]);
    let make = |more: &[&str]| run(&dir, &[&["api-token", "create", "ann", "--name", "export"], more].concat());
    let (code, _, error) = make(&["--tenant", id.trim_end()]);
    assert!(code == 2 && error.contains("--role viewer"), "{error}");
    let (code, _, error) = make(&["--role", "viewer", "--tenant", "00000000-0000-7000-8000-000000000000"]);
    assert!(code == 1 && error.contains("there is no tenant"), "{error}");
    let (code, token, error) = make(&["--role", "viewer", "--tenant", id.trim_end()]);
    assert!(code == 0 && token.starts_with("wf_"), "{error}");
    let (_, list, _) = run(&dir, &["api-token", "list"]);
    assert!(list.contains("Viewer") && list.contains("tenants: 1") && list.contains("export"), "{list}");
    std::fs::remove_dir_all(dir).unwrap();
}
