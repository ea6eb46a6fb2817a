//! What nobody waits for: checks, devices, regions. It stands in nobody's way, and comes to its end.

use crate::engine::until;
use crate::hunting;
use crate::rig::{CLIENT_ID, Customer, Rig};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use watchfloor::demo::{Api, Fault, HuntFault, Times};
use watchfloor::model::{HuntApi, LookupId, Product, SyncHealth};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::{lookups, permissions};
use watchfloor::sync::{devices, engine, verify};

#[tokio::test]
async fn what_somebody_asks_for_does_not_wait_for_the_devices_of_twenty_tenants_that_do_not_answer() {
    let rig = Rig::asking(&[(Product::DefenderEndpoint, &["Machine.Read.All"])]).await;
    let well = rig.read_customer("Fabrikam").await;
    for n in 0..20 {
        let stuck = rig.customer(&format!("Stuck{n}")).await;
        rig.verify(stuck, 0).await;
        rig.fault(stuck, Api::DefenderEndpoint, Fault::Slow(Duration::from_secs(8)), Times::Forever);
        let mut tx = rig.db.worker.tenant(stuck.tenant).await.unwrap();
        sqlx::query("update sync_state set enabled = false").execute(&mut *tx).await.unwrap();
        rig.reader.queue.devices(&mut tx, stuck.tenant).await.unwrap();
        tx.commit().await.unwrap();
    }
    let stop = CancellationToken::new();
    let (db, settings) = (rig.db.worker.clone(), rig.reader.settings.clone());
    let worker = tokio::spawn(engine::run(db, rig.reader.microsoft.clone(), settings, stop.clone(), watchfloor::app::bulk::work));
    until("the first readings of devices", async || {
        rig.cloud.world().ledger.requests().filter(|call| call.path.ends_with("/machines")).count() >= 4
    })
    .await;
    let (id, asked_at) = (LookupId::new(), Instant::now());
    let mut tx = rig.db.web.tenant(well.tenant).await.unwrap();
    let new = lookups::New { operation: "xdr.incidents.get", args: &["1"], ..Default::default() };
    lookups::ask(&mut tx, &By { actor: Actor::Operator, ip: None }, well.tenant, id, &new, rig.now()).await.unwrap();
    rig.reader.queue.look_up(&mut tx, well.tenant, id).await.unwrap();
    tx.commit().await.unwrap();
    until("the answer", async || rig.count(well, "lookups where state <> 'asked'").await == 1).await;
    assert!(asked_at.elapsed() < Duration::from_secs(5), "it took {:?}", asked_at.elapsed());
    stop.cancel();
    worker.await.unwrap().unwrap();
}

/// The round of the check that is queued for a tenant.
async fn round(rig: &Rig, customer: Customer) -> Option<String> {
    let sql = format!("select payload ->> 'round' from jobs._private_jobs where key = 'verify:{}'", customer.tenant);
    let mut owner = sqlx::ConnectOptions::connect(&rig.db.owner).await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_optional(&mut owner).await.unwrap()
}

#[tokio::test]
async fn a_product_whose_consent_lags_is_still_looked_for_when_its_reading_is_refused() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    rig.cloud.world().drop_role(customer.directory, CLIENT_ID, "Alert.Read.All");
    rig.verify(customer, 0).await;
    assert_eq!(round(&rig, customer).await.as_deref(), Some("1"));
    rig.round(customer).await;
    assert_eq!(rig.health(customer, Product::DefenderEndpoint).await, SyncHealth::NoPermission, "its reading was refused");
    assert_eq!(round(&rig, customer).await.as_deref(), Some("1"), "and did not end the wait");
    assert_eq!(rig.count(customer, "jobs.jobs where task_identifier = 'recheck'").await, 1);
    let awaited = "tenant_permissions where permission = 'Alert.Read.All' and state = 'unknown'";
    verify::recheck(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    assert_eq!(rig.count(customer, awaited).await, 1);
    rig.pass(30);
    rig.verify(customer, 1).await;
    assert_eq!(rig.count(customer, awaited).await, 1, "also while the others are read");
    rig.cloud.world().grant(customer.directory, CLIENT_ID);
    rig.pass(120);
    rig.verify(customer, 2).await;
    assert_eq!(rig.count(customer, awaited).await, 0);
    rig.round(customer).await;
    assert_ne!(rig.health(customer, Product::DefenderEndpoint).await, SyncHealth::NoPermission);
}

#[tokio::test]
async fn a_wait_for_a_consent_that_got_lost_does_not_end_the_daily_checks() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    rig.cloud.world().drop_role(customer.directory, CLIENT_ID, "Alert.Read.All");
    rig.verify(customer, 0).await;
    rig.pass(16 * 60);
    verify::recheck(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    assert_eq!(rig.count(customer, "tenant_permissions where permission = 'Alert.Read.All' and state = 'missing'").await, 1);
}

#[tokio::test]
async fn tenants_whose_checks_find_nothing_to_note_do_not_keep_others_from_theirs() {
    let rig = Rig::start().await;
    let well = rig.read_customer("Fabrikam").await;
    let mut bare = Vec::new();
    for name in ["Alder", "Birch", "Cedar"] {
        let customer = rig.customer(name).await;
        rig.give_apps(customer, &["no longer configured"]).await;
        bare.push(customer);
    }
    rig.pass(25 * 3600);
    for customer in &bare {
        verify::recheck(&rig.reader, customer.tenant, rig.now()).await.unwrap();
        assert_eq!(rig.count(*customer, "tenant_permissions").await, 0);
    }
    let mut tx = rig.db.worker.all_tenants().await.unwrap();
    let before = rig.now() - chrono::TimeDelta::hours(24);
    assert_eq!(permissions::unchecked(&mut tx, before, 2).await.unwrap(), [well.tenant]);
}

#[tokio::test]
async fn a_device_that_cannot_be_read_is_told_and_none_is_taken_for_gone() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Alder").await;
    devices::read(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    let all = rig.count(customer, "devices where gone_at is null").await;
    assert!(all > 1);
    rig.pass(4 * 3600);
    let page = json!({"value": [{"id": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "computerDnsName": "new"}, {"id": {"odd": true}}]});
    rig.fault(customer, Api::DefenderEndpoint, Fault::json(page.to_string()), Times::Calls(1));
    devices::read(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    assert_eq!(rig.count(customer, "devices where gone_at is null").await, all + 1, "the one that could be read is stored");
    let reason = rig.text(customer, "select reason from device_reads where failing_since is not null").await.unwrap();
    assert!(reason.starts_with("1 of the devices"), "{reason}");
    rig.pass(4 * 3600);
    devices::read(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    assert_eq!(rig.count(customer, "device_reads where reason is null and failing_since is null").await, 1);
    assert_eq!(rig.count(customer, "devices where gone_at is not null").await, 1, "a whole list says what is gone");
}

#[tokio::test]
async fn a_hunt_ends_when_its_answer_came_and_not_when_it_was_asked() {
    let rig = hunting::rig().await;
    let customer = hunting::customer(&rig, "Contoso").await;
    rig.cloud.world().hunt_fault(customer.directory, HuntFault::Slow(Duration::from_millis(300)), Times::Calls(1));
    let id = hunting::start(&rig, hunting::QUERY, HuntApi::Auto, &[customer]).await;
    hunting::run(&rig, id, customer).await;
    assert_eq!(rig.count(customer, "hunt_tenants where ended_at - started_at >= interval '300 ms'").await, 1);
}
