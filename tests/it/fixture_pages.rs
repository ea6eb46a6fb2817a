//! The documentation's own incidents and alerts, through the production client and the store onto a page, with nothing lost on the way.

use crate::app::{TestApp, Visitor};
use scraper::{Html, Selector};
use serde_json::Value;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchfloor::config::Sync;
use watchfloor::demo::{Api, Directory};
use watchfloor::model::{DirectoryId, Product, Role, TenantId, clock};
use watchfloor::sync::read::{self, Reader};
use watchfloor::sync::verify;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Each record of the fixtures, the API it belongs to, the list it is found on, and its title.
fn records() -> Vec<(Api, &'static str, String, Value)> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let mut records = Vec::new();
    for record in list(&fixture("xdr-incidents-list")["value"]) {
        records.push((Api::DefenderXdr, "incidents", record["incidentName"].as_str().unwrap().to_owned(), record));
    }
    for record in list(&fixture("mde-alerts-list")["value"]).into_iter().chain([fixture("mde-alert-get")]) {
        records.push((Api::DefenderEndpoint, "alerts", record["title"].as_str().unwrap().to_owned(), record));
    }
    for record in list(&fixture("mdca-alerts-list")["data"]) {
        records.push((Api::CloudApps, "alerts", record["title"].as_str().unwrap().to_owned(), record));
    }
    records
}

/// A tenant whose directory shows the fixtures, read to the end.
async fn read_fixtures(app: &TestApp) -> TenantId {
    let (tenant, directory) = (app.tenant("Documentation").await, DirectoryId(Uuid::new_v4()));
    {
        let mut world = app.stand_in.world();
        world.add_directory(Directory::new(directory, "Documentation", "documentation.example"));
        world.grant(directory, app.client_id);
        for (api, _, _, record) in records() {
            world.add_raw(directory, api, record);
        }
    }
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query("update tenants set directory_id = $2, apps = array['defender'] where tenant_id = $1")
        .bind(tenant)
        .bind(directory)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // The samples are years old.
    let settings = Sync { backfill: Duration::from_secs(20 * 365 * 86_400), ..Sync::default() };
    let reader = Reader::new(app.db.worker.clone(), app.state.microsoft.clone(), settings, CancellationToken::new());
    verify::verify(&reader, tenant, 0, clock::now()).await.unwrap();
    for product in [Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps] {
        while let Some(run) = read::read(&reader, tenant, product, clock::now()).await.unwrap() {
            assert_eq!((run.error, run.quarantined), (None, 0), "{product}");
        }
    }
    tenant
}

/// The page of the record with this title.
async fn open(visitor: &Visitor, list: &str, title: &str) -> crate::app::Reply {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", title).finish();
    let found =
        visitor.get(&format!("/{list}?{query}&status=new&status=in_progress&status=resolved&status=unknown")).await.assert_success();
    let link = found
        .attribute(&format!("tbody a[href^='/{list}/']"), "href")
        .unwrap_or_else(|| panic!("{title} is not on the list: {}", found.html));
    visitor.get(&link).await.assert_success()
}

#[tokio::test]
async fn the_documented_incidents_and_alerts_reach_their_pages_with_every_field() {
    let app = TestApp::start().await;
    read_fixtures(&app).await;
    let analyst = app.sign_in(Role::Analyst).await;
    for (api, list, title, record) in records() {
        let page = open(&analyst, list, &title).await;
        assert!(page.texts("h1").iter().any(|heading| heading.contains(&title)), "{title}");
        let originals = originals(&page.html);
        assert!(originals.contains(&record), "{api:?} {title}: {originals:#?}");
        let evidence = page.texts("main").join(" ");
        for expected in shown(&record) {
            assert!(evidence.contains(&expected), "{title}: {expected} is not on its page");
        }
    }
}

/// The JSON shown on a page, white space and all.
fn originals(html: &str) -> Vec<Value> {
    let (html, pre) = (Html::parse_document(html), Selector::parse("pre").unwrap());
    html.select(&pre).filter_map(|shown| serde_json::from_str(&shown.text().collect::<String>()).ok()).collect()
}

/// What of a record a reader looks for first.
fn shown(record: &Value) -> Vec<String> {
    let alerts = record["alerts"].as_array().cloned().unwrap_or_else(|| vec![record.clone()]);
    let mut expected = Vec::new();
    for alert in alerts {
        let things = [&alert["entities"], &alert["evidence"], &alert["devices"]];
        for thing in things.into_iter().filter_map(Value::as_array).flatten() {
            let members = ["userPrincipalName", "ipAddress", "sha256", "fileName", "processCommandLine", "deviceDnsName", "label"];
            let text = members.iter().filter_map(|member| thing[member].as_str());
            expected.extend(text.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    assert!(!expected.is_empty() || record["evidence"].as_array().is_some_and(Vec::is_empty));
    expected
}
