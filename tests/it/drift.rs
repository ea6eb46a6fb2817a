//! Consent, permissions and licences that go, come back, or are not there yet.

use crate::rig::{CLIENT_ID, Rig};
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::model::{Product, SyncHealth, TenantState};

const XDR: Product = Product::DefenderXdr;

#[tokio::test]
async fn a_revoked_consent_is_told_once_kept_slow_and_noticed_when_it_comes_back() {
    let rig = Rig::start().await;
    let (sick, well) = (rig.read_customer("Contoso").await, rig.read_customer("Fabrikam").await);
    rig.cloud.world().add_incident(sick.directory, "Kept").unwrap();
    rig.interval(&[sick, well]).await;
    rig.cloud.world().revoke(sick.directory, CLIENT_ID);
    rig.interval(&[sick, well]).await;
    assert_eq!((rig.state(sick).await, rig.health(sick, XDR).await), (TenantState::Blind, SyncHealth::ConsentLost));
    let row = rig.product(sick, XDR).await;
    assert!(row.reason.is_some() && row.remedy.is_some() && row.failing_since.is_some());
    assert_eq!(rig.audited(sick, "consent.lost").await, 3, "once per product");
    assert_eq!(rig.count(sick, "incidents").await, 1, "data stays");
    let calls = || rig.cloud.world().ledger.requests_of(sick.directory, Api::Token).len();
    let before = calls();
    for _ in 0..12 {
        rig.interval(&[sick, well]).await;
    }
    assert!(calls() - before <= 3, "14 minutes: at most one try per product");
    assert_eq!(rig.audited(sick, "consent.lost").await, 3);
    rig.verify(sick, 3).await;
    assert_eq!(rig.count(sick, "tenant_permissions where state = 'revoked'").await, 3);
    assert_eq!(rig.audited(sick, "consent.permission_revoked").await, 3);
    assert_eq!(rig.state(well).await, TenantState::Active);
    rig.cloud.world().grant(sick.directory, CLIENT_ID);
    rig.pass(1000);
    rig.verify(sick, 0).await;
    rig.round(sick).await;
    assert_eq!((rig.state(sick).await, rig.health(sick, XDR).await), (TenantState::Active, SyncHealth::Ok));
    assert_eq!(rig.audited(sick, "consent.regained").await, 3);
}

#[tokio::test]
async fn a_dropped_permission_and_a_missing_licence_darken_their_product_only() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    rig.cloud.world().drop_role(customer.directory, CLIENT_ID, "Alert.Read.All");
    rig.interval(&[customer]).await;
    assert_eq!(rig.health(customer, Product::DefenderEndpoint).await, SyncHealth::NoPermission);
    assert_eq!((rig.health(customer, XDR).await, rig.state(customer).await), (SyncHealth::Ok, TenantState::Degraded));
    rig.verify(customer, 3).await;
    assert_eq!(
        rig.text(customer, "select permission from tenant_permissions where state = 'revoked'").await.as_deref(),
        Some("Alert.Read.All")
    );
    rig.cloud.world().set_licences(customer.directory, &[XDR, Product::DefenderEndpoint]);
    rig.interval(&[customer]).await;
    rig.verify(customer, 3).await;
    assert_eq!(rig.health(customer, Product::CloudApps).await, SyncHealth::NoLicence);
    assert_eq!(rig.count(customer, "tenant_permissions where product = 'cloud_apps' and state = 'unlicensed'").await, 1);
    assert_eq!(rig.health(customer, XDR).await, SyncHealth::Ok);
}

