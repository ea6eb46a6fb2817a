//! Questions put to Microsoft on a person's wish: asked once, answered by a job, shown to whoever may see the tenant.

use crate::rig::{Customer, Rig};
use serde_json::Value;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::model::{LookupId, LookupState, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::lookups::{self, Lookup, New};
use watchfloor::sync::lookup::look_up;

/// Asks and has it answered.
pub async fn asked(rig: &Rig, customer: Customer, new: &New<'_>) -> Lookup {
    let lookup = LookupId::new();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    lookups::ask(&mut tx, &By { actor: Actor::Operator, ip: None }, customer.tenant, lookup, new, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    look_up(&rig.reader, customer.tenant, lookup, rig.now()).await.unwrap();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    lookups::get(&mut tx, lookup).await.unwrap().unwrap()
}

#[tokio::test]
async fn one_incident_is_asked_for_and_its_json_kept_as_it_came() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Alder").await;
    let now = rig.now();
    rig.cloud.world().seed_history(customer.directory, 1, 1, now);
    let answer = asked(&rig, customer, &New { operation: "xdr.incidents.get", args: &["1001"], ..New::default() }).await;
    assert_eq!(answer.state, LookupState::Answered, "{:?}", answer.reason);
    let incident: Value = serde_json::from_str(&answer.answer.unwrap()).unwrap();
    assert_eq!(incident["incidentId"], 1001);
    assert!(rig.count(customer, "api_usage where budget = 'xdr incident get' and calls = 1").await == 1, "the call is counted");
}

#[tokio::test]
async fn a_question_that_microsoft_refuses_says_why_and_an_operation_that_writes_is_no_question() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Alder").await;
    let missing = asked(&rig, customer, &New { operation: "xdr.incidents.get", args: &["4711"], ..New::default() }).await;
    assert_eq!((missing.state, missing.answer), (LookupState::Failed, None));
    assert!(missing.reason.unwrap().contains("no such record"));
    rig.fault(customer, Api::DefenderXdr, Fault::Forbidden, Times::Calls(1));
    let forbidden = asked(&rig, customer, &New { operation: "xdr.incidents.get", args: &["4711"], ..New::default() }).await;
    assert!(forbidden.reason.unwrap().contains("permission is missing"));
    let writing = asked(&rig, customer, &New { operation: "xdr.incidents.update", args: &["1001"], ..New::default() }).await;
    assert_eq!(writing.state, LookupState::Failed);
    assert!(!watchfloor::app::questions::is_question("endpoint.act.isolate"));
    assert!(!watchfloor::app::questions::is_question("endpoint.actions.package"), "a link that opens something is never stored");
}
