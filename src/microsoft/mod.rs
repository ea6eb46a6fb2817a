//! The only place that speaks to Microsoft; knows nothing of our tables.
//!
//! [`Client`] is the door: it holds the configured apps, their tokens and the manners kept towards each API. Every call names a
//! [`Target`], whose tenant comes first in each cache key, and the app to call as.

mod azure;
mod change;
mod claims;
pub mod cloud_apps;
pub mod clouds;
pub mod consent;
mod credential;
mod customers;
mod directory;
pub mod endpoint;
mod error;
#[cfg(fuzzing)]
pub mod fuzz;
pub mod graph;
mod http;
pub mod hunting;
mod id_token;
mod lanes;
mod log_store;
mod lookup;
pub mod machines;
mod odata;
pub mod operations;
mod probe;
mod refusal;
mod request;
mod sign_in;
mod staff;
mod token;
mod wire;
pub mod xdr;

pub use change::Granted;
pub use claims::{Claims, Problem};
pub use cloud_apps::CloudAppsQuery;
pub use credential::{CredentialStatus, Verdict};
pub use customers::CUSTOMERS;
pub use directory::{FindError, Found};
pub use error::{CallError, NetworkFault};
pub use http::MAX_ANSWER;
pub use lanes::{Pace, Usage};
pub use odata::{Links, Page};
pub use sign_in::{SignInError, SignInTrip, SignedIn};
pub use staff::{AppRoles, LOGIN, Standing};

use crate::config::{self, ConsentForm};
use crate::model::{Cloud, DirectoryId, Places, Product, TenantId};
use anyhow::Context;
use chrono::{DateTime, Utc};
use credential::{Keepers, Vaults};
use http::Http;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;
use uuid::Uuid;

/// Everything needed to call Microsoft. Cheap to clone; clones share tokens and limits.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    apis: Arc<clouds::Apis>,
    lanes: Arc<lanes::Lanes>,
    retry_delay: Duration,
}

#[derive(Debug)]
struct Inner {
    http: Http,
    apps: Vec<App>,
    /// The apps of `[login.entra]`, which stands beside its own, and of `[login.customers]`.
    login: Option<(App, config::EntraLogin)>,
    customers: Option<App>,
    tokens: token::Tokens,
    keys: id_token::Keys,
    vaults: Vaults,
}

/// A configured app registration.
#[derive(Debug)]
pub struct App {
    pub name: String,
    pub cloud: Cloud,
    pub client_id: Uuid,
    /// Which of Microsoft's consent links customers follow.
    pub consent: ConsentForm,
    /// Customers may do without it.
    pub optional: bool,
    /// What customers are asked for.
    pub permissions: BTreeMap<Product, Vec<String>>,
    credentials: Keepers,
}

/// Whom a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub tenant: TenantId,
    pub directory: DirectoryId,
    pub cloud: Cloud,
    /// Where its data lives, if that is known better than "in the cloud".
    pub places: Places,
    /// Which share of Microsoft's limits the call may use.
    pub pace: Pace,
}

impl Target {
    /// A tenant at the general addresses, at the pace of reading.
    pub fn new(tenant: TenantId, directory: DirectoryId, cloud: Cloud) -> Self {
        Self { tenant, directory, cloud, places: Places::default(), pace: Pace::default() }
    }

    /// The same at another pace.
    #[must_use]
    pub fn at(&self, pace: Pace) -> Self {
        Self { pace, ..self.clone() }
    }
}

impl Client {
    /// The real Microsoft as the configuration describes it.
    ///
    /// # Errors
    /// As [`Client::new`] and [`Client::with_apis`].
    pub fn configured(config: &config::Config, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let client = Self::new(&config.outbound, &config.app, now)?.with_identity(config.identity.as_ref(), now)?;
        let client = client.with_logins(&config.login, now)?;
        Ok(client.with_apis(&config.api)?.with_concurrency(config.sync.concurrency))
    }

