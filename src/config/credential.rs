//! How the portal proves itself: the keys of a credential, and what they come to.

use crate::model::DirectoryId;
use anyhow::{Context, Result, bail, ensure};
use chrono::NaiveDate;
use secrecy::SecretString;
use serde::Deserialize;
use std::path::PathBuf;
use url::{Host, Url};
use uuid::Uuid;

/// One way of proving that the portal is the app.
#[derive(Clone, Debug)]
pub struct Credential {
    pub source: Source,
    /// The day it ends, where only the operator knows: Entra alone knows when a client secret ends.
    pub expires: Option<NaiveDate>,
}

/// Where a credential is.
#[derive(Clone, Debug)]
pub enum Source {
    /// A client secret.
    SecretFile(PathBuf),
    /// A certificate and its private key.
    CertificateFiles { certificate: PathBuf, key: PathBuf, assertion: Assertion },
    /// A token that an outside identity provider writes into a file and renews, such as Kubernetes for a workload identity.
    TokenFile(PathBuf),
    /// A token of Azure's for the machine this runs on, which the app registration trusts as a federated credential.
    ManagedIdentity(ManagedIdentity),
    /// A secret or a certificate in Azure Key Vault, read as [`Identity`].
    Vault { vault: String, name: String, holds: Held },
}

/// What an entry of Key Vault holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Secret,
    /// With its private key, as PEM.
    Certificate(Assertion),
}

/// How an assertion is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assertion {
    /// RSA-PSS, and the certificate named by its SHA-256: what Microsoft documents now.
    #[default]
    Ps256,
    /// RSA PKCS #1, and the certificate named by its SHA-1: what Microsoft documented before.
    Rs256,
}

/// Which identity of the machine, and who gives its tokens.
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    /// A user-assigned identity. `None`: the machine's own.
    pub client_id: Option<Uuid>,
    pub place: IdentityPlace,
}

/// The two forms of Azure's local endpoint for tokens of a managed identity.
#[derive(Clone, Debug)]
pub enum IdentityPlace {
    /// The Instance Metadata Service, whose address is compiled in.
    Metadata,
    /// App Service and Container Apps say in the environment where it is: on this machine or its own link.
    AppService { endpoint: Url, header: SecretString },
}

/// Who the portal itself is in Azure, to read Key Vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "IdentityKeys")]
pub struct Identity {
    /// Directory and client id, unless it is a managed identity.
    pub app: Option<(DirectoryId, Uuid)>,
    pub source: Source,
}

impl Credential {
    /// A client secret in a file.
    pub fn secret_file(file: impl Into<PathBuf>) -> Self {
        Self { source: Source::SecretFile(file.into()), expires: None }
    }

    /// A certificate and its private key in files, used as Microsoft documents now.
    pub fn certificate_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let source = Source::CertificateFiles { certificate: certificate.into(), key: key.into(), assertion: Assertion::Ps256 };
        Self { source, expires: None }
    }
}

