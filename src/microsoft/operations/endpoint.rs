//! Defender for Endpoint. Sources: Microsoft's pages on the alert, machine, machine action, live response, investigation, indicator and
//! advanced query APIs of Microsoft Defender for Endpoint. 100 calls a minute and 1,500 an hour where a page says nothing else.

use super::{Budget, Operation, Way};
use crate::model::Product;

const ALERT_READ: &[&str] = &["Alert.Read.All", "Alert.ReadWrite.All"];
const ALERT_WRITE: &[&str] = &["Alert.ReadWrite.All"];
const MACHINE_READ: &[&str] = &["Machine.Read.All", "Machine.ReadWrite.All"];
const MACHINE_WRITE: &[&str] = &["Machine.ReadWrite.All"];
const USERS: &[&str] = &["User.Read.All"];
const ISOLATE: &[&str] = &["Machine.Isolate"];
const SCAN: &[&str] = &["Machine.Scan"];
const FORENSICS: &[&str] = &["Machine.CollectForensics"];
const RESTRICT: &[&str] = &["Machine.RestrictExecution"];
const QUARANTINE: &[&str] = &["Machine.StopAndQuarantine"];
const OFFBOARD: &[&str] = &["Machine.Offboard"];
const LIVE: &[&str] = &["Machine.LiveResponse"];
/// Cancelling needs the permission of the kind of action that is cancelled; the caller chooses the app by that.
const CANCEL: &[&str] = &[
    "Machine.Isolate",
    "Machine.Scan",
    "Machine.CollectForensics",
    "Machine.RestrictExecution",
    "Machine.StopAndQuarantine",
    "Machine.Offboard",
    "Machine.LiveResponse",
];

static ALERTS: Budget = Budget::new("endpoint alerts", 100, 1500);
static ALERT: Budget = Budget::new("endpoint alert", 100, 1500);
static BATCH: Budget = Budget::new("endpoint alerts batch update", 10, 500);
static CREATE: Budget = Budget::new("endpoint alert create", 15, 900);
static MACHINES: Budget = Budget::new("endpoint machines", 100, 1500);
static MACHINE: Budget = Budget::new("endpoint machine", 100, 1500);
static ACTIONS: Budget = Budget::new("endpoint machine actions", 100, 1500);
static ACTING: Budget = Budget::new("endpoint acting", 100, 1500);
static LIVE_RESPONSE: Budget = Budget::new("endpoint live response", 10, 600);
static PACKAGE: Budget = Budget::new("endpoint package link", 2, 120);
static INVESTIGATE: Budget = Budget::new("endpoint start investigation", 50, 50);
static INVESTIGATIONS: Budget = Budget::new("endpoint investigations", 100, 1500);
static INDICATORS: Budget = Budget::new("endpoint indicators", 100, 1500);
static QUERY: Budget = Budget::new("endpoint advanced query", 45, 1500);

const fn read(name: &'static str, call: &'static str, permissions: &'static [&'static str], budget: &'static Budget) -> Operation {
    Operation::new(name, Product::DefenderEndpoint, call, permissions, budget, Way::Read)
}

const fn write(name: &'static str, call: &'static str, permissions: &'static [&'static str], budget: &'static Budget) -> Operation {
    Operation::new(name, Product::DefenderEndpoint, call, permissions, budget, Way::Write)
}

pub static ALERTS_LIST: Operation = read("endpoint.alerts.list", "GET alerts", ALERT_READ, &ALERTS);
pub static ALERTS_GET: Operation = read("endpoint.alerts.get", "GET alerts/{id}", ALERT_READ, &ALERT);
pub static ALERTS_UPDATE: Operation = write("endpoint.alerts.update", "PATCH alerts/{id}", ALERT_WRITE, &ALERT);
pub static ALERTS_BATCH: Operation = write("endpoint.alerts.batch", "POST alerts/batchUpdate", ALERT_WRITE, &BATCH);
pub static ALERTS_CREATE: Operation = write("endpoint.alerts.create", "POST alerts/CreateAlertByReference", ALERT_WRITE, &CREATE);

pub static MACHINES_LIST: Operation = read("endpoint.machines.list", "GET machines", MACHINE_READ, &MACHINES);
pub static MACHINES_GET: Operation = read("endpoint.machines.get", "GET machines/{id}", MACHINE_READ, &MACHINE);
pub static MACHINES_UPDATE: Operation = write("endpoint.machines.update", "PATCH machines/{id}", MACHINE_WRITE, &MACHINE);
pub static MACHINES_TAGS: Operation = write("endpoint.machines.tags", "POST machines/{id}/tags", MACHINE_WRITE, &MACHINE);
pub static MACHINES_USERS: Operation = read("endpoint.machines.users", "GET machines/{id}/logonusers", USERS, &MACHINE);
pub static MACHINES_ALERTS: Operation = read("endpoint.machines.alerts", "GET machines/{id}/alerts", ALERT_READ, &MACHINE);
pub static MACHINES_ALERT_COUNT: Operation = read("endpoint.machines.alert_count", "GET machines/{id}/alerts/$count", ALERT_READ, &MACHINE);

