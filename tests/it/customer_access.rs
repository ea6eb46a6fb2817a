//! Who gets into which area: nobody of a customer's into one of staff's pages, nobody of staff's into a customer's, and of a customer's people only
//! those who administer them into what is for these.

use crate::access::{example, visit};
use crate::app::{Reply, TestApp, Visitor};
use crate::guests::{bound, person, portal};
use crate::routes::Who::Anybody;
use crate::routes::{CUSTOMERS, GET, POST, ROUTES};
use crate::staff::ask;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use watchfloor::model::Role;

const PEOPLE: &str = "select count(*) filter (where disabled_at is null) from customers";

/// Whether an answer says that the visitor is nobody here.
fn sent_to(reply: &Reply, page: &str) -> bool {
    let to = reply.headers.get(header::LOCATION).map(|to| to.to_str().unwrap());
    reply.status == StatusCode::SEE_OTHER && to.is_some_and(|to| to == page || to.starts_with(&format!("{page}?")))
}

async fn with_everybody(app: &TestApp) -> (Visitor, Visitor, Visitor) {
    let contoso = bound(app, "Contoso").await;
    let (_, admin) = person(app, &contoso, "Ada", true).await;
    let (_, user) = person(app, &contoso, "Eve", false).await;
    (app.sign_in(Role::Admin).await, admin, user)
}

#[tokio::test]
async fn a_customers_session_gets_into_no_route_of_staffs_whatever_its_cookie_is_called() {
    let app = portal().await;
    let (_, customer, _) = with_everybody(&app).await;
    let disguised = customer.clone().with("sid", customer.session.clone());
    for (route, method, ..) in ROUTES.iter().filter(|row| row.2 != Anybody) {
        for visitor in [&customer, &disguised] {
            let reply = visit(visitor, route, method).await;
            assert!(sent_to(&reply, "/login"), "{method} {route} as {}: {}", visitor.cookie, reply.status);
        }
    }
    for call in ["/api/v1/me", "/api/v1/incidents", "/api/v1/tenants"] {
        let request =
            customer.request(Method::GET, call).header(header::AUTHORIZATION, format!("Bearer {}", customer.session.clone().unwrap()));
        assert_eq!(customer.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::UNAUTHORIZED, "{call}");
    }
}

#[tokio::test]
async fn a_session_of_staffs_gets_into_no_route_of_the_customers_whatever_its_cookie_is_called() {
    let app = portal().await;
    let (staff, ..) = with_everybody(&app).await;
    let disguised = staff.clone().with("cid", staff.session.clone());
    for (route, method, _) in CUSTOMERS {
        for visitor in [&staff, &disguised, &app.stranger()] {
            let reply = visit(visitor, route, method).await;
            assert!(sent_to(&reply, "/customer/login"), "{method} {route} as {}: {}", visitor.cookie, reply.status);
        }
    }
}

#[tokio::test]
async fn a_browser_with_both_cookies_is_somebody_in_each_area() {
    let app = portal().await;
    let (staff, customer, _) = with_everybody(&app).await;
    let both = format!("sid={}; cid={}", staff.session.clone().unwrap(), customer.session.clone().unwrap());
    let browser = app.stranger().with("x=y; sid", None);
    for (path, who) in [("/account", "Test Person"), ("/customer", "Ada")] {
        let request = browser.request(Method::GET, path).header(header::COOKIE, &both).body(Body::empty()).unwrap();
        let page = browser.send(request).await.assert_success();
        assert!(page.html.contains(who), "{path}: {}", page.html);
    }
}

#[tokio::test]
async fn only_whoever_administers_colleagues_gets_to_them() {
    let app = portal().await;
    let (_, admin, user) = with_everybody(&app).await;
    for (route, method, is_for_admins) in CUSTOMERS.iter().filter(|row| row.0 != "/customer/logout") {
        assert_eq!(visit(&user, route, method).await.status == StatusCode::FORBIDDEN, *is_for_admins, "{method} {route}");
        assert_ne!(visit(&admin, route, method).await.status, StatusCode::FORBIDDEN, "{method} {route}");
    }
    assert!(
        !user.get("/customer").await.html.contains("/customer/people") && admin.get("/customer").await.html.contains("/customer/people")
    );
}

#[tokio::test]
async fn a_customers_form_without_our_token_or_from_another_site_changes_nothing() {
    let app = portal().await;
    let (_, admin, user) = with_everybody(&app).await;
    let before = ask::<i64>(&app, PEOPLE).await;
    for (route, ..) in CUSTOMERS.iter().filter(|row| row.1 == POST) {
        let path = example(route);
        let good = admin.form_token(&path);
        for site in ["cross-site", "same-site"] {
            assert_eq!(admin.post_from(site, &path, &[("form_token", &good)]).await.status, StatusCode::FORBIDDEN, "{route}");
        }
        for token in ["", "x", &user.form_token(&path), &admin.form_token("/elsewhere")] {
            assert_eq!(admin.post_raw(&path, &[("form_token", token)]).await.status, StatusCode::FORBIDDEN, "{route} {token}");
        }
    }
    assert_eq!(ask::<i64>(&app, PEOPLE).await, before);
    admin.get("/customer").await.assert_success();
    assert!(CUSTOMERS.iter().any(|row| row.1 == GET));
}
