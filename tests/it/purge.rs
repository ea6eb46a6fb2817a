//! What is left of an offboarded tenant when its time has come: the audit log.

use crate::rig::Rig;
use watchfloor::sync::engine::delete_gone;

const TABLES: [&str; 10] = [
    "tenants",
    "incidents",
    "incident_raw",
    "incident_events",
    "alerts",
    "alert_raw",
    "sync_state",
    "tenant_permissions",
    "tenant_counts",
    "reading_marks",
];

#[tokio::test]
async fn an_offboarded_tenant_is_deleted_with_everything_of_it_when_its_time_has_come_and_no_other_is() {
    let rig = Rig::start().await;
    let (leaving, staying) = (rig.customer("Leaving").await, rig.customer("Staying").await);
    for customer in [leaving, staying] {
        rig.cloud.world().add_incident(customer.directory, "A case");
        rig.verify(customer, 0).await;
        rig.settle(customer).await;
    }
    let mut tx = rig.db.worker.all_tenants().await.unwrap();
    sqlx::query("update tenants set state = 'offboarded', purge_after = $2 where tenant_id = $1")
        .bind(leaving.tenant)
        .bind(rig.now() + chrono::TimeDelta::days(30))
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    delete_gone(&rig.reader, rig.now() + chrono::TimeDelta::days(29)).await.unwrap();
    assert_eq!(rig.count(leaving, "incidents").await, 1, "not before its time");
    delete_gone(&rig.reader, rig.now() + chrono::TimeDelta::days(30)).await.unwrap();
    for table in TABLES {
        assert_eq!(rig.count(leaving, table).await, 0, "{table}");
        assert!(rig.count(staying, table).await > 0, "{table}");
    }
    assert_eq!(rig.audited(leaving, "tenant.purge").await, 1);
}
