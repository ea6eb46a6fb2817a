//! A PostgreSQL server of our own, for when no `database_url` is set.
//!
//! The server is a child of this process: it listens on a Unix socket only, inside its own directory, and it stops when this
//! process ends, however it ends. Two processes on one directory share the server of the first, but a portal never that of a command, which
//! would end under it.

mod binaries;
mod place;

use anyhow::{Context, Result, bail, ensure};
pub use binaries::client_programs;
use place::Place;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The parent of the server. Its standard input is a pipe whose other end only we hold: it closes on a clean stop, on a panic
/// and on SIGKILL alike, and then the server is told to stop.
const WATCHDOG: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{ read -r _ <&3; kill -s "$STOP" "$server"; } 2>/dev/null &
reader=$!
wait "$server"
status=$?
kill "$reader" 2>/dev/null
[ -z "$REMOVE" ] || rm -rf "$REMOVE"
exit "$status""#;

/// The owner of the schema: it may create roles, and is neither superuser nor exempt from row-level security.
const OWNER: &str = "watchfloor_owner";
/// The database the portal works in.
pub const DATABASE: &str = "watchfloor";
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether the server of a command is gone.
const BRIEF_PAUSE: Duration = Duration::from_millis(500);

/// What happens to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Kept, and durable; for a command.
    Kept,
    /// The same for a portal, which runs on: it waits until the server of a command is gone.
    Served,
    /// For tests and demonstrations: nothing is flushed to disk, and the directory goes when the process ends.
    Temporary,
}

/// A running server. Dropping it stops the server if this process started it; that takes up to a second.
pub struct Embedded {
    /// None while another process of ours runs the server.
    child: Option<Child>,
    place: Place,
    kind: Kind,
}

impl Embedded {
    /// Starts the server in `dir`, or joins the one that runs there, and makes sure of the owner's role and database.
    /// Takes about 0.1 s, and 1 s more the first time; with [`Kind::Served`] as long as a command still needs its own.
    ///
    /// # Errors
    /// One sentence that says what to install or to set, or the last lines of the server's log.
    pub async fn start(dir: &Path, kind: Kind) -> Result<Self> {
        let place = Place::prepare(dir, kind)?;
        let lock = if kind == Kind::Served { lock_without_command(&place).await? } else { place.lock()? };
        let mut server = Self { child: None, place, kind };
        if server.superuser().connect().await.is_err() {
            let bin = binaries::find(server.place.cluster_version()?).await?;
            server.initialise(&bin)?;
            server.run(&bin).await?;
        }
        server.make_owner().await?;
        drop(lock);
        Ok(server)
    }

    /// How the schema's owner connects: for migrations.
    pub fn owner_options(&self, database: &str) -> PgConnectOptions {
        self.options(OWNER, database)
    }

    /// How the cluster's superuser connects: for making databases, never for the portal's own work.
    pub fn superuser_options(&self, database: &str) -> PgConnectOptions {
        self.options("postgres", database)
    }

