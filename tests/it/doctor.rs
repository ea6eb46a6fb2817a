//! The consent doctor: for each permission exactly what is wrong with it, since when, and what to do.

use crate::rig::{CLIENT_ID, Customer, Rig, app};
use std::time::Duration;
use watchfloor::config;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::microsoft::Client;
use watchfloor::model::{Cloud, Product, Verdict};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::permissions::Permission;
use watchfloor::store::{claims, drifts, permissions};

const XDR: Product = Product::DefenderXdr;
const ENDPOINT: Product = Product::DefenderEndpoint;
const CLOUD: Product = Product::CloudApps;

async fn rows(rig: &Rig, customer: Customer) -> Vec<Permission> {
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    permissions::list(&mut tx, customer.tenant).await.unwrap()
}

async fn row(rig: &Rig, customer: Customer, permission: &str) -> Permission {
    rows(rig, customer).await.into_iter().find(|row| row.permission == permission).unwrap()
}

/// Which permissions stand how, where they are not simply good.
async fn red(rig: &Rig, customer: Customer) -> Vec<(Product, Verdict)> {
    let rows = rows(rig, customer).await;
    rows.iter().filter(|row| !row.verdict().is_good()).map(|row| (row.product, row.verdict())).collect()
}

async fn shown(rig: &Rig, customer: Customer) -> Vec<drifts::Drift> {
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    drifts::shown(&mut tx, Some(customer.tenant), 50).await.unwrap()
}

/// What the job engine would do next: the check that a reading asked for.
async fn asked_for_a_check(rig: &Rig, customer: Customer) -> bool {
    rig.count(customer, &format!("jobs.jobs where task_identifier = 'recheck' and key = 'recheck:{}'", customer.tenant)).await == 1
}

#[tokio::test]
async fn a_product_that_is_not_there_turns_its_own_cell_red_and_no_other() {
    let rig = Rig::start().await;
    for (name, missing, kept) in [("Alder", CLOUD, [XDR, ENDPOINT]), ("Birch", ENDPOINT, [XDR, CLOUD])] {
        let customer = rig.customer(name).await;
        {
            let mut world = rig.cloud.world();
            world.set_licences(customer.directory, &kept);
            world.grant(customer.directory, CLIENT_ID);
        }
        rig.verify(customer, 3).await;
        assert_eq!(red(&rig, customer).await, [(missing, Verdict::Unlicensed)], "{name}");
        let rows = rows(&rig, customer).await;
        let bad = rows.iter().find(|row| row.product == missing).unwrap();
        assert_eq!((bad.licensed, bad.answer.as_deref()), (Some(false), Some("AADSTS500011")), "{name}");
        assert!(bad.remedy.as_ref().unwrap().contains("buys or enables"), "{:?}", bad.remedy);
        assert!(bad.remedy_customer.as_ref().unwrap().contains("Enable it"), "{:?}", bad.remedy_customer);
        for good in rows.iter().filter(|row| row.product != missing) {
            assert_eq!((good.verdict(), good.licensed, good.remedy.as_ref()), (Verdict::Works, Some(true), None), "{name}");
            assert!(good.proof.is_some() && good.answer.as_deref() == Some("HTTP 200") && good.since.is_some(), "{name}");
        }
        assert!(shown(&rig, customer).await.is_empty(), "a first look is no change");
    }
}

