//! The app registrations that customers consent to.

use super::credential::{Credential, CredentialKeys, credential_keys};
use crate::model::{Cloud, Product};
use anyhow::{Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A multi-tenant Entra app registration that customers consent to.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "AppKeys")]
pub struct App {
    /// Our name for it: lower-case letters, digits, `-` and `_`.
    pub name: String,
    pub cloud: Cloud,
    /// The registration's Application (client) ID.
    pub client_id: uuid::Uuid,
    /// One, or two while one takes the other's place.
    pub credentials: Vec<Credential>,
    pub consent: ConsentForm,
    /// Customers may do without it.
    pub optional: bool,
    /// What the registration asks for: what consent is compared with.
    pub permissions: BTreeMap<Product, Vec<String>>,
}

/// Which form of Microsoft's consent link the customer is sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentForm {
    /// The admin-consent page of the v2 endpoint, which comes back with a `tenant` and a `state`.
    #[default]
    V2,
    /// The older admin-consent page: the same, but some of its failures come back without a `state`.
    V1,
    /// The sign-in link of Microsoft's partner documents, which ends at the registration's own reply URL and tells us nothing.
    Authorize,
}

impl ConsentForm {
    /// Whether the customer's browser comes back to us with an answer.
    pub const fn comes_back(self) -> bool {
        !matches!(self, Self::Authorize)
    }

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V1 => "v1",
            Self::Authorize => "authorize",
        }
    }
}

credential_keys! {
    struct AppKeys {
        name: String,
        #[serde(default = "default_cloud")]
        cloud: Cloud,
        client_id: uuid::Uuid,
        #[serde(default)]
        consent: ConsentForm,
        #[serde(default)]
        optional: bool,
        permissions: BTreeMap<Product, Vec<String>>,
        #[serde(default)]
        credential: Vec<CredentialKeys>,
    }
}

fn default_cloud() -> Cloud {
    Cloud::Commercial
}

impl TryFrom<AppKeys> for App {
    type Error = String;

    fn try_from(written: AppKeys) -> Result<Self, String> {
        Self::read(written).map_err(|error| format!("{error:#}"))
    }
}

impl App {
    fn read(mut written: AppKeys) -> Result<Self> {
        let place = format!("app `{}`", written.name);
        let mut credentials: Vec<Credential> = written.keys().read(&place)?.into_iter().collect();
        for more in written.credential {
            credentials.push(more.read(&place)?);
        }
        let AppKeys { name, cloud, client_id, consent, optional, permissions, .. } = written;
        Ok(Self { name, cloud, client_id, credentials, consent, optional, permissions })
    }

    pub(super) fn validate(&self) -> Result<()> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        ensure!(
            !name.is_empty() && name.len() <= 40 && name.chars().all(plain),
            "app.name `{name}` may hold lower-case letters, digits, - and _ only"
        );
        ensure!(self.permissions.values().any(|list| !list.is_empty()), "app `{name}` asks for no permission: fill [app.permissions]");
        ensure!(
            !self.credentials.is_empty(),
            "app `{name}` needs certificate_file and private_key_file, or client_secret_file, or another credential"
        );
        ensure!(self.credentials.len() <= 2, "app `{name}` has {} credentials: keep two at most", self.credentials.len());
        Ok(())
    }
}
