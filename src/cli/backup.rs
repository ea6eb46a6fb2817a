//! `watchfloor backup` and `watchfloor restore`

use super::{database::Database, keys, say};
use crate::config::Config;
use crate::model::clock::now;
use crate::store::DbRole;
use crate::store::audit::{Actor, Event, record};
use crate::store::backup::{self, Manifest};
use crate::store::vault::{Vault, rotation};
use anyhow::Result;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Write the whole database into one file, sealed with the first master key.
///
/// The portal may run meanwhile. Sessions, links of accounts and jobs are left out. Keep a copy of the master key elsewhere: without it the file
/// does not open, and whoever has both has everything. An outside database is read through `backup_database_url`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  watchfloor backup /var/backups/watchfloor-$(date +%F).backup")]
pub struct Args {
    /// A new file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub async fn run(config: &Config, Args { file }: Args) -> Result<ExitCode> {
    let database = Database::ready(config).await?;
    let db = keys::with_keys(config, database.connect(DbRole::Web, 1).await?).await?;
    let vault = db.vault().clone();
    let made = backup::write(&database.whole(config)?, &vault, &file, now()).await?;
    let mut tx = db.no_tenant().await?;
    let rows: i64 = made.rows.values().sum();
    let event = Event::new(Actor::Operator, "backup.made").object(name(&file)).after(json!({ "rows": rows, "key": vault.first() }));
    record(&mut tx, event).await?;
    tx.commit().await?;
    db.close().await;
    say(format_args!("{}: {}. It is sealed with the master key {}.", file.display(), told(&made), vault.first().unwrap_or_default()))?;
    Ok(ExitCode::SUCCESS)
}

/// Fill a new, empty database from a backup.
///
/// The file is opened to its end before anything is written. Needs the master key that sealed it. Nobody is signed in afterwards: tokens of the API,
/// customers' links, and changes that were on their way to Microsoft are ended, because nobody knows what became of them since. An outside
/// database must exist and be empty, and `backup_database_url` signs in as a superuser, for this one command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  watchfloor --config new.toml restore /var/backups/watchfloor-2026-11-26.backup")]
pub struct RestoreArgs {
    /// What `watchfloor backup` wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only open the file to its end and say what it holds.
    #[arg(long, conflicts_with = "drill")]
    check: bool,
    /// Restore it into a database of its own, verify the audit log there, say how long that took, and throw it away.
    #[arg(long)]
    drill: bool,
}

pub async fn restore(config: &Config, RestoreArgs { file, check, drill }: RestoreArgs) -> Result<ExitCode> {
    let vault = keys::at_hand(config)?;
    if check {
        say(format_args!("{} is whole: {}.", file.display(), told(&backup::check(&vault, &file).await?)))?;
        return Ok(ExitCode::SUCCESS);
    }
    if drill {
        return Box::pin(rehearse(config, &vault, &file)).await;
    }
    let database = Database::find(config).await?;
    let found = backup::restore(&database.whole(config)?, &vault, &file).await?;
    keys::with_keys(config, database.connect(DbRole::Web, 1).await?).await?.close().await;
    say(format_args!("Restored {}: {}.", file.display(), told(&found)))?;
    say(
        "Everybody signs in again; tokens of the API and customers' links are made anew. Changes that were on their way are marked as lost: look",
    )?;
    say("at them in Defender. `watchfloor audit verify` checks the log.")?;
    Ok(ExitCode::SUCCESS)
}

async fn rehearse(config: &Config, vault: &Vault, file: &Path) -> Result<ExitCode> {
    let mut begun = Instant::now();
    let database = Database::temporary().await?;
    let found = backup::restore(&database.whole(config)?, vault, file).await?;
    let restored = begun.elapsed();
    begun = Instant::now();
    let db = database.connect(DbRole::Web, 1).await?.with_vault(vault.clone());
    rotation::all_at_hand(&db).await?;
    let is_good = super::audit::verify(&db, None).await?;
    db.close().await;
    let checked = begun.elapsed();
    say(format_args!(
        "Restored {} in {:.1} s, and its audit log was looked at in {:.1} s.",
        told(&found),
        restored.as_secs_f64(),
        checked.as_secs_f64()
    ))?;
    Ok(ExitCode::from(u8::from(!is_good)))
}

fn name(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn told(manifest: &Manifest) -> String {
    let rows = |table: &str| manifest.rows.get(&["public.", table].concat()).copied().unwrap_or_default();
    let (tenants, incidents, alerts) = (rows("tenants"), rows("incidents"), rows("alerts"));
    format!("{tenants} tenants, {incidents} incidents and {alerts} alerts as of {}", manifest.made_at.format("%Y-%m-%d %H:%M UTC"))
}
