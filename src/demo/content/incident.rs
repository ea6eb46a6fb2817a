//! Incidents as the Defender XDR page "List incidents API" shows them.

use super::cast::Cast;
use super::{Evidence, Source, stamp};
use crate::demo::records::{Alert, Comment, Incident};
use crate::demo::rng::Rng;
use crate::demo::world::Directory;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

/// Every entity carries all of them, null where they are not of its kind.
const MEMBERS: [&str; 31] = [
    "entityType",
    "sha1",
    "sha256",
    "fileName",
    "filePath",
    "processId",
    "processCommandLine",
    "processCreationTime",
    "parentProcessId",
    "parentProcessCreationTime",
    "ipAddress",
    "url",
    "accountName",
    "domainName",
    "userSid",
    "aadUserId",
    "userPrincipalName",
    "mailboxDisplayName",
    "mailboxAddress",
    "clusterBy",
    "sender",
    "recipient",
    "subject",
    "deliveryAction",
    "securityGroupId",
    "securityGroupName",
    "registryHive",
    "registryKey",
    "registryValueType",
    "registryValue",
    "deviceId",
];

pub fn incident(directory: &Directory, incident: &Incident) -> Value {
    if let Some(raw) = &incident.raw {
        return raw.clone();
    }
    let cast = Cast::choose(directory, incident.scenario, incident.seed);
    let worst = ["High", "Medium", "Low"].into_iter().find(|word| incident.alerts.iter().any(|alert| alert.plan.severity == *word));
    json!({
        "incidentId": incident.id,
        "redirectIncidentId": incident.redirect,
        "incidentName": incident.title.clone().unwrap_or_else(|| cast.fill(incident.scenario.title)),
        "createdTime": stamp(incident.created),
        "lastUpdateTime": stamp(incident.updated),
        "assignedTo": incident.assigned_to,
        "classification": incident.classification.unwrap_or("Unknown"),
        "determination": incident.determination.unwrap_or("NotAvailable"),
        "status": incident.status,
        "severity": worst.unwrap_or_else(|| incident.scenario.severity()),
        "tags": incident.tags,
        "comments": comments(&incident.comments),
        "alerts": incident.alerts.iter().map(|alert| self::alert(directory, incident, alert)).collect::<Vec<_>>(),
    })
}

pub fn comments<'a>(comments: impl IntoIterator<Item = &'a Comment>) -> Value {
    comments.into_iter().map(|note| json!({"comment": note.text, "createdBy": note.by, "createdTime": stamp(note.at)})).collect()
}

/// When the thing itself happened: some minutes before the alert.
pub fn activity(alert: &Alert) -> (DateTime<Utc>, DateTime<Utc>) {
    let before = Rng::new(alert.seed).between(40, 900);
    (alert.created - TimeDelta::seconds(before), alert.created - TimeDelta::seconds(before / 3))
}

fn alert(directory: &Directory, incident: &Incident, alert: &Alert) -> Value {
    let cast = Cast::choose(directory, alert.scenario, alert.story);
    let plan = alert.plan;
    let (first, last) = activity(alert);
    let on_device = plan.source == Source::Endpoint;
    let devices: Vec<Value> = cast
        .device
        .filter(|_| on_device)
        .map(|device| {
            json!({
                "mdatpDeviceId": device.id, "aadDeviceId": device.aad_id, "deviceDnsName": device.dns_name, "osPlatform": device.os,
                "version": device.version, "osProcessor": device.processor, "osBuild": device.build, "healthStatus": "Active",
                "riskScore": device.risk, "rbacGroupName": device.group, "rbacGroupId": 9, "firstSeen": "2025-02-06T14:16:01.9330135Z",
            })
        })
        .into_iter()
        .collect();
    let entities: Vec<Value> = plan.evidence.iter().map(|kind| entity(&cast, *kind, first, on_device)).collect();
    json!({
        "alertId": alert.id,
        "incidentId": incident.id,
        "serviceSource": plan.source.service(),
        "creationTime": stamp(alert.created),
        "lastUpdatedTime": stamp(alert.updated),
        "resolvedTime": alert.resolved.map(stamp),
        "firstActivity": stamp(first),
        "lastActivity": stamp(last),
        "title": alert.title.clone().unwrap_or_else(|| cast.fill(plan.title)),
        "description": cast.fill(plan.text),
        "category": plan.category,
        "status": alert.status,
        "severity": plan.severity,
        "investigationId": null,
        "investigationState": if on_device { "Queued" } else { "UnsupportedAlertType" },
        "classification": alert.classification,
        "determination": alert.determination,
        "detectionSource": plan.source.detection(),
        "assignedTo": alert.assigned_to.as_ref().or(incident.assigned_to.as_ref()),
        "actorName": null,
        "threatFamilyName": plan.family,
        "mitreTechniques": plan.techniques,
        "devices": devices,
        "entities": entities,
    })
}

