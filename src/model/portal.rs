//! Links to Microsoft's portals for people. Each opens the right directory, whatever else the reader is signed in to.

use super::{Cloud, DirectoryId};
use url::Url;

/// The page of a record in the Defender portal: `["incidents", "7"]`.
pub fn page(cloud: Cloud, directory: DirectoryId, path: &[&str]) -> Option<String> {
    let mut url = Url::parse(&format!("https://{}/", cloud.defender_portal())).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    url.query_pairs_mut().append_pair("tid", &directory.to_string());
    Some(url.into())
}

/// A link that Microsoft sent with a record, as it may be shown: `None` unless it leads to a portal of one of these clouds. A record is
/// somebody else's text, so its link is no link unless it is `https`, to a host we know, with nothing odd in its authority; and of the
/// directory it says nothing that counts.
pub fn sent(url: Option<&str>, directory: Option<DirectoryId>, clouds: &[Cloud]) -> Option<String> {
    let mut url = Url::parse(url?).ok()?;
    let host = url.host_str()?;
    if url.scheme() != "https" || url.port().is_some() || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    if clouds.iter().any(|cloud| host == cloud.defender_portal()) {
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("tid"))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(others).append_pair("tid", &directory?.to_string());
        return Some(url.into());
    }
    let is_its_own = |cloud: &Cloud| host.strip_suffix(cloud_apps(*cloud)).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    clouds.iter().any(is_its_own).then(|| url.into())
}

/// The portal of Defender for Cloud Apps, and the ending of customers' own ones, which name their directory themselves.
const fn cloud_apps(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial => "portal.cloudappsecurity.com",
        Cloud::Gcc => "portal.cloudappsecuritygov.com",
        Cloud::GccHigh | Cloud::Dod => "portal.cloudappsecurity.us",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> DirectoryId {
        DirectoryId::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap()
    }

    #[test]
    fn each_clouds_pages_are_of_its_own_portal_for_the_right_directory_and_their_ids_encoded() {
        for (cloud, host, apps) in [
            (Cloud::Commercial, "security.microsoft.com", "contoso.us2.portal.cloudappsecurity.com"),
            (Cloud::Gcc, "security.microsoft.com", "agency.portal.cloudappsecuritygov.com"),
            (Cloud::GccHigh, "security.microsoft.us", "agency.us1.portal.cloudappsecurity.us"),
            (Cloud::Dod, "security.apps.mil", "agency.us1.portal.cloudappsecurity.us"),
        ] {
            let tid = format!("tid={}", directory());
            for (path, expected) in [
                (&["incidents"][..], "incidents"),
                (&["incidents", "7"], "incidents/7"),
                (&["alerts", "da7_-1"], "alerts/da7_-1"),
                (&["alerts", "x/../y?z#a"], "alerts/x%2F..%2Fy%3Fz%23a"),
                (&["alerts", "ü @"], "alerts/%C3%BC%20@"),
            ] {
                assert_eq!(page(cloud, directory(), path).unwrap(), format!("https://{host}/{expected}?{tid}"), "{cloud}");
            }
            for (url, expected) in [
                (format!("https://{host}/incidents/7"), format!("https://{host}/incidents/7?{tid}")),
                (format!("https://{host}/alerts/a%2Fb?x=1&y=%26"), format!("https://{host}/alerts/a%2Fb?x=1&y=%26&{tid}")),
                (format!("https://{host}/incidents/7?tid=evil&TID=evil"), format!("https://{host}/incidents/7?{tid}")),
                (format!("https://{apps}/#/alerts/603f"), format!("https://{apps}/#/alerts/603f")),
            ] {
                assert_eq!(sent(Some(&url), Some(directory()), &[cloud]).as_deref(), Some(expected.as_str()), "{cloud}");
            }
            assert_eq!(sent(Some(&format!("https://{host}/incidents/7")), None, &[cloud]), None, "{cloud}: for no directory in particular");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_link() {
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "http://security.microsoft.com/",
            "https://evil.example/",
            "https://evilsecurity.microsoft.com/",
            "https://evil.security.microsoft.com/",
            "https://security.microsoft.com.evil.example/",
            "https://evilportal.cloudappsecurity.com/",
            "https://a:b@security.microsoft.com/",
            "https://a@security.microsoft.com/",
            "https://security.microsoft.com:8443/",
            "//security.microsoft.com/",
            "https://security.microsoft.com@evil.example/",
            "x",
            "",
        ] {
            assert_eq!(sent(Some(bad), Some(directory()), Cloud::ALL), None, "{bad}");
        }
        for (elsewhere, cloud) in [
            ("https://security.microsoft.us/incidents/7", Cloud::Commercial),
            ("https://security.microsoft.com/incidents/7", Cloud::GccHigh),
            ("https://security.microsoft.com/incidents/7", Cloud::Dod),
            ("https://a.portal.cloudappsecurity.com/", Cloud::Gcc),
            ("https://a.portal.cloudappsecurity.us/", Cloud::Commercial),
        ] {
            assert_eq!(sent(Some(elsewhere), Some(directory()), &[cloud]), None, "{elsewhere} for {cloud}");
        }
    }
}
