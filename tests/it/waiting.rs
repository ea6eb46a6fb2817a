//! An incident waits for its customer's answer: said by staff, told to the customer, ended by the answer.

use crate::app::Visitor;
use crate::bulk::run;
use crate::guests::{bound, incident, person, portal, share};
use crate::staff::ask;
use axum::http::StatusCode;
use watchfloor::model::{NoteId, Role};

const EVENTS: &str =
    "select coalesce(string_agg(action, ', ' order by audit_id), '') from audit_log where action ~ '^(customer\\.note|incident\\.wait)'";
const WAITING: &str = "select count(*) from incidents where waiting_since is not null";

/// The incidents that a person's list says wait.
async fn waiting(visitor: &Visitor) -> Vec<String> {
    visitor.get("/incidents?waiting=customer").await.assert_success().texts("table.queue tbody th a")
}

#[tokio::test]
async fn an_incident_waits_until_its_customer_answers_and_both_sides_are_told() {
    let app = portal().await;
    let (contoso, fabrikam) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    let id = incident(&app, contoso.tenant, "Phishing").await;
    incident(&app, contoso.tenant, "Malware").await;
    share(&app, contoso.tenant, id, true).await;
    let (_, ada) = person(&app, &contoso, "Ada", false).await;
    let (analyst, viewer) = (app.sign_in(Role::Analyst).await, app.sign_in(Role::Viewer).await);
    let elsewhere = app.sign_in_for(Role::Analyst, &[fabrikam.tenant]).await;
    let (page, work, theirs) = (format!("/incidents/{id}"), format!("/incidents/{id}/work"), format!("/customer/incidents/{id}"));
    assert_eq!(viewer.post_form(&work, &[("act", "wait")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(elsewhere.post_form(&work, &[("act", "wait")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask::<i64>(&app, WAITING).await, 0);

    for _ in 0..2 {
        analyst.post_form(&work, &[("act", "wait")]).await.assert_redirect(&page);
    }
    assert_eq!((waiting(&analyst).await, waiting(&elsewhere).await), (vec!["Phishing".to_owned()], Vec::new()));
    assert!(viewer.get(&page).await.assert_success().texts(".head .line .chip").contains(&"Waits for customer".to_owned()));
    assert!(analyst.get("/").await.texts(".tile").iter().any(|tile| tile.starts_with("Waiting for customer1")), "the overview counts it");
    assert!(!elsewhere.get("/").await.assert_success().html.contains("Waiting for customer"));
    assert!(ada.get(&theirs).await.assert_success().html.contains("waits for your answer"));
    assert_eq!(ada.get("/customer/incidents").await.assert_success().texts("tbody .title .chip"), ["Your answer is awaited"]);

    // A note of staff is no answer.
    let (note, answer) = (NoteId::new().to_string(), NoteId::new().to_string());
    let asks = [("note", note.as_str()), ("text", "Was this you?"), ("readers", "shared")];
    assert_eq!(analyst.post_form(&format!("{page}/notes"), &asks).await.status, StatusCode::SEE_OTHER);
    assert_eq!(ask::<i64>(&app, WAITING).await, 1);
    let answers = ada.post_form(&format!("{theirs}/notes"), &[("note", &answer), ("text", "It was me")]).await;
    assert_eq!(answers.status, StatusCode::SEE_OTHER);
    assert!(waiting(&analyst).await.is_empty() && !ada.get(&theirs).await.html.contains("waits for your answer"));
    assert_eq!(ask::<String>(&app, EVENTS).await, "incident.wait, customer.note, incident.wait_end");
}

#[tokio::test]
async fn waiting_ends_by_hand_or_with_the_incident_and_a_closed_one_does_not_begin() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let id = incident(&app, contoso.tenant, "Phishing").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let (page, work) = (format!("/incidents/{id}"), format!("/incidents/{id}/work"));
    for act in ["answered", "wait", "answered", "answered", "wait"] {
        analyst.post_form(&work, &[("act", act)]).await.assert_redirect(&page);
    }
    assert_eq!(ask::<String>(&app, EVENTS).await, "incident.wait, incident.wait_end, incident.wait");
    run(&app, contoso.tenant, "update incidents set status = 'resolved'").await;
    assert_eq!(ask::<i64>(&app, WAITING).await, 0, "it was closed");
    analyst.post_form(&work, &[("act", "wait")]).await.assert_redirect(&page);
    assert!(!analyst.get(&page).await.assert_success().html.contains("Wait for the customer"));
    run(&app, contoso.tenant, "update incidents set status = 'new'").await;
    assert_eq!(ask::<i64>(&app, WAITING).await, 0, "nor does it wait when it is opened again");
    assert!(analyst.get(&page).await.assert_success().html.contains("Wait for the customer"));
}
