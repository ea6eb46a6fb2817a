//! Azure around the portal: the machine's own identity, Key Vault, and tokens of an outside identity provider.
//!
//! Shapes: Microsoft's pages "How to use managed identities on an Azure VM to acquire an access token", "How to use managed identities for
//! App Service", "Get Secret" (Key Vault REST API) and "Workload identity federation".

use super::call::{Answer, Call};
use super::login::EntraError;
use super::world::{App, Credential, World};
use crate::model::DirectoryId;
use axum::http::{HeaderName, Method, header};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A token of a managed identity lasts a day.
const LIFETIME: i64 = 86_400;
/// What the secrets of the local endpoints are called.
const METADATA: HeaderName = HeaderName::from_static("metadata");
const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");

/// The machine the portal runs on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The directory its identity is in.
    pub home: DirectoryId,
    /// Object id of its own identity.
    pub object_id: Uuid,
    /// What App Service puts into `IDENTITY_HEADER`.
    pub header: String,
}

/// The newest version of an entry in Key Vault.
#[derive(Clone, Debug)]
pub struct VaultEntry {
    pub value: String,
    pub content_type: Option<String>,
    pub expires: Option<DateTime<Utc>>,
    pub enabled: bool,
}

/// What Azure knows.
#[derive(Default)]
pub(super) struct Azure {
    machine: Option<Machine>,
    /// By host and name: with number and time of the version.
    entries: BTreeMap<(String, String), (u64, DateTime<Utc>, VaultEntry)>,
    /// Object ids and client ids that may read secrets.
    readers: BTreeSet<Uuid>,
    versions: u64,
}

impl World {
    /// Gives the machine an identity, or takes it away.
    pub fn set_machine(&mut self, machine: Option<Machine>) {
        self.azure.machine = machine;
    }

    /// Makes a new version of an entry in the vault of this host.
    pub fn put_into_vault(&mut self, host: &str, name: &str, entry: VaultEntry) {
        let now = self.now();
        self.azure.versions += 1;
        self.azure.entries.insert((host.to_owned(), name.to_owned()), (self.azure.versions, now, entry));
    }

    /// Lets an identity read secrets: a machine's object id, or an app's client id.
    pub fn may_read_vaults(&mut self, id: Uuid) {
        self.azure.readers.insert(id);
    }

    /// A token as an outside identity provider makes it, good for an hour.
    pub fn outside_token(&self, issuer: &str, subject: &str, audience: &str) -> String {
        let now = self.now().timestamp();
        self.keys.sign(&json!({"iss": issuer, "sub": subject, "aud": audience, "iat": now, "nbf": now, "exp": now + 3600}))
    }
}

/// The endpoints on the machine itself.
pub(super) fn machine(world: &World, call: &Call) -> Answer {
    let refused = |text: &str| Answer::json(400, &json!({"error": "invalid_request", "error_description": text}));
    let at_metadata = call.host == "169.254.169.254";
    let (path, version) = if at_metadata { ("/metadata/identity/oauth2/token", "2018-02-01") } else { ("/msi/token", "2019-08-01") };
    if call.method != Method::GET || call.path != path {
        return Answer::text(404, "There is no such page.");
    }
    let Some(machine) = &world.azure.machine else { return refused("Identity not found") };
    let known = if at_metadata { call.header(&METADATA) == Some("true") } else { call.header(&IDENTITY_HEADER) == Some(&*machine.header) };
    if !known || call.headers.contains_key(header::AUTHORIZATION) {
        return refused("Required header is missing, or there is one too many");
    }
    if call.query("api-version") != Some(version) {
        return refused("The api-version is missing or not supported");
    }
    let Some(resource) = call.query("resource") else { return refused("The resource is missing") };
    if call.query("client_id").is_some() {
        return refused("Identity not found");
    }
    let now = world.now().timestamp();
    let issuer = format!("https://login.microsoftonline.com/{}/v2.0", machine.home);
    let token = world.keys.sign(&json!({
        "aud": resource, "iss": issuer, "iat": now, "nbf": now, "exp": now + LIFETIME, "oid": machine.object_id, "sub": machine.object_id,
        "tid": machine.home.to_string(), "idtyp": "app",
    }));
    let mut body = json!({"access_token": token, "expires_on": (now + LIFETIME).to_string(), "resource": resource, "token_type": "Bearer"});
    if at_metadata {
        body["expires_in"] = json!(LIFETIME.to_string());
    }
    Answer::json(200, &body)
}

