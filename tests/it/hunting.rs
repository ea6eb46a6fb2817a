//! A hunt as its jobs run it: whom they ask, what each answer means, what is tried again, and what must not suffer from it.

use crate::rig::{self, CLIENT_ID, Customer, Rig};
use serde_json::{Value, json};
use sqlx::Row;
use std::collections::BTreeSet;
use std::time::Duration;
use watchfloor::demo::{Api, App, Credential, Fault, HuntFault, Request, Times};
use watchfloor::microsoft::Client;
use watchfloor::model::{HuntApi, HuntId, Product, Scope, TenantId};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::hunts;
use watchfloor::sync::hunt::hunt;

pub const QUERY: &str = "DeviceInfo | where OnboardingStatus == \"Onboarded\" | project Timestamp, DeviceName, OSPlatform | take 3";
const HUNTING: [(Product, &str); 3] = [
    (Product::Graph, "ThreatHunting.Read.All"),
    (Product::DefenderXdr, "AdvancedHunting.Read.All"),
    (Product::DefenderEndpoint, "AdvancedQuery.Read.All"),
];

/// A rig whose app asks for hunting through all three interfaces.
pub async fn rig() -> Rig {
    let mut rig = Rig::start().await;
    let mut app = rig::app(&rig.secret);
    for (product, permission) in HUNTING {
        app.permissions.entry(product).or_default().push(permission.to_owned());
    }
    let roles = app.permissions.iter().flat_map(|(product, names)| names.iter().map(|name| (*product, name.clone()))).collect();
    rig.cloud.world().register_app(App {
        client_id: CLIENT_ID,
        name: "Watchfloor".to_owned(),
        publisher: "Example MSSP".to_owned(),
        credentials: vec![Credential::Secret(std::fs::read_to_string(&rig.secret).unwrap(), None)],
        redirect_uris: vec![],
        roles,
        home: None,
    });
    rig.reader.microsoft = Client::stand_in(rig.cloud.address(), &[app], rig.now()).unwrap().with_retry_delay(Duration::from_millis(1));
    rig
}

/// A tenant that is read and has granted everything.
pub async fn customer(rig: &Rig, name: &str) -> Customer {
    let customer = rig.customer(name).await;
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    sqlx::query("update tenants set state = 'active'").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    grant(rig, customer, &HUNTING).await;
    customer
}

