//! Which of Microsoft's APIs a tenant is read through, and what follows when one of them is not there.

use crate::adapters::{adapter, assert_history_is_a_chain, assert_what_was_shown_is_stored, both, pin};
use crate::rig::{GRAPH_ID, Rig};
use serde_json::json;
use sqlx::Row;
use std::time::Duration;
use watchfloor::demo::{Api, Fault, GraphManners, Times};
use watchfloor::model::{Adapter, Product, SyncHealth, TenantState};

const XDR: Product = Product::DefenderXdr;
const ENDPOINT: Product = Product::DefenderEndpoint;

#[tokio::test]
async fn a_tenant_with_graphs_permissions_only_is_read_through_graph() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    rig.give_apps(customer, &["graph"]).await;
    let number = rig.cloud.world().add_incident(customer.directory, "Ransomware <behaviour>").unwrap();
    rig.verify(customer, 0).await;
    assert_eq!(rig.state(customer).await, TenantState::Active);
    assert_eq!(rig.count(customer, "tenant_permissions where product = 'graph' and granted and working").await, 2);
    rig.settle(customer).await;
    for product in [XDR, ENDPOINT] {
        assert_eq!((rig.health(customer, product).await, adapter(&rig, customer, product).await), (SyncHealth::Ok, Some(Adapter::Graph)));
    }
    assert!(!rig.product(customer, Product::CloudApps).await.enabled, "Graph does not replace the API of Cloud Apps");
    let found = rig.rows(customer, "select product, external_id, title, status_raw, severity_raw from incidents").await;
    let texts: Vec<String> = (0..5).map(|n| found[0].get(n)).collect();
    assert_eq!(texts, ["defender_xdr", &number.to_string(), "Ransomware <behaviour>", "Active", "High"]);
    assert!(rig.count(customer, "alerts where product = 'defender_endpoint' and external_id like 'da%'").await >= 1);
    assert!(rig.cloud.world().ledger.requests_of(customer.directory, Api::DefenderXdr).is_empty());
    rig.assert_ledger_equals_database(customer).await;
    let before = rig.fingerprint(customer).await;
    for _ in 0..3 {
        rig.interval(&[customer]).await;
    }
    assert_eq!(rig.fingerprint(customer).await, before, "a second pass without news writes nothing");
}

#[tokio::test]
async fn graph_that_will_not_serve_a_tenant_gives_way_to_the_defender_apis_and_takes_over_when_it_does() {
    let rig = Rig::start().await;
    let well = both(&rig, "Neighbour", 5).await;
    for (name, fault) in
        [("Forbidden", Fault::Forbidden), ("Disabled", Fault::DisabledFeature), ("Gone", Fault::Status(410)), ("Lost", Fault::Status(404))]
    {
        let customer = both(&rig, name, 5).await;
        rig.verify(customer, 0).await;
        rig.settle(customer).await;
        assert_eq!(adapter(&rig, customer, XDR).await, Some(Adapter::Graph), "{name}");
        rig.fault(customer, Api::Graph, fault, Times::Forever);
        rig.cloud.world().add_incident(customer.directory, "Meanwhile").unwrap();
        rig.interval(&[customer]).await;
        rig.interval(&[customer]).await;
        let row = rig.product(customer, XDR).await;
        assert_eq!((row.adapter, row.refused, row.state), (Some(Adapter::Defender), Some(Adapter::Graph), SyncHealth::Ok), "{name}");
        assert_eq!(rig.count(customer, "incidents where title = 'Meanwhile'").await, 1, "{name}");
        rig.verify(customer, 3).await;
        assert_eq!(rig.state(customer).await, TenantState::Active, "{name}: judged by the API that is used");
        rig.cloud.world().heal(customer.directory, Api::Graph);
        rig.verify(customer, 3).await;
        rig.interval(&[customer]).await;
        let row = rig.product(customer, XDR).await;
        assert_eq!((row.adapter, row.refused), (Some(Adapter::Graph), None), "{name}");
        assert_what_was_shown_is_stored(&rig, customer).await;
        assert_history_is_a_chain(&rig, customer, 0).await;
    }
    rig.verify(well, 0).await;
    rig.settle(well).await;
    assert_eq!(adapter(&rig, well, ENDPOINT).await, Some(Adapter::Graph), "nobody else is moved");
}

#[tokio::test]
async fn a_pinned_tenant_stays_where_staff_put_it_and_says_why_it_cannot_be_read() {
    let rig = Rig::start().await;
    let customer = both(&rig, "Contoso", 5).await;
    pin(&rig, customer, Some(Adapter::Graph)).await;
    rig.verify(customer, 0).await;
    rig.settle(customer).await;
    rig.cloud.world().revoke(customer.directory, GRAPH_ID);
    rig.interval(&[customer]).await;
    rig.verify(customer, 3).await;
    let row = rig.product(customer, XDR).await;
    assert_eq!((row.adapter, row.state), (Some(Adapter::Graph), SyncHealth::ConsentLost));
    rig.give_apps(customer, &["defender"]).await;
    rig.verify(customer, 3).await;
    let row = rig.product(customer, XDR).await;
    assert_eq!(row.state, SyncHealth::NoPermission);
    assert!(row.enabled && row.reason.unwrap().contains("Microsoft Graph security") && row.remedy.is_some());
    pin(&rig, customer, None).await;
    rig.verify(customer, 3).await;
    rig.pass(1000);
    rig.round(customer).await;
    assert_eq!((adapter(&rig, customer, XDR).await, rig.health(customer, XDR).await), (Some(Adapter::Defender), SyncHealth::Ok));
}

