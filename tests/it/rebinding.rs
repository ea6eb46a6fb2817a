//! A tenant that is bound to another directory: nothing of the old one mixes with the new one.

use crate::rig::{CLIENT_ID, Customer, Rig};
use uuid::Uuid;
use watchfloor::demo::Directory;
use watchfloor::model::{ChangeId, ChangeState, DirectoryId, Product, Role, UserId};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::users::{self, NewUser};
use watchfloor::store::{changes, rebinds, tenants};
use watchfloor::sync::{devices, engine};

async fn lead(rig: &Rig, login: &str) -> (By, UserId) {
    let mut tx = rig.db.web.all_tenants().await.unwrap();
    let user = NewUser { login, display_name: login, role: Role::Lead, all_tenants: true, password_hash: "" };
    let user = users::insert(&mut tx, &user).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    (By { actor: Actor::User(user, login.to_owned()), ip: None }, user)
}

/// Two leads unbind a tenant.
async fn unbind(rig: &Rig, customer: Customer) {
    let ((ann, ann_id), (ben, ben_id)) = (lead(rig, "ann").await, lead(rig, "ben").await);
    let mut tx = rig.db.web.all_tenants().await.unwrap();
    let tenant = tenants::get(&mut tx, customer.tenant).await.unwrap().unwrap();
    rebinds::request(&mut tx, &ann, ann_id, &tenant, None, "They merged.", rig.now()).await.unwrap();
    let request = rebinds::open(&mut tx, customer.tenant).await.unwrap().unwrap();
    rebinds::decide(&mut tx, &ben, ben_id, &request, true, rig.now()).await.unwrap();
    tx.commit().await.unwrap();
}

/// A new directory consents.
async fn bind(rig: &Rig, customer: Customer) -> Customer {
    let directory = DirectoryId(Uuid::new_v4());
    {
        let mut world = rig.cloud.world();
        world.add_directory(Directory::new(directory, "Fabrikam", "fabrikam.example"));
        world.grant(directory, CLIENT_ID);
    }
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    sqlx::query("update tenants set directory_id = $1, state = 'verifying'").bind(directory).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    Customer { directory, ..customer }
}

/// A rig whose app may read devices.
async fn rig() -> Rig {
    Rig::asking(&[(Product::DefenderEndpoint, &["Machine.Read.All"])]).await
}

/// A customer of whom incidents, alerts, devices, an answer and an unreadable record are stored.
async fn customer(rig: &Rig) -> Customer {
    let customer = rig.customer("Contoso").await;
    let now = rig.now();
    rig.cloud.world().seed_history(customer.directory, 28, 300, now);
    rig.verify(customer, 0).await;
    rig.settle(customer).await;
    devices::read(&rig.reader, customer.tenant, now).await.unwrap();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    for sql in [
        "insert into lookups (tenant_id, lookup_id, operation, args, actor) values ($1, gen_random_uuid(), 'xdr.incidents.get', '{}', 'ann')",
        "insert into quarantine (tenant_id, quarantine_id, product, kind, body_hash, body, reason)
         values ($1, gen_random_uuid(), 'defender_xdr', 'incident', '', '{}', 'odd')",
    ] {
        sqlx::query(sql).bind(customer.tenant).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    for table in ["incidents", "alerts", "devices", "lookups", "quarantine", "tenant_counts", "daily_counts"] {
        assert!(rig.count(customer, table).await > 0, "{table}");
    }
    customer
}

#[tokio::test]
async fn a_new_directory_is_read_whole_and_nothing_of_the_old_one_is_left_beside_it() {
    let rig = rig().await;
    let old = customer(&rig).await;
    let neighbour = rig.customer("Neighbour").await;
    rig.cloud.world().add_incident(neighbour.directory, "Stays").unwrap();
    rig.verify(neighbour, 0).await;
    rig.settle(neighbour).await;
    // As a first reading through Graph leaves it in the middle.
    let mut tx = rig.db.worker.tenant(old.tenant).await.unwrap();
    sqlx::query("update sync_state set backfill_skip = 5000, backfill_link = 'x', refused = adapter").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    unbind(&rig, old).await;
    let new = bind(&rig, old).await;
    let now = rig.now();
    rig.cloud.world().seed_history(new.directory, 28, 250, now);
    rig.verify(new, 0).await;
    for table in
        ["incidents", "incident_raw", "incident_events", "alerts", "alert_raw", "devices", "lookups", "quarantine", "tenant_counts"]
    {
        assert_eq!(rig.count(new, table).await, 0, "{table}");
    }
    rig.pass(70);
    rig.settle(new).await;
    rig.interval(&[new]).await;
    assert_eq!(rig.count(new, "incidents").await, 250);
    rig.assert_ledger_equals_database(new).await;
    let told = rig.text(new, "select (before -> 'incidents')::text from audit_log where action = 'tenant.clear'").await;
    assert_eq!((told.as_deref(), rig.audited(new, "tenant.clear").await), (Some("300"), 1));
    assert_eq!(rig.count(neighbour, "incidents").await, 1);
    let open = "sync_state where backfill_link is not null or refused is not null or reconciled_week is null";
    assert_eq!(rig.count(new, open).await, 0, "its first reading was its own");
}

#[tokio::test]
async fn what_was_read_goes_within_a_minute_also_when_nobody_consents() {
    let rig = rig().await;
    let old = customer(&rig).await;
    unbind(&rig, old).await;
    engine::delete_gone(&rig.reader, rig.now()).await.unwrap();
    for table in ["incidents", "alerts", "devices", "lookups", "quarantine", "daily_counts"] {
        assert_eq!(rig.count(old, table).await, 0, "{table}");
    }
    engine::delete_gone(&rig.reader, rig.now()).await.unwrap();
    assert_eq!(rig.audited(old, "tenant.clear").await, 1, "once");
}

#[tokio::test]
async fn changes_that_are_open_end_with_the_binding_and_reach_no_other_directory() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    let (waiting, sent) = (ChangeId::new(), ChangeId::new());
    let by = By { actor: Actor::Operator, ip: None };
    let new = changes::New { operation: "xdr.incidents.update", args: &["1"], subject: "One", request: None, comment: None };
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    for id in [waiting, sent] {
        changes::intend(&mut tx, &by, customer.tenant, id, &new, &changes::Kept::default(), rig.now()).await.unwrap();
    }
    // Of the same incident only one is on its way at a time, and this is it.
    let taken = changes::get(&mut tx, sent).await.unwrap().unwrap();
    changes::claim(&mut tx, &taken, rig.now()).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    unbind(&rig, customer).await;
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    for (id, said) in [(waiting, "Not sent"), (sent, "may have been carried out")] {
        let change = changes::get(&mut tx, id).await.unwrap().unwrap();
        assert_eq!(change.state, ChangeState::Failed);
        assert!(change.reason.as_ref().unwrap().contains(said), "{:?}", change.reason);
    }
    assert_eq!(rig.audited(customer, "change.failed").await, 2);
}
