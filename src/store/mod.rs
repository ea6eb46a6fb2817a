//! The only SQL. A file per group of tables; plain functions on a scoped transaction.
//!
//! A [`Scoped`] transaction can only be made by [`Db`], which tells row-level security which tenants the transaction may see
//! before anything else runs in it. The pools are private to this module: without a scope there is no way to tenants' rows.
//!
//! To add a table: a migration (tenant_id first in every key, enable and force row-level security, the scope policy, grants),
//! a file here with functions whose first argument is `&mut Scoped`, and nothing else; `tests/it/catalogue.rs` checks the rest.

use crate::model::{Scope, TenantId};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool, Postgres, Row, Transaction};
use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::time::Duration;
use vault::Vault;

pub mod adapters;
pub mod alarms;
pub mod alerts;
pub mod api_tokens;
pub mod audit;
pub mod audit_chain;
pub mod audit_shipping;
pub mod backup;
pub mod bindings;
pub mod bulk;
pub mod changes;
pub mod claims;
pub mod colleagues;
pub mod consents;
pub mod coverage;
pub mod customers;
pub mod device_reads;
pub mod devices;
pub mod drifts;
pub mod embedded;
pub mod entries;
pub mod factors;
pub mod flows;
pub mod health;
pub mod hunt_rows;
pub mod hunts;
pub mod incidents;
pub mod ingest;
pub mod invites;
pub mod leases;
pub mod limits;
pub mod lists;
pub mod live;
pub mod looks;
pub mod lookups;
pub mod migrate;
pub mod notes;
pub mod offboarding;
pub mod overview;
pub mod permissions;
pub mod quarantine;
pub mod quiet;
pub mod reach;
pub mod rebinds;
pub mod reconsent;
pub mod regions;
pub mod related;
pub mod runs;
pub mod saved_queries;
pub mod saved_views;
pub mod service_levels;
pub mod sessions;
pub mod shares;
pub mod shift;
pub mod staff;
pub mod suppressions;
pub mod sync_state;
pub mod tenant_lists;
pub mod tenants;
pub mod tickets;
mod timeouts;
pub mod trips;
pub mod uploads;
pub mod usage;
pub mod users;
pub mod vault;
pub mod waiting;

/// The schema's migrations, compiled in.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// Which of the run-time roles a process part works as. Both own nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DbRole {
    Web,
    Worker,
}

/// A pool of connections under one run-time role. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    vault: Vault,
}

/// A transaction that sees the tenants of one scope and no others. Rolled back unless committed.
pub struct Scoped {
    tx: Transaction<'static, Postgres>,
    vault: Vault,
    /// Its scope; `None`: every tenant. Row-level security holds it to that; a statement that names these tenants too finds their rows by an
    /// index.
    tenants: Option<Vec<TenantId>>,
}