#[tokio::test]
async fn a_permission_removed_while_running_is_told_once_and_shown_until_mended() {
    let rig = Rig::start().await;
    let (sick, well) = (rig.read_customer("Contoso").await, rig.read_customer("Fabrikam").await);
    assert!(red(&rig, sick).await.is_empty() && !asked_for_a_check(&rig, sick).await);
    rig.cloud.world().drop_role(sick.directory, CLIENT_ID, "Alert.Read.All");
    rig.interval(&[sick, well]).await;
    assert!(asked_for_a_check(&rig, sick).await, "the 403 of the reading asks for a check");
    let first = rig.now();
    rig.verify(sick, 3).await;
    assert_eq!(red(&rig, sick).await, [(ENDPOINT, Verdict::Revoked)]);
    let bad = row(&rig, sick, "Alert.Read.All").await;
    assert!(bad.remedy.as_ref().unwrap().contains("consent link") && bad.remedy_customer.as_ref().unwrap().contains("consent again"));
    let since = bad.since.unwrap();
    assert!(since >= first);
    let told = shown(&rig, sick).await;
    assert_eq!((told.len(), told[0].was, told[0].became), (1, Verdict::Works, Verdict::Revoked));
    for _ in 0..3 {
        rig.pass(3600);
        rig.verify(sick, 3).await;
    }
    assert_eq!(row(&rig, sick, "Alert.Read.All").await.since, Some(since), "the same finding keeps its time");
    assert_eq!((rig.audited(sick, "consent.permission_revoked").await, shown(&rig, sick).await.len()), (1, 1));
    assert!(shown(&rig, well).await.is_empty() && red(&rig, well).await.is_empty());

    let mut tx = rig.db.web.tenant(well.tenant).await.unwrap();
    let by = By { actor: Actor::Operator, ip: None };
    assert!(!drifts::acknowledge(&mut tx, &by, sick.tenant, rig.now(), rig.now()).await.unwrap(), "another tenant's scope");
    drop(tx);
    rig.cloud.world().grant(sick.directory, CLIENT_ID);
    rig.verify(sick, 3).await;
    assert!(red(&rig, sick).await.is_empty() && shown(&rig, sick).await.is_empty(), "mended");
    assert_eq!(rig.audited(sick, "consent.permission_mended").await, 1);
    assert!(row(&rig, sick, "Alert.Read.All").await.since.unwrap() > since);

    rig.cloud.world().drop_role(sick.directory, CLIENT_ID, "Alert.Read.All");
    rig.pass(60);
    rig.verify(sick, 3).await;
    assert_eq!((rig.audited(sick, "consent.permission_revoked").await, shown(&rig, sick).await.len()), (2, 1));
    let mut tx = rig.db.web.tenant(sick.tenant).await.unwrap();
    assert!(drifts::acknowledge(&mut tx, &by, sick.tenant, rig.now(), rig.now()).await.unwrap());
    tx.commit().await.unwrap();
    assert!(shown(&rig, sick).await.is_empty(), "somebody has taken note");
    rig.verify(sick, 3).await;
    assert_eq!(rig.audited(sick, "consent.permission_revoked").await, 2, "and is not told again");
}

#[tokio::test]
async fn what_would_act_is_never_tried_and_says_so_and_one_call_proves_all_that_allow_it() {
    let more: &[(Product, &[&str])] = &[
        (ENDPOINT, &["Alert.ReadWrite.All", "Machine.Read.All", "Machine.ReadWrite.All", "Machine.Isolate", "Score.Read.All"]),
        (CLOUD, &["Investigation.Manage"]),
    ];
    let rig = Rig::asking(more).await;
    let customer = rig.customer("Contoso").await;
    rig.verify(customer, 0).await;
    assert!(red(&rig, customer).await.is_empty());
    let isolate = row(&rig, customer, "Machine.Isolate").await;
    assert_eq!((isolate.verdict(), isolate.granted, isolate.working), (Verdict::Untried, Some(true), None));
    assert_eq!(isolate.reason.as_deref(), Some("Granted, not tried: it would act."));
    let unused = row(&rig, customer, "Score.Read.All").await;
    assert_eq!((unused.verdict(), unused.proof), (Verdict::Untried, None));
    for (permission, proof) in [
        ("Alert.Read.All", "endpoint.alerts.list"),
        ("Alert.ReadWrite.All", "endpoint.alerts.list"),
        ("Machine.ReadWrite.All", "endpoint.machines.list"),
        ("Investigation.Manage", "cloud_apps.alerts.list"),
    ] {
        let row = row(&rig, customer, permission).await;
        assert_eq!((row.verdict(), row.proof.as_deref()), (Verdict::Works, Some(proof)), "{permission}");
    }
    let calls = rig.cloud.world().ledger.requests_of(customer.directory, Api::DefenderEndpoint);
    let paths: Vec<(&str, &str)> = calls.iter().map(|call| (call.method.as_str(), call.path.as_str())).collect();
    assert_eq!(paths, [("GET", "/api/alerts"), ("GET", "/api/machines")]);
    assert_eq!(rig.cloud.world().ledger.requests_of(customer.directory, Api::CloudApps).len(), 1);
    // One of two permissions for the same call goes: the other one keeps the product readable.
    rig.cloud.world().drop_role(customer.directory, CLIENT_ID, "Alert.Read.All");
    rig.verify(customer, 3).await;
    assert_eq!(red(&rig, customer).await, [(ENDPOINT, Verdict::Revoked)]);
    assert_eq!(rig.health(customer, ENDPOINT).await, watchfloor::model::SyncHealth::Waiting);
}

#[tokio::test]
async fn a_granted_permission_that_the_api_refuses_is_no_green_cell_and_a_busy_api_changes_nothing() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    rig.fault(customer, Api::DefenderXdr, Fault::Throttle(None), Times::Calls(1));
    rig.verify(customer, 3).await;
    assert!(red(&rig, customer).await.is_empty() && shown(&rig, customer).await.is_empty());
    let busy = row(&rig, customer, "Incident.Read.All").await;
    assert_eq!((busy.verdict(), busy.answer.as_deref()), (Verdict::Works, Some("HTTP 429")));
    assert!(asked_for_a_check(&rig, customer).await, "what could not be tried is tried again");
    rig.pass(900);
    rig.fault(customer, Api::DefenderXdr, Fault::Forbidden, Times::Forever);
    rig.verify(customer, 3).await;
    assert_eq!(red(&rig, customer).await, [(XDR, Verdict::Fails)]);
    let bad = row(&rig, customer, "Incident.Read.All").await;
    assert_eq!((bad.granted, bad.working, bad.answer.as_deref()), (Some(true), Some(false), Some("HTTP 403 Forbidden")));
    assert!(bad.remedy.unwrap().contains("licence"));
    assert_eq!((rig.audited(customer, "consent.permission_refused").await, shown(&rig, customer).await.len()), (1, 1));
}

