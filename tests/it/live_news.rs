//! What a page that is open is told: how much of what it lists has changed since it was made.

use crate::app::{TestApp, Visitor};
use crate::browser::Browser;
use crate::live::Process;
use crate::pages::case;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use thirtyfour::prelude::*;
use watchfloor::model::Role;

/// Where a page asks for news.
async fn watch(visitor: &Visitor, page: &str) -> String {
    visitor.get(page).await.assert_success().attribute("[data-news]", "data-news").unwrap()
}

async fn news(visitor: &Visitor, address: &str) -> (i64, String) {
    let answer: Value = serde_json::from_str(&visitor.get(address).await.assert_success().html).unwrap();
    (answer["count"].as_i64().unwrap(), answer["text"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn news_count_what_the_list_would_show_anew_by_its_filters_and_its_readers_tenants() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Alder").await, app.tenant("Birch").await);
    let (admin, viewer) = (app.sign_in(Role::Admin).await, app.sign_in_for(Role::Viewer, &[own]).await);
    case(&app, own, "BEFORE").await;
    for list in ["/incidents", "/alerts"] {
        let (all, some) = (watch(&admin, list).await, watch(&viewer, list).await);
        let severity = if list == "/incidents" { "high" } else { "medium" };
        let filtered = watch(&admin, &format!("{list}?severity={severity}&q=title&q=alert&size=100")).await;
        let tenant = watch(&admin, &format!("{list}?tenant={own}")).await;
        let other = watch(&admin, &format!("{list}?severity=low&status=resolved")).await;
        assert_eq!(news(&admin, &all).await.0, 0, "{all}: what the page shows is no news");
        case(&app, own, &format!("OWN{}", list.len())).await;
        case(&app, foreign, &format!("FOREIGN{}", list.len())).await;
        assert_eq!(news(&admin, &all).await, (2, "2 new · load".to_owned()));
        assert_eq!(news(&viewer, &some).await.0, 1);
        assert_eq!(news(&viewer, &all).await.0, 1, "the reader's tenants count, not the page's");
        assert_eq!(news(&admin, &filtered).await.0, if list == "/incidents" { 2 } else { 0 });
        assert_eq!((news(&admin, &tenant).await.0, news(&admin, &other).await.0), (1, 0));
        assert_eq!(news(&admin, &watch(&admin, list).await).await.0, 0);
    }
}

#[tokio::test]
async fn beyond_a_thousand_news_are_not_counted() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let admin = app.sign_in(Role::Admin).await;
    let address = watch(&admin, "/incidents").await;
    for (rows, text) in [(1_000, "1,000 new · load"), (5, "1,000+ new · load")] {
        let mut tx = app.db.worker.tenant(tenant).await.unwrap();
        sqlx::query(
            "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
             select $1, id, 'defender_xdr', id::text, 'Case', 4, 'x', 'new', 'x', now(), now() from (select gen_random_uuid() as id from generate_series(1, $2)) as made",
        )
        .bind(tenant)
        .bind(rows)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(news(&admin, &address).await.1, text);
    }
}

#[tokio::test]
async fn what_was_being_written_while_the_page_was_made_is_news_once_it_is_there() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let admin = app.sign_in(Role::Admin).await;
    let (incident, alert) = case(&app, tenant, "ONE").await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    for change in ["update incidents set synced_at = now()", "update alerts set synced_at = now()"] {
        sqlx::query(change).execute(&mut *tx).await.unwrap();
    }
    let pages = ["/incidents".to_owned(), "/alerts".to_owned(), format!("/incidents/{incident}"), format!("/alerts/{alert}")];
    let mut watched = Vec::new();
    for page in &pages {
        watched.push(watch(&admin, page).await);
        assert_eq!(
            news(&admin, watched.last().unwrap()).await,
            (0, if page.len() > 10 { "" } else { "0 new · load" }.to_owned()),
            "{page}"
        );
    }
    tx.commit().await.unwrap();
    let texts =
        ["1 new · load", "1 new · load", "This incident has changed at Defender · show", "This alert has changed at Defender · show"];
    for (address, text) in watched.iter().zip(texts) {
        assert_eq!(news(&admin, address).await, (1, text.to_owned()), "{address}");
    }
}

#[tokio::test]
async fn the_page_of_a_record_is_told_of_its_alerts_and_of_changes_asked_for_here() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let admin = app.sign_in(Role::Admin).await;
    let (incident, _) = case(&app, tenant, "ONE").await;
    let (other, _) = case(&app, tenant, "TWO").await;
    let change = "insert into changes (tenant_id, change_id, operation, args, subject, actor)
                  select tenant_id, gen_random_uuid(), 'xdr.incidents.update', array[external_id], 'x', 'x' from incidents where title = 'Title ONE'";
    let alert = "update alerts set synced_at = now() where title = 'Alert ONE'";
    for (sql, text) in [(change, "A change of this incident has gone on · show"), (alert, "This incident has changed at Defender · show")]
    {
        let (of_one, of_other) =
            (watch(&admin, &format!("/incidents/{incident}")).await, watch(&admin, &format!("/incidents/{other}")).await);
        let mut tx = app.db.worker.tenant(tenant).await.unwrap();
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(news(&admin, &of_one).await, (1, text.to_owned()));
        assert_eq!(news(&admin, &of_other).await.0, 0);
    }
}

