//! Two ways to the same incidents: the Defender APIs and Microsoft Graph security. Whoever moves from one to the other and back loses
//! nothing, doubles nothing, and sees no change where there was none.

use crate::rig::{Customer, GRAPH_ID, Rig};
use serde_json::{Value, json};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use watchfloor::demo::{Api, Fault, GraphManners, Times};
use watchfloor::microsoft::operations::{Operation, graph};
use watchfloor::microsoft::{CallError, Target};
use watchfloor::model::{Adapter, Cloud, Product, SyncHealth, TenantState};

const XDR: Product = Product::DefenderXdr;
const ENDPOINT: Product = Product::DefenderEndpoint;
const SEEDS: u64 = 6;

async fn pin(rig: &Rig, customer: Customer, to: Option<Adapter>) {
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    sqlx::query("update tenants set incident_api = $1").bind(to).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn adapter(rig: &Rig, customer: Customer, product: Product) -> Option<Adapter> {
    rig.product(customer, product).await.adapter
}

/// A customer who has both apps, with a past, not yet verified.
async fn both(rig: &Rig, name: &str, incidents: u32) -> Customer {
    let customer = rig.customer(name).await;
    rig.give_apps(customer, &["defender", "graph"]).await;
    let mut world = rig.cloud.world();
    let now = world.now();
    world.seed_history(customer.directory, 20, incidents, now);
    drop(world);
    customer
}

/// What stands in the rows, without ids and times that differ from run to run.
async fn picture(rig: &Rig, customer: Customer) -> BTreeSet<String> {
    let sql = "select concat_ws('|', i.external_id, i.title, i.severity, i.severity_raw, i.status, i.status_raw, i.classification,
                   i.determination, i.assigned_to, i.tags, i.redirect_to, i.products, i.alert_count, i.resolved_at is null,
                   (select string_agg(concat_ws('~', a.title, a.product, a.severity_raw, a.status_raw, a.classification, a.determination,
                        a.service_source, a.detection_source, a.category, a.assigned_to, a.mitre_techniques, a.device, a.account), ' / '
                        order by a.title, a.product, a.created_at)
                    from alerts as a where a.incident_id = i.incident_id and a.product <> 'cloud_apps'))
               from incidents as i";
    rig.rows(customer, sql).await.iter().map(|row| row.get::<String, _>(0)).collect()
}

/// Everything seen to change, in its order.
async fn history(rig: &Rig, customer: Customer) -> BTreeMap<String, Vec<String>> {
    let sql = "select i.external_id, concat_ws(' ', e.kind, coalesce(e.before, '-'), coalesce(e.after, '-')) as what
               from incident_events as e join incidents as i using (tenant_id, incident_id) order by e.at, e.kind, e.event_id";
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rig.rows(customer, sql).await {
        events.entry(row.get(0)).or_default().push(row.get(1));
    }
    events
}

/// Each kind of change goes on where the one before ended, and the last one ends at what the row says.
async fn assert_history_is_a_chain(rig: &Rig, customer: Customer, seed: u64) {
    let sql = "select i.external_id, e.kind, e.before, e.after, i.status, i.assigned_to, i.classification, i.redirect_to
               from incident_events as e join incidents as i using (tenant_id, incident_id) order by e.at, e.event_id";
    let mut last: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
    let mut ends: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
    for row in rig.rows(customer, sql).await {
        let (id, kind): (String, String) = (row.get(0), row.get(1));
        let (before, after): (Option<String>, Option<String>) = (row.get(2), row.get(3));
        assert_ne!(before, after, "seed {seed}: {id} {kind} is no change");
        let known = last.insert((id.clone(), kind.clone()), after);
        if let Some(known) = known {
            assert_ne!(kind, "opened", "seed {seed}: {id} was opened twice");
            assert_eq!(known, before, "seed {seed}: {id} {kind}: a change is missing or doubled");
        }
        let column = match kind.as_str() {
            "status" => Some(4),
            "owner" => Some(5),
            "classification" => Some(6),
            "merged" => Some(7),
            _ => None,
        };
        if let Some(column) = column {
            ends.insert((id, kind), row.get(column));
        }
    }
    for (key, end) in ends {
        assert_eq!(last[&key], end, "seed {seed}: {key:?} ends elsewhere");
    }
    assert_eq!(rig.count(customer, "incident_events where kind = 'opened'").await, rig.count(customer, "incidents").await, "seed {seed}");
}

