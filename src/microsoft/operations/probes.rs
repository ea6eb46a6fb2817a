//! The call that proves each permission, as data: the cheapest one that only reads.
//!
//! A permission is proven by the call for which it is the least that is enough; one call proves every permission that allows it. What
//! allows acting only cannot be tried without acting, and is not tried.

use super::{Operation, Way, all, cloud_apps, endpoint, graph, xdr};
use crate::model::Product;

/// A call made for its being allowed; what it brings is thrown away.
#[derive(Debug)]
pub struct Probe {
    pub operation: &'static Operation,
    /// Of the address.
    pub query: &'static [(&'static str, &'static str)],
    /// JSON.
    pub body: Option<&'static str>,
    pub(in crate::microsoft) shape: Shape,
    /// Its path needs the id of a device, which the list of devices tells.
    pub of_device: bool,
}

/// What a good answer looks like. A proxy's page must prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::microsoft) enum Shape {
    /// `{"value": […]}`. Microsoft's lists of devices and users answer 404 when they are empty.
    List,
    /// `{"data": […], "hasNext": …}`
    Envelope,
    /// `{"Results": […]}`, in Graph `{"results": […]}`.
    Results,
    /// An object or an array.
    Json,
}

/// How a permission can be proven.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    By(&'static Probe),
    /// Everything it allows changes something, or hands out keys to something.
    Acts,
    /// Watchfloor calls nothing that needs it.
    Unused,
}

const ONE: &[(&str, &str)] = &[("$top", "1")];
/// The cheapest query of the language: one row, no table read.
const QUERY: &str = r#"{"Query":"print Watchfloor = 1"}"#;

const fn list(operation: &'static Operation) -> Probe {
    Probe { operation, query: ONE, body: None, shape: Shape::List, of_device: false }
}

const fn envelope(operation: &'static Operation) -> Probe {
    Probe { operation, query: &[], body: Some(r#"{"skip":0,"limit":1}"#), shape: Shape::Envelope, of_device: false }
}

const fn hunt(operation: &'static Operation) -> Probe {
    Probe { operation, query: &[], body: Some(QUERY), shape: Shape::Results, of_device: false }
}

/// Every probe, in the order in which they are tried.
static PROBES: [Probe; 13] = [
    list(&xdr::INCIDENTS_LIST),
    hunt(&xdr::HUNTING_RUN),
    list(&endpoint::ALERTS_LIST),
    list(&endpoint::MACHINES_LIST),
    Probe { operation: &endpoint::MACHINES_USERS, query: &[], body: None, shape: Shape::List, of_device: true },
    list(&endpoint::INDICATORS_LIST),
    hunt(&endpoint::QUERY_RUN),
    envelope(&cloud_apps::ALERTS_LIST),
    envelope(&cloud_apps::SUBNETS_LIST),
    Probe { operation: &cloud_apps::DISCOVERY_REPORTS, query: &[], body: None, shape: Shape::Json, of_device: false },
    list(&graph::INCIDENTS_LIST),
    list(&graph::ALERTS_LIST),
    hunt(&graph::HUNTING_RUN),
];

impl Probe {
    /// Whether it costs a quota of processor time, so that it is made once a day at most.
    pub fn is_dear(&self) -> bool {
        self.operation.way == Way::Hunt
    }

    /// Whether this is the call by which the product is read.
    pub fn is_reading(&self) -> bool {
        std::ptr::eq(self.operation, reading(self.operation.product))
    }
}

/// The call by which a product is read.
pub const fn reading(product: Product) -> &'static Operation {
    match product {
        Product::DefenderXdr => &xdr::INCIDENTS_LIST,
        Product::DefenderEndpoint => &endpoint::ALERTS_LIST,
        Product::CloudApps => &cloud_apps::ALERTS_LIST,
        Product::Graph => &graph::INCIDENTS_LIST,
    }
}

/// The probe of the call by which a product is read.
pub fn of_reading(product: Product) -> &'static Probe {
    let found = PROBES.iter().find(|probe| probe.operation.product == product && probe.is_reading());
    found.unwrap_or(&PROBES[0])
}

