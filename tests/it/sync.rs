//! Reading: what Microsoft shows stands in the database, once, for its own tenant, and in its latest version.

use crate::rig::{READINGS, Rig};
use serde_json::json;
use sqlx::Row;
use watchfloor::demo::Api;
use watchfloor::model::{Product, SyncHealth, TenantState};

#[tokio::test]
async fn a_fresh_consent_is_verified_and_everything_is_read_for_its_own_tenant_and_no_other() {
    let rig = Rig::start().await;
    let (contoso, fabrikam) = (rig.customer("Contoso").await, rig.customer("Fabrikam").await);
    rig.cloud.world().add_incident(contoso.directory, "Ransomware <behaviour>").unwrap();
    for customer in [contoso, fabrikam] {
        rig.verify(customer, 0).await;
        assert_eq!(rig.state(customer).await, TenantState::Active);
        rig.settle(customer).await;
    }
    assert_eq!(rig.text(contoso, "select title from incidents").await.as_deref(), Some("Ransomware <behaviour>"));
    assert_eq!(rig.count(contoso, "tenant_permissions where state = 'granted' and working and licensed").await, 3);
    let alerts = rig.count(contoso, "alerts where incident_id is not null").await;
    assert!(alerts > 0);
    assert_eq!(rig.rows(contoso, "select alert_count from incidents").await[0].get::<i32, _>(0), i32::try_from(alerts).unwrap());
    for table in ["incidents", "alerts", "incident_raw", "alert_raw", "incident_events"] {
        assert!(rig.count(contoso, table).await > 0, "{table}");
        assert_eq!(rig.count(fabrikam, table).await, 0, "{table}");
    }
    for row in rig.coverage(fabrikam).await {
        assert_eq!((row.state, row.backfill_done), (SyncHealth::Ok, 1.0));
        assert!(row.complete_until.is_some() && row.last_success.is_some());
    }
    rig.assert_ledger_equals_database(contoso).await;
}

#[tokio::test]
async fn the_same_alert_from_two_apis_is_one_row_with_both_originals() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    rig.verify(customer, 0).await;
    rig.settle(customer).await;
    let apis = rig.rows(customer, "select array_agg(api order by api) from alerts join alert_raw using (tenant_id, alert_id) where product = 'defender_endpoint' group by alert_id").await;
    assert!(!apis.is_empty());
    for row in apis {
        assert_eq!(row.get::<Vec<String>, _>(0), ["defender_endpoint", "defender_xdr"]);
    }
}

#[tokio::test]
async fn a_second_pass_without_news_writes_nothing() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    {
        let mut world = rig.cloud.world();
        let now = world.now();
        world.seed_history(customer.directory, 20, 60, now);
    }
    rig.verify(customer, 0).await;
    rig.settle(customer).await;
    let before = rig.fingerprint(customer).await;
    let runs = rig.count(customer, READINGS).await;
    for _ in 0..3 {
        rig.interval(&[customer]).await;
    }
    assert_eq!(rig.count(customer, READINGS).await, runs + 9);
    assert_eq!(rig.fingerprint(customer).await, before);
}

#[tokio::test]
async fn after_many_ticks_the_ledger_equals_the_database() {
    let rig = Rig::start().await;
    let customers = [rig.customer("Contoso").await, rig.customer("Fabrikam").await];
    for customer in customers {
        {
            let mut world = rig.cloud.world();
            let now = world.now();
            world.seed_history(customer.directory, 25, 150, now);
        }
        rig.verify(customer, 0).await;
        rig.settle(customer).await;
    }
    for _ in 0..40 {
        for customer in customers {
            for _ in 0..3 {
                rig.cloud.world().happen(customer.directory);
            }
        }
        rig.interval(&customers).await;
    }
    for customer in customers {
        rig.interval(&[customer]).await;
        rig.assert_ledger_equals_database(customer).await;
        assert_eq!(rig.count(customer, "alerts as a where incident_external_id is not null and incident_id is null").await, 0);
        let wrong = "incidents as i where alert_count <> (select count(*) from alerts as a where a.incident_id = i.incident_id)";
        assert_eq!(rig.count(customer, wrong).await, 0);
    }
}

#[tokio::test]
async fn a_change_is_stored_and_told_as_an_event() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    let id = rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    rig.interval(&[customer]).await;
    rig.pass(5);
    rig.cloud.world().update_incident(customer.directory, id, |body| {
        body["assignedTo"] = json!("ann@example.com");
        body["severity"] = json!("High");
        body["classification"] = json!("TruePositive");
    });
    rig.interval(&[customer]).await;
    rig.cloud.world().update_incident(customer.directory, id, |body| body["status"] = json!("Resolved"));
    rig.interval(&[customer]).await;
    let kinds = rig.rows(customer, "select kind from incident_events order by at, kind").await;
    let kinds: Vec<String> = kinds.iter().map(|row| row.get(0)).collect();
    assert_eq!(kinds.first().map(String::as_str), Some("opened"));
    for kind in ["owner", "classification", "status"] {
        assert!(kinds.iter().any(|seen| seen == kind), "{kind} in {kinds:?}");
    }
    assert_eq!(rig.text(customer, "select status from incidents where resolved_at is not null").await.as_deref(), Some("resolved"));
}

