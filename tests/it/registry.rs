//! The registry: adding, importing, editing and ending the work for tenants, and who may.

use crate::app::{Reply, TestApp, Visitor};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use watchfloor::demo::Directory;
use watchfloor::model::{DirectoryId, Role, TenantId};

const DIRECTORY: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

/// The form as a browser sends it, with some fields filled in.
async fn add(staff: &Visitor, fields: &[(&str, &str)]) -> Reply {
    let mut all = vec![("apps", "defender"), ("cloud", "commercial")];
    all.extend(fields);
    staff.post_form("/admin/tenants/new", &all).await
}

fn id_of(reply: &Reply) -> TenantId {
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.html);
    reply.headers[header::LOCATION].to_str().unwrap().rsplit('/').next().unwrap().parse().unwrap()
}

async fn count(app: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut *app.db.web.all_tenants().await.unwrap()).await.unwrap()
}

const TENANTS: &str = "select count(*) from tenants";

#[tokio::test]
async fn a_tenant_is_added_invited_edited_paused_and_offboarded() {
    let app = TestApp::start().await;
    let staff = app.sign_in(Role::Lead).await;
    let tenant =
        id_of(&add(&staff, &[("name", "Contoso"), ("directory", &DIRECTORY.to_uppercase()), ("contacts", "it@contoso.example")]).await);
    let at = |action: &str| format!("/admin/tenants/{tenant}{action}");
    let page = staff.get(&at("")).await.assert_success();
    assert!(page.html.contains(DIRECTORY) && page.html.contains("Make a link and send it"), "{}", page.html);
    let sending = staff.post_form(&at("/invites"), &[]).await.assert_success();
    let link = sending.attribute("#link", "value").unwrap();
    assert!(link.starts_with("http://127.0.0.1:8080/onboard/"), "{link}");
    assert!(sending.attribute("a[href^='mailto:']", "href").unwrap().starts_with("mailto:it@contoso.example?subject=Please%20approve"));
    assert!(sending.attribute("svg.qr path", "d").unwrap().len() > 1000);
    let version = page.attribute("input[name=version]", "value").unwrap();
    let edit = [("name", "Contoso AG"), ("apps", "defender"), ("version", version.as_str()), ("notes", "VIP")];
    staff.post_form(&at(""), &edit).await.assert_redirect(&at(""));
    assert_eq!(staff.post_form(&at(""), &edit).await.status, StatusCode::CONFLICT, "an edit of an older version");
    staff.post_form(&at("/state"), &[("to", "pause")]).await.assert_redirect(&at(""));
    assert_eq!(staff.post_form(&at("/state"), &[("to", "pause")]).await.status, StatusCode::CONFLICT);
    staff.post_form(&at("/state"), &[("to", "resume")]).await.assert_redirect(&at(""));
    assert_eq!(staff.post_form(&at("/offboard"), &[("name", "Contoso")]).await.status, StatusCode::BAD_REQUEST, "the old name");
    staff.post_form(&at("/offboard"), &[("name", "Contoso AG")]).await.assert_redirect("/admin/tenants");
    let path = link.strip_prefix("http://127.0.0.1:8080").unwrap();
    assert_eq!(app.stranger().get(path).await.status, StatusCode::GONE, "its link has ended");
    id_of(&add(&staff, &[("name", "Contoso AG")]).await); // the name is free again
    let actions: Vec<String> = sqlx::query_scalar("select action from audit_log where tenant_id = $1 order by audit_id")
        .bind(tenant)
        .fetch_all(&mut *app.db.web.all_tenants().await.unwrap())
        .await
        .unwrap();
    assert_eq!(actions, ["tenant.create", "invite.create", "tenant.update", "tenant.state", "tenant.state", "tenant.offboard"]);
}

#[tokio::test]
async fn what_cannot_be_a_tenant_is_refused_with_a_sentence_at_its_field() {
    let app = TestApp::start().await;
    let staff = app.sign_in(Role::Lead).await;
    id_of(&add(&staff, &[("name", "Contoso"), ("directory", DIRECTORY)]).await);
    let long = "x".repeat(10_000);
    for (field, value) in [
        ("name", ""),
        ("name", "CONTOSO"),
        ("name", "Con\u{200b}toso"),
        ("name", "C\u{43e}ntoso"),
        ("name", "a\0b"),
        ("name", &long),
        ("directory", DIRECTORY),
        ("directory", "organizations"),
        ("directory", "9188040d-6c67-4c5b-b112-36a304b66dad"),
        ("directory", "urn:uuid:aaaabbbb-0000-cccc-1111-dddd2222eeee"),
        ("directory", &long),
        ("domain", "contoso.com/../common"),
        ("domain", "nobody-has-this.example"),
        ("tags", "a\u{202e}b"),
        ("apps", "unknown"),
        ("cloud", "moon"),
    ] {
        let mut fields = vec![(field, value)];
        if field != "name" {
            fields.push(("name", "Fabrikam <b>"));
        }
        let mut all: Vec<(&str, &str)> = vec![("apps", "defender"), ("cloud", "commercial")];
        all.retain(|(name, _)| *name != field);
        all.extend(fields);
        let reply = staff.post_form("/admin/tenants/new", &all).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{field} {value:.60}: {}", reply.html);
        assert_eq!(reply.texts(".field-error").len(), 1, "{field} {value:.60}");
        assert!(!reply.html.contains("Fabrikam <b>"), "{}", reply.html);
    }
    assert_eq!(count(&app, TENANTS).await, 1);
}

