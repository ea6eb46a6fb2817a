//! Who sees which tenants: named ones, those of groups, and never those that are denied; at the next request.

use crate::api::Program;
use crate::app::{TestApp, Visitor};
use crate::guests::{bound, incident, portal};
use crate::staff::ask;
use axum::http::{Method, StatusCode};
use serde_json::json;
use watchfloor::model::{Role, TenantId, UserId};
use watchfloor::store::reach::{self, Reach};

async fn group(app: &TestApp, tenant: TenantId, name: Option<&str>) {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update tenants set tenant_group = $2 where tenant_id = $1").bind(tenant).bind(name).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn choose(app: &TestApp, user: UserId, reach: &Reach) {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    reach::set(&mut tx, user, reach).await.unwrap();
    tx.commit().await.unwrap();
}

/// The names of the tenants that somebody sees.
async fn seen(visitor: &Visitor) -> String {
    visitor.get("/tenants").await.assert_success().texts("tbody .title > a").join(" ")
}

#[tokio::test]
async fn a_group_is_seen_as_it_is_at_the_moment_and_what_is_denied_is_not() {
    let app = TestApp::start().await;
    let [alder, birch, cedar] = [app.tenant("Alder").await, app.tenant("Birch").await, app.tenant("Cedar").await];
    let (login, user) = app.user(Role::Analyst, Some(&[])).await;
    group(&app, alder, Some("North")).await;
    choose(&app, user, &Reach { groups: vec!["North".to_owned()], ..Reach::default() }).await;
    let analyst = app.enter(&login).await;
    assert_eq!(seen(&analyst).await, "Alder");
    group(&app, birch, Some("North")).await;
    assert_eq!(seen(&analyst).await, "Alder Birch", "it has joined the group");
    choose(&app, user, &Reach { groups: vec!["North".to_owned()], tenants: vec![cedar, alder], denied: vec![alder] }).await;
    assert_eq!(seen(&analyst).await, "Birch Cedar", "named and denied is denied");
    group(&app, birch, Some("South")).await;
    assert_eq!(seen(&analyst).await, "Cedar", "it has left the group");
    choose(&app, user, &Reach::default()).await;
    assert_eq!(seen(&analyst).await, "", "nothing chosen is nothing");
}

#[tokio::test]
async fn of_all_tenants_some_may_be_denied_on_every_page_and_to_programs_but_not_to_an_administrator() {
    let app = portal().await;
    let (contoso, fabrikam) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    let (open, closed) = (incident(&app, contoso.tenant, "Phishing").await, incident(&app, fabrikam.tenant, "Skeleton key").await);
    let denied = Reach { denied: vec![fabrikam.tenant], ..Reach::default() };
    for (role, sees) in [(Role::Lead, false), (Role::Admin, true)] {
        let (login, user) = app.user(role, None).await;
        choose(&app, user, &denied).await;
        let visitor = app.enter(&login).await;
        visitor.get(&format!("/incidents/{open}")).await.assert_success();
        assert_eq!(visitor.get(&format!("/incidents/{closed}")).await.status == StatusCode::OK, sees, "{role}");
        assert_eq!(visitor.get("/incidents").await.assert_success().html.contains("Skeleton key"), sees, "{role}");
        assert_eq!(visitor.get("/").await.assert_success().html.contains("Fabrikam"), sees, "{role}");
        let program = Program::of_user(&app, user).await;
        assert_eq!(program.get(&format!("/incidents/{closed}")).await.0 == StatusCode::OK, sees, "{role}");
        program.get(&format!("/incidents/{open}")).await;
    }
    let new = app.tenant("Gamma").await;
    let lead: Vec<TenantId> = ask(&app, "select reach_of(u) from users as u where role = 'lead'").await;
    assert!(lead.contains(&new) && !lead.contains(&fabrikam.tenant), "a tenant of tomorrow is seen");
    let admin: Option<Vec<TenantId>> = ask(&app, "select reach_of(u) from users as u where role = 'admin'").await;
    assert_eq!(admin, None, "all");
}

