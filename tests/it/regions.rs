//! Where a tenant's data lives: hosts that staff name, and the region that is found to answer fastest.

use crate::app::TestApp;
use crate::rig::{Customer, Rig};
use axum::http::StatusCode;
use std::time::Duration;
use watchfloor::demo::{Api, HostFault};
use watchfloor::model::{Cloud, Product, Region, Role, TenantId};
use watchfloor::store::tenants::{self, Tenant};
use watchfloor::sync::region;

async fn set(rig: &Rig, customer: Customer, sql: &'static str) {
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    sqlx::query(sql).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn tenant(db: &watchfloor::store::Db, tenant: TenantId) -> Tenant {
    let mut tx = db.tenant(tenant).await.unwrap();
    tenants::get(&mut tx, tenant).await.unwrap().unwrap()
}

fn last_host(rig: &Rig, customer: Customer, api: Api) -> String {
    rig.cloud.world().ledger.requests_of(customer.directory, api).last().unwrap().host.clone()
}

#[tokio::test]
async fn the_hosts_that_staff_named_are_asked_and_no_others() {
    let rig = Rig::start().await;
    let (named, plain) = (rig.customer("Contoso").await, rig.customer("Fabrikam").await);
    set(&rig, named, "update tenants set endpoint_region = 'eu', cloud_apps_host = 'contoso.eu2.portal.cloudappsecurity.com'").await;
    for customer in [named, plain] {
        rig.verify(customer, 3).await;
        rig.settle(customer).await;
    }
    assert_eq!(last_host(&rig, named, Api::DefenderEndpoint), "eu.api.security.microsoft.com");
    assert_eq!(last_host(&rig, named, Api::CloudApps), "contoso.eu2.portal.cloudappsecurity.com");
    assert_eq!(last_host(&rig, plain, Api::DefenderEndpoint), "api.security.microsoft.com");
    assert_eq!(last_host(&rig, plain, Api::CloudApps), "portal.cloudappsecurity.com");
    assert_eq!(rig.health(named, Product::CloudApps).await, watchfloor::model::SyncHealth::Ok);
}

#[tokio::test]
async fn the_fastest_region_that_answers_with_data_is_found_and_kept() {
    let rig = Rig::asking(&[(Product::DefenderEndpoint, &["Machine.Read.All"])]).await;
    let (customer, other) = (rig.read_customer("Contoso").await, rig.read_customer("Fabrikam").await);
    {
        let mut world = rig.cloud.world();
        for region in Region::ALL.iter().filter(|region| **region != Region::Au) {
            world.break_host(&format!("{region}.api.security.microsoft.com"), HostFault::Slow(Duration::from_millis(60)));
        }
        // The very fastest ones have none of the tenant's data, or refuse.
        world.break_host("us.api.security.microsoft.com", HostFault::NotFound);
        world.break_host("eu.api.security.microsoft.com", HostFault::Status(403));
    }
    let asked = |customer: Customer| rig.cloud.world().ledger.requests_of(customer.directory, Api::DefenderEndpoint).len();
    let before = asked(customer);
    region::find_fastest(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    assert_eq!(asked(customer), before, "nobody asked for the fastest");
    set(&rig, customer, "update tenants set endpoint_auto = true").await;
    region::find_fastest(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    let found = tenant(&rig.db.web, customer.tenant).await;
    assert_eq!(found.endpoint_region, Some(Region::Au), "{:?}", found.endpoint_probe);
    let tried = found.endpoint_probe.unwrap().0;
    assert_eq!(tried.len(), Region::ALL.len());
    let of = |region| tried.iter().find(|tried| tried.region == region).unwrap();
    assert_eq!((of(Region::Us).milliseconds, of(Region::Us).answer.as_str()), (None, "no data"));
    assert_eq!((of(Region::Eu).milliseconds, of(Region::Eu).answer.as_str()), (None, "HTTP 403 Forbidden"));
    assert!(of(Region::Uk).milliseconds.unwrap() >= 60 && of(Region::Au).milliseconds.unwrap() < of(Region::Uk).milliseconds.unwrap());
    assert_eq!(rig.audited(customer, "tenant.region").await, 1);
    rig.interval(&[customer]).await;
    assert_eq!(last_host(&rig, customer, Api::DefenderEndpoint), "au.api.security.microsoft.com", "it is read there from now on");
    assert_eq!((tenant(&rig.db.web, other.tenant).await.endpoint_region, asked(other)), (None, asked(other)));
    // A government cloud has no regions.
    let before = asked(customer);
    set(&rig, customer, "update tenants set cloud = 'gcc'").await;
    region::find_fastest(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    assert_eq!(asked(customer), before);
}

#[tokio::test]
async fn a_region_and_a_portal_are_registered_on_the_form_and_what_is_no_such_host_is_refused() {
    let app = TestApp::start().await;
    let lead = app.sign_in(Role::Lead).await;
    let fields = |region: &'static str, host: &'static str| {
        [("name", "Contoso"), ("apps", "defender"), ("cloud", "commercial"), ("region", region), ("cloud_apps_host", host)]
    };
    for (region, host, field) in [
        ("moon", "", "region"),
        ("", "evil.example.com", "cloud_apps_host"),
        ("", "contoso.eu2.portal.cloudappsecurity.com.evil.com", "cloud_apps_host"),
        ("", "agency.us1.portal.cloudappsecurity.us", "cloud_apps_host"),
    ] {
        let reply = lead.post_form("/admin/tenants/new", &fields(region, host)).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{region} {host}");
        assert!(!reply.texts(&format!("#wrong-{field}")).is_empty(), "{region} {host}: {}", reply.html);
    }
    let reply = lead.post_form("/admin/tenants/new", &fields("uk", "https://Contoso.EU2.portal.cloudappsecurity.com/#/dashboard")).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.html);
    let id: TenantId = reply.headers["location"].to_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
    let stored = tenant(&app.db.web, id).await;
    assert_eq!((stored.endpoint_region, stored.endpoint_auto, stored.cloud), (Some(Region::Uk), false, Cloud::Commercial));
    assert_eq!(stored.cloud_apps_host.unwrap().as_str(), "contoso.eu2.portal.cloudappsecurity.com");
    let page = lead.get(&format!("/tenants/{id}")).await.assert_success();
    assert!(page.html.contains("United Kingdom") && page.html.contains("contoso.eu2.portal.cloudappsecurity.com"));

    // The search is asked for on the tenant's page, by a lead who sees the tenant.
    let (mine, analyst) = (app.tenant("Mine").await, app.sign_in(Role::Analyst).await);
    let path = format!("/tenants/{id}/region");
    assert_eq!(analyst.post_form(&path, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.sign_in_for(Role::Lead, &[mine]).await.post_form(&path, &[]).await.status, StatusCode::NOT_FOUND);
    lead.post_form(&path, &[]).await.assert_redirect(&format!("/tenants/{id}"));
    let stored = tenant(&app.db.web, id).await;
    assert_eq!((stored.endpoint_region, stored.endpoint_auto), (Some(Region::Uk), true), "kept until another is found");
}
