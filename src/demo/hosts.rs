//! Which of Microsoft's hosts are played, and which resource a token is for.

use super::call::{Answer, Call};
use super::world::World;
use super::{azure, cloud_apps, endpoint, front, graph, hunting, login, xdr};
use crate::model::{Cloud, Product};

/// What is counted, throttled and broken on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// Entra's token endpoint.
    Token,
    DefenderXdr,
    DefenderEndpoint,
    CloudApps,
    /// Microsoft Graph security.
    Graph,
}

impl Api {
    pub const ALL: [Self; 5] = [Self::Token, Self::DefenderXdr, Self::DefenderEndpoint, Self::CloudApps, Self::Graph];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::DefenderXdr => "defender_xdr",
            Self::DefenderEndpoint => "defender_endpoint",
            Self::CloudApps => "cloud_apps",
            Self::Graph => "graph",
        }
    }
}

enum Service {
    Login,
    /// One host, two products: each wants a token of its own.
    Defender,
    Endpoint,
    CloudApps,
    /// Where logs of cloud discovery are put.
    Store,
    Graph,
    /// Azure's endpoints on the machine itself.
    Machine,
    Vault,
    /// Where a consent ends whose app has no page of its own to come back to.
    Portal,
}

fn service(host: &str) -> Option<Service> {
    Some(match host {
        "login.microsoftonline.com" | "login.windows.net" | "login.microsoftonline.us" => Service::Login,
        "api.security.microsoft.com"
        | "api-us.security.microsoft.com"
        | "api-eu.security.microsoft.com"
        | "api-uk.security.microsoft.com"
        | "api-gcc.security.microsoft.us"
        | "api-gov.security.microsoft.us" => Service::Defender,
        "api.securitycenter.microsoft.com"
        | "api-us.securitycenter.microsoft.com"
        | "api-eu.securitycenter.microsoft.com"
        | "api-gcc.securitycenter.microsoft.us"
        | "api-gov.securitycenter.microsoft.us" => Service::Endpoint,
        "portal.cloudappsecurity.com" | "portal.cloudappsecuritygov.com" | "portal.cloudappsecurity.us" => Service::CloudApps,
        "graph.microsoft.com" | "graph.microsoft.us" | "dod-graph.microsoft.us" => Service::Graph,
        host if cloud_apps::is_store(host) => Service::Store,
        "169.254.169.254" | "169.254.129.4" => Service::Machine,
        "portal.azure.com" | "portal.azure.us" => Service::Portal,
        _ if host.ends_with(".vault.azure.net") || host.ends_with(".vault.usgovcloudapi.net") => Service::Vault,
        _ => return region(host).or_else(|| own_portal(host)),
    })
}

/// A region of Defender for Endpoint with a host of its own.
fn region(host: &str) -> Option<Service> {
    let name = host.strip_suffix(".api.security.microsoft.com")?;
    ["us", "eu", "uk", "au", "swa", "ina", "aea"].contains(&name).then_some(Service::Endpoint)
}

/// A tenant's own portal of Defender for Cloud Apps: `{tenant}.{region}.portal…`.
fn own_portal(host: &str) -> Option<Service> {
    let ends = [".portal.cloudappsecurity.com", ".portal.cloudappsecuritygov.com", ".portal.cloudappsecurity.us"];
    let name = ends.iter().find_map(|end| host.strip_suffix(end))?;
    let (tenant, region) = name.split_once('.')?;
    (!tenant.is_empty() && ["us", "us1", "us2", "us3", "eu", "eu2"].contains(&region)).then_some(Service::CloudApps)
}

pub(super) fn is_played(host: &str) -> bool {
    service(host).is_some()
}

/// Whether an API's host serves the directories of a cloud: each cloud has hosts of its own, and Graph alone serves two at one.
pub(super) fn serves(host: &str, cloud: Cloud) -> bool {
    let clouds: &[Cloud] = match host {
        "graph.microsoft.com" => &[Cloud::Commercial, Cloud::Gcc],
        "graph.microsoft.us" => &[Cloud::GccHigh],
        "dod-graph.microsoft.us" => &[Cloud::Dod],
        "api-gcc.security.microsoft.us" | "api-gcc.securitycenter.microsoft.us" => &[Cloud::Gcc],
        host if host.ends_with("portal.cloudappsecuritygov.com") => &[Cloud::Gcc],
        host if host.ends_with(".us") => &[Cloud::GccHigh, Cloud::Dod],
        _ => &[Cloud::Commercial],
    };
    clouds.contains(&cloud)
}

