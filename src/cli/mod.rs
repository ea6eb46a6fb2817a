//! The command line: a file per command, with its help and an example. Wiring, exit codes and the log's form.

mod api_token;
mod audit;
mod backup;
mod check;
mod database;
mod demo;
mod keys;
mod listen;
mod logs;
mod metrics;
mod migrate;
mod serve;
mod sync;
mod tenant;
mod user;

use crate::config::Config;
use clap::{Parser, Subcommand};
use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Every customer's Microsoft Defender incidents and alerts in one queue.
#[derive(Debug, Parser)]
#[command(
    name = "watchfloor",
    version,
    about,
    after_help = "Try it:  watchfloor demo\nExit codes: 0 done, 1 found something wrong, 2 bad usage or configuration."
)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, env = "WATCHFLOOR_CONFIG", default_value = "watchfloor.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Migrate(migrate::Args),
    Check(check::Args),
    Sync(sync::Args),
    #[command(subcommand)]
    User(user::Args),
    #[command(subcommand)]
    ApiToken(api_token::Args),
    #[command(subcommand)]
    Tenant(tenant::Args),
    #[command(subcommand)]
    Audit(audit::Args),
    Backup(backup::Args),
    Restore(backup::RestoreArgs),
    #[command(subcommand)]
    Keys(keys::Args),
}

/// Something the caller must change: the configuration, or the command's arguments. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct Usage(anyhow::Error);

/// Reads the arguments, runs the command, and says in one sentence on standard error what went wrong.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    match Box::pin(dispatch(cli)).await {
        Ok(code) => code,
        Err(error) => {
            let sentence = format!("{error:#}").replace('\n', " ");
            let _ = writeln!(std::io::stderr(), "watchfloor: {sentence}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    logs::start(&match cli.command {
        Command::Serve(_) => logs::Reader::Service,
        Command::Demo(_) => logs::Reader::Visitor,
        _ => logs::Reader::Person,
    });
    let config = || Config::load(&cli.config).map_err(Usage);
    match cli.command {
        Command::Serve(args) => Box::pin(serve::run(config()?, args)).await,
        Command::Demo(args) => Box::pin(demo::run(args)).await, // needs no configuration
        Command::Migrate(args) => migrate::run(&config()?, args).await,
        Command::Check(args) => check::run(&config()?, args).await,
        Command::Sync(args) => sync::run(&config()?, args).await,
        Command::User(args) => user::run(&config()?, args).await,
        Command::ApiToken(args) => api_token::run(&config()?, args).await,
        Command::Tenant(args) => tenant::run(&config()?, args).await,
        Command::Audit(args) => audit::run(&config()?, args).await,
        Command::Backup(args) => Box::pin(backup::run(&config()?, args)).await,
        Command::Restore(args) => Box::pin(backup::restore(&config()?, args)).await,
        Command::Keys(args) => keys::run(config, args).await,
    }
}

/// One line on standard output.
fn say(line: impl Display) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
