//! The configuration: every key named, validated and explained. Unknown keys are errors; secrets are files.
//!
//! Read from `watchfloor.toml`; each key can be overridden by an environment variable `WATCHFLOOR__SECTION__KEY`, lists with commas between.

mod api;
mod app;
mod audit;
mod cidr;
mod credential;
mod login;

pub use api::{Api, TokenVersion};
pub use app::{App, ConsentForm};
pub use audit::{Audit, LogFormat};
pub use cidr::Cidr;
pub use credential::{Assertion, Credential, Held, Identity, IdentityPlace, ManagedIdentity, Source};
pub use login::{CustomersLogin, EntraLogin, Login, SecondFactor};

use anyhow::{Context, Result, ensure};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Everything an operator can set. See `watchfloor.example.toml` for the meaning of each key in an operator's words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What customers' and analysts' browsers call us. Redirect URIs are built from it, never from the Host header.
    pub public_url: Url,
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    #[serde(default = "default_metrics_listen")]
    pub metrics_listen: SocketAddr,
    /// CIDRs whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: Vec<Cidr>,
    /// Absent: an embedded PostgreSQL under `data_dir`.
    #[serde(default)]
    pub database_url: Option<SecretString>,
    /// The same, in a file.
    #[serde(default)]
    pub database_url_file: Option<PathBuf>,
    /// Where one connection of each web process hears of changes. Absent: `database_url`. Needed where that is a PgBouncer in transaction
    /// mode, behind which a connection hears nothing.
    #[serde(default)]
    pub listen_database_url: Option<SecretString>,
    /// The same, in a file.
    #[serde(default)]
    pub listen_database_url_file: Option<PathBuf>,
    /// Who reads an outside database for a backup, and fills one from it. Absent: `database_url`. No other command uses it.
    #[serde(default)]
    pub backup_database_url: Option<SecretString>,
    /// The same, in a file.
    #[serde(default)]
    pub backup_database_url_file: Option<PathBuf>,
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// Master keys: the first seals secrets in the database, all of them open. Empty: `master.key` in `data_dir`.
    #[serde(default)]
    pub key_files: Vec<PathBuf>,
    #[serde(default)]
    pub outbound: Outbound,
    #[serde(default)]
    pub login: Login,
    /// Who the portal is in Azure, if credentials lie in Key Vault.
    #[serde(default)]
    pub identity: Option<Identity>,
    #[serde(default)]
    pub app: Vec<App>,
    #[serde(default)]
    pub api: Vec<Api>,
    #[serde(default)]
    pub sync: Sync,
    #[serde(default)]
    pub audit: Audit,
}

/// Keys with lists: in an environment variable with commas between.
const LISTS: [&str; 2] = ["trusted_proxies", "key_files"];

impl Config {
    /// A portal at this address with these apps, and everything else as it is where nothing is set.
    pub fn plain(public_url: Url, listen: SocketAddr, app: Vec<App>) -> Self {
        Self {
            public_url,
            listen,
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            trusted_proxies: Vec::new(),
            database_url: None,
            database_url_file: None,
            listen_database_url: None,
            listen_database_url_file: None,
            backup_database_url: None,
            backup_database_url_file: None,
            data_dir: default_data_dir(),
            key_files: Vec::new(),
            outbound: Outbound::default(),
            login: Login::default(),
            identity: None,
            app,
            api: Vec::new(),
            sync: Sync::default(),
            audit: Audit::default(),
        }
    }
}

/// The only two ways to influence how Microsoft is reached.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// A CONNECT proxy; TLS stays end to end.
    #[serde(default)]
    pub proxy: Option<Url>,
    /// PEM certificates trusted besides the system's roots.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// When and how far back Microsoft is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// Between two readings of one product of one tenant.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How far back the first reading goes.
    #[serde(with = "humantime_serde")]
    pub backfill: Duration,
    /// How much of the past each reading repeats.
    #[serde(with = "humantime_serde")]
    pub overlap: Duration,
    /// Calls in flight to one API over all tenants, and readings at the same time.
    pub concurrency: usize,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            backfill: Duration::from_secs(30 * 86_400),
            overlap: Duration::from_secs(15 * 60),
            concurrency: 64,
        }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}
