//! Incidents and alerts changed from pages and through the API, by whichever of Microsoft's APIs the tenant grants: the same for whoever asks.

use crate::api::Program;
use crate::app::TestApp;
use crate::customer::directory;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchfloor::config::{self, Sync};
use watchfloor::demo::Api;
use watchfloor::model::{Adapter, ChangeId, DirectoryId, IncidentId, Product, Role, TenantId, clock};
use watchfloor::sync::read::{self, Reader};
use watchfloor::sync::{push, verify};

pub struct Portal {
    pub app: TestApp,
    pub reader: Reader,
}

/// A tenant with one incident that has been read.
pub struct Customer {
    pub tenant: TenantId,
    pub directory: DirectoryId,
    pub incident: IncidentId,
}

fn app_for(name: &str, permissions: &[(Product, &[&str])]) -> config::App {
    let permissions = permissions.iter().map(|(product, names)| (*product, names.iter().map(|&name| name.to_owned()).collect()));
    config::App { name: name.to_owned(), permissions: permissions.collect(), ..crate::apps::app(Uuid::new_v4()) }
}

pub async fn portal() -> Portal {
    let app = TestApp::start_with(|apps| {
        apps.push(app_for("graph", &[(Product::Graph, &["SecurityIncident.ReadWrite.All", "SecurityAlert.ReadWrite.All"])]));
        let own: [(Product, &[&str]); 2] =
            [(Product::DefenderXdr, &["Incident.ReadWrite.All"]), (Product::DefenderEndpoint, &["Alert.ReadWrite.All"])];
        apps.push(app_for("respond", &own));
    })
    .await;
    let reader = Reader::new(app.db.worker.clone(), app.state.microsoft.clone(), Sync::default(), CancellationToken::new());
    Portal { app, reader }
}

impl Portal {
    pub async fn customer(&self, name: &str, apps: &[&str], pinned: Option<Adapter>) -> Customer {
        let (tenant, directory) = (self.app.tenant(name).await, directory(&self.app, name));
        {
            let mut world = self.app.stand_in.world();
            for app in self.app.state.config.app.iter().filter(|app| apps.contains(&app.name.as_str())) {
                world.grant(directory, app.client_id);
            }
            world.add_incident(directory, "Ransomware").unwrap();
        }
        let mut tx = self.app.db.web.tenant(tenant).await.unwrap();
        let text = "update tenants set directory_id = $1, apps = $2, incident_api = $3";
        sqlx::query(text).bind(directory).bind(apps).bind(pinned).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        verify::verify(&self.reader, tenant, 0, clock::now()).await.unwrap();
        for product in [Product::DefenderXdr, Product::DefenderEndpoint] {
            while read::read(&self.reader, tenant, product, clock::now()).await.unwrap().is_some() {}
        }
        let mut tx = self.app.db.web.tenant(tenant).await.unwrap();
        let incident = sqlx::query_scalar("select incident_id from incidents").fetch_one(&mut *tx).await.unwrap();
        Customer { tenant, directory, incident }
    }

    /// Sends what waits: each change with its end, in the order in which they were asked for.
    pub async fn sent(&self, tenant: TenantId) -> Vec<(String, String)> {
        let mut tx = self.app.db.web.tenant(tenant).await.unwrap();
        let waiting: Vec<ChangeId> = sqlx::query_scalar("select change_id from changes where state = 'intended' order by created_at")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        drop(tx);
        for change in &waiting {
            push::push(&self.reader, tenant, *change, clock::now()).await.unwrap();
        }
        let mut tx = self.app.db.web.tenant(tenant).await.unwrap();
        let text = "select operation, concat_ws(' ', state, reason) from changes where change_id = any($1) order by created_at";
        sqlx::query_as(text).bind(&waiting).fetch_all(&mut *tx).await.unwrap()
    }

