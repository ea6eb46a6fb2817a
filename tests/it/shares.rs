//! Microsoft's limits are shared: what can wait leaves room for what is new, one tenant's backlog keeps nobody waiting, and a wait that
//! Microsoft asks for closes the limit it is about and no other.

use crate::rig::{Customer, Rig, app};
use chrono::TimeDelta;
use std::time::Duration;
use watchfloor::demo::{Api, Fault, Request, Times};
use watchfloor::microsoft::{CallError, Client, CloudAppsQuery, Pace, Target};
use watchfloor::model::{Cloud, Product, SyncHealth};

const XDR: Product = Product::DefenderXdr;
const APP: &str = "defender";

fn target(customer: Customer, pace: Pace) -> Target {
    Target::new(customer.tenant, customer.directory, Cloud::Commercial).at(pace)
}

fn calls(rig: &Rig, customer: Customer) -> Vec<Request> {
    rig.cloud.world().ledger.requests_of(customer.directory, Api::DefenderXdr)
}

/// The most calls within one minute.
fn busiest(calls: &[Request]) -> usize {
    let before = |call: &Request| calls.iter().filter(|other| other.at <= call.at && call.at - other.at < TimeDelta::seconds(59)).count();
    calls.iter().map(before).max().unwrap_or(0)
}

