//! Defender for Cloud Apps: changes are sent once and judged by what they say, and what reading shows reaches our rows.

use crate::rig::{CLIENT_ID, Customer, Rig, app};
use serde_json::{Value, json};
use std::time::Duration;
use watchfloor::demo::{Api, App, Credential, Fault, Times};
use watchfloor::microsoft::operations::cloud_apps as operations;
use watchfloor::microsoft::{CallError, Client, Target};
use watchfloor::model::cloud_apps::{ActivityFeedback, Closing, Feedback, Range, Verdict};
use watchfloor::model::{ChangeId, ChangeState, Cloud, Product};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::changes::{self, Change, New};
use watchfloor::sync::push::push;

pub const EVERYTHING: [&str; 4] = ["Investigation.Read", "Investigation.Manage", "Discovery.Manage", "Settings.Manage"];

/// Registers the app with these permissions of Cloud Apps, and those of the other products.
pub fn register(rig: &Rig, permissions: &[&str]) -> watchfloor::config::App {
    let mut config = app(&rig.secret);
    config.permissions.insert(Product::CloudApps, permissions.iter().map(|&name| name.to_owned()).collect());
    let roles = config.permissions.iter().flat_map(|(product, names)| names.iter().map(|name| (*product, name.clone()))).collect();
    let secret = std::fs::read_to_string(&rig.secret).unwrap();
    rig.cloud.world().register_app(App {
        client_id: CLIENT_ID,
        name: "Watchfloor".to_owned(),
        publisher: "Example MSSP".to_owned(),
        credentials: vec![Credential::Secret(secret, None)],
        redirect_uris: vec![],
        roles,
        home: None,
    });
    config
}

/// A rig whose app asks for these permissions of Cloud Apps.
pub async fn rig_with(permissions: &[&str]) -> Rig {
    let mut rig = Rig::start().await;
    let config = register(&rig, permissions);
    let now = rig.now();
    let client = Client::stand_in(rig.cloud.address(), &[config], now).unwrap().with_retry_delay(Duration::from_millis(1));
    rig.reader.microsoft = client;
    rig
}

/// A customer with some alerts, read to the end; then a minute passes, so that the limit is unused.
pub async fn customer(rig: &Rig, name: &str) -> Customer {
    let customer = rig.customer(name).await;
    let now = rig.now();
    for n in 0..3 {
        rig.cloud.world().add_incident_at(customer.directory, &format!("Case {n}"), now - chrono::TimeDelta::minutes(10 + n));
    }
    rig.verify(customer, 0).await;
    rig.settle(customer).await;
    rig.pass(70);
    customer
}

pub fn target(customer: Customer) -> Target {
    Target::new(customer.tenant, customer.directory, Cloud::Commercial).at(watchfloor::microsoft::Pace::Person)
}

async fn intend(rig: &Rig, customer: Customer, new: &New<'_>) -> ChangeId {
    let change = ChangeId::new();
    let by = By { actor: Actor::Operator, ip: None };
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    changes::intend(&mut tx, &by, customer.tenant, change, new, &changes::Kept::default(), rig.now()).await.unwrap();
    tx.commit().await.unwrap();
    change
}

pub async fn stands(rig: &Rig, customer: Customer, change: ChangeId) -> Change {
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    changes::get(&mut tx, change).await.unwrap().unwrap()
}

/// Writes a change down and sends it.
pub async fn changed(rig: &Rig, customer: Customer, operation: &str, args: &[&str], request: Option<Value>) -> Change {
    let change = intend(rig, customer, &New { operation, args, subject: "Something", request, comment: None }).await;
    push(&rig.reader, customer.tenant, change, rig.now()).await.unwrap();
    stands(rig, customer, change).await
}

/// Looks until nothing more is to be done.
async fn looked(rig: &Rig, customer: Customer, change: &Change) -> Change {
    for _ in 0..30 {
        rig.pass(60);
        if push(&rig.reader, customer.tenant, change.change_id, rig.now()).await.unwrap().is_none() {
            break;
        }
    }
    stands(rig, customer, change.change_id).await
}

