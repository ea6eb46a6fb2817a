//! The job engine at work: real workers on a real queue.

use crate::rig::{Customer, READINGS, Rig};
use sqlx::ConnectOptions;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use watchfloor::config::Sync;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::model::{ChangeId, LookupId, Product};
use watchfloor::sync::engine;

struct Worker {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Worker {
    fn start(rig: &Rig, interval: Duration) -> Self {
        Self::start_with(rig, interval, rig.reader.settings.concurrency)
    }

    fn start_with(rig: &Rig, interval: Duration, concurrency: usize) -> Self {
        let stop = CancellationToken::new();
        let settings = Sync { interval, concurrency, ..rig.reader.settings.clone() };
        let task = tokio::spawn(engine::run(
            rig.db.worker.clone(),
            rig.reader.microsoft.clone(),
            settings,
            stop.clone(),
            watchfloor::app::bulk::work,
        ));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// Waits for what a worker does elsewhere; a test that waits for more than 30 s has failed.
pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !done().await {
        assert!(start.elapsed() < Duration::from_secs(30), "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ask_verify(rig: &Rig, customer: Customer) {
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    rig.reader.queue.verify(&mut tx, customer.tenant).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_queued_check_leads_to_rows_and_readings_follow_one_another() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    rig.cloud.world().add_incident(customer.directory, "First").unwrap();
    let worker = Worker::start(&rig, Duration::from_secs(1));
    ask_verify(&rig, customer).await;
    until("the first reading", async || rig.count(customer, "incidents").await == 1).await;
    rig.cloud.world().add_incident(customer.directory, "Second").unwrap();
    until("the next reading", async || rig.count(customer, "incidents").await == 2).await;
    worker.stop().await;
    assert_eq!(rig.count(customer, "sync_state where lease_until is not null").await, 0);
}

#[tokio::test]
async fn the_engine_keeps_no_queue_for_each_change_or_question_and_throws_old_queues_away() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    let queues = async || rig.count(customer, "jobs._private_job_queues").await;
    let before = queues().await;
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    for _ in 0..5 {
        rig.reader.queue.push(&mut tx, customer.tenant, ChangeId::new()).await.unwrap();
        rig.reader.queue.look_up(&mut tx, customer.tenant, LookupId::new()).await.unwrap();
        rig.reader.queue.verify(&mut tx, customer.tenant).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert!(queues().await <= before + 1, "one for the checks of this tenant");
    let mut owner = rig.db.owner.connect().await.unwrap();
    let text = "insert into jobs._private_job_queues (queue_name) select 'push:' || n from generate_series(1, 50) as n";
    sqlx::query(text).execute(&mut owner).await.unwrap();
    let worker = Worker::start(&rig, Duration::from_secs(60));
    until("the old queues' end", async || queues().await <= before + 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_reading_asked_for_runs_at_once_and_a_rolled_back_wish_does_not() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    let worker = Worker::start(&rig, Duration::from_secs(60));
    let runs = rig.count(customer, READINGS).await;
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    rig.reader.queue.read(&mut tx, customer.tenant, Product::DefenderXdr).await.unwrap();
    drop(tx);
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    for _ in 0..5 {
        rig.reader.queue.read(&mut tx, customer.tenant, Product::CloudApps).await.unwrap();
    }
    tx.commit().await.unwrap();
    until("the reading", async || rig.count(customer, READINGS).await > runs).await;
    worker.stop().await;
    assert_eq!(rig.count(customer, READINGS).await, runs + 1, "asked five times, read once");
    assert_eq!(rig.count(customer, "incidents").await, 0, "the rolled-back wish was none");
}

#[tokio::test]
async fn two_workers_read_each_product_once_per_interval() {
    let rig = Rig::start().await;
    let customers = [rig.read_customer("Contoso").await, rig.read_customer("Fabrikam").await, rig.read_customer("Adatum").await];
    rig.cloud.world().ledger.clear();
    let interval = Duration::from_secs(2);
    rig.pass(70);
    let (one, two) = (Worker::start(&rig, interval), Worker::start(&rig, interval));
    for customer in customers {
        let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
        rig.reader.queue.read(&mut tx, customer.tenant, Product::DefenderXdr).await.unwrap();
        tx.commit().await.unwrap();
    }
    let start = Instant::now();
    let first = customers[0];
    until("five readings", async || rig.cloud.world().ledger.requests_of(first.directory, Api::DefenderXdr).len() >= 5).await;
    let most = usize::try_from(start.elapsed().as_millis() / 1900 + 2).unwrap();
    one.stop().await;
    two.stop().await;
    for customer in customers {
        let calls = rig.cloud.world().ledger.requests_of(customer.directory, Api::DefenderXdr).len();
        assert!((3..=most).contains(&calls), "{calls} calls in {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn first_readings_of_many_tenants_leave_half_of_the_places_to_what_is_new_elsewhere() {
    let rig = Rig::start().await;
    let well = rig.read_customer("Fabrikam").await;
    for n in 0..3 {
        let new = rig.customer(&format!("New{n}")).await;
        rig.verify(new, 0).await;
        for api in [Api::DefenderXdr, Api::DefenderEndpoint, Api::CloudApps] {
            rig.fault(new, api, Fault::Slow(Duration::from_secs(8)), Times::Forever);
        }
    }
    let worker = Worker::start_with(&rig, Duration::from_secs(1), 2);
    let mut tx = rig.db.web.tenant(well.tenant).await.unwrap();
    rig.reader.queue.read(&mut tx, well.tenant, Product::DefenderXdr).await.unwrap();
    tx.commit().await.unwrap();
    for title in ["One", "Two", "Three", "Four"] {
        rig.cloud.world().add_incident(well.directory, title).unwrap();
        let start = Instant::now();
        until(title, async || rig.count(well, &format!("incidents where title = '{title}'")).await == 1).await;
        assert!(start.elapsed() < Duration::from_secs(6), "{title} after {:?}", start.elapsed());
    }
    worker.stop().await;
}

#[tokio::test]
async fn one_tenant_that_never_answers_does_not_delay_another() {
    let rig = Rig::start().await;
    let (stuck, well) = (rig.read_customer("Contoso").await, rig.read_customer("Fabrikam").await);
    for api in [Api::DefenderXdr, Api::DefenderEndpoint, Api::CloudApps] {
        rig.fault(stuck, api, Fault::Slow(Duration::from_secs(60)), Times::Forever);
    }
    let worker = Worker::start(&rig, Duration::from_secs(1));
    for customer in [stuck, well] {
        for product in [Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps] {
            let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
            rig.reader.queue.read(&mut tx, customer.tenant, product).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
    for title in ["One", "Two", "Three"] {
        rig.cloud.world().add_incident(well.directory, title).unwrap();
        let start = Instant::now();
        until(title, async || rig.count(well, &format!("incidents where title = '{title}'")).await == 1).await;
        assert!(start.elapsed() < Duration::from_secs(4), "{title} after {:?}", start.elapsed());
    }
    let start = Instant::now();
    worker.stop().await;
    assert!(start.elapsed() < Duration::from_secs(10), "stopping took {:?}", start.elapsed());
    assert_eq!(rig.count(stuck, "sync_state where lease_until is not null").await, 0);
}