#[tokio::test]
async fn a_question_that_no_page_asks_is_refused_and_another_tenants_record_is_not_there() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Alder").await, app.tenant("Birch").await);
    let viewer = app.sign_in_for(Role::Viewer, &[own]).await;
    for query in [
        "",
        "since=2026-11-22T10:00:00Z",
        "since=yesterday&seen=7:8:",
        "since=2026-11-22T10:00:00Z&seen=8:7:",
        "since=2026-11-22T10:00:00Z&seen=7:8:;",
    ] {
        for list in ["/incidents", "/alerts"] {
            assert_eq!(viewer.get(&format!("{list}/news?{query}")).await.status, StatusCode::BAD_REQUEST, "{query}");
        }
    }
    let (incident, alert) = case(&app, foreign, "FOREIGN").await;
    for path in [format!("/incidents/{incident}"), format!("/alerts/{alert}")] {
        let news = format!("{path}/news?since=2026-11-22T10:00:00Z&seen=7:8:");
        assert_eq!(viewer.get(&news).await.status, StatusCode::NOT_FOUND);
    }
}

/// What can be pressed and is in part below the words that say what is new, at every width.
const COVERED: &str = "const news = document.querySelector('.live a:not([hidden])').getBoundingClientRect();
    return [...document.querySelectorAll('.topbar a, main a, main button, main summary, main input')].filter((one) => {
        const place = one.getBoundingClientRect();
        return !one.closest('.live') && one.checkVisibility({ visibilityProperty: true }) && place.left < news.right && place.right > news.left
            && place.top < news.bottom && place.bottom > news.top;
    }).map((one) => innerWidth + ': ' + one.textContent).join(', ')";

async fn assert_nothing_is_covered(browser: &Browser) {
    for width in [1440, 1280, 1241, 1240, 1000, 861, 860, 720, 390] {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        browser.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
        let covered: String = browser.driver.execute(COVERED, Vec::new()).await.unwrap().convert().unwrap();
        assert_eq!(covered, "");
    }
    browser.driver.cdp().send_raw("Emulation.clearDeviceMetricsOverride", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_list_that_is_open_in_a_browser_says_what_is_new_and_shows_it_on_r_only() {
    let Some(browser) = Browser::start().await else { return };
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let (incident, _) = case(&app, tenant, "BEFORE").await;
    let (hushed, _) = case(&app, tenant, "HUSHED").await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query("update incidents set hidden = true where incident_id = $1").bind(hushed).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let process = Process::start(&app, 9).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = process.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    browser.open(&format!("{address}/login")).await;
    browser.driver.add_cookie(Cookie::new("sid", analyst.session.clone().unwrap())).await.unwrap();
    browser.open(&format!("{address}/incidents?sort=updated")).await;
    let rows = async || browser.driver.find(By::Css("tbody")).await.unwrap().text().await.unwrap();
    let before = rows().await;
    assert!(before.contains("Title BEFORE"));

    case(&app, tenant, "AFTER").await;
    let committed = Instant::now();
    browser.sees("1 new · load (r)").await;
    assert!(committed.elapsed() < Duration::from_secs(2), "it took {:?}", committed.elapsed());
    assert_eq!(browser.driver.title().await.unwrap(), "(1) Incidents · Watchfloor");
    assert_eq!(rows().await, before, "no row was touched");
    assert_nothing_is_covered(&browser).await;
    browser.screenshots("live").await;
    let body = browser.driver.find(By::Tag("body")).await.unwrap();
    body.send_keys("r").await.unwrap();
    browser.sees("Title AFTER").await;
    assert_eq!(browser.driver.title().await.unwrap(), "Incidents · Watchfloor");

    browser.open(&format!("{address}/incidents/{incident}")).await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query("update incidents set title = 'Another title', synced_at = now() where incident_id = $1")
        .bind(incident)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    browser.sees("This incident has changed at Defender · show (r)").await;
    assert_nothing_is_covered(&browser).await;
    browser.screenshots("live-incident").await;
    browser.click("This incident has changed at Defender · show (r)").await;
    browser.sees("Another title").await;
    assert_eq!(browser.driver.title().await.unwrap(), "Another title · Alder · Watchfloor");
    // Whose session has ended elsewhere reads no more, once there is something new.
    let mut tx = app.db.web.no_tenant().await.unwrap();
    sqlx::query("delete from sessions").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    case(&app, tenant, "LATER").await;
    browser.sees("Name or e-mail address").await;
}
