//! A directory in another of Microsoft's clouds than its tenant: noticed when it is registered, at the consent, and when tokens are asked for.

use crate::api::Program;
use crate::app::{Reply, TestApp, Visitor};
use crate::customer::{Customer, count, get, invite, waiting};
use axum::http::StatusCode;
use serde_json::json;
use uuid::Uuid;
use watchfloor::config::{App, ConsentForm};
use watchfloor::demo::Directory;
use watchfloor::model::{Cloud, DirectoryId, Role};

/// The portal with an app in the commercial cloud and one in GCC High.
async fn start(form: ConsentForm) -> TestApp {
    TestApp::start_with(|apps| {
        apps[0].consent = form;
        let gov = App { name: "gov".to_owned(), cloud: Cloud::GccHigh, client_id: Uuid::new_v4(), ..apps[0].clone() };
        apps.push(gov);
    })
    .await
}

fn directory(app: &TestApp, name: &str, cloud: Cloud) -> DirectoryId {
    let id = DirectoryId(Uuid::new_v4());
    let mut directory = Directory::new(id, name, &format!("{}.example", name.to_lowercase()));
    directory.cloud = cloud;
    app.stand_in.world().add_directory(directory);
    id
}

async fn add(staff: &Visitor, fields: &[(&str, &str)]) -> Reply {
    staff.post_form("/admin/tenants/new", fields).await
}

#[tokio::test]
async fn the_form_proposes_the_cloud_in_which_the_directory_is() {
    let app = start(ConsentForm::V2).await;
    let gov = directory(&app, "Agency", Cloud::GccHigh);
    let county = directory(&app, "County", Cloud::Gcc);
    directory(&app, "Fleet", Cloud::Dod);
    directory(&app, "Contoso", Cloud::Commercial);
    let staff = app.sign_in(Role::Lead).await;
    let gov_text = gov.to_string();
    for named in [("domain", "agency.example"), ("directory", gov_text.as_str())] {
        let reply = add(&staff, &[("name", "Agency"), named, ("cloud", "commercial"), ("apps", "defender")]).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{named:?}");
        let told = "This directory is in the US government's cloud GCC High. It needs an app that is registered there.";
        assert_eq!(reply.texts(".field-error"), [told], "{named:?}");
        assert_eq!(reply.attribute("select[name=cloud] option[selected]", "value").as_deref(), Some("gcc_high"));
        assert_eq!(reply.attribute("input[name=apps][checked]", "value").as_deref(), Some("gov"));
    }
    let reply = add(&staff, &[("name", "Fleet"), ("domain", "fleet.example"), ("cloud", "gcc_high"), ("apps", "gov")]).await;
    assert!(
        reply.texts(".field-error")[0].contains("cloud DoD") && reply.html.contains("No app is configured for this cloud"),
        "{}",
        reply.html
    );
    let reply = add(&staff, &[("name", "Contoso"), ("domain", "contoso.example"), ("cloud", "gcc_high"), ("apps", "gov")]).await;
    assert!(reply.texts(".field-error")[0].contains("in the commercial cloud"), "{}", reply.html);
    let reply = add(&staff, &[("name", "County"), ("directory", &county.to_string()), ("apps", "defender")]).await;
    assert!(reply.texts(".field-error")[0].contains("in the cloud GCC."), "{}", reply.html);
    assert_eq!(count(&app, "select count(*) from tenants").await, 0);
    let reply = add(&staff, &[("name", "Agency"), ("domain", "agency.example"), ("cloud", "gcc_high"), ("apps", "gov")]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.html);
    assert_eq!(count(&app, "select count(*) from tenants where expected_directory_id is not null and cloud = 'gcc_high'").await, 1);
}

