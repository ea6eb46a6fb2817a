//! Readings that find nothing new, which are noted many at a time.

use crate::engine::until;
use crate::rig::Rig;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use sqlx::{ConnectOptions, Executor, Row};
use std::time::Duration;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::model::{Product, RunId, SyncHealth};
use watchfloor::store::quiet::{self, Quiet};
use watchfloor::store::runs::Run;

const XDR: Product = Product::DefenderXdr;

#[tokio::test]
async fn a_reading_that_finds_the_same_pages_writes_no_row_and_is_noted_all_the_same() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Alder").await;
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    rig.interval(&[customer]).await;
    let (before, fingerprint) = (rig.product(customer, XDR).await, rig.fingerprint(customer).await);
    for _ in 0..2 {
        rig.interval(&[customer]).await;
    }
    let after = rig.product(customer, XDR).await;
    assert_eq!(rig.fingerprint(customer).await, fingerprint);
    assert!(after.complete_until > before.complete_until && after.last_success > before.last_success);
    let runs = rig
        .rows(customer, "select seen / times, added, outcome from sync_runs where product = 'defender_xdr' order by started_at desc")
        .await;
    assert_eq!((runs[0].get::<i32, _>(0), runs[0].get::<i32, _>(1), runs[0].get::<String, _>(2)), (1, 0, "ok".to_owned()));
    // An hour may end meanwhile.
    let calls = "(select sum(calls) as calls from api_usage where budget = 'xdr incidents list') as used where calls >= 4";
    assert!(rig.count(customer, calls).await == 1, "quiet calls are counted");
}

#[tokio::test]
async fn a_change_after_quiet_readings_is_stored_and_an_older_page_of_another_reader_is_not_trusted() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Alder").await;
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    for _ in 0..3 {
        rig.interval(&[customer]).await;
    }
    // Another process reads in between: what this one has seen last says nothing any more.
    let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
    sqlx::query("update sync_state set fence = fence + 1").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    rig.cloud.world().add_incident(customer.directory, "Two").unwrap();
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents").await, 2);
    rig.assert_ledger_equals_database(customer).await;
}

#[tokio::test]
async fn quiet_readings_of_several_tenants_are_noted_together_but_for_those_whose_lease_is_lost() {
    let rig = Rig::start().await;
    let (kept, lost) = (rig.read_customer("Alder").await, rig.read_customer("Birch").await);
    // Whole seconds: the database keeps microseconds.
    let now = (rig.now() + TimeDelta::hours(1)).trunc_subsecs(0);
    let mut rows = Vec::new();
    for (customer, drift) in [(kept, 0), (lost, 1)] {
        let fence: i64 = rig.rows(customer, "select fence from sync_state where product = 'defender_xdr'").await[0].get(0);
        let run = Run {
            run_id: RunId::new(),
            product: XDR,
            started_at: now,
            finished_at: Some(now),
            outcome: Some("ok".to_owned()),
            calls: 1,
            pages: 1,
            seen: 0,
            added: 0,
            changed: 0,
            quarantined: 0,
            error: None,
            times: 1,
        };
        rows.push(Quiet {
            tenant: customer.tenant,
            product: XDR,
            fence: fence + drift,
            watermark: Some(now),
            complete_until: Some(now),
            last_success: Some(now),
            next_due: now,
            reconciled_day: None,
            reconciled_week: None,
            run,
            used: Vec::new(),
        });
    }
    let mut tx = rig.db.worker.all_tenants().await.unwrap();
    assert_eq!(quiet::finish(&mut tx, &rows).await.unwrap(), [(kept.tenant, XDR)]);
    tx.commit().await.unwrap();
    let noted = format!("sync_runs where started_at = '{}'", now.to_rfc3339());
    assert_eq!((rig.count(kept, &noted).await, rig.count(lost, &noted).await), (1, 0));
    assert_eq!(rig.health(kept, XDR).await, SyncHealth::Ok);
}

