//! The pages and the API of Defender for Cloud Apps, with a worker that carries everything to the stand-in.

use crate::app::{Reply, TestApp, Visitor};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchfloor::app::bulk;
use watchfloor::config::Sync;
use watchfloor::demo::{Credential, Directory};
use watchfloor::microsoft::Client;
use watchfloor::model::{DirectoryId, Product, Role, TenantId, clock};
use watchfloor::sync::read::{self, Reader};
use watchfloor::sync::{engine, verify};
use watchfloor::{auth, demo};

struct Portal {
    app: TestApp,
    tenant: TenantId,
    directory: DirectoryId,
    stop: CancellationToken,
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A tenant whose app may do everything, with three alerts that have been read, and a worker.
async fn portal() -> Portal {
    let app = TestApp::start().await;
    let mut config = app.state.config.app[0].clone();
    let everything = crate::cloud_apps::EVERYTHING.map(str::to_owned).to_vec();
    config.permissions.insert(Product::CloudApps, everything);
    let (tenant, directory) = (app.tenant("Alder & Sons").await, DirectoryId(Uuid::new_v4()));
    {
        let mut world = app.stand_in.world();
        world.register_app(demo::App {
            client_id: app.client_id,
            name: "Watchfloor".to_owned(),
            publisher: "Watchers Ltd".to_owned(),
            credentials: vec![Credential::Secret(crate::apps::APP_SECRET.to_owned(), None)],
            redirect_uris: vec![],
            roles: config.permissions.iter().flat_map(|(product, roles)| roles.iter().map(|role| (*product, role.clone()))).collect(),
            home: None,
        });
        world.add_directory(Directory::new(directory, "Alder", "alder.example"));
        world.grant(directory, app.client_id);
        for n in 0..3 {
            world.add_incident(directory, &format!("Odd sign-in {n}"));
        }
    }
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query("update tenants set directory_id = $2, apps = array['defender'] where tenant_id = $1")
        .bind(tenant)
        .bind(directory)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let client = Client::stand_in(app.stand_in.address(), &[config], clock::now()).unwrap().with_retry_delay(Duration::from_millis(1));
    let stop = CancellationToken::new();
    let reader = Reader::new(app.db.worker.clone(), client.clone(), Sync::default(), stop.clone());
    verify::verify(&reader, tenant, 0, clock::now()).await.unwrap();
    while read::read(&reader, tenant, Product::CloudApps, clock::now()).await.unwrap().is_some() {}
    // What reading has used of the limit stays with its client: people ask through another.
    let worker = client.with_concurrency(8);
    app.stand_in.world().heal(directory, demo::Api::CloudApps);
    let hourly = Sync { interval: Duration::from_secs(3600), ..Sync::default() };
    tokio::spawn(engine::run(app.db.worker.clone(), worker, hourly, stop.clone(), bulk::work));
    Portal { app, tenant, directory, stop }
}

impl Portal {
    fn path(&self, rest: &str) -> String {
        format!("/tenants/{}/cloud-apps{rest}", self.tenant)
    }

    /// Sends a form; one that changes something has an id of its own.
    async fn post(&self, visitor: &Visitor, rest: &str, fields: &[(&str, &str)]) -> Reply {
        let changes = rest == "/alerts" || rest == "/activities/feedback" || rest.starts_with("/ranges/");
        let change = changes.then(|| Uuid::now_v7().to_string());
        let fields: Vec<_> = fields.iter().copied().chain(change.as_deref().map(|change| ("change", change))).collect();
        visitor.post_form(&self.path(rest), &fields).await
    }

