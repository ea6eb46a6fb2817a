//! Rules that hide alerts, while alerts are read, rules run out, and tenants change their group.

use crate::api::Program;
use crate::app::TestApp;
use crate::rig::Rig;
use crate::suppressing::{alert, audited, hits, incident, keep_up, later, make, number, preview, read, titles};
use axum::http::{Method, StatusCode};
use chrono::TimeDelta;
use serde_json::{Value, json};
use watchfloor::app::suppressions::{self as rules, Over, Wish};
use watchfloor::model::{Role, Scope, Severity, Status, SuppressionId, TenantId, clock};
use watchfloor::store::audit::{Actor, By};

fn of(tenant: TenantId) -> String {
    format!("tenant:{tenant}")
}

#[tokio::test]
async fn a_new_alert_is_hidden_as_it_is_read_and_counted_once_however_often_it_comes() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let lead = app.sign_in(Role::Lead).await;
    let rule = make(&lead, &of(own), &[("title", "Noise*")]).await;
    let (noise, real) = (alert("A", Some("1"), "Noise here"), alert("B", None, "Real"));
    read(&app, foreign, &[], std::slice::from_ref(&noise)).await;
    for _ in 0..2 {
        read(&app, own, &[], &[noise.clone(), real.clone()]).await;
    }
    assert_eq!(
        (titles(&lead, "/alerts").await, hits(&app, rule).await),
        (vec!["Noise here".into(), "Real".into()], 1),
        "the foreign one stays"
    );
    assert_eq!(titles(&lead, &format!("/alerts?tenant={own}")).await, ["Real"]);
    // Its incident comes after it.
    read(&app, own, &[incident("1")], &[]).await;
    assert!(titles(&lead, "/incidents").await.is_empty());

    let worse = later(&noise, |alert| alert.severity = Severity::Critical);
    read(&app, own, &[], std::slice::from_ref(&worse)).await;
    let renamed = later(&worse, |alert| alert.title = "Something else".into());
    let page = lead.get(&format!("/suppressions/{rule}")).await.assert_success();
    assert_eq!(page.texts(".notice"), ["1 hidden alert was less severe when the rule hid it."]);
    read(&app, own, &[], std::slice::from_ref(&renamed)).await;
    assert_eq!(titles(&lead, "/incidents").await, ["Case 1"], "it matches no longer");
    let judged = later(&renamed, |alert| {
        (alert.title, alert.status, alert.classification) = ("Noise again".into(), Status::Resolved, Some("truePositive".into()));
    });
    read(&app, own, &[], &[judged]).await;
    assert_eq!(hits(&app, rule).await, 1, "the same alert twice is one hit");
    let page = lead.get(&format!("/suppressions/{rule}")).await.assert_success();
    assert_eq!(page.texts(".notice")[0], "1 hidden alert was judged a true positive. This rule may hide what matters.");
    assert_eq!(page.texts("table.queue .chip.bad"), ["True positive"]);
}

#[tokio::test]
async fn an_incident_comes_back_with_the_first_alert_that_is_not_hidden() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let lead = app.sign_in(Role::Lead).await;
    make(&lead, &of(tenant), &[("title", "Noise*")]).await;
    read(&app, tenant, &[incident("1"), incident("2")], &[alert("A", Some("1"), "Noise A"), alert("B", Some("1"), "Noise B")]).await;
    assert_eq!(titles(&lead, "/incidents").await, ["Case 2"]);
    let real = alert("C", Some("1"), "Real");
    read(&app, tenant, &[], std::slice::from_ref(&real)).await;
    assert_eq!(titles(&lead, "/incidents").await, ["Case 1", "Case 2"]);
    // Microsoft moves it to the other incident.
    read(&app, tenant, &[], &[later(&real, |alert| alert.incident_external_id = Some("2".into()))]).await;
    assert_eq!(titles(&lead, "/incidents").await, ["Case 2"]);
}

#[tokio::test]
async fn a_rule_ends_while_its_tenant_is_read_and_until_its_alerts_are_back_an_incident_is_hidden_by_none_that_is_in_sight() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let lead = app.sign_in(Role::Lead).await;
    let rule = make(&lead, &of(tenant), &[("title", "Noise*")]).await;
    let noise = alert("A", Some("1"), "Noise A");
    read(&app, tenant, &[incident("1"), incident("2")], std::slice::from_ref(&noise)).await;
    assert_eq!(titles(&lead, "/incidents").await, ["Case 2"]);

    let mut reading = app.db.worker.tenant(tenant).await.unwrap();
    let turn = "select pg_advisory_xact_lock(hashtextextended('ingest ' || $1::text, 0))";
    sqlx::query(turn).bind(tenant).execute(&mut *reading).await.unwrap();
    lead.post_form(&format!("/suppressions/{rule}/end"), &[]).await.assert_redirect(&format!("/suppressions/{rule}"));
    drop(reading);
    assert_eq!(titles(&lead, "/incidents").await, ["Case 2"], "the reading may know its alerts");

    read(&app, tenant, &[], &[alert("B", Some("1"), "Real")]).await;
    assert_eq!(titles(&lead, "/incidents").await, ["Case 1", "Case 2"]);
    keep_up(&app, clock::now()).await;
    assert_eq!(titles(&lead, "/alerts").await.len(), 2);
}

