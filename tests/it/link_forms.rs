//! The other forms of Microsoft's consent link: the older page, and the partner documents' link that comes back to nobody.

use crate::app::{Reply, TestApp, Visitor};
use crate::customer::{Answer, Customer, VERIFY_JOBS, count, directory, get, invite, waiting};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use watchfloor::auth;
use watchfloor::config::ConsentForm;
use watchfloor::model::{DirectoryId, Role, TenantId, UserId};

async fn start(form: ConsentForm) -> TestApp {
    TestApp::start_with(|apps| apps[0].consent = form).await
}

#[tokio::test]
async fn the_older_page_leads_the_whole_way() {
    let app = start(ConsentForm::V1).await;
    let contoso = directory(&app, "Contoso");
    let tenant = waiting(&app, "Contoso", None).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let url = customer.press(&link).await;
    assert!(url.path().ends_with("/login.microsoftonline.com/common/adminconsent"), "{url}");
    let query: Answer = url.query_pairs().into_owned().collect();
    assert_eq!(query.keys().collect::<Vec<_>>(), ["client_id", "redirect_uri", "state"]);
    let answer = customer.at_microsoft(url, &[("directory", &contoso.to_string()), ("decision", "accept")]).await.unwrap();
    assert_eq!(answer.keys().collect::<Vec<_>>(), ["admin_consent", "state", "tenant"]);
    let away = customer.back(&answer).await;
    let signed = customer.sign_in(&away, contoso, "contoso.example").await;
    customer.back(&signed).await.assert_redirect(&format!("/onboard/{link}"));
    let row = get(&app, tenant).await;
    assert_eq!((row.directory_id, row.needs_approval), (Some(contoso), true));
}

#[tokio::test]
async fn a_refusal_of_the_older_page_names_no_attempt_and_the_waiting_one_runs_out() {
    let app = start(ConsentForm::V1).await;
    let contoso = directory(&app, "Contoso");
    let tenant = waiting(&app, "Contoso", Some(contoso)).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let url = customer.press(&link).await;
    assert!(url.path().ends_with(&format!("/{contoso}/adminconsent")), "a known directory is named: {url}");
    let answer = customer.at_microsoft(url, &[("directory", &contoso.to_string()), ("decision", "cancel")]).await.unwrap();
    assert!(!answer.contains_key("state") && !answer.contains_key("tenant"), "{answer:?}");
    let reply = customer.back(&answer).await;
    assert_eq!((reply.status, reply.texts("h1")), (StatusCode::BAD_REQUEST, vec!["An unknown attempt ended".to_owned()]));
    assert_eq!(reply.attribute("main a.button", "href"), Some(format!("/onboard/{link}")));
    let waits = "select count(*) from consent_attempts where outcome is null and answered_at is null";
    assert_eq!(count(&app, waits).await, 1);
    assert_eq!(count(&app, "select count(*) from audit_log where action = 'consent.stray' and result = 'refused'").await, 1);
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update consent_attempts set expires_at = now()").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let staff = app.sign_in(Role::Lead).await;
    assert!(staff.get(&format!("/admin/tenants/{tenant}")).await.assert_success().html.contains("No answer came back from Microsoft"));
    customer.go_through(&link, contoso, "contoso.example").await.assert_redirect(&format!("/onboard/{link}"));
}

