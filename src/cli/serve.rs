//! `watchfloor serve`: the web part, the worker, or both, until a signal ends them.

use super::database::Database;
use super::listen::{self, Stop};
use super::{Usage, keys, metrics, say};
use crate::app::live::Live;
use crate::app::notices::Notices;
use crate::app::{AppState, Demo, bulk};
use crate::auth::links;
use crate::auth::passwords::Hasher;
use crate::config::Config;
use crate::microsoft;
use crate::model::clock::now;
use crate::store::{self, Db, DbRole};
use crate::sync::audit;
use crate::sync::engine::{self, Queue};
use crate::web;
use anyhow::Result;
use clap::ValueEnum;
use sqlx::postgres::PgConnectOptions;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Connections of one web process and of one worker.
const WEB_POOL: u32 = 20;
const WORKER_POOL: u32 = 20;
const CREDENTIALS_EVERY: Duration = Duration::from_secs(60);
/// A worker whose database went away begins again after this long.
const WORKER_PAUSE: Duration = Duration::from_secs(5);

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
    listen::open_many();
    let stop = Stop::on_signals()?;
    let microsoft = microsoft::Client::configured(&config, now()).map_err(Usage)?;
    let Some(database) = stop.asked.run_until_cancelled(Database::served(&config)).await else {
        return Ok(ExitCode::SUCCESS);
    };
    let database = database?;
    let listening = database.listening(&config).map_err(Usage)?;
    let metrics = metrics::serve(config.metrics_listen, stop.clone()).await?;
    let portal = Portal { config: Arc::new(config), microsoft, demo: None };
    let web = async {
        if args.role == Part::Worker {
            return Ok(());
        }
        let listener = listen::bind("listen", portal.config.listen).await?;
        let db = keys::with_keys(&portal.config, database.connect(DbRole::Web, WEB_POOL).await?).await?;
        if portal.config.login.needs_second() {
            let mut tx = db.no_tenant().await?;
            let ended = store::factors::end_sessions_without(&mut tx).await?;
            tx.commit().await?;
            if ended > 0 {
                tracing::info!(ended, "sessions of accounts without a second factor have ended, because one is required");
            }
        }
        if let Some(link) = links::first_admin(&db, &portal.config.public_url).await? {
            say(format_args!("There is no administrator yet. Within 30 minutes, make one at {link}"))?;
        }
        portal.web(listener, (db, listening), &stop).await;
        anyhow::Ok(())
    };
    let worker = async {
        if args.role == Part::Web {
            return Ok(());
        }
        portal.worker(database.connect(DbRole::Worker, WORKER_POOL).await?, &stop).await;
        anyhow::Ok(())
    };
    let watched = stop.asked.run_until_cancelled(watch_credentials(&portal.microsoft));
    let (_, done) = tokio::join!(watched, async {
        tokio::try_join!(web, worker).inspect_err(|_| stop.asked.cancel()) // what watches would go on alone
    });
    done?;
    metrics.await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Looks once a minute whether a credential has changed, and says when each ends, in either part of the portal.
async fn watch_credentials(microsoft: &microsoft::Client) {
    let mut due = tokio::time::interval(CREDENTIALS_EVERY);
    loop {
        due.tick().await;
        microsoft.look_at_credentials(now()).await;
        for app in microsoft.every_app() {
            for credential in app.credentials(now()) {
                let (name, place) = (app.name.clone(), credential.place);
                ::metrics::gauge!("watchfloor_credential_readable", "app" => name.clone(), "credential" => place.clone())
                    .set(if credential.trouble.is_none() { 1.0 } else { 0.0 });
                if let Some(end) = credential.ends_at {
                    #[expect(clippy::cast_precision_loss, reason = "seconds of this millennium are exact")]
                    let seconds = end.timestamp() as f64;
                    ::metrics::gauge!("watchfloor_credential_ends_timestamp_seconds", "app" => name, "credential" => place).set(seconds);
                }
            }
        }
    }
}

/// What the two parts of the portal are made of.
pub struct Portal {
    pub config: Arc<Config>,
    pub microsoft: microsoft::Client,
    /// Set in `watchfloor demo` only.
    pub demo: Option<Arc<Demo>>,
}

impl Portal {
    /// Serves pages and the API until told to stop. `listening`: how to reach the database for hearing of changes.
    pub async fn web(&self, listener: TcpListener, (db, listening): (Db, PgConnectOptions), stop: &Stop) {
        let live = Live::until(stop.asked.clone());
        let state = AppState {
            db: db.clone(),
            config: Arc::clone(&self.config),
            hasher: Hasher::default(),
            queue: Queue::new(&db),
            microsoft: self.microsoft.clone(),
            notices: Notices::default(),
            live: live.clone(),
            demo: self.demo.clone(),
        };
        tracing::info!(public_url = %self.config.public_url, "the portal is up");
        let hears = stop.asked.run_until_cancelled(store::live::listen(listening, |told| live.tell(told)));
        let proxies = &self.config.trusted_proxies;
        tokio::join!(listen::serve(listener, web::router(state), proxies, stop.clone()), hears);
        db.close().await;
    }

    /// Reads Microsoft, and chains the audit log, until told to stop. A database that goes away is waited for.
    pub async fn worker(&self, db: Db, stop: &Stop) {
        let host = self.config.public_url.host_str().unwrap_or_default();
        tokio::join!(self.engine(&db, stop), audit::run(&db, &self.config.audit, host, &stop.asked));
        db.close().await;
    }

    async fn engine(&self, db: &Db, stop: &Stop) {
        while !stop.asked.is_cancelled() {
            let work = engine::run(db.clone(), self.microsoft.clone(), self.config.sync.clone(), stop.asked.clone(), bulk::work);
            if let Err(error) = work.await {
                tracing::error!(error = format!("{error:#}"), "the worker stopped and begins again shortly");
                stop.asked.run_until_cancelled(tokio::time::sleep(WORKER_PAUSE)).await;
            }
        }
    }
}
