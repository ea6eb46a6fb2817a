//! Hosts, base paths and token audiences of Microsoft's clouds, as data.
//!
//! Sources: Microsoft's pages "National clouds" (Entra), "Microsoft Defender for Endpoint for US Government customers", "Microsoft Defender
//! XDR for US Government customers", "Supported Microsoft Defender XDR APIs" and "Defender for Cloud Apps REST API". Audiences of the
//! government clouds are not documented; the API's own host is what works elsewhere. Whatever is written here can be set otherwise by an
//! `[[api]]` of the configuration, within the domains listed below.

use crate::config;
use crate::model::{Cloud, DirectoryId, Places, Product};
use std::sync::Arc;
use url::Url;

/// Where one product's API is for one tenant. Host and audience are two facts: one host serves several products, each with its own token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Begins every address of the API; without a slash at the end.
    pub base: String,
    /// The resource a token is asked for; `/.default` is appended for the scope.
    pub audience: Arc<str>,
    /// Which of Entra's token endpoints is asked for it.
    pub token: config::TokenVersion,
}

/// The first-party app of Defender for Cloud Apps, the same in every cloud.
const CLOUD_APPS: &str = "05a65629-4c1b-48c1-a78b-804c4abdd4af";

/// What a product's tokens call it besides the audience they were asked for: its app id, and names of older pages.
pub(super) const fn names_of(product: Product) -> &'static [&'static str] {
    match product {
        Product::DefenderXdr => &["8ee8fdad-f234-4243-8f3b-15c294843740"],
        Product::DefenderEndpoint => &["fc780465-2017-40d4-a0c5-307022471b92", "https://securitycenter.onmicrosoft.com/windowsatpservice"],
        Product::CloudApps => &[CLOUD_APPS],
        Product::Graph => &["00000003-0000-0000-c000-000000000000"],
    }
}

/// Hosts that may be called and stand in no domain of [`SUFFIXES`].
const HOSTS: [&str; 9] = [
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "portal.cloudappsecurity.com",
    "portal.cloudappsecuritygov.com",
    "portal.cloudappsecurity.us",
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "api.securitycenter.windows.com",
];

/// Microsoft's domains in which the APIs have their hosts, regional ones and tenants' own ones included.
const SUFFIXES: [&str; 7] = [
    ".security.microsoft.com",
    ".security.microsoft.us",
    ".securitycenter.microsoft.com",
    ".securitycenter.microsoft.us",
    ".portal.cloudappsecurity.com",
    ".portal.cloudappsecuritygov.com",
    ".portal.cloudappsecurity.us",
];

/// Whether a request may go there: https on port 443 of one of Microsoft's hosts, without a user name.
pub fn is_allowed(url: &Url) -> bool {
    is_plain(url) && url.host_str().is_some_and(|host| HOSTS.contains(&host) || SUFFIXES.iter().any(|suffix| is_below(host, suffix)))
}

pub(super) fn is_plain(url: &Url) -> bool {
    url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && url.password().is_none()
}

/// One to three plain labels before the suffix.
pub(super) fn is_below(host: &str, suffix: &str) -> bool {
    let plain = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    host.strip_suffix(suffix).is_some_and(|name| name.split('.').count() <= 3 && name.split('.').all(plain))
}

/// The host of Entra. GCC tenants sign in at the commercial host although their APIs are in the government's domain.
pub const fn login_host(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial | Cloud::Gcc => "login.microsoftonline.com",
        Cloud::GccHigh | Cloud::Dod => "login.microsoftonline.us",
    }
}

/// Who issues the id_tokens of a directory.
pub fn issuer(cloud: Cloud, directory: DirectoryId) -> String {
    format!("https://{}/{directory}/v2.0", login_host(cloud))
}

/// An address made of compiled parts.
#[expect(clippy::expect_used, reason = "hosts and bases are compiled in or checked with the configuration, and a test reads them all")]
pub(super) fn compiled(text: &str) -> Url {
    Url::parse(text).expect("a compiled address")
}

/// `https://{login host}/{directory}/{path}`. A directory is a GUID, a checked host name, or a word such as `organizations`.
pub(super) fn login_url(cloud: Cloud, directory: &str, path: &str) -> Url {
    let mut url = compiled(&format!("https://{}/", login_host(cloud)));
    url.set_path(&format!("/{directory}/{path}"));
    url
}

/// Where each API is, with what the configuration says otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Apis {
    overrides: Vec<config::Api>,
}

