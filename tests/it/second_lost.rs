//! Factors that are lost or taken away, and what ends with them.

use crate::app::{PASSWORD, TestApp};
use crate::second::{Half, Owner, browser, change, code, events, guarded, half, is_in, owner};
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use watchfloor::auth::second::own;
use watchfloor::auth::{api_tokens, sessions};
use watchfloor::model::Role;
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::factors;

async fn count(app: &TestApp, sql: &'static str) -> i64 {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap()
}

const SESSIONS: &str = "select count(*) from sessions";

#[tokio::test]
async fn where_a_factor_is_required_from_now_on_sessions_without_one_end_at_the_start() {
    let app = guarded().await;
    let (owner, (_, bare)) = (owner(&app, Role::Analyst).await, app.user(Role::Analyst, None).await);
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let session = sessions::start(&mut tx, bare, Role::Analyst, false, None).await.unwrap();
    tx.commit().await.unwrap();
    let visitor = browser(&app, session.expose_secret().to_owned());
    assert!(is_in(&visitor).await);
    let mut tx = app.db.web.no_tenant().await.unwrap();
    assert_eq!(factors::end_sessions_without(&mut tx).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert!(!is_in(&visitor).await && is_in(&owner.visitor).await);
}

#[tokio::test]
async fn from_the_shell_factors_are_reset_like_by_an_administrator() {
    let app = guarded().await;
    let owner = owner(&app, Role::Admin).await;
    let by = By { actor: Actor::Operator, ip: None };
    let mut tx = app.db.web.no_tenant().await.unwrap();
    assert!(own::reset(&mut tx, &by, owner.id, &owner.login).await.unwrap());
    tx.commit().await.unwrap();
    assert!(!is_in(&owner.visitor).await);
    assert!(half(&app, &owner.login).await.get("/login/second").await.html.contains("Set up a second factor"));
}

/// Signs in with the password: asked for a code still.
async fn asked(app: &TestApp, owner: &Owner) -> Half {
    let half = half(app, &owner.login).await;
    assert!(half.get("/login/second").await.html.contains("One more step"));
    half
}

#[tokio::test]
async fn an_administrator_removes_a_colleagues_factors_and_everything_of_theirs_ends() {
    let app = guarded().await;
    let (admin, analyst) = (owner(&app, Role::Admin).await, owner(&app, Role::Analyst).await);
    let begun = asked(&app, &analyst).await;
    let mut tx = app.db.web.all_tenants().await.unwrap();
    let (_, token) = api_tokens::create(&mut tx, analyst.id, "test", 1, &watchfloor::store::api_tokens::Limits::default()).await.unwrap();
    tx.commit().await.unwrap();
    let page = admin.visitor.get(&format!("/admin/users/{}", analyst.id)).await.assert_success();
    assert!(
        page.html.contains("This user has a second factor")
            && !page.html.contains(&analyst.key)
            && !page.html.contains(&analyst.key.replace(' ', ""))
    );
    let path = format!("/admin/users/{}/factors", analyst.id);
    assert_eq!(analyst.visitor.post_form(&path, &[]).await.status, StatusCode::FORBIDDEN);
    admin.visitor.post_form(&path, &[]).await.assert_redirect(&format!("/admin/users/{}", analyst.id));
    assert!(!is_in(&analyst.visitor).await && api_tokens::identify(&app.db.web, &token, None).await.unwrap().is_none());
    assert_eq!(begun.code(&code(&analyst.key, 0)).await.status, StatusCode::SEE_OTHER);
    assert_eq!(admin.visitor.post_form(&path, &[]).await.status, StatusCode::CONFLICT, "there is none left");
    let own = format!("/admin/users/{}/factors", admin.id);
    assert_eq!(admin.visitor.post_form(&own, &[]).await.status, StatusCode::CONFLICT, "one's own go another way");
    assert_eq!(events(&app, "factor.reset").await, ["user.factor.reset ok"]);
    let anew = half(&app, &analyst.login).await.get("/login/second").await;
    assert!(anew.html.contains("Set up a second factor") && anew.texts(".key code")[0] != analyst.key);
    assert_eq!(half(&app, &analyst.login).await.recover(&analyst.codes[0]).await.status, StatusCode::UNAUTHORIZED, "its codes went, too");
}

#[tokio::test]
async fn a_new_password_takes_no_factor_away_and_ends_what_the_old_one_began() {
    let app = guarded().await;
    let owner = owner(&app, Role::Analyst).await;
    let begun = asked(&app, &owner).await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let link = watchfloor::auth::links::reset(&mut tx, &app.state.config.public_url, owner.id).await.unwrap();
    tx.commit().await.unwrap();
    app.stranger().post_raw(link.path(), &[("password", PASSWORD), ("again", PASSWORD)]).await.assert_redirect("/login");
    assert!(!is_in(&owner.visitor).await);
    assert_eq!(begun.code(&code(&owner.key, 0)).await.status, StatusCode::SEE_OTHER);
    asked(&app, &owner).await;
    change(&app, owner.id, "update users set disabled_at = now() where user_id = $1").await;
    assert_eq!(
        app.stranger().post_raw("/login", &[("login", &owner.login), ("password", PASSWORD)]).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_half_of_a_sign_in_ends_after_ten_minutes_and_when_its_account_is_disabled() {
    let app = guarded().await;
    let owner = owner(&app, Role::Analyst).await;
    for sql in ["update flows set expires_at = now() where user_id = $1", "update users set disabled_at = now() where user_id = $1"] {
        let half = asked(&app, &owner).await;
        change(&app, owner.id, sql).await;
        assert_eq!(half.get("/login/second").await.status, StatusCode::SEE_OTHER, "{sql}");
        assert_eq!(half.code(&code(&owner.key, 0)).await.status, StatusCode::SEE_OTHER, "{sql}");
    }
    assert_eq!(count(&app, SESSIONS).await, 1);
}
