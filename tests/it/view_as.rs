//! An administrator sees the portal as a colleague does: all that the colleague sees, and not a change more.

use crate::access::example;
use crate::app::{TestApp, Visitor};
use crate::guests::{bound, incident, portal};
use crate::routes::{GET, ROUTES};
use crate::second::{code, guarded, limits_pass, owner, proofs_age, signed_in};
use crate::staff::ask;
use axum::http::{StatusCode, header};
use watchfloor::model::{Role, TenantId, UserId};

const ROWS: &str = "select count(*) from audit_log where action not like 'security.%'";
const TOLD: &str =
    "select string_agg(action || ' ' || split_part(actor, '-', 1) || ' ' || split_part(object, '-', 1), ', ' order by audit_id)
                    from audit_log where action ~ 'view_as'";

/// An administrator and a viewer of these tenants, whose page the administrator has open.
async fn two(app: &TestApp, tenants: &[TenantId]) -> (Visitor, UserId) {
    let (_, viewer) = app.user(Role::Viewer, Some(tenants)).await;
    (app.sign_in(Role::Admin).await, viewer)
}

/// A form whose answer may give the session another secret.
async fn post(visitor: &mut Visitor, path: &str, to: &str) {
    let reply = visitor.post_form(path, &[]).await.assert_redirect(to);
    let cookie = reply.headers[header::SET_COOKIE].to_str().unwrap();
    visitor.session = Some(cookie.strip_prefix("sid=").unwrap().split(';').next().unwrap().to_owned());
}

async fn view(admin: &mut Visitor, other: UserId) {
    post(admin, &format!("/admin/users/{other}/view-as"), "/").await;
}

async fn begin(admin: &Visitor, other: UserId) -> StatusCode {
    admin.post_form(&format!("/admin/users/{other}/view-as"), &[]).await.status
}