    /// The real Microsoft: the compiled hosts only, by https on port 443, with the system's roots and those of `ca_file`, through `proxy`
    /// if there is one. The environment's proxy variables are ignored and redirects are not followed.
    ///
    /// # Errors
    /// One sentence naming the key or the file: a credential that cannot be used (see the configuration), or an unreadable `ca_file`.
    pub fn new(outbound: &config::Outbound, apps: &[config::App], now: DateTime<Utc>) -> anyhow::Result<Self> {
        Self::with(Http::new(outbound)?, apps, now)
    }

    /// The stand-in cloud of the demo and of tests: `https://HOST/path` is looked for at `http://ADDRESS/HOST/path`; nothing else differs.
    ///
    /// # Errors
    /// When the address is not a loopback one, and as [`Client::new`].
    pub fn stand_in(address: SocketAddr, apps: &[config::App], now: DateTime<Utc>) -> anyhow::Result<Self> {
        Self::with(Http::stand_in(address)?, apps, now)
    }

    fn with(http: Http, apps: &[config::App], now: DateTime<Utc>) -> anyhow::Result<Self> {
        let load = |app: &config::App| {
            let credentials = Keepers::load(&app.credentials, now).with_context(|| format!("app `{}`", app.name))?;
            let (name, permissions) = (app.name.clone(), app.permissions.clone());
            let (consent, optional) = (app.consent, app.optional);
            Ok(App { name, cloud: app.cloud, client_id: app.client_id, consent, optional, permissions, credentials })
        };
        let apps = apps.iter().map(load).collect::<anyhow::Result<_>>()?;
        let (tokens, keys, vaults) = (token::Tokens::default(), id_token::Keys::default(), Vaults::default());
        let inner = Inner { http, apps, login: None, customers: None, tokens, keys, vaults };
        let lanes = Arc::new(lanes::Lanes::new(lanes::PER_SERVICE));
        Ok(Self { inner: Arc::new(inner), apis: Arc::default(), lanes, retry_delay: Duration::from_secs(1) })
    }

    /// The same client with another first pause between tries (one second by default), for tests that make Microsoft fail.
    #[must_use]
    pub fn with_retry_delay(self, retry_delay: Duration) -> Self {
        Self { retry_delay, ..self }
    }

    /// A client that reads Key Vault as this. Called before it is used or cloned.
    ///
    /// # Errors
    /// One sentence that names key and file, when the identity's own credential cannot be used.
    pub fn with_identity(mut self, identity: Option<&config::Identity>, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let vaults = Vaults::new(identity, now)?;
        Arc::get_mut(&mut self.inner).context("the client is in use already")?.vaults = vaults;
        Ok(self)
    }

    /// The same client with what the configuration says of where APIs are.
    ///
    /// # Errors
    /// One sentence, when an `[[api]]` names an address outside Microsoft's domains.
    pub fn with_apis(self, apis: &[config::Api]) -> anyhow::Result<Self> {
        Ok(Self { apis: Arc::new(clouds::Apis::new(apis)?), ..self })
    }

    /// The same client with so many calls in flight to one API over all tenants; it starts with its limits unused.
    #[must_use]
    pub fn with_concurrency(self, calls: usize) -> Self {
        Self { lanes: Arc::new(lanes::Lanes::new(calls.max(1))), ..self }
    }

    /// The app of this name; [`LOGIN`] is that of our own staff's sign-in, [`CUSTOMERS`] that of customers' people.
    pub fn app(&self, name: &str) -> Option<&App> {
        self.every_app().find(|app| app.name == name)
    }