/// Asks for one page after another until our own share is used up, as a hunt over many tenants would.
async fn hunt(rig: &Rig, customer: Customer) -> usize {
    for n in 0..200 {
        let now = rig.now();
        let answer = rig.reader.microsoft.xdr_incidents(&target(customer, Pace::Background), APP, now, 0, now).await;
        match answer {
            Ok(_) => {}
            Err(CallError::Throttled { retry_after: Some(_) }) => return n,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the share has no end");
}

#[tokio::test]
async fn a_first_reading_and_a_hunt_leave_what_is_new_its_share_of_the_limit() {
    let rig = Rig::start().await;
    let customer = rig.customer("Big").await;
    let now = rig.now();
    // More pages of history than one run reads.
    rig.cloud.world().seed_history(customer.directory, 29, 5400, now);
    rig.verify(customer, 3).await;
    rig.read(customer, XDR).await;
    let first = calls(&rig, customer);
    assert!((10..=25).contains(&busiest(&first)), "history keeps to half of 50 calls a minute: {}", busiest(&first));
    assert!(rig.product(customer, XDR).await.backfill_done < 1.0);
    for n in 0..3 {
        rig.pass(70);
        // The half for what can wait is used up before the reading begins.
        assert!(hunt(&rig, customer).await > 0, "round {n}");
        let title = format!("New {n}");
        rig.cloud.world().add_incident(customer.directory, &title).unwrap();
        rig.read(customer, XDR).await.unwrap();
        assert_eq!(rig.count(customer, &format!("incidents where title = '{title}'")).await, 1, "round {n}: what is new is read at once");
    }
    let calls = calls(&rig, customer);
    assert!(calls.iter().all(|call| call.status == 200), "Microsoft never had to say no");
    assert!(busiest(&calls) <= 40, "{} calls in one minute", busiest(&calls));
    assert!(rig.count(customer, "api_usage where budget = 'xdr incidents list' and throttled > 0").await >= 1, "and it is counted");
}

#[tokio::test]
async fn a_pass_that_is_longer_than_a_minutes_share_waits_for_the_next_minute_and_reads_to_its_end() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Long").await;
    let now = rig.now();
    for n in 0..250 {
        rig.cloud.world().add_incident_at(customer.directory, "Of last week", now - TimeDelta::days(6) + TimeDelta::minutes(n));
    }
    rig.cloud.world().add_incident(customer.directory, "Newest").unwrap();
    let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
    sqlx::query("update sync_state set reconciled_week = null").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    // Of 24 calls a minute for what is new two are left, and it takes four; the next minute begins in three seconds.
    rig.pass(70);
    let (target, now) = (target(customer, Pace::Sync), rig.now());
    for _ in 0..22 {
        let query = CloudAppsQuery::CreatedSince(now);
        rig.reader.microsoft.cloud_apps_alerts(&target, APP, query, 0, now).await.unwrap();
    }
    rig.pass(57);
    let run = rig.read(customer, Product::CloudApps).await.unwrap();
    assert_eq!((run.outcome.as_deref(), run.pages, run.error), (Some("ok"), 4, None));
    assert_eq!(rig.count(customer, "alerts where product = 'cloud_apps'").await, 251, "the newest come last");
    assert_eq!(rig.count(customer, "sync_state where product = 'cloud_apps' and reconciled_week is not null").await, 1);
    assert!(rig.count(customer, "api_usage where budget = 'cloud apps' and throttled > 0").await >= 1, "it had to wait");
    let calls = rig.cloud.world().ledger.requests_of(customer.directory, Api::CloudApps);
    assert!(calls.iter().all(|call| call.status == 200), "Microsoft never had to say no");
}

#[tokio::test]
async fn every_tenant_gets_its_turn_while_one_has_a_huge_backlog() {
    let mut rig = Rig::start().await;
    // One call at a time to an API over all tenants.
    let client = Client::stand_in(rig.cloud.address(), &[app(&rig.secret)], rig.now()).unwrap();
    rig.reader.microsoft = client.with_retry_delay(Duration::from_millis(1)).with_concurrency(1);
    let mut small = Vec::new();
    for name in ["Alder", "Birch", "Cedar"] {
        small.push(rig.read_customer(name).await);
    }
    let big = rig.customer("Big").await;
    let now = rig.now();
    rig.cloud.world().seed_history(big.directory, 29, 5400, now);
    rig.verify(big, 3).await;
    for round in 0..2 {
        rig.pass(70);
        for customer in &small {
            rig.cloud.world().add_incident(customer.directory, "New").unwrap();
        }
        let neighbours = async {
            for customer in &small {
                rig.read(*customer, XDR).await.unwrap();
            }
            calls(&rig, big).len()
        };
        let before = calls(&rig, big).len();
        let (_, meanwhile) = tokio::join!(rig.read(big, XDR), neighbours);
        let whole = calls(&rig, big).len();
        assert!(round > 0 || rig.product(big, XDR).await.backfill_done < 1.0, "the backlog is more than one run reads");
        assert!(meanwhile < whole, "the neighbours were through at call {} of {}", meanwhile - before, whole - before);
    }
    for customer in small {
        assert_eq!(rig.health(customer, XDR).await, SyncHealth::Ok);
        assert!(rig.count(customer, "incidents").await >= 1);
    }
}

#[tokio::test]
async fn a_wait_in_every_form_closes_its_own_limit_and_no_other() {
    let rig = Rig::start().await;
    let (sick, well) = (rig.read_customer("Contoso").await, rig.read_customer("Fabrikam").await);
    let date = |seconds| (rig.now() + TimeDelta::seconds(seconds)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let client = &rig.reader.microsoft;
    let person = target(sick, Pace::Person);
    for (wait, at_least) in [(Some("120"), 100), (Some("90.5"), 80), (Some("a date"), 120), (None, 20)] {
        rig.pass(1000);
        let wait = wait.map(|text| if text == "a date" { date(150) } else { text.to_owned() });
        rig.fault(sick, Api::DefenderXdr, Fault::Throttle(wait.clone()), Times::Calls(1));
        let refused = client.xdr_incidents(&person, APP, rig.now(), 0, rig.now()).await.unwrap_err();
        assert!(matches!(refused, CallError::Throttled { .. }), "{wait:?}: {refused:?}");
        let again = client.xdr_incidents(&person, APP, rig.now(), 0, rig.now()).await.unwrap_err();
        let CallError::Throttled { retry_after: Some(left) } = again else { panic!("{wait:?}: {again:?}") };
        assert!(left.as_secs() >= at_least, "{wait:?}: {left:?}");
        // Another limit of the same API, another API, another tenant.
        assert!(client.xdr_incident(&person, APP, "4711", rig.now()).await.unwrap().is_none(), "{wait:?}");
        client.endpoint_alerts(&person, APP, rig.now(), 0, rig.now()).await.unwrap();
        client.xdr_incidents(&target(well, Pace::Sync), APP, rig.now(), 0, rig.now()).await.unwrap();
        rig.pass(200);
        client.xdr_incidents(&person, APP, rig.now(), 0, rig.now()).await.unwrap();
    }
    assert!(rig.cloud.world().ledger.early().is_empty(), "nobody was asked again too soon");
}
