//! The tables of a directory: what its incidents left behind, and the every-day events between them.

use super::run::{Cell, Table};
use super::schemas::{ALERT_EVIDENCE, ALERT_INFO, Columns, DEVICE_INFO, EMAIL, FILE, IDENTITY, LOGON, NETWORK, PROCESS};
use crate::demo::content::Evidence;
use crate::demo::content::cast::Cast;
use crate::demo::content::names::Device;
use crate::demo::records::Alert;
use crate::demo::rng::{Rng, seed_of};
use crate::demo::world::Directory;
use crate::model::Product;
use chrono::{DateTime, TimeDelta, Utc};

/// The product that a table comes with. `None`: there is no such table.
pub(super) fn home(name: &str) -> Option<Product> {
    match name {
        "DeviceInfo" | "DeviceLogonEvents" | "DeviceProcessEvents" | "DeviceNetworkEvents" | "DeviceFileEvents" => {
            Some(Product::DefenderEndpoint)
        }
        "EmailEvents" | "IdentityLogonEvents" | "AlertInfo" | "AlertEvidence" => Some(Product::DefenderXdr),
        _ => None,
    }
}

/// A table of a directory, without regard to its licences; newest rows first.
pub(super) fn table(directory: &Directory, name: &str, now: DateTime<Utc>) -> Option<Table> {
    let (columns, rows): (Columns, Vec<Vec<Cell>>) = match name {
        "DeviceInfo" => (DEVICE_INFO, directory.devices.iter().map(|device| info(device, now)).collect()),
        "DeviceLogonEvents" => (LOGON, logons(directory, now)),
        "DeviceProcessEvents" => (PROCESS, processes(directory, now)),
        "DeviceNetworkEvents" => (NETWORK, connections(directory, now)),
        "DeviceFileEvents" => (FILE, stories(directory).into_iter().filter_map(|(cast, alert)| file(&cast, alert)).collect()),
        "EmailEvents" => (EMAIL, mails(directory, now)),
        "IdentityLogonEvents" => (IDENTITY, sign_ins(directory, now)),
        "AlertInfo" => (ALERT_INFO, stories(directory).into_iter().map(|(cast, alert)| alert_info(&cast, alert)).collect()),
        "AlertEvidence" => (ALERT_EVIDENCE, stories(directory).into_iter().flat_map(|(cast, alert)| evidence(&cast, alert)).collect()),
        _ => return None,
    };
    let mut table = Table { columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(), rows };
    table.rows.sort_by(
        |one, two| if let (Cell::Time(one), Cell::Time(two)) = (&one[0], &two[0]) { two.cmp(one) } else { std::cmp::Ordering::Equal },
    );
    Some(table)
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// Every alert with the cast of its story.
fn stories(directory: &Directory) -> Vec<(Cast<'_>, &Alert)> {
    let alerts = directory.records.incidents.values().flat_map(|incident| &incident.alerts).filter(|alert| alert.raw.is_none());
    alerts.map(|alert| (Cast::choose(directory, alert.scenario, alert.story), alert)).collect()
}

/// Times of every-day events of one device or person: some a day, the same whenever asked within a day.
fn moments(of: &str, a_day: u32, now: DateTime<Utc>) -> Vec<(DateTime<Utc>, Rng)> {
    let today = now.timestamp().div_euclid(86_400);
    let days = (today - 14)..=today;
    let moments = days.flat_map(|day| {
        let mut rng = Rng::new(seed_of(of) ^ day.unsigned_abs());
        (0..a_day).filter_map(move |_| {
            let at = DateTime::from_timestamp(day * 86_400 + rng.between(6 * 3600, 20 * 3600), 0)?;
            Some((at, Rng::new(rng.next())))
        })
    });
    moments.filter(|(at, _)| *at < now).collect()
}

fn info(device: &Device, now: DateTime<Utc>) -> Vec<Cell> {
    let healthy = !device.id.starts_with(['0', '1']);
    vec![
        Cell::Time(now - TimeDelta::minutes(35)),
        text(&device.id),
        text(&device.dns_name),
        text(device.os),
        text(device.version),
        text(&device.external_ip),
        text(device.group),
        text("Onboarded"),
        text(if healthy { "Active" } else { "Inactive" }),
        text(device.exposure),
        Cell::Bool(true),
    ]
}

fn logons(directory: &Directory, now: DateTime<Utc>) -> Vec<Vec<Cell>> {
    let of_device = |device: &Device| {
        let owner = directory.people.get(device.owner).map_or("", |person| person.account.as_str()).to_owned();
        let (id, name, domain, ip) = (device.id.clone(), device.dns_name.clone(), directory.domain().to_owned(), device.ip.clone());
        moments(&device.id, 2, now).into_iter().map(move |(at, mut rng)| {
            let action = if rng.one_in(9) { "LogonFailed" } else { "LogonSuccess" };
            vec![
                Cell::Time(at),
                text(&id),
                text(&name),
                text(action),
                text(*rng.pick(&["Interactive", "RemoteInteractive", "Network"])),
                text(&domain),
                text(&owner),
                text(&ip),
            ]
        })
    };
    directory.devices.iter().flat_map(of_device).collect()
}

/// Programs that run every day: file, folder, command line, parent.
const DAILY: &[(&str, &str, &str, &str)] = &[
    ("outlook.exe", "C:\\Program Files\\Microsoft Office\\root\\Office16", "\"outlook.exe\"", "explorer.exe"),
    ("msedge.exe", "C:\\Program Files (x86)\\Microsoft\\Edge\\Application", "\"msedge.exe\" --profile-directory=Default", "explorer.exe"),
    ("powershell.exe", "C:\\Windows\\System32\\WindowsPowerShell\\v1.0", "powershell.exe -File C:\\it\\inventory.ps1", "svchost.exe"),
    ("conhost.exe", "C:\\Windows\\System32", "conhost.exe 0xffffffff -ForceV1", "powershell.exe"),
    ("teams.exe", "C:\\Program Files\\Teams", "\"teams.exe\"", "explorer.exe"),
];

fn processes(directory: &Directory, now: DateTime<Utc>) -> Vec<Vec<Cell>> {
    let daily = directory.devices.iter().flat_map(|device| {
        let owner = directory.people.get(device.owner).map_or("", |person| person.account.as_str());
        moments(&format!("process {}", device.id), 3, now).into_iter().map(move |(at, mut rng)| {
            let (file, folder, command, parent) = *rng.pick(DAILY);
            let sha1 = Rng::new(seed_of(file)).hex(40);
            process(at, device, (file, folder, &sha1, command, parent), i64::from(rng.below(20_000)), owner)
        })
    });
    let story = stories(directory).into_iter().filter_map(|(cast, alert)| {
        let shows = alert.plan.evidence.contains(&Evidence::Process);
        let device = cast.device.filter(|_| shows)?;
        let about = (cast.scenario.file, "C:\\Users\\Public", cast.sha1.as_str(), cast.command.as_str(), "explorer.exe");
        Some(process(alert.created - TimeDelta::seconds(30), device, about, i64::from(cast.process_id), &cast.user.account))
    });
    daily.chain(story).collect()
}

fn process(at: DateTime<Utc>, device: &Device, about: (&str, &str, &str, &str, &str), id: i64, account: &str) -> Vec<Cell> {
    let (file, folder, sha1, command, parent) = about;
    vec![
        Cell::Time(at),
        text(&device.id),
        text(&device.dns_name),
        text("ProcessCreated"),
        text(file),
        text(folder),
        text(sha1),
        Cell::Number(id),
        text(command),
        text(account),
        text(parent),
    ]
}

fn connections(directory: &Directory, now: DateTime<Utc>) -> Vec<Vec<Cell>> {
    let row = |at, device: &Device, ip: &str, url: &str, program: &str| {
        vec![
            Cell::Time(at),
            text(&device.id),
            text(&device.dns_name),
            text("ConnectionSuccess"),
            text(ip),
            Cell::Number(443),
            text(url),
            text(program),
        ]
    };
    let daily = directory.devices.iter().flat_map(|device| {
        moments(&format!("net {}", device.id), 2, now).into_iter().map(move |(at, mut rng)| {
            let site = *rng.pick(&["outlook.office.example", "intranet.example", "updates.example"]);
            row(at, device, &format!("198.51.100.{}", rng.below(250)), site, "msedge.exe")
        })
    });
    let story = stories(directory).into_iter().filter_map(|(cast, alert)| {
        let device = cast.device.filter(|_| alert.plan.evidence.iter().any(|kind| matches!(kind, Evidence::Ip | Evidence::Url)))?;
        Some(row(alert.created - TimeDelta::seconds(20), device, &cast.ip, &cast.url, cast.scenario.file))
    });
    daily.chain(story).collect()
}

fn file(cast: &Cast<'_>, alert: &Alert) -> Option<Vec<Cell>> {
    let device = cast.device.filter(|_| alert.plan.evidence.contains(&Evidence::File))?;
    Some(vec![
        Cell::Time(alert.created - TimeDelta::seconds(45)),
        text(&device.id),
        text(&device.dns_name),
        text("FileCreated"),
        text(cast.scenario.file),
        text("C:\\Users\\Public"),
        text(&cast.sha1),
        text(&cast.sha256),
        text("msedge.exe"),
    ])
}

fn mails(directory: &Directory, now: DateTime<Utc>) -> Vec<Vec<Cell>> {
    let domain = directory.domain();
    let row = |at, id: String, sender: &str, ip: &str, to: &str, subject: &str, threat: &str| {
        vec![Cell::Time(at), text(id), text(sender), text(ip), text(to), text(subject), text("Delivered"), text(threat)]
    };
    let daily = directory.people.iter().flat_map(|person| {
        moments(&format!("mail {}", person.upn), 2, now).into_iter().map(move |(at, mut rng)| {
            let subject = *rng.pick(&["Minutes of Monday", "Lunch?", "Timesheet", "Offer 2026"]);
            row(at, rng.guid().to_string(), &format!("office@{domain}"), "192.0.2.25", &person.upn, subject, "")
        })
    });
    let story = stories(directory).into_iter().filter_map(|(cast, alert)| {
        alert.plan.evidence.contains(&Evidence::Mail).then(|| {
            let id = Rng::new(alert.seed).guid().to_string();
            row(alert.created - TimeDelta::seconds(60), id, cast.sender, &cast.ip, &cast.user.upn, cast.subject, "Phish")
        })
    });
    daily.chain(story).collect()
}

fn sign_ins(directory: &Directory, now: DateTime<Utc>) -> Vec<Vec<Cell>> {
    let row = |at, action: &str, upn: &str, name: &str, ip: &str| {
        vec![Cell::Time(at), text(action), text("Microsoft 365"), text("OAuth2:Token"), text(upn), text(name), text(ip)]
    };
    let daily = directory.people.iter().flat_map(|person| {
        moments(&format!("sign-in {}", person.upn), 2, now).into_iter().map(move |(at, mut rng)| {
            let action = if rng.one_in(12) { "LogonFailed" } else { "LogonSuccess" };
            row(at, action, &person.upn, &person.name, "192.0.2.10")
        })
    });
    let story = stories(directory).into_iter().filter_map(|(cast, alert)| {
        let shows = alert.plan.evidence.contains(&Evidence::User) && alert.plan.evidence.contains(&Evidence::Ip);
        shows.then(|| row(alert.created - TimeDelta::seconds(90), "LogonSuccess", &cast.user.upn, &cast.user.name, &cast.ip))
    });
    daily.chain(story).collect()
}

fn alert_info(cast: &Cast<'_>, alert: &Alert) -> Vec<Cell> {
    let plan = alert.plan;
    vec![
        Cell::Time(alert.created),
        text(&alert.id),
        text(alert.title.clone().unwrap_or_else(|| cast.fill(plan.title))),
        text(plan.category),
        text(plan.severity),
        text(plan.source.service()),
        text(plan.source.detection()),
    ]
}

fn evidence(cast: &Cast<'_>, alert: &Alert) -> Vec<Vec<Cell>> {
    let device = cast.device.map_or(Cell::Null, |device| text(&device.dns_name));
    let row = |kind: &Evidence| {
        let of = |wanted: &[Evidence], value: &str| if wanted.contains(kind) { text(value) } else { Cell::Null };
        let name = match kind {
            Evidence::User | Evidence::Colleague => "User",
            Evidence::Ip => "Ip",
            Evidence::Url => "Url",
            Evidence::File => "File",
            Evidence::Process => "Process",
            Evidence::Mailbox => "Mailbox",
            Evidence::Mail => "MailMessage",
            Evidence::Registry => "RegistryKey",
            Evidence::Group => "SecurityGroup",
        };
        let on_file = [Evidence::File, Evidence::Process];
        vec![
            Cell::Time(alert.created),
            text(&alert.id),
            text(name),
            of(&on_file, cast.scenario.file),
            of(&on_file, &cast.sha1),
            of(&[Evidence::Ip], &cast.ip),
            of(&[Evidence::User, Evidence::Mailbox], &cast.user.upn),
            device.clone(),
        ]
    };
    alert.plan.evidence.iter().map(row).collect()
}
