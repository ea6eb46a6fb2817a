//! Where Microsoft's APIs are, as far as an operator knows better.

use crate::model::{Cloud, Product};
use serde::Deserialize;
use url::Url;

/// Where one API is in one cloud, if Microsoft's documentation does not say or says otherwise than what is true for this installation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    pub cloud: Cloud,
    pub product: Product,
    /// Begins every address of the API; in one of Microsoft's domains, without a slash at the end.
    #[serde(default)]
    pub base: Option<Url>,
    /// The resource tokens are asked for.
    #[serde(default)]
    pub audience: Option<String>,
    /// Which of Entra's token endpoints is asked.
    #[serde(default)]
    pub token: Option<TokenVersion>,
}

/// Entra's two token endpoints: version 1 takes a `resource`, version 2 a `scope`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenVersion {
    V1,
    #[default]
    V2,
}