fn closing(ids: &[&str], verdict: Verdict, reason: Option<i64>) -> Value {
    Closing::new(ids.iter().map(|&id| id.to_owned()).collect(), verdict, reason, "Seen", None).unwrap().body()
}

async fn close(rig: &Rig, customer: Customer, ids: &[&str], verdict: Verdict, reason: Option<i64>) -> Change {
    changed(rig, customer, verdict.operation(), ids, Some(closing(ids, verdict, reason))).await
}

/// How often a path was called.
fn calls(rig: &Rig, customer: Customer, part: &str) -> usize {
    let requests = rig.cloud.world().ledger.requests_of(customer.directory, Api::CloudApps);
    requests.iter().filter(|request| request.path.contains(part)).count()
}

async fn status(rig: &Rig, customer: Customer, id: &str) -> String {
    let sql = format!("select concat_ws(' ', status, status_raw, classification) from alerts where external_id = '{id}'");
    rig.text(customer, &sql).await.unwrap()
}

#[tokio::test]
async fn each_verdict_closes_its_alert_and_our_row_is_fresh_at_once() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let open = rig.cloud.world().open_cloud_alerts(customer.directory);
    let cases = [
        (Verdict::Benign, Some(5), "resolved benign InformationalExpectedActivity"),
        (Verdict::FalsePositive, Some(0), "resolved false positive FalsePositive"),
        (Verdict::TruePositive, None, "resolved true positive TruePositive"),
    ];
    for (id, (verdict, reason, expected)) in open.iter().zip(cases) {
        assert_eq!(status(&rig, customer, id).await, "new open");
        let done = close(&rig, customer, &[id], verdict, reason).await;
        assert_eq!((done.state, done.reason.as_deref()), (ChangeState::Done, None));
        assert_eq!(done.answer.unwrap()[verdict.counted_as()], 1);
        assert_eq!(status(&rig, customer, id).await, expected, "without another reading");
    }
    assert!(rig.cloud.world().open_cloud_alerts(customer.directory).is_empty());
}

#[tokio::test]
async fn several_alerts_are_closed_in_one_call_and_one_microsoft_does_not_know_is_told() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let open = rig.cloud.world().open_cloud_alerts(customer.directory);
    let both = close(&rig, customer, &[&open[0], &open[1]], Verdict::TruePositive, None).await;
    assert_eq!(both.state, ChangeState::Done);
    assert_eq!(calls(&rig, customer, "close_true_positive"), 1);
    assert_eq!(status(&rig, customer, &open[1]).await, "resolved true positive TruePositive");
    let unknown = close(&rig, customer, &[&open[2], "5f843e9cfe3f6d80fe58a962"], Verdict::Benign, Some(6)).await;
    assert_eq!(unknown.state, ChangeState::Failed);
    assert_eq!(unknown.reason.as_deref(), Some("Microsoft closed 1 of 2. Microsoft does not know 5f843e9cfe3f6d80fe58a962."));
}

#[tokio::test]
async fn a_close_that_names_no_alert_is_never_sent() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let before = rig.cloud.world().open_cloud_alerts(customer.directory);
    let bodies = [
        None,
        Some(json!({})),
        Some(json!({"filters": {}})),
        Some(json!({"filters": {"id": {}}})),
        Some(json!({"filters": {"id": {"eq": []}}})),
        Some(json!({"filters": {"id": {"eq": [""]}}})),
        Some(json!({"filters": {"alertOpen": {"eq": true}}})),
        Some(json!({"filters": {"id": {"neq": ["x"]}}})),
    ];
    for body in bodies {
        for operation in [&operations::CLOSE_BENIGN, &operations::CLOSE_FALSE_POSITIVE, &operations::CLOSE_TRUE_POSITIVE] {
            let sent = rig.reader.microsoft.change(&target(customer), "defender", operation, &[], body.as_ref(), rig.now()).await;
            assert!(matches!(sent, Err(CallError::NotConfigured(_))), "{body:?}: {sent:?}");
        }
        let failed = changed(&rig, customer, "cloud_apps.alerts.close_benign", &[], body).await;
        assert_eq!(failed.state, ChangeState::Failed);
    }
    assert_eq!(calls(&rig, customer, "close_"), 0);
    assert_eq!(rig.cloud.world().open_cloud_alerts(customer.directory), before);
}

