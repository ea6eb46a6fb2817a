//! The documented samples, and what Microsoft might send instead.

use super::*;
use crate::model::{Severity, Status};

fn origin(api: Product) -> Origin {
    Origin { directory: DirectoryId::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap(), cloud: Cloud::Commercial, api }
}

fn read(product: Product, bodies: &[&str]) -> Rows {
    let records: Vec<_> = bodies.iter().map(|body| RawValue::from_string((*body).to_owned()).unwrap()).collect();
    Rows::read(product, origin(product), &records)
}

/// The records of a documented list.
fn sample(product: Product, json: &str, member: &str) -> Rows {
    let mut list: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
    let records: Vec<String> = list[member].as_array_mut().unwrap().iter().map(ToString::to_string).collect();
    read(product, &records.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn the_documented_incidents_become_rows() {
    let rows = sample(Product::DefenderXdr, include_str!("../../../tests/fixtures/xdr-incidents-list.json"), "value");
    assert!(rows.bad.is_empty());
    let [ransomware, mimikatz] = &rows.incidents[..] else { panic!("{}", rows.incidents.len()) };
    assert_eq!((ransomware.external_id.as_str(), ransomware.title.as_str()), ("924565", "Ransomware activity"));
    assert_eq!((ransomware.severity, ransomware.status, ransomware.status_raw.as_str()), (Severity::Medium, Status::New, "Active"));
    assert_eq!((&ransomware.classification, &ransomware.determination, &ransomware.redirect_to), (&None, &None, &None));
    assert_eq!(ransomware.entities, ["ip:62.216.203.204", "user:testuser2@contoso.com"]);
    assert_eq!(
        (ransomware.products.as_slice(), mimikatz.products.as_slice()),
        (&["cloud_apps".to_owned()][..], &["defender_endpoint".to_owned()][..])
    );
    assert_eq!(ransomware.url.as_deref(), Some("https://security.microsoft.com/incidents/924565?tid=aaaabbbb-0000-cccc-1111-dddd2222eeee"));
    assert_eq!(ransomware.created_at.to_rfc3339(), "2020-09-06T14:46:57.073333300+00:00");
    let [cloud, endpoint] = &rows.alerts[..] else { panic!("{}", rows.alerts.len()) };
    assert_eq!((cloud.product, endpoint.product), (Product::DefenderXdr, Product::DefenderEndpoint));
    assert_eq!(endpoint.external_id, "da637349914833441527_393341063");
    assert_eq!(endpoint.incident_external_id.as_deref(), Some("924521"));
    assert_eq!(endpoint.device.as_deref(), Some("user5cx.middleeast.corp.contoso.com"));
    assert_eq!(rows.times().count(), 2, "an incident's time counts, not those of its alerts");
}

#[test]
fn the_documented_endpoint_alert_becomes_a_row() {
    let body = include_str!("../../../tests/fixtures/mde-alert-get.json");
    let rows = read(Product::DefenderEndpoint, &[body.trim()]);
    let [alert] = &rows.alerts[..] else { panic!("{:?}", rows.bad) };
    assert_eq!((alert.external_id.as_str(), alert.incident_external_id.as_deref()), ("da637472900382838869_1364969609", Some("1126093")));
    assert_eq!((alert.severity, alert.status), (Severity::Low, Status::New));
    assert_eq!(alert.detector_id.as_deref(), Some("17e10bbc-3a68-474a-8aad-faef14d43952"));
    assert_eq!(alert.mitre_techniques, ["T1064", "T1085", "T1220"]);
    assert_eq!(alert.account.as_deref(), Some("temp123@microsoft.com"));
    assert!(alert.entities.contains(&"sha256:a4752c71d81afd3d5865d24ddb11a6b0c615062fcc448d24050c2172d2cbccd6".to_owned()));
    assert_eq!(alert.body, body.trim(), "the original is kept byte for byte");
}

#[test]
fn the_documented_cloud_apps_alert_becomes_a_row() {
    let rows = sample(Product::CloudApps, include_str!("../../../tests/fixtures/mdca-alerts-list.json"), "data");
    let [alert] = &rows.alerts[..] else { panic!("{:?}", rows.bad) };
    assert_eq!((alert.severity, alert.severity_raw.as_str()), (Severity::Medium, "1"));
    assert_eq!((alert.status, alert.status_raw.as_str(), &alert.classification), (Status::New, "open", &None));
    assert_eq!(alert.created_at.timestamp_millis(), 1_621_941_916_475);
    assert_eq!(alert.updated_at, alert.created_at, "a time of closing before the alert itself does not make it older");
    assert_eq!((alert.account.as_deref(), alert.device.as_deref()), (Some("user1@contoso.com"), Some("DC3")));
    assert_eq!(alert.url.as_deref(), Some("https://contoso.portal.cloudappsecurity.com/#/alerts/603f704aaf7417985bbf3b22"));
}

#[test]
fn numbers_of_cloud_apps_become_words() {
    let alert = |severity: i64, resolution: i64, status: i64| {
        let body = format!(
            r#"{{"_id":"a","timestamp":1,"severityValue":{severity},"resolutionStatusValue":{resolution},"statusValue":{status},"URL":"javascript:alert(1)"}}"#
        );
        let alert = read(Product::CloudApps, &[&body]).alerts.remove(0);
        assert_eq!(alert.url, None, "only https");
        (alert.severity, alert.status, alert.classification.unwrap_or_default())
    };
    assert_eq!(alert(0, 0, 0), (Severity::Low, Status::New, String::new()));
    assert_eq!(alert(3, 0, 2), (Severity::Informational, Status::Resolved, String::new()));
    assert_eq!(alert(2, 3, 1), (Severity::High, Status::Resolved, "FalsePositive".to_owned()));
    assert_eq!(alert(1, 4, 1).2, "InformationalExpectedActivity");
    assert_eq!(alert(9, 9, 9), (Severity::Unknown, Status::Unknown, String::new()));
}

#[test]
fn what_cannot_be_read_is_set_aside_with_the_reason_and_the_rest_is_not() {
    let deep = format!(r#"{{"incidentId":5,"lastUpdateTime":"2026-01-01T00:00:00Z","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let alerts = r#"{"incidentId":7,"lastUpdateTime":"2026-01-01T00:00:00Z","alerts":[{"alertId":"fa1"},{"title":"no id"},"text"]}"#;
    let rows = read(
        Product::DefenderXdr,
        &[
            r#"{"incidentId":1,"lastUpdateTime":"2026-01-01T00:00:00Z"}"#,
            r#"{"lastUpdateTime":"2026-01-01T00:00:00Z"}"#,
            r#"{"incidentId":2}"#,
            r#"{"incidentId":3,"lastUpdateTime":"0001-01-01T00:00:00Z"}"#,
            r#"{"incidentId":{"n":4},"lastUpdateTime":"2026-01-01T00:00:00Z"}"#,
            "\"text\"",
            &deep,
            alerts,
        ],
    );
    let stored: Vec<_> = rows.incidents.iter().map(|row| row.external_id.as_str()).collect();
    assert_eq!(stored, ["1", "7"]);
    assert_eq!((rows.alerts.len(), rows.bad.len()), (1, 8));
    assert!(rows.bad.iter().all(|bad| !bad.reason.is_empty() && !bad.reason.contains("line")), "{:?}", rows.bad);
    assert_eq!(rows.bad.iter().filter(|bad| bad.kind == Kind::Alert).count(), 2);
    assert_eq!(identity(Kind::Incident, &deep), None, "too deep to look into, and no reason to fall over");
    assert_eq!(identity(Kind::Incident, r#"{"incidentId":12}"#).as_deref(), Some("12"));
    assert_eq!(identity(Kind::Alert, r#"{"incidentId":12,"id":"da7"}"#).as_deref(), Some("da7"));
}

#[test]
fn a_row_fits_the_database_whatever_the_record_holds() {
    let long = "ä".repeat(5000);
    let body = serde_json::json!({"incidentId": 1, "lastUpdateTime": "2026-01-01T00:00:00Z", "incidentName": long, "assignedTo": long,
        "severity": "\u{0}", "status": "resolved", "redirectIncidentId": 9, "tags": ["a\u{1f}b", long],
        "alerts": [{"alertId": "x/../y?z", "serviceSource": "microsoftdefenderatp", "entities": [{"userPrincipalName": long}, {"entityType": 4}, 5]}]});
    let rows = read(Product::DefenderXdr, &[&body.to_string()]);
    let incident = &rows.incidents[0];
    assert_eq!((incident.title.chars().count(), incident.assigned_to.as_ref().map(|name| name.chars().count())), (1000, Some(300)));
    assert_eq!((incident.status, incident.status_raw.as_str(), incident.severity), (Status::Redirected, "resolved", Severity::Unknown));
    assert!(!incident.severity_raw.contains('\0') && !incident.tags[0].contains('\u{1f}'));
    let alert = &rows.alerts[0];
    assert_eq!(alert.product, Product::DefenderEndpoint);
    assert!(alert.entities.iter().all(|entity| entity.chars().count() <= 300));
    assert!(
        alert.url.as_ref().is_some_and(|url| url.starts_with("https://security.microsoft.com/alerts/x%2F..%2Fy%3Fz?tid=")),
        "{:?}",
        alert.url
    );
}
