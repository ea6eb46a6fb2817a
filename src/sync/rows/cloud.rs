//! Alerts of Defender for Cloud Apps. Words are numbers there: Microsoft's page "Alerts API - Defender for Cloud Apps".

use super::{NAME, TITLE, clip, entities, name};
use crate::microsoft::cloud_apps;
use crate::model::{Product, Severity, Status};
use crate::store::ingest::Alert;

pub(super) fn alert(alert: cloud_apps::Alert, body: &str) -> Alert {
    let (status, status_raw, classification) = standing(alert.resolution_status_value, alert.status_value);
    let first = |kind: &str| alert.entities.iter().find(|entity| entity.kind.as_deref() == Some(kind));
    let account = first("account").and_then(|entity| entity.pa.clone().or_else(|| entity.label.clone()));
    Alert {
        product: Product::CloudApps,
        entities: entities::of_cloud_apps(&alert),
        device: name(first("device").and_then(|entity| entity.label.clone())),
        account: name(account),
        incident_external_id: None,
        title: clip(alert.title.unwrap_or_else(|| format!("Alert {}", alert.id)), TITLE),
        external_id: alert.id,
        severity: severity(alert.severity_value),
        severity_raw: alert.severity_value.map(|value| value.to_string()).unwrap_or_default(),
        status,
        status_raw,
        classification: classification.map(str::to_owned),
        determination: None,
        category: alert.stories.first().and_then(|story| category(*story)).map(str::to_owned),
        service_source: Some("MicrosoftCloudAppSecurity".to_owned()),
        detection_source: Some("MCAS".to_owned()),
        detector_id: alert.id_value.map(|value| value.to_string()),
        assigned_to: name(alert.handled_by_user),
        mitre_techniques: Vec::new(),
        url: alert.url.filter(|url| url.starts_with("https://")).map(|url| clip(url, 4 * NAME)),
        created_at: alert.timestamp,
        updated_at: alert.resolve_time.map_or(alert.timestamp, |resolved| resolved.max(alert.timestamp)),
        resolved_at: alert.resolve_time,
        inside: false,
        body: body.to_owned(),
    }
}

const fn severity(value: Option<i64>) -> Severity {
    match value {
        Some(0) => Severity::Low,
        Some(1) => Severity::Medium,
        Some(2) => Severity::High,
        Some(3) => Severity::Informational,
        _ => Severity::Unknown,
    }
}

/// Our word, Microsoft's word, and the classification that the kind of closing says. "Dismiss" lives on as "false positive" and
/// "resolve" as "true positive". An archived alert is out of work however it was closed.
fn standing(resolution: Option<i64>, status: Option<i64>) -> (Status, String, Option<&'static str>) {
    let (ours, theirs, classification) = match resolution {
        Some(0) if status == Some(2) => (Status::Resolved, "archived", None),
        Some(0) => (Status::New, "open", None),
        Some(1) => (Status::Resolved, "dismissed", Some("FalsePositive")),
        Some(2) => (Status::Resolved, "resolved", Some("TruePositive")),
        Some(3) => (Status::Resolved, "false positive", Some("FalsePositive")),
        Some(4) => (Status::Resolved, "benign", Some("InformationalExpectedActivity")),
        Some(5) => (Status::Resolved, "true positive", Some("TruePositive")),
        other => return (Status::Unknown, other.map(|value| value.to_string()).unwrap_or_default(), None),
    };
    (ours, theirs.to_owned(), classification)
}

const fn category(story: i64) -> Option<&'static str> {
    match story {
        0 => Some("Threat detection"),
        1 => Some("Privileged account monitoring"),
        2 => Some("Compliance"),
        3 => Some("Data loss prevention"),
        4 => Some("Discovery"),
        5 => Some("Sharing control"),
        7 => Some("Access control"),
        8 => Some("Configuration monitoring"),
        _ => None,
    }
}
