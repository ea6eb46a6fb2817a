//! Every answer Microsoft prints in its documentation, through the production client: the text is kept, the fields are read.

use crate::fake::{APP, Fake, Reply, Seen, now, target};
use serde_json::Value;
use serde_json::value::RawValue;
use watchfloor::microsoft::{CallError, Client, CloudAppsQuery, FindError, Page, Target, cloud_apps, endpoint, xdr};
use watchfloor::model::{Cloud, Product};

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A Microsoft that answers every call to an API with this file.
async fn serving(status: u16, name: &str) -> (Fake, Client, Target) {
    let body = fixture(name);
    let answer = move |seen: &Seen| (!seen.is_token_request()).then(|| Reply(status, vec![], body.clone().into()));
    let fake = Fake::start(answer).await;
    let client = fake.client();
    (fake, client, target())
}

/// A Microsoft whose token endpoint answers with this file.
async fn token_serving(status: u16, name: &str) -> (Fake, Client, Target) {
    let body = fixture(name);
    let answer = move |seen: &Seen| {
        Some(if seen.is_token_request() { Reply(status, vec![], body.clone().into()) } else { Reply::json(r#"{"value":[]}"#) })
    };
    let fake = Fake::start(answer).await;
    let client = fake.client();
    (fake, client, target())
}

/// Each record is a piece of the file, letter by letter.
fn assert_original(page: &Page, name: &str) {
    let file = fixture(name);
    for record in &page.records {
        assert!(file.contains(record.get()), "a record of {name} was changed");
    }
}

fn read<'a, T: serde::Deserialize<'a>>(record: &'a RawValue) -> T {
    serde_json::from_str(record.get()).unwrap()
}

#[tokio::test]
async fn the_documented_incidents_are_read() {
    let name = "xdr-incidents-list.json";
    let (_fake, client, target) = serving(200, name).await;
    let page = client.xdr_incidents(&target, APP, now(), 0, now()).await.unwrap();
    assert_original(&page, name);
    assert_eq!((page.records.len(), page.more), (2, false));
    let incident: xdr::Incident = read(&page.records[0]);
    assert_eq!((incident.incident_id.as_str(), incident.redirect_incident_id), ("924565", None));
    assert_eq!(incident.incident_name.as_deref(), Some("Ransomware activity"));
    assert_eq!(incident.last_update_time.to_rfc3339(), "2020-09-06T14:46:57.290+00:00");
    assert_eq!((incident.status.as_deref(), incident.severity.as_deref()), (Some("Active"), Some("Medium")));
    assert_eq!((incident.classification.as_deref(), incident.assigned_to), (Some("Unknown"), None));
    assert_eq!(incident.comments[0].created_by.as_deref(), Some("secop123@contoso.com"));
    let alert: xdr::IncidentAlert = read(&incident.alerts[0]);
    assert_eq!(alert.alert_id, "caD70CFEE2-1F54-32DB-9988-3A868A1EBFAC");
    assert_eq!((alert.service_source.as_deref(), alert.detection_source.as_deref()), (Some("MicrosoftCloudAppSecurity"), Some("MCAS")));
    assert!(alert.last_updated_time.is_some() && alert.resolved_time.is_none());
    assert_eq!(alert.entities[0].user_principal_name.as_deref(), Some("testUser2@contoso.com"));
    assert_eq!((alert.entities[1].entity_type.as_deref(), alert.entities[1].ip_address.as_deref()), (Some("Ip"), Some("62.216.203.204")));
    let second: xdr::Incident = read(&page.records[1]);
    assert_eq!(second.incident_id, "924521");
    let devices = |alert: &RawValue| read::<xdr::IncidentAlert>(alert).devices;
    let device = second.alerts.iter().flat_map(|alert| devices(alert)).next().unwrap();
    assert_eq!(device.mdatp_device_id.as_deref().map(str::len), Some(40));
    assert!(device.device_dns_name.is_some() && device.os_build.is_some());
}

#[tokio::test]
async fn the_documented_alerts_of_endpoint_are_read() {
    let name = "mde-alerts-list.json";
    let (_fake, client, target) = serving(200, name).await;
    let page = client.endpoint_alerts(&target, APP, now(), 0, now()).await.unwrap();
    assert_original(&page, name);
    assert_eq!((page.records.len(), page.more), (1, false));
    let alert: endpoint::Alert = read(&page.records[0]);
    assert_eq!((alert.id.as_str(), alert.incident_id.as_deref()), ("da637308392288907382_-880718168", Some("7587")));
    assert_eq!((alert.severity.as_deref(), alert.status.as_deref()), (Some("Low"), Some("New")));
    assert_eq!(alert.machine_id.as_deref(), Some("12ee6dd8c833c8a052ea231ec1b19adaf497b625"));
    assert_eq!(alert.mitre_techniques, ["T1064", "T1085", "T1220"]);
    assert_eq!(alert.related_user.unwrap().user_name.as_deref(), Some("temp123"));
    assert!(alert.evidence.is_empty());
}

#[tokio::test]
async fn the_documented_single_alert_of_endpoint_is_read_as_a_record_of_a_list() {
    let file = fixture("mde-alert-get.json");
    let alert: endpoint::Alert = serde_json::from_str(&file).unwrap();
    assert_eq!(alert.evidence.len(), 3);
    assert_eq!((alert.evidence[1].process_id, alert.evidence[1].detection_status.as_deref()), (Some(3276), Some("Detected")));
    assert_eq!(alert.evidence[0].aad_user_id.as_deref(), Some("11118379-2a59-1111-ac3c-a51eb4a3c627"));
    let list = format!("{{\"value\":[{file}]}}");
    let fake = Fake::start(move |seen| (!seen.is_token_request()).then(|| Reply::json(list.clone()))).await;
    let page = fake.client().endpoint_alerts(&target(), APP, now(), 0, now()).await.unwrap();
    assert_eq!(page.records[0].get(), file.trim());
}

#[tokio::test]
async fn the_documented_alerts_of_cloud_apps_are_read() {
    let name = "mdca-alerts-list.json";
    let (_fake, client, target) = serving(200, name).await;
    let page = client.cloud_apps_alerts(&target, APP, CloudAppsQuery::CreatedSince(now()), 0, now()).await.unwrap();
    assert_original(&page, name);
    assert_eq!((page.records.len(), page.more), (1, false));
    let of_list: cloud_apps::Alert = read(&page.records[0]);
    let fetched: cloud_apps::Alert = serde_json::from_str(&fixture("mdca-alert-fetch.json")).unwrap();
    for alert in [of_list, fetched] {
        assert_eq!((alert.id.as_str(), alert.timestamp.timestamp_millis()), ("603f704aaf7417985bbf3b22", 1_621_941_916_475));
        assert_eq!((alert.severity_value, alert.status_value, alert.resolution_status_value), (Some(1), Some(1), Some(0)));
        assert_eq!(alert.resolve_time.unwrap().to_rfc3339(), "2021-05-13T14:02:34.904+00:00");
        assert_eq!((alert.comment, alert.stories.as_slice()), (None, &[0][..]));
        assert_eq!((alert.entities[2].kind.as_deref(), alert.entities[2].id.as_deref()), (Some("service"), Some("20940")));
        assert_eq!(alert.entities[0].pa.as_deref(), Some("user1@contoso.com"));
    }
}

#[tokio::test]
async fn an_empty_page_of_cloud_apps_ends_the_list_whatever_it_promises() {
    let (_fake, client, target) = serving(200, "mdca-list-envelope-empty.json").await;
    let page = client.cloud_apps_alerts(&target, APP, CloudAppsQuery::ResolvedSince(now()), 0, now()).await.unwrap();
    assert!(page.records.is_empty() && !page.more);
}

#[tokio::test]
async fn the_documented_api_errors_are_told_apart() {
    let (_fake, client, target) = serving(404, "xdr-error-resourcenotfound.json").await;
    assert!(client.xdr_incident(&target, APP, "123123123", now()).await.unwrap().is_none());
    let (_fake, client, target) = serving(400, "mde-error-invalidrequestbody.json").await;
    let error = client.endpoint_alerts(&target, APP, now(), 0, now()).await.unwrap_err();
    assert_eq!(
        error,
        CallError::Rejected {
            status: 400,
            code: Some("InvalidRequestBody".to_owned()),
            told: Some("Request body is incorrect".to_owned())
        }
    );
}

#[tokio::test]
async fn tokens_of_every_documented_form_are_carried_as_they_came() {
    for name in ["entra-token-v1-success.json", "entra-token-v2-success.json", "entra-token-v2-success-ext.json"] {
        let (fake, client, target) = token_serving(200, name).await;
        client.probe(&target, APP, Product::DefenderXdr, now()).await.unwrap();
        let token: Value = serde_json::from_str(&fixture(name)).unwrap();
        let expected = format!("Bearer {}", token["access_token"].as_str().unwrap());
        assert_eq!(fake.calls()[0].header("authorization"), Some(expected.as_str()), "{name}");
    }
}

#[tokio::test]
async fn the_documented_token_errors_are_told_apart() {
    for (status, name, expected) in [
        (400, "composed-entra-token-error-700016.json", CallError::ConsentLost { aadsts: Some(700_016) }),
        (401, "composed-entra-token-error-7000215.json", CallError::OurCredential { aadsts: Some(7_000_215) }),
        (400, "entra-token-error-70011.json", CallError::Entra { aadsts: Some(70_011), error: "invalid_scope".to_owned() }),
    ] {
        let (fake, client, target) = token_serving(status, name).await;
        assert_eq!(client.probe(&target, APP, Product::DefenderXdr, now()).await, Err(expected), "{name}");
        assert!(fake.calls().is_empty(), "nothing is called without a token");
        assert_eq!(fake.seen().len(), 1, "a refusal is not tried again");
    }
}

#[tokio::test]
async fn metadata_without_a_directory_is_no_directory() {
    let (_fake, client, _) = serving(200, "entra-oidc-config-common.json").await;
    let found = client.find_directory(Cloud::Commercial, "contoso.com", now()).await;
    assert!(matches!(found, Err(FindError::Call(CallError::Unexpected(_)))), "{found:?}");
}

/// Lists and objects of operations that are not used yet arrive whole as well: what reads an answer does not depend on what it is about.
#[tokio::test]
async fn every_other_documented_answer_arrives_letter_by_letter() {
    let lists = ["indicators-list", "investigations-list", "machine-logonusers-list", "machineactions-list", "machines-list"];
    for name in lists.into_iter().chain(["machineactions-filter-requestor"]) {
        let name = format!("mde-{name}.json");
        let (_fake, client, target) = serving(200, &name).await;
        let page = client.endpoint_alerts(&target, APP, now(), 0, now()).await.unwrap();
        assert_original(&page, &name);
        let file: Value = serde_json::from_str(&fixture(&name)).unwrap();
        assert_eq!(page.records.len(), file["value"].as_array().unwrap().len(), "{name}");
    }
    let name = "mdca-subnets-list.json";
    let (_fake, client, target) = serving(200, name).await;
    let page = client.cloud_apps_alerts(&target, APP, CloudAppsQuery::CreatedSince(now()), 0, now()).await.unwrap();
    assert_original(&page, name);
    assert!(!page.records.is_empty());
    for name in [
        "mde-alert-get",
        "mde-machine-get",
        "mde-machineaction-get",
        "mde-live-response-action",
        "mde-live-response-result-link",
        "mde-advanced-query-response",
        "xdr-advanced-hunting-response",
        "mdca-alert-fetch",
        "mdca-discovery-stream",
        "mdca-discovery-upload-url",
        "mdca-close-benign-ok",
        "mdca-close-false-positive-notfound",
    ] {
        let name = format!("{name}.json");
        let (_fake, client, target) = serving(200, &name).await;
        let whole = client.xdr_incident(&target, APP, "1", now()).await.unwrap().unwrap();
        assert_eq!(whole.get(), fixture(&name).trim(), "{name}");
    }
}

#[tokio::test]
async fn a_bare_number_or_array_is_no_incident_and_no_list() {
    for name in ["mde-alerts-count.json", "mdca-discovery-categories.json"] {
        let (_fake, client, target) = serving(200, name).await;
        let one = client.xdr_incident(&target, APP, "1", now()).await;
        let list = client.endpoint_alerts(&target, APP, now(), 0, now()).await;
        assert!(matches!(one, Err(CallError::Unexpected(_))), "{name}: {one:?}");
        assert!(matches!(list, Err(CallError::Unexpected(_))), "{name}");
    }
}
