//! Another tenant's id and an unknown one are the same to whoever may not see that tenant.

use crate::app::{Reply, TestApp};
use axum::http::StatusCode;
use watchfloor::model::Role;

#[tokio::test]
async fn a_foreign_id_and_an_unknown_one_give_the_same_page() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let (incident, alert) = crate::pages::case(&app, foreign, "FOREIGN").await;
    let analyst = app.sign_in_for(Role::Analyst, &[own]).await;
    let body = |reply: &Reply| {
        let reference = reply.texts("code").pop().unwrap();
        reply.html.replace(&reference, "")
    };
    for (kind, id) in [("incidents", incident.to_string()), ("alerts", alert.to_string())] {
        let theirs = analyst.get(&format!("/{kind}/{id}")).await;
        let unknown = analyst.get(&format!("/{kind}/01890000-0000-7000-8000-000000000000")).await;
        let garbage = analyst.get(&format!("/{kind}/x")).await;
        assert_eq!([theirs.status, unknown.status, garbage.status], [StatusCode::NOT_FOUND; 3], "{kind}");
        assert_eq!(body(&theirs), body(&unknown), "{kind}");
        assert_eq!(body(&theirs), body(&garbage), "{kind}");
        let admin = app.sign_in(Role::Admin).await;
        admin.get(&format!("/{kind}/{id}")).await.assert_success();
    }
}
