//! Several incidents changed from their list: who may, what is one request, what stands in the way, and what became of each.

use crate::acting_pages::changes;
use crate::app::{TestApp, Visitor};
use crate::customer::directory;
use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchfloor::config::{self, Sync};
use watchfloor::model::{ChangeId, IncidentId, Product, Role, TenantId, clock};
use watchfloor::sync::read::{self, Reader};
use watchfloor::sync::{push, verify};

async fn run(app: &TestApp, tenant: TenantId, sql: &'static str) {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query(sql).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn text(app: &TestApp, tenant: TenantId, sql: &'static str) -> String {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap()
}

/// What a form says besides the incidents.
fn fields<'a>(change: &'a str, incidents: &'a [String], rest: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let incidents = incidents.iter().map(|id| ("incident", id.as_str()));
    [("change", change)].into_iter().chain(incidents).chain(rest.iter().copied()).collect()
}

/// The values of the check boxes of a person's list.
async fn boxes(visitor: &Visitor) -> Vec<String> {
    let page = visitor.get("/incidents").await.assert_success();
    let html = scraper::Html::parse_document(&page.html);
    let picked = scraper::Selector::parse("td input[name=incident]").unwrap();
    html.select(&picked).map(|input| input.value().attr("value").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn another_tenants_incident_spoils_the_whole_form_and_a_viewer_has_none() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let ids: Vec<String> = vec![
        crate::pages::case(&app, own, "mine").await.0.to_string(),
        crate::pages::case(&app, foreign, "theirs").await.0.to_string(),
        Uuid::now_v7().to_string(),
    ];
    let (analyst, viewer) = (app.sign_in_for(Role::Analyst, &[own]).await, app.sign_in_for(Role::Viewer, &[own]).await);
    let id = Uuid::now_v7().to_string();
    for unknown in [&ids[1], &ids[2]] {
        let both = [ids[0].clone(), unknown.clone()];
        let reply = analyst.post_form("/incidents/batch", &fields(&id, &both, &[("take", "1")])).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
    }
    let taken = fields(&id, &ids[..1], &[("take", "1")]);
    assert_eq!(viewer.post_form("/incidents/batch", &taken).await.status, StatusCode::FORBIDDEN);
    let undo = [("change", id.as_str()), ("batch", &id), ("incident", &ids[1])];
    assert_eq!(analyst.post_form("/incidents/batch/undo", &undo).await.status, StatusCode::NOT_FOUND);
    for tenant in [own, foreign] {
        assert!(changes(&app, tenant).await.is_empty());
    }
    for what in [&ids[1], &ids[2]] {
        assert_eq!(analyst.get(&format!("/incidents/{what}/preview")).await.status, StatusCode::NOT_FOUND);
    }
    let list = viewer.get("/incidents").await.assert_success();
    assert!(list.attribute("#batch", "action").is_none() && list.attribute("td input[name=incident]", "value").is_none());
    let list = analyst.get("/incidents").await.assert_success();
    assert_eq!(list.attribute("td input[name=incident]", "aria-label").as_deref(), Some("Choose Title mine of Own"));
    let preview = viewer.get(&format!("/incidents/{}/preview", ids[0])).await.assert_success();
    assert!(preview.html.contains("Title mine") && preview.html.contains("Alert mine") && preview.attribute("form", "action").is_none());
}

#[tokio::test]
async fn what_a_form_leaves_out_or_says_too_much_of_is_said_and_nothing_is_sent() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let ids = vec![crate::pages::case(&app, tenant, "mine").await.0.to_string()];
    run(&app, tenant, "update incidents set classification = null, determination = null").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let id = Uuid::now_v7().to_string();
    let many: Vec<String> = (0..201).map(|_| Uuid::now_v7().to_string()).collect();
    let closed = ("status", "Resolved");
    let verdict = ("verdict", "FalsePositive/Clean");
    for (incidents, rest, said) in [
        (&[][..], &[("take", "1")][..], "from 1 to 200"),
        (&many, &[("take", "1")], "from 1 to 200"),
        (&ids, &[], "Say what is to change"),
        (&ids, &[closed, verdict], "say in a comment what was found"),
        (&ids, &[closed, ("comment", "Seen")], "say what it was: choose a verdict"),
        (&ids, &[closed, ("verdict", "FalsePositive"), ("comment", "Seen")], "say more exactly what it was"),
    ] {
        let reply = analyst.post_form("/incidents/batch", &fields(&id, incidents, rest)).await;
        assert!(reply.status == StatusCode::BAD_REQUEST && reply.html.contains(said), "{said}: {}", reply.html);
    }
    run(&app, tenant, "update incidents set status = 'redirected'").await;
    let reply = analyst.post_form("/incidents/batch", &fields(&id, &ids, &[("take", "1")])).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(changes(&app, tenant).await.is_empty());
}

