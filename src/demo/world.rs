//! Everything the stand-in knows, and the strings that tests and the demo pull.

use super::accounts::Account;
use super::actions::{Action, Ending};
use super::azure::Azure;
use super::cloud_apps::Shelf;
use super::content::names::{Device, Person};
use super::faults::{Faults, HostFault};
use super::gate::Limits;
use super::graph::GraphManners;
use super::keys::Keys;
use super::ledger::Ledger;
use super::machines::Edits;
use super::records::Records;
use super::rng::{Rng, seed_of};
use super::signin::Codes;
use crate::model::{Cloud, DirectoryId, Product, clock};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use uuid::Uuid;

/// A customer's Entra directory with its Defender data.
pub struct Directory {
    pub id: DirectoryId,
    pub name: String,
    /// Every verified domain; the first is the main one.
    pub domains: Vec<String>,
    pub cloud: Cloud,
    /// `tenant_region_scope`: `NA`, `EU`, `AS`, `USGov`.
    pub region: String,
    /// The products whose service principal exists here.
    pub licences: BTreeSet<Product>,
    pub accounts: Vec<Account>,
    /// How Microsoft Graph security behaves here.
    pub graph: GraphManners,
    pub(super) people: Vec<Person>,
    pub(super) devices: Vec<Device>,
    pub(super) records: Records,
    /// By the device's id.
    pub(super) edits: BTreeMap<String, Edits>,
    pub(super) actions: Vec<Action>,
    pub(super) next_ending: Option<Ending>,
    pub(super) investigations: Vec<serde_json::Value>,
    /// What Cloud Apps keeps beside alerts.
    pub(super) shelf: Shelf,
    /// Tokens with a lower number are no longer taken.
    pub(super) oldest_token: u64,
}

impl Directory {
    /// A commercial directory with every product, an administrator, an ordinary user, twelve people and ten devices. Whatever
    /// stands in it follows from the domain.
    pub fn new(id: DirectoryId, name: &str, domain: &str) -> Self {
        let mut rng = Rng::new(seed_of(domain));
        let people: Vec<Person> = (0..12).map(|n| Person::invent(&mut rng, domain, n)).collect();
        let devices = (0..10).map(|n| Device::invent(&mut rng, domain, n, &people)).collect();
        let account = |person: &Person, admin| Account {
            object_id: person.object_id,
            name: person.name.clone(),
            upn: if admin { format!("admin@{domain}") } else { person.upn.clone() },
            admin,
            ..Account::default()
        };
        let accounts = vec![account(&people[0], true), account(&people[1], false)];
        let label = domain.split('.').next().unwrap_or(domain);
        Self {
            id,
            name: name.to_owned(),
            domains: vec![domain.to_owned(), format!("{label}.onmicrosoft.com")],
            cloud: Cloud::Commercial,
            region: "EU".to_owned(),
            licences: Product::ALL.iter().copied().collect(),
            accounts,
            graph: GraphManners::default(),
            people,
            devices,
            records: Records::new(seed_of(domain)),
            edits: BTreeMap::new(),
            actions: Vec::new(),
            next_ending: None,
            investigations: Vec::new(),
            shelf: Shelf::new(domain),
            oldest_token: 0,
        }
    }

    /// The ids of its devices, as Defender for Endpoint knows them.
    pub fn device_ids(&self) -> Vec<String> {
        self.devices.iter().map(|device| device.id.clone()).collect()
    }

    /// Takes every device away.
    pub fn forget_devices(&mut self) {
        self.devices.clear();
    }

    /// The main domain.
    pub fn domain(&self) -> &str {
        self.domains.first().map_or("", String::as_str)
    }
}

/// How an app proves that it is itself.
#[derive(Clone)]
pub enum Credential {
    /// The value, and when it expires.
    Secret(String, Option<DateTime<Utc>>),
    /// DER of the certificate.
    Certificate(Vec<u8>),
    /// A token of somebody else's, by its three claims.
    Federated { issuer: String, subject: String, audience: String },
}

/// A multi-tenant (or, with `home`, single-tenant) app registration.
#[derive(Clone)]
pub struct App {
    pub client_id: Uuid,
    pub name: String,
    pub publisher: String,
    pub credentials: Vec<Credential>,
    pub redirect_uris: Vec<String>,
    /// The application permissions configured on the registration.
    pub roles: Vec<(Product, String)>,
    /// Set for a single-tenant app: the only directory it serves.
    pub home: Option<DirectoryId>,
}

/// The whole of Microsoft, as far as it is played.
pub struct World {
    pub(super) directories: BTreeMap<DirectoryId, Directory>,
    pub(super) apps: BTreeMap<Uuid, App>,
    /// In which cloud an app is registered, where that is told.
    app_clouds: BTreeMap<Uuid, Cloud>,
    pub(super) grants: BTreeMap<(DirectoryId, Uuid), BTreeSet<(Product, String)>>,
    pub(super) faults: Faults,
    pub(super) limits: Limits,
    pub(super) hunting: super::hunting::Faults,
    pub(super) keys: Keys,
    pub(super) codes: Codes,
    pub(super) assertions_seen: HashSet<String>,
    pub(super) rng: Rng,
    pub(super) azure: Azure,
    pub(super) tokens_issued: u64,
    pub(super) hosts: BTreeMap<String, HostFault>,
    offset: TimeDelta,
    /// What was asked and shown.
    pub ledger: Ledger,
}