#[tokio::test]
async fn a_token_for_another_api_is_told_with_its_audience_and_a_wrong_cloud_with_its_remedy() {
    let mut rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    let wrong = "https://api.security.microsoft.com";
    let api = config::Api { cloud: Cloud::Commercial, product: ENDPOINT, base: None, audience: Some(wrong.to_owned()), token: None };
    let client = Client::stand_in(rig.cloud.address(), &[app(&rig.secret)], rig.now()).unwrap();
    rig.reader.microsoft = client.with_retry_delay(Duration::from_millis(1)).with_apis(&[api]).unwrap();
    rig.verify(customer, 3).await;
    assert_eq!(red(&rig, customer).await, [(ENDPOINT, Verdict::Unknown)]);
    let bad = row(&rig, customer, "Alert.Read.All").await;
    assert_eq!(bad.answer.as_deref(), Some("HTTP 401"));
    assert!(bad.reason.as_ref().unwrap().contains(&format!("audience (aud) is {wrong}")), "{:?}", bad.reason);
    assert!(bad.remedy.as_ref().unwrap().contains("[[api]]"), "{:?}", bad.remedy);
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    let claims = claims::list(&mut tx, customer.tenant).await.unwrap();
    let endpoint = claims.iter().find(|row| row.product == ENDPOINT).unwrap();
    assert_eq!(endpoint.claims.as_ref().unwrap()["aud"], wrong);
    assert!(endpoint.problems.iter().any(|problem| problem.claim.as_deref() == Some("aud")), "{:?}", endpoint.problems);
    let good = claims.iter().find(|row| row.product == XDR).unwrap();
    assert_eq!((good.problems.0.as_slice(), &good.claims.as_ref().unwrap()["roles"][0]), (&[][..], &"Incident.Read.All".into()));
    drop(tx);

    for (number, name) in [(900_382, "Alder"), (90_038, "Birch")] {
        let other = rig.customer(name).await;
        rig.fault(other, Api::Token, Fault::Entra(400, "invalid_request", number), Times::Forever);
        rig.verify(other, 3).await;
        let row = row(&rig, other, "Incident.Read.All").await;
        assert_eq!((row.verdict(), row.answer), (Verdict::Unknown, Some(format!("AADSTS{number}"))));
        assert!(row.remedy.as_ref().unwrap().contains("another national cloud"), "{:?}", row.remedy);
        assert!(row.remedy_customer.unwrap().contains("another of Microsoft's clouds"));
    }
}

#[tokio::test]
async fn a_permission_to_hunt_is_proven_by_one_cheap_query_a_day() {
    let more: &[(Product, &[&str])] = &[(XDR, &["AdvancedHunting.Read.All"]), (ENDPOINT, &["AdvancedQuery.Read.All"])];
    let rig = Rig::asking(more).await;
    let customer = rig.customer("Contoso").await;
    let hunts = || {
        let world = rig.cloud.world();
        world.ledger.requests().filter(|call| call.path.ends_with("/run") && call.directory == Some(customer.directory)).count()
    };
    rig.verify(customer, 0).await;
    assert_eq!((red(&rig, customer).await, hunts()), (vec![], 2));
    let hunting = row(&rig, customer, "AdvancedHunting.Read.All").await;
    assert_eq!((hunting.verdict(), hunting.proof.as_deref()), (Verdict::Works, Some("xdr.hunting.run")));
    for round in [0, 3] {
        rig.pass(3600);
        rig.verify(customer, round).await;
        let kept = row(&rig, customer, "AdvancedHunting.Read.All").await;
        assert_eq!((hunts(), kept.verdict(), kept.tried_at), (2, Verdict::Works, hunting.tried_at), "neither the plan nor a person");
    }
    rig.pass(22 * 3600);
    rig.verify(customer, 3).await;
    assert_eq!(hunts(), 4, "a day later it is tried again");
    // Taken away and given back: the new grant is tried at once.
    rig.cloud.world().drop_role(customer.directory, CLIENT_ID, "AdvancedHunting.Read.All");
    rig.verify(customer, 3).await;
    assert_eq!(red(&rig, customer).await, [(XDR, Verdict::Revoked)]);
    rig.cloud.world().grant(customer.directory, CLIENT_ID);
    rig.verify(customer, 3).await;
    assert_eq!((red(&rig, customer).await, hunts()), (vec![], 5));
}