#[tokio::test]
async fn a_form_over_several_tenants_is_one_request_however_often_it_is_sent_and_names_the_tenants_in_the_way() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    let mut ids = Vec::new();
    for (tenant, mark) in [(alder, "one"), (alder, "two"), (birch, "three")] {
        ids.push(crate::pages::case(&app, tenant, mark).await.0.to_string());
    }
    let (analyst, other) = (app.sign_in(Role::Analyst).await, app.sign_in(Role::Analyst).await);
    let id = Uuid::now_v7().to_string();
    let close =
        [("status", "Resolved"), ("verdict", "FalsePositive/Clean"), ("tags", "tag-one, New"), ("comment", "Tested"), ("back", "q=Title")];
    for closed in ["update tenants set state = 'paused'", "update tenants set needs_approval = true"] {
        run(&app, birch, closed).await;
        let refused = analyst.post_form("/incidents/batch", &fields(&id, &ids, &close)).await;
        assert!(refused.status == StatusCode::CONFLICT && refused.html.contains("Birch is not read at the moment"), "{}", refused.html);
        assert!(changes(&app, alder).await.is_empty() && changes(&app, birch).await.is_empty());
        run(&app, birch, "update tenants set state = 'active', needs_approval = false").await;
    }
    let mut there = String::new();
    for _ in 0..2 {
        let reply = analyst.post_form("/incidents/batch", &fields(&id, &ids, &close)).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.html);
        there = reply.headers["location"].to_str().unwrap().to_owned();
    }
    assert_eq!((changes(&app, alder).await.len(), changes(&app, birch).await.len()), (2, 1));
    for different in
        [fields(&id, &ids[..2], &close), fields(&id, &ids, &[("take", "1")]), fields(&id, &ids, &[("assigned_to", "kim@example.com")])]
    {
        assert_eq!(analyst.post_form("/incidents/batch", &different).await.status, StatusCode::CONFLICT);
    }
    let tags = text(&app, alder, "select request->>'tags' from changes where args = array['Xone']").await;
    assert_eq!(tags, r#"["tag-one", "New"]"#, "tags are added to what is there");
    let page = analyst.get(&there).await.assert_success();
    assert_eq!(page.texts("tbody th"), ["Alder", "Birch"]);
    assert_eq!(page.texts("tbody td.num"), ["2", "2", "0", "0", "1", "1", "0", "0"]);
    assert_eq!(page.attribute("section.card", "data-reload").as_deref(), Some("3"));
    assert_eq!(page.attribute("a.primary", "href").as_deref(), Some("/incidents?q=Title"));
    assert_eq!(other.get(&there).await.status, StatusCode::NOT_FOUND, "it is the asker's");
}

#[tokio::test]
async fn what_somebody_changed_meanwhile_is_left_alone_and_what_is_so_already_is_not_sent() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    crate::pages::case(&app, tenant, "mine").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let shown = boxes(&analyst).await;
    run(&app, tenant, "update incidents set assigned_to = 'somebody@example.com'").await;
    let id = Uuid::now_v7().to_string();
    let reply = analyst.post_form("/incidents/batch", &fields(&id, &shown, &[("take", "1")])).await;
    let page = analyst.get(reply.headers["location"].to_str().unwrap()).await.assert_success();
    assert!(page.html.contains("the owner is somebody@example.com now") && page.attribute("section.card", "data-reload").is_none());
    assert_eq!(changes(&app, tenant).await, [("xdr.incidents.update".to_owned(), "failed".to_owned())]);
    // Tried again it is sent all the same; the form holds what was wished for.
    let again = page.attribute("form.again input[name=incident]", "value").unwrap();
    let owner = page.attribute("form.again input[name=assigned_to]", "value").unwrap();
    assert!(owner.contains("analyst"), "{owner}");
    let id = Uuid::now_v7().to_string();
    analyst.post_form("/incidents/batch", &fields(&id, &[again], &[("assigned_to", &owner)])).await;
    assert_eq!(changes(&app, tenant).await[1].1, "intended");
    assert_eq!(text(&app, tenant, "select request->>'assignedTo' from changes where state = 'intended'").await, owner);
    let id = Uuid::now_v7().to_string();
    let so = fields(&id, &boxes(&analyst).await, &[("status", "mine")])
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect::<Vec<_>>();
    let so: Vec<(&str, &str)> = so.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let reply = analyst.post_form("/incidents/batch", &so).await;
    let page = analyst.get(reply.headers["location"].to_str().unwrap()).await.assert_success();
    assert!(page.html.contains("It was so already"), "{}", page.html);
    assert_eq!(page.texts("tbody td.num"), ["1", "0", "1", "0"]);
}

/// A tenant whose incident has been read, at a Microsoft that takes changes.
async fn customer(app: &TestApp, reader: &Reader, name: &str) -> (TenantId, IncidentId) {
    let (tenant, directory) = (app.tenant(name).await, directory(app, name));
    let client = app.state.config.app[0].client_id;
    app.stand_in.world().grant(directory, client);
    app.stand_in.world().add_incident(directory, "Ransomware").unwrap();
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query("update tenants set directory_id = $1, apps = '{respond}'").bind(directory).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    verify::verify(reader, tenant, 0, clock::now()).await.unwrap();
    while read::read(reader, tenant, Product::DefenderXdr, clock::now()).await.unwrap().is_some() {}
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let incident = sqlx::query_scalar("select incident_id from incidents").fetch_one(&mut *tx).await.unwrap();
    (tenant, incident)
}

