//! Defender XDR. Sources: Microsoft's pages "List incidents API", "Get incident information API", "Update incidents API" and "Advanced
//! hunting API" of Microsoft Defender XDR.

use super::{Budget, Operation, Way};
use crate::model::Product;

const READ: &[&str] = &["Incident.Read.All", "Incident.ReadWrite.All"];
const WRITE: &[&str] = &["Incident.ReadWrite.All"];

static LIST: Budget = Budget::new("xdr incidents list", 50, 1500);
static GET: Budget = Budget::new("xdr incident get", 100, 1500);
static UPDATE: Budget = Budget::new("xdr incident update", 50, 1500);
/// At least 45 a minute; a quota of processor time comes on top and is told by a 429.
static HUNTING: Budget = Budget::new("xdr hunting", 45, 1500);

const fn of(name: &'static str, call: &'static str, permissions: &'static [&'static str], budget: &'static Budget, way: Way) -> Operation {
    Operation::new(name, Product::DefenderXdr, call, permissions, budget, way)
}

pub static INCIDENTS_LIST: Operation = of("xdr.incidents.list", "GET incidents", READ, &LIST, Way::Read);
pub static INCIDENTS_GET: Operation = of("xdr.incidents.get", "GET incidents/{id}", READ, &GET, Way::Read);
pub static INCIDENTS_UPDATE: Operation = of("xdr.incidents.update", "PATCH incidents/{id}", WRITE, &UPDATE, Way::Write);
pub static HUNTING_RUN: Operation = of("xdr.hunting.run", "POST advancedhunting/run", &["AdvancedHunting.Read.All"], &HUNTING, Way::Hunt);

pub(super) const ALL: &[&Operation] = &[&INCIDENTS_LIST, &INCIDENTS_GET, &INCIDENTS_UPDATE, &HUNTING_RUN];
