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
    let form = [("theme", "dark")];
    let (page, sent, (status, problem)) =
        tokio::join!(viewer.get("/incidents"), viewer.post_form("/account/appearance", &form), program.get("/incidents"));
    assert_eq!((page.status, status), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(page.headers["retry-after"], "6");
    assert!(page.html.contains("database does not answer") && !page.html.contains("pool"), "{}", page.html);
    assert!(problem["type"].as_str().is_some_and(|kind| kind.ends_with(":away")), "{problem}");
    // Whether the change was stored before its page failed is not known where this is written.
    assert_eq!(sent.status, StatusCode::SERVICE_UNAVAILABLE);
    for told in [page.html.as_str(), sent.html.as_str(), problem["detail"].as_str().unwrap()] {
        assert!(
            told.contains("it is not certain whether that was saved") && !told.to_lowercase().contains("nothing was changed"),
            "{told}"
        );
    }
    held.clear();
    viewer.get("/incidents").await.assert_success();
}