/// What is known to be granted, as a check of the consent notes it.
pub async fn grant(rig: &Rig, customer: Customer, permissions: &[(Product, &str)]) {
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    sqlx::query("update tenant_permissions set granted = false").execute(&mut *tx).await.unwrap();
    for (product, permission) in permissions {
        sqlx::query(
            "insert into tenant_permissions (tenant_id, app, product, permission, granted) values ($1, 'defender', $2, $3, true)
             on conflict (tenant_id, app, product, permission) do update set granted = true",
        )
        .bind(customer.tenant)
        .bind(product)
        .bind(permission)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
}

pub fn ann() -> By {
    By { actor: Actor::System("test"), ip: None }
}

pub async fn start(rig: &Rig, query: &str, api: HuntApi, customers: &[Customer]) -> HuntId {
    let tenants: Vec<TenantId> = customers.iter().map(|customer| customer.tenant).collect();
    let hunt = HuntId::new();
    let mut tx = rig.db.web.begin(&Scope::Tenants(tenants.clone())).await.unwrap();
    let new = hunts::New { title: "Test", query, api, timespan: None };
    hunts::start(&mut tx, &ann(), hunt, &new, &tenants, rig.now()).await.unwrap();
    rig.reader.queue.hunt(&mut tx, hunt, &tenants).await.unwrap();
    tx.commit().await.unwrap();
    hunt
}

/// Does a part now, once; when it wants to come again, in seconds.
pub async fn run(rig: &Rig, id: HuntId, customer: Customer) -> Option<i64> {
    hunt(&rig.reader, customer.tenant, id, rig.now()).await.unwrap().map(|wait| wait.num_seconds())
}

/// Outcome, rows, reason.
pub async fn part(rig: &Rig, id: HuntId, customer: Customer) -> (String, i32, String) {
    let sql = format!("select outcome, row_count, coalesce(reason, '') from hunt_tenants where hunt_id = '{id}'");
    let row = rig.rows(customer, &sql).await.pop().unwrap();
    (row.get(0), row.get(1), row.get(2))
}

async fn outcome(rig: &Rig, query: &str, customer: Customer) -> (String, i32, String) {
    let id = start(rig, query, HuntApi::Auto, &[customer]).await;
    run(rig, id, customer).await;
    part(rig, id, customer).await
}

/// The hunting queries that reached Microsoft.
pub fn asked(rig: &Rig, customer: Customer) -> Vec<Request> {
    let world = rig.cloud.world();
    let hunts = ["/api/advancedhunting/run", "/api/advancedqueries/run", "/v1.0/security/runHuntingQuery"];
    world
        .ledger
        .requests()
        .filter(|request| request.directory == Some(customer.directory) && hunts.contains(&request.path.as_str()))
        .cloned()
        .collect()
}

#[tokio::test]
async fn a_hunt_goes_through_the_best_interface_that_is_granted_and_finds_the_same() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    let mut found = BTreeSet::new();
    for (granted, host, operation) in [
        (&HUNTING[..], "graph.microsoft.com", "graph.hunting.run"),
        (&HUNTING[1..], "api.security.microsoft.com", "xdr.hunting.run"),
        (&HUNTING[2..], "api.security.microsoft.com", "endpoint.query.run"),
    ] {
        grant(&rig, contoso, granted).await;
        let id = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
        assert_eq!(run(&rig, id, contoso).await, None);
        assert_eq!(part(&rig, id, contoso).await, ("ok".to_owned(), 3, String::new()), "{operation}");
        let request = asked(&rig, contoso).pop().unwrap();
        assert_eq!((request.method.as_str(), request.host.as_str(), request.status), ("POST", host, 200), "{operation}");
        assert_eq!(serde_json::from_str::<Value>(&request.json.unwrap()).unwrap(), json!({"Query": QUERY}));
        let kept = rig.text(contoso, &format!("select operation from hunt_tenants where hunt_id = '{id}'")).await;
        assert_eq!(kept.as_deref(), Some(operation));
        let columns = rig.text(contoso, &format!("select columns::text from hunt_tenants where hunt_id = '{id}'")).await.unwrap();
        assert!(columns.contains("DateTime") && columns.contains("OSPlatform"), "{columns}");
        let rows = rig.text(contoso, &format!("select rows from hunt_rows where hunt_id = '{id}'")).await.unwrap();
        let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
        found.insert(rows.iter().map(|row| row["DeviceName"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
    }
    assert_eq!(found.len(), 1, "all three tell of the same devices");
    assert_eq!(rig.count(contoso, "hunt_tenants where stats is not null").await, 1, "only Defender XDR says what it cost");
}

#[tokio::test]
async fn an_interface_that_the_hunter_names_is_asked_and_no_other() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    for (api, path) in [
        (HuntApi::Endpoint, "/api/advancedqueries/run"),
        (HuntApi::Xdr, "/api/advancedhunting/run"),
        (HuntApi::Graph, "/v1.0/security/runHuntingQuery"),
    ] {
        let id = start(&rig, QUERY, api, &[contoso]).await;
        run(&rig, id, contoso).await;
        assert_eq!(asked(&rig, contoso).pop().unwrap().path, path);
        assert_eq!(part(&rig, id, contoso).await.0, "ok");
    }
    // Mail is no table of Endpoint's.
    let id = start(&rig, "EmailEvents | take 1", HuntApi::Endpoint, &[contoso]).await;
    run(&rig, id, contoso).await;
    assert_eq!(part(&rig, id, contoso).await.0, "no_such_table");
}

#[tokio::test]
async fn each_thing_that_can_go_wrong_is_told_apart() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    let world = || rig.cloud.world();

    let (outcome_, _, reason) = outcome(&rig, "Nothing | take 1", contoso).await;
    assert_eq!(outcome_, "no_such_table");
    assert!(reason.contains("'take' operator: Failed to resolve table or column expression named 'Nothing'"), "{reason}");

    world().drop_role(contoso.directory, CLIENT_ID, "ThreatHunting.Read.All");
    assert_eq!(outcome(&rig, QUERY, contoso).await.0, "no_permission", "the consent was narrowed since it was last looked at");
    world().grant(contoso.directory, CLIENT_ID);

    for (fault, expected) in [
        (Fault::DisabledFeature, "no_licence"),
        (Fault::Status(504), "time_out"),
        (Fault::html(), "failed"),
        (Fault::empty(), "failed"),
        (Fault::error_in_200(), "failed"),
        (Fault::TruncatedJson, "failed"),
        (Fault::json("{\"schema\":[]}"), "failed"),
        (
            Fault::Body(
                400,
                "application/json",
                json!({"error": {"code": "BadRequest", "message": "Query execution has exceeded the allowed result size."}}).to_string(),
            ),
            "too_large",
        ),
        (Fault::Body(400, "application/json", "{}".to_owned()), "refused"),
    ] {
        world().heal(contoso.directory, Api::Graph);
        rig.fault(contoso, Api::Graph, fault.clone(), Times::Calls(1));
        assert_eq!(outcome(&rig, QUERY, contoso).await.0, expected, "{fault:?}");
    }
    world().heal(contoso.directory, Api::Graph);
    world().hunt_fault(contoso.directory, HuntFault::TimeOut, Times::Calls(1));
    assert_eq!(outcome(&rig, QUERY, contoso).await.0, "time_out");
    world().remove_directory(contoso.directory);
    world().expire_tokens(contoso.directory);
    assert_eq!(outcome(&rig, QUERY, contoso).await.0, "no_permission", "the directory is gone");
}

#[tokio::test]
async fn an_answer_of_more_than_32_mib_is_an_outcome_and_no_rows() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    rig.cloud.world().hunt_fault(contoso.directory, HuntFault::Rows(100_000), Times::Forever);
    let (outcome_, rows, reason) = outcome(&rig, "DeviceProcessEvents", contoso).await;
    assert_eq!((outcome_.as_str(), rows), ("too_large", 0), "{reason}");
    let (outcome_, rows, reason) = outcome(&rig, "DeviceInfo | project DeviceName", contoso).await;
    assert_eq!((outcome_.as_str(), rows), ("ok", 100_000));
    assert!(reason.contains("there may be more"), "{reason}");
    assert_eq!(rig.count(contoso, "hunt_rows").await, 200, "kept in pieces");
}

