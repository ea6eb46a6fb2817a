//! Who and what plays in one story: chosen by its seed from the customer's people and devices.

use super::Scenario;
use super::names::{Device, Person};
use crate::demo::rng::Rng;
use crate::demo::world::Directory;

const PLACES: &[(&str, &str)] = &[
    ("Lagos", "Nigeria"),
    ("Tirana", "Albania"),
    ("Ho Chi Minh City", "Vietnam"),
    ("Bucharest", "Romania"),
    ("Caracas", "Venezuela"),
    ("Almaty", "Kazakhstan"),
    ("Jakarta", "Indonesia"),
    ("Riga", "Latvia"),
];
const APPS: &[&str] = &["Mail Merge Assistant", "PDF Sign Pro", "Calendar Booster", "Contact Sync 365", "Invoice Reader"];
const SUBJECTS: &[&str] = &[
    "Invoice 88213 overdue",
    "Your mailbox is almost full",
    "Shared document: Q4 salaries",
    "Voicemail from +44 20 7946 0991",
    "Action required: password expires today",
    "New purchase order",
    "Updated bank details of our supplier",
];
const SENDERS: &[&str] =
    &["accounts@invoices-portal.example", "no-reply@secure-mailbox.example", "hr@payroll-update.example", "scan@printer-office.example"];
const SITES: &[&str] = &["login-verify.example/o", "docs-share.example/view", "cdn-updates.example/a.js", "files-transfer.example/dl"];

/// The cast of one story.
pub struct Cast<'a> {
    pub directory: &'a Directory,
    pub scenario: &'static Scenario,
    pub user: &'a Person,
    pub colleague: &'a Person,
    /// Absent in a directory without devices.
    pub device: Option<&'a Device>,
    pub ip: String,
    city: &'static str,
    country: &'static str,
    app: &'static str,
    pub subject: &'static str,
    pub sender: &'static str,
    pub url: String,
    pub sha1: String,
    pub sha256: String,
    pub number: u32,
    pub process_id: u32,
    pub command: String,
}

impl<'a> Cast<'a> {
    pub fn choose(directory: &'a Directory, scenario: &'static Scenario, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let device = if directory.devices.is_empty() { None } else { Some(rng.pick(&directory.devices)) };
        let user = device.and_then(|device| directory.people.get(device.owner)).unwrap_or_else(|| rng.pick(&directory.people));
        let colleague = rng.pick(&directory.people);
        let (city, country) = *rng.pick(PLACES);
        let block = *rng.pick(&["203.0.113", "198.51.100", "192.0.2"]);
        let code = rng.hex(24);
        Self {
            directory,
            scenario,
            user,
            colleague,
            device,
            ip: format!("{block}.{}", 2 + rng.below(250)),
            city,
            country,
            app: *rng.pick(APPS),
            subject: *rng.pick(SUBJECTS),
            sender: *rng.pick(SENDERS),
            url: format!("https://{}?id={}", rng.pick(SITES), rng.hex(10)),
            // The same file turns up at several customers.
            sha1: Rng::new(crate::demo::rng::seed_of(scenario.file) ^ (seed % 3)).hex(40),
            sha256: Rng::new(crate::demo::rng::seed_of(scenario.file) ^ (seed % 3)).hex(64),
            number: 12 + rng.below(900),
            process_id: 1000 + rng.below(20_000),
            command: scenario.command.replace("{code}", &code),
        }
    }

    /// Fills the gaps of a text.
    pub fn fill(&self, text: &str) -> String {
        let number = self.number.to_string();
        let gaps = [
            ("{user}", self.user.name.as_str()),
            ("{upn}", self.user.upn.as_str()),
            ("{colleague}", self.colleague.name.as_str()),
            ("{device}", self.device_name()),
            ("{ip}", self.ip.as_str()),
            ("{city}", self.city),
            ("{country}", self.country),
            ("{app}", self.app),
            ("{subject}", self.subject),
            ("{sender}", self.sender),
            ("{file}", self.scenario.file),
            ("{url}", self.url.as_str()),
            ("{n}", number.as_str()),
            ("{company}", self.directory.name.as_str()),
        ];
        gaps.iter().fold(text.to_owned(), |text, (gap, value)| text.replace(gap, value))
    }

    /// Where the stranger is.
    pub const fn city(&self) -> &'static str {
        self.city
    }

    /// Two letters.
    pub fn country_code(&self) -> &'static str {
        let codes = [
            ("Nigeria", "NG"),
            ("Albania", "AL"),
            ("Vietnam", "VN"),
            ("Romania", "RO"),
            ("Venezuela", "VE"),
            ("Kazakhstan", "KZ"),
            ("Indonesia", "ID"),
        ];
        codes.iter().find(|(country, _)| *country == self.country).map_or("LV", |(_, code)| code)
    }

    /// The device's short name.
    pub fn device_name(&self) -> &str {
        self.device.map_or("an unmanaged device", |device| device.dns_name.split('.').next().unwrap_or_default())
    }
}
