//! Which database: the one that is configured, or the embedded one.

use super::Usage;
use crate::config::Config;
use crate::store::embedded::{DATABASE, Embedded, Kind, temporary_dir};
use crate::store::migrate::{check_version, migrate};
use crate::store::{Db, DbRole};
use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use std::path::Path;

/// How to reach the database; keeps the embedded server running as long as it lives.
pub struct Database {
    options: PgConnectOptions,
    embedded: Option<Embedded>,
}

impl Database {
    /// The configured database, or the embedded one, which this starts or joins, for a command.
    pub async fn find(config: &Config) -> Result<Self> {
        Self::find_for(config, Kind::Kept).await
    }

    async fn find_for(config: &Config, kind: Kind) -> Result<Self> {
        if let Some(url) = &config.database_url {
            return Ok(Self { options: address("database_url", url).map_err(Usage)?, embedded: None });
        }
        let embedded = Embedded::start(&config.data_dir.join("postgres"), kind).await?;
        tracing::info!(dir = %embedded.dir().display(), "the embedded PostgreSQL runs");
        Ok(Self { options: embedded.owner_options(DATABASE), embedded: Some(embedded) })
    }

    /// An embedded database of its own, empty and without a schema, that goes when this does.
    pub async fn temporary() -> Result<Self> {
        let embedded = Embedded::start(&temporary_dir(), Kind::Temporary).await?;
        Ok(Self { options: embedded.owner_options(DATABASE), embedded: Some(embedded) })
    }

    /// Where the embedded database lies, if it is that.
    pub fn dir(&self) -> Option<&Path> {
        self.embedded.as_ref().map(Embedded::dir)
    }

    /// The same, and its schema fits this program: the embedded one is migrated, an outside one must have been.
    pub async fn ready(config: &Config) -> Result<Self> {
        Self::ready_for(config, Kind::Kept).await
    }

    /// The same for a portal: it waits until no command runs the embedded one.
    pub async fn served(config: &Config) -> Result<Self> {
        Self::ready_for(config, Kind::Served).await
    }

    async fn ready_for(config: &Config, kind: Kind) -> Result<Self> {
        let database = Self::find_for(config, kind).await?;
        if database.embedded.is_some() {
            database.migrate().await?;
        } else {
            let db = database.connect(DbRole::Web, 1).await?;
            check_version(&db).await?;
            db.close().await;
        }
        Ok(database)
    }

    /// Brings the schema up to date.
    pub async fn migrate(&self) -> Result<()> {
        migrate(self.options.clone()).await
    }

    /// How to reach it for hearing of changes: where `listen_database_url` says, or where everything else is.
    pub fn listening(&self, config: &Config) -> Result<PgConnectOptions> {
        config.listen_database_url.as_ref().map_or_else(|| Ok(self.options.clone()), |url| address("listen_database_url", url))
    }

    /// How somebody reaches it who sees and may write everything: for backups.
    pub fn whole(&self, config: &Config) -> Result<PgConnectOptions> {
        match (&self.embedded, &config.backup_database_url) {
            (Some(embedded), _) => Ok(embedded.superuser_options(DATABASE)),
            (None, Some(url)) => address("backup_database_url", url).map_err(|error| Usage(error).into()),
            (None, None) => Ok(self.options.clone()),
        }
    }

    /// A pool of at most `size` connections that work as `role`.
    pub async fn connect(&self, role: DbRole, size: u32) -> Result<Db> {
        Db::connect(self.options.clone(), role, size).await.context("cannot reach the database as its run-time role")
    }
}

/// The error repeats nothing of the address, which may hold a password.
fn address(key: &str, url: &SecretString) -> Result<PgConnectOptions> {
    let url = url.expose_secret();
    let scheme = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let options = url.parse().ok().filter(|_| scheme);
    options.with_context(|| format!("{key} is not a PostgreSQL address such as postgres://user@host/database"))
}

/// One connection for a command.
pub async fn open(config: &Config) -> Result<(Database, Db)> {
    let database = Database::ready(config).await?;
    let db = database.connect(DbRole::Web, 1).await?;
    Ok((database, db))
}
