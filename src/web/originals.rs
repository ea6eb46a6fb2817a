//! Microsoft's own records and links, as pages show them.

use super::show::{When, visible};
use crate::model::{DirectoryId, Product};
use crate::store::incidents::Original;
use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

/// Of one record at most this much is put into a page.
const SHOWN: usize = 256 * 1024;

/// A record as Microsoft sent it, indented.
#[derive(Clone, Debug)]
pub struct OriginalText {
    /// The API's name.
    pub api: String,
    pub when: When,
    pub text: String,
    /// Only the beginning is shown.
    pub cut: bool,
}

impl OriginalText {
    /// Indents an original. What is not JSON is shown as it is.
    pub fn new(original: &Original, now: DateTime<Utc>) -> Self {
        let parsed: Option<Value> = serde_json::from_str(&original.body).ok();
        let mut text = parsed.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| original.body.clone());
        let cut = text.len() > SHOWN;
        if cut {
            text.truncate(text.floor_char_boundary(SHOWN));
        }
        let api = match (original.api.as_str(), original.api.parse::<Product>()) {
            // Graph tells of an alert twice: by itself and inside its incident.
            ("graph_incident", _) => format!("{}, inside its incident", Product::Graph.label()),
            (_, Ok(product)) => product.label().to_owned(),
            (other, Err(_)) => visible(other),
        };
        Self { api, when: When::new(original.updated_at, now), text: visible(&text), cut }
    }
}

/// Microsoft's portals for people in all its clouds, and the endings of customers' own ones.
const PORTALS: [&str; 6] = [
    "security.microsoft.com",
    "security.microsoft.us",
    "security.apps.mil",
    "portal.cloudappsecurity.com",
    "portal.cloudappsecuritygov.com",
    "portal.cloudappsecurity.us",
];

/// A link to Microsoft's portal that opens the right directory. Only `https` links to Microsoft's portals are links at all: the
/// address is part of what Microsoft sent.
pub fn portal_link(url: Option<&str>, directory: Option<DirectoryId>) -> Option<String> {
    let mut url = Url::parse(url?).ok()?;
    let host = url.host_str()?;
    let ours = PORTALS.iter().any(|portal| host == *portal || host.strip_suffix(portal).is_some_and(|rest| rest.ends_with('.')));
    if url.scheme() != "https" || !ours || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    if host.starts_with("security.") && !url.query_pairs().any(|(name, _)| name == "tid") {
        url.query_pairs_mut().append_pair("tid", &directory?.to_string());
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_go_to_microsofts_portals_and_name_the_directory() {
        let directory = DirectoryId::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee");
        let link = |url: &str| portal_link(Some(url), directory);
        assert_eq!(
            link("https://security.microsoft.com/incidents/7").as_deref(),
            Some("https://security.microsoft.com/incidents/7?tid=aaaabbbb-0000-cccc-1111-dddd2222eeee")
        );
        assert_eq!(
            link("https://security.microsoft.com/incidents/7?tid=x").as_deref(),
            Some("https://security.microsoft.com/incidents/7?tid=x")
        );
        for &cloud in crate::model::Cloud::ALL {
            assert!(link(&format!("https://{}/alerts/1", cloud.defender_portal())).is_some_and(|link| link.contains("?tid=")), "{cloud}");
        }
        for portal in ["contoso.portal.cloudappsecurity.com", "a.us1.portal.cloudappsecuritygov.com", "a.us1.portal.cloudappsecurity.us"] {
            assert!(link(&format!("https://{portal}/#/alerts/1")).is_some(), "{portal}");
        }
        for bad in [
            "javascript:alert(1)",
            "http://security.microsoft.com/",
            "https://evil.example/",
            "https://evilsecurity.microsoft.com/",
            "https://a:b@security.microsoft.com/",
            "x",
        ] {
            assert!(link(bad).is_none(), "{bad}");
        }
    }
}
