//! Where a tenant's own data lives, when that is not the general address.

use super::Cloud;
use std::fmt;

super::words::words! {
    /// A region of Defender for Endpoint with an API host of its own (`us.api.security.microsoft.com`). Source: Microsoft's page
    /// "Supported Microsoft Defender for Endpoint APIs".
    Region {
        Us = "us",
        Eu = "eu",
        Uk = "uk",
        Au = "au",
        /// Switzerland.
        Swa = "swa",
        /// India.
        Ina = "ina",
        /// United Arab Emirates.
        Aea = "aea",
    }
}

impl Region {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Us => "United States",
            Self::Eu => "Europe",
            Self::Uk => "United Kingdom",
            Self::Au => "Australia",
            Self::Swa => "Switzerland",
            Self::Ina => "India",
            Self::Aea => "United Arab Emirates",
        }
    }
}

/// Where staff say that a tenant's Defender for Endpoint is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seat {
    /// At the general address.
    #[default]
    General,
    /// In the region that is found to answer fastest.
    Fastest,
    In(Region),
}

impl Seat {
    /// Reads "", "auto" or the word of a region.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" => Some(Self::General),
            "auto" => Some(Self::Fastest),
            word => word.parse().ok().map(Self::In),
        }
    }

    /// The region, where staff name one.
    pub const fn region(self) -> Option<Region> {
        match self {
            Self::In(region) => Some(region),
            Self::General | Self::Fastest => None,
        }
    }

    /// As it is written in forms, files and the API; the general address is empty.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::General => "",
            Self::Fastest => "auto",
            Self::In(region) => region.as_str(),
        }
    }
}

/// The endings of a tenant's own portal of Defender for Cloud Apps, by cloud. Source: Microsoft's page "Defender for Cloud Apps REST API"
/// (section "API URL"), and its pages for the government clouds.
const PORTALS: [&str; 3] = [".portal.cloudappsecurity.com", ".portal.cloudappsecuritygov.com", ".portal.cloudappsecurity.us"];
const PORTAL_REGIONS: [&str; 6] = ["us", "us1", "us2", "us3", "eu", "eu2"];

/// The host of a tenant's own portal of Defender for Cloud Apps: `contoso.us2.portal.cloudappsecurity.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct CloudAppsHost(String);

impl CloudAppsHost {
    /// Reads a host, or the address of the portal as people copy it from the browser. `None`: it is no such portal.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let host = text.strip_prefix("https://").unwrap_or(&text);
        let host = host.split(['/', '?', '#']).next().unwrap_or_default();
        let name = PORTALS.iter().find_map(|portal| host.strip_suffix(portal))?;
        let (tenant, region) = name.split_once('.')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let good = (1..=63).contains(&tenant.len()) && tenant.chars().all(plain) && !tenant.starts_with('-') && !tenant.ends_with('-');
        (good && PORTAL_REGIONS.contains(&region)).then(|| Self(host.to_owned()))
    }

    /// Whether it is a portal of this cloud.
    pub fn is_of(&self, cloud: Cloud) -> bool {
        let [commercial, gcc, government] = PORTALS;
        self.0.ends_with(match cloud {
            Cloud::Commercial => commercial,
            Cloud::Gcc => gcc,
            Cloud::GccHigh | Cloud::Dod => government,
        })
    }

    /// The host alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CloudAppsHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for CloudAppsHost {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("it is no portal of Defender for Cloud Apps")
    }
}

impl From<CloudAppsHost> for String {
    fn from(host: CloudAppsHost) -> Self {
        host.0
    }
}

/// Where a tenant's own data lives; what is not known is found at the general address, which works for everybody and is slower.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub endpoint: Option<Region>,
    pub cloud_apps: Option<CloudAppsHost>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_of_cloud_apps_is_read_from_its_host_or_address_and_nothing_else_is_one() {
        for (text, host) in [
            ("contoso.us2.portal.cloudappsecurity.com", "contoso.us2.portal.cloudappsecurity.com"),
            (" https://Contoso.EU.portal.cloudappsecurity.com/#/dashboard", "contoso.eu.portal.cloudappsecurity.com"),
            ("agency.us1.portal.cloudappsecurity.us", "agency.us1.portal.cloudappsecurity.us"),
        ] {
            assert_eq!(CloudAppsHost::parse(text).unwrap().as_str(), host);
        }
        for bad in [
            "",
            "portal.cloudappsecurity.com",
            "us.portal.cloudappsecurity.com",
            "contoso.xx.portal.cloudappsecurity.com",
            "contoso.us.portal.cloudappsecurity.com.evil.com",
            "a.b.us.portal.cloudappsecurity.com",
            "http://contoso.us.portal.cloudappsecurity.com",
            "contoso@evil.us.portal.cloudappsecurity.com",
            "contoso.us.portal.cloudappsecurity.com:8443",
            "-a.us.portal.cloudappsecurity.com",
        ] {
            assert!(CloudAppsHost::parse(bad).is_none(), "{bad}");
        }
    }
}
