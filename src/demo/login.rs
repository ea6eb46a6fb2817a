//! Entra's sign-in host: what needs no sign-in, and the way to the rest.

use super::call::{Answer, Call};
use super::world::{Directory, World};
use super::{consent, hosts, signin, token};
use crate::model::{Cloud, Product};
use axum::http::Method;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

/// An error of Entra's, in its documented shape.
pub(super) struct EntraError {
    pub status: u16,
    pub error: &'static str,
    pub code: u32,
    text: String,
}

impl EntraError {
    pub fn new(status: u16, error: &'static str, code: u32, text: &str) -> Self {
        Self { status, error, code, text: text.to_owned() }
    }

    pub fn missing(parameter: &str) -> Self {
        Self::new(400, "invalid_request", 900_144, &format!("The request body must contain the following parameter: '{parameter}'."))
    }

    pub fn no_such_tenant(name: &str, error: &'static str) -> Self {
        let text = format!(
            "Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
        );
        Self::new(400, error, 90_002, &text)
    }

    /// At the commercial login host, of a directory of a government cloud.
    pub fn national_cloud(name: &str) -> Self {
        let text = format!(
            "The tenant '{name}' belongs to the national cloud 'MicrosoftOnline.US'. The current cloud instance 'MicrosoftOnline.COM' does not serve it."
        );
        Self::new(400, "invalid_request", 90_038, &text)
    }

    /// The same where an app with a credential asks.
    pub fn cross_cloud() -> Self {
        Self::new(400, "invalid_request", 900_382, "Confidential Client is not supported in Cross Cloud request.")
    }

    pub fn app_not_found(client: &str, directory: &str) -> Self {
        let text = format!(
            "Application with identifier '{client}' was not found in the directory '{directory}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
        );
        Self::new(400, "unauthorized_client", 700_016, &text)
    }

    /// `AADSTSn: text`, then the ids that support asks for.
    pub fn description(&self, now: DateTime<Utc>) -> String {
        let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
        format!("AADSTS{}: {}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {}", self.code, self.text, stamp(now))
    }

    /// As the sign-in host sends it.
    pub fn answer(&self, now: DateTime<Utc>, host: &str) -> Answer {
        let description = self.description(now);
        let id = |name: &str| description.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let body = json!({
            "error": self.error,
            "error_codes": [self.code],
            "timestamp": stamp(now),
            "trace_id": id("Trace ID: "),
            "correlation_id": id("Correlation ID: "),
            "error_uri": format!("https://{host}/error?code={}", self.code),
            "error_description": description,
        });
        Answer::json(self.status, &body)
    }

    /// For a page that stays with Microsoft.
    pub fn sentence(&self) -> &str {
        &self.text
    }
}

/// Entra's own way to write a time: a space instead of the `T`.
fn stamp(now: DateTime<Utc>) -> String {
    now.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    let segments = call.segments();
    let (Some(tenant), rest) = (segments.first(), segments.get(1..).unwrap_or_default()) else { return missing() };
    match (call.method.clone(), rest) {
        (Method::GET, ["v2.0", ".well-known", "openid-configuration"]) => metadata(world, call, tenant),
        (Method::GET, ["discovery", "instance"]) => instances(call, tenant),
        (Method::GET, ["discovery", "v2.0", "keys"]) => published_keys(world, call, tenant),
        (Method::GET | Method::POST, ["v2.0", "adminconsent"]) => consent::answer(world, call, tenant, consent::Form::V2),
        (Method::GET | Method::POST, ["adminconsent"]) => consent::answer(world, call, tenant, consent::Form::V1),
        (Method::GET | Method::POST, ["oauth2", "authorize"]) => consent::answer(world, call, tenant, consent::Form::Authorize),
        (Method::GET | Method::POST, ["oauth2", "v2.0", "authorize"]) => signin::answer(world, call, tenant),
        (Method::POST, ["oauth2", "v2.0", "token"]) => token::answer(world, call, tenant, token::Version::V2),
        (Method::POST, ["oauth2", "token"]) => token::answer(world, call, tenant, token::Version::V1),
        _ => missing(),
    }
}

fn missing() -> Answer {
    Answer::text(404, "The stand-in plays no such page of the sign-in host.")
}

/// Where directories of a cloud sign in, and what their tokens' issuer begins with.
pub(super) const fn host_of(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial | Cloud::Gcc => "login.microsoftonline.com",
        Cloud::GccHigh | Cloud::Dod => "login.microsoftonline.us",
    }
}

/// The first of the clouds that sign in at this host.
fn cloud_of(host: &str) -> Cloud {
    Cloud::ALL.iter().copied().find(|cloud| signs_in_at(*cloud, host)).unwrap_or(Cloud::Commercial)
}

/// Whether a directory of this cloud signs in at this host.
pub(super) fn signs_in_at(cloud: Cloud, host: &str) -> bool {
    host_of(cloud) == host || (host == "login.windows.net" && host_of(cloud) == "login.microsoftonline.com")
}

