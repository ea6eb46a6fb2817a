//! A copy of the whole database in one sealed file, and a database from such a file.
//!
//! PostgreSQL's own `pg_dump` and `pg_restore` carry the rows; both sign in as somebody for whom row-level security does not hold, because a copy that
//! leaves out what its maker may not see would look whole. What was good for a moment only (sessions, links, half-done sign-ins, jobs) is not in
//! the file, and what it would bring back to life is ended after a restore (`backup/epoch.rs`).

mod epoch;
mod sealed;
mod tools;

use super::vault::Vault;
use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use sealed::{Opener, Sealer};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};

/// Tables of which a backup has the form only.
const LEFT_OUT: [&str; 13] = [
    "public.sessions",
    "public.setup_tokens",
    "public.flows",
    "public.sign_in_trips",
    "public.customer_sessions",
    "public.customer_trips",
    "public.customer_invites",
    "public.sign_in_attempts",
    "public.buckets",
    "jobs._private_jobs",
    "jobs._private_job_queues",
    "jobs._private_job_retirements",
    "jobs._private_workers",
];

/// Leaves a database as if it were new.
const EMPTY: &str = "drop schema if exists jobs cascade; drop schema if exists public cascade;
    create schema public authorization pg_database_owner";

/// What a backup holds, as it says itself at its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub made_at: DateTime<Utc>,
    /// Of Watchfloor.
    pub version: String,
    /// The last migration of its schema.
    pub schema: i64,
    /// Rows of each table, all at one moment.
    pub rows: BTreeMap<String, i64>,
}

/// Writes everything as it is at one moment into a new file, which only its owner may read, sealed with the vault's first key. The portal may work on
/// meanwhile. `server` signs in as a superuser, or as a role with BYPASSRLS that may read all data.
///
/// # Errors
/// When there is a file of this name, when the role may not see all rows, or when `pg_dump` fails; then no file is left.
pub async fn write(server: &PgConnectOptions, vault: &Vault, path: &Path, now: DateTime<Utc>) -> Result<Manifest> {
    ensure!(!path.exists(), "there is a file {} already, and it is not overwritten", path.display());
    let draft = path.with_extension(format!("{}.part", uuid::Uuid::new_v4().simple()));
    let written = async {
        let file = File::options().write(true).create_new(true).mode(0o600).open(&draft).await;
        let file = file.with_context(|| format!("cannot write {}", draft.display()))?;
        let (manifest, file) = write_all(server, vault, file, now).await?;
        file.sync_all().await?;
        // Unlike a renaming, this overwrites nothing.
        std::fs::hard_link(&draft, path).with_context(|| format!("cannot write {}", path.display()))?;
        anyhow::Ok(manifest)
    };
    let manifest = written.await;
    let _ = std::fs::remove_file(&draft);
    manifest
}

async fn write_all(server: &PgConnectOptions, vault: &Vault, file: File, now: DateTime<Utc>) -> Result<(Manifest, File)> {
    let mut connection =
        server.clone().options([("idle_in_transaction_session_timeout", "0")]).connect().await.context("cannot reach the database")?;
    may_see_all(&mut connection).await?;
    connection.execute("begin isolation level repeatable read read only").await?;
    let snapshot: String = sqlx::query_scalar("select pg_export_snapshot()").fetch_one(&mut connection).await?;
    let schema = sqlx::query_scalar("select max(version) from public._sqlx_migrations where success").fetch_one(&mut connection).await?;
    let rows = count(&mut connection).await?;
    let manifest = Manifest { made_at: now, version: env!("CARGO_PKG_VERSION").to_owned(), schema, rows };

    let mut sealer = Sealer::begin(file, vault).await?;
    let told = serde_json::to_vec(&manifest)?;
    sealer.push(&u32::try_from(told.len())?.to_be_bytes()).await?;
    sealer.push(&told).await?;
    let mut dump = tools::program("pg_dump", server)?;
    dump.args(["--format=custom", "--snapshot", &snapshot]).args(LEFT_OUT.map(|table| format!("--exclude-table-data={table}")));
    let mut dump = dump.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run pg_dump")?;
    let (mut from, complaint) = (dump.stdout.take().context("pg_dump has no output")?, dump.stderr.take());
    // Whatever ends this ends pg_dump too, which has nobody to write to then.
    let seal = async move {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match from.read(&mut bytes).await? {
                0 => return anyhow::Ok(sealer),
                n => sealer.push(&bytes[..n]).await?,
            }
        }
    };
    let (sealer, said) = tokio::join!(seal, tools::complaint(complaint));
    let sealer = sealer.context("the backup cannot be written")?;
    tools::ended("pg_dump", dump, &said).await?;
    connection.close().await?;
    Ok((manifest, sealer.finish().await.context("the backup cannot be written")?))
}

/// Opens every piece of a backup, and tells what it holds.
///
/// # Errors
/// When its key is not among the vault's, or anything of it is missing or changed.
pub async fn check(vault: &Vault, path: &Path) -> Result<Manifest> {
    let (manifest, _, mut opener) = open(vault, path).await?;
    while opener.next().await.with_context(|| path.display().to_string())?.is_some() {}
    Ok(manifest)
}

