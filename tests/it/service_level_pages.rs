//! The pages of service levels, and the queue that begins with what is due first.

use crate::app::{TestApp, Visitor};
use crate::service_levels::{agreed, has_deadline, opened};
use crate::staff::ask;
use axum::http::StatusCode;
use sqlx::AssertSqlSafe;
use watchfloor::model::{Role, ServiceLevelId, Severity, TenantId};

#[tokio::test]
async fn the_queue_begins_with_what_is_due_first_and_says_so_to_whoever_may_see_it() {
    let app = TestApp::start().await;
    let (contoso, fabrikam) = (app.tenant("Contoso").await, app.tenant("Fabrikam").await);
    let analyst = app.sign_in(Role::Analyst).await;
    opened(&app, fabrikam, "Worst", Severity::Critical, 10).await;
    assert!(!analyst.get("/incidents").await.assert_success().html.contains("SLA"), "nothing is agreed with anybody");
    agreed(&app, contoso).await;
    opened(&app, contoso, "Later", Severity::High, 5).await;
    opened(&app, contoso, "Late", Severity::High, 90).await;
    let near = opened(&app, contoso, "Near", Severity::High, 50).await;
    let waits = opened(&app, contoso, "Waits", Severity::High, 80).await;
    analyst.post_form(&format!("/incidents/{waits}/work"), &[("act", "wait")]).await.assert_redirect(&format!("/incidents/{waits}"));

    let listed = async |who: &Visitor, query: &str| who.get(&format!("/incidents{query}")).await.assert_success().texts("tbody th a");
    let list = analyst.get("/incidents").await.assert_success();
    assert_eq!(list.texts("tbody th a"), ["Late", "Near", "Later", "Worst", "Waits"]);
    assert_eq!(list.attribute("thead th[aria-sort]", "aria-sort").as_deref(), Some("descending"));
    let marks: Vec<String> = list.texts("tbody td[data-label=SLA] .chip, tbody td[data-label=SLA] .dash");
    assert!(
        marks[0].contains("30 min late") && marks[1].contains("10 min left") && marks[3] == "–" && marks[4].contains("Paused"),
        "{marks:?}"
    );
    assert_eq!(listed(&analyst, "?sort=severity").await, ["Worst", "Later", "Near", "Waits", "Late"]);
    for (query, wanted) in [
        ("?sla=breached", &["Late"][..]),
        ("?sla=at_risk", &["Near"]),
        ("?sla=on_track", &["Later"]),
        ("?sla=breached&sla=at_risk", &["Late", "Near"]),
        ("?not=sla&sla=breached&sla=at_risk", &["Later", "Worst", "Waits"]),
    ] {
        assert_eq!(listed(&analyst, query).await, wanted, "{query}");
    }
    assert_eq!(analyst.get("/alerts?sla=breached").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(analyst.get("/alerts?sort=sla").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(analyst.get("/incidents?sla=soon").await.status, StatusCode::BAD_REQUEST);
    let tiles = analyst.get("/").await.assert_success().texts(".tile");
    assert!(["SLA breached1", "SLA at risk1"].iter().all(|tile| tiles.iter().any(|other| other.starts_with(tile))), "{tiles:?}");
    let head = analyst.get(&format!("/incidents/{near}")).await.assert_success().texts(".head .line")[0].clone();
    assert!(head.contains("Acknowledge ▲ 10 min left") && head.contains("Resolve ○ 3 h left"), "{head}");

    let elsewhere = app.sign_in_for(Role::Analyst, &[fabrikam]).await;
    assert_eq!((listed(&elsewhere, "").await, listed(&elsewhere, "?sla=breached").await), (vec!["Worst".to_owned()], Vec::new()));
    assert!(!elsewhere.get("/").await.assert_success().html.contains("SLA breached"));
}

#[tokio::test]
async fn a_page_of_the_queue_ends_where_the_next_begins() {
    let app = TestApp::start().await;
    let contoso = app.tenant("Contoso").await;
    agreed(&app, contoso).await;
    let id = opened(&app, contoso, "Case", Severity::High, 1).await;
    let copies = format!(
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         select tenant_id, gen_random_uuid(), product, 'n' || n, 'Case', case when n % 3 = 0 then 2 else 4 end, severity_raw, status, status_raw,
             now() - make_interval(mins => n / 4), updated_at - make_interval(mins => n % 5)
         from incidents, generate_series(1, 129) as n where incident_id = '{id}'"
    );
    let mut tx = app.db.web.tenant(contoso).await.unwrap();
    sqlx::query(AssertSqlSafe(copies)).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let analyst = app.sign_in(Role::Analyst).await;
    let (mut path, mut seen) = ("/incidents".to_owned(), Vec::new());
    loop {
        let page = analyst.get(&path).await.assert_success();
        seen.extend(page.texts("tbody th .sub"));
        let Some(next) = page.attribute("a[rel=next]", "href") else { break };
        path = next;
    }
    assert_eq!(seen.len(), 130);
    let all = analyst.get("/incidents?size=200").await.assert_success().texts("tbody th .sub");
    assert_eq!(seen, all);
}

const FORM: [(&str, &str); 19] = [
    ("name", "Gold"),
    ("time_zone", "Europe/Berlin"),
    ("opens", "08:00"),
    ("closes", "18:00"),
    ("days", "1"),
    ("holidays", "2026-12-25\n2026-12-26"),
    ("acknowledge", "15 min"),
    ("acknowledge", "1 h"),
    ("acknowledge", ""),
    ("acknowledge", ""),
    ("acknowledge", ""),
    ("acknowledge", ""),
    ("resolve", "4 h"),
    ("resolve", "8 h"),
    ("resolve", ""),
    ("resolve", ""),
    ("resolve", ""),
    ("resolve", ""),
    ("always", "critical"),
];

#[tokio::test]
async fn an_administrator_writes_a_service_level_and_a_lead_gives_it_to_a_tenant() {
    let app = TestApp::start().await;
    let (contoso, fabrikam) = (app.tenant("Contoso").await, app.tenant("Fabrikam").await);
    let (admin, lead) = (app.sign_in(Role::Admin).await, app.sign_in_for(Role::Lead, &[contoso]).await);
    let id = opened(&app, contoso, "Phishing", Severity::High, 10).await;
    for (field, wrong) in
        [("opens", "18:00"), ("closes", "25:00"), ("name", " "), ("time_zone", "Berlin"), ("holidays", "tomorrow"), ("resolve", "5 min")]
    {
        let mut fields = FORM.to_vec();
        fields.iter_mut().find(|(name, _)| *name == field).unwrap().1 = wrong;
        let refused = admin.post_form("/admin/service-levels", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        assert!(refused.texts("[role=alert]").len() == 1 && refused.attribute("[aria-invalid]", "name").is_some(), "{field}");
    }
    assert_eq!(lead.post_form("/admin/service-levels", &FORM).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask::<i64>(&app, "select count(*) from service_levels").await, 0);
    assert_eq!(admin.post_form("/admin/service-levels", &FORM).await.status, StatusCode::SEE_OTHER);
    assert_eq!(admin.post_form("/admin/service-levels", &FORM).await.status, StatusCode::UNPROCESSABLE_ENTITY, "the name is taken");
    let level = ask::<ServiceLevelId>(&app, "select service_level_id from service_levels").await;
    let page = format!("/admin/service-levels/{level}");
    let form = admin.get(&page).await.assert_success();
    assert_eq!(form.attribute("input[name=resolve]", "value").as_deref(), Some("4 h"));

    let give = |tenant: TenantId| format!("/admin/tenants/{tenant}/service-level");
    let level_text = level.to_string();
    assert_eq!(lead.post_form(&give(fabrikam), &[("service_level", &level_text)]).await.status, StatusCode::NOT_FOUND, "not theirs");
    assert_eq!(
        lead.post_form(&give(contoso), &[("service_level", &ServiceLevelId::new().to_string())]).await.status,
        StatusCode::BAD_REQUEST
    );
    lead.post_form(&give(contoso), &[("service_level", &level_text)]).await.assert_redirect(&format!("/admin/tenants/{contoso}"));
    assert!(has_deadline(&app, id).await, "its clocks run at once");
    assert!(lead.get(&format!("/admin/tenants/{contoso}")).await.assert_success().texts("option[selected]").contains(&"Gold".to_owned()));
    assert_eq!(admin.post_form(&format!("{page}/delete"), &[]).await.status, StatusCode::CONFLICT);
    admin.post_form(&format!("{page}/tenants"), &[("group", "nobody's")]).await.assert_redirect(&page);
    assert_eq!(ask::<i64>(&app, "select count(*) from tenants where service_level_id is not null").await, 1);
    admin.post_form(&format!("{page}/tenants"), &[("group", "")]).await.assert_redirect(&page);
    assert_eq!(ask::<i64>(&app, "select count(*) from tenants where service_level_id is not null").await, 2);

    let version = admin.get(&page).await.attribute("input[name=version]", "value").unwrap();
    let renamed = |version: &str| {
        let mut fields: Vec<(String, String)> = FORM.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        fields[0].1 = "Silver".to_owned();
        fields.push(("version".to_owned(), version.to_owned()));
        fields
    };
    for (version, wanted) in [(version.as_str(), StatusCode::SEE_OTHER), (&version, StatusCode::CONFLICT), ("", StatusCode::BAD_REQUEST)] {
        let fields = renamed(version);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(admin.post_form(&page, &fields).await.status, wanted);
    }
    for tenant in [contoso, fabrikam] {
        admin.post_form(&give(tenant), &[("service_level", "")]).await.assert_redirect(&format!("/admin/tenants/{tenant}"));
    }
    assert!(!has_deadline(&app, id).await);
    admin.post_form(&format!("{page}/delete"), &[]).await.assert_redirect("/admin/service-levels");
    let events = "select string_agg(action, ', ' order by audit_id) from audit_log where action ~ 'service_level'";
    assert_eq!(
        ask::<String>(&app, events).await,
        "service_level.saved, tenant.service_level, tenant.service_level, service_level.saved, tenant.service_level, tenant.service_level, service_level.deleted"
    );
}
