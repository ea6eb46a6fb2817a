//! Readings that end in the middle: by order, by a lost lease, by a killed process.

use crate::engine::until;
use crate::responding::respond;
use crate::rig::{Rig, app};
use sqlx::ConnectOptions;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::microsoft::Client;
use watchfloor::model::Product;
use watchfloor::model::clock::now;
use watchfloor::store::{Db, DbRole, sync_state};
use watchfloor::sync::engine;

const XDR: Product = Product::DefenderXdr;
const XDR_API: Api = Api::DefenderXdr;

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

/// What tells the child process that it is a worker, and of which rig: database, stand-in, secret file.
const CHILD: &str = "WATCHFLOOR_TEST_WORKER";

pub fn worker_process(rig: &Rig) -> Child {
    let what = format!("{}\n{}\n{}", rig.db.owner.to_url_lossy(), rig.cloud.address(), rig.secret.display());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "interrupted::a_process_that_is_told_to_work_works_until_it_is_killed", "--nocapture"]);
    command.env(CHILD, what).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Started by the next test in a process of its own; by itself it has nothing to do.
#[tokio::test]
async fn a_process_that_is_told_to_work_works_until_it_is_killed() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let [url, address, secret] = what.split('\n').collect::<Vec<_>>().try_into().unwrap();
    let db = Db::connect(url.parse().unwrap(), DbRole::Worker, 8).await.unwrap();
    let microsoft = Client::stand_in(address.parse().unwrap(), &[app(secret.as_ref()), respond(secret.as_ref())], now()).unwrap();
    engine::run(
        db,
        microsoft,
        watchfloor::config::Sync::default(),
        tokio_util::sync::CancellationToken::new(),
        watchfloor::app::bulk::work,
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_workers_are_killed_in_the_middle_of_reading() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    {
        let mut world = rig.cloud.world();
        let now = world.now();
        world.seed_history(customer.directory, 28, 700, now);
        for api in [Api::DefenderXdr, Api::DefenderEndpoint, Api::CloudApps] {
            world.fault(customer.directory, api, Fault::Slow(Duration::from_millis(60)), Times::Forever);
        }
    }
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    rig.reader.queue.verify(&mut tx, customer.tenant).await.unwrap();
    tx.commit().await.unwrap();
    let mut seen = 0;
    for _ in 0..6 {
        let mut child = worker_process(&rig);
        let calls = || rig.cloud.world().ledger.requests_of(customer.directory, XDR_API).len();
        let more = calls() + 2;
        until("the worker's reading", async || calls() >= more).await;
        child.kill().unwrap();
        child.wait().unwrap();
        seen += rig.count(customer, "sync_state where lease_until is not null").await;
        // The dead worker's leases and jobs would end by themselves in 15 s; the plan finds what it left.
        let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
        sqlx::query("update sync_state set lease_until = now() - interval '1 s' where lease_until is not null")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let mut owner = rig.db.owner.connect().await.unwrap();
        sqlx::query("delete from jobs._private_jobs").execute(&mut owner).await.unwrap();
        sqlx::query("delete from jobs._private_job_queues").execute(&mut owner).await.unwrap();
        engine::plan_due(&rig.reader, rig.now()).await.unwrap();
        // A worker that was killed late has left nothing to be read.
        let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
        rig.reader.queue.read(&mut tx, customer.tenant, XDR).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert!(seen > 0, "some were killed while they held a lease");
    rig.settle(customer).await;
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents").await, 700);
    assert!(rig.count(customer, "sync_runs where outcome = 'interrupted'").await > 0);
    rig.assert_ledger_equals_database(customer).await;
}

#[tokio::test]
async fn what_a_killed_worker_left_is_taken_over_by_another_without_help() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    rig.fault(customer, XDR_API, Fault::Slow(Duration::from_secs(20)), Times::Calls(1));
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    rig.reader.queue.read(&mut tx, customer.tenant, XDR).await.unwrap();
    tx.commit().await.unwrap();
    let mut child = worker_process(&rig);
    let held = async || rig.count(customer, "sync_state where product = 'defender_xdr' and lease_until is not null").await == 1;
    until("the worker's reading", held).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let _other = tokio::spawn(engine::run(
        rig.db.worker.clone(),
        rig.reader.microsoft.clone(),
        rig.reader.settings.clone(),
        tokio_util::sync::CancellationToken::new(),
        watchfloor::app::bulk::work,
    ));
    until("the takeover", async || rig.count(customer, "incidents").await == 1).await;
}