#[tokio::test]
async fn an_administrator_sees_what_the_colleague_sees_and_is_written_down_under_their_own_name() {
    let app = portal().await;
    let (contoso, fabrikam) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    let (own, foreign) = (incident(&app, contoso.tenant, "Phishing").await, incident(&app, fabrikam.tenant, "Skeleton key").await);
    let (mut admin, viewer) = two(&app, &[contoso.tenant]).await;
    view(&mut admin, viewer).await;

    let page = admin.get("/incidents").await.assert_success();
    assert!(page.html.contains("Phishing") && !page.html.contains("Skeleton key"), "{}", page.html);
    assert_eq!(page.texts(".looking strong"), ["you see the portal as Test Person does"]);
    admin.get(&format!("/incidents/{own}")).await.assert_success();
    assert_eq!(admin.get(&format!("/incidents/{foreign}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.get("/admin/users").await.status, StatusCode::FORBIDDEN, "a viewer does not administer");
    let account = admin.get("/account").await;
    assert!(account.status == StatusCode::FORBIDDEN && account.html.contains("Only looking"), "{}", account.html);
    let looked = "select count(*) from staff_looks as l join users as u on u.user_id = l.user_id where u.role = 'admin'";
    assert_eq!(ask::<i64>(&app, looked).await, 1, "the customer reads who looked");

    post(&mut admin, "/view-as/end", &format!("/admin/users/{viewer}")).await;
    assert!(admin.get("/incidents").await.assert_success().html.contains("Skeleton key"));
    admin.get("/account").await.assert_success();
    admin.post_form("/view-as/end", &[]).await.assert_redirect("/");
    assert_eq!(ask::<String>(&app, TOLD).await, "session.view_as admin viewer, session.view_as_end admin viewer");
}

#[tokio::test]
async fn no_form_of_any_page_does_anything_meanwhile() {
    let app = TestApp::start().await;
    let (_, lead) = app.user(Role::Lead, None).await;
    let mut admin = app.sign_in(Role::Admin).await;
    view(&mut admin, lead).await;
    let before: i64 = ask(&app, ROWS).await;
    let open = ["/view-as/end", "/logout"];
    let mut tried = 0;
    for (route, method, ..) in ROUTES.iter().filter(|(route, _, who, _)| *who != crate::routes::Who::Anybody && !open.contains(route)) {
        if *method == GET {
            continue;
        }
        let reply = admin.post_form(&example(route), &[]).await;
        assert!(reply.status == StatusCode::FORBIDDEN && reply.html.contains("Only looking"), "{route}: {} {}", reply.status, reply.html);
        tried += 1;
    }
    assert!(tried > 80, "{tried} forms");
    assert_eq!(ask::<i64>(&app, ROWS).await, before, "nothing was done, so nothing was written down");
}

#[tokio::test]
async fn nobody_looks_as_themselves_or_as_somebody_disabled_and_administrators_only() {
    let app = TestApp::start().await;
    let (login, own) = app.user(Role::Admin, None).await;
    let admin = app.enter(&login).await;
    let (_, viewer) = app.user(Role::Viewer, None).await;
    assert_eq!(begin(&admin, own).await, StatusCode::CONFLICT, "oneself");
    assert_eq!(begin(&admin, UserId::new()).await, StatusCode::NOT_FOUND);
    for role in [Role::Lead, Role::Responder, Role::Analyst, Role::Viewer] {
        limits_pass(&app).await;
        assert_eq!(begin(&app.sign_in(role).await, viewer).await, StatusCode::FORBIDDEN, "{role}");
    }
    admin.post_form(&format!("/admin/users/{viewer}/disabled"), &[("disabled", "true")]).await.assert_redirect("/admin/users");
    assert_eq!(begin(&admin, viewer).await, StatusCode::CONFLICT, "disabled");
}

#[tokio::test]
async fn the_session_ends_with_the_colleagues_account_and_no_form_of_one_view_is_good_in_the_other() {
    let app = TestApp::start().await;
    let (mut admin, viewer) = two(&app, &[]).await;
    let mine = admin.clone();
    view(&mut admin, viewer).await;
    mine.get("/incidents").await.assert_redirect("/login?next=%2Fincidents");
    let theirs = admin.form_token("/account/appearance");
    post(&mut admin, "/view-as/end", &format!("/admin/users/{viewer}")).await;
    let old = admin.post_raw("/account/appearance", &[("form_token", &theirs), ("theme", "dark")]).await;
    assert_eq!(old.status, StatusCode::FORBIDDEN, "a form of the other view");
    view(&mut admin, viewer).await;
    let other = app.sign_in(Role::Admin).await;
    other.post_form(&format!("/admin/users/{viewer}/disabled"), &[("disabled", "true")]).await.assert_redirect("/admin/users");
    admin.get("/incidents").await.assert_redirect("/login?next=%2Fincidents");
    other.post_form(&format!("/admin/users/{viewer}/disabled"), &[("disabled", "false")]).await.assert_redirect("/admin/users");
    admin.get("/incidents").await.assert_redirect("/login?next=%2Fincidents");
}

#[tokio::test]
async fn it_begins_with_a_fresh_proof_and_a_large_file_that_needs_one_waits_until_it_has_ended() {
    let app = guarded().await;
    let admin = owner(&app, Role::Admin).await;
    let (_, other) = app.user(Role::Admin, None).await;
    proofs_age(&app, admin.id).await;
    let path = format!("/admin/users/{other}/view-as");
    assert_eq!(admin.visitor.post_form(&path, &[]).await.status, StatusCode::FORBIDDEN, "a proof is asked for");
    limits_pass(&app).await;
    let reply = admin.visitor.post_form(&path, &[("proof_code", &code(&admin.key, 0))]).await;
    assert_eq!(reply.headers.get_all(header::SET_COOKIE).iter().count(), 1, "one new secret, not two");
    let looking = signed_in(&app, &reply);
    assert_eq!(looking.get("/incidents").await.assert_success().texts(".looking strong").len(), 1);
    looking.get("/admin/audit/export.csv").await.assert_success();
    proofs_age(&app, admin.id).await;
    let refused = looking.get("/admin/audit/export.csv").await;
    assert!(refused.status == StatusCode::CONFLICT && refused.html.contains("stop looking as somebody else"), "{}", refused.html);
    looking.post_form("/logout", &[]).await.assert_redirect("/login");
    looking.get("/incidents").await.assert_redirect("/login?next=%2Fincidents");
}