#[tokio::test]
async fn a_first_reading_through_graph_goes_on_at_its_link_and_begins_again_when_the_api_changes() {
    let rig = Rig::start().await;
    let customer = both(&rig, "Contoso", 700).await;
    rig.cloud.world().set_graph_manners(customer.directory, GraphManners { empty_pages: true, ..GraphManners::default() });
    rig.cloud.world().fault_after(customer.directory, Api::Graph, 27, Fault::Status(500), Times::Calls(5));
    rig.verify(customer, 0).await;
    rig.read(customer, XDR).await;
    let link = rig.text(customer, "select backfill_link from sync_state where product = 'defender_xdr'").await.unwrap();
    assert!(link.contains("$skiptoken="), "{link}");
    let skip = rig.text(customer, "select backfill_skip::text from sync_state where product = 'defender_xdr'").await.unwrap();
    assert!(skip.parse::<i64>().unwrap() >= 500, "{skip}");
    rig.pass(200);
    let before = rig.cloud.world().ledger.requests_of(customer.directory, Api::Graph).len();
    rig.read(customer, XDR).await;
    let asked = rig.cloud.world().ledger.requests_of(customer.directory, Api::Graph);
    let token = link.split("$skiptoken=").nth(1).unwrap();
    assert!(asked[before..].iter().any(|request| request.query("$skiptoken") == Some(token)), "it goes on where it was");
    assert!(rig.product(customer, XDR).await.backfill_done >= 1.0);
    assert_eq!(rig.count(customer, "incidents").await, 700);

    let other = both(&rig, "Fabrikam", 700).await;
    rig.cloud.world().fault_after(other.directory, Api::Graph, 27, Fault::Status(500), Times::Calls(5));
    rig.verify(other, 0).await;
    rig.read(other, XDR).await;
    pin(&rig, other, Some(Adapter::Defender)).await;
    rig.pass(200);
    rig.settle(other).await;
    assert_eq!(rig.count(other, "incidents").await, 700, "the other API's first reading began at its own beginning");
    assert_what_was_shown_is_stored(&rig, other).await;
}

#[tokio::test]
async fn a_bad_record_is_tried_again_as_what_its_own_api_sent() {
    let rig = Rig::start().await;
    let customer = both(&rig, "Contoso", 3).await;
    rig.verify(customer, 0).await;
    rig.settle(customer).await;
    let now = rig.now().to_rfc3339();
    rig.cloud.world().add_raw(customer.directory, Api::Graph, json!({"displayName": "No id", "lastUpdateDateTime": now}));
    rig.cloud.world().add_raw(
        customer.directory,
        Api::Graph,
        json!({"serviceSource": "microsoftDefenderForEndpoint", "title": "No id", "lastUpdateDateTime": now}),
    );
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "quarantine where api = 'graph'").await, 2);
    pin(&rig, customer, Some(Adapter::Defender)).await;
    // What an earlier version could not read and this one can.
    let mut tx = rig.db.worker.tenant(customer.tenant).await.unwrap();
    let good = json!({"id": "7777", "displayName": "Late", "lastUpdateDateTime": now, "status": "inProgress"}).to_string();
    sqlx::query("update quarantine set body = $1 where kind = 'incident'").bind(good).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    rig.interval(&[customer]).await;
    assert_eq!(adapter(&rig, customer, XDR).await, Some(Adapter::Defender));
    let late = "select status_raw || api from incidents join incident_raw using (tenant_id, incident_id) where title = 'Late'";
    assert_eq!(rig.text(customer, late).await.as_deref(), Some("InProgressgraph"));
    assert_eq!(rig.count(customer, "quarantine where kind = 'incident'").await, 0);
}

#[tokio::test]
async fn graphs_new_words_are_kept_and_its_links_lead_nowhere_else() {
    let rig = Rig::start().await;
    let customer = both(&rig, "Contoso", 3).await;
    let number = rig.cloud.world().add_incident(customer.directory, "Waiting").unwrap();
    rig.cloud.world().await_action(customer.directory, number);
    rig.verify(customer, 0).await;
    rig.settle(customer).await;
    assert_eq!(rig.text(customer, "select status_raw from incidents where title = 'Waiting'").await.as_deref(), Some("AwaitingAction"));
    for (link, audited) in [("https://evil.example/v1.0/security/incidents?$skiptoken=x", 1), ("https://graph.microsoft.com/v1.0/users", 2)]
    {
        rig.fault(customer, Api::Graph, Fault::NextLink(link.to_owned()), Times::Calls(1));
        rig.pass(70);
        rig.read(customer, XDR).await;
        assert_eq!(rig.audited(customer, "security.microsoft_answer").await, audited, "{link}");
        rig.pass(1000);
        rig.read(customer, XDR).await;
        assert_eq!(rig.health(customer, XDR).await, SyncHealth::Ok);
    }
    rig.fault(customer, Api::Graph, Fault::LoopingPages, Times::Forever);
    rig.pass(70);
    let calls = || rig.cloud.world().ledger.requests_of(customer.directory, Api::Graph).len();
    let before = calls();
    let run = tokio::time::timeout(Duration::from_secs(30), rig.read(customer, XDR)).await.unwrap().unwrap();
    assert!(run.error.is_some() && calls() - before <= 5, "{run:?}");
}