/// The manifest, what follows it in its piece, and the rest.
async fn open(vault: &Vault, path: &Path) -> Result<(Manifest, Vec<u8>, Opener<BufReader<File>>)> {
    let read = async {
        let mut opener = Opener::begin(BufReader::new(File::open(path).await?), vault).await?;
        let mut begin = Vec::new();
        loop {
            begin.extend(opener.next().await?.context("it ends too early")?);
            let length = begin.first_chunk().map_or(usize::MAX, |length| u32::from_be_bytes(*length) as usize);
            if let Some(told) = begin.get(4..).and_then(|rest| rest.get(..length)) {
                let manifest = serde_json::from_slice(told).context("it does not say what it holds")?;
                return anyhow::Ok((manifest, begin.split_off(4 + length), opener));
            }
        }
    };
    read.await.with_context(|| path.display().to_string())
}

/// Fills an empty database from a backup, which is opened to its end first, and ends what must not come back to life with it. `server` signs in as
/// a superuser, and the database belongs to the schema's owner. All or nothing is done, until the last step, which may be repeated by hand with
/// `watchfloor migrate`: bringing the schema up to date, if the backup is older than this program.
///
/// # Errors
/// When the backup does not open, is newer than this program, or the database holds anything; when `pg_restore` fails, or a table has other rows
/// than the backup says.
pub async fn restore(server: &PgConnectOptions, vault: &Vault, path: &Path) -> Result<Manifest> {
    let manifest = check(vault, path).await?;
    let newest = super::MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default();
    ensure!(manifest.schema <= newest, "{} was made by Watchfloor {}, which is newer than this one", path.display(), manifest.version);
    let mut connection = server.connect().await.context("cannot reach the database")?;
    let is_superuser: bool =
        sqlx::query_scalar("select rolsuper from pg_roles where rolname = current_user").fetch_one(&mut connection).await?;
    ensure!(
        is_superuser,
        "a restore signs in as a superuser of PostgreSQL, for this one command: it makes roles and hands objects over to them"
    );
    let is_used: bool = sqlx::query_scalar(
        "select exists (select from pg_class where relnamespace = 'public'::regnamespace) or to_regnamespace('jobs') is not null",
    )
    .fetch_one(&mut connection)
    .await?;
    ensure!(!is_used, "the database is not empty: a backup is restored into a new one only");
    let owner: String = sqlx::query_scalar("select pg_get_userbyid(datdba) from pg_database where datname = current_database()")
        .fetch_one(&mut connection)
        .await?;
    // The migrations make the roles that the backup's objects belong to. The objects themselves come from the backup.
    let as_owner = server.clone().options([("role", owner)]);
    super::migrate::migrate(as_owner.clone()).await?;
    let restored = async {
        connection.execute(EMPTY).await?;
        fill(server, vault, path).await?;
        let found = count(&mut connection).await?;
        let wrong = manifest.rows.iter().find(|(table, rows)| found.get(*table) != Some(rows));
        if let Some((table, rows)) = wrong {
            bail!("{table} has {:?} rows and the backup {rows}", found.get(table).copied().unwrap_or_default());
        }
        epoch::begin(&mut connection, &manifest).await
    };
    if let Err(error) = restored.await {
        connection.execute(EMPTY).await?;
        return Err(error);
    }
    connection.close().await?;
    super::migrate::migrate(as_owner).await?;
    Ok(manifest)
}

async fn fill(server: &PgConnectOptions, vault: &Vault, path: &Path) -> Result<()> {
    let (_, begin, mut opener) = open(vault, path).await?;
    let mut load = tools::program("pg_restore", server)?;
    load.args(["--single-transaction", "--exit-on-error", "--dbname", server.get_database().unwrap_or_default()]);
    let mut load = load.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("cannot run pg_restore")?;
    let (mut into, complaint) = (load.stdin.take().context("pg_restore has no input")?, load.stderr.take());
    let feed = async {
        let mut piece = Some(begin);
        while let Some(bytes) = piece {
            // Where it has ended early, it has said why.
            if into.write_all(&bytes).await.is_err() {
                break;
            }
            piece = opener.next().await?;
        }
        drop(into);
        anyhow::Ok(())
    };
    let (result, said) = tokio::join!(feed, tools::complaint(complaint));
    result?;
    tools::ended("pg_restore", load, &said).await
}

async fn may_see_all(connection: &mut PgConnection) -> Result<()> {
    let may: bool = sqlx::query_scalar(
        "select rolsuper or (rolbypassrls and pg_has_role(oid, 'pg_read_all_data', 'usage')) from pg_roles where rolname = current_user",
    )
    .fetch_one(connection)
    .await?;
    ensure!(may, "a backup signs in as a role that sees every row: a superuser, or watchfloor_backup, which `script/database-roles` makes");
    Ok(())
}

/// The rows of each table that a backup holds.
async fn count(connection: &mut PgConnection) -> sqlx::Result<BTreeMap<String, i64>> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', nspname, relname) from pg_class join pg_namespace n on n.oid = relnamespace
         where relkind in ('r', 'p') and nspname in ('public', 'jobs') order by 1",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut rows = BTreeMap::new();
    for table in tables.into_iter().filter(|table| !LEFT_OUT.contains(&table.as_str())) {
        let count = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {table}"))).fetch_one(&mut *connection).await?;
        rows.insert(table, count);
    }
    Ok(rows)
}