/// One interval in which three things happen and, at times, something fails; then the API changes as `switch` says.
async fn interval(rig: &Rig, customer: Customer, round: u64, seed: u64, faults: bool) {
    for _ in 0..3 {
        rig.cloud.world().happen(customer.directory);
    }
    if faults {
        let api = [Api::Graph, Api::DefenderXdr, Api::DefenderEndpoint][usize::try_from((round + seed) % 3).unwrap()];
        let fault = match (round * 7 + seed) % 5 {
            0 => Some(Fault::Status(500)),
            1 => Some(Fault::TruncatedJson),
            2 => Some(Fault::Throttle(Some("5".to_owned()))),
            3 => Some(Fault::Unauthorized),
            _ => None,
        };
        if let Some(fault) = fault {
            rig.cloud.world().fault_after(customer.directory, api, u32::try_from(seed % 2).unwrap(), fault, Times::Calls(1));
        }
    }
    rig.interval(&[customer]).await;
}

/// The API at a round: three rounds the one, three the other, at different places for each seed; and now and then by what is granted.
fn wish(round: u64, seed: u64) -> Option<Adapter> {
    match (round + seed) / 3 % 3 {
        0 => Some(Adapter::Defender),
        1 => Some(Adapter::Graph),
        _ => None,
    }
}

#[tokio::test]
async fn a_tenant_moves_to_graph_and_back_under_running_sync_and_nothing_is_lost_or_doubled() {
    let (moving, staying) = (Rig::start().await, Rig::start().await);
    for seed in 0..SEEDS {
        eprintln!("seed {seed}");
        let (faults, name) = (seed % 2 == 1, format!("Seed{seed}"));
        let (mover, stayer) = (both(&moving, &name, 40).await, both(&staying, &name, 40).await);
        let manners = GraphManners { pascal_case: seed % 3 == 1, empty_pages: seed % 3 == 2 };
        moving.cloud.world().set_graph_manners(mover.directory, manners);
        pin(&staying, stayer, Some(Adapter::Defender)).await;
        pin(&moving, mover, wish(0, seed)).await;
        for (rig, customer) in [(&moving, mover), (&staying, stayer)] {
            rig.verify(customer, 0).await;
            rig.settle(customer).await;
        }
        for round in 1..19 {
            pin(&moving, mover, wish(round, seed)).await;
            interval(&moving, mover, round, seed, faults).await;
            interval(&staying, stayer, round, seed, false).await;
        }
        for api in Api::ALL {
            moving.cloud.world().heal(mover.directory, api);
        }
        for _ in 0..3 {
            moving.pass(1000);
            moving.round(mover).await;
        }
        assert!(moving.audited(mover, "sync.adapter").await >= 8, "seed {seed}: it did move");
        moving.assert_ledger_equals_database(mover).await;
        assert_history_is_a_chain(&moving, mover, seed).await;
        assert_eq!(picture(&moving, mover).await, picture(&staying, stayer).await, "seed {seed}");
        if !faults {
            assert_eq!(history(&moving, mover).await, history(&staying, stayer).await, "seed {seed}");
        }
        let latest =
            "incidents as i where i.updated_at <> (select max(r.updated_at) from incident_raw as r where r.incident_id = i.incident_id)";
        assert_eq!(moving.count(mover, latest).await, 0, "seed {seed}: no version went back");
        let wrong = "incidents as i where i.alert_count <> (select count(*) from alerts as a where a.incident_id = i.incident_id)";
        assert_eq!(moving.count(mover, wrong).await, 0, "seed {seed}: the alerts of each incident are counted");
    }
}

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
    assert_eq!(rig.count(customer, "alerts where product = 'defender_endpoint' and external_id like 'da%'").await, 1);
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
        rig.assert_ledger_equals_database(customer).await;
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
    rig.assert_ledger_equals_database(other).await;
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