/// The answer to a call.
pub(super) fn dispatch(world: &mut World, call: &Call) -> Answer {
    match service(&call.host) {
        Some(Service::Login) => login::answer(world, call),
        Some(Service::Defender) if hunting::is_meant(call, Api::DefenderXdr) => hunting::answer(world, call, Api::DefenderXdr),
        Some(Service::Defender | Service::Endpoint) if hunting::is_meant(call, Api::DefenderEndpoint) => {
            hunting::answer(world, call, Api::DefenderEndpoint)
        }
        Some(Service::Graph) if hunting::is_meant(call, Api::Graph) => hunting::answer(world, call, Api::Graph),
        Some(Service::Defender) if call.path.starts_with("/api/incidents") => xdr::answer(world, call),
        Some(Service::Defender | Service::Endpoint) => endpoint::answer(world, call),
        Some(Service::CloudApps) => cloud_apps::answer(world, call),
        Some(Service::Store) => cloud_apps::store_answer(world, call),
        Some(Service::Graph) => graph::answer(world, call),
        Some(Service::Machine) => azure::machine(world, call),
        Some(Service::Vault) => azure::vault(world, call),
        Some(Service::Portal) => front::portal(),
        None => front::answer(world, call),
    }
}

/// The resource a token is asked for, by App ID URI (with or without a closing slash) or by application id. The government
/// clouds' audiences are not documented; they are taken to be the API's host.
pub(super) fn resource(text: &str) -> Option<Product> {
    Some(match text.strip_suffix('/').unwrap_or(text) {
        "https://api.security.microsoft.com"
        | "https://api-gcc.security.microsoft.us"
        | "https://api-gov.security.microsoft.us"
        | "8ee8fdad-f234-4243-8f3b-15c294843740" => Product::DefenderXdr,
        "https://api.securitycenter.microsoft.com"
        | "https://securitycenter.onmicrosoft.com/windowsatpservice"
        | "https://api-gcc.securitycenter.microsoft.us"
        | "https://api-gov.securitycenter.microsoft.us"
        | "fc780465-2017-40d4-a0c5-307022471b92" => Product::DefenderEndpoint,
        "05a65629-4c1b-48c1-a78b-804c4abdd4af" => Product::CloudApps,
        "https://graph.microsoft.com"
        | "https://graph.microsoft.us"
        | "https://dod-graph.microsoft.us"
        | "00000003-0000-0000-c000-000000000000" => Product::Graph,
        _ => return None,
    })
}

/// The same for the directories of one cloud. An application id is the same in all of them.
pub(super) fn resource_in(cloud: Cloud, text: &str) -> Option<Product> {
    let here = text.strip_prefix("https://").is_none_or(|host| serves(host.trim_end_matches('/'), cloud));
    resource(text).filter(|_| here)
}

/// The App ID URI under which a product's permissions are named on the consent page of a cloud.
pub(super) const fn app_id_uri(cloud: Cloud, product: Product) -> &'static str {
    match (product, cloud) {
        (Product::DefenderXdr, Cloud::Commercial) => "https://api.security.microsoft.com",
        (Product::DefenderXdr, Cloud::Gcc) => "https://api-gcc.security.microsoft.us",
        (Product::DefenderXdr, Cloud::GccHigh | Cloud::Dod) => "https://api-gov.security.microsoft.us",
        (Product::DefenderEndpoint, Cloud::Commercial) => "https://api.securitycenter.microsoft.com",
        (Product::DefenderEndpoint, Cloud::Gcc) => "https://api-gcc.securitycenter.microsoft.us",
        (Product::DefenderEndpoint, Cloud::GccHigh | Cloud::Dod) => "https://api-gov.securitycenter.microsoft.us",
        (Product::CloudApps, _) => "05a65629-4c1b-48c1-a78b-804c4abdd4af",
        (Product::Graph, Cloud::Commercial | Cloud::Gcc) => "https://graph.microsoft.com",
        (Product::Graph, Cloud::GccHigh) => "https://graph.microsoft.us",
        (Product::Graph, Cloud::Dod) => "https://dod-graph.microsoft.us",
    }
}

/// Microsoft's name of a product's service principal.
pub(super) const fn service_principal(product: Product) -> &'static str {
    match product {
        Product::DefenderXdr => "Microsoft Threat Protection",
        Product::DefenderEndpoint => "WindowsDefenderATP",
        Product::CloudApps => "Microsoft Cloud App Security",
        Product::Graph => "Microsoft Graph",
    }
}
