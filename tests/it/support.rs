//! What the tests stand on: one PostgreSQL server for the whole run, and a database of its own for each test.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;
use watchfloor::store::embedded::{self, Embedded, Kind};
use watchfloor::store::vault::{Vault, keys::MasterKey};
use watchfloor::store::{Db, DbRole, migrate::migrate};

/// The server of this run, and a migrated database in it that each test's database is a copy of.
pub struct Server {
    /// None when DATABASE_URL names an outside server. Never dropped: the server goes when the test process ends.
    _embedded: Option<Embedded>,
    /// May create databases.
    admin: PgConnectOptions,
    /// Owns the databases.
    owner: PgConnectOptions,
    template: String,
}

/// One test's database.
pub struct TestDb {
    /// The schema's owner, for what no run-time role may do.
    pub owner: PgConnectOptions,
    pub web: Db,
    pub worker: Db,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

async fn server() -> &'static Server {
    SERVER.get_or_init(start).await
}

async fn start() -> Server {
    let (embedded, admin, owner) = if let Ok(url) = std::env::var("DATABASE_URL") {
        let options: PgConnectOptions = url.parse().unwrap();
        (None, options.clone(), options)
    } else {
        let embedded = Embedded::start(&embedded::temporary_dir(), Kind::Temporary).await.unwrap();
        let (admin, owner) = (embedded.superuser_options("postgres"), embedded.owner_options("postgres"));
        (Some(embedded), admin, owner)
    };
    let template = format!("watchfloor_template_{}", std::process::id());
    create_database(&admin, &owner, &template, "template0").await;
    migrate(owner.clone().database(&template)).await.unwrap();
    Server { _embedded: embedded, admin, owner, template }
}

async fn create_database(admin: &PgConnectOptions, owner: &PgConnectOptions, name: &str, template: &str) {
    let mut connection = admin.connect().await.unwrap();
    let owner = owner.get_username();
    let create = format!("create database {name} owner {owner} template {template}");
    connection.execute(AssertSqlSafe(create)).await.unwrap();
    connection.close().await.unwrap();
}

/// An empty, migrated database. About 60 ms.
pub async fn database() -> TestDb {
    let server = server().await;
    pools(copy(&server.template).await).await
}

/// The pools of a database that has a schema.
pub async fn pools(owner: PgConnectOptions) -> TestDb {
    let web = Db::connect(owner.clone(), DbRole::Web, 6).await.unwrap();
    let web = web.with_vault(Vault::new(vec![MasterKey::random().unwrap()]));
    // Each of an engine's four workers keeps one connection to listen.
    let worker = Db::connect(owner.clone(), DbRole::Worker, 10).await.unwrap();
    TestDb { owner, web, worker }
}

/// A database without a schema.
pub async fn empty_database() -> PgConnectOptions {
    copy("template0").await
}

/// How a superuser connects to the same database.
pub async fn superuser(to: &PgConnectOptions) -> PgConnectOptions {
    server().await.admin.clone().database(to.get_database().unwrap())
}

async fn copy(template: &str) -> PgConnectOptions {
    let server = server().await;
    let name = format!("watchfloor_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    create_database(&server.admin, &server.owner, &name, template).await;
    server.owner.clone().database(&name)
}
