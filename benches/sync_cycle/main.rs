//! How long one cycle of reading takes when nothing has changed: 2,000 tenants × 3 products, Microsoft answering after 150 ms.
//!
//! `cargo bench --bench sync_cycle -- [--tenants 2000] [--latency 150] [--concurrency 512] [--cycles 3]`. The database is an embedded one, the
//! stand-in for Microsoft a process of its own. In the same run the same calls are made by the production client alone, without a database:
//! that is the floor, beside the ideal (calls × latency ÷ calls in flight). `--recent 25`: so many tenants of a hundred have an incident that
//! every reading repeats, as 2,000 tenants with 60,000 alerts a day have.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on should stop, and its output is its purpose")]

mod machine;
mod stand_in;

use chrono::{DateTime, TimeDelta, Utc};
use machine::{peak_memory, processor, processor_since};
use sqlx::{ConnectOptions, Executor};
use stand_in::client;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchfloor::config;
use watchfloor::microsoft::{Client, CloudAppsQuery, Target};
use watchfloor::model::{Cloud, DirectoryId, Product, TenantId, clock};
use watchfloor::store::embedded::{Embedded, Kind, temporary_dir};
use watchfloor::store::{Db, DbRole, migrate::migrate};
use watchfloor::sync::engine;

const PRODUCTS: [(Product, &str); 3] = [
    (Product::DefenderXdr, "Incident.Read.All"),
    (Product::DefenderEndpoint, "Alert.Read.All"),
    (Product::CloudApps, "Investigation.Read"),
];
/// Cloud Apps is asked twice: for what is new and for what was resolved.
const CALLS: usize = 4;

#[derive(Clone, Copy)]
struct Size {
    tenants: usize,
    latency: Duration,
    concurrency: usize,
    cycles: usize,
    recent: usize,
}

impl Size {
    fn of_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let number = |name: &str, default: usize| {
            let at = arguments.iter().position(|argument| argument == name);
            at.and_then(|at| arguments.get(at + 1)).map_or(default, |text| text.parse().unwrap())
        };
        Self {
            tenants: number("--tenants", 2000),
            latency: Duration::from_millis(number("--latency", 150).try_into().unwrap()),
            concurrency: number("--concurrency", 512),
            cycles: number("--cycles", 3),
            recent: number("--recent", 25),
        }
    }
}

fn directory(n: usize) -> DirectoryId {
    DirectoryId(Uuid::from_u128(1_000_000 + n as u128))
}

fn tenant(n: usize) -> TenantId {
    TenantId(Uuid::from_u128(2_000_000 + n as u128))
}

fn main() {
    let size = Size::of_arguments();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(secret) = std::env::var(stand_in::SECRET) {
        runtime.block_on(stand_in::play(size, &secret));
    } else {
        runtime.block_on(measure(size));
    }
}

