//! The demo's example customers, and how Microsoft's side of each is set up.

use super::content::names::spare_company;
use super::examples_list::EXAMPLES;
use super::faults::{Fault, Times};
use super::hosts::Api;
use super::rng::{Rng, seed_of};
use super::world::{Directory, World};
use crate::model::{Cloud, DirectoryId, Product};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What an example shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExampleKind {
    /// Every product is read.
    Healthy,
    /// The customer has one product, and that one is read.
    OneProduct,
    /// Invited; nobody has consented yet.
    Pending,
    /// The administrator pressed Cancel.
    Declined,
    /// Consented once; since then a licence has ended.
    LicenceMissing,
    /// Consented to less than is asked for.
    PermissionMissing,
    /// Defender XDR always answers 429.
    Throttled,
    /// Consented once; since then the app has been removed.
    Revoked,
    /// Somebody consented from another directory than the one preset.
    WrongDirectory,
    /// A large past waits to be read for the first time.
    FirstSync,
    /// Consented; reading is to be paused in the portal.
    Paused,
    /// No longer a customer.
    Offboarded,
    /// Consented by a link that comes back to nobody, and says so.
    Reported,
    /// Consented before an app was given one more permission.
    Outgrown,
}

/// One example customer. The portal's side (registering it, in the state its kind names) is the caller's.
#[derive(Clone, Debug)]
pub struct Example {
    pub name: String,
    pub domain: String,
    pub directory_id: DirectoryId,
    pub kind: ExampleKind,
    pub cloud: Cloud,
    pub group: &'static str,
    pub tags: &'static [&'static str],
    /// Name and mail address.
    pub contacts: Vec<(String, String)>,
    /// What the portal is to read: the products whose apps the customer is asked to consent to.
    pub products: &'static [Product],
    /// Days and number of incidents of its past.
    pub history: (i64, u32),
    /// For `WrongDirectory`: name, domain and id of the directory that consented instead.
    pub other: Option<(String, String, DirectoryId)>,
}

impl Example {
    /// The directory the app is (or was) consented to in.
    pub fn consenting_directory(&self) -> DirectoryId {
        self.other.as_ref().map_or(self.directory_id, |(_, _, id)| *id)
    }
}

/// So many example customers of a cloud; among those of the commercial one is one of GCC. The first fourteen show one kind each; from
/// the seventeenth on they are healthy and invented.
pub fn examples(cloud: Cloud, count: usize) -> Vec<Example> {
    let listed = EXAMPLES.iter().map(super::examples_list::Row::example);
    let moved = |example: Example| if cloud == Cloud::Commercial { example } else { Example { cloud, ..example } };
    listed.chain((1..).map(spare)).map(moved).take(count).collect()
}

/// A directory id that always belongs to a domain.
pub(super) fn id_of(domain: &str) -> DirectoryId {
    DirectoryId(Rng::new(seed_of(domain)).guid())
}

fn spare(number: usize) -> Example {
    let name = spare_company(number);
    let label: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let domain = format!("{label}.example");
    Example {
        directory_id: id_of(&domain),
        contacts: vec![("IT desk".to_owned(), format!("it@{domain}"))],
        name,
        domain,
        kind: ExampleKind::Healthy,
        cloud: Cloud::Commercial,
        group: "Standard",
        tags: &[],
        products: &[Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps],
        history: (30, 40),
        other: None,
    }
}

fn directory(cloud: Cloud, id: DirectoryId, name: &str, domain: &str) -> Directory {
    let mut directory = Directory::new(id, name, domain);
    directory.cloud = cloud;
    if cloud != Cloud::Commercial {
        "NA".clone_into(&mut directory.region);
    }
    directory
}

/// Sets up Microsoft's side of an example: directory, licences, consent to those of `apps` that ask for its products, past, and
/// what goes wrong there. The apps must be registered before.
pub fn prepare(world: &mut World, example: &Example, apps: &[Uuid], now: DateTime<Utc>) {
    let id = example.directory_id;
    let mut directory = directory(example.cloud, id, &example.name, &example.domain);
    directory.licences = example.products.iter().copied().chain([Product::Graph]).collect();
    world.add_directory(directory);
    let (days, incidents) = example.history;
    world.seed_history(id, days, incidents, now);
    let asks = |world: &World, app: &Uuid| {
        world.apps.get(app).is_some_and(|app| app.roles.iter().any(|(product, _)| example.products.contains(product)))
    };
    let apps: Vec<Uuid> = apps.iter().filter(|app| asks(world, app)).copied().collect();
    if let Some((name, domain, other)) = &example.other {
        world.add_directory(self::directory(example.cloud, *other, name, domain));
    }
    if !matches!(example.kind, ExampleKind::Pending | ExampleKind::Declined | ExampleKind::Revoked | ExampleKind::Offboarded) {
        for app in &apps {
            world.grant(example.consenting_directory(), *app);
        }
    }
    match example.kind {
        ExampleKind::LicenceMissing => {
            world.set_licences(id, &[Product::DefenderXdr, Product::DefenderEndpoint, Product::Graph]);
        }
        ExampleKind::PermissionMissing => {
            for app in &apps {
                world.drop_role(id, *app, "Alert.Read.All");
                world.drop_role(id, *app, "Alert.ReadWrite.All");
            }
        }
        // The permission that the app for hunting was given last.
        ExampleKind::Outgrown => apps.iter().for_each(|app| world.drop_role(id, *app, "AdvancedQuery.Read.All")),
        ExampleKind::Healthy => world.seed_actions(id, now),
        ExampleKind::Throttled => world.fault(id, Api::DefenderXdr, Fault::Throttle(Some("120".to_owned())), Times::Forever),
        _ => {}
    }
}
