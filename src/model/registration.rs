//! What staff say of a tenant, checked: the same rules for the form, the import, the API and the command line.

use super::{Cloud, CloudAppsHost, DirectoryId, Seat, visible};

/// What staff say of a tenant, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub name: String,
    /// `None`: to be learnt at consent.
    pub directory: Option<DirectoryId>,
    pub domain: Option<String>,
    pub cloud: Cloud,
    /// Where its Defender for Endpoint is asked.
    pub region: Seat,
    /// Its own portal of Defender for Cloud Apps; `None`: the general address.
    pub cloud_apps_host: Option<CloudAppsHost>,
    /// Names of configured apps of this cloud; at least one.
    pub apps: Vec<String>,
    pub tags: Vec<String>,
    pub group: Option<String>,
    pub contacts: String,
    pub notes: String,
}

/// The same as it was typed. Absent and empty mean the same, but for `apps`.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    pub name: String,
    pub directory: String,
    pub domain: String,
    pub cloud: String,
    /// "auto", the word of a region, or nothing for the general address.
    pub region: String,
    /// A host, or the portal's address as it is copied from the browser.
    pub cloud_apps_host: String,
    /// `None`: every app of the cloud.
    pub apps: Option<Vec<String>>,
    /// Separated by commas or semicolons.
    pub tags: String,
    pub group: String,
    pub contacts: String,
    pub notes: String,
}

/// What is wrong with one field, as a sentence that repeats nothing of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub field: &'static str,
    pub why: &'static str,
}

impl Raw {
    /// Checks every field. `known` are the configured apps with their clouds.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the form.
    pub fn check(&self, known: &[(&str, Cloud)]) -> Result<Registration, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut keep = |field, checked: Result<(), &'static str>| {
            if let Err(why) = checked {
                wrong.push(Wrong { field, why });
            }
        };
        let name = self.name.trim();
        keep("name", visible::name(name));
        let directory = directory(&self.directory);
        keep("directory", directory.map(drop));
        let domain = domain(&self.domain);
        keep("domain", domain.as_ref().map(drop).map_err(|why| *why));
        let cloud = cloud(&self.cloud);
        keep("cloud", cloud.map(drop));
        let region = region(&self.region, cloud);
        keep("region", region.map(drop));
        let host = host(&self.cloud_apps_host, cloud);
        keep("cloud_apps_host", host.as_ref().map(drop).map_err(|why| *why));
        let apps = cloud.map_err(|_| "").and_then(|cloud| apps(self.apps.as_deref(), cloud, known));
        keep("apps", apps.as_ref().map(drop).map_err(|why| *why).or_else(|why| if why.is_empty() { Ok(()) } else { Err(why) }));
        let tags = tags(&self.tags);
        keep("tags", tags.as_ref().map(drop).map_err(|why| *why));
        let group = self.group.trim();
        keep("group", if group.is_empty() { Ok(()) } else { visible::line(group, 80) });
        keep("contacts", visible::text(&self.contacts, 2_000));
        keep("notes", visible::text(&self.notes, 10_000));
        match (directory, domain, cloud, apps, tags, (region, host)) {
            (Ok(directory), Ok(domain), Ok(cloud), Ok(apps), Ok(tags), (Ok(region), Ok(cloud_apps_host))) if wrong.is_empty() => {
                Ok(Registration {
                    name: name.to_owned(),
                    directory,
                    domain,
                    cloud,
                    region,
                    cloud_apps_host,
                    apps,
                    tags,
                    group: (!group.is_empty()).then(|| group.to_owned()),
                    contacts: lines(&self.contacts),
                    notes: lines(&self.notes),
                })
            }
            _ => Err(wrong),
        }
    }
}

fn directory(text: &str) -> Result<Option<DirectoryId>, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    DirectoryId::parse(text).map(Some).ok_or("A directory id is a GUID of 36 characters, and not that of Microsoft's personal accounts.")
}

