//! The stores that logs for cloud discovery are put into: the only addresses besides the APIs' that anything is sent to.

use super::clouds::is_below;
use url::Url;

/// Where a log may be put that cloud discovery asked for. Source: Microsoft's page "Initiate file upload": `provider` is azure or aws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Azure,
    Aws,
}

impl Store {
    /// The store an address belongs to, if it is one of `provider`'s: https on port 443, without a user name. No token ever goes there.
    pub fn of(url: &Url, provider: &str) -> Option<Self> {
        let (store, suffixes): (Self, &[&str]) = match provider {
            "azure" => (Self::Azure, &[".blob.core.windows.net", ".blob.core.usgovcloudapi.net"]),
            "aws" => (Self::Aws, &[".amazonaws.com"]),
            _ => return None,
        };
        let plain = url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && url.password().is_none();
        let host = url.host_str()?;
        (plain && suffixes.iter().any(|suffix| is_below(host, suffix))).then_some(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microsoft::clouds::is_allowed;

    #[test]
    fn a_log_is_put_into_microsofts_stores_only_and_no_token_goes_there() {
        let store = |url: &str, provider| Store::of(&Url::parse(url).unwrap(), provider);
        assert_eq!(store("https://adallom.blob.core.windows.net/x?sig=1", "azure"), Some(Store::Azure));
        assert_eq!(store("https://adallom.blob.core.usgovcloudapi.net/x", "azure"), Some(Store::Azure));
        assert_eq!(store("https://logs.s3.us-west-2.amazonaws.com/x", "aws"), Some(Store::Aws));
        for (bad, provider) in [
            ("http://adallom.blob.core.windows.net/x", "azure"),
            ("https://adallom.blob.core.windows.net:8443/x", "azure"),
            ("https://a@adallom.blob.core.windows.net/x", "azure"),
            ("https://blob.core.windows.net.evil.com/x", "azure"),
            ("https://evil.com/.blob.core.windows.net", "azure"),
            ("https://logs.s3.amazonaws.com/x", "azure"),
            ("https://adallom.blob.core.windows.net/x", "aws"),
            ("https://adallom.blob.core.windows.net/x", ""),
            ("https://127.0.0.1/x", "azure"),
        ] {
            assert_eq!(store(bad, provider), None, "{bad} {provider}");
            assert!(!is_allowed(&Url::parse(bad).unwrap()), "{bad}");
        }
        assert!(!is_allowed(&Url::parse("https://adallom.blob.core.windows.net/x").unwrap()));
    }
}
