//! Brings the database's schema up to date, and tells whether it is.

use super::{Db, MIGRATOR};
use anyhow::{Context, Result, bail, ensure};
use graphile_worker::WorkerUtils;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgPool};
use std::time::Duration;

/// The job engine's schema, as `sync::engine` names it.
const JOBS: &str = "jobs";
/// Any fixed number: two migrations at once take turns on it.
const LOCK: i64 = 0x57_61_74_63_68;

/// Lets the run-time roles use the job engine. The engine enables row-level security without a policy, which shuts out everybody but
/// the owner; jobs hold ids only, no tenant's data. Runs after every migration, so new tables are covered too.
const GRANTS: &str = "
    grant select on public._sqlx_migrations to watchfloor_web, watchfloor_worker;
    grant usage on schema jobs to watchfloor_web, watchfloor_worker;
    grant select, insert, update, delete on all tables in schema jobs to watchfloor_web, watchfloor_worker;
    grant usage, select on all sequences in schema jobs to watchfloor_web, watchfloor_worker;
    grant execute on all functions in schema jobs to watchfloor_web, watchfloor_worker;
    do $$
    declare
        unreachable text;
    begin
        for unreachable in
            select c.relname from pg_class c
            where c.relnamespace = 'jobs'::regnamespace and c.relkind in ('r', 'p') and c.relrowsecurity
              and not exists (select from pg_policy p where p.polrelid = c.oid)
        loop
            execute format('create policy run_time on jobs.%I for all to watchfloor_web, watchfloor_worker using (true) with check (true)',
                           unreachable);
        end loop;
    end
    $$;";

/// Runs every migration that is still missing, the job engine's too. `owner` must own the database and may create roles.
/// Running it twice, or from two places at once, does no harm.
///
/// # Errors
/// When the database cannot be reached, is newer than this program, or a migration fails; a failed migration leaves no trace.
pub async fn migrate(owner: PgConnectOptions) -> Result<()> {
    let owner = owner.application_name("watchfloor migrate").options([("lock_timeout", "5s"), ("timezone", "UTC")]);
    let pool = PgPoolOptions::new().max_connections(3).acquire_timeout(Duration::from_secs(10)).connect_with(owner).await;
    let pool = pool.context("cannot reach the database")?;
    let result = migrate_all(&pool).await;
    pool.close().await;
    result
}

async fn migrate_all(pool: &PgPool) -> Result<()> {
    // A connection of its own, because waiting for another migration may take longer than lock_timeout.
    let mut waiting = pool.acquire().await?.detach();
    waiting.execute("set lock_timeout = 0").await?;
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut waiting).await?;
    MIGRATOR.run(pool).await.context("a migration failed")?;
    WorkerUtils::new(pool.clone(), JOBS).migrate().await.context("a migration of the job engine failed")?;
    pool.execute(GRANTS).await.context("the run-time roles could not be given their rights")?;
    waiting.close().await?;
    Ok(())
}

/// Whether the database's schema is exactly the one this program was built for.
///
/// # Errors
/// One sentence that says which side is older and what to do; or that the database cannot be reached.
pub async fn check_version(db: &Db) -> Result<()> {
    let mut connection = db.pool.acquire().await.context("cannot reach the database")?;
    let table: Option<String> =
        sqlx::query_scalar("select to_regclass('public._sqlx_migrations')::text").fetch_one(&mut *connection).await?;
    ensure!(table.is_some(), "the database has no schema yet: run `watchfloor migrate`");
    let applied: Vec<(i64, bool, Vec<u8>)> =
        sqlx::query_as("select version, success, checksum from public._sqlx_migrations order by version")
            .fetch_all(&mut *connection)
            .await?;
    compare(&applied)
}

fn compare(applied: &[(i64, bool, Vec<u8>)]) -> Result<()> {
    let ours = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    let theirs = applied.last().map_or(0, |(version, ..)| *version);
    ensure!(theirs <= ours, "the database has schema {theirs}, newer than this program's {ours}: install the newer program");
    for migration in MIGRATOR.iter() {
        match applied.iter().find(|(version, ..)| *version == migration.version) {
            Some((_, true, checksum)) if **checksum == *migration.checksum => {}
            Some((version, true, _)) => {
                bail!("migration {version} in the database differs from this program's: they are not of one release")
            }
            _ => bail!("the database has schema {theirs}, older than this program's {ours}: run `watchfloor migrate`"),
        }
    }
    Ok(())
}