impl Db {
    /// Opens a pool of `size` connections (at most) that work as `role`. Statements end after 10 s (web) or 60 s (worker).
    ///
    /// # Errors
    /// When the server cannot be reached within 3 s (worker: 30 s), or the connecting user is not a member of the role.
    pub async fn connect(options: PgConnectOptions, role: DbRole, size: u32) -> sqlx::Result<Self> {
        // A person is told within seconds; a reading waits for its turn.
        let (name, statement_timeout, patience) = match role {
            DbRole::Web => ("watchfloor_web", "10s", Duration::from_secs(3)),
            DbRole::Worker => ("watchfloor_worker", "60s", Duration::from_secs(30)),
        };
        // A page asks a dozen things that are planned alike whatever is bound: a connection keeps those plans. What has optional conditions must
        // be planned for those that are set, and asks for that itself (`persistent(false)`).
        let plans = if role == DbRole::Web { "auto" } else { "force_custom_plan" };
        let options = options.application_name(name).options([
            ("role", name),
            ("statement_timeout", statement_timeout),
            ("lock_timeout", "3s"),
            ("plan_cache_mode", plans),
            // Lists walk an index in page order and stop. At the default cost the planner fears that and sorts thousands of rows.
            ("random_page_cost", "1.1"),
            ("idle_in_transaction_session_timeout", "15s"),
            ("timezone", "UTC"),
            // A page is one of many: it takes one core, and no time for a compiler.
            ("max_parallel_workers_per_gather", "0"),
            ("jit", "off"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(patience)
            .after_release(|connection, _| Box::pin(is_clean(connection)))
            .connect_with(options)
            .await?;
        Ok(Self { pool, vault: Vault::default() })
    }

    /// The same pool with the keys by which secrets are sealed and opened; without any they are neither.
    #[must_use]
    pub fn with_vault(self, vault: Vault) -> Self {
        Self { vault, ..self }
    }

    /// The keys by which secrets are sealed and opened.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// A transaction over the tenants of `scope`. The scope is set in the same round trip as `begin`.
    pub async fn begin(&self, scope: &Scope) -> sqlx::Result<Scoped> {
        // Only UUIDs and fixed words go into the text.
        let mut begin = String::from("begin; select set_config('app.all_tenants', '");
        begin.push_str(if *scope == Scope::All { "on" } else { "off" });
        begin.push_str("', true), set_config('app.tenants', '{");
        if let Scope::Tenants(tenants) = scope {
            for (n, tenant) in tenants.iter().enumerate() {
                let _ = write!(begin, "{}{}", if n > 0 { "," } else { "" }, tenant.0);
            }
        }
        begin.push_str("}', true)");
        let tenants = match scope {
            Scope::All => None,
            Scope::Tenants(tenants) => Some(tenants.clone()),
        };
        Ok(Scoped { tx: self.pool.begin_with(AssertSqlSafe(begin)).await?, vault: self.vault.clone(), tenants })
    }

    /// A transaction over exactly one tenant.
    pub async fn tenant(&self, tenant: TenantId) -> sqlx::Result<Scoped> {
        self.begin(&Scope::one(tenant)).await
    }

    /// A transaction over every tenant. Only for what is about all of them: planning, sign-in, the registry of an administrator.
    pub async fn all_tenants(&self) -> sqlx::Result<Scoped> {
        self.begin(&Scope::All).await
    }

    /// A transaction that sees no tenant at all: for users, sessions and audit rows that are about no tenant.
    pub async fn no_tenant(&self) -> sqlx::Result<Scoped> {
        self.begin(&Scope::Tenants(Vec::new())).await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> sqlx::Result<()> {
        self.pool.acquire().await?.execute("select 1").await?;
        Ok(())
    }

    /// The pool itself, for the job engine, whose tables hold no tenant's data.
    pub fn engine_pool(&self) -> PgPool {
        self.pool.clone()
    }

    /// Closes every connection; waits for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Scoped {
    /// Lets the statements that follow be planned once for each connection: they come many times a second, and their parameters do not
    /// matter to the plan.
    async fn keep_plans(&mut self) -> sqlx::Result<()> {
        sqlx::query("set local plan_cache_mode = auto").execute(&mut **self).await?;
        Ok(())
    }

    /// Makes everything done in this transaction durable.
    pub async fn commit(self) -> sqlx::Result<()> {
        self.tx.commit().await
    }
}

impl Deref for Scoped {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for Scoped {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

/// What an error of the database means for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It cannot be asked at the moment: it is away, going down or coming up, or every connection is in use.
    Away,
    /// It was asked for more than it can find in time.
    TooSlow,
    /// It was given a text that it does not take: NUL is no character to PostgreSQL.
    NoText,
    /// A fault, or no error of the database at all.
    Other,
}

impl Trouble {
    /// What an error comes from.
    pub fn of(error: &anyhow::Error) -> Self {
        let trouble = |error: &sqlx::Error| match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => Self::Away,
            sqlx::Error::Database(error) => match error.code().as_deref() {
                // "admin_shutdown", "crash_shutdown", "cannot_connect_now", "too_many_connections".
                Some("57P01" | "57P02" | "57P03" | "53300") => Self::Away,
                Some(CANCELLED) => Self::TooSlow,
                // "character_not_in_repertoire", and "untranslatable_character", which is the same inside JSON.
                Some("22021" | "22P05") => Self::NoText,
                _ => Self::Other,
            },
            _ => Self::Other,
        };
        error.chain().find_map(|cause| cause.downcast_ref()).map_or(Self::Other, trouble)
    }
}

/// PostgreSQL's code of a statement that took too long.
const CANCELLED: &str = "57014";

/// Run on every connection that comes back. sqlx's `begin` is not safe against cancellation: a request dropped in its middle can
/// return a connection with an open transaction, into which the next user's acknowledged writes would vanish. Such a connection
/// is closed: inside a transaction `now()` is the transaction's start and earlier than the statement's.
async fn is_clean(connection: &mut PgConnection) -> sqlx::Result<bool> {
    // As one simple-protocol message: parse, bind and execute would each have a statement time of their own.
    connection.fetch_one("reset all; select now() = statement_timestamp()").await?.try_get(0)
}
