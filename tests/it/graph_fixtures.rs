//! What Microsoft's documentation prints of Graph security: through the client letter by letter, and through the store onto a page.

use crate::app::TestApp;
use crate::fake::{APP, Fake, Reply, now, target};
use scraper::{Html, Selector};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchfloor::config::Sync;
use watchfloor::demo::{self, Api, Credential, Directory};
use watchfloor::microsoft::graph::{self, Evidence, Place};
use watchfloor::microsoft::{CallError, Client, operations};
use watchfloor::model::{DirectoryId, Product, Role, TenantId, clock};
use watchfloor::sync::read::{self, Reader};
use watchfloor::sync::verify;

const SECRET: &str = "graph~Secret";

fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/graph-{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn fixture(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

/// A Microsoft that answers every call to an API with this file.
async fn serving(status: u16, name: &str) -> (Fake, Client) {
    let body = text(name);
    let fake = Fake::start(move |seen| (!seen.is_token_request()).then(|| Reply(status, vec![], body.clone().into()))).await;
    let client = fake.client();
    (fake, client)
}

#[tokio::test]
async fn the_documented_incidents_of_graph_are_read() {
    for (name, alerts) in [("incidents-list", 0), ("incidents-list-expand-alerts", 1)] {
        let (fake, client) = serving(200, name).await;
        let page = client.graph_incidents(&target(), APP, Place::Since(now()), now()).await.unwrap();
        assert!(page.next.is_none() && text(name).contains(page.records[0].get()), "{name}: letter by letter");
        let incident: graph::Incident = serde_json::from_str(page.records[0].get()).unwrap();
        assert_eq!((incident.id.as_str(), incident.redirect_incident_id), ("2972395", None));
        assert!(incident.status.unwrap().eq_ignore_ascii_case("active") && incident.severity.unwrap().eq_ignore_ascii_case("medium"));
        assert!(incident.classification.unwrap().eq_ignore_ascii_case("truePositive"), "{name}");
        assert_eq!([incident.custom_tags, incident.tags].concat(), ["Demo"], "{name}");
        assert_eq!(incident.system_tags, ["Defender Experts"]);
        assert_eq!(incident.comments[0].created_by_display_name.as_deref(), Some("DavidS@contoso.onmicrosoft.com"));
        assert!(incident.comments[0].created_date_time.is_some());
        assert_eq!(incident.last_update_date_time.to_rfc3339(), "2021-09-30T09:35:45.113333300+00:00");
        assert_eq!(incident.alerts.len(), alerts, "{name}");
        let call = &fake.calls()[0];
        assert!(call.header("prefer") == Some("include-unknown-enum-members"));
    }
}

#[tokio::test]
async fn the_documented_alerts_of_graph_are_read_with_their_evidence() {
    let (_fake, client) = serving(200, "alerts-v2-list").await;
    let page = client.graph_alerts(&target(), APP, Place::Since(now()), now()).await.unwrap();
    assert!(text("alerts-v2-list").contains(page.records[0].get()));
    let alert: graph::Alert = serde_json::from_str(page.records[0].get()).unwrap();
    assert_eq!((alert.id.as_str(), alert.incident_id.as_deref()), ("da637551227677560813_-961444813", Some("28282")));
    assert_eq!((alert.service_source.as_deref(), alert.detection_source.as_deref()), (Some(graph::ENDPOINT), Some("antivirus")));
    let [Evidence::Device(device), Evidence::File(file), Evidence::Process(process), Evidence::Other(key)] = &alert.evidence[..] else {
        panic!("{:?}", alert.evidence)
    };
    assert_eq!(device.device_dns_name.as_deref(), Some("tempDns"));
    assert_eq!(file.file_details.as_ref().and_then(|file| file.file_name.as_deref()), Some("MsSense.exe"));
    assert_eq!(process.user_account.as_ref().and_then(|user| user.account_name.as_deref()), Some("SYSTEM"));
    assert_eq!(key["registryHive"], "HKEY_LOCAL_MACHINE", "a kind that is not read is kept as it came");
}

#[tokio::test]
async fn the_documented_comments_and_errors_of_graph_arrive_whole() {
    let (fake, client) = serving(200, "incident-comments").await;
    let comment = fixture("comment-request");
    let answer = client.change(&target(), APP, &operations::graph::INCIDENTS_COMMENT, &["2972395"], Some(&comment), now()).await.unwrap();
    assert_eq!(answer, text("incident-comments"));
    let sent: Value = serde_json::from_str(&fake.calls()[0].body).unwrap();
    assert_eq!(sent, comment);
    let (_fake, client) = serving(416, "error").await;
    let error = client.graph_incidents(&target(), APP, Place::Since(now()), now()).await.unwrap_err();
    let told = Some("Uploaded fragment overlaps with existing data.".to_owned());
    assert_eq!(error, CallError::Rejected { status: 416, code: Some("invalidRange".to_owned()), told });
    let (_fake, client) = serving(404, "error").await;
    assert!(client.graph_incident(&target(), APP, "1", now()).await.unwrap().is_none());
}

/// A tenant that is read through Graph, whose directory shows this record.
async fn read_record(app: &TestApp, name: &str, record: Value) -> TenantId {
    let (tenant, directory, client_id) = (app.tenant(name).await, DirectoryId(Uuid::new_v4()), Uuid::new_v4());
    let secret = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("graph-secret-{client_id}"));
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let registration = watchfloor::config::App { client_id, ..crate::rig::graph_app(&secret) };
    {
        let mut world = app.stand_in.world();
        world.register_app(demo::App {
            client_id,
            name: "Graph".to_owned(),
            publisher: String::new(),
            credentials: vec![Credential::Secret(SECRET.to_owned(), None)],
            redirect_uris: vec![],
            roles: registration.permissions[&Product::Graph].iter().map(|role| (Product::Graph, role.clone())).collect(),
            home: None,
        });
        world.add_directory(Directory::new(directory, name, &format!("{}.example", name.to_lowercase())));
        world.grant(directory, client_id);
        world.add_raw(directory, Api::Graph, record);
    }
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query("update tenants set directory_id = $2, apps = array['graph'] where tenant_id = $1")
        .bind(tenant)
        .bind(directory)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let settings = Sync { backfill: Duration::from_secs(20 * 365 * 86_400), ..Sync::default() };
    let microsoft = Client::stand_in(app.stand_in.address(), &[registration], clock::now()).unwrap();
    let reader = Reader::new(app.db.worker.clone(), microsoft, settings, CancellationToken::new());
    verify::verify(&reader, tenant, 0, clock::now()).await.unwrap();
    for product in [Product::DefenderXdr, Product::DefenderEndpoint] {
        while let Some(run) = read::read(&reader, tenant, product, clock::now()).await.unwrap() {
            assert_eq!((run.error, run.quarantined), (None, 0), "{product}");
        }
    }
    tenant
}

/// The JSON shown on a page, white space and all.
fn originals(html: &str) -> Vec<Value> {
    let (html, pre) = (Html::parse_document(html), Selector::parse("pre").unwrap());
    html.select(&pre).filter_map(|shown| serde_json::from_str(&shown.text().collect::<String>()).ok()).collect()
}

#[tokio::test]
async fn what_graph_documents_reaches_its_page_with_every_field_and_says_where_it_came_from() {
    let app = TestApp::start().await;
    let analyst = app.sign_in(Role::Analyst).await;
    let proofs = ["tempDns", "MsSense.exe", "8963a19fb992ad9a76576c5638fd68292cffb9aaac29eb8285f9abf6196a7dec", "services.exe", "SYSTEM"];
    for (file, list) in [("incidents-list-expand-alerts", "incidents"), ("incidents-list", "incidents"), ("alerts-v2-list", "alerts")] {
        let record = fixture(file)["value"][0].clone();
        let tenant = read_record(&app, &format!("Documentation {file}"), record.clone()).await;
        let all = "status=new&status=in_progress&status=resolved&status=unknown";
        let found = analyst.get(&format!("/{list}?tenant={tenant}&{all}")).await.assert_success();
        let link = found.attribute(&format!("tbody a[href^='/{list}/']"), "href").unwrap_or_else(|| panic!("{file}: {}", found.html));
        let page = analyst.get(&link).await.assert_success();
        assert!(originals(&page.html).contains(&record), "{file}: {:#?}", originals(&page.html));
        let shown = page.texts("main").join(" ");
        assert!(shown.contains("Original from Microsoft Graph security"), "{file}");
        for proof in proofs.iter().filter(|_| file != "incidents-list") {
            assert!(shown.contains(proof), "{file}: {proof} is not on its page");
        }
        let tenant_page = analyst.get(&format!("/tenants/{tenant}")).await.assert_success();
        assert!(tenant_page.texts("main").join(" ").contains("Through Microsoft Graph security"), "{file}");
    }
}

#[tokio::test]
async fn evidence_that_nobody_knows_is_shown_whole() {
    let app = TestApp::start().await;
    let analyst = app.sign_in(Role::Analyst).await;
    let mut record = fixture("alerts-v2-list")["value"][0].clone();
    record["evidence"] = json!([
        {"@odata.type": "#microsoft.graph.security.quantumEvidence", "spin": "up", "verdict": "suspicious"},
        {"@odata.type": "#microsoft.graph.security.analyzedMessageEvidence", "subject": "Invoice", "senderIp": "203.0.113.9",
         "p2Sender": {"emailAddress": "who@evil.example"}, "recipientEmailAddress": "ada@contoso.com"},
        {"@odata.type": "#microsoft.graph.security.cloudApplicationEvidence", "displayName": "Box", "appId": 10489},
    ]);
    let tenant = read_record(&app, "Unknown", record).await;
    let found = analyst.get(&format!("/alerts?tenant={tenant}")).await.assert_success();
    let page = analyst.get(&found.attribute("tbody a[href^='/alerts/']", "href").unwrap()).await.assert_success();
    let shown = page.texts("main").join(" ");
    for text in ["Quantum", "\"spin\": \"up\"", "Invoice", "who@evil.example", "203.0.113.9", "Box"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}