/// The directory of a tenant segment, if it signs in here.
pub(super) fn directory<'a>(world: &'a World, call: &Call, tenant: &str) -> Option<&'a Directory> {
    world.directory_named(tenant).filter(|directory| signs_in_at(directory.cloud, &call.host))
}

/// Whether the segment names a directory of a government cloud, and this is the commercial host: it knows of those and serves none.
pub(super) fn is_elsewhere(world: &World, call: &Call, tenant: &str) -> bool {
    signs_in_at(Cloud::Commercial, &call.host)
        && world.directory_named(tenant).is_some_and(|directory| !signs_in_at(directory.cloud, &call.host))
}

/// Why a segment is no directory that signs in here.
pub(super) fn not_here(world: &World, call: &Call, tenant: &str) -> EntraError {
    if is_elsewhere(world, call, tenant) {
        EntraError::national_cloud(tenant)
    } else {
        EntraError::no_such_tenant(tenant, "invalid_request")
    }
}

/// The tenant segments that name no directory.
pub(super) fn is_common(tenant: &str) -> bool {
    matches!(tenant, "common" | "organizations" | "consumers")
}

fn metadata(world: &World, call: &Call, tenant: &str) -> Answer {
    // The commercial host tells of a government cloud's directory too, with the addresses of its own cloud.
    let named = world.directory_named(tenant).filter(|named| signs_in_at(named.cloud, &call.host) || is_elsewhere(world, call, tenant));
    let cloud = named.map_or_else(|| cloud_of(&call.host), |directory| directory.cloud);
    let (issuer_id, scope, host) = match named {
        Some(directory) if signs_in_at(directory.cloud, &call.host) => (directory.id.to_string(), scopes(directory), call.host.as_str()),
        Some(directory) => (directory.id.to_string(), scopes(directory), host_of(directory.cloud)),
        None if is_common(tenant) => ("{tenantid}".to_owned(), (Value::Null, Value::Null), call.host.as_str()),
        None => return EntraError::no_such_tenant(tenant, "invalid_tenant").answer(world.now(), &call.host),
    };
    let segment = if is_common(tenant) { tenant } else { &issuer_id };
    Answer::json(
        200,
        &json!({
            "token_endpoint": format!("https://{host}/{segment}/oauth2/v2.0/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("https://{host}/{segment}/discovery/v2.0/keys"),
            "response_modes_supported": ["query"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": format!("https://{host}/{issuer_id}/v2.0"),
            "authorization_endpoint": format!("https://{host}/{segment}/oauth2/v2.0/authorize"),
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "oid", "ver"],
            "tenant_region_scope": scope.0,
            "tenant_region_sub_scope": scope.1,
            "cloud_instance_name": host.strip_prefix("login.").unwrap_or(host),
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": hosts::app_id_uri(cloud, Product::Graph).trim_start_matches("https://"),
            "rbac_url": "https://pas.windows.net",
        }),
    )
}

/// Which login hosts belong together, for clients that check their authority first. See the page "National clouds", and what Microsoft's own
/// authentication libraries ask for.
fn instances(call: &Call, tenant: &str) -> Answer {
    let asked = call.query("authorization_endpoint").and_then(|url| url::Url::parse(url).ok());
    let known = asked.as_ref().and_then(url::Url::host_str).is_some_and(|host| host == call.host || host == "login.windows.net");
    if tenant != "common" || call.query("api-version") != Some("1.1") || !known {
        let text = "The authority is not one of Microsoft's, or the api-version is missing.";
        return Answer::json(400, &json!({"error": "invalid_instance", "error_description": format!("AADSTS50049: {text}")}));
    }
    let row = |hosts: &[&str]| json!({"preferred_network": hosts[0], "preferred_cache": hosts[hosts.len() - 1], "aliases": hosts});
    Answer::json(
        200,
        &json!({
            "tenant_discovery_endpoint": format!("https://{}/common/v2.0/.well-known/openid-configuration", call.host),
            "api-version": "1.1",
            "metadata": [row(&["login.microsoftonline.com", "login.windows.net"]), row(&["login.microsoftonline.us"])],
        }),
    )
}

/// `tenant_region_scope` and `tenant_region_sub_scope`.
fn scopes(directory: &Directory) -> (Value, Value) {
    match directory.cloud {
        Cloud::Commercial => (json!(directory.region), Value::Null),
        Cloud::Gcc => (json!(directory.region), json!("GCC")),
        Cloud::GccHigh => (json!("USGov"), json!("DODCON")),
        Cloud::Dod => (json!("USGov"), json!("DOD")),
    }
}

fn published_keys(world: &World, call: &Call, tenant: &str) -> Answer {
    let id = match world.directory_named(tenant) {
        Some(directory) => directory.id.to_string(),
        None if is_common(tenant) => "{tenantid}".to_owned(),
        None => return EntraError::no_such_tenant(tenant, "invalid_tenant").answer(world.now(), &call.host),
    };
    Answer::json(200, &world.keys.published(&format!("https://{}/{id}/v2.0", call.host)))
}
