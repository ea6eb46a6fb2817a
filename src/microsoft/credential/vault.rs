//! Azure Key Vault as the place of a credential, and the tokens of a managed identity.
//!
//! Forms: Microsoft's pages "Get Secret" (Key Vault REST API, version 7.4), "How to use managed identities on an Azure VM to acquire an access
//! token", "How to use managed identities for App Service" and "Configure an application to trust a managed identity".

use super::certificate::{Certificate, Named};
use super::keeper::Unread;
use super::{Credential, Loaded, Stamp, files};
use crate::config::{self, Held, IdentityPlace, ManagedIdentity, Source};
use crate::microsoft::http::{Answer, Outgoing};
use crate::microsoft::lanes::Service;
use crate::microsoft::{CallError, Client, azure, clouds, odata, refusal, token, wire};
use crate::model::{Cloud, DirectoryId};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use url::{Url, form_urlencoded};
use uuid::Uuid;

/// What a managed identity's token is for when an app registration is to trust it.
const EXCHANGE: &str = "api://AzureADTokenExchange";
/// What errors are about.
const MACHINE: &str = "managed identity";
const IDENTITY: &str = "[identity]";
/// A token is replaced so long before its end.
const EARLY: TimeDelta = TimeDelta::minutes(5);

/// A token and when to replace it.
type Bearer = (Arc<SecretString>, DateTime<Utc>);

/// Who the portal is towards Key Vault, and its tokens.
#[derive(Debug, Default)]
pub(in crate::microsoft) struct Vaults {
    identity: Option<(Option<(DirectoryId, Uuid)>, Source)>,
    /// By resource; locked while one is fetched.
    bearers: tokio::sync::Mutex<HashMap<&'static str, Bearer>>,
}

impl Vaults {
    /// # Errors
    /// One sentence that names key and file, when the identity's own credential cannot be used.
    pub(in crate::microsoft) fn new(identity: Option<&config::Identity>, now: DateTime<Utc>) -> anyhow::Result<Self> {
        if let Some(identity) = identity {
            files::load(&identity.source, now).map_err(|error| error.context("[identity]"))?;
        }
        let identity = identity.map(|identity| (identity.app, identity.source.clone()));
        Ok(Self { identity, bearers: tokio::sync::Mutex::default() })
    }
}

/// A token for the machine. The metadata service writes numbers as texts, and App Service gives no `expires_in`.
#[derive(Deserialize)]
struct MachineToken {
    access_token: SecretString,
    #[serde(default, deserialize_with = "wire::integer")]
    expires_in: Option<i64>,
    #[serde(default, deserialize_with = "wire::integer")]
    expires_on: Option<i64>,
}

/// An entry of Key Vault.
#[derive(Deserialize)]
struct Entry {
    value: SecretString,
    /// The address of the entry with its version.
    #[serde(default, deserialize_with = "wire::text")]
    id: Option<String>,
    #[serde(rename = "contentType", default, deserialize_with = "wire::text")]
    content_type: Option<String>,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
struct Attributes {
    #[serde(default, deserialize_with = "wire::integer")]
    exp: Option<i64>,
    #[serde(default, deserialize_with = "wire::integer")]
    created: Option<i64>,
}

fn unread(place: &str, what: &str, error: CallError) -> Unread {
    Unread { sentence: format!("{place}: {what}"), error }
}

impl Client {
    /// A token of the machine's identity that the app registration trusts.
    pub(super) async fn identity_assertion(&self, identity: &ManagedIdentity, now: DateTime<Utc>) -> Result<Loaded, Unread> {
        let (token, end) = self.machine_token(identity, EXCHANGE, now).await?;
        Ok(Loaded::new(Credential::Token(token), now, Stamp::Until(end - EARLY)))
    }

