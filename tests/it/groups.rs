//! A list by groups, and in figures.

use crate::app::{Reply, TestApp, Visitor};
use crate::pages::case;
use axum::http::StatusCode;
use scraper::{Html, Selector};
use watchfloor::model::{Role, TenantId};

/// Three incidents of two tenants: two share a user and a title, the third has another severity and an owner.
async fn cases(app: &TestApp) -> (TenantId, TenantId) {
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    for (tenant, mark, sets) in [
        (alder, "Ann", "title = 'Phishing', assigned_to = null"),
        (birch, "Bob", "title = 'Phishing', entities = array['user:ann', 'device:pc-1'], assigned_to = null"),
        (birch, "Cyd", "severity = 5, entities = array['user:ann', 'user:cyd', 'device:pc-1'], assigned_to = 'cyd@example.com'"),
    ] {
        let (incident, alert) = case(app, tenant, mark).await;
        let mut tx = app.db.worker.tenant(tenant).await.unwrap();
        let texts = [
            (format!("update incidents set {sets} where incident_id = $1"), incident.0),
            (format!("update alerts set detector_id = 'd-{}' where alert_id = $1", &mark[..1]), alert.0),
        ];
        for (text, id) in texts {
            sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    (alder, birch)
}

/// The groups of a page: name, number of rows, where the name leads.
fn groups(reply: &Reply) -> Vec<(String, String, Option<String>)> {
    let html = Html::parse_document(&reply.html);
    let (row, name, number, link) = ["tbody tr", "th", "td.num", "th a"].map(|text| Selector::parse(text).unwrap()).into();
    html.select(&row)
        .map(|row| {
            let text = |selector| row.select(selector).next().map(|cell| cell.text().collect::<String>().trim().to_owned()).unwrap();
            (text(&name), text(&number), row.select(&link).next().and_then(|link| link.attr("href")).map(str::to_owned))
        })
        .collect()
}

async fn by(person: &Visitor, list: &str, word: &str) -> Vec<(String, String)> {
    let reply = person.get(&format!("/{list}?by={word}")).await.assert_success();
    groups(&reply).into_iter().map(|(name, number, _)| (name, number)).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, number)| ((*name).to_owned(), (*number).to_owned())).collect()
}