#[tokio::test]
async fn a_domain_is_looked_up_at_microsoft() {
    let app = TestApp::start().await;
    let directory = DirectoryId::parse(DIRECTORY).unwrap();
    app.stand_in.world().add_directory(Directory::new(directory, "Contoso", "contoso.example"));
    let staff = app.sign_in(Role::Lead).await;
    let tenant = id_of(&add(&staff, &[("name", "Contoso"), ("domain", "Contoso.Example")]).await);
    assert!(staff.get(&format!("/admin/tenants/{tenant}")).await.assert_success().html.contains(DIRECTORY));
    let second = add(&staff, &[("name", "Second"), ("domain", "contoso.example")]).await;
    assert_eq!(second.texts(".field-error"), ["Another tenant of the registry has this directory."]);
}

/// The form of the import with these fields.
pub async fn import(staff: &Visitor, fields: &[(&str, &str)]) -> Reply {
    let mut body = String::new();
    let token = staff.form_token("/admin/tenants/import");
    for (name, value) in fields.iter().chain([&("form_token", token.as_str())]) {
        body += &format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += "--frontier--\r\n";
    let request = staff.request(Method::POST, "/admin/tenants/import").header("sec-fetch-site", "same-origin");
    let request = request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=frontier");
    staff.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn an_import_shows_a_verdict_for_each_row_before_it_adds_the_good_ones() {
    let app = TestApp::start().await;
    let staff = app.sign_in(Role::Lead).await;
    id_of(&add(&staff, &[("name", "Contoso")]).await);
    let file = format!(
        "\u{feff}tags,Name,directory_id\r\n\"retail, gold\",Fabrikam,{DIRECTORY}\r\n,CONTOSO,\r\n,fabrikam,\r\n,Litware,organizations\r\n,\"=HYPERLINK(\"\"x\"\")\",\r\n"
    );
    let preview = import(&staff, &[("text", &file)]).await.assert_success();
    let verdicts = ["✓ Ready", "○ Registered", "▲ Twice", "✕ Wrong", "✓ Ready"];
    assert_eq!(preview.texts("td .chip"), verdicts);
    assert_eq!(count(&app, TENANTS).await, 1, "a preview adds nothing");
    let done = import(&staff, &[("text", &file), ("import", "yes")]).await.assert_success();
    assert!(done.html.contains("2 tenants were added"), "{}", done.html);
    assert_eq!(count(&app, TENANTS).await, 3);
    let again = import(&staff, &[("text", &file), ("import", "yes")]).await.assert_success();
    assert!(again.html.contains("0 tenants were added"), "{}", again.html);
    let zip = import(&staff, &[("text", "PK\u{3}\u{4}\0")]).await;
    let large = import(&staff, &[("text", &format!("name\n{}", "x".repeat(1024 * 1024)))]).await;
    assert_eq!((zip.status, large.status), (StatusCode::UNPROCESSABLE_ENTITY, StatusCode::UNPROCESSABLE_ENTITY));
}

#[tokio::test]
async fn a_lead_of_some_tenants_manages_those_and_sees_no_others() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let lead = app.sign_in_for(Role::Lead, &[own]).await;
    lead.get(&format!("/admin/tenants/{own}")).await.assert_success();
    lead.get(&format!("/tenants/{own}")).await.assert_success();
    for list in ["/admin/tenants", "/tenants", "/admin/tenants?q=fore"] {
        assert!(!lead.get(list).await.assert_success().html.contains("Foreign"), "{list}");
    }
    for id in [foreign.to_string(), TenantId::new().to_string(), "x".to_owned(), "0".to_owned()] {
        for path in ["/tenants/", "/admin/tenants/"] {
            assert_eq!(lead.get(&format!("{path}{id}")).await.status, StatusCode::NOT_FOUND, "{path}{id}");
        }
        for (action, fields) in [
            ("invites", &[][..]),
            ("state", &[("to", "pause")]),
            ("offboard", &[("name", "Foreign")]),
            ("rebind", &[("reason", "because")]),
            ("directory", &[("directory", DIRECTORY), ("decision", "approve")]),
        ] {
            let path = format!("/admin/tenants/{id}/{action}");
            assert_eq!(lead.post_form(&path, fields).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    // Whoever adds a tenant sees it.
    let added = id_of(&add(&lead, &[("name", "Added")]).await);
    lead.get(&format!("/admin/tenants/{added}")).await.assert_success();
}

#[tokio::test]
async fn the_last_administrator_can_neither_be_disabled_nor_demoted() {
    let app = TestApp::start().await;
    let (login, id) = app.user(Role::Admin, None).await;
    let admin = app.enter(&login).await;
    let disable = admin.post_form(&format!("/admin/users/{id}/disabled"), &[("disabled", "true")]).await;
    let demote = admin.post_form(&format!("/admin/users/{id}"), &[("name", "Me"), ("role", "viewer")]).await;
    assert_eq!((disable.status, demote.status), (StatusCode::CONFLICT, StatusCode::CONFLICT));
    let added =
        admin.post_form("/admin/users", &[("login", "New@example.com"), ("name", "New"), ("role", "analyst")]).await.assert_success();
    assert!(added.attribute("#link", "value").unwrap().starts_with("http://127.0.0.1:8080/setup/"));
    let twice = admin.post_form("/admin/users", &[("login", "new@example.com"), ("name", "New"), ("role", "analyst")]).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    let (_, other) = app.user(Role::Admin, None).await;
    admin.post_form(&format!("/admin/users/{other}/disabled"), &[("disabled", "true")]).await.assert_redirect("/admin/users");
    for page in ["/admin/users", "/admin/apps", "/admin/audit", "/admin/audit?action=user.", "/admin/health"] {
        admin.get(page).await.assert_success();
    }
}