/// How a permission of a product is proven. Its name is compared without case.
pub fn proof(product: Product, permission: &str) -> Proof {
    let ranked = PROBES.iter().filter(|probe| probe.operation.product == product);
    let best = ranked.filter_map(|probe| Some((probe.operation.rank(permission)?, probe))).min_by_key(|(rank, _)| *rank);
    if let Some((_, probe)) = best {
        return Proof::By(probe);
    }
    let known = all().any(|operation| operation.product == product && operation.rank(permission).is_some());
    if known { Proof::Acts } else { Proof::Unused }
}

/// In which order probes are tried: what another needs comes first.
pub fn order(probe: &Probe) -> usize {
    PROBES.iter().position(|other| std::ptr::eq(other, probe)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(product: Product, permission: &str) -> &'static str {
        match proof(product, permission) {
            Proof::By(probe) => probe.operation.name,
            Proof::Acts => "acts",
            Proof::Unused => "unused",
        }
    }

    #[test]
    fn no_probe_changes_anything_and_each_allows_what_it_proves() {
        for probe in &PROBES {
            assert_ne!(probe.operation.way, Way::Write, "{}", probe.operation.name);
            assert_eq!(probe.of_device, probe.operation.path().contains('{'), "{}", probe.operation.name);
            if let Some(body) = probe.body {
                assert!(serde_json::from_str::<serde_json::Value>(body).unwrap().is_object());
            }
        }
        for &product in Product::ALL {
            assert_eq!(of_reading(product).operation.name, reading(product).name);
        }
    }

    #[test]
    fn a_permission_is_proven_by_the_call_for_which_it_is_the_least() {
        let table = [
            (Product::DefenderXdr, "Incident.Read.All", "xdr.incidents.list"),
            (Product::DefenderXdr, "incident.readwrite.all", "xdr.incidents.list"),
            (Product::DefenderXdr, "AdvancedHunting.Read.All", "xdr.hunting.run"),
            (Product::DefenderEndpoint, "Alert.ReadWrite.All", "endpoint.alerts.list"),
            (Product::DefenderEndpoint, "Machine.ReadWrite.All", "endpoint.machines.list"),
            (Product::DefenderEndpoint, "User.Read.All", "endpoint.machines.users"),
            (Product::DefenderEndpoint, "Ti.ReadWrite.All", "endpoint.indicators.list"),
            (Product::DefenderEndpoint, "Machine.Isolate", "acts"),
            (Product::DefenderEndpoint, "Machine.CollectForensics", "acts"),
            (Product::DefenderEndpoint, "Machine.LiveResponse", "acts"),
            (Product::DefenderEndpoint, "Score.Read.All", "unused"),
            (Product::CloudApps, "Investigation.Manage", "cloud_apps.alerts.list"),
            (Product::CloudApps, "Discovery.Read", "cloud_apps.discovery.reports"),
            (Product::CloudApps, "Settings.Manage", "cloud_apps.subnets.list"),
            (Product::Graph, "SecurityAlert.ReadWrite.All", "graph.alerts.list"),
            (Product::Graph, "ThreatHunting.Read.All", "graph.hunting.run"),
            (Product::Graph, "Incident.Read.All", "unused"),
        ];
        for (product, permission, expected) in table {
            assert_eq!(by(product, permission), expected, "{permission}");
        }
    }

    #[test]
    fn every_permission_that_allows_a_reading_without_an_id_is_tried() {
        for operation in all().filter(|operation| operation.way != Way::Write && !operation.path().contains('{')) {
            // Hands out a key, or a script for a firewall.
            if ["cloud_apps.discovery.upload_url", "cloud_apps.discovery.block_script"].contains(&operation.name) {
                continue;
            }
            for permission in operation.permissions {
                assert_ne!(by(operation.product, permission), "acts", "{permission}");
            }
        }
    }
}