fn entity(cast: &Cast<'_>, kind: Evidence, at: DateTime<Utc>, on_device: bool) -> Value {
    let mut row: Map<String, Value> = MEMBERS.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    for (name, value) in members(cast, kind, at) {
        row.insert(name.to_owned(), value);
    }
    let device = cast.device.filter(|_| on_device && matches!(kind, Evidence::File | Evidence::Process | Evidence::Registry));
    if let Some(device) = device {
        row.insert("deviceId".to_owned(), json!(device.id));
    }
    Value::Object(row)
}

/// What a piece of evidence says about itself. The names are shared by both Defender APIs.
pub fn members(cast: &Cast<'_>, kind: Evidence, at: DateTime<Utc>) -> Vec<(&'static str, Value)> {
    let person = |who: &super::names::Person| {
        vec![
            ("entityType", json!("User")),
            ("accountName", json!(who.account)),
            ("domainName", json!(cast.directory.domain())),
            ("userSid", json!(who.sid)),
            ("aadUserId", json!(who.object_id)),
            ("userPrincipalName", json!(who.upn)),
        ]
    };
    let file = [
        ("sha1", json!(cast.sha1)),
        ("sha256", json!(cast.sha256)),
        ("fileName", json!(cast.scenario.file)),
        ("filePath", json!(format!("C:\\Users\\{}\\AppData\\Local\\Temp", cast.user.account))),
    ];
    match kind {
        Evidence::User => person(cast.user),
        Evidence::Colleague => person(cast.colleague),
        Evidence::Ip => vec![("entityType", json!("Ip")), ("ipAddress", json!(cast.ip))],
        Evidence::Url => vec![("entityType", json!("Url")), ("url", json!(cast.url))],
        Evidence::File => [("entityType", json!("File"))].into_iter().chain(file).collect(),
        Evidence::Process => [("entityType", json!("Process"))]
            .into_iter()
            .chain(file)
            .chain([
                ("processId", json!(cast.process_id)),
                ("processCommandLine", json!(cast.command)),
                ("processCreationTime", json!(stamp(at))),
                ("parentProcessId", json!(cast.process_id / 3)),
                ("parentProcessCreationTime", json!(stamp(at - TimeDelta::seconds(9)))),
            ])
            .collect(),
        Evidence::Mailbox => vec![
            ("entityType", json!("MailBox")),
            ("userPrincipalName", json!(cast.user.upn)),
            ("mailboxDisplayName", json!(cast.user.name)),
            ("mailboxAddress", json!(cast.user.upn)),
        ],
        Evidence::Mail => vec![
            ("entityType", json!("MailMessage")),
            ("sender", json!(cast.sender)),
            ("recipient", json!(cast.user.upn)),
            ("subject", json!(cast.subject)),
            ("deliveryAction", json!("Delivered")),
            ("ipAddress", json!(cast.ip)),
        ],
        Evidence::Registry => vec![
            ("entityType", json!("Registry")),
            ("registryHive", json!("HKEY_CURRENT_USER")),
            ("registryKey", json!("SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run")),
            ("registryValueType", json!("String")),
            ("registryValue", json!(cast.scenario.file)),
        ],
        Evidence::Group => vec![
            ("entityType", json!("SecurityGroup")),
            ("securityGroupId", json!(cast.colleague.object_id)),
            ("securityGroupName", json!("Domain Admins")),
        ],
    }
}