async fn measure(size: Size) {
    let secret = Uuid::new_v4().to_string();
    let (mut child, address) = stand_in::start(&secret);
    let embedded = Embedded::start(&temporary_dir(), Kind::Temporary).await.unwrap();
    let owner = embedded.owner_options("bench");
    let mut admin = embedded.superuser_options("postgres").connect().await.unwrap();
    let create = format!("create database bench owner {} template template0", owner.get_username());
    admin.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
    migrate(owner.clone()).await.unwrap();
    let db = Db::connect(owner, DbRole::Worker, 20).await.unwrap();
    let microsoft = client(address, &secret, size);
    register(&db, size).await;
    let stop = CancellationToken::new();
    let settings = config::Sync { interval: Duration::from_secs(3600), concurrency: size.concurrency, ..config::Sync::default() };
    let worker = tokio::spawn(engine::run(db.clone(), microsoft.clone(), settings, stop.clone(), watchfloor::app::bulk::work));
    println!(
        "{} tenants × {} products, answers after {:?}, {} readings at a time",
        size.tenants,
        PRODUCTS.len(),
        size.latency,
        size.concurrency
    );
    let calls = size.tenants * CALLS;
    let in_flight = size.concurrency.min(calls);
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let ideal = calls as f64 * size.latency.as_secs_f64() / in_flight as f64;
    println!("ideal: {calls} calls × {:?} ÷ {in_flight} in flight = {ideal:.2} s", size.latency);
    for cycle in 0..=size.cycles {
        let (took, processor) = one_cycle(&db).await;
        let name = if cycle == 0 { "first (fetches tokens)".to_owned() } else { format!("cycle {cycle}") };
        println!(
            "{name:<24} {took:>6.2} s   {:.2} × ideal   worker: {processor:.2} s processor, {} MB at most",
            took / ideal,
            peak_memory()
        );
    }
    stop.cancel();
    worker.await.unwrap().unwrap();
    let floor = client(address, &secret, size);
    for name in ["client alone, first", "client alone"] {
        let took = calls_alone(&floor, size).await;
        println!("{name:<24} {took:>6.2} s   {:.2} × ideal", took / ideal);
    }
    db.close().await;
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// Tenants as they stand after weeks: read to the end, the past re-read and the permissions checked today.
async fn register(db: &Db, size: Size) {
    let mut tx = db.all_tenants().await.unwrap();
    for (n, chunk) in (0..size.tenants).collect::<Vec<_>>().chunks(500).enumerate() {
        let ids: Vec<TenantId> = chunk.iter().map(|n| tenant(*n)).collect();
        let directories: Vec<DirectoryId> = chunk.iter().map(|n| directory(*n)).collect();
        sqlx::query(
            "insert into tenants (tenant_id, name, directory_id, state, apps, checked_at)
             select id, 'Customer ' || $3 || ' ' || n, directory, 'active', array['defender'], now() from unnest($1::uuid[], $2::uuid[]) with ordinality as t (id, directory, n)",
        )
        .bind(&ids)
        .bind(&directories)
        .bind(i64::try_from(n).unwrap())
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query("insert into device_reads (tenant_id, read_at, next_due) select id, now(), now() + interval '6 hours' from unnest($1::uuid[]) as id")
            .bind(&ids)
            .execute(&mut *tx)
            .await
            .unwrap();
        for (product, permission) in PRODUCTS {
            sqlx::query(
                "insert into tenant_permissions (tenant_id, app, product, permission, granted, state, checked_at)
                 select id, 'defender', $2, $3, true, 'granted', now() from unnest($1::uuid[]) as id",
            )
            .bind(&ids)
            .bind(product)
            .bind(permission)
            .execute(&mut *tx)
            .await
            .unwrap();
            sqlx::query(
                "insert into sync_state (tenant_id, product, state, watermark, complete_until, backfill_from, backfill_done, last_success, next_due,
                                         reconciled_day, reconciled_week)
                 select id, $2, 'ok', now() - interval '15 min', now(), now() - interval '30 days', 1, now(), now() + interval '1 hour', now(), now()
                 from unnest($1::uuid[]) as id",
            )
            .bind(&ids)
            .bind(product)
            .execute(&mut *tx)
            .await
            .unwrap();
        }
    }
    tx.commit().await.unwrap();
}

/// Makes everything due and waits until everything has been read: seconds, and seconds of this process's processor time.
async fn one_cycle(db: &Db) -> (f64, f64) {
    let start: DateTime<Utc> = clock::now();
    let (clock, processor) = (Instant::now(), processor());
    let mut tx = db.all_tenants().await.unwrap();
    sqlx::query("update sync_state set next_due = $1").bind(start).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    loop {
        let mut tx = db.all_tenants().await.unwrap();
        let query = sqlx::query_scalar("select exists (select from sync_state where last_success < $1 or state <> 'ok')");
        let left: bool = query.bind(start).fetch_one(&mut *tx).await.unwrap();
        if !left {
            return (clock.elapsed().as_secs_f64(), processor_since(processor));
        }
        if clock.elapsed() > Duration::from_secs(60) {
            let query = sqlx::query_scalar::<_, String>(
                "select to_jsonb(s)::text from sync_state as s where last_success < $1 or state <> 'ok' limit 5",
            );
            let rows = query.bind(start).fetch_all(&mut *tx).await.unwrap();
            panic!("readings are left after a minute, such as {rows:#?}");
        }
        drop(tx);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The calls of a cycle by the client alone.
async fn calls_alone(client: &Client, size: Size) -> f64 {
    let clock = Instant::now();
    let places = Arc::new(Semaphore::new(size.concurrency));
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..size.tenants {
        let target = Target::new(tenant(n), directory(n), Cloud::Commercial);
        for (product, _) in PRODUCTS {
            let (client, target, places) = (client.clone(), target.clone(), places.clone());
            calls.spawn(async move {
                let _place = places.acquire().await.unwrap();
                let (now, since) = (clock::now(), clock::now() - TimeDelta::minutes(15));
                match product {
                    Product::DefenderXdr => drop(client.xdr_incidents(&target, "defender", since, 0, now).await.unwrap()),
                    Product::DefenderEndpoint => drop(client.endpoint_alerts(&target, "defender", since, 0, now).await.unwrap()),
                    _ => {
                        for query in [CloudAppsQuery::ResolvedSince(since), CloudAppsQuery::CreatedSince(since)] {
                            client.cloud_apps_alerts(&target, "defender", query, 0, now).await.unwrap();
                        }
                    }
                }
            });
        }
    }
    while calls.join_next().await.transpose().unwrap().is_some() {}
    clock.elapsed().as_secs_f64()
}
