//! Defender for Cloud Apps. Sources: Microsoft's pages "Defender for Cloud Apps REST API" and, for the permissions of each operation,
//! "Access Microsoft Defender for Cloud Apps with application context". 30 calls a minute and tenant, all operations together.

use super::{Budget, Operation, Way};
use crate::model::Product;

const INVESTIGATION: &[&str] = &["Investigation.Read", "Investigation.Manage"];
const ALERTS: &[&str] = &["Investigation.Read", "Discovery.Read", "Investigation.Manage", "Discovery.Manage"];
const CLOSE: &[&str] = &["Investigation.Manage", "Discovery.Manage"];
const SUBNETS: &[&str] = &["Settings.Read", "Investigation.Read", "Settings.Manage", "Investigation.Manage"];
const SUBNETS_WRITE: &[&str] = &["Settings.Manage", "Investigation.Manage"];
const DISCOVERY: &[&str] = &["Discovery.Read", "Discovery.Manage"];
const DISCOVERY_WRITE: &[&str] = &["Discovery.Manage"];

static ANY: Budget = Budget::new("cloud apps", 30, 1800);

const fn read(name: &'static str, call: &'static str, permissions: &'static [&'static str]) -> Operation {
    Operation::new(name, Product::CloudApps, call, permissions, &ANY, Way::Read)
}

const fn write(name: &'static str, call: &'static str, permissions: &'static [&'static str]) -> Operation {
    Operation::new(name, Product::CloudApps, call, permissions, &ANY, Way::Write)
}

/// The list with filters, which Microsoft's samples send as a POST that only reads.
pub static ALERTS_LIST: Operation = read("cloud_apps.alerts.list", "POST v1/alerts/", ALERTS);
pub static ALERTS_LIST_GET: Operation = read("cloud_apps.alerts.list_get", "GET v1/alerts/", ALERTS);
pub static ALERTS_GET: Operation = read("cloud_apps.alerts.get", "GET v1/alerts/{id}/", ALERTS);
pub static ALERTS_READ: Operation = write("cloud_apps.alerts.read", "POST v1/alerts/{id}/read/", ALERTS);
pub static ALERTS_UNREAD: Operation = write("cloud_apps.alerts.unread", "POST v1/alerts/{id}/unread/", ALERTS);
pub static CLOSE_BENIGN: Operation = write("cloud_apps.alerts.close_benign", "POST v1/alerts/close_benign/", CLOSE);
pub static CLOSE_FALSE_POSITIVE: Operation = write("cloud_apps.alerts.close_false_positive", "POST v1/alerts/close_false_positive/", CLOSE);
pub static CLOSE_TRUE_POSITIVE: Operation = write("cloud_apps.alerts.close_true_positive", "POST v1/alerts/close_true_positive/", CLOSE);

pub static ACTIVITIES_LIST: Operation = read("cloud_apps.activities.list", "POST v1/activities/", INVESTIGATION);
pub static ACTIVITIES_GET: Operation = read("cloud_apps.activities.get", "GET v1/activities/{id}/", INVESTIGATION);
pub static ACTIVITIES_FEEDBACK: Operation = write("cloud_apps.activities.feedback", "POST v1/activities/{id}/feedback", INVESTIGATION);

pub static ENTITIES_LIST: Operation = read("cloud_apps.entities.list", "POST v1/entities/", INVESTIGATION);
pub static ENTITIES_GET: Operation = read("cloud_apps.entities.get", "GET v1/entities/{id}/", INVESTIGATION);
pub static ENTITIES_TREE: Operation = read("cloud_apps.entities.tree", "GET v1/entities/{id}/retrieve_tree/", INVESTIGATION);

/// Not in Microsoft's table of permissions; app-only calls have been seen refused.
pub static FILES_LIST: Operation = read("cloud_apps.files.list", "POST v1/files/", INVESTIGATION);
pub static FILES_GET: Operation = read("cloud_apps.files.get", "GET v1/files/{id}/", INVESTIGATION);

pub static SUBNETS_LIST: Operation = read("cloud_apps.subnets.list", "POST v1/subnet/", SUBNETS);
pub static SUBNETS_CREATE: Operation = write("cloud_apps.subnets.create", "POST v1/subnet/create_rule/", SUBNETS_WRITE);
pub static SUBNETS_UPDATE: Operation = write("cloud_apps.subnets.update", "POST v1/subnet/{id}/update_rule/", SUBNETS_WRITE);
pub static SUBNETS_DELETE: Operation = write("cloud_apps.subnets.delete", "DELETE v1/subnet/{id}/", SUBNETS_WRITE);

pub static DISCOVERY_UPLOAD_URL: Operation = read("cloud_apps.discovery.upload_url", "GET v1/discovery/upload_url/", DISCOVERY_WRITE);
pub static DISCOVERY_DONE: Operation = write("cloud_apps.discovery.done_upload", "POST v1/discovery/done_upload/", DISCOVERY_WRITE);
pub static DISCOVERY_REPORTS: Operation = read("cloud_apps.discovery.reports", "GET discovery/streams/", DISCOVERY);
pub static DISCOVERY_CATEGORIES: Operation =
    read("cloud_apps.discovery.categories", "POST v1/discovery/discovered_apps/categories/", DISCOVERY);
pub static DISCOVERY_BLOCK_SCRIPT: Operation = read("cloud_apps.discovery.block_script", "GET discovery_block_scripts/", DISCOVERY_WRITE);

pub(super) const ALL: &[&Operation] = &[
    &ALERTS_LIST,
    &ALERTS_LIST_GET,
    &ALERTS_GET,
    &ALERTS_READ,
    &ALERTS_UNREAD,
    &CLOSE_BENIGN,
    &CLOSE_FALSE_POSITIVE,
    &CLOSE_TRUE_POSITIVE,
    &ACTIVITIES_LIST,
    &ACTIVITIES_GET,
    &ACTIVITIES_FEEDBACK,
    &ENTITIES_LIST,
    &ENTITIES_GET,
    &ENTITIES_TREE,
    &FILES_LIST,
    &FILES_GET,
    &SUBNETS_LIST,
    &SUBNETS_CREATE,
    &SUBNETS_UPDATE,
    &SUBNETS_DELETE,
    &DISCOVERY_UPLOAD_URL,
    &DISCOVERY_DONE,
    &DISCOVERY_REPORTS,
    &DISCOVERY_CATEGORIES,
    &DISCOVERY_BLOCK_SCRIPT,
];
