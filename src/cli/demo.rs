//! `watchfloor demo`: everything on this machine, nothing kept.

mod customers;
mod deeds;
mod guests;
mod late;
mod levels;
mod people;
mod staff;

use super::database::Database;
use super::listen::{self, Stop};
use super::serve::Portal;
use super::{Usage, keys, say};
use crate::app::{Demo, DemoCustomer, DemoLogin};
use crate::config::{self, App, Config, ConsentForm, Login, SecondFactor, Sync};
use crate::demo::{self, Credential, StandIn, World};
use crate::microsoft;
use crate::model::clock::now;
use crate::model::{Cloud, Product};
use crate::store::DbRole;
use crate::sync::engine::Queue;
use crate::sync::read::Reader;
use anyhow::{Context, Result, anyhow, ensure};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use deeds::Deeds;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
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
#[command(after_help = "Example:\n  watchfloor demo --listen 127.0.0.1:8081 --tenants 100 --cloud gcc_high")]
pub struct Args {
    /// A loopback address.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How many customers; the first sixteen show what there is to see.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    tenants: u16,
    /// Another number invents other incidents.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which of Microsoft's clouds the customers and apps are in; with commercial, one customer is in GCC.
    #[arg(long, default_value = "commercial", value_parser = clouds())]
    cloud: Cloud,
}

fn clouds() -> impl TypedValueParser<Value = Cloud> {
    PossibleValuesParser::new(Cloud::ALL.iter().map(|cloud| cloud.as_str())).try_map(|word| word.parse::<Cloud>())
}

/// The portal's app registrations in the demo: name, products.
const APPS: [(&str, &[Product]); 3] = [
    ("defender", &[Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps]),
    ("endpoint", &[Product::DefenderEndpoint]),
    ("graph", &[Product::CloudApps, Product::Graph]),
];

/// The one in GCC, beside those of the commercial cloud.
const GCC: (&str, &[Product]) = ("defender-gcc", &[Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps]);

/// The one whose link comes back to nobody.
const LINKED: (&str, &[Product]) = ("partner", &[Product::DefenderXdr, Product::DefenderEndpoint]);

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
    listen::open_many();
    let stop = Stop::on_signals()?;
    let listener = listen::bind("--listen", args.listen).await?;
    let address = listener.local_addr()?;
    let public_url = Url::parse(&format!("http://{address}"))?;
    let database = Database::temporary().await?;
    database.migrate().await?;
    let dir = database.dir().context("the demo's database is embedded")?;
    let cloud = StandIn::start(World::new(args.seed), 0).await.context("cannot start the stand-in for Microsoft")?;
    let config = registered(&public_url, address, dir, &cloud, args.cloud)?;
    let microsoft = microsoft::Client::stand_in(cloud.address(), &config.app, now())?.with_logins(&config.login, now())?;
    let stand_in = Url::parse(&cloud.base())?;
    let web = keys::with_keys(&config, database.connect(DbRole::Web, POOL).await?).await?;
    let worker = database.connect(DbRole::Worker, POOL).await?;
    let listening = database.listening(&config)?;
    let queue = Queue::new(&web);
    let newcomer = customers::register(&web, &queue, &config, &cloud, (args.cloud, usize::from(args.tenants))).await?;
    levels::agree(&web, now()).await?;
    let logins = people::add(&web).await?;
    let (customer, sharing) = guests::add(&web, &cloud, args.cloud).await?;
    announce(&public_url, (&logins, &customer), &stand_in, args.cloud)?;
    let deeds = Deeds::new(web.clone(), queue, args.cloud).await?;
    let late = late::customers(&web, args.cloud, usize::from(args.tenants)).await?;
    let reader = Reader::new(worker.clone(), microsoft.clone(), config.sync.clone(), stop.asked.clone());
    let portal =
        Portal { config: Arc::new(config), microsoft, demo: Some(Arc::new(Demo { logins, stand_in, newcomer, customer: Some(customer) })) };
    let happens = async {
        tokio::join!(trickle(&cloud, &stop), deeds.carry_out(&cloud, &stop), late::look(&reader, late, &stop), sharing.carry_out(&stop))
    };
    tokio::join!(portal.web(listener, (web, listening), &stop), portal.worker(worker, &stop), happens);
    Ok(ExitCode::SUCCESS)
}