fn default_metrics_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9464))
}
fn default_data_dir() -> PathBuf {
    PathBuf::from("data")
}
impl Config {
    /// Reads and validates the file and the environment.
    ///
    /// # Errors
    /// One sentence that names the key or the file, never a secret value.
    pub fn load(path: &Path) -> Result<Self> {
        ensure!(path.is_file(), "there is no configuration file {}", path.display());
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let environment = config::Environment::with_prefix("WATCHFLOOR").prefix_separator("__").separator("__").try_parsing(true);
        let environment = LISTS.iter().fold(environment.list_separator(","), |environment, key| environment.with_list_parse_key(key));
        hidden(path, &text)?;
        Self::parse(&text, environment).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str, environment: config::Environment) -> Result<Self> {
        let mut config: Self = config::Config::builder()
            .add_source(config::File::from_str(text, config::FileFormat::Toml))
            .add_source(environment)
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| anyhow::anyhow!(without_secrets(&error.to_string())))?;
        if let Ok(url) = std::env::var("DATABASE_URL") {
            config.database_url = Some(url.into());
        }
        for (key, url, file) in [
            ("database_url", &mut config.database_url, &mut config.database_url_file),
            ("listen_database_url", &mut config.listen_database_url, &mut config.listen_database_url_file),
            ("backup_database_url", &mut config.backup_database_url, &mut config.backup_database_url_file),
        ] {
            if let Some(file) = file.take() {
                ensure!(url.is_none(), "{key} and {key}_file are both set: keep one");
                *url = Some(read_secret(&format!("{key}_file"), &file)?);
            }
        }
        config.validate()?;
        Ok(config)
    }

    /// What the types alone cannot say.
    fn validate(&self) -> Result<()> {
        let scheme = self.public_url.scheme();
        let loopback = matches!(self.public_url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        ensure!(
            scheme == "https" || (scheme == "http" && loopback),
            "public_url must begin with https:// (http:// is for loopback addresses only)"
        );
        ensure!(
            self.public_url.path() == "/" && self.public_url.query().is_none(),
            "public_url must be a bare origin such as https://portal.example.com"
        );
        ensure!(self.sync.interval >= Duration::from_secs(5), "sync.interval must be at least 5s");
        ensure!(self.sync.overlap >= Duration::from_secs(60), "sync.overlap must be at least 1m");
        ensure!(self.sync.backfill <= Duration::from_secs(180 * 86_400), "sync.backfill must be at most 180d");
        ensure!((1..=1000).contains(&self.sync.concurrency), "sync.concurrency must be between 1 and 1000");
        if let Some(proxy) = &self.outbound.proxy {
            ensure!(
                matches!(proxy.scheme(), "http" | "https") && proxy.host().is_some(),
                "outbound.proxy must be an http:// or https:// address"
            );
        }
        self.audit.validate()?;
        for (n, app) in self.app.iter().enumerate() {
            app.validate()?;
            let in_vault = app.credentials.iter().any(|credential| matches!(credential.source, Source::Vault { .. }));
            ensure!(
                !in_vault || self.identity.is_some(),
                "app `{}` keeps its credential in Key Vault: say in [identity] who reads it",
                app.name
            );
            ensure!(!self.app[..n].iter().any(|other| other.name == app.name), "app.name `{}` stands twice", app.name);
        }
        for (place, credential) in self.login.credentials() {
            let in_vault = matches!(credential.source, Source::Vault { .. });
            ensure!(!in_vault || self.identity.is_some(), "{place} keeps its credential in Key Vault: say in [identity] who reads it");
        }
        Ok(())
    }

    /// Where Microsoft sends a customer's administrator back to. Registered on every app.
    pub fn consent_callback(&self) -> Url {
        self.public_url.join("/consent/callback").unwrap_or_else(|_| self.public_url.clone())
    }

    /// Where Microsoft sends our own staff back to. Registered on the app of `[login.entra]`.
    pub fn sign_in_callback(&self) -> Url {
        self.public_url.join("/login/entra/callback").unwrap_or_else(|_| self.public_url.clone())
    }

    /// Where Microsoft sends customers' own people back to. Registered on the app of `[login.customers]`.
    pub fn customers_callback(&self) -> Url {
        self.public_url.join("/login/customer/callback").unwrap_or_else(|_| self.public_url.clone())
    }
}

/// Whether nobody but its owner may read the file, if it holds a password.
fn hidden(path: &Path, text: &str) -> Result<()> {
    let Ok(file) = config::Config::builder().add_source(config::File::from_str(text, config::FileFormat::Toml)).build() else {
        return Ok(()); // it is told what is wrong with it
    };
    let tells = |url: Url| url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password");
    let holds = |key: &&str| file.get_string(key).is_ok_and(|text| Url::parse(&text).is_ok_and(tells));
    let Some(key) = ["database_url", "listen_database_url", "backup_database_url", "outbound.proxy"].into_iter().find(holds) else {
        return Ok(());
    };
    let mode = mode(path)?;
    let path = path.display();
    ensure!(mode & 0o077 == 0, "{path} holds the password of {key}, and others may read it (mode {mode:o}): run chmod 600 on it");
    Ok(())
}

fn mode(path: &Path) -> std::io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}

/// An error of the parser without what it repeats of the file: whole lines, and addresses that may hold a password.
fn without_secrets(error: &str) -> String {
    let lines: Vec<&str> = error.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains('|')).collect();
    let told = lines.join(": ");
    told.split(' ').map(|word| if word.contains("://") { "(an address)" } else { word }).collect::<Vec<_>>().join(" ")
}

/// Reads a secret from a file that only its owner may read. Surrounding white space is dropped.
///
/// # Errors
/// When the file cannot be read, is empty, or group or others may read it; `key` and the path are named.
pub fn read_secret(key: &str, path: &Path) -> Result<SecretString> {
    let wrong = || format!("{key} = {}", path.display());
    let mode = mode(path).with_context(wrong)?;
    ensure!(mode & 0o077 == 0, "{}: others may read this file (mode {mode:o}); run chmod 600 on it", wrong());
    let text = SecretString::from(std::fs::read_to_string(path).with_context(wrong)?.trim().to_owned());
    ensure!(!text.expose_secret().is_empty(), "{}: the file is empty", wrong());
    Ok(text)
}
