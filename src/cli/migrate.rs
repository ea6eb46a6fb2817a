//! `watchfloor migrate`

use super::{database::Database, say};
use crate::config::Config;
use std::process::ExitCode;

/// Bring the database up to date.
///
/// Connects as the owner of the schema; put that address into DATABASE_URL for this one command. `serve` works with a lesser login that is
/// a member of watchfloor_web and watchfloor_worker. The embedded database migrates itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  DATABASE_URL=postgres://owner@db.example.com/watchfloor watchfloor migrate")]
pub struct Args {}

pub async fn run(config: &Config, Args {}: Args) -> anyhow::Result<ExitCode> {
    Database::find(config).await?.migrate().await?;
    say("The database is up to date.")?;
    Ok(ExitCode::SUCCESS)
}