fn announce(public_url: &Url, (logins, customer): (&[DemoLogin], &DemoCustomer), stand_in: &Url, cloud: Cloud) -> Result<()> {
    say(format_args!("Watchfloor's demo runs at {public_url} (Ctrl-C ends it and removes its data). Sign in as"))?;
    for login in logins {
        say(format_args!("  {:<10} {:<28} {}", login.login, login.password, login.about))?;
    }
    say(format_args!("  or with Microsoft, as one of the staff of an invented directory"))?;
    say(format_args!("  or as a customer at {}customer/login: pick {}, {}", public_url, customer.username, customer.about))?;
    say(format_args!("Microsoft is played by {stand_in}; the cloud is {}", cloud.label()))?;
    Ok(())
}

/// The demo's configuration, whose apps are registered at the stand-in.
fn registered(public_url: &Url, address: SocketAddr, dir: &Path, microsoft: &StandIn, cloud: Cloud) -> Result<Config> {
    let secret = crate::auth::secret::random()?;
    let file = dir.join("demo-app-secret");
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
    out.write_all(secret.expose_secret().as_bytes())?;
    let mut config = config(public_url, address, apps(&file, cloud));
    let secrets = (secret.expose_secret(), file.as_path());
    let entra = staff::register(microsoft, cloud, secrets, &config.sign_in_callback());
    let customers = guests::register(microsoft, cloud, secrets, &config.customers_callback());
    config.login = Login { second_factor: SecondFactor::Optional, entra: Some(entra), customers: Some(customers) };
    dir.clone_into(&mut config.data_dir); // the master key goes with it
    // Where Microsoft's partner documents let the browser end; played as well, so that nobody is sent into the world.
    let elsewhere = microsoft.local(match cloud {
        Cloud::Commercial | Cloud::Gcc => "https://portal.azure.com/",
        Cloud::GccHigh | Cloud::Dod => "https://portal.azure.us/",
    });
    for app in &config.app {
        let registration = demo::App {
            client_id: app.client_id,
            name: format!("Watchfloor ({})", app.name),
            publisher: "Watchfloor demo".to_owned(),
            credentials: vec![Credential::Secret(secret.expose_secret().to_owned(), None)],
            redirect_uris: vec![if app.consent.comes_back() { config.consent_callback().to_string() } else { elsewhere.clone() }],
            roles: app.permissions.iter().flat_map(|(product, names)| names.iter().map(|name| (*product, name.clone()))).collect(),
            home: None,
        };
        microsoft.world().register_app_in(app.cloud, registration);
    }
    Ok(config)
}

fn config(public_url: &Url, address: SocketAddr, app: Vec<App>) -> Config {
    let sync = Sync { interval: Duration::from_secs(15), concurrency: 3, ..Sync::default() };
    Config { sync, ..Config::plain(public_url.clone(), address, app) }
}

fn apps(secret: &Path, cloud: Cloud) -> Vec<App> {
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let read = |products: &[Product]| products.iter().map(|product| (*product, names(permissions(*product)))).collect();
    let asked = |(product, list): &(Product, &[&str])| (*product, names(list));
    let reader = |(name, products): &(&str, &[Product]), cloud| app(name, cloud, read(products), secret);
    let mut apps: Vec<App> = APPS.iter().map(|known| reader(known, cloud)).collect();
    apps.extend(MORE.iter().map(|(name, permissions)| app(name, cloud, permissions.iter().map(asked).collect(), secret)));
    apps.push(App { consent: ConsentForm::Authorize, ..reader(&LINKED, cloud) });
    if cloud == Cloud::Commercial {
        apps.push(reader(&GCC, Cloud::Gcc));
    }
    apps
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
