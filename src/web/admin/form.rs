//! The form with which a tenant is added and edited.

use crate::app::onboarding::{self, Ask};
use crate::config::Config;
use crate::model::registration::{Raw, Wrong};
use crate::model::{Adapter, Cloud, Region};
use crate::store::tenants::Tenant;
use serde::Deserialize;

/// What the browser sends.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    name: String,
    #[serde(default)]
    directory: String,
    #[serde(default)]
    domain: String,
    #[serde(default)]
    cloud: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    cloud_apps_host: String,
    #[serde(default)]
    apps: Vec<String>,
    #[serde(default)]
    tags: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    contacts: String,
    #[serde(default)]
    notes: String,
    /// An adapter, or `automatic`; absent when a tenant is added.
    pub incident_api: Option<String>,
    /// Of the tenant as it was read; only when editing.
    #[serde(default)]
    pub version: String,
}

/// The form as it is shown.
#[derive(Debug)]
pub(super) struct Form {
    pub raw: Raw,
    wrong: Vec<Wrong>,
    pub apps: Vec<App>,
    /// A directory is bound: it and the cloud change by a rebind only.
    pub bound: bool,
    pub version: String,
    /// The API for incidents and alerts; only when editing.
    pub incident_api: Option<Adapter>,
}

/// One configured app as a box to tick.
#[derive(Debug)]
pub(super) struct App {
    pub name: String,
    pub cloud: Cloud,
    pub optional: bool,
    pub asks: Vec<Ask>,
}

impl Form {
    /// Empty, with the commercial cloud chosen, or the first app's where no app is in that, and what is proposed there ticked.
    pub fn empty(config: &Config) -> Self {
        let commercial = config.app.iter().find(|app| app.cloud == Cloud::Commercial);
        let cloud = commercial.or(config.app.first()).map_or(Cloud::Commercial, |app| app.cloud);
        Self::new(
            config,
            Raw { cloud: cloud.to_string(), apps: Some(onboarding::proposed_apps(config, cloud)), ..Raw::default() },
            Vec::new(),
        )
    }

    /// A tenant as it stands.
    pub fn of(config: &Config, tenant: &Tenant) -> Self {
        let registration = tenant.registration();
        let raw = Raw {
            name: registration.name,
            directory: registration.directory.map(|id| id.to_string()).unwrap_or_default(),
            domain: registration.domain.unwrap_or_default(),
            cloud: registration.cloud.to_string(),
            region: registration.region.as_str().to_owned(),
            cloud_apps_host: registration.cloud_apps_host.map(String::from).unwrap_or_default(),
            apps: Some(registration.apps),
            tags: registration.tags.join(", "),
            group: registration.group.unwrap_or_default(),
            contacts: registration.contacts,
            notes: registration.notes,
        };
        let form = Self::new(config, raw, Vec::new());
        Self { bound: tenant.directory_id.is_some(), version: version(tenant), incident_api: tenant.incident_api, ..form }
    }

    /// What was sent, with what is wrong with it.
    pub fn wrong_with(config: &Config, raw: Raw, wrong: Vec<Wrong>, tenant: Option<&Tenant>) -> Self {
        let form = Self::new(config, raw, wrong);
        match tenant {
            Some(tenant) => {
                Self { bound: tenant.directory_id.is_some(), version: version(tenant), incident_api: tenant.incident_api, ..form }
            }
            None => form,
        }
    }

    fn new(config: &Config, raw: Raw, wrong: Vec<Wrong>) -> Self {
        let app = |app: &crate::config::App| App {
            name: app.name.clone(),
            cloud: app.cloud,
            optional: app.optional,
            asks: onboarding::asks(app),
        };
        Self { raw, wrong, apps: config.app.iter().map(app).collect(), bound: false, version: String::new(), incident_api: None }
    }

    pub fn wrong(&self, field: &str) -> Option<&'static str> {
        self.wrong.iter().find(|wrong| wrong.field == field).map(|wrong| wrong.why)
    }

    pub fn is_chosen(&self, app: &App) -> bool {
        self.raw.apps.iter().flatten().any(|chosen| *chosen == app.name)
    }

    /// Where Defender for Endpoint may be asked: what is sent, and what it is called.
    pub fn seats() -> Vec<(&'static str, &'static str)> {
        let general = [("", "The general address"), ("auto", "Whichever answers fastest")];
        general.into_iter().chain(Region::ALL.iter().map(|region| (region.as_str(), region.label()))).collect()
    }

    /// There are apps, but none of the chosen cloud.
    pub fn lacks_apps(&self) -> bool {
        !self.apps.is_empty() && !self.apps.iter().any(|app| self.is_cloud(app.cloud))
    }

    /// Whether incidents are read through this API because staff decided so.
    pub fn is_pinned(&self, adapter: Adapter) -> bool {
        self.incident_api == Some(adapter)
    }

    pub fn is_cloud(&self, cloud: Cloud) -> bool {
        self.raw.cloud == cloud.as_str() || (self.raw.cloud.is_empty() && cloud == Cloud::Commercial)
    }
}

/// The tenant's version as it stands in the form.
fn version(tenant: &Tenant) -> String {
    tenant.updated_at.timestamp_micros().to_string()
}

impl Fields {
    pub fn raw(self) -> Raw {
        let Self {
            name,
            directory,
            domain,
            cloud,
            region,
            cloud_apps_host,
            apps,
            tags,
            group,
            contacts,
            notes,
            incident_api: _,
            version: _,
        } = self;
        Raw { name, directory, domain, cloud, region, cloud_apps_host, apps: Some(apps), tags, group, contacts, notes }
    }
}