#[tokio::test]
async fn a_merged_incident_is_kept_with_its_successor_and_its_alerts_move() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    let (from, into) = {
        let mut world = rig.cloud.world();
        (world.add_incident(customer.directory, "From").unwrap(), world.add_incident(customer.directory, "Into").unwrap())
    };
    rig.interval(&[customer]).await;
    let alerts = rig.count(customer, "alerts where incident_id is not null").await;
    rig.pass(5);
    rig.cloud.world().merge_incidents(customer.directory, from, into);
    rig.interval(&[customer]).await;
    rig.interval(&[customer]).await;
    let row = rig.rows(customer, "select status, redirect_to, alert_count from incidents where title = 'From'").await;
    assert_eq!((row[0].get::<&str, _>(0), row[0].get::<&str, _>(1)), ("redirected", into.to_string().as_str()));
    assert_eq!(row[0].get::<i32, _>(2), 0);
    let moved = rig.rows(customer, "select alert_count from incidents where title = 'Into'").await;
    assert_eq!(i64::from(moved[0].get::<i32, _>(0)), alerts);
    assert_eq!(rig.count(customer, "incident_events where kind = 'merged'").await, 1);
}

#[tokio::test]
async fn an_older_version_after_a_newer_one_changes_nothing() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    let id = rig.cloud.world().add_incident(customer.directory, "New").unwrap();
    rig.interval(&[customer]).await;
    let before = rig.fingerprint(customer).await;
    let older = watchfloor::model::clock::now() - chrono::TimeDelta::minutes(5);
    rig.cloud.world().update_incident(customer.directory, id, |body| {
        body["incidentName"] = json!("Old");
        body["lastUpdateTime"] = json!(older.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
    });
    rig.interval(&[customer]).await;
    assert_eq!(rig.text(customer, "select title from incidents").await.as_deref(), Some("New"));
    assert_eq!(rig.fingerprint(customer).await, before);
}

#[tokio::test]
async fn the_same_ids_in_two_tenants_are_two_rows() {
    let rig = Rig::start().await;
    let customers = [rig.customer("Contoso").await, rig.customer("Fabrikam").await];
    for (n, customer) in customers.into_iter().enumerate() {
        let record = json!({"incidentId": 42, "incidentName": format!("Of {n}"), "createdTime": "2026-01-01T00:00:00Z",
            "lastUpdateTime": rig.now().to_rfc3339(), "severity": "Low", "status": "Active", "alerts": [
            {"alertId": "da42_1", "incidentId": 42, "serviceSource": "MicrosoftDefenderATP", "lastUpdatedTime": rig.now().to_rfc3339()}]});
        rig.cloud.world().add_raw(customer.directory, Api::DefenderXdr, record);
        rig.verify(customer, 0).await;
        rig.settle(customer).await;
    }
    for (n, customer) in customers.into_iter().enumerate() {
        assert_eq!(rig.text(customer, "select title from incidents").await, Some(format!("Of {n}")));
        assert_eq!(rig.count(customer, "alerts where external_id = 'da42_1' and product = 'defender_endpoint'").await, 1);
    }
}

#[tokio::test]
async fn an_incident_that_becomes_visible_late_is_found() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    rig.cloud.world().add_incident(customer.directory, "First").unwrap();
    rig.interval(&[customer]).await;
    let late = rig.now() - chrono::TimeDelta::minutes(10);
    rig.cloud.world().add_incident_at(customer.directory, "Late", late).unwrap();
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents where title = 'Late'").await, 1);
    // Later than any overlap: the daily re-reading finds it.
    rig.pass(3600 * 25);
    let very_late = rig.now() - chrono::TimeDelta::hours(20);
    rig.cloud.world().add_incident(customer.directory, "Newer").unwrap();
    rig.round(customer).await;
    rig.cloud.world().add_incident_at(customer.directory, "Very late", very_late).unwrap();
    rig.pass(3600 * 24);
    rig.round(customer).await;
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents where title = 'Very late'").await, 0, "24 hours do not reach it");
    rig.pass(3600 * 24 * 5);
    rig.round(customer).await;
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents where title = 'Very late'").await, 1, "the weekly re-reading does");
}

#[tokio::test]
async fn rows_that_shift_while_pages_are_read_are_not_lost() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    {
        let mut world = rig.cloud.world();
        let now = world.now();
        world.seed_history(customer.directory, 20, 450, now);
        world.fault(
            customer.directory,
            Api::DefenderXdr,
            watchfloor::demo::Fault::Slow(std::time::Duration::from_millis(40)),
            watchfloor::demo::Times::Forever,
        );
    }
    rig.verify(customer, 0).await;
    let world = rig.cloud.shared();
    let busy = tokio::spawn(async move {
        for _ in 0..200 {
            world.lock().unwrap().happen(customer.directory);
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    });
    rig.settle(customer).await;
    busy.await.unwrap();
    rig.interval(&[customer]).await;
    rig.interval(&[customer]).await;
    rig.assert_ledger_equals_database(customer).await;
    let stored = rig.count(customer, "incidents").await;
    assert!(stored >= 450, "{stored}");
    assert_eq!(rig.health(customer, Product::DefenderXdr).await, SyncHealth::Ok);
}
