//! Incidents that share something with one: what few have first, within what the reader may see, and no older than 90 days.

use crate::app::{Reply, TestApp};
use watchfloor::model::{IncidentId, Role, TenantId};

/// An incident with these entities that changed so many days ago.
async fn add(app: &TestApp, tenant: TenantId, title: &str, entities: &[&str], days: i32) -> IncidentId {
    let incident = IncidentId::new();
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, entities,
                                created_at, updated_at)
         values ($1, $2, 'defender_xdr', $2::text, $3, 4, 'high', 'new', 'Active', $4, now(), now() - make_interval(days => $5))",
    )
    .bind(tenant)
    .bind(incident)
    .bind(title)
    .bind(entities)
    .bind(days)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    incident
}

fn titles(page: &Reply) -> Vec<String> {
    page.texts(".related li > a")
}

#[tokio::test]
async fn another_tenants_incidents_are_told_to_those_alone_who_see_that_tenant() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let incident = add(&app, own, "This one", &["sha1:abc"], 0).await;
    add(&app, foreign, "FOREIGN", &["sha1:abc"], 0).await;
    let (narrow, wide) = (app.sign_in_for(Role::Analyst, &[own]).await, app.sign_in(Role::Viewer).await);
    let path = format!("/incidents/{incident}");
    let page = narrow.get(&path).await.assert_success();
    assert!(titles(&page).is_empty() && !page.html.contains("FOREIGN"), "{}", page.html);
    assert!(page.html.contains("None shares an entity"));
    let page = wide.get(&path).await.assert_success();
    assert_eq!(titles(&page), ["FOREIGN"]);
    let told = page.texts(".related li").remove(0);
    assert!(told.contains("Foreign") && told.contains("New") && told.contains("Shares abc"), "{told}");
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update tenants set state = 'offboarded' where tenant_id = $1").bind(foreign).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert!(titles(&wide.get(&path).await).is_empty(), "an offboarded tenant is nobody's");
}

#[tokio::test]
async fn what_few_share_counts_most_and_no_more_than_ten_are_shown_none_of_them_old() {
    let app = TestApp::start().await;
    let (own, other) = (app.tenant("Own").await, app.tenant("Other").await);
    let incident = add(&app, own, "This one", &["ip:192.0.2.1", "sha1:rare", "user:ada"], 0).await;
    for n in 0..12 {
        add(&app, other, &format!("Common {n}"), &["ip:192.0.2.1", "user:bob"], 1).await;
    }
    add(&app, other, "Two", &["user:ada", "ip:192.0.2.1"], 80).await;
    add(&app, other, "Rare", &["sha1:rare"], 89).await;
    add(&app, own, "Old", &["sha1:rare", "user:ada"], 91).await;
    add(&app, own, "Nothing shared", &["user:eve"], 0).await;
    add(&app, own, "Nothing at all", &[], 0).await;
    let lead = app.sign_in(Role::Lead).await;
    let page = lead.get(&format!("/incidents/{incident}")).await.assert_success();
    let told = titles(&page);
    assert_eq!((told.len(), &told[..2]), (10, &["Two".to_owned(), "Rare".to_owned()][..]), "{told:?}");
    assert!(told[2..].iter().all(|title| title.starts_with("Common")), "{told:?}");
    assert!(page.texts(".related li")[0].contains("Shares ada, 192.0.2.1"), "the rarer first: {}", page.texts(".related li")[0]);
    let alone = add(&app, own, "Alone", &[], 0).await;
    assert!(titles(&lead.get(&format!("/incidents/{alone}")).await.assert_success()).is_empty());
}
