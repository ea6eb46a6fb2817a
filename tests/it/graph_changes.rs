//! Single records of Graph's, and changes made through it.

use crate::adapters::{assert_what_was_shown_is_stored, both, pin};
use crate::rig::{GRAPH_ID, Rig};
use serde_json::{Value, json};
use watchfloor::demo::{Api, Fault, Loss, Times};
use watchfloor::microsoft::operations::{Operation, graph};
use watchfloor::microsoft::{CallError, Target};
use watchfloor::model::{Adapter, ChangeId, ChangeState, Cloud, Product};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::changes::{self, New};
use watchfloor::sync::push;

/// A single answer of Graph's, as JSON.
async fn looked_up(
    rig: &Rig,
    target: &Target,
    operation: &'static Operation,
    id: &str,
    query: &[(&str, &str)],
) -> Result<Value, CallError> {
    let answer = rig.reader.microsoft.look_up(target, "graph", operation, &[id], (query, None), rig.now()).await?;
    Ok(serde_json::from_str(&answer).unwrap())
}

#[tokio::test]
async fn graphs_single_records_are_read_and_its_changes_are_seen_by_the_defender_apis() {
    let rig = Rig::start().await;
    let customer = both(&rig, "Contoso", 0).await;
    let number = rig.cloud.world().add_incident(customer.directory, "One").unwrap().to_string();
    let (client, target) = (&rig.reader.microsoft, Target::new(customer.tenant, customer.directory, Cloud::Commercial));
    let change = async |operation, id: &str, body: Value| client.change(&target, "graph", operation, &[id], Some(&body), rig.now()).await;

    let incident = looked_up(&rig, &target, &graph::INCIDENTS_GET, &number, &[("$expand", "alerts")]).await.unwrap();
    let alerts = looked_up(&rig, &target, &graph::INCIDENTS_ALERTS, &number, &[]).await.unwrap();
    assert_eq!(incident["alerts"], alerts["value"]);
    let id = alerts["value"].as_array().unwrap().iter().find(|alert| alert["serviceSource"] == "microsoftDefenderForEndpoint").unwrap();
    let id = id["id"].as_str().unwrap();
    assert_eq!(looked_up(&rig, &target, &graph::ALERTS_GET, id, &[]).await.unwrap()["providerAlertId"], id);
    assert_eq!(looked_up(&rig, &target, &graph::ALERTS_GET, "da1_2", &[]).await, Err(CallError::NotFound));

    let wish = json!({"status": "inProgress", "assignedTo": "ann@msp.example", "customTags": ["A"], "classification": "truePositive",
        "determination": "compromisedUser"});
    let answer: Value = serde_json::from_str(&change(&graph::INCIDENTS_UPDATE, &number, wish).await.unwrap()).unwrap();
    assert_eq!((&answer["status"], &answer["customTags"]), (&json!("inProgress"), &json!(["A"])));
    let comment = json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": "Called the user."});
    let answer: Value = serde_json::from_str(&change(&graph::INCIDENTS_COMMENT, &number, comment.clone()).await.unwrap()).unwrap();
    assert_eq!(answer["value"][0]["comment"], "Called the user.");
    change(&graph::ALERTS_UPDATE, id, json!({"status": "resolved", "classification": "falsePositive"})).await.unwrap();
    change(&graph::ALERTS_COMMENT, id, comment).await.unwrap();
    for bad in [json!({"status": "InProgress"}), json!({"Status": "active"}), json!({"tags": []}), json!({"classification": "good"})] {
        let refused = change(&graph::INCIDENTS_UPDATE, &number, bad.clone()).await;
        assert!(matches!(refused, Err(CallError::Rejected { status: 400, .. })), "{bad}: {refused:?}");
    }
    let seen = client.xdr_incident(&target, "defender", &number, rig.now()).await.unwrap().unwrap();
    let seen: Value = serde_json::from_str(seen.get()).unwrap();
    assert_eq!((&seen["status"], &seen["determination"]), (&json!("InProgress"), &json!("CompromisedAccount")));
    assert_eq!((&seen["assignedTo"], &seen["comments"][0]["comment"]), (&json!("ann@msp.example"), &json!("Called the user.")));
    let alert = seen["alerts"].as_array().unwrap().iter().find(|alert| alert["alertId"] == id).unwrap();
    assert_eq!((&alert["status"], &alert["classification"]), (&json!("Resolved"), &json!("FalsePositive")));

    rig.cloud.world().drop_role(customer.directory, GRAPH_ID, "SecurityIncident.ReadWrite.All");
    let refused = change(&graph::INCIDENTS_UPDATE, &number, json!({"status": "active"})).await;
    assert!(matches!(refused, Err(CallError::Forbidden { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_change_through_graph_is_shown_at_once_and_one_whose_answer_was_lost_is_looked_for() {
    let rig = Rig::start().await;
    let customer = both(&rig, "Contoso", 0).await;
    pin(&rig, customer, Some(Adapter::Graph)).await;
    let number = rig.cloud.world().add_incident(customer.directory, "One").unwrap().to_string();
    rig.verify(customer, 0).await;
    rig.settle(customer).await;
    let ask = async |operation: &str, id: &str, body: Value| {
        let (change, by) = (ChangeId::new(), By { actor: Actor::System("test"), ip: None });
        let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
        let new = New { operation, args: &[id], subject: "One", request: Some(body), comment: None };
        changes::intend(&mut tx, &by, customer.tenant, change, &new, &changes::Kept::default(), rig.now()).await.unwrap();
        tx.commit().await.unwrap();
        let mut next = push::push(&rig.reader, customer.tenant, change, rig.now()).await.unwrap();
        while let Some(wait) = next {
            rig.pass(wait.num_seconds().max(1));
            next = push::push(&rig.reader, customer.tenant, change, rig.now()).await.unwrap();
        }
        let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
        changes::get(&mut tx, change).await.unwrap().unwrap()
    };
    let before = rig.rows(customer, "select entities::text, products::text, alert_count from incidents").await;
    let texts = |rows: &[sqlx::postgres::PgRow]| -> Vec<String> { (0..2).map(|n| sqlx::Row::get(&rows[0], n)).collect() };
    let done = ask("graph.incidents.update", &number, json!({"status": "inProgress", "assignedTo": "ann@msp.example"})).await;
    assert_eq!((done.state, done.reason), (ChangeState::Done, None));
    assert_eq!(
        rig.text(customer, "select status || ' ' || assigned_to from incidents").await.as_deref(),
        Some("in_progress ann@msp.example")
    );
    let after = rig.rows(customer, "select entities::text, products::text, alert_count from incidents").await;
    assert_eq!(texts(&before), texts(&after), "an incident that came without its alerts keeps what follows from them");
    let events = "incident_events where kind in ('status', 'owner')";
    assert_eq!(rig.count(customer, events).await, 2);
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, events).await, 2, "the reading that follows sees no second change");
    assert_what_was_shown_is_stored(&rig, customer).await;

    rig.fault(customer, Api::Graph, Fault::Acted(Loss::Cut), Times::Calls(1));
    let lost = ask("graph.incidents.update", &number, json!({"status": "resolved", "determination": "compromisedUser"})).await;
    assert_eq!(lost.state, ChangeState::Done, "{lost:?}");
    assert!(lost.reason.unwrap().contains("the record shows the change"));
    assert_eq!(rig.text(customer, "select status from incidents").await.as_deref(), Some("resolved"));
    rig.fault(customer, Api::Graph, Fault::Cut, Times::Calls(1));
    let never = ask("graph.incidents.update", &number, json!({"customTags": ["never"]})).await;
    assert_eq!(never.state, ChangeState::Lost, "{never:?}");

    let comment = json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": "Called the user."});
    rig.fault(customer, Api::Graph, Fault::Acted(Loss::Half), Times::Calls(1));
    assert_eq!(ask("graph.incidents.comment", &number, comment.clone()).await.state, ChangeState::Done);
    let id = rig.text(customer, "select external_id from alerts where product = 'defender_endpoint'").await.unwrap();
    assert_eq!(ask("graph.alerts.comment", &id, comment).await.state, ChangeState::Done);
    assert_eq!(ask("graph.alerts.update", &id, json!({"status": "new"})).await.state, ChangeState::Done);
    assert_eq!(rig.text(customer, "select status from alerts where product = 'defender_endpoint'").await.as_deref(), Some("new"));
    rig.interval(&[customer]).await;
    rig.interval(&[customer]).await;
    let body = "select body #>> '{comments,0,comment}' from incident_raw where api = 'graph'";
    assert_eq!(rig.text(customer, body).await.as_deref(), Some("Called the user."), "once, although the answer was lost");
    assert_eq!(rig.count(customer, "incident_raw where api = 'graph' and json_array_length(body -> 'comments') = 1").await, 1);
    assert_what_was_shown_is_stored(&rig, customer).await;
    let product = rig.product(customer, Product::DefenderXdr).await;
    assert_eq!(product.adapter, Some(Adapter::Graph));
}