impl Apis {
    /// # Errors
    /// One sentence, when an `[[api]]` names an address outside Microsoft's domains.
    pub(super) fn new(overrides: &[config::Api]) -> anyhow::Result<Self> {
        for api in overrides {
            let place = format!("api {} {}", api.cloud, api.product);
            if let Some(base) = &api.base {
                let bare = base.query().is_none() && base.fragment().is_none() && !base.as_str().ends_with('/');
                anyhow::ensure!(is_allowed(base) && bare, "{place}: base must be an https address in one of Microsoft's API domains");
            }
            if let Some(audience) = &api.audience {
                anyhow::ensure!(
                    is_audience(audience),
                    "{place}: audience must be an app id or an https address in one of Microsoft's domains"
                );
            }
        }
        Ok(Self { overrides: overrides.to_vec() })
    }

    /// The API of a product for one tenant.
    pub(super) fn of(&self, cloud: Cloud, product: Product, places: &Places) -> Api {
        let mut api = general(cloud, product);
        let set = self.overrides.iter().filter(|api| api.cloud == cloud && api.product == product);
        for other in set {
            if let Some(base) = &other.base {
                base.as_str().clone_into(&mut api.base);
            }
            if let Some(audience) = &other.audience {
                api.audience = audience.as_str().into();
            }
            api.token = other.token.unwrap_or(api.token);
        }
        match (product, &places.endpoint, &places.cloud_apps) {
            (Product::DefenderEndpoint, Some(region), _) if cloud == Cloud::Commercial => {
                api.base = format!("https://{region}.api.security.microsoft.com/api");
            }
            (Product::CloudApps, _, Some(host)) => api.base = format!("https://{host}/api"),
            _ => {}
        }
        api
    }
}

fn is_audience(text: &str) -> bool {
    let known = ["https://securitycenter.onmicrosoft.com/windowsatpservice"];
    known.contains(&text) || uuid::Uuid::try_parse(text).is_ok() || Url::parse(text).is_ok_and(|url| is_allowed(&url))
}

/// The general address of a product, as documented.
pub(super) fn general(cloud: Cloud, product: Product) -> Api {
    let (base, audience) = match product {
        Product::DefenderXdr => xdr(cloud),
        Product::DefenderEndpoint => endpoint(cloud),
        Product::CloudApps => (cloud_apps(cloud), CLOUD_APPS),
        Product::Graph => graph(cloud),
    };
    Api { base: base.to_owned(), audience: audience.into(), token: config::TokenVersion::V2 }
}

const fn xdr(cloud: Cloud) -> (&'static str, &'static str) {
    match cloud {
        Cloud::Commercial => ("https://api.security.microsoft.com/api", "https://api.security.microsoft.com"),
        Cloud::Gcc => ("https://api-gcc.security.microsoft.us/api", "https://api-gcc.security.microsoft.us"),
        Cloud::GccHigh | Cloud::Dod => ("https://api-gov.security.microsoft.us/api", "https://api-gov.security.microsoft.us"),
    }
}

const fn endpoint(cloud: Cloud) -> (&'static str, &'static str) {
    match cloud {
        Cloud::Commercial => ("https://api.security.microsoft.com/api", "https://api.securitycenter.microsoft.com"),
        Cloud::Gcc => ("https://api-gcc.securitycenter.microsoft.us/api", "https://api-gcc.securitycenter.microsoft.us"),
        Cloud::GccHigh | Cloud::Dod => ("https://api-gov.securitycenter.microsoft.us/api", "https://api-gov.securitycenter.microsoft.us"),
    }
}

/// The generic address, which works without knowing the tenant's own portal address. Most paths below it begin with `v1/`, some do not.
const fn cloud_apps(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial => "https://portal.cloudappsecurity.com/cas/api",
        Cloud::Gcc => "https://portal.cloudappsecuritygov.com/cas/api",
        Cloud::GccHigh | Cloud::Dod => "https://portal.cloudappsecurity.us/cas/api",
    }
}