#[tokio::test]
async fn a_consent_that_entra_has_not_spread_yet_is_looked_for_again() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    rig.cloud.world().revoke(customer.directory, CLIENT_ID);
    rig.verify(customer, 0).await;
    assert_eq!(rig.state(customer).await, TenantState::Verifying);
    assert_eq!(rig.count(customer, "tenant_permissions where state = 'unknown' and reason is not null").await, 3);
    let job = "select payload::text from jobs.jobs as j join jobs._private_jobs as p using (id) where j.task_identifier = 'verify'";
    let job = rig.text(customer, job).await.unwrap();
    assert!(job.replace(' ', "").contains("\"round\":1"), "{job}");
    rig.cloud.world().grant(customer.directory, CLIENT_ID);
    rig.pass(30);
    rig.verify(customer, 1).await;
    assert_eq!(rig.state(customer).await, TenantState::Active);

    let never = rig.customer("Never").await;
    rig.cloud.world().revoke(never.directory, CLIENT_ID);
    rig.verify(never, 3).await;
    assert_eq!((rig.state(never).await, rig.count(never, "tenant_permissions where state = 'missing'").await), (TenantState::Blind, 3));
}

#[tokio::test]
async fn a_token_of_another_directory_brings_no_row_and_an_alarm() {
    let rig = Rig::start().await;
    let (contoso, fabrikam) = (rig.read_customer("Contoso").await, rig.read_customer("Fabrikam").await);
    rig.cloud.world().add_incident(fabrikam.directory, "Fabrikam's").unwrap();
    rig.cloud.world().expire_tokens(contoso.directory);
    rig.fault(contoso, Api::Token, Fault::TokenOf(fabrikam.directory), Times::Forever);
    rig.interval(&[contoso]).await;
    assert_eq!(rig.count(contoso, "incidents").await, 0);
    assert_eq!(rig.health(contoso, XDR).await, SyncHealth::Failing);
    assert!(rig.audited(contoso, "security.microsoft_answer").await >= 1);
}

#[tokio::test]
async fn a_paused_tenant_is_not_read_and_another_one_waiting_for_approval_is_verified_only() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Contoso").await;
    rig.rows(customer, "select 1").await;
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    sqlx::query("update tenants set state = 'paused'").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    rig.pass(70);
    assert!(rig.read(customer, XDR).await.is_none());
    let waiting = rig.customer("Waiting").await;
    let mut tx = rig.db.web.tenant(waiting.tenant).await.unwrap();
    sqlx::query("update tenants set needs_approval = true").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    rig.verify(waiting, 0).await;
    assert_eq!((rig.state(waiting).await, rig.count(waiting, "sync_state").await), (TenantState::Verifying, 0));
    assert_eq!(rig.count(waiting, "tenant_permissions where state = 'granted'").await, 3);
}

#[tokio::test]
async fn who_is_throttled_for_good_is_shown_so_within_two_intervals_and_delays_nobody() {
    let rig = Rig::start().await;
    for (seconds, name) in [("7", "Contoso"), ("600", "Northwind")] {
        let (sick, well) = (rig.read_customer(name).await, rig.read_customer(&format!("{name} Neighbour")).await);
        rig.fault(sick, Api::DefenderXdr, Fault::Throttle(Some(seconds.to_owned())), Times::Forever);
        rig.interval(&[sick, well]).await;
        rig.interval(&[sick, well]).await;
        let row = rig.product(sick, XDR).await;
        assert_eq!((row.state, rig.state(sick).await), (SyncHealth::Throttled, TenantState::Degraded), "{seconds}");
        assert!(row.reason.is_some() && row.remedy.is_some() && row.failing_since.is_some(), "{seconds}");
        for _ in 0..5 {
            rig.interval(&[sick, well]).await;
        }
        assert_eq!(rig.health(sick, Product::DefenderEndpoint).await, SyncHealth::Ok, "{seconds}");
        let lag = rig.product(well, XDR).await.lag(rig.now()).unwrap();
        assert!(lag.num_seconds() < 60 && rig.state(well).await == TenantState::Active, "{seconds}: {lag}");
    }
    assert!(rig.cloud.world().ledger.early().is_empty(), "nobody was asked again too soon");
}