/// Declares a set of keys with those of a credential among them: serde cannot both include one set in another and refuse unknown keys.
macro_rules! credential_keys {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        $visibility struct $name {
            $($(#[$field_meta])* $field: $type,)*
            client_secret_file: Option<std::path::PathBuf>,
            certificate_file: Option<std::path::PathBuf>,
            private_key_file: Option<std::path::PathBuf>,
            assertion: Option<$crate::config::Assertion>,
            federated_token_file: Option<std::path::PathBuf>,
            managed_identity: Option<String>,
            key_vault: Option<String>,
            key_vault_secret: Option<String>,
            key_vault_certificate: Option<String>,
            expires: Option<chrono::NaiveDate>,
        }

        impl $name {
            fn keys(&mut self) -> $crate::config::credential::Keys {
                $crate::config::credential::Keys {
                    client_secret_file: self.client_secret_file.take(),
                    certificate_file: self.certificate_file.take(),
                    private_key_file: self.private_key_file.take(),
                    assertion: self.assertion.take(),
                    federated_token_file: self.federated_token_file.take(),
                    managed_identity: self.managed_identity.take(),
                    key_vault: self.key_vault.take(),
                    key_vault_secret: self.key_vault_secret.take(),
                    key_vault_certificate: self.key_vault_certificate.take(),
                    expires: self.expires.take(),
                }
            }
        }
    };
}
pub(super) use credential_keys;

/// The keys of a credential as they were written.
pub(super) struct Keys {
    pub client_secret_file: Option<PathBuf>,
    pub certificate_file: Option<PathBuf>,
    pub private_key_file: Option<PathBuf>,
    pub assertion: Option<Assertion>,
    pub federated_token_file: Option<PathBuf>,
    pub managed_identity: Option<String>,
    pub key_vault: Option<String>,
    pub key_vault_secret: Option<String>,
    pub key_vault_certificate: Option<String>,
    pub expires: Option<NaiveDate>,
}

credential_keys! {
    /// An `[[app.credential]]`.
    pub(super) struct CredentialKeys {}
}

credential_keys! {
    struct IdentityKeys {
        directory_id: Option<DirectoryId>,
        client_id: Option<Uuid>,
    }
}

impl CredentialKeys {
    pub(super) fn read(mut self, place: &str) -> Result<Credential> {
        self.keys().read(place)?.with_context(|| format!("{place}: an [[app.credential]] has no credential"))
    }
}

impl Keys {
    /// The credential these keys describe, `None` if there is none. `place` begins each error.
    pub(super) fn read(self, place: &str) -> Result<Option<Credential>> {
        let kinds = [
            ("a client_secret_file", self.client_secret_file.is_some()),
            ("a certificate_file and private_key_file", self.certificate_file.is_some() || self.private_key_file.is_some()),
            ("a federated_token_file", self.federated_token_file.is_some()),
            ("a managed_identity", self.managed_identity.is_some()),
            ("a key_vault", self.key_vault.is_some() || self.key_vault_secret.is_some() || self.key_vault_certificate.is_some()),
        ];
        let set: Vec<&str> = kinds.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
        ensure!(set.len() <= 1, "{place} has {}: keep one (a second credential is an [[app.credential]])", set.join(" and "));
        let signs = self.certificate_file.is_some() || self.key_vault_certificate.is_some();
        ensure!(self.assertion.is_none() || signs, "{place}: assertion goes with a certificate only");
        if set.is_empty() {
            ensure!(self.expires.is_none(), "{place}: expires goes with a credential");
            return Ok(None);
        }
        let expires = self.expires;
        Ok(Some(Credential { source: self.source(place)?, expires }))
    }

    fn source(self, place: &str) -> Result<Source> {
        let assertion = self.assertion.unwrap_or_default();
        if let Some(file) = self.client_secret_file {
            return Ok(Source::SecretFile(file));
        }
        if let Some(file) = self.federated_token_file {
            return Ok(Source::TokenFile(file));
        }
        if let Some(which) = self.managed_identity {
            return Ok(Source::ManagedIdentity(ManagedIdentity::read(&which, place)?));
        }
        if let Some(vault) = self.key_vault {
            ensure!(
                is_vault(&vault),
                "{place}: key_vault is the vault's name alone, such as contoso-keys; its host follows from the cloud"
            );
            let (name, holds) = match (self.key_vault_secret, self.key_vault_certificate) {
                (Some(name), None) => (name, Held::Secret),
                (None, Some(name)) => (name, Held::Certificate(assertion)),
                _ => bail!("{place}: key_vault needs key_vault_secret or key_vault_certificate, one of them"),
            };
            ensure!(is_entry(&name), "{place}: `{name}` is no name of an entry in Key Vault (letters, digits and -)");
            return Ok(Source::Vault { vault, name, holds });
        }
        match (self.certificate_file, self.private_key_file) {
            (Some(certificate), Some(key)) => Ok(Source::CertificateFiles { certificate, key, assertion }),
            (None, None) => bail!("{place}: key_vault_secret and key_vault_certificate go with key_vault"),
            _ => bail!("{place} needs certificate_file and private_key_file, both of them"),
        }
    }
}

impl TryFrom<IdentityKeys> for Identity {
    type Error = String;

    fn try_from(written: IdentityKeys) -> Result<Self, String> {
        Self::read(written).map_err(|error| format!("{error:#}"))
    }
}

impl Identity {
    fn read(mut written: IdentityKeys) -> Result<Self> {
        let credential = written.keys().read("[identity]")?.context("[identity] needs a credential")?;
        ensure!(credential.expires.is_none(), "[identity]: expires is not watched here");
        let app = match (&credential.source, written.directory_id, written.client_id) {
            (Source::Vault { .. }, ..) => bail!("[identity] reads Key Vault and cannot lie in it"),
            (Source::ManagedIdentity(_), None, None) => None,
            (Source::ManagedIdentity(_), ..) => bail!("[identity]: a managed_identity needs no directory_id and no client_id"),
            (_, Some(directory), Some(client)) => Some((directory, client)),
            _ => bail!("[identity] needs directory_id and client_id, or managed_identity"),
        };
        Ok(Self { app, source: credential.source })
    }
}

impl ManagedIdentity {
    fn read(which: &str, place: &str) -> Result<Self> {
        let told = || format!("{place}: managed_identity is \"system\" or the client id of a user-assigned identity");
        let client_id = if which == "system" { None } else { Some(Uuid::try_parse(which).ok().with_context(told)?) };
        let variables = (std::env::var("IDENTITY_ENDPOINT").ok(), std::env::var("IDENTITY_HEADER").ok());
        let place = match variables {
            (Some(endpoint), Some(header)) => IdentityPlace::app_service(&endpoint, header.into())?,
            _ => IdentityPlace::Metadata,
        };
        Ok(Self { client_id, place })
    }
}

impl IdentityPlace {
    /// The endpoint that App Service names in `IDENTITY_ENDPOINT`.
    ///
    /// # Errors
    /// When it is no plain address of this machine or its own link.
    pub fn app_service(endpoint: &str, header: SecretString) -> Result<Self> {
        let url = Url::parse(endpoint).ok().filter(|url| {
            let near = match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => address.is_loopback() || address.is_link_local(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            };
            near && url.scheme() == "http" && url.username().is_empty() && url.password().is_none() && url.query().is_none()
        });
        let endpoint = url.context("IDENTITY_ENDPOINT of the environment is no address of this machine or of its own link")?;
        Ok(Self::AppService { endpoint, header })
    }
}

/// See Microsoft's page "Naming rules and restrictions for Azure resources": 3 to 24 letters, digits and hyphens, a letter first.
fn is_vault(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (3..=24).contains(&name.len()) && plain && name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.ends_with('-')
}

fn is_entry(name: &str) -> bool {
    (1..=127).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