pub static ISOLATE_MACHINE: Operation = write("endpoint.act.isolate", "POST machines/{id}/isolate", ISOLATE, &ACTING);
pub static UNISOLATE_MACHINE: Operation = write("endpoint.act.unisolate", "POST machines/{id}/unisolate", ISOLATE, &ACTING);
pub static SCAN_MACHINE: Operation = write("endpoint.act.scan", "POST machines/{id}/runAntiVirusScan", SCAN, &ACTING);
pub static COLLECT_PACKAGE: Operation = write("endpoint.act.collect", "POST machines/{id}/collectInvestigationPackage", FORENSICS, &ACTING);
pub static RESTRICT_CODE: Operation = write("endpoint.act.restrict", "POST machines/{id}/restrictCodeExecution", RESTRICT, &ACTING);
pub static UNRESTRICT_CODE: Operation = write("endpoint.act.unrestrict", "POST machines/{id}/unrestrictCodeExecution", RESTRICT, &ACTING);
pub static QUARANTINE_FILE: Operation = write("endpoint.act.quarantine", "POST machines/{id}/StopAndQuarantineFile", QUARANTINE, &ACTING);
pub static OFFBOARD_MACHINE: Operation = write("endpoint.act.offboard", "POST machines/{id}/offboard", OFFBOARD, &ACTING);
pub static RUN_LIVE_RESPONSE: Operation = write("endpoint.act.live_response", "POST machines/{id}/runliveresponse", LIVE, &LIVE_RESPONSE);
pub static START_INVESTIGATION: Operation =
    write("endpoint.act.investigate", "POST machines/{id}/startInvestigation", ALERT_WRITE, &INVESTIGATE);

pub static ACTIONS_LIST: Operation = read("endpoint.actions.list", "GET machineactions", MACHINE_READ, &ACTIONS);
pub static ACTIONS_GET: Operation = read("endpoint.actions.get", "GET machineactions/{id}", MACHINE_READ, &ACTIONS);
pub static ACTIONS_CANCEL: Operation = write("endpoint.actions.cancel", "POST machineactions/{id}/cancel", CANCEL, &ACTING);
pub static ACTIONS_PACKAGE: Operation = read("endpoint.actions.package", "GET machineactions/{id}/GetPackageUri", FORENSICS, &PACKAGE);
pub static ACTIONS_RESULT: Operation =
    read("endpoint.actions.live_result", "GET machineactions/{id}/GetLiveResponseResultDownloadLink(index={index})", LIVE, &ACTIONS);

pub static INVESTIGATIONS_LIST: Operation = read("endpoint.investigations.list", "GET investigations", ALERT_READ, &INVESTIGATIONS);
pub static INDICATORS_LIST: Operation =
    read("endpoint.indicators.list", "GET indicators", &["Ti.ReadWrite", "Ti.ReadWrite.All"], &INDICATORS);
pub static QUERY_RUN: Operation = Operation::new(
    "endpoint.query.run",
    Product::DefenderEndpoint,
    "POST advancedqueries/run",
    &["AdvancedQuery.Read.All"],
    &QUERY,
    Way::Hunt,
);

pub(super) const ALL: &[&Operation] = &[
    &ALERTS_LIST,
    &ALERTS_GET,
    &ALERTS_UPDATE,
    &ALERTS_BATCH,
    &ALERTS_CREATE,
    &MACHINES_LIST,
    &MACHINES_GET,
    &MACHINES_UPDATE,
    &MACHINES_TAGS,
    &MACHINES_USERS,
    &MACHINES_ALERTS,
    &MACHINES_ALERT_COUNT,
    &ISOLATE_MACHINE,
    &UNISOLATE_MACHINE,
    &SCAN_MACHINE,
    &COLLECT_PACKAGE,
    &RESTRICT_CODE,
    &UNRESTRICT_CODE,
    &QUARANTINE_FILE,
    &OFFBOARD_MACHINE,
    &RUN_LIVE_RESPONSE,
    &START_INVESTIGATION,
    &ACTIONS_LIST,
    &ACTIONS_GET,
    &ACTIONS_CANCEL,
    &ACTIONS_PACKAGE,
    &ACTIONS_RESULT,
    &INVESTIGATIONS_LIST,
    &INDICATORS_LIST,
    &QUERY_RUN,
];
