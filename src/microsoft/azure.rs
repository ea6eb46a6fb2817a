//! Addresses of Azure's that are no API of a customer's: the machine's own identity, and Key Vault. Compiled in, as every address is.

use super::clouds::{is_below, is_plain};
use crate::model::Cloud;
use url::{Host, Url};

/// Where Azure gives tokens of a managed identity to the machine it belongs to, and to nobody else.
pub(super) const MACHINE_IDENTITY: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// The host of a Key Vault, whose name is letters, digits and hyphens. See Microsoft's page "Azure Key Vault security", DNS suffixes.
pub(super) fn vault_host(cloud: Cloud, vault: &str) -> String {
    let suffix = match cloud {
        Cloud::Commercial | Cloud::Gcc => VAULTS[0],
        Cloud::GccHigh | Cloud::Dod => VAULTS[1],
    };
    format!("{}{suffix}", vault.to_ascii_lowercase())
}

/// What a token for Key Vault is asked for.
pub(super) const fn vault_resource(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial | Cloud::Gcc => "https://vault.azure.net",
        Cloud::GccHigh | Cloud::Dod => "https://vault.usgovcloudapi.net",
    }
}

const VAULTS: [&str; 2] = [".vault.azure.net", ".vault.usgovcloudapi.net"];

/// Whether a request with a token for Key Vault may go there: https on port 443 of one vault's host.
pub(super) fn is_vault(url: &Url) -> bool {
    let host = |host: &str| VAULTS.iter().any(|suffix| !host.trim_end_matches(suffix).contains('.') && is_below(host, suffix));
    is_plain(url) && url.host_str().is_some_and(host)
}

/// Whether a request for a token of a managed identity may go there: this machine or its own link, by plain http as Azure has it.
pub(super) fn is_machine(url: &Url) -> bool {
    let near = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_link_local(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && url.username().is_empty() && url.password().is_none() && near
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microsoft::clouds::is_allowed;

    #[test]
    fn vaults_are_hosts_of_their_own_and_no_api() {
        for (cloud, host) in [(Cloud::Commercial, "contoso-keys.vault.azure.net"), (Cloud::Dod, "contoso-keys.vault.usgovcloudapi.net")] {
            let url = Url::parse(&format!("https://{}/secrets/x", vault_host(cloud, "Contoso-Keys"))).unwrap();
            assert_eq!(url.host_str(), Some(host));
            assert!(is_vault(&url) && !is_allowed(&url));
        }
        for bad in [
            "http://contoso.vault.azure.net/",
            "https://contoso.vault.azure.net:8443/",
            "https://vault.azure.net/",
            "https://a.contoso.vault.azure.net/",
            "https://contoso.vault.azure.net.evil.com/",
            "https://contoso.vault.azure.net@evil.com/",
            "https://evilvault.azure.net/",
            "https://graph.microsoft.com/",
        ] {
            assert!(!is_vault(&Url::parse(bad).unwrap()), "{bad}");
        }
    }

    #[test]
    fn a_managed_identity_is_asked_on_the_machine_itself_only() {
        for good in [MACHINE_IDENTITY, "http://127.0.0.1:41741/msi/token", "http://169.254.129.4:8081/msi/token", "http://localhost:1/x"] {
            assert!(is_machine(&Url::parse(good).unwrap()), "{good}");
        }
        for bad in ["https://169.254.169.254/", "http://10.0.0.1/", "http://evil.com/", "http://a@127.0.0.1/", "http://localhost.evil.com/"]
        {
            assert!(!is_machine(&Url::parse(bad).unwrap()), "{bad}");
        }
    }
}