/// `GET /secrets/{name}`.
pub(super) fn vault(world: &World, call: &Call) -> Answer {
    let refused = |status, code: &str, message: &str| Answer::json(status, &json!({"error": {"code": code, "message": message}}));
    let claims = call.header(&header::AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer ")).and_then(|token| world.keys.read(token));
    let resource = if call.host.ends_with(".vault.azure.net") { "https://vault.azure.net" } else { "https://vault.usgovcloudapi.net" };
    let good = |claims: &Value| claims["aud"] == *resource && claims["exp"].as_i64().is_some_and(|end| end > world.now().timestamp());
    let Some(claims) = claims.filter(good) else {
        return refused(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token, or it is not for this resource.");
    };
    if call.query("api-version") != Some("7.4") {
        return refused(400, "BadParameter", "api-version must be specified and supported");
    }
    let id = |name: &str| claims[name].as_str().and_then(|id| Uuid::try_parse(id).ok());
    if !["oid", "appid"].iter().filter_map(|name| id(name)).any(|id| world.azure.readers.contains(&id)) {
        return refused(403, "Forbidden", "Caller is not authorized to perform action on resource.");
    }
    let entry = match call.segments()[..] {
        ["secrets", name] if call.method == Method::GET => {
            world.azure.entries.get(&(call.host.clone(), name.to_owned())).map(|e| (name, e))
        }
        _ => None,
    };
    let Some((name, (version, created, entry))) = entry else {
        return refused(404, "SecretNotFound", "A secret with that name was not found in this key vault.");
    };
    if !entry.enabled {
        return refused(403, "Forbidden", "Operation get is not allowed on a disabled secret.");
    }
    let mut body = json!({
        "value": entry.value,
        "id": format!("https://{}/secrets/{name}/{version:032x}", call.host),
        "attributes": {
            "enabled": true, "created": created.timestamp(), "updated": created.timestamp(), "recoveryLevel": "Recoverable+Purgeable",
        },
    });
    if let Some(kind) = &entry.content_type {
        body["contentType"] = json!(kind);
    }
    if let Some(end) = entry.expires {
        body["attributes"]["exp"] = json!(end.timestamp());
    }
    Answer::json(200, &body)
}

/// Whether an app trusts a token of somebody else's: issuer, subject and audience are compared exactly.
pub(super) fn trusts(world: &World, app: &App, assertion: &str) -> Result<(), EntraError> {
    let refused = |code, text: &str| EntraError::new(401, "invalid_client", code, text);
    let Some(claims) = world.keys.read(assertion) else { return Err(refused(700_027, "The signature of the client assertion is wrong.")) };
    let now = world.now();
    let time = |name: &str| claims[name].as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let skew = TimeDelta::minutes(5);
    if time("exp").is_none_or(|end| end + skew <= now) || time("nbf").is_some_and(|start| start - skew > now) {
        return Err(refused(700_024, "Client assertion is not within its valid time range."));
    }
    let trusted: Vec<[&str; 3]> = app
        .credentials
        .iter()
        .filter_map(|credential| match credential {
            Credential::Federated { issuer, subject, audience } => Some([issuer.as_str(), subject.as_str(), audience.as_str()]),
            _ => None,
        })
        .collect();
    let is = |n: usize, name: &str, trusted: &[&str; 3]| claims[name] == *trusted[n];
    let by_issuer: Vec<_> = trusted.iter().filter(|trusted| is(0, "iss", trusted)).collect();
    let by_subject: Vec<_> = by_issuer.iter().filter(|trusted| is(1, "sub", trusted)).collect();
    let none = "No matching federated identity record found for presented assertion";
    if by_issuer.is_empty() {
        return Err(refused(700_211, &format!("{none} issuer.")));
    }
    if by_subject.is_empty() {
        return Err(refused(700_213, &format!("{none} subject.")));
    }
    if by_subject.iter().any(|trusted| is(2, "aud", trusted)) { Ok(()) } else { Err(refused(700_212, &format!("{none} audience."))) }
}