    async fn machine_token(
        &self,
        identity: &ManagedIdentity,
        resource: &str,
        now: DateTime<Utc>,
    ) -> Result<(SecretString, DateTime<Utc>), Unread> {
        let (mut url, version, header) = match &identity.place {
            IdentityPlace::Metadata => (clouds::compiled(azure::MACHINE_IDENTITY), "2018-02-01", ("metadata", SecretString::from("true"))),
            IdentityPlace::AppService { endpoint, header } => (endpoint.clone(), "2019-08-01", ("x-identity-header", header.clone())),
        };
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        if let Some(id) = identity.client_id {
            url.query_pairs_mut().append_pair("client_id", &id.to_string());
        }
        let error = |error: CallError| unread(MACHINE, &error.reason(), error);
        let answer = self.http().ask_machine(&url, (header.0, &header.1), now).await.map_err(error)?;
        let token: MachineToken = match answer.status {
            200 => odata::object(&answer.body)
                .ok()
                .and_then(|body| serde_json::from_str(body).ok())
                .ok_or_else(|| error(CallError::Unexpected("it holds no token")))?,
            400 => {
                let told = "Azure knows no such identity here: assign it to this machine, or correct managed_identity.";
                return Err(unread(MACHINE, told, CallError::OurCredential { aadsts: None }));
            }
            status => return Err(error(passing(status))),
        };
        let end = token.expires_on.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let end = end.or_else(|| Some(now + TimeDelta::try_seconds(token.expires_in?)?)).unwrap_or(now + EARLY * 2);
        Ok((token.access_token, end.min(now + TimeDelta::days(1))))
    }

    /// The newest version of an entry. `None`: it is the one known.
    pub(super) async fn vault_entry(
        &self,
        cloud: Cloud,
        (vault, name, holds): (&str, &str, Held),
        known: Option<&Stamp>,
        now: DateTime<Utc>,
    ) -> Result<Option<Loaded>, Unread> {
        let place = format!("Key Vault {vault}/{name}");
        let host = azure::vault_host(cloud, vault);
        let mut url = clouds::compiled(&format!("https://{host}/"));
        url.set_path(&format!("/secrets/{name}"));
        url.query_pairs_mut().append_pair("api-version", "7.4");
        let bearer = self.vault_bearer(cloud, now).await?;
        let outgoing = Outgoing { bearer: Some(bearer), ..Outgoing::new(Method::GET, url) };
        let answer = self.http().send_to_vault(&outgoing, now).await.map_err(|error| unread(&place, &error.reason(), error))?;
        if answer.status == 401 {
            self.vaults().bearers.lock().await.clear();
        }
        let entry = read_entry(&place, &answer)?;
        let stamp = Stamp::Version(entry.id.clone().unwrap_or_default());
        if known == Some(&stamp) && entry.id.is_some() {
            return Ok(None);
        }
        let time = |seconds: Option<i64>| seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let credential = match holds {
            Held::Secret => Credential::Secret(entry.value),
            Held::Certificate(form) => {
                let wrong = |told: &str| unread(&place, told, CallError::OurCredential { aadsts: None });
                if entry.content_type.as_deref() != Some("application/x-pem-file") && !entry.value.expose_secret().contains("-----BEGIN") {
                    return Err(wrong(
                        "it holds a PKCS #12 file, which is not read; let the certificate's policy say content type PEM and make a new version.",
                    ));
                }
                let text = Named { text: entry.value.expose_secret().as_bytes(), name: &place };
                Credential::Certificate(Box::new(Certificate::from_pem(&text, &text, form, now)?))
            }
        };
        let mut loaded = Loaded::new(credential, time(entry.attributes.created).unwrap_or(now), stamp);
        loaded.ends_at = [loaded.ends_at, time(entry.attributes.exp)].into_iter().flatten().min();
        Ok(Some(loaded))
    }