/// A tenant whose customer accepted by the partner documents' link and said so.
async fn accepted(app: &TestApp, name: &str, expected: Option<DirectoryId>) -> (TenantId, DirectoryId) {
    let id = directory(app, name);
    let tenant = waiting(app, name, expected).await;
    let link = invite(app, tenant).await;
    let mut customer = Customer::new(app);
    let page = customer.open(&link).await.assert_success();
    assert!(page.html.contains("does not bring you back") && page.html.contains("I have accepted at Microsoft"), "{}", page.html);
    let url = customer.press(&link).await;
    assert!(url.path().ends_with("/login.microsoftonline.com/common/oauth2/authorize"), "{url}");
    let query: Answer = url.query_pairs().into_owned().collect();
    assert_eq!(query.keys().collect::<Vec<_>>(), ["client_id", "prompt", "response_type", "sso_reload"]);
    assert_eq!((query["prompt"].as_str(), query["response_type"].as_str(), query["sso_reload"].as_str()), ("consent", "code", "true"));
    let end = customer.sent_to(url, &[("directory", &id.to_string()), ("decision", "accept")]).await.unwrap();
    assert_eq!(end.host_str(), Some("portal.azure.com"), "the browser does not come back to us");
    assert!(get(app, tenant).await.directory_id.is_none());
    let path = format!("/onboard/{link}/accepted/defender");
    assert_eq!(customer.say(&path, "directory=contoso").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    customer.say(&path, &format!("directory={id}")).await.assert_redirect(&format!("/onboard/{link}"));
    assert!(customer.open(&link).await.assert_success().html.contains("two of its people confirm"));
    let row = get(app, tenant).await;
    assert_eq!((row.state.as_str(), row.directory_id), ("verifying", None), "what a customer types binds nothing");
    (tenant, id)
}

async fn enter(staff: &Visitor, tenant: TenantId, directory: DirectoryId) -> Reply {
    staff.post_form(&format!("/admin/tenants/{tenant}/directory/entry"), &[("directory", &directory.to_string())]).await
}

async fn judge(staff: &Visitor, tenant: TenantId, directory: DirectoryId, decision: &str) -> Reply {
    let fields = [("directory", directory.to_string()), ("decision", decision.to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    staff.post_form(&format!("/admin/tenants/{tenant}/directory"), &fields).await
}

/// Approves by the API as this user.
async fn approve_by_api(app: &TestApp, user: UserId, tenant: TenantId) -> StatusCode {
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let (_, token) = auth::api_tokens::create(&mut tx, user, "test", 1, &watchfloor::store::api_tokens::Limits::default()).await.unwrap();
    tx.commit().await.unwrap();
    let visitor = app.stranger();
    let request = visitor.request(Method::POST, &format!("/api/v1/tenants/{tenant}/approve"));
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", secrecy::ExposeSecret::expose_secret(&token)));
    visitor.send(request.body(Body::empty()).unwrap()).await.status
}

const REFUSED: &str = "select count(*) from audit_log where result = 'refused' and action in ('tenant.directory_enter', 'tenant.approve')";

#[tokio::test]
async fn a_directory_that_staff_enter_takes_a_token_and_a_second_person() {
    let app = start(ConsentForm::Authorize).await;
    let (tenant, contoso) = accepted(&app, "Contoso", None).await;
    let (login, id) = app.user(Role::Lead, None).await;
    let (one, two) = (app.enter(&login).await, app.sign_in(Role::Lead).await);
    let page = one.get(&format!("/admin/tenants/{tenant}")).await.assert_success();
    assert_eq!(
        page.attribute("form[action$='/directory/entry'] input[name=directory]", "value"),
        Some(contoso.to_string()),
        "what the customer typed"
    );
    for role in [Role::Analyst, Role::Viewer] {
        let visitor = app.sign_in(role).await;
        assert_eq!(enter(&visitor, tenant, contoso).await.status, StatusCode::FORBIDDEN, "{role}");
        assert_eq!(judge(&visitor, tenant, contoso, "approve").await.status, StatusCode::FORBIDDEN, "{role}");
    }
    enter(&one, tenant, contoso).await.assert_redirect(&format!("/admin/tenants/{tenant}"));
    let row = get(&app, tenant).await;
    assert_eq!((row.directory_id, row.needs_approval, row.state.as_str()), (Some(contoso), true, "verifying"));
    assert_eq!(count(&app, VERIFY_JOBS).await, 1, "tokens are asked");
    assert_eq!(judge(&two, tenant, contoso, "approve").await.status, StatusCode::CONFLICT, "no token proves it yet");
    app.verify(tenant).await;
    assert_eq!(count(&app, "select count(*) from sync_state").await, 0, "nothing is read before the second person");
    let page = two.get(&format!("/admin/tenants/{tenant}")).await.assert_success();
    assert!(page.html.contains("a token of this directory names 3 of the permissions"), "{}", page.html);
    assert_eq!(judge(&one, tenant, contoso, "approve").await.status, StatusCode::CONFLICT, "the same person");
    assert_eq!(approve_by_api(&app, id, tenant).await, StatusCode::CONFLICT, "the same person by the API");
    let other = directory(&app, "Other");
    assert_eq!(judge(&two, tenant, other, "approve").await.status, StatusCode::CONFLICT, "another directory than the one on the page");
    assert_eq!((count(&app, REFUSED).await, get(&app, tenant).await.needs_approval), (4, true));
    judge(&two, tenant, contoso, "approve").await.assert_redirect(&format!("/admin/tenants/{tenant}"));
    let row = get(&app, tenant).await;
    assert_eq!((row.directory_id, row.expected_directory_id, row.needs_approval), (Some(contoso), Some(contoso), false));
    app.verify(tenant).await;
    assert_eq!(get(&app, tenant).await.state.as_str(), "active");
    let who = "select count(*) from directory_entries where approved and decided_by <> entered_by";
    assert_eq!(count(&app, who).await, 1);
}

#[tokio::test]
async fn a_directory_of_another_tenant_a_foreign_one_and_one_without_consent_are_refused() {
    let app = start(ConsentForm::Authorize).await;
    let (taken, contoso) = accepted(&app, "Contoso", None).await;
    let (one, two) = (app.sign_in(Role::Lead).await, app.sign_in(Role::Lead).await);
    enter(&one, taken, contoso).await.assert_redirect(&format!("/admin/tenants/{taken}"));
    app.verify(taken).await;
    judge(&two, taken, contoso, "approve").await.assert_redirect(&format!("/admin/tenants/{taken}"));

    let preset = directory(&app, "Preset");
    let (fabrikam, own) = accepted(&app, "Fabrikam", None).await;
    let registered = waiting(&app, "Registered", Some(preset)).await;
    assert_eq!(enter(&one, fabrikam, contoso).await.status, StatusCode::CONFLICT, "another tenant's");
    assert_eq!(enter(&one, fabrikam, preset).await.status, StatusCode::CONFLICT, "registered for another tenant");
    assert_eq!(enter(&one, registered, own).await.status, StatusCode::CONFLICT, "not the preset one");
    assert_eq!(enter(&one, taken, own).await.status, StatusCode::CONFLICT, "a bound tenant changes by a rebind only");
    assert_eq!(count(&app, REFUSED).await, 4);
    let garbage = one.post_form(&format!("/admin/tenants/{fabrikam}/directory/entry"), &[("directory", "organizations")]).await;
    assert_eq!(garbage.status, StatusCode::BAD_REQUEST);
    assert_eq!(get(&app, fabrikam).await.directory_id, None);

    // Nobody consented there: no token, no second look can activate it. Whoever entered it takes it back.
    let nobody = directory(&app, "Nobody");
    enter(&one, fabrikam, nobody).await.assert_redirect(&format!("/admin/tenants/{fabrikam}"));
    app.verify(fabrikam).await;
    assert_eq!(judge(&two, fabrikam, nobody, "approve").await.status, StatusCode::CONFLICT, "no token");
    let page = two.get(&format!("/admin/tenants/{fabrikam}")).await.assert_success();
    assert!(page.html.contains("Not proven: no token of this directory"), "{}", page.html);
    judge(&one, fabrikam, nobody, "refuse").await.assert_redirect(&format!("/admin/tenants/{fabrikam}"));
    assert_eq!(count(&app, "select count(*) from audit_log where action = 'tenant.directory_withdraw'").await, 1);
    assert_eq!(get(&app, fabrikam).await.directory_id, None);
    enter(&two, fabrikam, own).await.assert_redirect(&format!("/admin/tenants/{fabrikam}"));
    app.verify(fabrikam).await;
    judge(&one, fabrikam, own, "refuse").await.assert_redirect(&format!("/admin/tenants/{fabrikam}"));
    let row = get(&app, fabrikam).await;
    assert_eq!((row.directory_id, row.state.as_str()), (None, "invited"));
}

#[tokio::test]
async fn a_tenant_whose_links_come_back_takes_no_entered_directory() {
    let app = TestApp::start().await;
    let contoso = directory(&app, "Contoso");
    let tenant = waiting(&app, "Contoso", None).await;
    let staff = app.sign_in(Role::Lead).await;
    assert_eq!(enter(&staff, tenant, contoso).await.status, StatusCode::CONFLICT);
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    customer.open(&link).await.assert_success();
    assert_eq!(customer.say(&format!("/onboard/{link}/accepted/defender"), "directory=").await.status, StatusCode::GONE);
    assert_eq!(get(&app, tenant).await.state.as_str(), "consent_pending");
}
