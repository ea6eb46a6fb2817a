//! `watchfloor serve`: the web part, the worker, or both, until a signal ends them.

use super::database::Database;
use super::{listen, metrics, say};
use crate::app::AppState;
use crate::auth::links;
use crate::auth::passwords::Hasher;
use crate::config::Config;
use crate::microsoft;
use crate::model::clock::now;
use crate::store::DbRole;
use crate::sync::engine::Queue;
use crate::web;
use anyhow::Result;
use clap::ValueEnum;
use std::process::ExitCode;
use std::sync::Arc;

/// Connections of one web process and of one worker.
const WEB_POOL: u32 = 20;

/// Run the portal.
///
/// Without users it prints a link, good for 30 minutes, that makes the first administrator. The first SIGTERM or Ctrl-C lets running
/// requests and readings end (up to 25 s); the second stops at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  watchfloor serve --config /etc/watchfloor/watchfloor.toml --role web")]
pub struct Args {
    /// What this process does.
    #[arg(long, value_enum, default_value_t = Part::All)]
    role: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Pages and reading in one process.
    All,
    /// Pages and API only.
    Web,
    /// Reading Microsoft only.
    Worker,
}

pub async fn run(config: Config, args: Args) -> Result<ExitCode> {
    let stop = listen::Stop::on_signals()?;
    let database = Database::ready(&config).await?;
    let metrics = metrics::serve(config.metrics_listen, stop.clone()).await?;
    let config = Arc::new(config);
    if args.role != Part::Worker {
        let web = database.connect(DbRole::Web, WEB_POOL).await?;
        if let Some(link) = links::first_admin(&web, &config.public_url).await? {
            say(format_args!("There is no administrator yet. Within 30 minutes, make one at {link}"))?;
        }
        let listener = listen::bind("listen", config.listen).await?;
        let queue = Queue::new(&web);
        let microsoft = microsoft::Client::new(&config.outbound, &config.app, now())?;
        let state = AppState { db: web.clone(), config: Arc::clone(&config), hasher: Hasher::default(), queue, microsoft, demo: None };
        tracing::info!(listen = %config.listen, public_url = %config.public_url, "the portal is up");
        listen::serve(listener, web::router(state), stop.clone()).await;
        web.close().await;
    }
    metrics.await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