#[tokio::test]
async fn an_administrator_chooses_on_the_users_page_and_that_is_written_down() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    group(&app, alder, Some("North")).await;
    let admin = app.sign_in(Role::Admin).await;
    let (_, user) = app.user(Role::Analyst, Some(&[])).await;
    let path = format!("/admin/users/{user}");
    let denied = birch.to_string();
    let form = [("name", "Ann"), ("role", "analyst"), ("groups", "North"), ("denied", denied.as_str())];
    admin.post_form(&path, &form).await.assert_redirect("/admin/users");
    let page = admin.get(&path).await.assert_success();
    assert_eq!(page.attribute("input[name=groups][checked]", "value").unwrap(), "North");
    assert_eq!(page.attribute("input[name=denied][checked]", "value").unwrap(), denied);
    assert!(admin.get("/admin/users").await.assert_success().html.contains("Groups of tenants"));
    let written =
        "select concat(before->'reach'->>'groups', ' ', after->'reach'->>'groups', ' ', after->'reach'->'denied'->>0) from audit_log
                   where action = 'user.update'";
    assert_eq!(ask::<String>(&app, written).await, format!("[] [\"North\"] {denied}"));
}

#[tokio::test]
async fn of_more_tenants_than_are_listed_the_chosen_ones_are_and_stay_chosen() {
    let app = TestApp::start().await;
    let last = app.tenant("Zypress").await;
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("insert into tenants (tenant_id, name) select gen_random_uuid(), 'Tenant ' || n from generate_series(1, 2001) as n")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let (_, user) = app.user(Role::Analyst, Some(&[last])).await;
    let admin = app.sign_in(Role::Admin).await;
    let path = format!("/admin/users/{user}");
    let page = admin.get(&path).await.assert_success();
    assert!(page.html.contains("The first 2,000 by name"));
    let chosen = page.attribute("input[name=tenants][checked]", "value").expect("the chosen one is on the page");
    assert_eq!(chosen, last.to_string());
    let form = [("name", "Ann"), ("role", "analyst"), ("tenants", chosen.as_str())];
    admin.post_form(&path, &form).await.assert_redirect("/admin/users");
    assert_eq!(ask::<Vec<TenantId>>(&app, "select reach_of(u) from users as u where role = 'analyst'").await, [last]);
}

#[tokio::test]
async fn who_is_no_administrator_changes_nobodys_reach_by_moving_a_tenant() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    group(&app, alder, Some("North")).await;
    let (_, user) = app.user(Role::Analyst, Some(&[])).await;
    choose(&app, user, &Reach { groups: vec!["North".to_owned()], ..Reach::default() }).await;
    let (lead, admin) = (Program::of(&app, Role::Lead, None).await, Program::of(&app, Role::Admin, None).await);
    let moved = async |program: &Program, tenant: TenantId, to: &str| {
        let asked = json!({ "group": to, "apps": ["defender"] });
        program.call(Method::PATCH, &format!("/tenants/{tenant}"), Some(asked)).await.0
    };
    assert_eq!(moved(&lead, birch, "South").await, StatusCode::OK, "nobody's reach hangs on it");
    assert_eq!(moved(&lead, birch, "North").await, StatusCode::CONFLICT, "somebody would see more");
    assert_eq!(moved(&lead, alder, "South").await, StatusCode::CONFLICT, "somebody would see less");
    let page = app.sign_in(Role::Lead).await;
    let version = page.get(&format!("/admin/tenants/{alder}")).await.assert_success().attribute("input[name=version]", "value").unwrap();
    let edit = [("name", "Alder"), ("apps", "defender"), ("cloud", "commercial"), ("version", version.as_str()), ("group", "South")];
    let refused = page.post_form(&format!("/admin/tenants/{alder}"), &edit).await;
    assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.html.contains("hangs on its group"), "{}", refused.html);
    assert_eq!(moved(&admin, birch, "North").await, StatusCode::OK);
    let reach: Vec<TenantId> = ask(&app, "select reach_of(u) from users as u where role = 'analyst'").await;
    let mut both = vec![alder, birch];
    both.sort_unstable();
    assert_eq!(reach, both);
}