    /// A token for Key Vault, as the portal itself.
    async fn vault_bearer(&self, cloud: Cloud, now: DateTime<Utc>) -> Result<Arc<SecretString>, Unread> {
        let resource = azure::vault_resource(cloud);
        let mut bearers = self.vaults().bearers.lock().await;
        if let Some((bearer, _)) = bearers.get(resource).filter(|(_, renew_at)| *renew_at > now) {
            return Ok(bearer.clone());
        }
        let Some((app, source)) = &self.vaults().identity else {
            return Err(unread(
                "Key Vault",
                "the configuration has no [identity] to read it as.",
                CallError::OurCredential { aadsts: None },
            ));
        };
        let (token, end) = match (source, app) {
            (Source::ManagedIdentity(identity), _) => self.machine_token(identity, resource, now).await?,
            (source, Some((directory, client_id))) => self.own_token(cloud, (*directory, *client_id), source, resource, now).await?,
            (_, None) => return Err(unread(IDENTITY, "it has no client_id.", CallError::OurCredential { aadsts: None })),
        };
        let token = Arc::new(token);
        bearers.insert(resource, (token.clone(), end - EARLY));
        Ok(token)
    }

    /// A token for an app of our own directory.
    async fn own_token(
        &self,
        cloud: Cloud,
        (directory, client_id): (DirectoryId, Uuid),
        source: &Source,
        resource: &str,
        now: DateTime<Utc>,
    ) -> Result<(SecretString, DateTime<Utc>), Unread> {
        let error = |error: CallError| unread(IDENTITY, &format!("{} {}", error.reason(), error.remedy().staff), error);
        let Some(loaded) = files::load(source, now)? else {
            return Err(unread(IDENTITY, "it has no credential in a file.", CallError::OurCredential { aadsts: None }));
        };
        let url = clouds::login_url(cloud, &directory.to_string(), "oauth2/v2.0/token");
        let form = own_form(&loaded, client_id, resource, &url, now).map_err(error)?;
        let body = Some(("application/x-www-form-urlencoded", form));
        let answer = {
            let places = self.lanes().places(Service::Login);
            let _place = places.acquire().await;
            self.http().send(&Outgoing { body, ..Outgoing::new(Method::POST, url) }, now).await.map_err(error)?
        };
        match answer.status {
            200 => token::read_bearer(&answer.body, now).map_err(error),
            400..500 => Err(error(refusal::read_refusal(&answer.body))),
            status => Err(error(passing(status))),
        }
    }
}

/// Built apart from the sending: the serializer may not cross an await.
fn own_form(loaded: &Loaded, client_id: Uuid, resource: &str, url: &Url, now: DateTime<Utc>) -> Result<String, CallError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &client_id.to_string())
        .append_pair("scope", &format!("{resource}/.default"));
    for (name, value) in loaded.credential.proof(client_id, url, now)? {
        form.append_pair(name, value.expose_secret());
    }
    Ok(form.finish())
}

const fn passing(status: u16) -> CallError {
    match status {
        429 => CallError::Throttled { retry_after: None },
        300..=399 => CallError::Unexpected("it leads to another address"),
        status => CallError::Server { status },
    }
}

fn read_entry(place: &str, answer: &Answer) -> Result<Entry, Unread> {
    let ours = CallError::OurCredential { aadsts: None };
    match answer.status {
        200 => {
            let entry = odata::object(&answer.body).ok().and_then(|body| serde_json::from_str::<Entry>(body).ok());
            entry.filter(|entry| !entry.value.expose_secret().is_empty()).ok_or_else(|| unread(place, "the answer holds no secret.", ours))
        }
        401 => Err(unread(place, "it does not accept the token of [identity]; check the vault's cloud and directory.", ours)),
        403 => Err(unread(
            place,
            "[identity] may not read it, or it is disabled or out of its dates; grant the role Key Vault Secrets User.",
            ours,
        )),
        404 => Err(unread(place, "there is no such entry.", ours)),
        status => {
            let error = passing(status);
            Err(unread(place, &error.reason(), error))
        }
    }
}
