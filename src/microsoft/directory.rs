//! Which directory a domain belongs to, by the public OpenID metadata Microsoft describes on the page "OpenID Connect on the Microsoft
//! identity platform".

use super::http::Outgoing;
use super::lanes::Service;
use super::{CallError, Client, clouds, odata, refusal, wire};
use crate::model::{Cloud, DirectoryId, Home};
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

/// A directory, and where it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub directory: DirectoryId,
    pub home: Home,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "wire::text")]
    issuer: Option<String>,
    /// `microsoftonline.com`, `microsoftonline.us`, `partner.microsoftonline.cn`.
    #[serde(default, deserialize_with = "wire::text")]
    cloud_instance_name: Option<String>,
    /// `NA`, `EU`, `AS`, `USGov` and so on.
    #[serde(default, deserialize_with = "wire::text")]
    tenant_region_scope: Option<String>,
    /// `GCC`, `DODCON` (GCC High), `DOD`; often absent.
    #[serde(default, deserialize_with = "wire::text")]
    tenant_region_sub_scope: Option<String>,
}

impl Metadata {
    fn found(&self) -> Option<Found> {
        let issuer = Url::parse(self.issuer.as_deref()?).ok()?;
        let directory = DirectoryId::parse(issuer.path_segments()?.next()?)?;
        Some(Found { directory, home: self.home() })
    }

    /// The sub-scope decides where there is one, then the cloud's name, then the region.
    fn home(&self) -> Home {
        let is = |member: &Option<String>, word: &str| member.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(word));
        let sub_scope = |word| is(&self.tenant_region_sub_scope, word);
        let instance = |word| is(&self.cloud_instance_name, word);
        match () {
            () if sub_scope("DODCON") => Home::In(Cloud::GccHigh),
            () if sub_scope("DOD") => Home::In(Cloud::Dod),
            () if sub_scope("GCC") => Home::In(Cloud::Gcc),
            () if instance("partner.microsoftonline.cn") => Home::China,
            () if instance("microsoftonline.us") || is(&self.tenant_region_scope, "USGov") => Home::UsGovernment,
            () if instance("microsoftonline.com") => Home::Worldwide,
            () => Home::Unsaid,
        }
    }
}

impl Client {
    /// Looks a domain up, without any credential. Sent once, without further tries: a person waits for it. The commercial login host tells
    /// of every cloud's directories, so it is asked too where the government's knows none.
    pub async fn find_directory(&self, cloud: Cloud, domain: &str, now: DateTime<Utc>) -> Result<Found, FindError> {
        let domain = domain_name(domain).ok_or(FindError::InvalidName)?;
        self.metadata(cloud, &domain, now).await
    }

    /// Where a directory lives, asked in the same way.
    pub async fn home(&self, cloud: Cloud, directory: DirectoryId, now: DateTime<Utc>) -> Result<Home, FindError> {
        let found = self.metadata(cloud, &directory.to_string(), now).await?;
        if found.directory == directory { Ok(found.home) } else { Err(CallError::Unexpected("it names another directory").into()) }
    }

    async fn metadata(&self, cloud: Cloud, segment: &str, now: DateTime<Utc>) -> Result<Found, FindError> {
        match self.metadata_of(cloud, segment, now).await {
            Err(FindError::NotFound) if clouds::login_host(cloud) != clouds::login_host(Cloud::Commercial) => {
                self.metadata_of(Cloud::Commercial, segment, now).await
            }
            answer => answer,
        }
    }

    async fn metadata_of(&self, cloud: Cloud, segment: &str, now: DateTime<Utc>) -> Result<Found, FindError> {
        let url = clouds::login_url(cloud, segment, "v2.0/.well-known/openid-configuration");
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
        metadata.and_then(|metadata| metadata.found()).ok_or(CallError::Unexpected("it names no directory").into())
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

    #[test]
    fn the_metadata_tells_the_cloud_as_far_as_it_says_anything() {
        let home = |json: &str| serde_json::from_str::<Metadata>(json).unwrap().home();
        for (json, expected) in [
            (
                r#"{"cloud_instance_name":"microsoftonline.us","tenant_region_scope":"USGov","tenant_region_sub_scope":"DODCON"}"#,
                Home::In(Cloud::GccHigh),
            ),
            (
                r#"{"cloud_instance_name":"microsoftonline.us","tenant_region_scope":"USGov","tenant_region_sub_scope":"DOD"}"#,
                Home::In(Cloud::Dod),
            ),
            (r#"{"cloud_instance_name":"microsoftonline.us","tenant_region_scope":"USGov"}"#, Home::UsGovernment),
            (
                r#"{"cloud_instance_name":"microsoftonline.com","tenant_region_scope":"NA","tenant_region_sub_scope":"GCC"}"#,
                Home::In(Cloud::Gcc),
            ),
            (r#"{"cloud_instance_name":"microsoftonline.com","tenant_region_scope":"EU"}"#, Home::Worldwide),
            (r#"{"cloud_instance_name":"microsoftonline.com","tenant_region_scope":"EU","tenant_region_sub_scope":null}"#, Home::Worldwide),
            (r#"{"cloud_instance_name":"partner.microsoftonline.cn"}"#, Home::China),
            (r#"{"cloud_instance_name":7}"#, Home::Unsaid),
            ("{}", Home::Unsaid),
        ] {
            assert_eq!(home(json), expected, "{json}");
        }
        assert!(Home::Worldwide.agrees(Cloud::Gcc) && !Home::Worldwide.agrees(Cloud::Dod) && Home::UsGovernment.agrees(Cloud::Dod));
        assert_eq!(Home::UsGovernment.suggestion(), Some(Cloud::GccHigh));
    }
}
