//! The schema is brought up to date once, by whoever comes first, and a program of another release is refused.

use crate::support::{TestDb, database, empty_database};
use sqlx::{ConnectOptions, Executor};
use watchfloor::store::migrate::{check_version, migrate};
use watchfloor::store::{Db, DbRole};

#[tokio::test]
async fn two_migrations_at_once_and_a_third_afterwards_leave_one_current_schema() {
    let owner = empty_database().await;
    let (first, second) = tokio::join!(migrate(owner.clone()), migrate(owner.clone()));
    first.unwrap();
    second.unwrap();
    migrate(owner.clone()).await.unwrap();
    let web = Db::connect(owner, DbRole::Web, 1).await.unwrap();
    check_version(&web).await.unwrap();
}

#[tokio::test]
async fn an_empty_an_older_a_newer_and_a_foreign_schema_are_refused_with_the_way_out() {
    let TestDb { owner, web, .. } = database().await;
    let mut connection = owner.connect().await.unwrap();
    for (change, undo, said) in [
        (
            "insert into _sqlx_migrations select 999999, description, now(), true, checksum, 0 from _sqlx_migrations limit 1",
            "delete from _sqlx_migrations where version = 999999",
            "install the newer program",
        ),
        ("update _sqlx_migrations set checksum = 'x'", "", "not of one release"),
        ("delete from _sqlx_migrations", "", "run `watchfloor migrate`"),
        ("drop table _sqlx_migrations", "", "the database has no schema yet: run `watchfloor migrate`"),
    ] {
        connection.execute(change).await.unwrap();
        let refusal = check_version(&web).await.unwrap_err().to_string();
        assert!(refusal.contains(said), "after {change}: {refusal}");
        connection.execute(undo).await.unwrap();
    }
}

#[tokio::test]
async fn the_run_time_roles_can_use_the_job_engine() {
    let TestDb { web, worker, .. } = database().await;
    for db in [web, worker] {
        let pool = db.engine_pool();
        pool.execute("select jobs.add_job('read_tenant', '{}'::json)").await.unwrap();
        let jobs: i64 = sqlx::query_scalar("select count(*) from jobs._private_jobs").fetch_one(&pool).await.unwrap();
        assert!(jobs > 0);
        graphile_worker::WorkerOptions::default().pg_pool(pool.clone()).schema("jobs").init().await.map(drop).unwrap();
    }
}
