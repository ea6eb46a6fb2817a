//! Readings that end in the middle: by order, by a lost lease, by a killed process.

use crate::rig::Rig;
use std::time::Duration;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::model::Product;
use watchfloor::store::sync_state;

const XDR: Product = Product::DefenderXdr;

#[tokio::test]
async fn a_holder_that_slept_past_its_lease_cannot_commit() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    rig.pass(70);
    // It has taken the lease and waits for Microsoft; meanwhile the lease ends and somebody else takes over.
    rig.fault(customer, Api::DefenderXdr, Fault::Slow(Duration::from_millis(500)), Times::Calls(1));
    let sleeper = {
        let (reader, now) = (rig.reader.clone(), rig.now());
        tokio::spawn(async move { watchfloor::sync::read::read(&reader, customer.tenant, XDR, now).await })
    };
    while rig.text(customer, "select 'held' from sync_state where product = 'defender_xdr' and lease_until is not null").await.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(rig.read(customer, XDR).await.is_none(), "one reader at a time");
    let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
    sqlx::query("update sync_state set lease_until = now() - interval '1 s' where product = 'defender_xdr'")
        .execute(&mut *tx)
        .await
        .unwrap();
    let claim = sync_state::claim(&mut tx, customer.tenant, XDR, rig.now()).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    assert!(sleeper.await.unwrap().is_err(), "the woken reader is refused");
    assert_eq!(rig.count(customer, "incidents").await, 0);
    let fence = rig.text(customer, "select fence::text from sync_state where product = 'defender_xdr'").await;
    assert_eq!(fence, Some(claim.fence.to_string()));
}

#[tokio::test]
async fn a_reading_that_is_asked_to_stop_gives_its_lease_back_and_the_next_goes_on() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    rig.pass(70);
    let mut reader = rig.reader.clone();
    reader.stop = tokio_util::sync::CancellationToken::new();
    reader.stop.cancel();
    let run = watchfloor::sync::read::read(&reader, customer.tenant, XDR, rig.now()).await.unwrap().unwrap();
    assert_eq!(run.outcome.as_deref(), Some("interrupted"));
    assert_eq!(rig.count(customer, "sync_state where lease_until is not null").await, 0);
    rig.round(customer).await;
    assert_eq!(rig.count(customer, "incidents").await, 1);
}

#[tokio::test]
async fn a_first_reading_that_breaks_off_goes_on_where_it_was() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    {
        let mut world = rig.cloud.world();
        let now = world.now();
        world.seed_history(customer.directory, 28, 900, now);
        world.fault_after(customer.directory, Api::DefenderXdr, 8, Fault::Status(500), Times::Calls(5));
    }
    rig.verify(customer, 0).await;
    rig.round(customer).await;
    let row = rig.product(customer, XDR).await;
    assert!(row.backfill_done > 0.0 && row.backfill_done < 1.0 && row.complete_until.is_none(), "{row:?}");
    let skip: i64 =
        rig.text(customer, "select backfill_skip::text from sync_state where product = 'defender_xdr'").await.unwrap().parse().unwrap();
    assert!(skip > 0 && rig.count(customer, "incidents").await >= skip);
    rig.pass(70);
    rig.settle(customer).await;
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents").await, 900);
    rig.assert_ledger_equals_database(customer).await;
}
