//! Hosts, base paths and token audiences of Microsoft's clouds, as data.
//!
//! Sources: Microsoft's pages "National clouds" (Entra), "Microsoft Defender for Endpoint for US Government customers", "Microsoft Defender
//! XDR for US Government customers", "Supported Microsoft Defender XDR APIs" and "Defender for Cloud Apps REST API". Audiences of the
//! government clouds are not documented; the API's own host is what works elsewhere.

use crate::model::{Cloud, Product};
use url::Url;

/// Where one product's API is in one cloud. Host and audience are two facts: one host serves several products, each with its own token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// Begins every address of the API; without a slash at the end.
    pub base: &'static str,
    /// The resource a token is asked for; `/.default` is appended for the scope.
    pub audience: &'static str,
}

/// The first-party app of Defender for Cloud Apps, the same in every cloud.
const CLOUD_APPS: &str = "05a65629-4c1b-48c1-a78b-804c4abdd4af";

/// Every host that may ever be called.
const HOSTS: [&str; 14] = [
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "api.security.microsoft.com",
    "api-gcc.security.microsoft.us",
    "api-gov.security.microsoft.us",
    "api.securitycenter.microsoft.com",
    "api-gcc.securitycenter.microsoft.us",
    "api-gov.securitycenter.microsoft.us",
    "portal.cloudappsecurity.com",
    "portal.cloudappsecuritygov.com",
    "portal.cloudappsecurity.us",
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
];

/// Whether a request may go there: https on port 443 of a host of the list, without a user name.
pub fn is_allowed(url: &Url) -> bool {
    url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.host_str().is_some_and(|host| HOSTS.contains(&host))
}

/// The host of Entra. GCC tenants sign in at the commercial host although their APIs are in the government's domain.
pub const fn login_host(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial | Cloud::Gcc => "login.microsoftonline.com",
        Cloud::GccHigh | Cloud::Dod => "login.microsoftonline.us",
    }
}

/// An address made of compiled parts.
#[expect(clippy::expect_used, reason = "hosts and bases are compiled in and a test reads them all")]
pub(super) fn compiled(text: &str) -> Url {
    Url::parse(text).expect("a compiled address")
}

/// `https://{login host}/{directory}/{path}`. A directory is a GUID, a checked host name, or a word such as `organizations`.
pub(super) fn login_url(cloud: Cloud, directory: &str, path: &str) -> Url {
    let mut url = compiled(&format!("https://{}/", login_host(cloud)));
    url.set_path(&format!("/{directory}/{path}"));
    url
}

/// Where the API of a product is.
pub const fn api(cloud: Cloud, product: Product) -> Api {
    match product {
        Product::DefenderXdr => xdr(cloud),
        Product::DefenderEndpoint => endpoint(cloud),
        Product::CloudApps => cloud_apps(cloud),
        Product::Graph => graph(cloud),
    }
}

const fn xdr(cloud: Cloud) -> Api {
    match cloud {
        Cloud::Commercial => Api { base: "https://api.security.microsoft.com/api", audience: "https://api.security.microsoft.com" },
        Cloud::Gcc => Api { base: "https://api-gcc.security.microsoft.us/api", audience: "https://api-gcc.security.microsoft.us" },
        Cloud::GccHigh | Cloud::Dod => {
            Api { base: "https://api-gov.security.microsoft.us/api", audience: "https://api-gov.security.microsoft.us" }
        }
    }
}

const fn endpoint(cloud: Cloud) -> Api {
    match cloud {
        Cloud::Commercial => Api { base: "https://api.security.microsoft.com/api", audience: "https://api.securitycenter.microsoft.com" },
        Cloud::Gcc => {
            Api { base: "https://api-gcc.securitycenter.microsoft.us/api", audience: "https://api-gcc.securitycenter.microsoft.us" }
        }
        Cloud::GccHigh | Cloud::Dod => {
            Api { base: "https://api-gov.securitycenter.microsoft.us/api", audience: "https://api-gov.securitycenter.microsoft.us" }
        }
    }
}

/// The generic address, which works without knowing the tenant's own portal address.
const fn cloud_apps(cloud: Cloud) -> Api {
    let base = match cloud {
        Cloud::Commercial => "https://portal.cloudappsecurity.com/cas/api/v1",
        Cloud::Gcc => "https://portal.cloudappsecuritygov.com/cas/api/v1",
        Cloud::GccHigh | Cloud::Dod => "https://portal.cloudappsecurity.us/cas/api/v1",
    };
    Api { base, audience: CLOUD_APPS }
}

const fn graph(cloud: Cloud) -> Api {
    match cloud {
        Cloud::Commercial | Cloud::Gcc => Api { base: "https://graph.microsoft.com/v1.0", audience: "https://graph.microsoft.com" },
        Cloud::GccHigh => Api { base: "https://graph.microsoft.us/v1.0", audience: "https://graph.microsoft.us" },
        Cloud::Dod => Api { base: "https://dod-graph.microsoft.us/v1.0", audience: "https://dod-graph.microsoft.us" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_every_cloud_is_on_the_list() {
        for &cloud in Cloud::ALL {
            let login = Url::parse(&format!("https://{}/x", login_host(cloud))).unwrap();
            assert!(is_allowed(&login), "{login}");
            for &product in Product::ALL {
                let api = api(cloud, product);
                assert!(is_allowed(&Url::parse(api.base).unwrap()), "{}", api.base);
                assert!(!api.base.ends_with('/') && !api.audience.ends_with('/'));
            }
        }
    }

    #[test]
    fn gcc_signs_in_at_the_commercial_host_and_is_read_at_government_hosts() {
        assert_eq!(login_host(Cloud::Gcc), "login.microsoftonline.com");
        assert!(api(Cloud::Gcc, Product::DefenderXdr).base.starts_with("https://api-gcc.security.microsoft.us/"));
        assert!(api(Cloud::Gcc, Product::DefenderEndpoint).base.starts_with("https://api-gcc.securitycenter.microsoft.us/"));
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
            "https://gr\u{430}ph.microsoft.com/",
            "https://graph.microsoft.com./",
        ] {
            assert!(!is_allowed(&Url::parse(bad).unwrap()), "{bad}");
        }
        assert!(is_allowed(&Url::parse("https://graph.microsoft.com:443/v1.0").unwrap()));
    }
}