#[tokio::test]
async fn readings_without_news_share_a_row_for_an_hour_until_something_happens() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Alder").await;
    rig.settle(customer).await;
    let rows = async || {
        let sql = "select times, calls from sync_runs where product = 'defender_xdr' order by started_at desc, times desc limit 2";
        let rows = rig.rows(customer, sql).await;
        rows.iter().map(|row| (row.get::<i32, _>(0), row.get::<i32, _>(1))).collect::<Vec<_>>()
    };
    let other = rows().await[0];
    for _ in 0..3 {
        rig.interval(&[customer]).await;
    }
    let quiet = rows().await;
    assert_eq!((quiet[0], quiet[1]), ((3, 3), other), "three readings of a call each, in one row of their own");
    rig.cloud.world().add_incident(customer.directory, "News").unwrap();
    rig.interval(&[customer]).await;
    assert_eq!(rows().await[1], (3, 3), "what brings something has its own row");
    rig.interval(&[customer]).await;
    rig.interval(&[customer]).await;
    rig.pass(3600);
    rig.interval(&[customer]).await;
    let hourly = rows().await;
    assert!(hourly[0].0 == 1 && hourly[1].0 >= 1, "after an hour a new row begins: {hourly:?}");
}

#[tokio::test]
async fn a_reading_that_is_asked_for_while_one_is_under_way_comes_after_it() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Alder").await;
    rig.settle(customer).await;
    let leased = "sync_state where product = 'defender_xdr' and lease_until is not null";
    for news in [false, true] {
        rig.pass(70);
        if news {
            rig.cloud.world().add_incident(customer.directory, "News").unwrap();
        }
        rig.fault(customer, Api::DefenderXdr, Fault::Slow(Duration::from_millis(500)), Times::Calls(1));
        let asking = async {
            until("the lease", async || rig.count(customer, leased).await == 1).await;
            let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
            rig.reader.queue.read(&mut tx, customer.tenant, XDR).await.unwrap();
            tx.commit().await.unwrap();
        };
        let (first, ()) = tokio::join!(rig.read(customer, XDR), asking);
        assert_eq!(first.unwrap().added > 0, news);
        assert!(rig.read(customer, XDR).await.is_some(), "news: {news}");
        assert!(rig.read(customer, XDR).await.is_none(), "once is enough, news: {news}");
    }
}

#[tokio::test]
async fn readings_that_are_noted_while_another_transaction_is_in_the_way_are_noted_all_the_same() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Alder").await;
    rig.interval(&[customer]).await;
    rig.pass(3700); // a row of its own begins
    let mut other = rig.db.owner.connect().await.unwrap();
    other.execute("select set_config('app.all_tenants', 'on', false); begin; select from tenants for update").await.unwrap();
    let reading = {
        let (reader, now) = (rig.reader.clone(), rig.now());
        tokio::spawn(async move { watchfloor::sync::read::read(&reader, customer.tenant, XDR, now).await })
    };
    // The first try is given up after the three seconds that a lock is waited for.
    let mut eyes = rig.db.owner.connect().await.unwrap();
    let mut tries = std::collections::BTreeSet::<DateTime<Utc>>::new();
    until("a second try", async || {
        let waiting = "select query_start from pg_stat_activity where wait_event_type = 'Lock' and query like 'insert into sync_runs%'";
        tries.extend(sqlx::query_scalar::<_, DateTime<Utc>>(waiting).fetch_all(&mut eyes).await.unwrap());
        tries.len() > 1 || reading.is_finished()
    })
    .await;
    other.execute("rollback").await.unwrap();
    let run = reading.await.unwrap().unwrap().unwrap();
    assert_eq!((run.outcome.as_deref(), tries.len()), (Some("ok"), 2));
    assert_eq!(rig.count(customer, "sync_state where lease_until is not null").await, 0);
}