    /// Sends a form and opens the page it leads to.
    async fn send(&self, visitor: &Visitor, rest: &str, fields: &[(&str, &str)]) -> String {
        let reply = self.post(visitor, rest, fields).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{rest}: {}", reply.html);
        let to = reply.headers[header::LOCATION].to_str().unwrap().to_owned();
        let mut page = visitor.get(&to).await.assert_success();
        // The answer may take longer than the page had patience for.
        for _ in 0..40 {
            if !page.html.contains("no answer yet") && !page.html.contains(">Waiting<") && !page.html.contains(">Being sent<") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            page = visitor.get(&to).await.assert_success();
        }
        page.html
    }
}

#[tokio::test]
async fn alerts_are_closed_from_the_list_and_from_their_own_page() {
    let portal = Box::pin(portal()).await;
    let analyst = portal.app.sign_in(Role::Analyst).await;
    let page = analyst.get(&portal.path("")).await.assert_success();
    let boxes = page.texts("tbody td.title a").len();
    assert_eq!(boxes, 3, "{}", page.html);
    assert!(page.html.contains("Close the chosen alerts of Alder &#38; Sons"), "{}", page.html);
    let id = page.attribute("input[name=alert]", "value").unwrap();
    let none = portal.post(&analyst, "/alerts", &[("act", "close"), ("verdict", "benign:5")]).await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST, "nothing is closed without a choice");
    let without = portal.post(&analyst, "/alerts", &[("act", "close"), ("alert", &id), ("verdict", "")]).await;
    assert_eq!(without.status, StatusCode::BAD_REQUEST);
    assert_eq!(portal.app.stand_in.world().open_cloud_alerts(portal.directory).len(), 3);
    let after =
        portal.send(&analyst, "/alerts", &[("act", "close"), ("alert", &id), ("verdict", "benign:5"), ("comment", "Called <her>")]).await;
    assert!(after.contains("Close as benign") && after.contains("Called &#60;her&#62;"), "{after}");
    assert_eq!(portal.app.stand_in.world().open_cloud_alerts(portal.directory).len(), 2);
    // The alert is read again right after the change has ended.
    let first = async || analyst.get(&portal.path("")).await.attribute("input[name=alert]", "value").unwrap();
    crate::engine::until("the closed one is off the list", async || first().await != id).await;
    let other = first().await;
    let compared = portal.send(&analyst, "/compare", &[]).await;
    assert!(compared.contains("2 open at Microsoft; every one of them is open here too."), "{compared}");
    for what in ["activities", "entities", "alert"] {
        analyst.post_form(&format!("/alerts/{other}/cloud-apps"), &[("what", what)]).await.assert_redirect(&format!("/alerts/{other}"));
    }
    let mut alert = analyst.get(&format!("/alerts/{other}")).await.assert_success();
    for _ in 0..40 {
        if alert.html.matches("As Microsoft answered").count() >= 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        alert = analyst.get(&format!("/alerts/{other}")).await.assert_success();
    }
    assert!(alert.html.matches("As Microsoft answered").count() >= 3, "{}", alert.html);
    assert!(alert.html.contains("@alder.example · Office 365 · active"), "its account: {}", alert.html);
    portal.send(&analyst, "/alerts", &[("act", "read"), ("alert", &other), ("back", "alert")]).await;
    let viewer = portal.app.sign_in(Role::Viewer).await;
    let page = viewer.get(&format!("/alerts/{other}")).await.assert_success();
    assert!(page.html.contains("Mark alert as read") && !page.html.contains("name=\"act\""), "a viewer sees and does nothing");
}