/// A single answer of Graph's, as JSON.
async fn looked_up(
    rig: &Rig,
    target: &Target,
    operation: &'static Operation,
    id: &str,
    query: &[(&str, &str)],
) -> Result<Value, CallError> {
    let answer = rig.reader.microsoft.look_up(target, "graph", operation, &[id], (query, None), rig.now()).await?;
    Ok(serde_json::from_str(&answer).unwrap())
}

#[tokio::test]
async fn graphs_single_records_are_read_and_its_changes_are_seen_by_the_defender_apis() {
    let rig = Rig::start().await;
    let customer = both(&rig, "Contoso", 0).await;
    let number = rig.cloud.world().add_incident(customer.directory, "One").unwrap().to_string();
    let (client, target) = (&rig.reader.microsoft, Target::new(customer.tenant, customer.directory, Cloud::Commercial));
    let change = async |operation, id: &str, body: Value| client.change(&target, "graph", operation, &[id], Some(&body), rig.now()).await;

    let incident = looked_up(&rig, &target, &graph::INCIDENTS_GET, &number, &[("$expand", "alerts")]).await.unwrap();
    let alerts = looked_up(&rig, &target, &graph::INCIDENTS_ALERTS, &number, &[]).await.unwrap();
    assert_eq!(incident["alerts"], alerts["value"]);
    let id = alerts["value"].as_array().unwrap().iter().find(|alert| alert["serviceSource"] == "microsoftDefenderForEndpoint").unwrap();
    let id = id["id"].as_str().unwrap();
    assert_eq!(looked_up(&rig, &target, &graph::ALERTS_GET, id, &[]).await.unwrap()["providerAlertId"], id);
    assert_eq!(looked_up(&rig, &target, &graph::ALERTS_GET, "da1_2", &[]).await, Err(CallError::NotFound));

    let wish = json!({"status": "inProgress", "assignedTo": "ann@msp.example", "customTags": ["A"], "classification": "truePositive",
        "determination": "compromisedUser"});
    let answer: Value = serde_json::from_str(&change(&graph::INCIDENTS_UPDATE, &number, wish).await.unwrap()).unwrap();
    assert_eq!((&answer["status"], &answer["customTags"]), (&json!("inProgress"), &json!(["A"])));
    let comment = json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": "Called the user."});
    let answer: Value = serde_json::from_str(&change(&graph::INCIDENTS_COMMENT, &number, comment.clone()).await.unwrap()).unwrap();
    assert_eq!(answer["value"][0]["comment"], "Called the user.");
    change(&graph::ALERTS_UPDATE, id, json!({"status": "resolved", "classification": "falsePositive"})).await.unwrap();
    change(&graph::ALERTS_COMMENT, id, comment).await.unwrap();
    for bad in [json!({"status": "InProgress"}), json!({"Status": "active"}), json!({"tags": []}), json!({"classification": "good"})] {
        let refused = change(&graph::INCIDENTS_UPDATE, &number, bad.clone()).await;
        assert!(matches!(refused, Err(CallError::Rejected { status: 400, .. })), "{bad}: {refused:?}");
    }
    let seen = client.xdr_incident(&target, "defender", &number, rig.now()).await.unwrap().unwrap();
    let seen: Value = serde_json::from_str(seen.get()).unwrap();
    assert_eq!((&seen["status"], &seen["determination"]), (&json!("InProgress"), &json!("CompromisedAccount")));
    assert_eq!((&seen["assignedTo"], &seen["comments"][0]["comment"]), (&json!("ann@msp.example"), &json!("Called the user.")));
    let alert = seen["alerts"].as_array().unwrap().iter().find(|alert| alert["alertId"] == id).unwrap();
    assert_eq!((&alert["status"], &alert["classification"]), (&json!("Resolved"), &json!("FalsePositive")));

    rig.cloud.world().drop_role(customer.directory, GRAPH_ID, "SecurityIncident.ReadWrite.All");
    let refused = change(&graph::INCIDENTS_UPDATE, &number, json!({"status": "active"})).await;
    assert!(matches!(refused, Err(CallError::Forbidden { .. })), "{refused:?}");
}
