//! Alerts and machines as the Defender for Endpoint pages "Alert resource type" and "Machine resource type" show them.

use super::cast::Cast;
use super::incident::{activity, comments, members};
use super::names::Device;
use super::{Evidence, stamp};
use crate::demo::records::{Alert, Incident};
use crate::demo::world::Directory;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

/// Every piece of evidence carries all of them.
const MEMBERS: [&str; 25] = [
    "entityType",
    "evidenceCreationTime",
    "sha1",
    "sha256",
    "fileName",
    "filePath",
    "processId",
    "processCommandLine",
    "processCreationTime",
    "parentProcessId",
    "parentProcessCreationTime",
    "parentProcessFileName",
    "parentProcessFilePath",
    "ipAddress",
    "url",
    "registryKey",
    "registryHive",
    "registryValueType",
    "registryValue",
    "accountName",
    "domainName",
    "userSid",
    "aadUserId",
    "userPrincipalName",
    "detectionStatus",
];

/// An alert; its evidence only when asked for.
pub fn alert(directory: &Directory, incident: &Incident, alert: &Alert, with_evidence: bool) -> Value {
    if let Some(raw) = &alert.raw {
        return raw.clone();
    }
    let cast = Cast::choose(directory, alert.scenario, alert.story);
    let plan = alert.plan;
    let (first, last) = activity(alert);
    let evidence: Vec<Value> =
        if with_evidence { plan.evidence.iter().filter_map(|kind| row(&cast, *kind, alert.created)).collect() } else { Vec::new() };
    json!({
        "id": alert.id,
        "incidentId": (!incident.hidden).then_some(incident.id),
        "investigationId": null,
        "assignedTo": alert.assigned_to.as_ref().or(incident.assigned_to.as_ref()),
        "severity": plan.severity,
        "status": alert.status,
        "classification": alert.classification,
        "determination": alert.determination,
        "investigationState": "Queued",
        "detectionSource": plan.source.detection(),
        "detectorId": detector(plan.title),
        "category": plan.category,
        "threatFamilyName": plan.family,
        "title": alert.title.clone().unwrap_or_else(|| cast.fill(plan.title)),
        "description": cast.fill(plan.text),
        "alertCreationTime": stamp(alert.created),
        "firstEventTime": stamp(first),
        "lastEventTime": stamp(last),
        "lastUpdateTime": stamp(alert.updated),
        "resolvedTime": alert.resolved.map(stamp),
        "machineId": cast.device.map(|device| &device.id),
        "computerDnsName": cast.device.map(|device| &device.dns_name),
        "rbacGroupName": cast.device.map(|device| device.group),
        "aadTenantId": directory.id,
        "threatName": plan.family.map(|family| format!("HackTool:Win32/{family}")),
        "mitreTechniques": plan.techniques,
        "relatedUser": {"userName": cast.user.account, "domainName": directory.domain()},
        "comments": comments(incident.comments.iter().chain(&alert.comments)),
        "evidence": evidence,
    })
}

/// The detector's id follows from what it detects.
fn detector(title: &str) -> String {
    crate::demo::rng::Rng::new(crate::demo::rng::seed_of(title)).guid().to_string()
}

/// A piece of evidence, if the Endpoint API knows its kind.
fn row(cast: &Cast<'_>, kind: Evidence, at: DateTime<Utc>) -> Option<Value> {
    if matches!(kind, Evidence::Mailbox | Evidence::Mail | Evidence::Group) {
        return None;
    }
    let mut row: Map<String, Value> = MEMBERS.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    for (name, value) in members(cast, kind, at) {
        row.insert(name.to_owned(), value);
    }
    row.insert("evidenceCreationTime".to_owned(), json!(stamp(at)));
    if matches!(kind, Evidence::Process | Evidence::File) {
        row.insert("detectionStatus".to_owned(), json!("Detected"));
    }
    if kind == Evidence::Process {
        row.insert("parentProcessFileName".to_owned(), json!("explorer.exe"));
        row.insert("parentProcessFilePath".to_owned(), json!("C:\\Windows"));
    }
    Some(Value::Object(row))
}

pub fn machine(device: &Device, now: DateTime<Utc>) -> Value {
    json!({
        "id": device.id,
        "computerDnsName": device.dns_name,
        "firstSeen": "2025-02-06T14:16:01.9330135Z",
        "lastSeen": stamp(super::to_ticks(now - TimeDelta::minutes(35))),
        "osPlatform": device.os,
        "version": device.version,
        "osProcessor": device.processor,
        "osArchitecture": "64-bit",
        "osBuild": device.build,
        "lastIpAddress": device.ip,
        "lastExternalIpAddress": device.external_ip,
        "healthStatus": "Active",
        "onboardingStatus": "Onboarded",
        "rbacGroupId": 9,
        "rbacGroupName": device.group,
        "riskScore": device.risk,
        "exposureLevel": device.exposure,
        "deviceValue": "Normal",
        "isAadJoined": true,
        "aadDeviceId": device.aad_id,
        "machineTags": [],
        "ipAddresses": [{"ipAddress": device.ip, "macAddress": "00155D010203", "operationalStatus": "Up"}],
    })
}