#[tokio::test]
async fn the_news_of_an_open_page_are_of_what_it_would_show() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let lead = app.sign_in(Role::Lead).await;
    make(&lead, &of(tenant), &[("title", "Noise*")]).await;
    for (list, expected) in [("/alerts", 1), ("/incidents", 1), ("/alerts?suppressed=only", 1), ("/alerts?suppressed=yes", 2)] {
        let n = list.len();
        let address = lead.get(list).await.assert_success().attribute("[data-news]", "data-news").unwrap();
        let (noisy, real) = (format!("noisy{n}"), format!("real{n}"));
        let alerts = [alert(&noisy, Some(&noisy), "Noise"), alert(&real, Some(&real), "Real")];
        read(&app, tenant, &[incident(&noisy), incident(&real)], &alerts).await;
        let news: Value = serde_json::from_str(&lead.get(&address).await.assert_success().html).unwrap();
        assert_eq!(news["count"], expected, "{list}");
    }
}

#[tokio::test]
async fn a_rule_that_runs_out_gives_its_alerts_back_or_leaves_them_to_another_one() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    read(&app, tenant, &[incident("1")], &[alert("A", Some("1"), "Noise A"), alert("B", None, "Noise B")]).await;
    let lead = app.sign_in(Role::Lead).await;
    let first = make(&lead, &of(tenant), &[("title", "Noise*"), ("days", "7")]).await;
    let second = make(&lead, &of(tenant), &[("entity", "user:b@example.com"), ("days", "30")]).await;
    assert_eq!(
        (hits(&app, first).await, number(&app, &format!("select count(*) from suppression_hits where suppression_id = '{second}'")).await),
        (2, 0)
    );
    let now = clock::now();
    keep_up(&app, now + TimeDelta::days(7) - TimeDelta::minutes(1)).await;
    assert!(titles(&lead, "/alerts").await.is_empty());
    for _ in 0..2 {
        keep_up(&app, now + TimeDelta::days(7) + TimeDelta::minutes(1)).await;
    }
    assert_eq!((titles(&lead, "/alerts").await, titles(&lead, "/incidents").await), (vec!["Noise A".into()], vec!["Case 1".into()]));
    assert_eq!((hits(&app, second).await, audited(&app, "suppression.expire").await), (1, 1));
    let page = lead.get(&format!("/suppressions/{first}")).await.assert_success();
    assert!(page.texts(".line")[0].starts_with("○ Ran out"), "{:?}", page.texts(".line"));
    read(&app, tenant, &[], &[alert("C", None, "Noise C")]).await;
    assert_eq!(titles(&lead, "/alerts").await, ["Noise A", "Noise C"], "it hides no more");
}