impl World {
    /// An empty one. The seed decides everything that is invented later.
    pub fn new(seed: u64) -> Self {
        Self {
            directories: BTreeMap::new(),
            apps: BTreeMap::new(),
            app_clouds: BTreeMap::new(),
            grants: BTreeMap::new(),
            faults: Faults::default(),
            limits: Limits::default(),
            hunting: super::hunting::Faults::default(),
            keys: Keys::new(),
            codes: Codes::default(),
            assertions_seen: HashSet::new(),
            rng: Rng::new(seed),
            azure: Azure::default(),
            tokens_issued: 0,
            hosts: BTreeMap::new(),
            offset: TimeDelta::zero(),
            ledger: Ledger::default(),
        }
    }

    /// The stand-in's clock: the real one, plus what was advanced.
    pub fn now(&self) -> DateTime<Utc> {
        clock::now() + self.offset
    }

    /// Moves the stand-in's clock; a negative step moves it back.
    pub fn advance(&mut self, step: TimeDelta) {
        self.offset += step;
    }

    pub fn add_directory(&mut self, directory: Directory) {
        self.directories.insert(directory.id, directory);
    }

    /// The directory ceases to exist.
    pub fn remove_directory(&mut self, id: DirectoryId) {
        self.directories.remove(&id);
        self.grants.retain(|(directory, _), _| *directory != id);
    }

    pub fn directory_mut(&mut self, id: DirectoryId) -> Option<&mut Directory> {
        self.directories.get_mut(&id)
    }

    pub fn directory(&self, id: DirectoryId) -> Option<&Directory> {
        self.directories.get(&id)
    }

    /// By GUID or by one of its domains.
    pub(super) fn directory_named(&self, name: &str) -> Option<&Directory> {
        match DirectoryId::parse(name) {
            Some(id) => self.directories.get(&id),
            None => self.directories.values().find(|dir| dir.domains.iter().any(|domain| domain.eq_ignore_ascii_case(name))),
        }
    }

    /// Registers an app, or replaces its registration. Grants stay as they were given.
    pub fn register_app(&mut self, app: App) {
        self.apps.insert(app.client_id, app);
    }

    /// The same in one cloud: the sign-in hosts of others do not know the app.
    pub fn register_app_in(&mut self, cloud: Cloud, app: App) {
        self.app_clouds.insert(app.client_id, cloud);
        self.register_app(app);
    }

    /// The app of a client id, as far as a sign-in host knows it.
    pub(super) fn app_at(&self, host: &str, client_id: &str) -> Option<&App> {
        let id = Uuid::try_parse(client_id).ok()?;
        let here = self.app_clouds.get(&id).is_none_or(|cloud| super::login::signs_in_at(*cloud, host));
        self.apps.get(&id).filter(|_| here)
    }

    /// A registration, as it is.
    pub fn app(&self, client_id: Uuid) -> Option<&App> {
        self.apps.get(&client_id)
    }

    /// An administrator of the directory consents: every configured role whose product is licensed.
    pub fn grant(&mut self, directory: DirectoryId, app: Uuid) {
        let (Some(dir), Some(registration)) = (self.directories.get(&directory), self.apps.get(&app)) else { return };
        let roles = registration.roles.iter().filter(|(product, _)| dir.licences.contains(product)).cloned().collect();
        self.grants.insert((directory, app), roles);
    }

    /// The directory removes the app. Tokens given before are refused from now on.
    pub fn revoke(&mut self, directory: DirectoryId, app: Uuid) {
        self.grants.remove(&(directory, app));
        self.expire_tokens(directory);
    }

    /// Whether the app is in the directory.
    pub fn is_granted(&self, directory: DirectoryId, app: Uuid) -> bool {
        self.grants.contains_key(&(directory, app))
    }

    /// Takes one role away from a consent. Tokens given before are refused from now on.
    pub fn drop_role(&mut self, directory: DirectoryId, app: Uuid, role: &str) {
        if let Some(roles) = self.grants.get_mut(&(directory, app)) {
            roles.retain(|(_, name)| name != role);
        }
        self.expire_tokens(directory);
    }

    /// Says which products the directory has. Tokens given before are refused from now on.
    pub fn set_licences(&mut self, directory: DirectoryId, products: &[Product]) {
        if let Some(dir) = self.directories.get_mut(&directory) {
            dir.licences = products.iter().copied().collect();
        }
        self.expire_tokens(directory);
    }

    /// Refuses, with 401, every token given for the directory so far.
    pub fn expire_tokens(&mut self, directory: DirectoryId) {
        let next = self.tokens_issued + 1;
        if let Some(dir) = self.directories.get_mut(&directory) {
            dir.oldest_token = next;
        }
    }

    /// Signs with a new key from now on; the old ones stay published.
    pub fn rotate_keys(&mut self) {
        self.keys.rotate();
    }
}
