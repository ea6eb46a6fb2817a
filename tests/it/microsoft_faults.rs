//! How the client behaves towards Microsoft when things go wrong.

use crate::fake::{APP, DIRECTORY, Fake, Reply, Seen, now, target, token_body};
use chrono::TimeDelta;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use watchfloor::microsoft::{CallError, CloudAppsQuery, NetworkFault, Target};
use watchfloor::model::{Cloud, DirectoryId, Product};

const EMPTY: &str = r#"{"value":[]}"#;

/// Answers the n-th call to an API with the n-th reply, the last one again and again.
fn in_turn(replies: impl Fn(usize) -> Reply + Send + Sync + 'static) -> impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static {
    let calls = AtomicUsize::new(0);
    move |seen| (!seen.is_token_request()).then(|| replies(calls.fetch_add(1, Ordering::SeqCst)))
}

fn retry_after(value: &str) -> Reply {
    Reply(429, vec![("retry-after", value.to_owned())], vec![])
}

#[tokio::test]
async fn one_token_serves_many_calls_at_once_and_is_renewed_five_minutes_early() {
    let fake = Fake::start(in_turn(|_| Reply::json(EMPTY))).await;
    let (client, target) = (fake.client(), target());
    let tokens = || fake.seen().iter().filter(|seen| seen.is_token_request()).count();
    let calls = (0..10).map(|_| {
        let (client, target) = (client.clone(), target.clone());
        tokio::spawn(async move { client.probe(&target, APP, Product::DefenderXdr, now()).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!((tokens(), fake.calls().len()), (1, 10));
    client.probe(&target, APP, Product::DefenderXdr, now() + TimeDelta::minutes(54)).await.unwrap();
    assert_eq!(tokens(), 1);
    client.probe(&target, APP, Product::DefenderXdr, now() + TimeDelta::minutes(55)).await.unwrap();
    assert_eq!(tokens(), 2);
    client.probe(&target, APP, Product::DefenderEndpoint, now()).await.unwrap();
    client.probe(&Target { tenant: watchfloor::model::TenantId::new(), ..target }, APP, Product::DefenderXdr, now()).await.unwrap();
    assert_eq!(tokens(), 4, "each resource and each tenant has tokens of its own");
}

#[tokio::test]
async fn roles_come_from_a_fresh_token() {
    let fake = Fake::start(|_| None).await;
    let (client, target) = (fake.client(), target());
    for _ in 0..2 {
        assert_eq!(client.roles(&target, APP, Product::DefenderXdr, now()).await.unwrap(), ["Incident.Read.All"]);
    }
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_token_of_another_directory_is_dropped_and_nothing_is_called_with_it() {
    let other = "11112222-0000-cccc-1111-dddd2222eeee";
    let fake = Fake::start(move |seen| seen.is_token_request().then(|| Reply::json(token_body(other)))).await;
    let error = fake.client().probe(&target(), APP, Product::DefenderXdr, now()).await.unwrap_err();
    assert_eq!(error, CallError::WrongTenantToken);
    assert!(error.is_security_event() && fake.calls().is_empty());
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let fake = Fake::start(in_turn(|n| if n == 0 { Reply::status(401) } else { Reply::json(EMPTY) })).await;
    fake.client().probe(&target(), APP, Product::DefenderXdr, now()).await.unwrap();
    let bearers: Vec<_> = fake.calls().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert!(bearers.len() == 2 && bearers[0] != bearers[1]);

    let fake = Fake::start(in_turn(|_| Reply::status(401))).await;
    assert_eq!(fake.client().probe(&target(), APP, Product::DefenderXdr, now()).await, Err(CallError::Unauthorized));
    assert_eq!(fake.calls().len(), 2);
}

#[tokio::test]
async fn after_a_missing_permission_the_next_call_asks_for_a_new_token() {
    let body = r#"{"error":{"code":"Forbidden","message":"x","target":"43f4cb08-8fac-4b65-9db1-745c2ae65f3a"}}"#;
    let fake = Fake::start(in_turn(move |n| if n == 0 { Reply(403, vec![], body.into()) } else { Reply::json(EMPTY) })).await;
    let (client, target) = (fake.client(), target());
    let forbidden = CallError::Forbidden { code: Some("Forbidden".to_owned()) };
    assert_eq!(client.probe(&target, APP, Product::DefenderXdr, now()).await, Err(forbidden));
    client.probe(&target, APP, Product::DefenderXdr, now()).await.unwrap();
    assert_eq!(fake.seen().iter().filter(|seen| seen.is_token_request()).count(), 2);
}

#[tokio::test]
async fn a_throttled_tenant_is_not_called_before_its_time_and_others_go_on() {
    let fake = Fake::start(in_turn(|n| if n == 0 { retry_after("7") } else { Reply::json(EMPTY) })).await;
    let (client, throttled, other) = (fake.client(), target(), target());
    let wait = Duration::from_secs(7);
    let probe = |target: &Target, product, seconds| {
        let (client, target, later) = (client.clone(), target.clone(), now() + TimeDelta::seconds(seconds));
        async move { client.probe(&target, APP, product, later).await }
    };
    assert_eq!(probe(&throttled, Product::DefenderXdr, 0).await, Err(CallError::Throttled { retry_after: Some(wait) }));
    assert!(matches!(probe(&throttled, Product::DefenderXdr, 5).await, Err(CallError::Throttled { .. })));
    assert_eq!(fake.calls().len(), 1, "a throttled call is not tried again by itself");
    probe(&other, Product::DefenderXdr, 5).await.unwrap();
    probe(&throttled, Product::DefenderEndpoint, 5).await.unwrap();
    probe(&throttled, Product::DefenderXdr, 8).await.unwrap();
}

#[tokio::test]
async fn a_throttled_login_stops_every_product_of_the_tenant() {
    let fake = Fake::start(|seen| seen.is_token_request().then(|| retry_after("60"))).await;
    let (client, target) = (fake.client(), target());
    for &product in Product::ALL {
        assert!(matches!(client.probe(&target, APP, product, now()).await, Err(CallError::Throttled { .. })));
    }
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn server_errors_are_tried_five_times_and_then_told() {
    let fake = Fake::start(in_turn(|n| if n < 4 { Reply::status(502) } else { Reply::json(EMPTY) })).await;
    fake.client().probe(&target(), APP, Product::CloudApps, now()).await.unwrap_err();
    let fake = Fake::start(in_turn(|n| if n < 4 { Reply::status(502) } else { Reply::json(EMPTY) })).await;
    fake.client().probe(&target(), APP, Product::DefenderXdr, now()).await.unwrap();
    assert_eq!(fake.calls().len(), 5);

    let fake = Fake::start(in_turn(|_| Reply::status(503))).await;
    let (client, target) = (fake.client(), target());
    for call in 1..=6 {
        assert_eq!(client.probe(&target, APP, Product::DefenderXdr, now()).await, Err(CallError::Server { status: 503 }));
        assert_eq!(fake.calls().len(), if call < 6 { call * 5 } else { 26 }, "the sixth call gets one try");
    }
}

#[tokio::test]
async fn what_is_not_an_answer_is_never_an_empty_list() {
    for (status, body) in [
        (200, "<html><title>Sign in to your account</title></html>"),
        (200, ""),
        (200, "null"),
        (200, "[]"),
        (200, "{}"),
        (200, r#"{"error":{"code":"InternalServerError","message":""}}"#),
        (200, r#"{"value":[{"incidentId":1}"#),
        (204, ""),
        (302, EMPTY),
    ] {
        let fake = Fake::start(in_turn(move |_| Reply(status, vec![("location", "https://evil.example/".to_owned())], body.into()))).await;
        let (client, target) = (fake.client(), target());
        let error = client.xdr_incidents(&target, APP, now(), 0, now()).await.unwrap_err();
        assert!(matches!(error, CallError::Unexpected(_)), "{status} {body}: {error:?}");
        let error = client.cloud_apps_alerts(&target, APP, CloudAppsQuery::CreatedSince(now()), 0, now()).await.unwrap_err();
        assert!(matches!(error, CallError::Unexpected(_)), "{status} {body}: {error:?}");
    }
}

#[tokio::test]
async fn a_page_split_by_links_is_read_whole_and_a_full_one_has_more() {
    let link = "https://api.security.microsoft.com/api/alerts?$skiptoken=2";
    let first = json!({"value": [{"id": "a"}], "@odata.nextLink": link}).to_string();
    let fake =
        Fake::start(in_turn(move |n| Reply::json(if n == 0 { first.clone() } else { r#"{"value":[{"id":"b"}]}"#.to_owned() }))).await;
    let page = fake.client().endpoint_alerts(&target(), APP, now(), 0, now()).await.unwrap();
    assert_eq!(
        (page.records.iter().map(|record| record.get()).collect::<Vec<_>>(), page.more),
        (vec![r#"{"id":"a"}"#, r#"{"id":"b"}"#], false)
    );
    assert_eq!(fake.calls()[1].query["$skiptoken"], "2");

    let full = json!({"value": vec![json!({"incidentId": 1}); 100]}).to_string();
    let fake = Fake::start(in_turn(move |_| Reply::json(full.clone()))).await;
    let page = fake.client().xdr_incidents(&target(), APP, now(), 200, now()).await.unwrap();
    assert!(page.more && page.records.len() == 100);
    assert_eq!(fake.calls()[0].query["$skip"], "200");
}

#[tokio::test]
async fn links_that_lead_elsewhere_or_round_in_circles_are_not_followed() {
    for (link, expected) in [
        ("https://evil.example/api/alerts", CallError::RefusedLink),
        ("http://api.security.microsoft.com/api/alerts", CallError::RefusedLink),
        ("https://api.security.microsoft.com/api/alerts?again", CallError::Unexpected("its next page is one already read")),
    ] {
        let body = json!({"value": [], "@odata.nextLink": link}).to_string();
        let fake = Fake::start(in_turn(move |_| Reply::json(body.clone()))).await;
        let error = fake.client().endpoint_alerts(&target(), APP, now(), 0, now()).await.unwrap_err();
        assert_eq!(error, expected, "{link}");
        assert!(fake.calls().iter().all(|seen| seen.host == "api.security.microsoft.com") && fake.calls().len() <= 2);
    }
    let endless = AtomicUsize::new(0);
    let fake = Fake::start(move |seen| {
        let n = endless.fetch_add(1, Ordering::SeqCst);
        let link = format!("https://api.security.microsoft.com/api/alerts?$skiptoken={n}");
        (!seen.is_token_request()).then(|| Reply::json(json!({"value": [], "@odata.nextLink": link}).to_string()))
    })
    .await;
    let error = fake.client().endpoint_alerts(&target(), APP, now(), 0, now()).await.unwrap_err();
    assert_eq!(error, CallError::Unexpected("its pages do not end"));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let fake = Fake::start(in_turn(|_| Reply::json(vec![b' '; 33 * 1024 * 1024]))).await;
    let error = fake.client().xdr_incidents(&target(), APP, now(), 0, now()).await.unwrap_err();
    assert_eq!(error, CallError::TooLarge);
}

#[tokio::test]
async fn a_broken_character_spoils_one_record_and_not_the_page() {
    let fake = Fake::start(in_turn(|_| Reply::json(b"{\"value\":[{\"incidentName\":\"a\xffb\"},{\"incidentId\":2}]}".to_vec()))).await;
    let page = fake.client().xdr_incidents(&target(), APP, now(), 0, now()).await.unwrap();
    assert_eq!(page.records[0].get(), "{\"incidentName\":\"a\u{fffd}b\"}");
    assert_eq!(page.records.len(), 2);
}

#[tokio::test]
async fn an_absent_microsoft_is_a_network_fault() {
    let fake = Fake::start(|_| None).await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = watchfloor::microsoft::Client::stand_in(nobody, &[crate::fake::app()], now()).unwrap();
    let client = client.with_retry_delay(Duration::from_millis(1));
    let error = client.probe(&target(), APP, Product::DefenderXdr, now()).await.unwrap_err();
    assert_eq!(error, CallError::Network(NetworkFault::Connect));
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn an_app_of_another_cloud_or_an_unknown_app_calls_nobody() {
    let fake = Fake::start(|_| None).await;
    let client = fake.client();
    let far = Target { cloud: Cloud::GccHigh, ..target() };
    for (target, app) in [(far, APP), (target(), "nobody")] {
        let error = client.probe(&target, app, Product::DefenderXdr, now()).await.unwrap_err();
        assert!(matches!(error, CallError::NotConfigured(_)), "{error:?}");
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_domain_leads_to_its_directory_or_to_a_clear_no() {
    use watchfloor::microsoft::FindError;
    let fake = Fake::start(|seen| {
        let known = seen.path == "/contoso.com/v2.0/.well-known/openid-configuration";
        let issuer = format!("https://login.microsoftonline.com/{DIRECTORY}/v2.0");
        let unknown = json!({"error": "invalid_tenant", "error_description": "AADSTS90002: no", "error_codes": [90002]});
        Some(if known { Reply::json(json!({"issuer": issuer}).to_string()) } else { Reply(400, vec![], unknown.to_string().into()) })
    })
    .await;
    let client = fake.client();
    assert_eq!(
        client.find_directory(Cloud::Commercial, "Contoso.com", now()).await.map(|found| found.directory),
        Ok(DirectoryId::parse(DIRECTORY).unwrap())
    );
    assert_eq!(client.find_directory(Cloud::Commercial, "fabrikam.com", now()).await, Err(FindError::NotFound));
    assert_eq!(client.find_directory(Cloud::Commercial, "contoso.com/../common", now()).await, Err(FindError::InvalidName));
    assert_eq!(fake.seen().len(), 2);
    assert!(fake.seen().iter().all(|seen| seen.header("authorization").is_none()));
}
