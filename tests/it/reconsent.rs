//! A permission is added to an app: who must consent again is seen everywhere, asked in bulk, and gone once they did.

use crate::app::TestApp;
use crate::customer::{Customer, count, directory, get, invite, waiting};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};
use watchfloor::model::{Product, Role, TenantId};
use watchfloor::{auth, store};

const CHIP: &str = "tbody .chip.warn";

/// A customer that consented to `defender`, with its permissions tested.
async fn consented(app: &TestApp, name: &str) -> TenantId {
    let id = directory(app, name);
    let tenant = waiting(app, name, Some(id)).await;
    let link = invite(app, tenant).await;
    Customer::new(app).go_through(&link, id, &format!("{}.example", name.to_lowercase())).await;
    app.verify(tenant).await;
    assert_eq!(get(app, tenant).await.state.as_str(), "active", "{name}");
    tenant
}

/// The portal after hunting was added to `defender`, with two customers who consented before and one who never did.
async fn grown() -> (TestApp, TenantId, TenantId) {
    let app = TestApp::start().await;
    let (alder, birch) = (consented(&app, "Alder").await, consented(&app, "Birch").await);
    waiting(&app, "Cedar", None).await;
    let before = app.sign_in(Role::Lead).await;
    assert!(!before.get("/tenants").await.assert_success().html.contains("Re-consent needed"));
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update tenants set contacts = '=Ida, it@alder.example' where tenant_id = $1").bind(alder).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let more = |app: &mut watchfloor::config::App| {
        app.permissions.entry(Product::DefenderXdr).or_default().push("AdvancedHunting.Read.All".to_owned());
    };
    (app.reconfigured(|apps| more(&mut apps[0])), alder, birch)
}

#[tokio::test]
async fn who_must_consent_again_is_marked_on_every_page_until_they_did() {
    let (app, alder, birch) = grown().await;
    let staff = app.sign_in(Role::Lead).await;
    for list in ["/tenants", "/admin/tenants"] {
        let page = staff.get(list).await.assert_success();
        assert_eq!(page.texts(CHIP), ["▲ Re-consent needed", "▲ Re-consent needed"], "{list}");
        let only = staff.get(&format!("{list}?consent=again")).await.assert_success();
        assert_eq!(only.texts("tbody .name"), ["Alder", "Birch"], "{list}");
        assert_eq!(
            only.texts(".views a[aria-current]"),
            if list == "/tenants" { vec!["Re-consent needed 2"] } else { vec!["Tenants", "Re-consent needed 2"] }
        );
        assert_eq!(staff.get(&format!("{list}?consent=x")).await.status, StatusCode::BAD_REQUEST);
    }
    let tiles = staff.get("/").await.assert_success().texts("a.tile[href='/tenants?consent=again'] .value");
    assert_eq!(tiles, ["2"]);
    assert!(staff.get(&format!("/tenants/{alder}")).await.assert_success().html.contains("now asks for AdvancedHunting.Read.All"));
    let page = staff.get(&format!("/admin/tenants/{alder}")).await.assert_success();
    assert_eq!(page.attribute("#reconsent input[name=apps]", "value").as_deref(), Some("defender"));

    let sending = staff.post_form(&format!("/admin/tenants/{alder}/invites"), &[("apps", "defender")]).await.assert_success();
    assert!(sending.html.contains("we now need something more than you approved before"), "{}", sending.html);
    let link = sending.attribute("#link", "value").unwrap().rsplit('/').next().unwrap().to_owned();
    let directory = get(&app, alder).await.directory_id.unwrap();
    let mut customer = Customer::new(&app);
    let page = customer.open(&link).await.assert_success();
    assert!(page.html.contains("asks once more") && page.html.contains("AdvancedHunting.Read.All"), "{}", page.html);
    customer.go_through(&link, directory, "alder.example").await.assert_redirect(&format!("/onboard/{link}"));
    assert_eq!(get(&app, alder).await.state.as_str(), "active", "reading goes on meanwhile");
    app.verify(alder).await;
    assert_eq!(staff.get("/tenants?consent=again").await.assert_success().texts("tbody .name"), ["Birch"]);
    assert!(!staff.get(&format!("/tenants/{alder}")).await.assert_success().html.contains("Re-consent needed"));
    // A permission that the customer takes away again is asked for again.
    app.stand_in.world().drop_role(directory, app.client_id, "Incident.Read.All");
    let app = app.reconfigured(|_| {});
    app.verify(alder).await;
    let staff = app.sign_in(Role::Lead).await;
    assert_eq!(staff.get("/tenants?consent=again").await.assert_success().texts("tbody .name"), ["Alder", "Birch"]);
    let _ = birch;
}