/// A host name with at least one dot, in lower case.
fn domain(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.trim().to_ascii_lowercase();
    if text.is_empty() {
        return Ok(None);
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let named = text.rsplit('.').next().is_some_and(|top| top.bytes().any(|b| b.is_ascii_alphabetic()));
    if text.len() <= 253 && text.contains('.') && named && text.split('.').all(label) {
        Ok(Some(text))
    } else {
        Err("A domain looks like contoso.com or contoso.onmicrosoft.com.")
    }
}

fn cloud(text: &str) -> Result<Cloud, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" => Ok(Cloud::Commercial),
        word => word.parse().map_err(|_| "The cloud is commercial, gcc, gcc_high or dod."),
    }
}

fn region(text: &str, cloud: Result<Cloud, &'static str>) -> Result<Seat, &'static str> {
    let seat = Seat::parse(text).ok_or("The region is auto, us, eu, uk, au, swa, ina or aea; or nothing for the general address.")?;
    let government = cloud.is_ok_and(|cloud| cloud != Cloud::Commercial);
    if government && seat != Seat::General { Err("Government clouds have no regions.") } else { Ok(seat) }
}

fn host(text: &str, cloud: Result<Cloud, &'static str>) -> Result<Option<CloudAppsHost>, &'static str> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let host = CloudAppsHost::parse(text).ok_or("The portal looks like contoso.us2.portal.cloudappsecurity.com.")?;
    let fits = cloud.map_or(true, |cloud| host.is_of(cloud));
    if fits { Ok(Some(host)) } else { Err("This portal is one of another cloud than the tenant's.") }
}

fn apps(chosen: Option<&[String]>, cloud: Cloud, known: &[(&str, Cloud)]) -> Result<Vec<String>, &'static str> {
    let of_cloud: Vec<&str> = known.iter().filter(|(_, of)| *of == cloud).map(|(name, _)| *name).collect();
    if of_cloud.is_empty() {
        return Err("No app is configured for this cloud.");
    }
    let Some(chosen) = chosen else { return Ok(of_cloud.into_iter().map(str::to_owned).collect()) };
    if chosen.is_empty() {
        return Err("Choose at least one app.");
    }
    if chosen.iter().any(|name| !of_cloud.contains(&name.as_str())) {
        return Err("An app is not configured for this cloud.");
    }
    // In the order of the configuration, each once.
    Ok(of_cloud.into_iter().filter(|name| chosen.iter().any(|chosen| chosen == name)).map(str::to_owned).collect())
}

fn tags(text: &str) -> Result<Vec<String>, &'static str> {
    let tags = visible::each_once(text.split([',', ';']));
    tags.iter().try_for_each(|tag| visible::line(tag, 40))?;
    if tags.len() > 20 { Err("At most 20 tags.") } else { Ok(tags) }
}