#[tokio::test]
async fn a_program_is_told_the_same_of_a_directory_as_the_form() {
    let app = start(ConsentForm::V2).await;
    let (gov, contoso) = (directory(&app, "Agency", Cloud::GccHigh), directory(&app, "Contoso", Cloud::Commercial));
    let lead = Program::of(&app, Role::Lead, None).await;
    let problem = async |body| {
        let (status, problem) = lead.post("/tenants", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        (problem["errors"][0]["field"].as_str().unwrap().to_owned(), problem["errors"][0]["message"].to_string())
    };
    for named in [json!({"name": "Agency", "directory_id": gov}), json!({"name": "Agency", "domain": "agency.example"})] {
        let (field, why) = problem(named).await;
        assert!(field == "cloud" && why.contains("in the US government's cloud GCC High"), "{field}: {why}");
    }
    assert_eq!(count(&app, "select count(*) from tenants").await, 0);
    assert_eq!(lead.post("/tenants", json!({"name": "Contoso", "directory_id": contoso})).await.0, StatusCode::CREATED);
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update tenants set directory_id = $1").bind(contoso).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let (field, why) = problem(json!({"name": "Contoso again", "directory_id": contoso})).await;
    assert!(field == "directory" && why.contains("Another tenant of the registry has this directory."), "{field}: {why}");
}

#[tokio::test]
async fn a_consent_from_another_cloud_is_told_to_both_sides() {
    let app = start(ConsentForm::V2).await;
    let gov = directory(&app, "Agency", Cloud::GccHigh);
    let tenant = waiting(&app, "Agency", None).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let answer = customer.accept(&link, gov).await;
    assert!(answer["error_description"].starts_with("AADSTS900382"), "{answer:?}");
    let reply = customer.back(&answer).await;
    assert_eq!((reply.status, reply.texts("h1")), (StatusCode::CONFLICT, vec!["Your directory is in another Microsoft cloud".to_owned()]));
    let row = get(&app, tenant).await;
    assert_eq!((row.state.as_str(), row.directory_id), ("consent_pending", None));
    let reason = row.state_reason.unwrap();
    assert!(
        reason.contains("most likely the US government's: register the app there, set the tenant's cloud, send a new link"),
        "{reason}"
    );
    let staff = app.sign_in(Role::Lead).await;
    let page = staff.get(&format!("/admin/tenants/{tenant}")).await.assert_success();
    assert!(page.html.contains("Wrong cloud (AADSTS900382)"), "{}", page.html);
    assert_eq!(count(&app, "select count(*) from audit_log where action = 'consent.wrong_cloud' and result = 'refused'").await, 1);
}

#[tokio::test]
async fn microsoft_keeps_who_comes_with_a_link_to_a_directory_of_another_cloud() {
    for form in [ConsentForm::V2, ConsentForm::V1] {
        let app = start(form).await;
        let gov = directory(&app, "Agency", Cloud::GccHigh);
        let tenant = waiting(&app, "Agency", Some(gov)).await;
        let link = invite(&app, tenant).await;
        let mut customer = Customer::new(&app);
        let url = customer.press(&link).await;
        let (status, html) = customer.look(url).await;
        assert!(status == 400 && html.contains("AADSTS90038"), "{form:?}: {status} {html}");
        // In its own cloud the same page asks.
        let mut tx = app.db.web.all_tenants().await.unwrap();
        sqlx::query("update tenants set cloud = 'gcc_high', apps = '{gov}'").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let answer = customer.decide(&link, "gov", gov, "accept").await;
        let away = customer.back(&answer).await;
        let signed = customer.sign_in(&away, gov, "agency.example").await;
        customer.back(&signed).await.assert_redirect(&format!("/onboard/{link}"));
        assert_eq!(get(&app, tenant).await.directory_id, Some(gov), "{form:?}");
    }
}

#[tokio::test]
async fn each_cloud_has_resources_and_hosts_of_its_own() {
    let played = crate::cloud::Cloud::start().await;
    played.stand_in.world().directory_mut(played.directory).unwrap().cloud = Cloud::Gcc;
    let commercial = played.with_secret("https://api.security.microsoft.com/.default");
    played.refused(&played.token_path(), &commercial, 400, "invalid_resource", 500_011).await;
    let token = played.token("https://api-gcc.security.microsoft.us").await;
    for (host, status) in
        [("api.security.microsoft.com", 401), ("api-gov.security.microsoft.us", 401), ("api-gcc.security.microsoft.us", 200)]
    {
        assert_eq!(played.get(&format!("{host}/api/incidents"), &token).await.0, status, "{host}");
    }
    let app = played.stand_in.world().app(played.app).unwrap().clone();
    played.stand_in.world().register_app_in(Cloud::GccHigh, app);
    let own = played.with_secret("https://api-gcc.security.microsoft.us/.default");
    played.refused(&played.token_path(), &own, 400, "unauthorized_client", 700_016).await;
}

#[tokio::test]
async fn tokens_refused_for_the_cloud_say_so_at_each_permission() {
    let app = start(ConsentForm::V2).await;
    let gov = directory(&app, "Agency", Cloud::GccHigh);
    let tenant = waiting(&app, "Agency", None).await;
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update tenants set directory_id = $1, state = 'verifying'").bind(gov).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    app.verify(tenant).await;
    let told = "select count(*) from tenant_permissions where state = 'unknown'
                and reason = 'The directory belongs to another national cloud (AADSTS900382).'";
    assert_eq!(count(&app, told).await, 3);
}
