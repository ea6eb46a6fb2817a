//! The app registrations that customers consent to.

use crate::model::{Cloud, Product};
use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A multi-tenant Entra app registration that customers consent to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Our name for it: lower-case letters, digits, `-` and `_`.
    pub name: String,
    #[serde(default = "default_cloud")]
    pub cloud: Cloud,
    /// The registration's Application (client) ID.
    pub client_id: uuid::Uuid,
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    #[serde(default)]
    pub private_key_file: Option<PathBuf>,
    #[serde(default)]
    pub consent: ConsentForm,
    /// Customers may do without it.
    #[serde(default)]
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

fn default_cloud() -> Cloud {
    Cloud::Commercial
}

impl App {
    pub(super) fn validate(&self) -> Result<()> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        ensure!(
            !name.is_empty() && name.len() <= 40 && name.chars().all(plain),
            "app.name `{name}` may hold lower-case letters, digits, - and _ only"
        );
        ensure!(self.permissions.values().any(|list| !list.is_empty()), "app `{name}` asks for no permission: fill [app.permissions]");
        match (&self.client_secret_file, &self.certificate_file, &self.private_key_file) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => Ok(()),
            (Some(_), _, _) => bail!("app `{name}` has both a client_secret_file and a certificate: keep one"),
            _ => bail!("app `{name}` needs certificate_file and private_key_file, or client_secret_file"),
        }
    }
}
