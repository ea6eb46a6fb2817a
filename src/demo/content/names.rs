//! Invented people and devices of a company.

use crate::demo::rng::Rng;
use uuid::Uuid;

const FIRST: &[&str] = &[
    "Amara",
    "Benedikt",
    "Chloé",
    "Dilan",
    "Elif",
    "Farid",
    "Greta",
    "Hiroshi",
    "Ines",
    "Joris",
    "Katarzyna",
    "Luca",
    "Maeve",
    "Noor",
    "Oskar",
    "Priya",
    "Quentin",
    "Rosa",
    "Sibusiso",
    "Tomás",
    "Ulla",
    "Viktor",
    "Wen",
    "Ximena",
    "Yusuf",
    "Zofia",
];
const LAST: &[&str] = &[
    "Adeyemi",
    "Bergström",
    "Castellanos",
    "Dubois",
    "Engel",
    "Fiore",
    "Grunwald",
    "Hakimi",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakagawa",
    "O'Brien",
    "Petrov",
    "Quiroga",
    "Rossi",
    "Schuster",
    "Tanaka",
    "Ueda",
    "van Dijk",
    "Weiss",
    "Yilmaz",
];
const KINDS: &[(&str, &str, &str, &str, i64)] = &[
    ("LT", "Windows11", "23H2", "x64", 22631),
    ("LT", "Windows11", "24H2", "x64", 26100),
    ("WS", "Windows10", "22H2", "x64", 19045),
    ("SRV", "WindowsServer2022", "21H2", "x64", 20348),
    ("SRV", "WindowsServer2019", "1809", "x64", 17763),
    ("MAC", "macOS", "14.5", "arm64", 23),
];

/// Somebody who appears in stories.
#[derive(Clone)]
pub struct Person {
    pub object_id: Uuid,
    pub name: String,
    /// The part before the `@`.
    pub account: String,
    pub upn: String,
    pub sid: String,
}

impl Person {
    /// The number keeps two people of one name apart.
    pub fn invent(rng: &mut Rng, domain: &str, number: usize) -> Self {
        let (first, last) = (*rng.pick(FIRST), *rng.pick(LAST));
        let plain = |text: &str| text.chars().filter_map(ascii).collect::<String>().to_ascii_lowercase();
        let account = format!("{}.{}{}", plain(first), plain(last), if number > 9 { number.to_string() } else { String::new() });
        Self {
            object_id: rng.guid(),
            name: format!("{first} {last}"),
            upn: format!("{account}@{domain}"),
            account,
            sid: format!(
                "S-1-5-21-{}-{}-{}-{}",
                rng.below(2_000_000_000),
                rng.below(2_000_000_000),
                rng.below(2_000_000_000),
                1100 + number
            ),
        }
    }
}

/// A letter as it stands in a mail address.
fn ascii(c: char) -> Option<char> {
    match c {
        'é' => Some('e'),
        'á' => Some('a'),
        'ö' => Some('o'),
        other => other.is_ascii_alphanumeric().then_some(other),
    }
}

/// A device that reports to Defender for Endpoint.
#[derive(Clone)]
pub struct Device {
    /// 40 hexadecimal digits.
    pub id: String,
    pub dns_name: String,
    pub os: &'static str,
    pub version: &'static str,
    pub processor: &'static str,
    pub build: i64,
    pub ip: String,
    pub external_ip: String,
    pub aad_id: Uuid,
    pub risk: &'static str,
    pub exposure: &'static str,
    pub group: &'static str,
    /// Index into the directory's people.
    pub owner: usize,
}

impl Device {
    pub fn invent(rng: &mut Rng, domain: &str, number: usize, people: &[Person]) -> Self {
        let (prefix, os, version, processor, build) = *rng.pick(KINDS);
        let label: String = domain.chars().filter(char::is_ascii_alphanumeric).take(4).collect::<String>().to_ascii_uppercase();
        Self {
            id: rng.hex(40),
            dns_name: format!("{}-{label}-{:03}.{domain}", prefix, 100 + number * 7 + rng.below(6) as usize).to_ascii_lowercase(),
            os,
            version,
            processor,
            build,
            ip: format!("10.{}.{}.{}", rng.below(40), rng.below(250), 2 + rng.below(250)),
            external_ip: format!("198.51.100.{}", 2 + rng.below(250)),
            aad_id: rng.guid(),
            risk: *rng.pick(&["None", "Low", "Medium", "High"]),
            exposure: *rng.pick(&["Low", "Medium", "High"]),
            group: *rng.pick(&["Workplaces", "Servers", "Field staff"]),
            owner: rng.below(u32::try_from(people.len()).unwrap_or(1)) as usize,
        }
    }
}

/// The name of a further invented company.
pub fn spare_company(number: usize) -> String {
    const PLACES: &[&str] = &["Harrow", "Linden", "Copper", "Juniper", "Raven", "Silver", "Willow", "Amber", "Cedar", "Falcon"];
    const TRADES: &[&str] = &["Foods", "Logistics", "Clinics", "Textiles", "Optics", "Printing", "Insurance", "Timber", "Media", "Works"];
    let (place, trade) = (PLACES[number % PLACES.len()], TRADES[number / PLACES.len() % TRADES.len()]);
    format!("{place} {trade} {number}")
}
