//! Hunting on the wire: Microsoft's documented requests and answers through the production client, and what the stand-in refuses.

use crate::fake::{APP, Fake, Reply, Seen, now, target};
use crate::hunting::{asked, customer, part, rig, run, start};
use serde_json::{Value, json};
use watchfloor::demo::{HuntFault, Times};
use watchfloor::microsoft::{CallError, hunting};
use watchfloor::model::HuntApi;

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test]
async fn the_documented_requests_are_sent_and_the_documented_answers_are_read() {
    let query: Value = serde_json::from_str(&fixture("xdr-advanced-hunting-request.json")).unwrap();
    for (api, url, request, answer, stats) in [
        (
            HuntApi::Xdr,
            "api.security.microsoft.com/api/advancedhunting/run",
            "xdr-advanced-hunting-request.json",
            "xdr-advanced-hunting-response.json",
            true,
        ),
        (
            HuntApi::Endpoint,
            "api.security.microsoft.com/api/advancedqueries/run",
            "xdr-advanced-hunting-request.json",
            "mde-advanced-query-response.json",
            false,
        ),
        (
            HuntApi::Graph,
            "graph.microsoft.com/v1.0/security/runHuntingQuery",
            "graph-hunting-request.json",
            "graph-hunting-response.json",
            false,
        ),
    ] {
        let body = fixture(answer);
        let told = body.clone();
        let fake = Fake::start(move |seen: &Seen| (!seen.is_token_request()).then(|| Reply::json(told.clone()))).await;
        let client = fake.client();
        let operation = hunting::operation(api).unwrap();
        let found = client.hunt(&target(), APP, operation, (query["Query"].as_str().unwrap(), None), now()).await.unwrap();
        let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names[..3], ["Timestamp", "FileName", "InitiatingProcessFileName"], "{answer}");
        assert_eq!((found.columns[0].r#type.as_str(), found.rows.len(), found.truncated), ("DateTime", 2, false), "{answer}");
        assert_eq!(found.stats.is_some(), stats, "{answer}");
        assert!(found.rows.iter().all(|row| body.contains(row.get())), "a row of {answer} was changed");
        let call = fake.calls().pop().unwrap();
        assert_eq!((call.method.as_str(), format!("{}{}", call.host, call.path).as_str()), ("POST", url));
        assert_eq!(serde_json::from_str::<Value>(&call.body).unwrap(), serde_json::from_str::<Value>(&fixture(request)).unwrap());
        let kind = if api == HuntApi::Graph { "application/json; charset=utf-8" } else { "application/json" };
        assert_eq!(call.header("content-type"), Some(kind));

        client.hunt(&target(), APP, operation, ("DeviceInfo", Some("P7D")), now()).await.unwrap();
        let body: Value = serde_json::from_str(&fake.calls().pop().unwrap().body).unwrap();
        let expected =
            if api == HuntApi::Graph { json!({"Query": "DeviceInfo", "Timespan": "P7D"}) } else { json!({"Query": "DeviceInfo"}) };
        assert_eq!(body, expected, "a time span reaches Graph only");
    }
}

#[tokio::test]
async fn a_query_is_sent_once_whatever_becomes_of_it() {
    let fake = Fake::start(|seen: &Seen| (!seen.is_token_request()).then(|| Reply::status(503))).await;
    let operation = hunting::operation(HuntApi::Xdr).unwrap();
    let answer = fake.client().hunt(&target(), APP, operation, ("DeviceInfo", None), now()).await;
    assert_eq!(answer.unwrap_err(), CallError::Server { status: 503 });
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn the_stand_in_understands_its_part_of_the_language_and_refuses_the_rest() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    rig.cloud.world().add_incident(contoso.directory, "Planted").unwrap();
    let found = async |query: &str| {
        let id = start(&rig, query, HuntApi::Auto, &[contoso]).await;
        run(&rig, id, contoso).await;
        let rows = rig.text(contoso, &format!("select rows from hunt_rows where hunt_id = '{id}' and piece = 0")).await;
        (part(&rig, id, contoso).await, rows.map(|rows| serde_json::from_str::<Vec<Value>>(&rows).unwrap()).unwrap_or_default())
    };
    for (query, rows) in [
        ("print x = 1, y = \"a\"", json!([{"x": 1, "y": "a"}])),
        ("DeviceInfo | count", json!([{"Count": 10}])),
        ("DeviceInfo | summarize count() by OnboardingStatus", json!([{"OnboardingStatus": "Onboarded", "count_": 10}])),
        ("AlertInfo | where Title == \"Planted\" and Timestamp > ago(1d) | project T = Title | take 5", json!([{"T": "Planted"}])),
        (
            "AlertInfo | where Title =~ \"planted\" and (Title has \"x\" or Title startswith \"PLANT\") | count // a remark",
            json!([{"Count": 1}]),
        ),
        ("AlertInfo\n| where Title contains 'lante'\n| summarize n = count()", json!([{"n": 1}])),
        ("DeviceInfo | where DeviceName == \"none\"", json!([])),
    ] {
        let (part, found) = found(query).await;
        assert_eq!((part.0.as_str(), json!(found)), ("ok", rows), "{query}: {}", part.2);
    }
    let (_, names) = found("DeviceInfo | sort by DeviceName asc | project DeviceName").await;
    let (_, top) = found("DeviceInfo | top 1 by DeviceName desc | project DeviceName").await;
    assert!(names.is_sorted_by_key(|row| row["DeviceName"].to_string()) && names.last() == top.first());
    for (query, words) in [
        ("DeviceInfo | extend x = 1", "Query could not be parsed at 'extend' on line [1,14]"),
        ("DeviceInfo\n| where DeviceName ==", "Query could not be parsed at '<EOF>' on line [2,"),
        ("DeviceInfo | take many", "at 'many'"),
        ("DeviceInfo | where Nothing == 1", "'where' operator: Failed to resolve column or scalar expression named 'Nothing'"),
        ("DeviceInfo | where DeviceName > 1", "Cannot compare values of types"),
        ("DeviceInfo; DeviceInfo", "at ';'"),
    ] {
        let ((outcome, _, reason), _) = found(query).await;
        assert_eq!(outcome, "refused", "{query}");
        assert!(reason.contains(words), "{query}: {reason}");
    }
    rig.cloud.world().hunt_fault(contoso.directory, HuntFault::UpperCase, Times::Calls(1));
    assert_eq!(found("DeviceInfo | count").await.1, [json!({"Count": 10})], "either case of Graph's schema is read");
    // Every query that comes with Watchfloor is one that Microsoft understands.
    let mut tx = rig.db.web.no_tenant().await.unwrap();
    let queries: Vec<String> = sqlx::query_scalar("select query from saved_queries").fetch_all(&mut *tx).await.unwrap();
    assert_eq!(queries.len(), 5);
    for query in queries {
        assert_eq!(found(&query).await.0.0, "ok", "{query}");
    }
    assert!(asked(&rig, contoso).len() < 22, "within half of 45 a minute");
}