    /// Where the data lies. It may differ from the directory asked for, when the server's user could not reach that one.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    fn options(&self, user: &str, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.place.dir())
            .port(5432)
            .username(user)
            .password(self.place.password())
            .database(database)
    }

    fn superuser(&self) -> PgConnectOptions {
        self.superuser_options("postgres").disable_statement_logging()
    }

    fn initialise(&self, bin: &Path) -> Result<()> {
        if self.place.cluster_version()?.is_some() {
            return Ok(());
        }
        let mut command = self.place.command(&bin.join("initdb"));
        command.arg("-D").arg(self.place.data()).arg("--pwfile").arg(self.place.password_file());
        command.args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--data-checksums"]);
        if self.kind == Kind::Temporary {
            command.arg("--no-sync");
        }
        let output = command.output().with_context(|| format!("cannot run {}", bin.join("initdb").display()))?;
        ensure!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Starts the server and waits until it takes connections. A server that is just going down is waited for.
    async fn run(&mut self, bin: &Path) -> Result<()> {
        let started = Instant::now();
        let log_path = self.place.dir().join("postgres.log");
        let mut log = fs::OpenOptions::new().create(true).append(true).read(true).open(&log_path)?;
        let mut command = self.server_command(bin, &log)?;
        loop {
            let begin = log.seek(SeekFrom::End(0))?;
            // What it never writes to keeps the lock for exactly as long as a process of it lives.
            command.stdout(if self.kind == Kind::Kept { self.place.brief()?.map_or(Stdio::null(), Stdio::from) } else { Stdio::null() });
            self.child = Some(command.spawn().context("cannot start PostgreSQL")?);
            let exited = loop {
                if self.superuser().connect().await.is_ok() {
                    return Ok(());
                }
                if let Some(child) = &mut self.child
                    && child.try_wait()?.is_some()
                {
                    break true;
                }
                if started.elapsed() > START_LIMIT {
                    break false;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            log.seek(SeekFrom::Start(begin))?;
            let mut text = String::new();
            log.read_to_string(&mut text)?;
            // After a crash the old server's last processes may take a moment to go.
            let busy = text.contains("lock file") || text.contains("shared memory block");
            if !(exited && busy && started.elapsed() < Duration::from_secs(15)) {
                let lines: Vec<&str> = text.lines().rev().take(6).collect();
                bail!("PostgreSQL did not start; {} says: {}", log_path.display(), lines.into_iter().rev().collect::<Vec<_>>().join(" / "));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    fn server_command(&self, bin: &Path, log: &fs::File) -> Result<Command> {
        let mut command = self.place.command(Path::new("/bin/sh"));
        command.args(["-c", WATCHDOG, "watchfloor-postgres"]).arg(bin.join("postgres"));
        command.arg("-D").arg(self.place.data()).arg("-k").arg(self.place.dir());
        let mut set = |setting: &str| {
            command.arg("-c").arg(setting);
        };
        set("listen_addresses=");
        set("unix_socket_permissions=0700");
        set("max_connections=200");
        if self.kind == Kind::Temporary {
            ["fsync=off", "synchronous_commit=off", "full_page_writes=off"].into_iter().for_each(&mut set);
            command.env("STOP", "QUIT").env("REMOVE", self.place.dir());
        } else {
            command.env("STOP", "INT");
        }
        // Ctrl-C goes to our process group; the server must outlive our own shutdown, so it has one of its own.
        command.process_group(0).stdin(Stdio::piped()).stderr(log.try_clone()?);
        Ok(command)
    }

    /// The owner's role and database. The password is hexadecimal and the names are constants: nothing needs quoting.
    async fn make_owner(&self) -> Result<()> {
        let mut connection = self.superuser().connect().await.context("cannot sign in to the embedded PostgreSQL")?;
        if !exists(&mut connection, "select exists (select from pg_roles where rolname = $1)", OWNER).await? {
            let password = self.place.password();
            let create = format!("create role {OWNER} login createrole nosuperuser nobypassrls password '{password}'");
            connection.execute(AssertSqlSafe(create)).await.context("cannot create the owner's role")?;
        }
        if !exists(&mut connection, "select exists (select from pg_database where datname = $1)", DATABASE).await? {
            let create = format!("create database {DATABASE} owner {OWNER}");
            connection.execute(AssertSqlSafe(create)).await.context("cannot create the portal's database")?;
        }
        connection.close().await?;
        Ok(())
    }

    /// Stops the server and waits until it is gone; a joined server runs on.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            if let Err(error) = child.wait() {
                tracing::warn!(%error, "the embedded PostgreSQL could not be waited for");
            }
            if self.kind == Kind::Temporary {
                let _ = fs::remove_dir_all(self.place.dir());
            }
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The lock for starting, once no server of a command runs.
async fn lock_without_command(place: &Place) -> Result<fs::File> {
    let mut told = false;
    loop {
        let lock = place.lock()?;
        if place.brief()?.is_some() {
            return Ok(lock);
        }
        drop(lock);
        if !std::mem::replace(&mut told, true) {
            tracing::info!("a command runs the embedded PostgreSQL; waiting for its end");
        }
        tokio::time::sleep(BRIEF_PAUSE).await;
    }
}

async fn exists(connection: &mut PgConnection, query: &'static str, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar(query).bind(name).fetch_one(connection).await
}

/// A new directory for a temporary server.
pub fn temporary_dir() -> PathBuf {
    std::env::temp_dir().join(format!("watchfloor-{}", uuid::Uuid::new_v4().simple()))
}