#[tokio::test]
async fn an_alert_is_marked_read_and_unread() {
    let rig = rig_with(&["Investigation.Read"]).await; // Microsoft's table: reading is enough for this
    let customer = customer(&rig, "Alder").await;
    let id = rig.cloud.world().open_cloud_alerts(customer.directory)[0].clone();
    let sql = "select body ->> 'statusValue' from alert_raw join alerts using (tenant_id, alert_id) where external_id = '";
    for (operation, expected) in [("cloud_apps.alerts.read", "1"), ("cloud_apps.alerts.unread", "0")] {
        assert_eq!(changed(&rig, customer, operation, &[&id], None).await.state, ChangeState::Done);
        assert_eq!(rig.text(customer, &format!("{sql}{id}'")).await.as_deref(), Some(expected));
    }
    assert_eq!(changed(&rig, customer, "cloud_apps.alerts.read", &["4711"], None).await.state, ChangeState::Failed);
    let refused = close(&rig, customer, &[&id], Verdict::TruePositive, None).await;
    assert_eq!(refused.state, ChangeState::Failed, "closing needs more than reading");
    assert_eq!(calls(&rig, customer, "close_"), 0, "no app of the tenant asks for it");
}

#[tokio::test]
async fn a_close_whose_answer_is_lost_is_found_out_by_reading_and_not_sent_again() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let open = rig.cloud.world().open_cloud_alerts(customer.directory);
    rig.fault(customer, Api::CloudApps, Fault::TruncatedJson, Times::Calls(1));
    let unknown = close(&rig, customer, &[&open[0]], Verdict::Benign, Some(4)).await;
    assert_eq!(unknown.state, ChangeState::Unknown);
    assert_eq!(looked(&rig, customer, &unknown).await.state, ChangeState::Done);
    assert_eq!(status(&rig, customer, &open[0]).await, "resolved benign InformationalExpectedActivity");
    rig.fault(customer, Api::CloudApps, Fault::Status(502), Times::Calls(1));
    let unknown = close(&rig, customer, &[&open[1]], Verdict::Benign, Some(4)).await;
    assert_eq!(unknown.state, ChangeState::Unknown);
    assert_eq!(looked(&rig, customer, &unknown).await.state, ChangeState::Lost, "reading shows that it is open");
    assert_eq!(calls(&rig, customer, "close_"), 2);
    for (operation, fault, state) in [
        ("cloud_apps.alerts.read", Fault::Status(500), ChangeState::Lost),
        ("cloud_apps.alerts.unread", Fault::Status(500), ChangeState::Done), // it was unread before
    ] {
        rig.fault(customer, Api::CloudApps, fault, Times::Calls(1));
        let unknown = changed(&rig, customer, operation, &[&open[2]], None).await;
        assert_eq!(looked(&rig, customer, &unknown).await.state, state, "{operation}");
    }
}

fn range(name: &str, networks: &str) -> Value {
    Range::new(name, 1, networks, "Northern Fibre", "Corporate").unwrap().body()
}