#[tokio::test]
async fn a_rule_for_a_group_is_for_whoever_is_in_it_and_of_those_who_see_all_of_it() {
    let app = TestApp::start().await;
    let (one, two, other) = (app.tenant("One").await, app.tenant("Two").await, app.tenant("Other").await);
    let admin = Program::of(&app, Role::Admin, None).await;
    let group = async |tenant: TenantId, group: &str| {
        let (status, answer) =
            admin.call(Method::PATCH, &format!("/tenants/{tenant}"), Some(json!({ "group": group, "apps": ["defender"] }))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    };
    for (tenant, mark) in [(one, "one"), (two, "two"), (other, "other")] {
        read(&app, tenant, &[], &[alert("A", None, &format!("Noise {mark}"))]).await;
    }
    group(one, "Gold").await;
    group(two, "Gold").await;
    let (lead, narrow) = (app.sign_in(Role::Lead).await, app.sign_in_for(Role::Lead, &[one, other]).await);
    let refused = preview(&narrow, "group:Gold", &[("title", "Noise*")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "one of its tenants is not theirs");
    assert!(!refused.html.contains("value=\"group:Gold\""), "nor is the group offered");
    let page = preview(&lead, "group:Gold", &[("title", "Noise*")]).await.assert_success();
    assert_eq!(page.texts(".card table:not(.queue) tbody th"), ["One", "Two"]);
    let rule = make(&lead, "group:Gold", &[("title", "Noise*")]).await;
    assert_eq!(titles(&lead, "/alerts").await, ["Noise other"]);
    for visitor in [&narrow, &app.sign_in_for(Role::Viewer, &[other]).await] {
        assert_eq!(visitor.get(&format!("/suppressions/{rule}")).await.status, StatusCode::NOT_FOUND);
        assert!(visitor.get("/suppressions").await.assert_success().texts("tbody th").is_empty());
    }
    let both = app.sign_in_for(Role::Viewer, &[one, two]).await;
    assert_eq!(both.get("/suppressions").await.assert_success().texts("tbody th a"), ["“Noise*”"]);
    let hidden = narrow.get("/alerts?suppressed=only").await.assert_success().attribute("table.queue tbody th a", "href").unwrap();
    assert!(narrow.get(&hidden).await.assert_success().html.contains("a rule for several tenants"));

    group(two, "Silver").await;
    assert_eq!(titles(&lead, "/alerts").await, ["Noise other", "Noise two"], "who leaves the group gets its alerts back");
    narrow.get(&format!("/suppressions/{rule}")).await.assert_success();
    group(other, "Gold").await;
    assert_eq!(titles(&lead, "/alerts").await, ["Noise two"], "who joins it gets the rule");
    group(two, "Gold").await;
    read(&app, two, &[], &[alert("B", None, "Noise more")]).await;
    assert!(titles(&lead, "/alerts").await.is_empty());
    assert_eq!((hits(&app, rule).await, number(&app, "select tenants from suppressions").await), (4, 3));
}

#[tokio::test]
async fn thousands_of_alerts_are_hidden_and_brought_back_a_part_at_once_and_the_rest_soon() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into alerts (tenant_id, alert_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         select $1, gen_random_uuid(), 'defender_xdr', n::text, 'Noise ' || n, 3, 'x', 'new', 'x', now(), now() from generate_series(1, 10200) as n",
    )
    .bind(tenant)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let lead = app.sign_in(Role::Lead).await;
    let page = preview(&lead, &of(tenant), &[("title", "Noise*")]).await.assert_success();
    assert!(page.texts(".notice")[0].contains("would have hidden more than 10,000 alerts in 90 days"), "{:?}", page.texts(".notice"));
    let rule = make(&lead, &of(tenant), &[("title", "Noise*")]).await;
    let hidden = "select count(*) from alerts where hidden";
    assert_eq!(number(&app, hidden).await, 5_000);
    assert!(lead.get(&format!("/suppressions/{rule}")).await.assert_success().html.contains("More stored alerts are still being hidden"));
    keep_up(&app, clock::now()).await;
    assert_eq!((number(&app, hidden).await, hits(&app, rule).await), (10_200, 10_200));
    lead.post_form(&format!("/suppressions/{rule}/end"), &[]).await;
    assert_eq!(number(&app, hidden).await, 5_200);
    keep_up(&app, clock::now()).await;
    assert_eq!((number(&app, hidden).await, number(&app, "select sum(alerts_medium) from tenant_counts").await), (0, 10_200));
    assert_eq!(number(&app, "select count(*) from suppression_tenants where pending").await, 0);
}

#[tokio::test]
async fn a_rule_tells_microsoft_nothing() {
    let rig = Rig::start().await;
    let customer = rig.customer("Contoso").await;
    rig.cloud.world().add_incident(customer.directory, "Noise").unwrap();
    rig.verify(customer, 0).await;
    rig.settle(customer).await;
    let calls = || rig.cloud.world().ledger.requests().count();
    let (before, alerts) = (calls(), rig.count(customer, "alerts where is_open").await);
    let by = By { actor: Actor::Operator, ip: None };
    let wish = Wish { over: Over::Tenant(customer.tenant), detector: "", title: "*", entity: "" };
    let scope = Scope::one(customer.tenant);
    let id = SuppressionId::new();
    // A title of stars alone is refused, so every title is named.
    let titles: Vec<String> =
        rig.rows(customer, "select distinct title from alerts").await.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    assert!(rules::make(&mut tx, &rig.db.web, (&by, &scope), id, (&wish, |_: &str| true), ("x", 30), rig.now()).await.is_err());
    for title in &titles {
        let wish = Wish { title, ..wish.clone() };
        rules::make(&mut tx, &rig.db.web, (&by, &scope), SuppressionId::new(), (&wish, |_: &str| true), ("x", 30), rig.now())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!((rig.count(customer, "alerts where hidden").await, rig.count(customer, "incidents where hidden").await), (alerts, 1));
    watchfloor::sync::suppressions::keep_up(&rig.reader, rig.now() + TimeDelta::days(31)).await.unwrap();
    assert_eq!((rig.count(customer, "alerts where hidden").await, rig.count(customer, "incidents where hidden").await), (0, 0));
    assert_eq!((calls(), rig.count(customer, "changes").await), (before, 0));
    rig.assert_ledger_equals_database(customer).await;
}
