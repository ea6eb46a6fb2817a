//! Hunts as jobs: what ends the others, what is done again, what is forgotten, and that readings do not suffer.

use crate::engine::until;
use crate::hunting::{QUERY, ann, asked, customer, grant, part, rig, run, start};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use watchfloor::demo::{Api, Fault, HuntFault, Times};
use watchfloor::model::{HuntApi, Product, Scope};
use watchfloor::store::{Db, DbRole, hunts};
use watchfloor::sync::engine;

#[tokio::test]
async fn what_may_pass_is_tried_three_times() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    rig.fault(contoso, Api::Graph, Fault::Status(500), Times::Calls(2));
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
    for _ in 0..2 {
        assert_eq!(run(&rig, id, contoso).await, Some(30));
        rig.pass(31);
    }
    assert_eq!(run(&rig, id, contoso).await, None);
    assert_eq!(part(&rig, id, contoso).await.0, "ok");
    rig.fault(contoso, Api::Graph, Fault::Status(500), Times::Forever);
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
    while run(&rig, id, contoso).await.is_some() {
        rig.pass(31);
    }
    assert_eq!(part(&rig, id, contoso).await.0, "failed");
    assert_eq!(asked(&rig, contoso).len(), 6);
}

#[tokio::test]
async fn a_query_that_microsoft_refuses_is_tried_in_one_tenant_only() {
    let rig = rig().await;
    let mut all = Vec::new();
    for name in ["Contoso", "Fabrikam", "Adatum", "Litware"] {
        all.push(customer(&rig, name).await);
    }
    let id = start(&rig, "DeviceInfo | whre DeviceName == \"x\"", HuntApi::Auto, &all).await;
    for customer in &all {
        assert_eq!(run(&rig, id, *customer).await, None);
    }
    let (outcome_, _, reason) = part(&rig, id, all[0]).await;
    assert_eq!(outcome_, "refused");
    let words = "Query could not be parsed at 'whre' on line [1,14]";
    assert!(reason.contains(words), "{reason}");
    for customer in &all[1..] {
        let (outcome_, _, reason) = part(&rig, id, *customer).await;
        assert_eq!(outcome_, "cancelled");
        assert!(reason.contains(words), "{reason}");
        assert_eq!(asked(&rig, *customer).len(), 0);
    }
    // A table that one tenant lacks stops nobody else.
    rig.cloud.world().set_licences(all[0].directory, &[Product::Graph, Product::DefenderXdr]);
    let id = start(&rig, QUERY, HuntApi::Auto, &all).await;
    for customer in &all {
        run(&rig, id, *customer).await;
    }
    assert_eq!(part(&rig, id, all[0]).await.0, "no_such_table");
    assert_eq!(part(&rig, id, all[1]).await.0, "ok");
}

#[tokio::test]
async fn a_refusal_that_is_not_about_the_query_or_came_through_another_interface_ends_its_own_part_alone() {
    let rig = rig().await;
    let (contoso, fabrikam, adatum) = (customer(&rig, "Contoso").await, customer(&rig, "Fabrikam").await, customer(&rig, "Adatum").await);
    let refuse = |words: &str| {
        let body = serde_json::json!({"error": {"code": "BadRequest", "message": words}}).to_string();
        rig.fault(contoso, Api::Graph, Fault::Body(400, "application/json", body), Times::Calls(1));
    };
    refuse("The feature is being prepared for this organization.");
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso, fabrikam]).await;
    for (customer, expected) in [(contoso, "refused"), (fabrikam, "ok")] {
        run(&rig, id, customer).await;
        assert_eq!(part(&rig, id, customer).await.0, expected);
    }
    // Through Graph a column is not known; whom Defender XDR is asked for may have it.
    refuse("'where' operator: Failed to resolve column or scalar expression named 'OnboardingStatus'");
    grant(&rig, adatum, &[(Product::DefenderXdr, "AdvancedHunting.Read.All")]).await;
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso, fabrikam, adatum]).await;
    for (customer, expected) in [(contoso, "refused"), (fabrikam, "cancelled"), (adatum, "ok")] {
        run(&rig, id, customer).await;
        assert_eq!(part(&rig, id, customer).await.0, expected);
    }
    assert!(part(&rig, id, fabrikam).await.2.contains("Failed to resolve column"));
}

#[tokio::test]
async fn cancelling_ends_what_has_not_begun_and_keeps_what_was_found() {
    let rig = rig().await;
    let (contoso, fabrikam, adatum) = (customer(&rig, "Contoso").await, customer(&rig, "Fabrikam").await, customer(&rig, "Adatum").await);
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso, fabrikam, adatum]).await;
    run(&rig, id, contoso).await;
    // By somebody who sees two of the three: the third ends when its turn comes.
    let mut tx = rig.db.web.begin(&Scope::Tenants(vec![contoso.tenant, fabrikam.tenant])).await.unwrap();
    assert_eq!(hunts::cancel(&mut tx, &ann(), id, rig.now()).await.unwrap(), Some(1));
    assert_eq!(hunts::cancel(&mut tx, &ann(), id, rig.now()).await.unwrap(), None, "once");
    tx.commit().await.unwrap();
    for customer in [fabrikam, adatum] {
        assert_eq!(run(&rig, id, customer).await, None);
        assert_eq!(part(&rig, id, customer).await.0, "cancelled");
        assert_eq!(asked(&rig, customer).len(), 0);
    }
    assert_eq!(part(&rig, id, contoso).await.1, 3);
}