#[tokio::test]
async fn groups_count_what_rows_have_in_common_and_lead_to_just_those_rows() {
    let app = TestApp::start().await;
    cases(&app).await;
    let viewer = app.sign_in(Role::Viewer).await;
    assert_eq!(by(&viewer, "incidents", "tenant").await, pairs(&[("Birch", "2"), ("Alder", "1")]));
    assert_eq!(by(&viewer, "incidents", "title").await, pairs(&[("Phishing", "2"), ("Title Cyd", "1")]));
    assert_eq!(by(&viewer, "incidents", "user").await, pairs(&[("ann", "3"), ("cyd", "1")]));
    assert_eq!(by(&viewer, "incidents", "device").await, pairs(&[("pc-1", "2"), ("none", "1")]));
    assert_eq!(by(&viewer, "incidents", "owner").await, pairs(&[("nobody", "2"), ("cyd@example.com", "1")]));
    assert_eq!(by(&viewer, "incidents", "detector").await, pairs(&[("Alert Cyd", "1"), ("Alert Ann", "1"), ("Alert Bob", "1")]));
    assert_eq!(by(&viewer, "alerts", "detector").await, pairs(&[("Alert Ann", "1"), ("Alert Bob", "1"), ("Alert Cyd", "1")]));
    for list in ["incidents", "alerts"] {
        for word in ["tenant", "title", "detector", "user", "device", "owner"] {
            let page = viewer.get(&format!("/{list}?by={word}")).await.assert_success();
            for (name, number, href) in groups(&page) {
                let Some(href) = href else {
                    assert_eq!(name, "none", "{list} by {word}");
                    continue;
                };
                let rows = viewer.get(&href).await.assert_success();
                assert_eq!(rows.texts("table.queue tbody tr").len().to_string(), number, "{href}");
            }
        }
    }
    assert_eq!(viewer.get("/incidents?by=colour").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_group_of_a_filtered_list_leads_to_the_rows_that_it_counts_or_nowhere() {
    let app = TestApp::start().await;
    let (_, birch) = cases(&app).await;
    let viewer = app.sign_in(Role::Viewer).await;
    let birch = format!("tenant={birch}&by=tenant");
    for (query, linked) in [
        ("entity=user:cyd&by=user", 0),
        ("entity=user:cyd&not=entity&by=user", 0),
        ("entity=user:ann&by=device", 0),
        ("detector=d-C&by=detector", 0),
        ("detector=d-C&by=user", 2),
        ("entity=user:ann&by=title", 2),
        ("title=Phishing&by=title", 1),
        ("title=Phishing&not=title&by=title", 1),
        ("owner=none&not=owner&by=owner", 1),
        (birch.as_str(), 1),
        ("severity=critical&by=user", 2),
    ] {
        let page = viewer.get(&format!("/incidents?{query}")).await.assert_success();
        let lines = groups(&page);
        assert!(!lines.is_empty(), "{query}");
        for (name, number, href) in &lines {
            if let Some(href) = href {
                let rows = viewer.get(href).await.assert_success();
                assert_eq!(rows.texts("table.queue tbody tr").len().to_string(), *number, "{query}: {name}: {href}");
            }
        }
        assert_eq!(lines.iter().filter(|(_, _, href)| href.is_some()).count(), linked, "{query}: {lines:?}");
    }
    let alerts = groups(&viewer.get("/alerts?detector=d-C&by=detector").await.assert_success());
    assert!(matches!(alerts.as_slice(), [(_, _, Some(_))]), "an alert has one detector: {alerts:?}");
}

#[tokio::test]
async fn groups_and_figures_hold_nothing_of_another_tenant() {
    let app = TestApp::start().await;
    let (alder, birch) = cases(&app).await;
    let viewer = app.sign_in_for(Role::Viewer, &[alder]).await;
    assert_eq!(by(&viewer, "incidents", "title").await, pairs(&[("Phishing", "1")]));
    assert_eq!(by(&viewer, "incidents", "user").await, pairs(&[("ann", "1")]));
    assert_eq!(by(&viewer, "incidents", "tenant").await, pairs(&[("Alder", "1")]));
    let foreign = viewer.get(&format!("/incidents?by=title&tenant={birch}")).await.assert_success();
    assert_eq!(groups(&foreign), []);
    let charts = viewer.get("/incidents?charts=yes").await.assert_success();
    assert!(charts.html.contains("1 opened in the last 30 days") && !charts.html.contains("Birch"), "{}", charts.html);
}

#[tokio::test]
async fn figures_count_the_list_as_it_is_filtered_and_each_leads_to_its_rows() {
    let app = TestApp::start().await;
    cases(&app).await;
    let viewer = app.sign_in(Role::Viewer).await;
    assert_eq!(viewer.get("/incidents").await.texts(".charts").len(), 0);
    let page = viewer.get("/incidents?charts=yes").await.assert_success();
    assert!(page.html.contains("3 opened in the last 30 days"), "{}", page.html);
    let html = Html::parse_document(&page.html);
    let (row, link, number, day) = [".charts tbody tr", "a", ".num", ".charts details a"].map(|text| Selector::parse(text).unwrap()).into();
    let mut sums = 0;
    for row in html.select(&row) {
        let href = row.select(&link).next().and_then(|link| link.attr("href")).unwrap();
        let told: usize = row.select(&number).next().unwrap().text().collect::<String>().parse().unwrap();
        let rows = viewer.get(href).await.assert_success();
        assert_eq!(rows.texts("table.queue tbody tr").len(), told, "{href}");
        sums += told;
    }
    assert_eq!(sums, 9, "three incidents by severity, by tenant and by day");
    let recent = viewer.get("/incidents?charts=yes&created=8h").await.assert_success();
    let days = Html::parse_document(&recent.html);
    let links: Vec<&str> = days.select(&day).filter_map(|link| link.attr("href")).collect();
    assert!(links.len() == 30 && links.iter().all(|href| href.contains("created=8h")), "{links:?}");
    let few = viewer.get("/incidents?charts=yes&severity=critical").await.assert_success();
    assert!(few.html.contains("1 opened in the last 30 days"), "{}", few.html);
}

#[tokio::test]
async fn groups_say_that_they_are_of_the_first_rows_only_where_there_are_others() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let viewer = app.sign_in(Role::Viewer).await;
    let told = async || viewer.get("/incidents?by=title").await.assert_success().texts(".pager [role=status]").concat();
    for (expected, cut) in [("1,200", false), ("10,000", true)] {
        let text = "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at,
                                           updated_at)
                    select $1, gen_random_uuid(), 'defender_xdr', gen_random_uuid(), 'Many', 2, 'low', 'new', 'Active', now(), now()
                    from generate_series(1, case when exists (select from incidents) then 9000 else 1200 end)";
        let mut tx = app.db.worker.tenant(tenant).await.unwrap();
        sqlx::query(text).bind(tenant).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let page = viewer.get("/incidents?by=title").await.assert_success();
        assert_eq!(groups(&page).iter().map(|(_, rows, _)| rows.as_str()).collect::<Vec<_>>(), [expected]);
        assert_eq!(told().await.contains("of the first 10,000"), cut, "{}", told().await);
    }
}

#[tokio::test]
async fn a_title_or_detector_that_a_list_is_filtered_by_is_shown_kept_by_the_form_and_can_be_taken_away() {
    let app = TestApp::start().await;
    cases(&app).await;
    let viewer = app.sign_in(Role::Viewer).await;
    for (query, told) in [("title=Phishing", "Title: Phishing"), ("detector=d-C&not=detector", "Detector: not d-C")] {
        let page = viewer.get(&format!("/incidents?{query}&size=100")).await.assert_success();
        assert!(page.texts("form.filters .beside").concat().starts_with(told), "{query}");
        let (name, value) = query.split('&').next().unwrap().split_once('=').unwrap();
        assert_eq!(
            page.attribute(&format!("form.filters input[type=hidden][name={name}]"), "value").as_deref(),
            Some(value),
            "the form sends it"
        );
        let not = page.attribute(&format!("form.filters input[type=hidden][name=not][value={name}]"), "value");
        assert_eq!(not.is_some(), query.contains("not="), "{query}");
        assert_eq!(page.attribute("form.filters .beside", "href").as_deref(), Some("/incidents?size=100"));
    }
}