    pub async fn text(&self, tenant: TenantId, sql: &'static str) -> String {
        let mut tx = self.app.db.web.tenant(tenant).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap()
    }

    /// The comments on incidents that Microsoft was sent.
    pub fn comments(&self, of: &Customer) -> Vec<String> {
        let world = self.app.stand_in.world();
        let requests = [Api::Graph, Api::DefenderXdr].map(|api| world.ledger.requests_of(of.directory, api));
        let bodies = requests.iter().flatten().filter_map(|request| serde_json::from_str::<Value>(request.json.as_deref()?).ok());
        bodies.filter_map(|body| Some(body["comment"].as_str()?.to_owned())).collect()
    }
}

fn done(operations: &[&str]) -> Vec<(String, String)> {
    operations.iter().map(|&operation| (operation.to_owned(), "done".to_owned())).collect()
}

#[tokio::test]
async fn one_form_or_call_changes_a_tenant_through_the_api_that_it_grants() {
    let portal = portal().await;
    let (analyst, program) = (portal.app.sign_in(Role::Analyst).await, Program::of(&portal.app, Role::Analyst, None).await);
    let graph: [&[&str]; 4] = [
        &["graph.incidents.update", "graph.incidents.comment"],
        &["graph.incidents.comment"],
        &["graph.alerts.update"],
        &["graph.alerts.comment"],
    ];
    let defender: [&[&str]; 4] =
        [&["xdr.incidents.update"], &["xdr.incidents.update"], &["endpoint.alerts.update"], &["endpoint.alerts.update"]];
    for (name, apps, pinned, expected) in [
        ("GraphAlone", &["graph"][..], None, graph),
        ("PinnedToGraph", &["respond", "graph"][..], Some(Adapter::Graph), graph),
        ("ReadByGraph", &["graph", "defender"][..], None, graph),
        ("Both", &["respond", "graph"][..], None, graph),
        ("PinnedToDefender", &["respond", "graph"][..], Some(Adapter::Defender), defender),
        ("DefenderAlone", &["respond"][..], None, defender),
    ] {
        let of = portal.customer(name, apps, pinned).await;
        let path = format!("/incidents/{}", of.incident);
        let id = Uuid::now_v7().to_string();
        let (verdict, comment) = (("verdict", "TruePositive/CompromisedAccount"), ("comment", "Called the user"));
        let fields =
            [("change", id.as_str()), ("status", "InProgress"), ("assigned_to", "ann@msp.example"), verdict, ("tags", "A, B"), comment];
        for _ in 0..2 {
            analyst.post_form(&path, &fields).await.assert_redirect(&path);
        }
        assert_eq!(portal.sent(of.tenant).await, done(expected[0]), "{name}");
        let row = "select concat_ws(' ', status_raw, assigned_to, classification, determination, tags::text) from incidents";
        assert_eq!(portal.text(of.tenant, row).await, "InProgress ann@msp.example TruePositive CompromisedAccount {A,B}", "{name}");
        let (status, change) = program.call(Method::PATCH, &path, Some(json!({"comment": "And again"}))).await;
        assert_eq!((status, change["operation"].as_str()), (StatusCode::ACCEPTED, Some(expected[1][0])), "{name}: {change}");
        assert_eq!(portal.sent(of.tenant).await, done(expected[1]), "{name}");
        let comments = portal.comments(&of);
        assert!(
            comments[0].starts_with("Called the user (Test Person, ") && comments[1].starts_with("And again (Test Person, "),
            "{comments:?}"
        );
        assert_eq!(comments.len(), 2, "{name}");

        let alert = portal.text(of.tenant, "select alert_id::text from alerts where product = 'defender_endpoint'").await;
        let path = format!("/alerts/{alert}");
        let wish = json!({"status": "InProgress", "classification": "FalsePositive", "determination": "InsufficientData"});
        let (status, change) = program.call(Method::PATCH, &path, Some(wish)).await;
        assert_eq!((status, change["operation"].as_str()), (StatusCode::ACCEPTED, Some(expected[2][0])), "{name}: {change}");
        assert_eq!(portal.sent(of.tenant).await, done(expected[2]), "{name}");
        let row = "select concat_ws(' ', status, classification) from alerts where product = 'defender_endpoint'";
        assert_eq!(portal.text(of.tenant, row).await, "in_progress FalsePositive", "{name}");
        let id = Uuid::now_v7().to_string();
        let fields = [("change", id.as_str()), ("status", ""), ("assigned_to", ""), ("was_verdict", "/"), ("verdict", ""), comment];
        analyst.post_form(&path, &fields).await.assert_redirect(&path);
        assert_eq!(portal.sent(of.tenant).await, done(expected[3]), "{name}");
        let lines = analyst.get(&path).await.assert_success().texts(".list li").join(" ");
        assert!(lines.contains("Done") && !lines.contains("odata"), "{name}: {lines}");
    }
}

