//! Reading when Microsoft fails: nothing is lost or doubled, and everybody can see why.

use crate::rig::{Customer, Rig};
use serde_json::json;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::model::{Product, SyncHealth, TenantState};
use watchfloor::store::quarantine;

const XDR: Product = Product::DefenderXdr;

fn throttle(retry_after: &str) -> Fault {
    Fault::Throttle((!retry_after.is_empty()).then(|| retry_after.to_owned()))
}

async fn watermark(rig: &Rig, customer: Customer) -> Option<String> {
    rig.text(customer, "select watermark::text from sync_state where product = 'defender_xdr'").await
}

#[tokio::test]
async fn a_wait_that_microsoft_asks_for_is_kept_in_every_form() {
    for (form, at_least, at_most) in [("7", 7, 8), ("2.128", 2, 4), ("banana", 60, 66), ("-5", 0, 66), ("", 60, 66), ("999999", 900, 991)] {
        let rig = Rig::start().await;
        let customer = rig.read_customer("Contoso").await;
        rig.fault(customer, Api::DefenderXdr, throttle(form), Times::Calls(1));
        rig.pass(70);
        let asked = rig.now();
        rig.round(customer).await;
        let row = rig.product(customer, XDR).await;
        let wait = (row.next_due - asked).num_seconds();
        assert!((at_least..=at_most).contains(&wait), "{form}: {wait} s");
        assert_eq!(row.state == SyncHealth::Throttled, wait > 66, "{form}: {:?}", row.state);
        assert!(row.reason.is_some() && row.remedy.is_some() && row.failing_since.is_some(), "{form}");
        assert_eq!(rig.health(customer, Product::CloudApps).await, SyncHealth::Ok, "{form}: others go on");
        if form == "999999" {
            continue;
        }
        rig.pass(wait + 1);
        rig.cloud.world().add_incident(customer.directory, "Later").unwrap();
        rig.round(customer).await;
        assert_eq!(rig.count(customer, "incidents where title = 'Later'").await, 1, "{form}");
        assert!(rig.cloud.world().ledger.early().is_empty(), "{form}");
    }
}

#[tokio::test]
async fn what_is_no_answer_leaves_the_watermark_and_is_never_no_alerts() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    rig.cloud.world().add_incident(customer.directory, "Before").unwrap();
    rig.interval(&[customer]).await;
    for fault in [
        Fault::html(),
        Fault::empty(),
        Fault::json("null"),
        Fault::json("[]"),
        Fault::json("{}"),
        Fault::error_in_200(),
        Fault::TruncatedJson,
        Fault::Status(500),
        Fault::Status(503),
        Fault::LoopingPages,
        Fault::NextLink("https://evil.example/api/incidents".to_owned()),
        Fault::Unauthorized,
    ] {
        let told = format!("{fault:?}");
        let before = (watermark(&rig, customer).await, rig.product(customer, XDR).await.complete_until);
        rig.fault(customer, Api::DefenderXdr, fault, Times::Forever);
        rig.cloud.world().add_incident(customer.directory, &told).unwrap();
        rig.pass(70);
        rig.round(customer).await;
        let row = rig.product(customer, XDR).await;
        assert_eq!((watermark(&rig, customer).await, row.complete_until), before, "{told}");
        assert!(row.failing_since.is_some() && row.reason.is_some() && row.remedy.is_some(), "{told}");
        assert_ne!(
            rig.text(customer, "select outcome from sync_runs where product = 'defender_xdr' order by started_at desc").await.as_deref(),
            Some("ok"),
            "{told}"
        );
        rig.cloud.world().heal(customer.directory, Api::DefenderXdr);
        rig.pass(1000);
        rig.round(customer).await;
        let row = rig.product(customer, XDR).await;
        assert_eq!((row.state, row.failing_since, row.reason), (SyncHealth::Ok, None, None), "{told}");
    }
    rig.assert_ledger_equals_database(customer).await;
    assert_eq!(rig.count(customer, "incidents").await, 13);
    assert_eq!(rig.audited(customer, "security.microsoft_answer").await, 1, "the link to another host");
}

#[tokio::test]
async fn a_token_refused_in_the_middle_is_replaced_once_and_nothing_is_noticed() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    rig.fault(customer, Api::DefenderXdr, Fault::Unauthorized, Times::Calls(1));
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    rig.interval(&[customer]).await;
    assert_eq!((rig.count(customer, "incidents").await, rig.health(customer, XDR).await), (1, SyncHealth::Ok));
}

