//! `watchfloor demo`: everything on this machine, nothing kept.

mod customers;
mod people;

use super::database::Database;
use super::listen::{self, Stop};
use super::serve::Portal;
use super::{Usage, say};
use crate::app::Demo;
use crate::config::{self, App, Config, ConsentForm, Login, Outbound, Sync};
use crate::demo::{self, Credential, StandIn, World};
use crate::microsoft;
use crate::model::clock::now;
use crate::model::{Cloud, Product};
use crate::store::DbRole;
use crate::sync::engine::Queue;
use anyhow::{Context, Result, anyhow, ensure};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use url::Url;
use uuid::Uuid;

/// Between two small things happening at the customers.
const TRICKLE: Duration = Duration::from_secs(15);
const POOL: u32 = 20;

/// Try Watchfloor: invented customers, Microsoft played by a stand-in, nothing to configure.
///
/// Needs no network and no cloud account. It listens on this machine only, because its passwords are public. Ctrl-C stops everything it
/// started and removes its data.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  watchfloor demo --listen 127.0.0.1:8081 --tenants 100")]
pub struct Args {
    /// A loopback address.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How many customers; the first twelve show one situation each.
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    tenants: u16,
    /// Another number invents other incidents.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The portal's app registrations in the demo: name, cloud, products.
const APPS: [(&str, Cloud, &[Product]); 4] = [
    ("defender", Cloud::Commercial, &[Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps]),
    ("endpoint", Cloud::Commercial, &[Product::DefenderEndpoint]),
    ("graph", Cloud::Commercial, &[Product::CloudApps, Product::Graph]),
    ("defender-gcc", Cloud::Gcc, &[Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps]),
];

/// A permission list of an app, by product.
type Permissions = &'static [(Product, &'static [&'static str])];

/// The apps that healthy customers consent to besides, for what goes beyond reading: name, permissions.
const MORE: [(&str, Permissions); 2] = [("respond", RESPOND), ("hunt", HUNT)];

const HUNT: Permissions = &[
    (Product::Graph, &["ThreatHunting.Read.All"]),
    (Product::DefenderXdr, &["AdvancedHunting.Read.All"]),
    (Product::DefenderEndpoint, &["AdvancedQuery.Read.All"]),
];

const RESPOND: Permissions = &[
    (Product::DefenderXdr, &["Incident.ReadWrite.All"]),
    (Product::CloudApps, &["Investigation.Manage", "Discovery.Manage", "Settings.Manage"]),
    (
        Product::DefenderEndpoint,
        &[
            "Alert.ReadWrite.All",
            "Machine.ReadWrite.All",
            "Machine.Isolate",
            "Machine.Scan",
            "Machine.CollectForensics",
            "Machine.RestrictExecution",
            "Machine.StopAndQuarantine",
            "Machine.LiveResponse",
            "Machine.Offboard",
            "User.Read.All",
            "Ti.ReadWrite",
        ],
    ),
];

pub async fn run(args: Args) -> Result<ExitCode> {
    ensure!(args.listen.ip().is_loopback(), Usage(anyhow!("--listen must be an address of this machine, such as 127.0.0.1:8080")));
    let stop = Stop::on_signals()?;
    let listener = listen::bind("--listen", args.listen).await?;
    let address = listener.local_addr()?;
    let public_url = Url::parse(&format!("http://{address}"))?;
    let database = Database::temporary().await?;
    let dir = database.dir().context("the demo's database is embedded")?;
    let (config, world) = registrations(&public_url, address, dir, args.seed)?;
    let cloud = StandIn::start(world, 0).await.context("cannot start the stand-in for Microsoft")?;
    let microsoft = microsoft::Client::stand_in(cloud.address(), &config.app, now())?;
    let stand_in = Url::parse(&cloud.base())?;
    let (web, worker) = (database.connect(DbRole::Web, POOL).await?, database.connect(DbRole::Worker, POOL).await?);
    let newcomer = customers::register(&web, &Queue::new(&web), &config, &cloud, usize::from(args.tenants)).await?;
    let logins = people::add(&web).await?;
    announce(&public_url, &stand_in, &logins)?;
    let portal = Portal { config: Arc::new(config), microsoft, demo: Some(Arc::new(Demo { logins, stand_in, newcomer })) };
    tokio::join!(portal.web(listener, web, &stop), portal.worker(worker, &stop), trickle(&cloud, &stop));
    Ok(ExitCode::SUCCESS)
}

fn announce(public_url: &Url, stand_in: &Url, logins: &[crate::app::DemoLogin]) -> Result<()> {
    say(format_args!("Watchfloor's demo runs at {public_url} (Ctrl-C ends it and removes its data). Sign in as"))?;
    for login in logins {
        say(format_args!("  {:<10} {:<28} {}", login.login, login.password, login.about))?;
    }
    say(format_args!("Microsoft is played by {stand_in}"))?;
    Ok(())
}

/// The demo's configuration, and a cloud in which its apps are registered.
fn registrations(public_url: &Url, address: SocketAddr, dir: &Path, seed: u64) -> Result<(Config, World)> {
    let secret = crate::auth::secret::random()?;
    let file = dir.join("demo-app-secret");
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
    out.write_all(secret.expose_secret().as_bytes())?;
    let config = config(public_url, address, &file);
    let mut world = World::new(seed);
    for app in &config.app {
        world.register_app(demo::App {
            client_id: app.client_id,
            name: format!("Watchfloor ({})", app.name),
            publisher: "Watchfloor demo".to_owned(),
            credentials: vec![Credential::Secret(secret.expose_secret().to_owned(), None)],
            redirect_uris: vec![config.consent_callback().to_string()],
            roles: app.permissions.iter().flat_map(|(product, names)| names.iter().map(|name| (*product, name.clone()))).collect(),
            home: None,
        });
    }
    Ok((config, world))
}

fn config(public_url: &Url, address: SocketAddr, secret: &Path) -> Config {
    Config {
        public_url: public_url.clone(),
        listen: address,
        metrics_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        trusted_proxies: Vec::new(),
        database_url: None,
        database_url_file: None,
        data_dir: PathBuf::new(),
        outbound: Outbound::default(),
        login: Login::default(),
        app: apps(secret),
        identity: None,
        api: Vec::new(),
        sync: Sync { interval: Duration::from_secs(15), concurrency: 6, ..Sync::default() },
    }
}

fn apps(secret: &Path) -> Vec<App> {
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let read = |products: &[Product]| products.iter().map(|product| (*product, names(permissions(*product)))).collect();
    let asked = |(product, list): &(Product, &[&str])| (*product, names(list));
    let readers = APPS.iter().map(|(name, cloud, products)| app(name, *cloud, read(products), secret));
    let more = MORE.iter().map(|(name, permissions)| app(name, Cloud::Commercial, permissions.iter().map(asked).collect(), secret));
    readers.chain(more).collect()
}

fn app(name: &str, cloud: Cloud, permissions: BTreeMap<Product, Vec<String>>, secret: &Path) -> App {
    App {
        name: name.to_owned(),
        cloud,
        client_id: Uuid::new_v4(),
        credentials: vec![config::Credential::secret_file(secret)],
        consent: ConsentForm::V2,
        optional: !name.starts_with("defender"),
        permissions,
    }
}

/// What reading a product needs.
const fn permissions(product: Product) -> &'static [&'static str] {
    match product {
        Product::DefenderXdr => &["Incident.Read.All"],
        Product::DefenderEndpoint => &["Alert.Read.All"],
        Product::CloudApps => &["Investigation.Read"],
        Product::Graph => &["SecurityIncident.Read.All", "SecurityAlert.Read.All"],
    }
}

/// New incidents, and old ones taken and closed, as long as the demo runs.
async fn trickle(cloud: &StandIn, stop: &Stop) {
    let mut due = tokio::time::interval(TRICKLE);
    while stop.asked.run_until_cancelled(due.tick()).await.is_some() {
        cloud.world().tick();
    }
}