#[tokio::test]
async fn every_section_asks_and_shows_what_microsoft_answered() {
    let portal = Box::pin(portal()).await;
    let analyst = portal.app.sign_in(Role::Analyst).await;
    let activities = portal.send(&analyst, "/activities", &[]).await;
    assert!(activities.contains("As Microsoft answered") && activities.contains("Microsoft Exchange Online"), "{activities}");
    let page = analyst.get(&portal.path("/activities")).await;
    let activity = page.attribute("input[name=activity]", "value").unwrap();
    assert!(portal.send(&analyst, "/activities/one", &[("activity", &activity)]).await.contains(&activity));
    let told = portal.send(&analyst, "/activities/feedback", &[("activity", &activity), ("value", "0"), ("text", "Expected")]).await;
    assert!(told.contains("Feedback on an activity: Activity"), "{told}");
    assert_eq!(portal.app.stand_in.world().feedback(portal.directory), 1);
    let accounts = portal.send(&analyst, "/entities", &[("which", "admins")]).await;
    assert_eq!(accounts.matches("name=\"key\"").count(), 1, "{accounts}");
    let key = analyst.get(&portal.path("/entities")).await.attribute("input[name=key]", "value").unwrap();
    assert!(portal.send(&analyst, "/entities/one", &[("key", &key), ("what", "account")]).await.contains("administrator"));
    assert!(portal.send(&analyst, "/entities/one", &[("key", &key), ("what", "tree")]).await.contains("Microsoft Teams"));
    assert!(portal.send(&analyst, "/files", &[("which", "all")]).await.contains("Payroll 2026.xlsx"));
    let file = analyst.get(&portal.path("/files")).await.attribute("input[name=file]", "value").unwrap();
    assert!(portal.send(&analyst, "/files/one", &[("file", &file)]).await.contains(&file));
    assert!(portal.send(&analyst, "/discovery", &[]).await.contains("Firewall logs"));
    let report = analyst.get(&portal.path("/discovery")).await.attribute("input[name=report]", "value").unwrap();
    let categories = portal.send(&analyst, "/discovery/categories", &[("report", &report)]).await;
    assert!(categories.contains("Supply chain and logistics"), "{categories}");
    let script = portal.send(&analyst, "/discovery/script", &[("format", "104")]).await;
    assert!(script.contains("Download the script for Cisco ASA"), "{script}");
    let link = analyst.get(&portal.path("/discovery")).await.attribute("a[href*='/discovery/script/']", "href").unwrap();
    let file = analyst.get(&link).await.assert_success();
    assert_eq!(file.headers[header::CONTENT_DISPOSITION], "attachment; filename=\"block-script.txt\"");
    assert!(file.html.starts_with("match regex .*"));
    let stranger = portal.app.sign_in_for(Role::Analyst, &[portal.app.tenant("Other").await]).await;
    for rest in ["", "/activities", "/entities", "/files", "/ranges", "/discovery"] {
        assert_eq!(stranger.get(&portal.path(rest)).await.status, StatusCode::NOT_FOUND, "{rest}");
        let refused = stranger.post_form(&portal.path(if rest.is_empty() { "/compare" } else { rest }), &[]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{rest}");
    }
    assert_eq!(stranger.get(&link).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_range_is_edited_whole_and_its_deletion_names_the_tenant() {
    let portal = Box::pin(portal()).await;
    let lead = portal.app.sign_in(Role::Lead).await;
    let unread = lead.get(&portal.path("/ranges/5f843e9cfe3f6d80fe58a962")).await;
    assert_eq!(unread.status, StatusCode::CONFLICT, "what is changed must be known whole");
    let fields = [("name", "Depot"), ("category", "2"), ("subnets", "192.0.2.0/24"), ("organization", "Fibre"), ("tags", "a, b")];
    let added = portal.send(&lead, "/ranges/new", &fields).await;
    assert!(added.contains("Depot") && added.contains("Administrative"), "{added}");
    let wrong = portal.post(&lead, "/ranges/new", &[("name", ""), ("category", "2"), ("subnets", "x")]).await;
    assert!(wrong.status == StatusCode::UNPROCESSABLE_ENTITY && wrong.html.contains("x is no range such as"), "{}", wrong.html);
    let list = lead.get(&portal.path("/ranges")).await;
    let edit = scraper_link(&list.html, "Depot");
    let page = lead.get(&edit).await.assert_success();
    let value = |name: &str| page.attribute(&format!("input[name={name}]"), "value").unwrap();
    assert_eq!((value("name"), value("organization"), value("tags")), ("Depot".to_owned(), "Fibre".to_owned(), "a, b".to_owned()));
    assert_eq!(page.texts("textarea"), ["192.0.2.0/24"]);
    let rest = edit.strip_prefix(&portal.path("")).unwrap();
    let moved = portal.send(&lead, rest, &[fields[0], fields[1], ("subnets", "198.51.100.0/25"), fields[3], fields[4]]).await;
    assert!(moved.contains("198.51.100.0/25"), "{moved}");
    let confirm = lead.get(&format!("{edit}/delete")).await.assert_success();
    assert!(confirm.html.contains("Delete Depot of Alder &#38; Sons"), "{}", confirm.html);
    portal.send(&lead, &format!("{rest}/delete"), &[("name", "Depot")]).await;
    assert!(!portal.app.stand_in.world().ranges(portal.directory).iter().any(|(name, _)| name == "Depot"));
}

/// The edit link in the row of a range.
fn scraper_link(html: &str, name: &str) -> String {
    let html = scraper::Html::parse_document(html);
    let (row, link) = (scraper::Selector::parse("tbody tr").unwrap(), scraper::Selector::parse("a").unwrap());
    let found = html.select(&row).find(|row| row.text().any(|text| text.contains(name)) && row.select(&link).next().is_some()).unwrap();
    found.select(&link).next().unwrap().value().attr("href").unwrap().to_owned()
}

#[tokio::test]
async fn programs_change_what_people_may_and_get_the_change_back() {
    let portal = Box::pin(portal()).await;
    let token = async |role| {
        let (_, user) = portal.app.user(role, Some(&[portal.tenant])).await;
        let mut tx = portal.app.db.web.no_tenant().await.unwrap();
        let (_, token) =
            auth::api_tokens::create(&mut tx, user, "test", 1, &watchfloor::store::api_tokens::Limits::default()).await.unwrap();
        tx.commit().await.unwrap();
        secrecy::ExposeSecret::expose_secret(&token).to_owned()
    };
    let (lead, analyst, viewer) = (token(Role::Lead).await, token(Role::Analyst).await, token(Role::Viewer).await);
    let call = async |token: &str, method: Method, rest: &str, body: Body| {
        let request = portal.app.stranger().request(method, &format!("/api/v1{}", portal.path(rest)));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}")).header(header::CONTENT_TYPE, "application/json");
        let reply = portal.app.stranger().send(request.body(body).unwrap()).await;
        (reply.status.as_u16(), serde_json::from_str::<Value>(&reply.html).unwrap_or_default())
    };
    let page = portal.app.sign_in(Role::Analyst).await.get(&portal.path("")).await;
    let id = page.attribute("input[name=alert]", "value").unwrap();
    let close = json!({"alerts": [id], "verdict": "false_positive", "reason_id": 0, "comment": "No"}).to_string();
    assert_eq!(call(&viewer, Method::POST, "/alerts/close", close.clone().into()).await.0, 403);
    let none = json!({"alerts": [], "verdict": "benign", "reason_id": 5}).to_string();
    assert_eq!(call(&analyst, Method::POST, "/alerts/close", none.into()).await.0, 422);
    let (status, body) = call(&analyst, Method::POST, "/alerts/close", close.into()).await;
    assert!(status == 202 && body["id"].is_string(), "{body}");
    for rest in ["read", "unread"] {
        assert_eq!(call(&analyst, Method::POST, &format!("/alerts/{id}/{rest}"), Body::empty()).await.0, 202);
        assert_eq!(call(&analyst, Method::POST, &format!("/alerts/{}/{rest}", Uuid::now_v7()), Body::empty()).await.0, 404);
    }
    let feedback = json!({"value": "0", "text": "Expected"}).to_string();
    assert_eq!(call(&analyst, Method::POST, "/activities/20893_1_a/feedback", feedback.into()).await.0, 202);
    let range = json!({"name": "Depot", "category": 1, "subnets": ["192.0.2.0/24"]}).to_string();
    assert_eq!(call(&analyst, Method::POST, "/ranges", range.clone().into()).await.0, 403, "leads change ranges");
    assert_eq!(call(&lead, Method::POST, "/ranges", range.clone().into()).await.0, 202);
    assert_eq!(call(&lead, Method::PUT, "/ranges/5f843e9cfe3f6d80fe58a962", range.into()).await.0, 202);
    assert_eq!(call(&lead, Method::DELETE, "/ranges/5f843e9cfe3f6d80fe58a962", Body::empty()).await.0, 202);
    let log = "/discovery/uploads?filename=a.log&source=SQUID&stream=From%20a%20program&snapshot=true";
    assert_eq!(call(&analyst, Method::POST, log, "a log".into()).await.0, 403);
    assert_eq!(call(&lead, Method::POST, log, Body::empty()).await.0, 422, "an empty file");
    assert_eq!(call(&lead, Method::POST, log, "a log".into()).await.0, 202);
    for _ in 0..60 {
        if !portal.app.stand_in.world().uploaded(portal.directory).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(portal.app.stand_in.world().uploaded(portal.directory)[0].content, b"a log");
    assert_eq!(portal.app.stand_in.world().open_cloud_alerts(portal.directory).len(), 2);
}

#[tokio::test]
async fn a_log_is_uploaded_with_one_form() {
    let portal = Box::pin(portal()).await;
    let lead = portal.app.sign_in(Role::Lead).await;
    let path = portal.path("/discovery/upload");
    let part = |name: &str, value: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let file = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"proxy.log\"\r\n\r\nGET /\r\n--b--\r\n";
    let send = async |token: &str| {
        let id = Uuid::now_v7().to_string();
        let named = [("form_token", token), ("change", &id), ("source", "SQUID"), ("stream", "October"), ("snapshot", "yes")];
        let fields = named.map(|(name, value)| part(name, value)).concat();
        let request = lead.request(Method::POST, &path).header("sec-fetch-site", "same-origin");
        lead.send(request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=b").body(Body::from(fields + file)).unwrap()).await
    };
    assert_eq!(send("forged").await.status, StatusCode::FORBIDDEN);
    send(&lead.form_token(&path)).await.assert_redirect(&portal.path("/discovery"));
    for _ in 0..60 {
        if !portal.app.stand_in.world().uploaded(portal.directory).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(portal.app.stand_in.world().uploaded(portal.directory)[0].content, b"GET /");
    assert!(lead.get(&portal.path("/discovery")).await.html.contains("Upload log: proxy.log for October"));
}
