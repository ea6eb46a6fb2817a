//! Which directory a domain belongs to, by the public OpenID metadata Microsoft describes on the page "OpenID Connect on the Microsoft
//! identity platform".

use super::http::Outgoing;
use super::lanes::Service;
use super::{CallError, Client, clouds, odata, refusal, wire};
use crate::model::{Cloud, DirectoryId};
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;
use url::{Host, Url};

/// Why no directory was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// The text is no domain name such as `contoso.com`. Nothing was sent.
    #[error("this is not a domain name")]
    InvalidName,
    /// Microsoft knows no directory with this domain in this cloud.
    #[error("Microsoft knows no directory with this domain in this cloud")]
    NotFound,
    #[error(transparent)]
    Call(#[from] CallError),
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "wire::text")]
    issuer: Option<String>,
}

impl Client {
    /// Looks a domain up, without any credential. Sent once, without further tries: a person waits for it.
    pub async fn find_directory(&self, cloud: Cloud, domain: &str, now: DateTime<Utc>) -> Result<DirectoryId, FindError> {
        let domain = domain_name(domain).ok_or(FindError::InvalidName)?;
        let url = clouds::login_url(cloud, &domain, "v2.0/.well-known/openid-configuration");
        let outgoing = Outgoing::new(Method::GET, url);
        let places = self.lanes().places(Service::Login);
        let _place = places.acquire().await;
        let answer = self.http().send(&outgoing, now).await?;
        match answer.status {
            200 => {}
            429 => return Err(CallError::Throttled { retry_after: answer.retry_after }.into()),
            status @ 500.. => return Err(CallError::Server { status }.into()),
            404 => return Err(FindError::NotFound),
            _ => {
                return Err(match refusal::read_refusal(&answer.body) {
                    CallError::ConsentLost { aadsts: Some(90_002) } | CallError::Entra { aadsts: Some(900_023 | 50_059), .. } => {
                        FindError::NotFound
                    }
                    other => other.into(),
                });
            }
        }
        let metadata: Option<Metadata> = serde_json::from_str(odata::object(&answer.body)?).ok();
        let issuer = metadata.and_then(|metadata| metadata.issuer).and_then(|issuer| Url::parse(&issuer).ok());
        let directory = issuer.as_ref().and_then(|issuer| issuer.path_segments()?.next()).and_then(DirectoryId::parse);
        directory.ok_or(CallError::Unexpected("it names no directory").into())
    }
}

/// The domain in its ASCII form, or `None` when it is no name of at least two labels.
fn domain_name(text: &str) -> Option<String> {
    let text = text.trim();
    let Host::Domain(domain) = Host::parse(text).ok()? else { return None };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (!text.contains('%') && domain.len() <= 253 && domain.contains('.') && domain.split('.').all(label)).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_domain_name_is_looked_up() {
        for (good, expected) in [
            ("contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
            (" Contoso.COM ", "contoso.com"),
            ("m\u{fc}ller.de", "xn--mller-kva.de"),
        ] {
            assert_eq!(domain_name(good).as_deref(), Some(expected));
        }
        for bad in [
            "",
            " ",
            "common",
            "organizations",
            "contoso.com/../common",
            "contoso.com%2f..",
            "a.b%2ec",
            "guid@evil.com",
            "contoso.com:443",
            "127.0.0.1",
            "127.1",
            "[::1]",
            "contoso..com",
            ".contoso.com",
            "contoso.com.",
            "-a.com",
            "a_b.com",
            "con toso.com",
            "contoso.com?x=1",
            "contoso.com#x",
        ] {
            assert_eq!(domain_name(bad), None, "{bad}");
        }
        assert_eq!(domain_name(&format!("{}.com", "a".repeat(64))), None);
        assert_eq!(domain_name(&format!("{}com", "a.".repeat(130))), None);
    }
}
