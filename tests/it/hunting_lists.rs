//! Older hunts are reached, a page holds what one can read, and what has ended stays as it ended.

use crate::api::Program;
use crate::app::TestApp;
use crate::hunting_pages::{count, settle, start, tenant};
use axum::http::{Method, StatusCode, header};
use chrono::TimeDelta;
use serde_json::json;
use watchfloor::model::{HuntApi, HuntId, Role, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::hunts::{self, New};

#[tokio::test]
async fn hunts_beyond_the_newest_are_reached_page_by_page() {
    let app = TestApp::start().await;
    let alder = tenant(&app, "Alder", "").await;
    let (login, id) = app.user(Role::Analyst, Some(&[alder])).await;
    let analyst = app.enter(&login).await;
    let by = By { actor: Actor::User(id, login), ip: None };
    let mut tx = app.db.web.tenant(alder).await.unwrap();
    for n in 0..53 {
        let (title, at) = (format!("Hunt {n}"), clock::now() - TimeDelta::seconds(n));
        let new = New { title: &title, query: "DeviceInfo", api: HuntApi::Auto, timespan: None };
        hunts::start(&mut tx, &by, HuntId::new(), &new, &[alder], at).await.unwrap();
    }
    tx.commit().await.unwrap();
    let (mut path, mut seen) = ("/hunting".to_owned(), Vec::new());
    for rows in [25, 25, 3] {
        let page = analyst.get(&path).await.assert_success();
        let titles = page.texts("#hunts td.title");
        assert_eq!(titles.len(), rows, "{path}");
        seen.extend(titles);
        path = page.attribute("#hunts a[rel=next]", "href").unwrap_or_default();
    }
    assert_eq!((path.as_str(), seen), ("", (0..53).map(|n| format!("Hunt {n}")).collect()));
    assert_eq!(analyst.get("/hunting?before=x").await.status, StatusCode::BAD_REQUEST);
    let old = analyst.get("/hunting?before=2020-01-01T00:00:00Z").await.assert_success();
    assert!(old.html.contains("No older hunts.") && old.attribute("#hunts .pager a", "href").is_some(), "{}", old.html);
}

#[tokio::test]
async fn a_running_hunts_page_is_reloaded_until_there_is_something_to_read() {
    let app = TestApp::start().await;
    let (alder, birch) = (tenant(&app, "Alder", "").await, tenant(&app, "Birch", "").await);
    let analyst = app.sign_in(Role::Analyst).await;
    let hunt = start(&analyst, "DeviceInfo", &[alder, birch]).await;
    let page = format!("/hunting/{hunt}");
    assert!(analyst.get(&page).await.assert_success().html.contains("data-reload"));
    settle(&app, hunt, alder, &["A"], &(0..201).map(|n| json!({"A": n})).collect::<Vec<_>>()).await;
    let found = analyst.get(&page).await.assert_success();
    assert!(!found.html.contains("data-reload") && found.html.contains(">Refresh<"), "{}", found.html);
    assert_eq!((found.texts(".found tbody tr").len(), found.attribute("a[rel=next]", "href")), (200, Some(format!("{page}?page=2"))));
    let program = Program::of(&app, Role::Analyst, None).await;
    let owned = program.post("/hunts", json!({"query": "DeviceInfo", "tenants": [alder]})).await.1;
    let own = format!("/hunts/{}", owned["id"].as_str().unwrap());
    assert_eq!(program.get(&format!("{own}?limit=200")).await.0, StatusCode::OK);
    assert_eq!(program.get(&format!("{own}?limit=201")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_hunt_that_has_ended_is_not_cancelled_any_more() {
    let app = TestApp::start().await;
    let alder = tenant(&app, "Alder", "").await;
    let (login, user) = app.user(Role::Analyst, None).await;
    let analyst = app.enter(&login).await;
    let hunt = start(&analyst, "DeviceInfo", &[alder]).await;
    settle(&app, hunt, alder, &["A"], &[json!({"A": 1})]).await;
    analyst.post_form(&format!("/hunting/{hunt}/cancel"), &[]).await.assert_redirect(&format!("/hunting/{hunt}"));
    let admin = Program::of(&app, Role::Admin, None).await;
    let (status, told) = admin.call(Method::DELETE, &format!("/hunts/{hunt}"), None).await;
    assert_eq!((status, &told["stopped"], &told["running"]), (StatusCode::OK, &json!(null), &json!(false)), "{told}");
    let page = analyst.get(&format!("/hunting/{hunt}")).await.assert_success();
    assert!(page.texts("h1")[0].ends_with("Answered"), "{user}: {}", page.html);
    assert_eq!(count(&app, "audit_log where action = 'hunt.cancelled'").await, 0);
}

#[tokio::test]
async fn the_sixty_first_hunt_of_a_person_waits_and_another_persons_does_not() {
    let app = TestApp::start().await;
    let alder = tenant(&app, "Alder", "North").await;
    let body = json!({"query": "DeviceInfo", "tenants": [alder]});
    let program = Program::of(&app, Role::Analyst, None).await;
    for n in 1..=60 {
        assert_eq!(program.post("/hunts", body.clone()).await.0, StatusCode::ACCEPTED, "{n}");
    }
    let reply = program.answer(Method::POST, "/hunts", Some(body.clone())).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{}", reply.html);
    assert!((25..=31).contains(&reply.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap()));
    assert_eq!(count(&app, "audit_log where action = 'security.limited' and object like 'hunts of analyst%'").await, 1);
    let other = Program::of(&app, Role::Analyst, None).await;
    assert_eq!(other.post("/hunts", body).await.0, StatusCode::ACCEPTED);
    assert_eq!(count(&app, "hunts").await, 61);
}