async fn sent(app: &TestApp, reader: &Reader, tenant: TenantId) {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let waiting: Vec<ChangeId> =
        sqlx::query_scalar("select change_id from changes where state = 'intended'").fetch_all(&mut *tx).await.unwrap();
    drop(tx);
    for change in waiting {
        push::push(reader, tenant, change, clock::now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_closed_incident_is_closed_at_microsoft_and_undone_before_or_after_it_was_sent() {
    let app = TestApp::start_with(|apps| {
        let permissions = [(Product::DefenderXdr, vec!["Incident.ReadWrite.All".to_owned()])];
        *apps = vec![config::App { name: "respond".to_owned(), permissions: permissions.into(), ..crate::apps::app(Uuid::new_v4()) }];
    })
    .await;
    let reader = Reader::new(app.db.worker.clone(), app.state.microsoft.clone(), Sync::default(), CancellationToken::new());
    let (tenant, _) = customer(&app, &reader, "Alder").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let status = "select status_raw from incidents";
    let before = text(&app, tenant, status).await;
    let close = [("status", "Resolved"), ("verdict", "FalsePositive/Clean"), ("comment", "Tested")];
    for is_sent in [false, true] {
        let picked = boxes(&analyst).await;
        let (form, undo) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
        let id = picked[0].split('/').next().unwrap();
        let back = [("change", undo.as_str()), ("batch", &form), ("incident", id)];
        analyst.post_form("/incidents/batch", &fields(&form, &picked, &close)).await;
        if is_sent {
            sent(&app, &reader, tenant).await;
            assert_eq!(text(&app, tenant, status).await, "Resolved");
        }
        let reply = analyst.post_form("/incidents/batch/undo", &back).await;
        let told = format!("/incidents/batch/{}?back=", if is_sent { &undo } else { &form });
        reply.assert_redirect(&told);
        let page = analyst.get(&told).await.assert_success();
        assert_eq!(page.attribute("[data-failed]", "data-failed").as_deref(), Some(""), "what is called off has not failed");
        sent(&app, &reader, tenant).await;
        assert_eq!(text(&app, tenant, status).await, before, "sent first: {is_sent}");
    }
    let ends: Vec<String> = changes(&app, tenant).await.into_iter().map(|(_, state)| state).collect();
    assert_eq!(ends, ["cancelled", "done", "done"]);
    assert!(
        text(&app, tenant, "select request->>'comment' from changes where state = 'done' and request ? 'comment'")
            .await
            .starts_with("Tested (Test Person, ")
    );
    // What Microsoft is just being told cannot be undone at the same time.
    let picked = vec![boxes(&analyst).await[0].split('/').next().unwrap().to_owned()];
    let (form, undo) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
    analyst.post_form("/incidents/batch", &fields(&form, &picked, &close)).await;
    run(&app, tenant, "update changes set state = 'sending' where state = 'intended'").await;
    let back = [("change", undo.as_str()), ("batch", &form), ("incident", &picked[0])];
    assert_eq!(analyst.post_form("/incidents/batch/undo", &back).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn keys_are_switched_off_for_oneself_and_the_palette_finds_what_one_may_see() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder <b>").await, app.tenant("Birch").await);
    crate::pages::case(&app, alder, "one").await;
    crate::pages::case(&app, birch, "two").await;
    let (narrow, other) = (app.sign_in_for(Role::Viewer, &[alder]).await, app.sign_in(Role::Viewer).await);
    for (q, found) in [("ald", 2), ("birch", 0), ("Xone", 1), ("%23Xone", 1), ("Xtwo", 0), ("", 0), ("%00", 0)] {
        let reply = narrow.get(&format!("/palette?q={q}")).await.assert_success();
        let places: Vec<serde_json::Value> = serde_json::from_str(&reply.html).unwrap();
        assert_eq!(places.len(), found, "{q}: {}", reply.html);
    }
    assert!(narrow.get("/incidents").await.attribute("html", "data-keys").is_none());
    narrow.post_form("/account/appearance", &[("keys", "false"), ("back", "/incidents")]).await.assert_redirect("/incidents");
    assert_eq!(narrow.get("/incidents").await.attribute("html", "data-keys").as_deref(), Some("off"));
    assert!(other.get("/incidents").await.attribute("html", "data-keys").is_none());
    narrow.post_form("/account/appearance", &[("keys", "true"), ("back", "/")]).await.assert_redirect("/");
    let page = narrow.get("/account").await.assert_success();
    assert!(page.attribute("html", "data-keys").is_none() && page.html.contains("Switch single keys off"));
}