#[tokio::test]
async fn a_failure_shows_within_two_intervals_with_reason_and_remedy_and_heals_alone() {
    let rig = Rig::start().await;
    let (sick, well) = (rig.read_customer("Contoso").await, rig.read_customer("Fabrikam").await);
    rig.fault(sick, Api::DefenderXdr, Fault::Status(502), Times::Forever);
    rig.interval(&[sick, well]).await;
    rig.interval(&[sick, well]).await;
    let row = rig.product(sick, XDR).await;
    assert_eq!((row.state, rig.state(sick).await), (SyncHealth::Failing, TenantState::Degraded));
    assert!(row.reason.is_some() && row.remedy.is_some());
    assert_eq!(rig.state(well).await, TenantState::Active);
    let reason = rig.text(sick, "select state_reason from tenants").await.unwrap();
    assert!(reason.starts_with("Defender XDR: ") && reason.contains("502"), "{reason}");
    rig.cloud.world().heal(sick.directory, Api::DefenderXdr);
    rig.pass(1000);
    rig.round(sick).await;
    assert_eq!(rig.state(sick).await, TenantState::Active);
    assert_eq!(rig.audited(sick, "tenant.state").await, 3, "to active, to degraded, back to active");
}

#[tokio::test]
async fn one_poison_record_is_set_aside_and_the_other_99_are_stored() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    {
        let mut world = rig.cloud.world();
        for n in 0..99 {
            world.add_incident(customer.directory, &format!("Good {n}")).unwrap();
        }
        let stamp = world.now().to_rfc3339();
        world.add_raw(customer.directory, Api::DefenderXdr, json!({"incidentName": "No id", "lastUpdateTime": stamp}));
    }
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents").await, 99);
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    let bad = quarantine::list(&mut tx, customer.tenant, Some(XDR)).await.unwrap();
    assert_eq!(bad.len(), 1);
    assert!(bad[0].body.contains("No id") && !bad[0].reason.is_empty(), "{}", bad[0].reason);
    drop(tx);
    assert_eq!(rig.health(customer, XDR).await, SyncHealth::Ok);
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "quarantine").await, 1, "seen again, kept once");
}

#[tokio::test]
async fn a_record_that_comes_again_in_good_form_leaves_the_quarantine() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    let id = rig.cloud.world().add_incident(customer.directory, "Odd").unwrap();
    let directory = customer.directory;
    rig.cloud.world().update_incident(directory, id, |body| body["lastUpdateTime"] = json!({"year": 2026}));
    rig.interval(&[customer]).await;
    assert_eq!((rig.count(customer, "incidents").await, rig.count(customer, "quarantine").await), (0, 1));
    let stamp = rig.now().to_rfc3339();
    rig.cloud.world().update_incident(directory, id, |body| body["lastUpdateTime"] = json!(stamp));
    rig.interval(&[customer]).await;
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents").await, 1);
    assert_eq!(rig.count(customer, "quarantine").await, 0);
}

#[tokio::test]
async fn unknown_words_and_odd_shapes_are_kept_and_a_date_in_the_future_does_not_end_reading() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    let stamp = rig.now().to_rfc3339();
    for (n, (severity, status)) in [("critical", "awaitingAction"), ("unknownFutureValue", "ACTIVE"), ("", "")].into_iter().enumerate() {
        let record = json!({"incidentId": 100 + n, "incidentName": "nul \u{0} here", "createdTime": "0001-01-01T00:00:00Z", "new": {"member": [1]},
            "lastUpdateTime": stamp, "severity": severity, "status": status, "classification": 7, "assignedTo": null, "tags": null, "alerts": null});
        rig.cloud.world().add_raw(customer.directory, Api::DefenderXdr, record);
    }
    let future = json!({"incidentId": 200, "incidentName": "Future", "lastUpdateTime": "9999-12-31T23:59:59Z", "alerts": []});
    rig.cloud.world().add_raw(customer.directory, Api::DefenderXdr, future);
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents").await, 4);
    assert_eq!(
        rig.text(customer, "select severity || severity_raw || status || status_raw from incidents where external_id = '100'")
            .await
            .as_deref(),
        Some("5criticalunknownawaitingAction")
    );
    assert_eq!(rig.text(customer, "select title from incidents where external_id = '100'").await.as_deref(), Some("nul \u{fffd} here"));
    assert_eq!(rig.text(customer, "select status from incidents where external_id = '101'").await.as_deref(), Some("new"));
    rig.cloud.world().add_incident(customer.directory, "After").unwrap();
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents where title = 'After'").await, 1);
}