#[tokio::test]
async fn a_permission_of_a_product_that_is_not_licensed_or_of_which_nothing_is_known_is_not_asked_again() {
    let (app, alder, birch) = grown().await;
    let states = [(alder, "unlicensed"), (birch, "unknown")];
    let mut tx = app.db.web.all_tenants().await.unwrap();
    for (tenant, state) in states {
        sqlx::query(
            "insert into tenant_permissions (tenant_id, app, product, permission, granted, state)
             values ($1, 'defender', 'defender_xdr', 'AdvancedHunting.Read.All', false, $2)",
        )
        .bind(tenant)
        .bind(state)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let staff = app.sign_in(Role::Lead).await;
    assert!(!staff.get("/tenants").await.assert_success().html.contains("Re-consent needed"));
    assert!(staff.get("/admin/tenants/reconsent").await.assert_success().html.contains("No tenant needs to"));
}

#[tokio::test]
async fn the_links_and_mails_of_many_are_made_at_once_and_shown_once() {
    let (app, alder, birch) = grown().await;
    let staff = app.sign_in(Role::Lead).await;
    let page = staff.get("/admin/tenants/reconsent").await.assert_success();
    assert_eq!(page.texts("tbody .name"), ["Alder", "Birch"]);
    let (a, b) = (alder.to_string(), birch.to_string());
    let both = [("tenants", a.as_str()), ("tenants", b.as_str()), ("as", "page")];
    let made = staff.post_form("/admin/tenants/reconsent", &both).await.assert_success();
    let link = made.attribute("input.link", "value").unwrap();
    assert_eq!(made.texts("textarea").len(), 2);
    assert!(made.texts("textarea")[0].contains(&link) && link.starts_with("http://127.0.0.1:8080/onboard/"), "{link}");
    let made_for = "select count(*) from audit_log where action = 'invite.create' and after -> 'apps' = '[\"defender\"]'";
    assert_eq!(count(&app, made_for).await, 2, "a row for each tenant");
    assert!(!staff.get("/admin/tenants/reconsent").await.assert_success().html.contains("/onboard/"), "shown once");
    Customer::new(&app).open(link.rsplit('/').next().unwrap()).await.assert_success();

    let file = staff.post_form("/admin/tenants/reconsent", &[("tenants", &a), ("as", "csv")]).await.assert_success();
    assert!(file.headers[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment; filename=\"consent-again-"));
    let mut rows = csv::Reader::from_reader(file.html.as_bytes());
    assert_eq!(rows.headers().unwrap(), ["name", "contacts", "link", "subject", "text"].as_slice());
    let row = rows.records().next().unwrap().unwrap();
    assert_eq!((&row[0], &row[1]), ("Alder", "'=Ida, it@alder.example"));
    assert!(row[4].contains(&row[2]), "{row:?}");
    assert_eq!(Customer::new(&app).open(link.rsplit('/').next().unwrap()).await.status, StatusCode::GONE, "the older link has ended");
}

#[tokio::test]
async fn nobody_asks_other_peoples_tenants_or_those_that_need_not() {
    let (app, alder, birch) = grown().await;
    let lead = app.sign_in_for(Role::Lead, &[alder]).await;
    let page = lead.get("/admin/tenants/reconsent").await.assert_success();
    assert_eq!(page.texts("tbody .name"), ["Alder"]);
    let invites = "select count(*) from audit_log where action = 'invite.create'";
    let before = count(&app, invites).await;
    for tenant in [birch, TenantId::new()] {
        let chosen = [("tenants", alder.to_string()), ("tenants", tenant.to_string()), ("as", "page".to_owned())];
        let chosen: Vec<(&str, &str)> = chosen.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(lead.post_form("/admin/tenants/reconsent", &chosen).await.status, StatusCode::CONFLICT);
    }
    assert_eq!(lead.post_form("/admin/tenants/reconsent", &[("as", "csv")]).await.status, StatusCode::BAD_REQUEST, "nobody chosen");
    let unknown = lead.post_form(&format!("/admin/tenants/{alder}/invites"), &[("apps", "other")]).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert_eq!(count(&app, invites).await, before, "nothing was made");
}

#[tokio::test]
async fn a_link_for_none_of_the_apps_is_not_one_for_all_of_them() {
    let app = TestApp::start_with(|apps| {
        apps.push(watchfloor::config::App { name: "hunt".to_owned(), client_id: uuid::Uuid::new_v4(), ..apps[0].clone() });
    })
    .await;
    let tenant = crate::customer::waiting_for(&app, "Alder", None, &["defender", "hunt"]).await;
    let link = invite(&app, tenant).await;
    let lead = app.sign_in(Role::Lead).await;
    let page = lead.get(&format!("/admin/tenants/{tenant}")).await.assert_success();
    let some = page.attribute("details form[action$='/invites'] input[name=some]", "value").unwrap();
    let path = format!("/admin/tenants/{tenant}/invites");
    let none = lead.post_form(&path, &[("some", &some)]).await;
    assert!(none.status == StatusCode::BAD_REQUEST && none.html.contains("Choose at least one app."), "{}", none.html);
    Customer::new(&app).open(&link).await.assert_success();
    let one = lead.post_form(&path, &[("some", &some), ("apps", "hunt")]).await.assert_success();
    assert!(one.html.contains("asks for hunt alone"), "{}", one.html);
    assert_eq!(Customer::new(&app).open(&link).await.status, StatusCode::GONE);
    assert!(!lead.post_form(&path, &[]).await.assert_success().html.contains("asks for"), "the other form asks for all");
}

#[tokio::test]
async fn a_program_makes_a_link_for_some_apps() {
    let app = TestApp::start_with(|apps| {
        let hunt = watchfloor::config::App { name: "hunt".to_owned(), client_id: uuid::Uuid::new_v4(), ..apps[0].clone() };
        apps.push(hunt);
    })
    .await;
    let tenant = crate::customer::waiting_for(&app, "Contoso", None, &["defender", "hunt"]).await;
    let (_, user) = app.user(Role::Lead, None).await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let (_, token) = auth::api_tokens::create(&mut tx, user, "test", 1, &watchfloor::store::api_tokens::Limits::default()).await.unwrap();
    tx.commit().await.unwrap();
    let token = secrecy::ExposeSecret::expose_secret(&token).to_owned();
    let post = async |body: &str| {
        let visitor = app.stranger();
        let request = visitor.request(Method::POST, &format!("/api/v1/tenants/{tenant}/invites"));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}")).header(header::CONTENT_TYPE, "application/json");
        let reply = visitor.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        (reply.status, serde_json::from_str::<Value>(&reply.html).unwrap())
    };
    for (body, status) in [
        (json!({"apps": ["nothing"]}).to_string(), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"apps": []}).to_string(), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"app": ["hunt"]}).to_string(), StatusCode::BAD_REQUEST),
        ("{".to_owned(), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(post(&body).await.0, status, "{body}");
    }
    let (status, made) = post("").await;
    assert_eq!((status, made["consents"].as_array().unwrap().len()), (StatusCode::CREATED, 2), "every app without a body");
    let (status, made) = post(&json!({"apps": ["hunt"]}).to_string()).await;
    assert_eq!((status, made["consents"].as_array().unwrap().len()), (StatusCode::CREATED, 1));
    assert_eq!(made["consents"][0]["app"], "hunt");
    let link = made["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let page = Customer::new(&app).open(&link).await.assert_success();
    assert_eq!(page.attribute("form[action*='/consent/']", "action"), Some(format!("/onboard/{link}/consent/hunt")));
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    assert_eq!(store::invites::latest(&mut tx, tenant).await.unwrap().unwrap().apps, Some(vec!["hunt".to_owned()]));
}
