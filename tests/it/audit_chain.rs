//! Whoever changes, deletes or slips in a row of the audit log is found out, and no role that runs may try.

use crate::support::{TestDb, database};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use watchfloor::config::Audit;
use watchfloor::model::clock;
use watchfloor::store::audit::{Actor, Event, record};
use watchfloor::store::audit_chain::{self, Fault, Head};
use watchfloor::sync::audit::keep_up;

/// Writes `n` rows, each in a transaction of its own.
async fn write(db: &TestDb, n: usize) {
    for row in 0..n {
        let mut tx = db.web.no_tenant().await.unwrap();
        let event = Event::new(Actor::Operator, "tenant.create").object(format!("row {row}")).after(serde_json::json!({ "n": row }));
        record(&mut tx, event).await.unwrap();
        tx.commit().await.unwrap();
    }
}

async fn chain(db: &TestDb) {
    keep_up(&db.worker, &Audit::default(), "portal.example.com", clock::now()).await.unwrap();
}

/// What is wrong, looked for three rows at a time, and the head.
async fn faults(db: &TestDb) -> (Vec<Fault>, Head) {
    let (mut head, mut all) = (Head::default(), Vec::new());
    let mut tx = db.web.all_tenants().await.unwrap();
    loop {
        let (reached, found) = audit_chain::verify(&mut tx, &head, 3).await.unwrap();
        all.extend(found);
        if reached == head {
            return (all, head);
        }
        head = reached;
    }
}

/// As somebody who owns the database.
async fn tamper(db: &TestDb, statement: &'static str) {
    let mut owner = db.owner.connect().await.unwrap();
    // Also its owner is bound by row-level security.
    owner.execute("select set_config('app.all_tenants', 'on', false)").await.unwrap();
    owner.execute("alter table audit_log no force row level security").await.unwrap();
    assert_eq!(owner.execute(AssertSqlSafe(statement)).await.unwrap().rows_affected(), 1, "{statement}");
}

async fn chained(rows: usize) -> TestDb {
    let db = database().await;
    write(&db, rows).await;
    chain(&db).await;
    db
}

#[tokio::test]
async fn what_nobody_touched_is_as_it_was_written() {
    let db = chained(7).await;
    let (found, first) = faults(&db).await;
    assert_eq!((found, first.position), (Vec::new(), 7));
    write(&db, 2).await;
    chain(&db).await;
    let (found, second) = faults(&db).await;
    assert_eq!((found, second.position), (Vec::new(), 9));
    let mut tx = db.web.all_tenants().await.unwrap();
    assert!(audit_chain::holds(&mut tx, &first).await.unwrap(), "what was told before still stands in the chain");
    assert_eq!(audit_chain::unchained(&mut tx).await.unwrap().0, 0);
}

#[tokio::test]
async fn each_field_of_a_changed_row_is_found_out() {
    for change in [
        "at = at + interval '1 microsecond'",
        "actor_kind = 'system'",
        "actor = 'somebody else'",
        "user_id = gen_random_uuid()",
        "ip = '203.0.113.7'",
        "tenant_id = gen_random_uuid()",
        "action = 'tenant.offboard'",
        "object = null",
        "before = '{}'",
        "after = '{\"n\": 4}'",
        "result = 'refused'",
        "request_id = ''",
    ] {
        let db = chained(5).await;
        let statement = format!("update audit_log set {change} where audit_id = 4");
        tamper(&db, Box::leak(statement.into_boxed_str())).await;
        assert_eq!(faults(&db).await.0, [Fault::Changed(4)], "{change}");
    }
}

#[tokio::test]
async fn a_deleted_row_a_cut_chain_and_a_chain_written_anew_are_found_out() {
    let db = chained(5).await;
    let (_, head) = faults(&db).await;
    tamper(&db, "delete from audit_log where audit_id = 2").await;
    assert_eq!(faults(&db).await.0, [Fault::Deleted(2)]);
    tamper(&db, "delete from audit_chain where audit_id = 2").await;
    assert_eq!(faults(&db).await.0, [Fault::Missing(2), Fault::Changed(3)], "the row after it bears the hash of the one that is gone");

    // The last row goes without a trace inside: what was told outside knows it.
    let db = chained(5).await;
    tamper(&db, "delete from audit_chain where audit_id = 5").await;
    tamper(&db, "delete from audit_log where audit_id = 5").await;
    assert_eq!(faults(&db).await.0, []);
    let mut tx = db.web.all_tenants().await.unwrap();
    assert!(!audit_chain::holds(&mut tx, &head).await.unwrap());
}

#[tokio::test]
async fn a_row_that_is_committed_late_comes_later_and_nothing_is_left_out_or_chained_twice() {
    let db = chained(1).await;
    let mut late = db.web.no_tenant().await.unwrap();
    record(&mut late, Event::new(Actor::Operator, "tenant.create").object("late")).await.unwrap();
    write(&db, 3).await;
    chain(&db).await;
    late.commit().await.unwrap();
    write(&db, 1).await;
    // Two processes at the same moment.
    tokio::join!(chain(&db), chain(&db));
    chain(&db).await;
    let mut tx = db.web.all_tenants().await.unwrap();
    let links = audit_chain::links(&mut tx, 0, 100).await.unwrap();
    let order: Vec<(i64, i64)> = links.iter().map(|(link, _)| (link.head.position, link.audit_id)).collect();
    assert_eq!(order, [(1, 1), (2, 3), (3, 4), (4, 5), (5, 2), (6, 6)]);
    tx.commit().await.unwrap();
    assert_eq!(faults(&db).await.0, []);
}

#[tokio::test]
async fn no_role_that_runs_may_change_or_shorten_the_log_or_its_chain() {
    let db = chained(1).await;
    for (table, column) in [("audit_log", "actor"), ("audit_chain", "hash")] {
        let update = format!("update TABLE set {column} = {column}");
        for statement in ["delete from TABLE", &update, "truncate TABLE"] {
            for run_time in [&db.web, &db.worker] {
                let mut tx = run_time.all_tenants().await.unwrap();
                let error = tx.execute(AssertSqlSafe(statement.replace("TABLE", table))).await.unwrap_err();
                assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{statement} {table}");
            }
        }
    }
    let mut tx = db.web.all_tenants().await.unwrap();
    let error = tx.execute("insert into audit_chain (position, audit_id, hash) values (2, 2, sha256(''))").await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "pages do not chain");
}
