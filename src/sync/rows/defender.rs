//! Incidents of Defender XDR with their alerts, and the alerts of Defender for Endpoint.

use super::{NAME, Origin, TITLE, clip, entities, name, portal, verdict, words};
use crate::microsoft::{endpoint, xdr};
use crate::model::{Product, Severity, Status};
use crate::store::ingest::{Alert, Incident};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

pub(super) fn incident(incident: xdr::Incident, alerts: &[Alert], origin: Origin, body: &str) -> Incident {
    let status_raw = incident.status.unwrap_or_default();
    let severity_raw = incident.severity.unwrap_or_default();
    let status = if incident.redirect_incident_id.is_some() { Status::Redirected } else { Status::of_microsoft(&status_raw) };
    let entities: BTreeSet<&String> = alerts.iter().flat_map(|alert| &alert.entities).collect();
    let products: BTreeSet<String> = alerts.iter().map(service).collect();
    Incident {
        url: portal(origin, "incidents", &incident.incident_id),
        title: clip(incident.incident_name.unwrap_or_else(|| format!("Incident {}", incident.incident_id)), TITLE),
        external_id: incident.incident_id,
        severity: Severity::of_microsoft(&severity_raw),
        severity_raw: clip(severity_raw, NAME),
        status,
        status_raw: clip(status_raw, NAME),
        classification: verdict(incident.classification),
        determination: verdict(incident.determination),
        assigned_to: name(incident.assigned_to),
        tags: words(incident.tags, 100),
        redirect_to: name(incident.redirect_incident_id),
        entities: entities.into_iter().take(1000).cloned().collect(),
        products: products.into_iter().take(50).collect(),
        created_at: incident.created_time.unwrap_or(incident.last_update_time),
        updated_at: incident.last_update_time,
        body: body.to_owned(),
    }
}

/// Our word for the product an alert comes from, or Microsoft's for a service we do not read by itself.
pub(super) fn service(alert: &Alert) -> String {
    let source = alert.service_source.as_deref().unwrap_or_default();
    if alert.product == Product::DefenderEndpoint {
        return alert.product.to_string();
    }
    if source.eq_ignore_ascii_case("MicrosoftCloudAppSecurity") || source.eq_ignore_ascii_case("MicrosoftDefenderForCloudApps") {
        return Product::CloudApps.to_string();
    }
    if source.is_empty() { alert.product.to_string() } else { clip(source.replace('\u{1f}', " "), 100) }
}

/// Whether alerts of this service are those of Defender for Endpoint.
pub(super) fn is_endpoint(source: &str) -> bool {
    ["MicrosoftDefenderATP", "MicrosoftDefenderForEndpoint"].iter().any(|word| source.eq_ignore_ascii_case(word))
}

/// An alert inside an incident. One of Defender for Endpoint is the very row that Endpoint's own API tells of: their ids are the same.
/// The ids of other services differ between the APIs. `within` tells the incident's id and time, if it came inside one.
///
/// # Errors
/// It has no time.
pub(super) fn alert(alert: xdr::IncidentAlert, within: Option<(&str, DateTime<Utc>)>, origin: Origin, body: &str) -> Result<Alert, String> {
    let updated = alert.last_updated_time.or(alert.creation_time).or(within.map(|(_, time)| time)).ok_or("it has no time")?;
    let of_endpoint = alert.service_source.as_deref().is_some_and(is_endpoint);
    let status_raw = alert.status.clone().unwrap_or_default();
    let severity_raw = alert.severity.clone().unwrap_or_default();
    let user = alert.entities.iter().find_map(|entity| entity.user_principal_name.clone().or_else(|| entity.account_name.clone()));
    Ok(Alert {
        product: if of_endpoint { Product::DefenderEndpoint } else { Product::DefenderXdr },
        entities: entities::of_alert(&alert),
        url: portal(origin, "alerts", &alert.alert_id),
        title: clip(alert.title.unwrap_or_else(|| format!("Alert {}", alert.alert_id)), TITLE),
        external_id: alert.alert_id,
        incident_external_id: name(alert.incident_id.or_else(|| within.map(|(id, _)| id.to_owned()))),
        severity: Severity::of_microsoft(&severity_raw),
        severity_raw: clip(severity_raw, NAME),
        status: Status::of_microsoft(&status_raw),
        status_raw: clip(status_raw, NAME),
        classification: verdict(alert.classification),
        determination: verdict(alert.determination),
        category: name(alert.category),
        service_source: name(alert.service_source),
        detection_source: name(alert.detection_source),
        detector_id: None,
        assigned_to: name(alert.assigned_to),
        device: name(alert.devices.into_iter().find_map(|device| device.device_dns_name)),
        account: name(user),
        mitre_techniques: words(alert.mitre_techniques, 100),
        created_at: alert.creation_time.unwrap_or(updated),
        updated_at: updated,
        resolved_at: alert.resolved_time,
        inside: true,
        body: body.to_owned(),
    })
}

/// An alert of Endpoint's own API.
pub(super) fn endpoint_alert(alert: endpoint::Alert, origin: Origin, body: &str) -> Alert {
    let status_raw = alert.status.clone().unwrap_or_default();
    let severity_raw = alert.severity.clone().unwrap_or_default();
    let user = alert.evidence.iter().find_map(|evidence| evidence.user_principal_name.clone());
    let related = alert.related_user.as_ref().and_then(|user| user.user_name.clone());
    Alert {
        product: Product::DefenderEndpoint,
        entities: entities::of_endpoint(&alert),
        url: portal(origin, "alerts", &alert.id),
        title: clip(alert.title.unwrap_or_else(|| format!("Alert {}", alert.id)), TITLE),
        external_id: alert.id,
        incident_external_id: name(alert.incident_id),
        severity: Severity::of_microsoft(&severity_raw),
        severity_raw: clip(severity_raw, NAME),
        status: Status::of_microsoft(&status_raw),
        status_raw: clip(status_raw, NAME),
        classification: verdict(alert.classification),
        determination: verdict(alert.determination),
        category: name(alert.category),
        service_source: None,
        detection_source: name(alert.detection_source),
        detector_id: name(alert.detector_id),
        assigned_to: name(alert.assigned_to),
        device: name(alert.computer_dns_name),
        account: name(user.or(related)),
        mitre_techniques: words(alert.mitre_techniques, 100),
        created_at: alert.alert_creation_time.unwrap_or(alert.last_update_time),
        updated_at: alert.last_update_time,
        resolved_at: alert.resolved_time,
        inside: false,
        body: body.to_owned(),
    }
}
