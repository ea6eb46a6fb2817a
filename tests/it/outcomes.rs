//! What became of a change, where Microsoft's answer is odd, late, lost for long, or one of many.

use crate::acting::{ENDPOINT, ann, change, device, pushed, wanted};
use crate::cloud_apps::{EVERYTHING, changed, rig_with, stands};
use crate::rig::{Customer, Rig};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::time::Duration;
use watchfloor::app::acting;
use watchfloor::demo::{Api, Fault, Loss, Times};
use watchfloor::model::action::Deed;
use watchfloor::model::{ChangeId, ChangeState};
use watchfloor::store::changes::{self, New};
use watchfloor::sync::push::push;

async fn asked(rig: &Rig, customer: Customer, (operation, id): (&str, &str), request: Value) -> ChangeId {
    let change = acting::fresh();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    let new = New { operation, args: &[id], subject: "An object", request: Some(request), comment: None };
    acting::want(&mut tx, &rig.reader.queue, &ann(), customer.tenant, change, &new).await.unwrap();
    tx.commit().await.unwrap();
    change
}

fn posts(rig: &Rig, customer: Customer, part: &str) -> usize {
    let calls = rig.cloud.world().ledger.requests_of(customer.directory, ENDPOINT);
    calls.iter().filter(|call| call.method == "POST" && call.path.contains(part)).count()
}

#[tokio::test]
async fn a_server_that_fails_and_names_a_time_may_have_acted_and_is_not_sent_the_same_again() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Alder").await;
    let device = device(&rig, customer).await;
    rig.fault(customer, ENDPOINT, Fault::Acted(Loss::Busy(20)), Times::Calls(1));
    let id = wanted(&rig, &device, Deed::Isolate).await;
    push(&rig.reader, customer.tenant, id, rig.now()).await.unwrap();
    assert_eq!(change(&rig, customer, id).await.state, ChangeState::Unknown);
    assert_eq!(pushed(&rig, customer, id).await.state, ChangeState::Done);
    assert_eq!(posts(&rig, customer, "/isolate"), 1);
    assert!(rig.cloud.world().ledger.early().is_empty(), "and the time it named is kept");
}

#[tokio::test]
async fn an_answer_that_holds_a_character_no_database_can_is_noted_all_the_same() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Birch").await;
    let record = json!({"incidentId": 7, "incidentName": "a\u{0}b", "lastUpdateTime": rig.now(), "odd\u{0}": ["\u{0}"], "alerts": []});
    rig.fault(customer, Api::DefenderXdr, Fault::json(record.to_string()), Times::Calls(1));
    let id = asked(&rig, customer, ("xdr.incidents.update", "7"), json!({"status": "Resolved"})).await;
    assert_eq!(push(&rig.reader, customer.tenant, id, rig.now()).await.unwrap(), None);
    let done = change(&rig, customer, id).await;
    assert_eq!((done.state, &done.answer.unwrap()["incidentName"]), (ChangeState::Done, &json!("a\u{fffd}b")));
}

#[tokio::test]
async fn a_change_without_an_answer_whose_record_is_gone_is_not_asked_about_for_a_week() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Cedar").await;
    rig.fault(customer, Api::DefenderXdr, Fault::Cut, Times::Calls(1));
    let id = asked(&rig, customer, ("xdr.incidents.update", "7"), json!({"status": "Resolved"})).await;
    let began = rig.now();
    let ended = pushed(&rig, customer, id).await;
    assert!(ended.state == ChangeState::Failed && ended.reason.as_ref().unwrap().contains("no such record any more"), "{ended:?}");
    assert!(rig.now() - began < TimeDelta::minutes(5));
}

#[tokio::test]
async fn a_change_is_finished_when_its_answer_came_and_not_when_it_was_sent() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Cedar").await;
    let incident = rig.cloud.world().add_incident(customer.directory, "One").unwrap().to_string();
    rig.fault(customer, Api::DefenderXdr, Fault::Slow(Duration::from_millis(300)), Times::Calls(1));
    let id = asked(&rig, customer, ("xdr.incidents.update", &incident), json!({"status": "Resolved"})).await;
    let done = pushed(&rig, customer, id).await;
    assert_eq!(done.state, ChangeState::Done);
    assert!(done.finished_at.unwrap() - done.sent_at.unwrap() >= TimeDelta::milliseconds(300), "{done:?}");
}

#[tokio::test]
async fn alerts_that_were_changed_are_found_behind_a_thousand_others() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Dogwood").await;
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    rig.verify(customer, 3).await;
    rig.settle(customer).await;
    let alert = rig.text(customer, "select external_id from alerts where product = 'defender_endpoint'").await.unwrap();
    rig.fault(customer, ENDPOINT, Fault::Acted(Loss::Cut), Times::Calls(1));
    let request = json!({"alertIds": [alert], "status": "Resolved", "comment": "closed by ann"});
    let id = asked(&rig, customer, ("endpoint.alerts.batch", "batch"), request).await;
    push(&rig.reader, customer.tenant, id, rig.now()).await.unwrap();
    assert_eq!(change(&rig, customer, id).await.state, ChangeState::Unknown);
    rig.pass(600); // the alerts of an incident are some minutes older than it
    for _ in 0..1010 {
        rig.cloud.world().add_incident(customer.directory, "Another").unwrap();
    }
    let found = pushed(&rig, customer, id).await;
    assert_eq!(found.state, ChangeState::Done, "{:?}", found.reason);
}

#[tokio::test]
async fn a_change_of_cloud_apps_that_cannot_be_asked_about_says_so_and_ends_after_a_week() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = crate::cloud_apps::customer(&rig, "Elm").await;
    let alert = rig.cloud.world().open_cloud_alerts(customer.directory).remove(0);
    rig.fault(customer, Api::CloudApps, Fault::Status(502), Times::Forever);
    let sent = changed(&rig, customer, "cloud_apps.alerts.read", &[&alert], None).await;
    assert_eq!(sent.state, ChangeState::Unknown);
    for (days, state) in [(0, ChangeState::Unknown), (6, ChangeState::Unknown), (2, ChangeState::Failed)] {
        rig.pass(days * 86_400 + 60);
        let next = push(&rig.reader, customer.tenant, sent.change_id, rig.now()).await.unwrap();
        let stands = stands(&rig, customer, sent.change_id).await;
        assert_eq!((stands.state, stands.looks, next.is_none()), (state, 0, state == ChangeState::Failed), "{:?}", stands.reason);
        assert!(stands.reason.unwrap().contains("HTTP 502"), "the reason is told");
    }
}

#[tokio::test]
async fn a_change_of_cloud_apps_that_reading_cannot_tell_ends_as_one_that_may_have_been_carried_out() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = crate::cloud_apps::customer(&rig, "Fir").await;
    let alert = rig.cloud.world().open_cloud_alerts(customer.directory).remove(0);
    rig.fault(customer, Api::CloudApps, Fault::Status(502), Times::Calls(1));
    let sent = changed(&rig, customer, "cloud_apps.alerts.read", &[&alert], None).await;
    let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
    sqlx::query("update changes set looks = 20").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    rig.pass(60);
    assert_eq!(push(&rig.reader, customer.tenant, sent.change_id, rig.now()).await.unwrap(), None);
    let ended = stands(&rig, customer, sent.change_id).await;
    assert_eq!(ended.state, ChangeState::Failed);
    assert!(ended.reason.unwrap().contains("may have been carried out"));
    let mut tx = rig.db.worker.all_tenants().await.unwrap();
    assert_eq!(changes::open(&mut tx, 10).await.unwrap(), [], "and nobody asks any more");
}