    /// Every app that customers consent to.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.inner.apps.iter()
    }

    /// The same, and those with which people sign in.
    pub fn every_app(&self) -> impl Iterator<Item = &App> {
        self.apps().chain(self.inner.login.iter().map(|(app, _)| app)).chain(&self.inner.customers)
    }

    /// The consent link of an app, in the form its configuration says, see [`consent::v2_url`], [`consent::v1_url`] and
    /// [`consent::authorize_url`]; the last comes back to nobody and carries neither `redirect` nor `state`. `None` when no such app is
    /// configured or it asks for nothing.
    pub fn consent_url(&self, app: &str, directory: Option<DirectoryId>, redirect: &Url, state: &str) -> Option<Url> {
        let app = self.app(app)?;
        let (&product, _) = app.permissions.iter().find(|(_, permissions)| !permissions.is_empty())?;
        let url = match app.consent {
            ConsentForm::V2 => consent::v2_url(app.cloud, app.client_id, product, directory, redirect, state),
            ConsentForm::V1 => consent::v1_url(app.cloud, app.client_id, directory, redirect, state),
            ConsentForm::Authorize => consent::authorize_url(app.cloud, app.client_id),
        };
        Some(self.http().place(&url))
    }

    /// The app to call as, if it can get tokens for this target at all.
    fn app_for(&self, name: &str, target: &Target) -> Result<&App, CallError> {
        let app = self.app(name).ok_or(CallError::NotConfigured("there is no such app"))?;
        if clouds::login_host(app.cloud) == clouds::login_host(target.cloud) {
            Ok(app)
        } else {
            Err(CallError::NotConfigured("the app is registered in another national cloud than the tenant's"))
        }
    }

    /// The API of a product for this target.
    fn api(&self, target: &Target, product: Product) -> clouds::Api {
        self.apis.of(target.cloud, product, &target.places)
    }

    /// The calls made for a tenant by this process since this was last asked, for [`crate::store`] to add up.
    pub fn take_usage(&self, tenant: TenantId) -> Vec<Usage> {
        self.lanes().take_usage(tenant)
    }

    const fn retry_delay(&self) -> Duration {
        self.retry_delay
    }

    fn http(&self) -> &Http {
        &self.inner.http
    }

    fn lanes(&self) -> &lanes::Lanes {
        &self.lanes
    }

    fn tokens(&self) -> &token::Tokens {
        &self.inner.tokens
    }

    fn vaults(&self) -> &Vaults {
        &self.inner.vaults
    }

    fn keys(&self) -> &id_token::Keys {
        &self.inner.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_be_spawned<T: Send>(future: T) {
        drop(future);
    }

    #[test]
    fn every_call_may_run_on_any_thread() {
        let now = DateTime::UNIX_EPOCH;
        let client = Client::stand_in("127.0.0.1:1".parse().unwrap(), &[], now).unwrap();
        let directory = DirectoryId::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap();
        let target = Target::new(TenantId::new(), directory, Cloud::Commercial);
        let (url, secret) = (clouds::compiled("https://portal.example.com/"), secrecy::SecretString::from(""));
        may_be_spawned(client.xdr_incidents(&target, "", now, 0, now));
        may_be_spawned(client.xdr_incident(&target, "", "1", now));
        may_be_spawned(client.endpoint_alerts(&target, "", now, 0, now));
        may_be_spawned(client.cloud_apps_alerts(&target, "", CloudAppsQuery::CreatedSince(now), 0, now));
        may_be_spawned(client.graph_incidents(&target, "", graph::Place::Since(now), now));
        may_be_spawned(client.hunt(&target, "", &operations::xdr::HUNTING_RUN, ("", None), now));
        may_be_spawned(client.probe(&target, "", Product::Graph, now));
        may_be_spawned(client.roles(&target, "", Product::Graph, now));
        may_be_spawned(client.claims(&target, "", Product::Graph, now));
        may_be_spawned(client.find_directory(Cloud::Dod, "contoso.com", now));
        may_be_spawned(client.redeem("", directory, &url, &secret, &secret, "", now));
        may_be_spawned(client.redeem_staff(&url, (&secret, &secret), "", now));
        may_be_spawned(client.staff_groups(Uuid::nil(), &[], now));
    }
}