fn lines(text: &str) -> String {
    text.trim().replace("\r\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPS: &[(&str, Cloud)] = &[("defender", Cloud::Commercial), ("writer", Cloud::Commercial), ("gov", Cloud::GccHigh)];

    fn raw(name: &str) -> Raw {
        Raw { name: name.to_owned(), ..Raw::default() }
    }

    fn why(raw: &Raw) -> Vec<&'static str> {
        raw.check(APPS).err().unwrap_or_default().into_iter().map(|wrong| wrong.field).collect()
    }

    #[test]
    fn a_name_alone_is_enough_and_asks_for_every_app_of_the_commercial_cloud() {
        let tenant = raw("  Contoso GmbH & Co. ").check(APPS).unwrap();
        assert_eq!((tenant.name.as_str(), tenant.cloud, tenant.directory), ("Contoso GmbH & Co.", Cloud::Commercial, None));
        assert_eq!(tenant.apps, ["defender", "writer"]);
    }

    #[test]
    fn names_that_cannot_be_told_apart_are_refused() {
        for bad in [
            "",
            "   ",
            "...",
            "Con\u{200b}toso",
            "Contoso\u{202e}",
            "a\0b",
            "a\nb",
            "a\tb",
            "C\u{43e}ntoso",
            "👨\u{200d}👩\u{200d}👧",
            &format!("e{}", "\u{301}".repeat(500)),
            &"x".repeat(121),
        ] {
            assert_eq!(why(&raw(bad)), ["name"], "{bad:?}");
        }
        for good in ["Контосо", "Ünïcode 株式会社", "'; DROP TABLE alerts;--", "{{7*7}}", "=1+1", "CON", "Contoso 🙂", &"é".repeat(120)]
        {
            assert_eq!(why(&raw(good)), Vec::<&str>::new(), "{good:?}");
        }
    }

    #[test]
    fn a_domain_is_a_host_name_and_nothing_that_could_steer_a_url() {
        let of = |domain: &str| Raw { domain: domain.to_owned(), ..raw("x") };
        assert_eq!(of(" Contoso.OnMicrosoft.com ").check(APPS).unwrap().domain.as_deref(), Some("contoso.onmicrosoft.com"));
        for bad in [
            "contoso",
            "organizations",
            "contoso.com/../common",
            "guid%2f..%2fcommon",
            "a@evil.com",
            "-a.com",
            "a..com",
            "a.com.",
            "127.0.0.1",
            "a b.com",
            "contoso。com",
            &format!("{}.com", "a".repeat(64)),
        ] {
            assert_eq!(why(&of(bad)), ["domain"], "{bad}");
        }
    }

    #[test]
    fn apps_must_be_configured_for_the_cloud() {
        let of = |cloud: &str, apps: &[&str]| Raw {
            cloud: cloud.to_owned(),
            apps: Some(apps.iter().map(|app| (*app).to_owned()).collect()),
            ..raw("x")
        };
        assert_eq!(of("", &["writer", "defender", "writer"]).check(APPS).unwrap().apps, ["defender", "writer"]);
        assert_eq!(of("GCC_High", &["gov"]).check(APPS).unwrap().cloud, Cloud::GccHigh);
        assert_eq!(why(&of("gcc_high", &["defender"])), ["apps"]);
        assert_eq!(why(&of("", &[])), ["apps"]);
        assert_eq!(why(&of("dod", &["gov"])), ["apps"]);
        assert_eq!(why(&of("moon", &["gov"])), ["cloud"]);
    }

    #[test]
    fn a_region_and_a_portal_must_be_ones_of_the_tenants_cloud() {
        let of = |cloud: &str, region: &str, host: &str| Raw {
            cloud: cloud.to_owned(),
            region: region.to_owned(),
            cloud_apps_host: host.to_owned(),
            ..raw("x")
        };
        let good = of("", " EU ", "contoso.us2.portal.cloudappsecurity.com").check(APPS).unwrap();
        assert_eq!(
            (good.region, good.cloud_apps_host.unwrap().as_str()),
            (Seat::In(super::super::Region::Eu), "contoso.us2.portal.cloudappsecurity.com")
        );
        assert_eq!(of("", "auto", "").check(APPS).unwrap().region, Seat::Fastest);
        assert!(of("gcc_high", "", "agency.us1.portal.cloudappsecurity.us").check(APPS).is_ok());
        assert_eq!(why(&of("", "moon", "evil.com")), ["region", "cloud_apps_host"]);
        assert_eq!(why(&of("gcc_high", "auto", "contoso.us2.portal.cloudappsecurity.com")), ["region", "cloud_apps_host"]);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let raw = Raw {
            directory: "9188040d-6c67-4c5b-b112-36a304b66dad".to_owned(),
            tags: "ok, Ok;a\u{200b}".to_owned(),
            notes: "a\0".to_owned(),
            ..raw("")
        };
        assert_eq!(why(&raw), ["name", "directory", "tags", "notes"]);
    }
}