#[tokio::test]
async fn a_part_whose_worker_died_is_done_again_and_its_rows_stand_once() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
    let mut tx = rig.db.worker.tenant(contoso.tenant).await.unwrap();
    assert!(matches!(hunts::claim(&mut tx, contoso.tenant, id, rig.now()).await.unwrap(), hunts::Claimed::Yes(_)));
    tx.commit().await.unwrap();
    // Meanwhile another hunt does not ask the same tenant; but it does not wait for the dead for ever.
    let other = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
    assert_eq!(run(&rig, other, contoso).await, Some(3));
    rig.pass(300);
    assert_eq!(run(&rig, other, contoso).await, None);
    assert_eq!(run(&rig, id, contoso).await, None);
    assert_eq!(part(&rig, id, contoso).await.1, 3);
    assert_eq!(run(&rig, id, contoso).await, None, "done is done");
    assert_eq!(rig.count(contoso, "hunt_rows").await, 2);
    assert_eq!(asked(&rig, contoso).len(), 2);
    assert!(rig.count(contoso, "api_usage where budget = 'graph hunting'").await > 0, "the calls are counted");
}

#[tokio::test]
async fn a_part_that_fell_off_the_queue_is_found_by_the_plan_and_hunts_are_forgotten_after_30_days() {
    let rig = rig().await;
    let contoso = customer(&rig, "Contoso").await;
    let id = start(&rig, QUERY, HuntApi::Auto, &[contoso]).await;
    let mut owner = sqlx::ConnectOptions::connect(&rig.db.owner).await.unwrap();
    sqlx::query("delete from jobs._private_jobs").execute(&mut owner).await.unwrap();
    engine::plan_due(&rig.reader, rig.now()).await.unwrap();
    assert_eq!(rig.count(contoso, "jobs.jobs where task_identifier = 'hunt'").await, 0, "its time has not come");
    rig.pass(400);
    engine::plan_due(&rig.reader, rig.now()).await.unwrap();
    let key = format!("jobs.jobs where key = 'hunt:{id}:{}'", contoso.tenant);
    assert_eq!(rig.count(contoso, &key).await, 1);
    run(&rig, id, contoso).await;
    rig.pass(31 * 86_400);
    engine::plan_due(&rig.reader, rig.now()).await.unwrap();
    for table in ["hunts", "hunt_tenants", "hunt_rows"] {
        assert_eq!(rig.count(contoso, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn readings_keep_their_pace_under_500_hunting_jobs_and_a_small_hunt_does_not_wait_for_a_large_one() {
    let rig = rig().await;
    let well = rig.read_customer("Woodgrove").await;
    let mut all = Vec::new();
    for n in 0..10 {
        let customer = customer(&rig, &format!("Customer{n}")).await;
        rig.cloud.world().hunt_fault(customer.directory, HuntFault::Slow(Duration::from_millis(700)), Times::Forever);
        all.push(customer);
    }
    for _ in 0..50 {
        start(&rig, QUERY, HuntApi::Auto, &all).await;
    }
    let stop = CancellationToken::new();
    let settings = watchfloor::config::Sync { interval: Duration::from_secs(1), ..rig.reader.settings.clone() };
    let db = Db::connect(rig.db.owner.clone(), DbRole::Worker, 12).await.unwrap();
    let mut tx = db.tenant(well.tenant).await.unwrap();
    rig.reader.queue.read(&mut tx, well.tenant, Product::DefenderXdr).await.unwrap();
    tx.commit().await.unwrap();
    let worker = tokio::spawn(engine::run(db, rig.reader.microsoft.clone(), settings, stop.clone(), watchfloor::app::bulk::work));
    until("the first hunting query", async || all.iter().any(|customer| !asked(&rig, *customer).is_empty())).await;
    let late = customer(&rig, "Late").await;
    let small = start(&rig, QUERY, HuntApi::Auto, &[late]).await;
    let asked_at = Instant::now();
    for title in ["One", "Two", "Three"] {
        rig.cloud.world().add_incident(well.directory, title).unwrap();
        let start = Instant::now();
        until(title, async || rig.count(well, &format!("incidents where title = '{title}'")).await == 1).await;
        assert!(start.elapsed() < Duration::from_secs(6), "{title} after {:?}", start.elapsed());
    }
    until("the small hunt", async || part(&rig, small, late).await.0 == "ok").await;
    assert!(asked_at.elapsed() < Duration::from_secs(20), "the small hunt took {:?}", asked_at.elapsed());
    let mut tx = rig.db.worker.all_tenants().await.unwrap();
    let (running, waiting): (i64, i64) =
        sqlx::query_as("select count(*) filter (where outcome = 'running'), count(*) filter (where outcome = 'waiting') from hunt_tenants")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
    assert!(running <= 4, "{running} at a time");
    assert!(waiting > 300, "the large hunts are far from done: {waiting}");
    drop(tx);
    stop.cancel();
    worker.await.unwrap().unwrap();
}
