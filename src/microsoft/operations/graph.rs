//! Microsoft Graph security. Sources: Microsoft's pages on the incident, alert and hunting resources of the Graph security API, and "Microsoft
//! Graph service-specific throttling limits": 150 calls a minute per app and tenant.

use super::{Budget, Operation, Way};
use crate::model::Product;

const INCIDENT_READ: &[&str] = &["SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"];
const INCIDENT_WRITE: &[&str] = &["SecurityIncident.ReadWrite.All"];
const ALERT_READ: &[&str] = &["SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"];
const ALERT_WRITE: &[&str] = &["SecurityAlert.ReadWrite.All"];

static SECURITY: Budget = Budget::new("graph security", 150, 9000);
/// Not documented for hunting; the limit of the same service's own API is kept.
static HUNTING: Budget = Budget::new("graph hunting", 45, 1500);

const fn read(name: &'static str, call: &'static str, permissions: &'static [&'static str]) -> Operation {
    Operation::new(name, Product::Graph, call, permissions, &SECURITY, Way::Read)
}

const fn write(name: &'static str, call: &'static str, permissions: &'static [&'static str]) -> Operation {
    Operation::new(name, Product::Graph, call, permissions, &SECURITY, Way::Write)
}

pub static INCIDENTS_LIST: Operation = read("graph.incidents.list", "GET security/incidents", INCIDENT_READ);
pub static INCIDENTS_GET: Operation = read("graph.incidents.get", "GET security/incidents/{id}", INCIDENT_READ);
pub static INCIDENTS_ALERTS: Operation = read("graph.incidents.alerts", "GET security/incidents/{id}/alerts", INCIDENT_READ);
pub static INCIDENTS_UPDATE: Operation = write("graph.incidents.update", "PATCH security/incidents/{id}", INCIDENT_WRITE);
pub static INCIDENTS_COMMENT: Operation = write("graph.incidents.comment", "POST security/incidents/{id}/comments", INCIDENT_WRITE);
pub static ALERTS_LIST: Operation = read("graph.alerts.list", "GET security/alerts_v2", ALERT_READ);
pub static ALERTS_GET: Operation = read("graph.alerts.get", "GET security/alerts_v2/{id}", ALERT_READ);
pub static ALERTS_UPDATE: Operation = write("graph.alerts.update", "PATCH security/alerts_v2/{id}", ALERT_WRITE);
pub static ALERTS_COMMENT: Operation = write("graph.alerts.comment", "POST security/alerts_v2/{id}/comments", ALERT_WRITE);
pub static HUNTING_RUN: Operation =
    Operation::new("graph.hunting.run", Product::Graph, "POST security/runHuntingQuery", &["ThreatHunting.Read.All"], &HUNTING, Way::Hunt);

pub(super) const ALL: &[&Operation] = &[
    &INCIDENTS_LIST,
    &INCIDENTS_GET,
    &INCIDENTS_ALERTS,
    &INCIDENTS_UPDATE,
    &INCIDENTS_COMMENT,
    &ALERTS_LIST,
    &ALERTS_GET,
    &ALERTS_UPDATE,
    &ALERTS_COMMENT,
    &HUNTING_RUN,
];
