//! A large data set, the same for the same size and seed: SQL alone makes it, from row numbers and their hashes.
//!
//! Tenants get alerts by Zipf's law, over 18 months; three of four are resolved. It is written past triggers and foreign keys, indexes are made
//! afterwards, and the counters are then computed from the rows.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};
use std::time::Instant;
use uuid::Uuid;
use watchfloor::model::TenantId;
use watchfloor::store::embedded::Embedded;
use watchfloor::store::migrate::migrate;

#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub tenants: i32,
    pub alerts: i32,
    pub incidents: i32,
    pub seed: i32,
}

/// The n-th tenant, from 1; the first has the most alerts.
pub fn tenant(n: u32) -> TenantId {
    TenantId(Uuid::from_u128(0x7000_0000_0000_7000_8000_0000_0000_0000 + u128::from(n)))
}

/// Makes the database, if it is not there from an earlier run, and brings its schema up to date. Returns how its owner connects.
pub async fn prepare(server: &Embedded, size: Size) -> PgConnectOptions {
    let name = format!("desk_{}_{}_{}_{}", size.tenants, size.incidents, size.alerts, size.seed);
    let owner = server.owner_options(&name);
    let mut admin = server.superuser_options("postgres").connect().await.unwrap();
    let made = sqlx::query("select from pg_database where datname = $1").bind(&name).fetch_optional(&mut admin).await.unwrap();
    if made.is_none() {
        let making = format!("{name}_making");
        admin.execute(AssertSqlSafe(format!("drop database if exists {making}"))).await.unwrap();
        let create = format!("create database {making} owner {} template template0", owner.get_username());
        admin.execute(AssertSqlSafe(create)).await.unwrap();
        migrate(owner.clone().database(&making)).await.unwrap();
        let mut connection = server.superuser_options(&making).connect().await.unwrap();
        fill(&mut connection, size).await;
        connection.close().await.unwrap();
        admin.execute(AssertSqlSafe(format!("alter database {making} rename to {name}"))).await.unwrap();
    }
    migrate(owner.clone()).await.unwrap();
    agree(&mut server.superuser_options(&name).connect().await.unwrap()).await;
    freshen(&mut server.superuser_options(&name).connect().await.unwrap()).await;
    owner
}

/// A worker has been at it until now: what was made in an earlier run would be late as a whole.
async fn freshen(connection: &mut PgConnection) {
    let read = "update sync_state set watermark = now() - interval '15 min', last_attempt = now(), last_success = now(), complete_until = now() where state = 'ok';
                update device_reads set read_at = now();
                vacuum (analyze) sync_state, device_reads";
    for statement in read.split(';') {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
}

/// Every other tenant has a service level, since ever; older data sets had none.
async fn agree(connection: &mut PgConnection) {
    let agreed: bool = sqlx::query_scalar("select exists (select from service_levels)").fetch_one(&mut *connection).await.unwrap();
    if !agreed {
        sqlx::raw_sql(include_str!("levels.sql")).execute(&mut *connection).await.unwrap();
        connection.execute("vacuum (analyze) incidents").await.unwrap();
    }
}

async fn fill(connection: &mut PgConnection, size: Size) {
    let begun = Instant::now();
    println!("{} tenants, {} incidents, {} alerts: being made", size.tenants, size.incidents, size.alerts);
    let settings = "set session_replication_role = replica; set maintenance_work_mem = '1GB'; set work_mem = '256MB'; set timezone = 'UTC';
                    set synchronous_commit = off; set jit = off";
    sqlx::raw_sql(settings).execute(&mut *connection).await.unwrap();
    let indexes = drop_indexes(connection).await;
    for (what, part) in
        [("registry", include_str!("registry.sql")), ("incidents", include_str!("incidents.sql")), ("alerts", include_str!("alerts.sql"))]
    {
        let text = part
            .replace(":tenants", &size.tenants.to_string())
            .replace(":alerts", &size.alerts.to_string())
            .replace(":incidents", &size.incidents.to_string())
            .replace(":seed", &size.seed.to_string());
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await.unwrap();
        println!("  {what} after {:.0} s", begun.elapsed().as_secs_f64());
    }
    for index in indexes {
        connection.execute(AssertSqlSafe(index)).await.unwrap();
    }
    println!("  indexes after {:.0} s", begun.elapsed().as_secs_f64());
    sqlx::raw_sql(include_str!("counters.sql")).execute(&mut *connection).await.unwrap();
    connection.execute("vacuum (analyze)").await.unwrap();
    println!("  done after {:.0} s", begun.elapsed().as_secs_f64());
}

/// Drops the indexes of the large tables that are no constraints, and returns how to make them.
async fn drop_indexes(connection: &mut PgConnection) -> Vec<String> {
    let rows = connection
        .fetch_all(
            "select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) from pg_index as i
             where i.indrelid in ('incidents'::regclass, 'alerts'::regclass)
                   and not exists (select from pg_constraint as c where c.conindid = i.indexrelid)",
        )
        .await
        .unwrap();
    for row in &rows {
        connection.execute(AssertSqlSafe(format!("drop index {}", row.get::<String, _>(0)))).await.unwrap();
    }
    rows.iter().map(|row| row.get(1)).collect()
}
