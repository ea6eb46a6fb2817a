//! A bulk job whose worker is killed in the middle: another one takes it over, and each incident is changed once.

use crate::acting::pushed;
use crate::engine::until;
use crate::interrupted::worker_process;
use crate::rig::{Customer, Rig};
use sqlx::ConnectOptions;
use std::collections::BTreeMap;
use std::time::Duration;
use watchfloor::app::bulk;
use watchfloor::app::triage::Wish;
use watchfloor::auth::Person;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::model::{BulkId, ChangeId, Role, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::bulk::{New, Which};
use watchfloor::store::lists::Filter;
use watchfloor::store::users::{self, NewUser};
use watchfloor::sync::engine;

const INCIDENTS: usize = 12;

/// A job over everything, made by an analyst; it has begun.
pub async fn begun(rig: &Rig, wish: &Wish) -> (BulkId, (By, Person)) {
    let mut tx = rig.db.web.all_tenants().await.unwrap();
    let new = NewUser { login: "ann", display_name: "Ann", role: Role::Analyst, all_tenants: true, password_hash: "" };
    let user = users::insert(&mut tx, &new).await.unwrap().unwrap();
    let ann = Person::from(users::identity(&mut tx, user).await.unwrap().unwrap());
    let by = By { actor: Actor::User(user, "ann".to_owned()), ip: None };
    let (job, filter) = (BulkId::new(), Filter::default());
    let new = New { bulk: job, words: "all", query: "", asked: None, undoes: None, which: Which::Found(&filter) };
    assert!(bulk::freeze(&mut tx, &by, &new, clock::now()).await.unwrap());
    bulk::start(&mut tx, &rig.reader.queue, (&by, &ann), job, wish, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    (job, (by, ann))
}

/// How often each incident was to be changed.
fn asked(rig: &Rig, of: Customer) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for call in rig.cloud.world().ledger.requests_of(of.directory, Api::DefenderXdr).into_iter().filter(|call| call.method == "PATCH") {
        *asked.entry(call.path.rsplit('/').next().unwrap().to_owned()).or_default() += 1;
    }
    asked
}

#[tokio::test]
async fn a_killed_workers_job_is_taken_over_and_each_incident_is_changed_once() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Contoso").await;
    for n in 0..INCIDENTS {
        rig.cloud.world().add_incident(customer.directory, &format!("Case {n}")).unwrap();
    }
    rig.verify(customer, 3).await;
    rig.settle(customer).await;
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents").await, i64::try_from(INCIDENTS).unwrap());
    rig.fault(customer, Api::DefenderXdr, Fault::Slow(Duration::from_millis(150)), Times::Forever);
    begun(&rig, &Wish { tags: Some(vec!["bulk".to_owned()]), comment: Some("Once".to_owned()), ..Wish::default() }).await;
    for killed in 1..=3 {
        let mut child = worker_process(&rig);
        until("some of the job", async || asked(&rig, customer).len() >= killed * 2).await;
        child.kill().unwrap();
        child.wait().unwrap();
        // The engine would free the dead worker's jobs by itself, 15 s later.
        let mut owner = rig.db.owner.connect().await.unwrap();
        sqlx::query("update jobs._private_jobs set locked_at = null, locked_by = null").execute(&mut owner).await.unwrap();
        sqlx::query("update jobs._private_job_queues set locked_at = null, locked_by = null").execute(&mut owner).await.unwrap();
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let settings = watchfloor::config::Sync { interval: Duration::from_secs(3600), ..rig.reader.settings.clone() };
    let worker = tokio::spawn(engine::run(rig.db.worker.clone(), rig.reader.microsoft.clone(), settings, stop.clone(), bulk::work));
    until("the rest of the job", async || rig.count(customer, "bulk_incidents where state = 'waiting'").await == 0).await;
    until("its last change", async || rig.count(customer, "changes where state in ('intended', 'sending')").await <= 3).await;
    stop.cancel();
    worker.await.unwrap().unwrap();
    // What a worker was just sending when it was killed is asked about, as soon as no call can be under way.
    rig.pass(200);
    let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
    let open: Vec<ChangeId> = sqlx::query_scalar("select change_id from changes where state not in ('done', 'failed', 'lost')")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    drop(tx);
    for change in open {
        pushed(&rig, customer, change).await;
    }
    assert_eq!(rig.count(customer, "changes where state = 'done'").await, i64::try_from(INCIDENTS).unwrap());
    let asked = asked(&rig, customer);
    assert!(asked.len() == INCIDENTS && asked.values().all(|n| *n == 1), "{asked:?}");
}
