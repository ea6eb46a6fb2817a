//! `watchfloor keys …`, and the keys of the other commands.

use super::database::Database;
use super::{Usage, say};
use crate::config::Config;
use crate::store::audit::{Actor, By};
use crate::store::vault::keys::{MasterKey, read_all};
use crate::store::vault::{Vault, rotation};
use crate::store::{Db, DbRole};
use anyhow::{Context, Result};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The master keys with which secrets in the database are sealed.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  watchfloor keys new /etc/watchfloor/master-2027.key\n  watchfloor keys rotate")]
pub enum Args {
    /// Write a new key into a new file that only you may read.
    New { file: PathBuf },
    /// Seal everything with the first of key_files that is under another key. The portal may run meanwhile; what breaks off goes on next time.
    Rotate,
}

pub async fn run(config: impl FnOnce() -> Result<Config, Usage>, args: Args) -> Result<ExitCode> {
    match args {
        Args::New { file } => {
            let key = MasterKey::create(&file)?;
            say(format_args!("Wrote the master key {} to {}. Keep a copy apart from copies of the database.", key.kid(), file.display()))?;
        }
        Args::Rotate => rotate(&config()?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate(config: &Config) -> Result<()> {
    let database = Database::ready(config).await?;
    let db = with_keys(config, database.connect(DbRole::Web, 1).await?).await?;
    let done = rotation::rotate(&db, &By { actor: Actor::Operator, ip: None }).await?;
    for (column, count) in done {
        say(format_args!("{:<24} {:<16} {count}", column.table, column.name))?;
    }
    say(format_args!("Everything is sealed with the master key {}.", db.vault().first().unwrap_or_default()))?;
    db.close().await;
    Ok(())
}

/// The keys that there are, for what works without a database.
///
/// # Errors
/// As [`with_keys`], and when there is none.
pub fn at_hand(config: &Config) -> Result<Vault> {
    let keys = held(config).and_then(|keys| keys.context("there is no master key: name its file in key_files")).map_err(Usage)?;
    Ok(Vault::new(keys))
}

/// Gives a pool the configured keys, or those of `master.key` in `data_dir`, which is made where the database has not been sealed yet.
///
/// # Errors
/// One sentence that names the key or the file, as a mistake in the configuration.
pub async fn with_keys(config: &Config, db: Db) -> Result<Db> {
    let keys = if let Some(keys) = held(config).map_err(Usage)? {
        keys
    } else {
        rotation::all_at_hand(&db).await.map_err(Usage)?; // where there was another key, a new one would be wrong
        vec![first_key(&config.data_dir.join(OWN_FILE)).map_err(Usage)?]
    };
    let db = db.with_vault(Vault::new(keys));
    rotation::acquaint(&db).await.map_err(Usage)?;
    Ok(db)
}

/// The same, but nothing is made or written: what `check` says of the keys, and whether it is well.
pub async fn look(config: &Config, db: Db) -> (bool, String) {
    let looked = async {
        let Some(keys) = held(config)? else {
            rotation::all_at_hand(&db).await?;
            return Ok(format!("none yet; `watchfloor serve` makes {}", config.data_dir.join(OWN_FILE).display()));
        };
        let db = db.with_vault(Vault::new(keys));
        rotation::all_at_hand(&db).await?;
        anyhow::Ok(format!("{} seals, and whatever is sealed can be opened", db.vault().first().unwrap_or_default()))
    };
    looked.await.map_or_else(|error| (false, format!("{error:#}")), |note| (true, note))
}

const OWN_FILE: &str = "master.key";

/// The keys that there are; `None`: none are configured, and none was made yet.
fn held(config: &Config) -> Result<Option<Vec<MasterKey>>> {
    if !config.key_files.is_empty() {
        return Ok(Some(read_all(&config.key_files)?));
    }
    let own = config.data_dir.join(OWN_FILE);
    if !own.try_exists().with_context(|| format!("cannot look for {}", own.display()))? {
        return Ok(None);
    }
    Ok(Some(vec![MasterKey::read("the master key", &own)?]))
}

/// Makes the key, unless another process did so meanwhile.
fn first_key(path: &Path) -> Result<MasterKey> {
    match MasterKey::create(path) {
        Ok(key) => {
            tracing::info!(file = %path.display(), kid = key.kid(), "made the master key: keep a copy apart from copies of the database");
            Ok(key)
        }
        Err(_) if path.exists() => MasterKey::read("the master key", path),
        Err(error) => Err(error),
    }
}
