//! A database that has no connection left.

use crate::api::Program;
use crate::app::TestApp;
use axum::http::StatusCode;
use watchfloor::model::Role;

#[tokio::test]
async fn a_page_and_a_call_that_get_no_connection_say_so_and_when_to_try_again() {
    let app = TestApp::start().await;
    let (viewer, program) = (app.sign_in(Role::Viewer).await, Program::of(&app, Role::Viewer, None).await);
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(app.db.web.no_tenant().await.unwrap());
    }
    let (page, (status, problem)) = tokio::join!(viewer.get("/incidents"), program.get("/incidents"));
    assert_eq!((page.status, status), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(page.headers["retry-after"], "6");
    assert!(page.html.contains("database does not answer") && !page.html.contains("pool"), "{}", page.html);
    assert!(problem["type"].as_str().is_some_and(|kind| kind.ends_with(":away")), "{problem}");
    held.clear();
    viewer.get("/incidents").await.assert_success();
}
