//! The example customers by name. All companies are invented; their domains cannot exist.

use super::examples::{Example, ExampleKind, id_of};
use crate::model::{Cloud, Product};

const ALL: &[Product] = &[Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps];
/// Incidents and alerts through Microsoft Graph.
const GRAPH: &[Product] = &[Product::CloudApps, Product::Graph];
/// What the app asks for whose link comes back to nobody.
const LINKED: &[Product] = &[Product::DefenderXdr, Product::DefenderEndpoint];

/// One example as it is written down.
pub(super) struct Row {
    name: &'static str,
    domain: &'static str,
    kind: ExampleKind,
    cloud: Cloud,
    group: &'static str,
    tags: &'static [&'static str],
    contact: &'static str,
    products: &'static [Product],
    history: (i64, u32),
}

impl Row {
    pub fn example(&self) -> Example {
        let wrong = self.kind == ExampleKind::WrongDirectory;
        let other = wrong.then(|| {
            let domain = format!("holding-{}", self.domain);
            (format!("{} Holding", self.name), domain.clone(), id_of(&domain))
        });
        Example {
            name: self.name.to_owned(),
            domain: self.domain.to_owned(),
            directory_id: id_of(self.domain),
            kind: self.kind,
            cloud: self.cloud,
            group: self.group,
            tags: self.tags,
            contacts: vec![(self.contact.to_owned(), format!("it@{}", self.domain))],
            products: self.products,
            history: self.history,
            other,
        }
    }
}

const fn row(name: &'static str, domain: &'static str, kind: ExampleKind, contact: &'static str, history: (i64, u32)) -> Row {
    Row { name, domain, kind, cloud: Cloud::Commercial, group: "Standard", tags: &[], contact, products: ALL, history }
}

pub(super) static EXAMPLES: &[Row] = &[
    Row {
        group: "Premium",
        tags: &["manufacturing", "24x7"],
        ..row("Alderbrook Turbines", "alderbrook-turbines.example", ExampleKind::Healthy, "Solveig Marten", (30, 260))
    },
    Row {
        tags: &["retail"],
        products: &[Product::DefenderEndpoint],
        ..row("Pennywhistle Toys", "pennywhistle-toys.example", ExampleKind::OneProduct, "Rune Castell", (30, 60))
    },
    Row { tags: &["new"], ..row("Marrowfield Dairy", "marrowfield-dairy.example", ExampleKind::Pending, "Ottilie Brandt", (14, 20)) },
    Row { tags: &["new"], ..row("Quillon & Daughters", "quillon-law.example", ExampleKind::Declined, "Ignace Verhoef", (14, 15)) },
    Row {
        tags: &["logistics"],
        products: GRAPH,
        ..row("Saltmarsh Freight", "saltmarsh-freight.example", ExampleKind::LicenceMissing, "Bogdan Ilic", (30, 90))
    },
    Row {
        group: "Premium",
        tags: &["health"],
        ..row("Clinique du Val Perdu", "val-perdu.example", ExampleKind::PermissionMissing, "Maëlle Roussel", (30, 110))
    },
    Row {
        tags: &["finance"],
        ..row("Thornquist Savings", "thornquist-savings.example", ExampleKind::Throttled, "Hedda Nyqvist", (30, 80))
    },
    Row { ..row("Glasswing Studios", "glasswing-studios.example", ExampleKind::Revoked, "Tariq Benali", (30, 45)) },
    Row {
        tags: &["new"],
        ..row("Ostrava Copperworks", "ostrava-copperworks.example", ExampleKind::WrongDirectory, "Petra Havelková", (14, 25))
    },
    Row {
        tags: &["new"],
        products: LINKED,
        ..row("Harrowgate Optics", "harrowgate-optics.example", ExampleKind::Reported, "Imogen Sallow", (14, 20))
    },
    Row { tags: &["energy"], ..row("Kestrel Hydro", "kestrel-hydro.example", ExampleKind::Outgrown, "Anselm Borg", (30, 70)) },
    Row {
        group: "Premium",
        tags: &["new", "24x7"],
        ..row("Meridian Rail Group", "meridian-rail.example", ExampleKind::FirstSync, "Callum Iversen", (30, 6000))
    },
    Row {
        tags: &["education"],
        ..row("Fernhollow Academy", "fernhollow-academy.example", ExampleKind::Paused, "Noor Achterberg", (30, 50))
    },
    Row { ..row("Bluefin Canneries", "bluefin-canneries.example", ExampleKind::Offboarded, "João Farias", (30, 30)) },
    Row {
        cloud: Cloud::Gcc,
        group: "Public sector",
        tags: &["government"],
        ..row("Tamarack County", "tamarack-county.example", ExampleKind::Healthy, "Dolores Whitcomb", (30, 120))
    },
    Row {
        tags: &["hospitality"],
        products: GRAPH,
        ..row("Hotel Zum Kranich", "zum-kranich.example", ExampleKind::Healthy, "Leonhard Uhl", (30, 18))
    },
];
