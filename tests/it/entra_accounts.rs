//! Accounts of Entra's in the portal: no password by any way, a name and a role that are not changed here, tenants that are.

use crate::app::{PASSWORD, TestApp, Visitor};
use crate::staff::{ANN, Browser, alter, ask, portal};
use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use watchfloor::auth::{AuthError, links};
use watchfloor::model::{Role, UserId};

const MAIL: &str = "ann@watchers.example";
const NEW: &str = "seven green bicycles";

/// A portal with an administrator of its own, and Ann signed in with Microsoft.
async fn with_ann() -> (TestApp, Visitor, Browser, UserId) {
    let app = portal().await;
    let admin = app.sign_in(Role::Admin).await;
    let mut ann = Browser::new(&app);
    ann.sign_in(MAIL).await.assert_redirect("/");
    let user = UserId(ask(&app, "select user_id from users where entra_object is not null").await);
    (app, admin, ann, user)
}

#[tokio::test]
async fn an_account_of_entras_has_no_password_and_gets_none() {
    let (app, admin, mut ann, user) = with_ann().await;
    let attempt = async |password: &str| app.stranger().post_raw("/login", &[("login", MAIL), ("password", password)]).await;
    for password in ["", PASSWORD, NEW] {
        assert_eq!(attempt(password).await.status, StatusCode::UNAUTHORIZED, "{password:?}");
    }
    let page = ann.get("/account").await.assert_success();
    assert!(page.html.contains("You sign in with Microsoft") && !page.html.contains("/account/password"), "{}", page.html);
    let fields = [("current", PASSWORD), ("password", NEW), ("again", NEW)];
    assert_eq!(ann.visitor().post_form("/account/password", &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let path = format!("/admin/users/{user}");
    assert_eq!(admin.post_form(&format!("{path}/link"), &[]).await.status, StatusCode::CONFLICT);
    assert!(!admin.get(&path).await.assert_success().html.contains(&format!("{path}/link")));
    // Nor by a link that was made all the same.
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let link = links::reset(&mut tx, &app.state.config.public_url, user).await.unwrap();
    tx.commit().await.unwrap();
    let token = SecretString::from(link.path().trim_start_matches("/setup/").to_owned());
    let set = links::reset_password(&app.db.web, &app.state.hasher, &token, &NEW.to_owned().into()).await;
    assert!(matches!(set, Err(AuthError::Refused)), "{}", token.expose_secret());
    let fields = [("password", NEW), ("again", NEW)];
    assert_eq!(app.stranger().post_raw(link.path(), &fields).await.status, StatusCode::NOT_FOUND);
    assert_eq!(attempt(NEW).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask::<i64>(&app, "select count(*) from users where entra_object is not null and password_hash is not null").await, 0);
    ann.get("/account").await.assert_success();
}

#[tokio::test]
async fn the_database_keeps_an_account_from_being_of_both_kinds() {
    let (app, ..) = with_ann().await;
    for wrong in [
        "update users set password_hash = 'x' where entra_object is not null",
        "update users set password_hash = null where entra_object is null",
        "update users set entra_object = gen_random_uuid() where entra_object is null",
        "update users set entra_issuer = null where entra_object is not null",
        "update users set entra_issuer = null, entra_directory = null, entra_object = null where entra_object is not null",
    ] {
        let mut tx = app.db.web.no_tenant().await.unwrap();
        let error = sqlx::query(wrong).execute(&mut *tx).await.unwrap_err().to_string();
        assert!(error.contains("users_are_from_one_place"), "{wrong}: {error}");
    }
}

#[tokio::test]
async fn an_administrator_opens_tenants_and_disables_and_changes_neither_name_nor_role() {
    let (app, admin, mut ann, user) = with_ann().await;
    let contoso = app.tenant("Contoso").await.to_string();
    let page = admin.get("/admin/users").await.assert_success();
    assert!(page.texts("td .sub").contains(&format!("{MAIL} Microsoft")), "{}", page.html);
    let path = format!("/admin/users/{user}");
    let page = admin.get(&path).await.assert_success();
    assert!(page.html.contains(&ANN.to_string()) && page.attribute("select[name=role]", "name").is_none(), "{}", page.html);
    for (name, role) in [("Ann Example", "admin"), ("Somebody", "analyst")] {
        let reply = admin.post_form(&path, &[("name", name), ("role", role), ("tenants", &contoso)]).await;
        assert_eq!(reply.status, StatusCode::CONFLICT, "{name} {role}");
    }
    ann.get("/account").await.assert_success();
    admin.post_form(&path, &[("name", "Ann Example"), ("role", "analyst"), ("tenants", &contoso)]).await.assert_redirect("/admin/users");
    ann.get("/account").await.assert_redirect("/login?next=%2Faccount");
    let mut again = Browser::new(&app);
    again.sign_in(MAIL).await.assert_redirect("/");
    assert!(again.get("/tenants").await.assert_success().html.contains("Contoso"), "what was opened stays open");
    admin.post_form(&format!("{path}/disabled"), &[("disabled", "true")]).await.assert_redirect("/admin/users");
    again.get("/account").await.assert_redirect("/login?next=%2Faccount");
    assert_eq!(Browser::new(&app).sign_in(MAIL).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_page_of_strangers_tells_nobody_which_accounts_sign_in_with_microsoft() {
    let (app, ..) = with_ann().await;
    alter(&app, "delete from sessions").await;
    let attempt = async |login: &str| app.stranger().post_raw("/login", &[("login", login), ("password", NEW)]).await;
    let (ann, nobody) = (attempt(MAIL).await, attempt("nobody@watchers.example").await);
    assert_eq!((ann.status, ann.html.replace(MAIL, "")), (nobody.status, nobody.html.replace("nobody@watchers.example", "")));
}
