//! Incidents and alerts of Microsoft Graph security become the very rows that the Defender APIs' own make: same keys, same words.

use super::defender::{is_endpoint, service};
use super::graph_words as words;
use super::{NAME, Origin, TITLE, clip, entities, name, portal, verdict};
use crate::microsoft::graph::{self, Evidence};
use crate::model::{Product, Severity, Status};
use crate::store::ingest::{Alert, Incident};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

pub(super) fn incident(incident: graph::Incident, alerts: &[Alert], origin: Origin, body: &str) -> Incident {
    let status_raw = words::of(words::STATUS, incident.status).unwrap_or_default();
    let severity_raw = words::of(words::SEVERITY, incident.severity).unwrap_or_default();
    let status = if incident.redirect_incident_id.is_some() { Status::Redirected } else { Status::of_microsoft(&status_raw) };
    let entities: BTreeSet<&String> = alerts.iter().flat_map(|alert| &alert.entities).collect();
    let products: BTreeSet<String> = alerts.iter().map(service).collect();
    let tags = if incident.custom_tags.is_empty() { incident.tags } else { incident.custom_tags };
    Incident {
        url: portal(origin, "incidents", &incident.id),
        title: clip(incident.display_name.unwrap_or_else(|| format!("Incident {}", incident.id)), TITLE),
        external_id: incident.id,
        severity: Severity::of_microsoft(&severity_raw),
        severity_raw: clip(severity_raw, NAME),
        status,
        status_raw: clip(status_raw, NAME),
        classification: verdict(words::of(words::CLASSIFICATION, incident.classification)),
        determination: verdict(words::of(words::DETERMINATION, incident.determination)),
        assigned_to: name(incident.assigned_to),
        tags: super::words(tags, 100),
        redirect_to: name(incident.redirect_incident_id),
        entities: entities.into_iter().take(1000).cloned().collect(),
        products: products.into_iter().take(50).collect(),
        created_at: incident.created_date_time.unwrap_or(incident.last_update_date_time),
        updated_at: incident.last_update_date_time,
        body: body.to_owned(),
    }
}

/// An alert, by itself or `within` an incident of this id and time: that one it belongs to, whatever it says itself. One of Defender for
/// Endpoint is the very row that Endpoint's own API tells of.
///
/// # Errors
/// It has no time.
pub(super) fn alert(
    alert: graph::Alert,
    within: Option<(&str, DateTime<Utc>)>,
    inside: bool,
    origin: Origin,
    body: &str,
) -> Result<Alert, String> {
    let updated = alert.last_update_date_time.or(alert.created_date_time).or(within.map(|(_, time)| time)).ok_or("it has no time")?;
    let service_source = words::of(words::SERVICE, alert.service_source);
    let of_endpoint = service_source.as_deref().is_some_and(is_endpoint);
    let external_id = match alert.provider_alert_id {
        Some(own) if of_endpoint && own.starts_with("da") && !alert.id.starts_with("da") => own,
        _ => alert.id,
    };
    let status_raw = words::of(words::STATUS, alert.status).unwrap_or_default();
    let severity_raw = words::of(words::SEVERITY, alert.severity).unwrap_or_default();
    let user = alert.evidence.iter().find_map(|evidence| {
        let user = match evidence {
            Evidence::User(user) => user.user_account.as_ref(),
            Evidence::Mailbox(mailbox) => mailbox.user_account.as_ref(),
            _ => None,
        }?;
        user.user_principal_name.clone().or_else(|| user.account_name.clone())
    });
    let device = alert.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Device(device) => device.device_dns_name.clone(),
        _ => None,
    });
    Ok(Alert {
        product: if of_endpoint { Product::DefenderEndpoint } else { Product::DefenderXdr },
        entities: entities::of_graph(&alert.evidence),
        url: portal(origin, "alerts", &external_id),
        title: clip(alert.title.unwrap_or_else(|| format!("Alert {external_id}")), TITLE),
        external_id,
        incident_external_id: name(within.map(|(id, _)| id.to_owned()).or(alert.incident_id)),
        severity: Severity::of_microsoft(&severity_raw),
        severity_raw: clip(severity_raw, NAME),
        status: Status::of_microsoft(&status_raw),
        status_raw: clip(status_raw, NAME),
        classification: verdict(words::of(words::CLASSIFICATION, alert.classification)),
        determination: verdict(words::of(words::DETERMINATION, alert.determination)),
        category: name(alert.category),
        service_source: name(service_source),
        detection_source: name(words::of(words::DETECTION, alert.detection_source)),
        detector_id: name(alert.detector_id),
        assigned_to: name(alert.assigned_to),
        device: name(device),
        account: name(user),
        mitre_techniques: super::words(alert.mitre_techniques, 100),
        created_at: alert.created_date_time.unwrap_or(updated),
        updated_at: updated,
        resolved_at: alert.resolved_date_time,
        inside,
        body: body.to_owned(),
    })
}