#[tokio::test]
async fn a_range_is_added_replaced_and_deleted() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let added = changed(&rig, customer, "cloud_apps.subnets.create", &[], Some(range("Depot", "192.0.2.0/24"))).await;
    let id = added.external_id.clone().unwrap();
    assert_eq!((added.state, id.len()), (ChangeState::Done, 24));
    let twice = changed(&rig, customer, "cloud_apps.subnets.create", &[], Some(range("Depot", "192.0.2.0/24"))).await;
    assert!(twice.state == ChangeState::Failed && twice.reason.unwrap().contains("must be unique"));
    let moved = changed(&rig, customer, "cloud_apps.subnets.update", &[&id], Some(range("Depot", "198.51.100.8/29"))).await;
    assert_eq!(moved.state, ChangeState::Done);
    let ranges = rig.cloud.world().ranges(customer.directory);
    assert!(ranges.contains(&("Depot".to_owned(), vec!["198.51.100.8/29".to_owned()])));
    assert_eq!(changed(&rig, customer, "cloud_apps.subnets.delete", &[&id], None).await.state, ChangeState::Done);
    assert_eq!(rig.cloud.world().ranges(customer.directory).len(), ranges.len() - 1);
    assert_eq!(changed(&rig, customer, "cloud_apps.subnets.delete", &[&id], None).await.state, ChangeState::Failed, "there is none");
}

#[tokio::test]
async fn a_range_whose_answer_is_lost_is_looked_for_in_the_list() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let lost = |fault| rig.fault(customer, Api::CloudApps, fault, Times::Calls(1));
    let (create, update, delete) = ("cloud_apps.subnets.create", "cloud_apps.subnets.update", "cloud_apps.subnets.delete");
    lost(Fault::TruncatedJson);
    let unknown = changed(&rig, customer, create, &[], Some(range("Depot", "192.0.2.0/24"))).await;
    assert_eq!(unknown.state, ChangeState::Unknown);
    let found = looked(&rig, customer, &unknown).await;
    let id = found.external_id.clone().unwrap();
    assert_eq!(found.state, ChangeState::Done);
    lost(Fault::Status(500));
    let unknown = changed(&rig, customer, create, &[], Some(range("Barn", "192.0.2.64/26"))).await;
    assert_eq!(looked(&rig, customer, &unknown).await.state, ChangeState::Lost);
    lost(Fault::Status(500));
    let unknown = changed(&rig, customer, update, &[&id], Some(range("Depot", "192.0.2.128/25"))).await;
    assert_eq!(looked(&rig, customer, &unknown).await.state, ChangeState::Lost);
    lost(Fault::Status(500));
    let unknown = changed(&rig, customer, delete, &[&id], None).await;
    assert_eq!(looked(&rig, customer, &unknown).await.state, ChangeState::Lost, "it is still there");
    assert_eq!(calls(&rig, customer, "create_rule"), 2);
    assert_eq!(calls(&rig, customer, "update_rule"), 1);
}

#[tokio::test]
async fn feedback_whose_answer_is_lost_may_have_been_given_and_is_never_repeated() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let body = json!({"filters": {}, "limit": 1});
    let list = &operations::ACTIVITIES_LIST;
    let answer = rig.reader.microsoft.look_up(&target(customer), "defender", list, &[], (&[], Some(&body)), rig.now()).await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let id = answer["data"][0]["_id"].as_str().unwrap();
    let feedback = || ActivityFeedback::new("0", Feedback { text: "Expected".to_owned(), contact: None }).unwrap().body();
    let told = changed(&rig, customer, "cloud_apps.activities.feedback", &[id], Some(feedback())).await;
    assert_eq!((told.state, rig.cloud.world().feedback(customer.directory)), (ChangeState::Done, 1));
    rig.fault(customer, Api::CloudApps, Fault::Status(500), Times::Calls(1));
    let unknown = changed(&rig, customer, "cloud_apps.activities.feedback", &[id], Some(feedback())).await;
    let still = looked(&rig, customer, &unknown).await;
    assert_eq!(still.state, ChangeState::Failed);
    assert!(still.reason.unwrap().contains("may have been given. It is not sent again."));
    assert_eq!(calls(&rig, customer, "/feedback"), 2);
}