const fn graph(cloud: Cloud) -> (&'static str, &'static str) {
    match cloud {
        Cloud::Commercial | Cloud::Gcc => ("https://graph.microsoft.com/v1.0", "https://graph.microsoft.com"),
        Cloud::GccHigh => ("https://graph.microsoft.us/v1.0", "https://graph.microsoft.us"),
        Cloud::Dod => ("https://dod-graph.microsoft.us/v1.0", "https://dod-graph.microsoft.us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CloudAppsHost, Region};

    #[test]
    fn every_address_of_every_cloud_is_allowed() {
        for &cloud in Cloud::ALL {
            let login = Url::parse(&format!("https://{}/x", login_host(cloud))).unwrap();
            assert!(is_allowed(&login), "{login}");
            for &product in Product::ALL {
                let api = general(cloud, product);
                assert!(is_allowed(&Url::parse(&api.base).unwrap()), "{}", api.base);
                assert!(!api.base.ends_with('/') && !api.audience.ends_with('/'));
            }
        }
    }

    #[test]
    fn gcc_signs_in_at_the_commercial_host_and_is_read_at_government_hosts() {
        assert_eq!(login_host(Cloud::Gcc), "login.microsoftonline.com");
        assert!(general(Cloud::Gcc, Product::DefenderXdr).base.starts_with("https://api-gcc.security.microsoft.us/"));
        assert!(general(Cloud::Gcc, Product::DefenderEndpoint).base.starts_with("https://api-gcc.securitycenter.microsoft.us/"));
    }

    #[test]
    fn a_region_and_a_tenants_own_portal_change_the_host_and_keep_the_audience() {
        let apis = Apis::default();
        for &region in Region::ALL {
            let places = Places { endpoint: Some(region), ..Places::default() };
            let api = apis.of(Cloud::Commercial, Product::DefenderEndpoint, &places);
            assert!(is_allowed(&Url::parse(&api.base).unwrap()), "{}", api.base);
            assert_eq!(api.audience, general(Cloud::Commercial, Product::DefenderEndpoint).audience);
            assert_eq!(apis.of(Cloud::Commercial, Product::DefenderXdr, &places), general(Cloud::Commercial, Product::DefenderXdr));
            assert_eq!(apis.of(Cloud::GccHigh, Product::DefenderEndpoint, &places), general(Cloud::GccHigh, Product::DefenderEndpoint));
        }
        let host = CloudAppsHost::parse("contoso.eu2.portal.cloudappsecurity.com");
        let api = apis.of(Cloud::Commercial, Product::CloudApps, &Places { cloud_apps: host, ..Places::default() });
        assert_eq!(api.base, "https://contoso.eu2.portal.cloudappsecurity.com/api");
        assert!(is_allowed(&Url::parse(&api.base).unwrap()));
    }

    #[test]
    fn the_configuration_may_move_an_api_within_microsofts_domains_only() {
        let set = |base: Option<&str>, audience: Option<&str>| {
            let api = config::Api {
                cloud: Cloud::Dod,
                product: Product::DefenderXdr,
                base: base.map(|base| Url::parse(base).unwrap()),
                audience: audience.map(str::to_owned),
                token: None,
            };
            Apis::new(&[api])
        };
        let moved = set(Some("https://api-dod.security.microsoft.us/api"), Some("https://api-dod.security.microsoft.us")).unwrap();
        let api = moved.of(Cloud::Dod, Product::DefenderXdr, &Places::default());
        assert_eq!(
            (api.base.as_str(), &*api.audience),
            ("https://api-dod.security.microsoft.us/api", "https://api-dod.security.microsoft.us")
        );
        assert_eq!(moved.of(Cloud::GccHigh, Product::DefenderXdr, &Places::default()), general(Cloud::GccHigh, Product::DefenderXdr));
        for bad in [
            "https://evil.com/api",
            "http://api.security.microsoft.com/api",
            "https://api.security.microsoft.com/api/",
            "https://127.0.0.1/api",
        ] {
            assert!(set(Some(bad), None).is_err(), "{bad}");
        }
        for bad in ["https://evil.com", "banana", "http://graph.microsoft.com"] {
            assert!(set(None, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_other_host_scheme_port_or_user_name_is_allowed() {
        for bad in [
            "http://graph.microsoft.com/",
            "https://graph.microsoft.com.evil.com/",
            "https://evil.com/graph.microsoft.com",
            "https://graph.microsoft.com:8443/",
            "https://graph.microsoft.com@evil.com/",
            "https://user@graph.microsoft.com/",
            "https://127.0.0.1/graph.microsoft.com",
            "https://x.portal.cloudappsecurity.com.evil.com/",
            "https://x.graph.microsoft.com/",
            "https://security.microsoft.com/",
            "https://a.b.c.d.security.microsoft.com/",
            "https://evilsecurity.microsoft.com/",
            "https://gr\u{430}ph.microsoft.com/",
            "https://graph.microsoft.com./",
        ] {
            assert!(!is_allowed(&Url::parse(bad).unwrap()), "{bad}");
        }
        assert!(is_allowed(&Url::parse("https://graph.microsoft.com:443/v1.0").unwrap()));
    }
}