#[tokio::test]
async fn a_tenant_that_never_asked_for_hunting_is_not_asked_at_all() {
    let rig = Rig::start().await;
    let contoso = rig.customer("Contoso").await;
    let mut tx = rig.db.web.tenant(contoso.tenant).await.unwrap();
    sqlx::query("update tenants set state = 'active'").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let (outcome_, _, reason) = outcome(&rig, QUERY, contoso).await;
    assert_eq!(outcome_, "no_permission");
    assert!(reason.contains("ThreatHunting.Read.All"), "{reason}");
    let mut tx = rig.db.web.tenant(contoso.tenant).await.unwrap();
    sqlx::query("update tenants set state = 'paused'").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let (outcome_, _, reason) = outcome(&rig, QUERY, contoso).await;
    assert_eq!((outcome_.as_str(), reason.as_str()), ("failed", "The tenant is paused, offboarded or not approved."));
    assert_eq!(asked(&rig, contoso).len(), 0);
}

#[tokio::test]
async fn microsofts_wait_is_kept_and_given_up_after_an_hour() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    rig.fault(contoso, Api::Graph, Fault::Throttle(Some("40".to_owned())), Times::Forever);
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
    assert_eq!(run(&rig, id, contoso).await, Some(40));
    let (outcome_, _, reason) = part(&rig, id, contoso).await;
    assert_eq!(outcome_, "waiting");
    assert!(reason.contains("wait for 40 seconds"), "{reason}");
    rig.pass(10);
    assert!(run(&rig, id, contoso).await.is_some_and(|wait| (25..=31).contains(&wait)), "nothing is sent before the time");
    rig.pass(31);
    rig.cloud.world().heal(contoso.directory, Api::Graph);
    assert_eq!(run(&rig, id, contoso).await, None);
    assert_eq!(part(&rig, id, contoso).await.0, "ok");
    assert_eq!(rig.cloud.world().ledger.early().len(), 0);

    rig.fault(contoso, Api::Graph, Fault::Throttle(Some("40".to_owned())), Times::Forever);
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
    run(&rig, id, contoso).await;
    rig.pass(3700);
    assert_eq!(run(&rig, id, contoso).await, None);
    assert_eq!(part(&rig, id, contoso).await.0, "throttled");
}

#[tokio::test]
async fn a_quota_of_computing_is_waited_for_until_the_quarter_hour_and_named() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    rig.cloud.world().hunt_fault(contoso.directory, HuntFault::CpuQuota, Times::Forever);
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
    let wait = run(&rig, id, contoso).await.unwrap();
    let again = rig.now() + chrono::TimeDelta::seconds(wait);
    assert!((1..=901).contains(&wait) && again.timestamp() % 900 <= 2, "again at {again}");
    let (outcome_, _, reason) = part(&rig, id, contoso).await;
    assert_eq!(outcome_, "waiting");
    assert!(reason.contains("quota of CPU resources") && reason.contains(&again.format("%H:").to_string()), "{reason}");
    // Another hunt of the same tenant does not ask in vain meanwhile.
    let other = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
    assert!(run(&rig, other, contoso).await.is_some());
    assert_eq!(asked(&rig, contoso).len(), 1);
    rig.pass(3700);
    assert_eq!(run(&rig, id, contoso).await, None);
    assert_eq!(part(&rig, id, contoso).await.0, "quota");
}
