//! The stand-in cloud refuses what Microsoft would refuse.

use super::cloud::{Cloud, FORM_REDIRECT};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::collections::HashSet;
use watchfloor::demo::{Api, Directory, ExampleKind, Fault, Times, examples, prepare};
use watchfloor::model::{DirectoryId, Product};

const XDR: &str = "https://api.security.microsoft.com";
const ENDPOINT: &str = "https://api.securitycenter.microsoft.com";
const CLOUD_APPS: &str = "05a65629-4c1b-48c1-a78b-804c4abdd4af";

#[tokio::test]
async fn a_token_for_another_product_is_refused_by_the_host_they_share() {
    let cloud = Cloud::start().await;
    let endpoint = cloud.token(ENDPOINT).await;
    let (status, body) = cloud.get("api.security.microsoft.com/api/incidents", &endpoint).await;
    assert_eq!((status, body["error"]["code"].as_str()), (401, Some("Unauthorized")), "{body}");
    let (status, _) = cloud.get("api.security.microsoft.com/api/alerts", &endpoint).await;
    assert_eq!(status, 200);
    let (status, _) = cloud.get("api.security.microsoft.com/api/alerts", &cloud.token(XDR).await).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_token_without_the_role_is_given_and_then_forbidden() {
    let cloud = Cloud::start().await;
    cloud.stand_in.world().drop_role(cloud.directory, cloud.app, "Incident.Read.All");
    let (status, body) = cloud.get("api.security.microsoft.com/api/incidents", &cloud.token(XDR).await).await;
    assert_eq!((status, body["error"]["code"].as_str()), (403, Some("Forbidden")), "{body}");
}

#[tokio::test]
async fn undocumented_filters_and_too_large_pages_are_refused() {
    let cloud = Cloud::start().await;
    let token = cloud.token(XDR).await;
    for query in ["$filter=severity eq 'High'", "$top=101", "$orderby=createdTime", "$filter=lastUpdateTime ge '2026-01-01T00:00:00Z'"] {
        let (status, body) = cloud.get(&format!("api.security.microsoft.com/api/incidents?{query}"), &token).await;
        assert_eq!((status, body["error"]["code"].as_str()), (400, Some("ODataError")), "{query}: {body}");
    }
    let token = cloud.token(CLOUD_APPS).await;
    for body in [
        json!({"limit": 101}),
        json!({"filters": {"title": {"eq": ["x"]}}}),
        json!({"filters": {"date": {"eq": 5}}}),
        json!({"sortField": "title"}),
    ] {
        let (status, answer) = cloud.post("portal.cloudappsecurity.com/cas/api/v1/alerts/", &token, &body).await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
}

#[tokio::test]
async fn incidents_come_newest_first_in_the_documented_shape_and_endpoint_knows_the_same_alerts() {
    let cloud = Cloud::start().await;
    {
        let mut world = cloud.stand_in.world();
        let now = world.now();
        world.seed_history(cloud.directory, 10, 130, now);
    }
    let token = cloud.token(XDR).await;
    let (_, first) = cloud.get("api.security.microsoft.com/api/incidents?$top=100", &token).await;
    let (_, second) = cloud.get("api.security.microsoft.com/api/incidents?$top=100&$skip=100", &token).await;
    let rows: Vec<&Value> = [&first, &second].iter().flat_map(|page| page["value"].as_array().unwrap()).collect();
    assert_eq!(rows.len(), 130);
    let time = |row: &Value| chrono::DateTime::parse_from_rfc3339(row["lastUpdateTime"].as_str().unwrap()).unwrap();
    assert!(rows.windows(2).all(|pair| time(pair[0]) >= time(pair[1])));
    let entity = rows.iter().find_map(|row| row["alerts"][0]["entities"][0].as_object()).unwrap();
    assert_eq!(entity.len(), 31);
    let (_, alerts) = cloud.get("api.securitycenter.microsoft.com/api/alerts?$expand=evidence", &cloud.token(ENDPOINT).await).await;
    let ids: Vec<&str> = alerts["value"].as_array().unwrap().iter().map(|alert| alert["id"].as_str().unwrap()).collect();
    let of_xdr = rows.iter().flat_map(|row| row["alerts"].as_array().unwrap()).filter_map(|alert| alert["alertId"].as_str());
    let of_xdr: Vec<&str> = of_xdr.filter(|id| id.starts_with("da")).collect();
    assert!(!ids.is_empty() && ids.len() == of_xdr.len() && of_xdr.iter().all(|id| ids.contains(id)));
    assert_eq!(alerts["value"][0]["evidence"][0].as_object().unwrap().len(), 25);
    assert_eq!(cloud.stand_in.world().ledger.shown(cloud.directory, Api::DefenderXdr).len(), 130);
}

#[tokio::test]
async fn a_call_before_the_retry_after_is_refused_and_noted() {
    let cloud = Cloud::start().await;
    let token = cloud.token(XDR).await;
    cloud.stand_in.world().fault(cloud.directory, Api::DefenderXdr, Fault::Throttle(Some("7".to_owned())), Times::Calls(1));
    let call = || cloud.get("api.security.microsoft.com/api/incidents", &token);
    assert_eq!(call().await.0, 429);
    assert_eq!(call().await.0, 429);
    cloud.stand_in.world().advance(TimeDelta::seconds(8));
    assert_eq!(call().await.0, 200);
    let early: Vec<u16> = cloud.stand_in.world().ledger.early().iter().map(|request| request.status).collect();
    assert_eq!(early, [429]);
}

#[tokio::test]
async fn the_published_limit_of_a_minute_is_kept() {
    let cloud = Cloud::start().await;
    let token = cloud.token(CLOUD_APPS).await;
    for n in 0..31 {
        let (status, _) = cloud.get("portal.cloudappsecurity.com/cas/api/v1/alerts/", &token).await;
        assert_eq!(status, if n < 30 { 200 } else { 429 }, "call {n}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_by_their_numbers() {
    let cloud = Cloud::start().await;
    let scope = format!("{XDR}/.default");
    let id = cloud.app.to_string();
    let secret = [("client_id", id.as_str()), ("client_secret", "wrong"), ("scope", &scope), ("grant_type", "client_credentials")];
    cloud.refused(&cloud.token_path(), &secret, 401, "invalid_client", 7_000_215).await;
    cloud.refused(&cloud.token_path(), &secret[..1], 400, "invalid_request", 900_144).await;
    cloud.refused("organizations/oauth2/v2.0/token", &secret, 400, "invalid_request", 50_059).await;
    cloud.refused("nobody.example/oauth2/v2.0/token", &secret, 400, "invalid_request", 90_002).await;
    let stranger = cloud.assertion(&super::cloud::certificate(), "PS256", &cloud.audience());
    cloud.refused(&cloud.token_path(), &cloud.with_assertion(&stranger), 401, "invalid_client", 700_027).await;
    cloud.stand_in.world().revoke(cloud.directory, cloud.app);
    cloud.refused(&cloud.token_path(), &secret, 400, "unauthorized_client", 700_016).await;
}

#[tokio::test]
async fn a_signed_assertion_is_good_once_and_for_its_own_tenant() {
    let cloud = Cloud::start().await;
    let older = cloud.assertion(&cloud.certificate, "RS256", &cloud.audience());
    assert_eq!(cloud.form(&cloud.token_path(), &cloud.with_assertion(&older)).await.0, 200);
    let good = cloud.assertion(&cloud.certificate, "PS256", &cloud.audience());
    let (status, body) = cloud.form(&cloud.token_path(), &cloud.with_assertion(&good)).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!((body["expires_in"].as_i64(), body["ext_expires_in"].as_i64()), (Some(3599), Some(3599)));
    cloud.refused(&cloud.token_path(), &cloud.with_assertion(&good), 401, "invalid_client", 50_012).await;
    let elsewhere = cloud.assertion(&cloud.certificate, "PS256", "https://login.microsoftonline.com/other.example/oauth2/v2.0/token");
    cloud.refused(&cloud.token_path(), &cloud.with_assertion(&elsewhere), 401, "invalid_client", 50_012).await;
    let ledger = format!("{:?}", cloud.stand_in.world().ledger.requests().collect::<Vec<_>>());
    assert!(!ledger.contains(&good) && ledger.contains("(redacted)"), "{ledger}");
}

#[tokio::test]
async fn a_missing_licence_is_an_unknown_resource() {
    let cloud = Cloud::start().await;
    cloud.stand_in.world().set_licences(cloud.directory, &[Product::DefenderXdr]);
    let scope = format!("{CLOUD_APPS}/.default");
    cloud.refused(&cloud.token_path(), &cloud.with_secret(&scope), 400, "invalid_resource", 500_011).await;
}

#[tokio::test]
async fn a_declined_consent_comes_back_without_a_tenant_and_with_admin_consent_true() {
    let cloud = Cloud::start().await;
    let directory = cloud.directory.to_string();
    let back = cloud.consent("organizations", &[("directory", &directory), ("decision", "cancel")]).await.unwrap();
    assert_eq!(back.get("error").map(String::as_str), Some("access_denied"));
    assert_eq!(back.get("admin_consent").map(String::as_str), Some("True"));
    assert_eq!(back.get("state").map(String::as_str), Some("the state"));
    assert!(!back.contains_key("tenant") && back["error_description"].starts_with("AADSTS65004: "), "{back:?}");
    assert!(back["error_description"].contains("\r\nTrace ID: ") && back["error_description"].contains("\r\nTimestamp: "));
}

#[tokio::test]
async fn an_accepted_consent_grants_and_names_the_tenant_and_the_scope() {
    let cloud = Cloud::start().await;
    cloud.stand_in.world().revoke(cloud.directory, cloud.app);
    let directory = cloud.directory.to_string();
    let back = cloud.consent(&directory, &[("directory", &directory), ("decision", "accept")]).await.unwrap();
    assert_eq!(back.get("tenant"), Some(&directory));
    assert!(back["scope"].contains("https://api.security.microsoft.com/Incident.Read.All"), "{back:?}");
    assert!(cloud.stand_in.world().is_granted(cloud.directory, cloud.app));
    assert_eq!(cloud.get("api.security.microsoft.com/api/incidents", &cloud.token(XDR).await).await.0, 200);
}

#[tokio::test]
async fn some_refusals_of_consent_never_come_back() {
    let cloud = Cloud::start().await;
    let directory = cloud.directory.to_string();
    let fields = [("directory", directory.as_str()), ("decision", "accept")];
    assert!(cloud.consent("common", &fields).await.is_none());
    assert!(cloud.consent(&directory, &[fields[0], ("decision", "not_admin")]).await.is_none());
    assert!(cloud.consent_with(&directory, "redirect_uri", "http://evil.example/", &fields).await.is_none());
    assert!(cloud.consent_with(&directory, "scope", "https://api.security.microsoft.com/Incident.Read.All", &fields).await.is_none());
    cloud.stand_in.world().set_licences(cloud.directory, &[Product::DefenderXdr]);
    let back = cloud.consent(&directory, &fields).await.unwrap();
    assert!(back["error_description"].starts_with("AADSTS650052: "), "{back:?}");
}

#[tokio::test]
async fn a_code_is_good_once_with_its_verifier() {
    let cloud = Cloud::start().await;
    let code = cloud.sign_in().await;
    cloud.refused(&cloud.token_path(), &cloud.with_code(&code, "another verifier"), 400, "invalid_grant", 501_481).await;
    let (status, body) = cloud.form(&cloud.token_path(), &cloud.with_code(&code, FORM_REDIRECT)).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["id_token"].as_str().unwrap().split('.').count(), 3);
    cloud.refused(&cloud.token_path(), &cloud.with_code(&code, FORM_REDIRECT), 400, "invalid_grant", 54_005).await;
}

#[tokio::test]
async fn a_domain_leads_to_its_directory_and_an_unknown_one_to_90002() {
    let cloud = Cloud::start().await;
    let path = |domain: &str| format!("login.microsoftonline.com/{domain}/v2.0/.well-known/openid-configuration");
    let (_, body) = cloud.get(&path("northwind-mills.example"), "").await;
    assert_eq!(body["issuer"].as_str().unwrap(), format!("https://login.microsoftonline.com/{}/v2.0", cloud.directory));
    let (status, body) = cloud.get(&path("nobody.example"), "").await;
    assert_eq!((status, body["error_codes"][0].as_i64()), (400, Some(90_002)));
}

#[tokio::test]
async fn every_example_customer_is_set_up_as_its_kind_says() {
    let cloud = Cloud::start().await;
    let list = examples(watchfloor::model::Cloud::Commercial, 16);
    {
        let mut world = cloud.stand_in.world();
        let now = world.now();
        for example in &list {
            prepare(&mut world, example, &[cloud.app], now);
        }
    }
    let names: HashSet<&str> = list.iter().map(|example| example.name.as_str()).collect();
    let kinds: HashSet<ExampleKind> = list[..14].iter().map(|example| example.kind).collect();
    assert_eq!((names.len(), kinds.len()), (16, 14));
    let world = cloud.stand_in.world();
    for example in &list {
        let pending = matches!(
            example.kind,
            ExampleKind::Pending | ExampleKind::Declined | ExampleKind::Revoked | ExampleKind::WrongDirectory | ExampleKind::Offboarded
        );
        assert_eq!(world.is_granted(example.directory_id, cloud.app), !pending, "{}", example.name);
    }
}

#[tokio::test]
async fn a_trickle_changes_what_is_shown_and_merged_incidents_point_on() {
    let cloud = Cloud::start().await;
    let (one, other) = {
        let mut world = cloud.stand_in.world();
        let one = world.add_incident(cloud.directory, "Ransomware <behaviour>").unwrap();
        let other = world.add_incident(cloud.directory, "Second").unwrap();
        world.merge_incidents(cloud.directory, one, other);
        for _ in 0..60 {
            world.advance(TimeDelta::seconds(5));
            world.tick();
        }
        (one, other)
    };
    let token = cloud.token(XDR).await;
    let (_, merged) = cloud.get(&format!("api.security.microsoft.com/api/incidents/{one}"), &token).await;
    assert_eq!((merged["status"].as_str(), merged["redirectIncidentId"].as_i64()), (Some("Redirected"), Some(other)));
    assert_eq!(merged["incidentName"], "Ransomware <behaviour>");
    let (_, all) = cloud.get("api.security.microsoft.com/api/incidents", &token).await;
    let rows = all["value"].as_array().unwrap();
    assert!(rows.len() > 4 && rows.iter().any(|row| row["status"] == "Resolved"), "{}", rows.len());
}

#[tokio::test]
async fn planned_faults_come_in_turn_and_then_end() {
    let cloud = Cloud::start().await;
    let token = cloud.token(XDR).await;
    let poison = json!({"incidentId": "not a number", "severity": 7});
    {
        let mut world = cloud.stand_in.world();
        world.add_raw(cloud.directory, Api::DefenderXdr, poison.clone());
        world.fault_after(cloud.directory, Api::DefenderXdr, 1, Fault::Status(503), Times::Calls(1));
        world.fault(cloud.directory, Api::DefenderXdr, Fault::json("null"), Times::Calls(1));
        world.fault(cloud.directory, Api::DefenderXdr, Fault::LoopingPages, Times::Calls(1));
    }
    let call = || cloud.get("api.security.microsoft.com/api/incidents?$top=1", &token);
    let (status, body) = call().await;
    assert_eq!((status, &body["value"][0]), (200, &poison));
    assert_eq!(call().await.0, 503);
    assert_eq!(call().await, (200, Value::Null));
    assert_eq!(call().await.1["@odata.nextLink"], "https://api.security.microsoft.com/api/incidents?%24top=1");
    assert!(call().await.1.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn the_front_page_pulls_the_strings_but_not_for_another_site() {
    let cloud = Cloud::start().await;
    let directory = cloud.directory.to_string();
    let app = cloud.app.to_string();
    let fields = [("directory", directory.as_str()), ("act", "revoke"), ("of", &app)];
    assert_eq!(cloud.control(&fields, "http://evil.example").await, 403);
    assert!(cloud.stand_in.world().is_granted(cloud.directory, cloud.app));
    assert_eq!(cloud.control(&fields, cloud.stand_in.base().trim_end_matches('/')).await, 303);
    assert!(!cloud.stand_in.world().is_granted(cloud.directory, cloud.app));
}

#[tokio::test]
async fn a_session_is_used_silently_in_its_own_directory_only() {
    let cloud = Cloud::start().await;
    let other = DirectoryId(uuid::Uuid::new_v4());
    cloud.stand_in.world().add_directory(Directory::new(other, "Other Mills", "other-mills.example"));
    assert_eq!(cloud.open_sign_in(cloud.directory, "").await, 302);
    assert_eq!(cloud.open_sign_in(cloud.directory, "select_account").await, 200);
    assert_eq!(cloud.open_sign_in(other, "").await, 200);
}