#[tokio::test]
async fn chosen_alerts_of_a_tenant_with_graph_alone_are_changed_one_by_one_and_owners_are_taken_away() {
    let portal = portal().await;
    let of = portal.customer("GraphAlone", &["graph"], None).await;
    let (analyst, program) = (portal.app.sign_in(Role::Analyst).await, Program::of(&portal.app, Role::Analyst, None).await);
    let alert = portal.text(of.tenant, "select alert_id::text from alerts where product = 'defender_endpoint'").await;
    // The sample of Microsoft's page "Update alert".
    let wish = json!({"status": "InProgress", "assigned_to": "secAdmin@contoso.onmicrosoft.com", "classification": "TruePositive",
        "determination": "Malware"});
    let (_, change) = program.call(Method::PATCH, &format!("/alerts/{alert}"), Some(wish)).await;
    let sample: Value = serde_json::from_str(include_str!("../fixtures/graph-alert-update-request.json")).unwrap();
    assert_eq!(change["request"], sample, "{change}");
    assert_eq!(portal.sent(of.tenant).await, done(&["graph.alerts.update"]));
    let id = Uuid::now_v7().to_string();
    let fields =
        [("change", id.as_str()), ("alert", &alert), ("status", "InProgress"), ("verdict", ""), ("take", "1"), ("comment", "Seen")];
    let reply = analyst.post_form("/alerts/batch", &fields).await;
    assert_eq!(portal.sent(of.tenant).await, done(&["graph.alerts.update", "graph.alerts.comment"]));
    let page = analyst.get(reply.headers["location"].to_str().unwrap()).await.assert_success();
    assert_eq!(page.texts("tbody td")[..3], ["GraphAlone", "Asked", "1 alert"]);
    let owner = "select coalesce(assigned_to, 'nobody') from alerts where product = 'defender_endpoint'";
    assert!(portal.text(of.tenant, owner).await.starts_with("analyst-"));
    let body = json!({"alerts": [alert], "change": {"assigned_to": ""}});
    let (status, change) = program.call(Method::POST, &format!("/tenants/{}/alerts/batch", of.tenant), Some(body)).await;
    assert_eq!((status, &change["request"]), (StatusCode::ACCEPTED, &json!({"assignedTo": null})), "{change}");
    assert_eq!(portal.sent(of.tenant).await, done(&["graph.alerts.update"]));
    assert_eq!(portal.text(of.tenant, owner).await, "nobody");
    let long = "x".repeat(1000);
    let (status, problem) = program.call(Method::PATCH, &format!("/alerts/{alert}"), Some(json!({"comment": long}))).await;
    assert_eq!((status, problem["errors"][0]["field"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("comment")), "{problem}");
    let (status, _) = program.call(Method::PATCH, &format!("/alerts/{alert}"), Some(json!({"tags": ["a"]}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "alerts have no tags");
    let none: Value = portal.sent(of.tenant).await.len().into();
    assert_eq!(none, json!(0));
}
