//! Forms that were opened a while ago, filled wrongly, or for what cannot be changed now: nothing is lost, and nothing is sent by mistake.

use crate::acting_pages::{changes, device};
use crate::app::{Reply, TestApp, Visitor};
use axum::http::StatusCode;
use serde_json::{Value, json};
use watchfloor::model::{Role, TenantId};

async fn run(app: &TestApp, tenant: TenantId, sql: &'static str) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(sql).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn requests(app: &TestApp, tenant: TenantId) -> Vec<Value> {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query_scalar("select request from changes order by created_at").fetch_all(&mut *tx).await.unwrap()
}

/// Sends the form of a page as the browser would, with these fields filled in.
async fn save(visitor: &Visitor, page: &Reply, path: &str, filled: &[(&str, &str)]) -> Reply {
    let of = |name: &str| {
        let chosen = page.attribute(&format!("form.stack select[name={name}] option[selected]"), "value");
        chosen.or_else(|| page.attribute(&format!("form.stack input[name={name}]"), "value")).unwrap_or_default()
    };
    let names = ["change", "was_status", "was_owner", "was_verdict", "was_tags", "status", "assigned_to", "verdict", "tags", "comment"];
    let filled = |name: &str| filled.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let fields: Vec<(&str, String)> = names.iter().map(|name| (*name, filled(name).unwrap_or_else(|| of(name)))).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    visitor.post_form(path, &fields).await
}

#[tokio::test]
async fn a_form_opened_earlier_sends_only_what_its_person_changed_and_never_over_what_happened_since() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    run(&app, tenant, "update incidents set status_raw = 'Active', assigned_to = null, classification = null, determination = null").await;
    let (analyst, path) = (app.sign_in(Role::Analyst).await, format!("/incidents/{incident}"));
    let old = analyst.get(&path).await.assert_success();
    run(&app, tenant, "update incidents set status_raw = 'Resolved', assigned_to = 'bob', tags = array['tag-mark', 'x']").await;
    save(&analyst, &old, &path, &[("comment", "Seen")]).await.assert_redirect(&path);
    let sent = requests(&app, tenant).await;
    assert_eq!(sent[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["comment"], "{sent:?}");

    let old = analyst.get(&path).await.assert_success();
    run(&app, tenant, "update incidents set status_raw = 'Active', assigned_to = 'eve'").await;
    let refused = save(&analyst, &old, &path, &[("status", "InProgress"), ("comment", "MINE"), ("tags", "tag-mark")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.html);
    assert!(refused.html.contains("the status is Active now") && !refused.html.contains("owner is eve now"), "{}", refused.html);
    assert_eq!(refused.texts("form.stack textarea[name=comment]"), ["MINE"]);
    assert_eq!(refused.attribute("form.stack input[name=tags]", "value").as_deref(), Some("tag-mark"));
    assert_eq!(
        refused.attribute("form.stack input[name=assigned_to]", "value").as_deref(),
        Some("eve"),
        "what was not touched is as it is"
    );
    assert_eq!(requests(&app, tenant).await.len(), 1);
    save(&analyst, &refused, &path, &[("comment", "MINE")]).await.assert_redirect(&path);
    let sent = requests(&app, tenant).await.pop().unwrap();
    assert_eq!((&sent["status"], &sent["tags"], sent.get("assignedTo")), (&json!("InProgress"), &json!(["tag-mark"]), None), "{sent}");
    save(&analyst, &analyst.get(&path).await, &path, &[("tags", "")]).await.assert_redirect(&path);
    assert_eq!(requests(&app, tenant).await.pop().unwrap(), json!({"tags": []}), "all tags can be taken away");
}

#[tokio::test]
async fn a_status_that_no_form_offers_stays_as_it_is() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, alert) = crate::pages::case(&app, tenant, "mark").await;
    run(&app, tenant, "update incidents set status_raw = 'AwaitingAction'").await;
    run(&app, tenant, "update alerts set status_raw = 'Unknown', product = 'defender_endpoint'").await;
    let analyst = app.sign_in(Role::Analyst).await;
    for (path, label) in
        [(format!("/incidents/{incident}"), "as it is: Awaiting action"), (format!("/alerts/{alert}"), "as it is: Unknown")]
    {
        let page = analyst.get(&path).await.assert_success();
        assert_eq!(page.texts("form.stack select[name=status] option")[0], label);
        assert_eq!(page.attribute("form.stack select[name=status] option", "value").as_deref(), Some(""));
        assert!(page.attribute("form.stack select[name=status] option[selected]", "value").is_none(), "a browser sends the first");
    }
    let page = analyst.get(&format!("/incidents/{incident}")).await;
    save(&analyst, &page, &format!("/incidents/{incident}"), &[("comment", "Seen")]).await;
    assert_eq!(requests(&app, tenant).await[0].get("status"), None);
    let hunt = [("query", "DeviceInfo"), ("over", "some"), ("tenants", &tenant.to_string()), ("timespan", "PT12H")];
    let reply = analyst.post_form("/hunting", &hunt).await;
    let id = reply.headers["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let editor = analyst.get(&format!("/hunting?from={id}")).await.assert_success();
    assert_eq!(editor.texts("select[name=timespan] option[selected]"), ["PT12H"]);
}

#[tokio::test]
async fn a_form_that_is_wrong_comes_back_with_what_was_written() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let (lead, path) = (app.sign_in(Role::Lead).await, format!("/incidents/{incident}"));
    let page = lead.get(&path).await.assert_success();
    let umlauts = "ü".repeat(1500);
    save(&lead, &page, &path, &[("comment", &umlauts)]).await.assert_redirect(&path);
    let long = "ü".repeat(2001);
    let reply = save(&lead, &lead.get(&path).await, &path, &[("comment", &long), ("assigned_to", "ann")]).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(reply.texts("form.stack textarea[name=comment]"), [long]);
    assert_eq!(reply.attribute("form.stack input[name=assigned_to]", "value").as_deref(), Some("ann"));
    assert_eq!(reply.texts("[role=alert]"), ["This is too long."]);

    let device = device(&app, tenant, "mine").await;
    let act = format!("/devices/{device}/act");
    let id = uuid::Uuid::now_v7().to_string();
    let reply = lead.post_form(&act, &[("change", &id), ("deed", "quarantine_file"), ("comment", "KEPT"), ("sha1", "abc")]).await;
    assert_eq!((reply.status, reply.texts("textarea[name=comment]")), (StatusCode::UNPROCESSABLE_ENTITY, vec!["KEPT".to_owned()]));
    assert_eq!(reply.attribute("input[name=sha1]", "value").as_deref(), Some("abc"));

    let event = format!("/tenants/{tenant}/endpoint/alert");
    let names = ["machine", "event_time", "report_id", "title", "description", "recommended_action"];
    let fields = [("change", id.as_str()), ("severity", "High"), ("category", "Exploit")];
    let fields: Vec<(&str, &str)> = fields.into_iter().chain(names.map(|name| (name, if name == "title" { " " } else { name }))).collect();
    let reply = lead.post_form(&event, &fields).await;
    assert_eq!(
        (reply.status, reply.texts("textarea")),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["description".to_owned(), "recommended_action".to_owned()])
    );
    assert_eq!(reply.texts("option[selected]"), ["High", "Exploit"]);
    assert_eq!(reply.attribute("input[name=report_id]", "value").as_deref(), Some("report_id"));

    let reply = lead.post_form("/hunting/queries", &[("name", " "), ("query", "KEPT")]).await;
    assert_eq!((reply.status, reply.texts("textarea[name=query]")), (StatusCode::BAD_REQUEST, vec!["KEPT".to_owned()]));
    assert_eq!(changes(&app, tenant).await.len(), 1);
}

#[tokio::test]
async fn a_device_is_told_one_thing_at_a_time_and_each_has_a_form_of_its_own() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let device = device(&app, tenant, "mine").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let page = analyst.get(&format!("/devices/{device}")).await.assert_success();
    let path = format!("/devices/{device}/label");
    assert_eq!(page.texts(&format!("form[action='{path}'] button")), ["Add at Own", "Remove at Own", "Set at Own"]);
    assert!(page.html.contains("Make an alert from an event"), "which analysts may");
    let id = uuid::Uuid::now_v7().to_string();
    let change = ("change", id.as_str());
    for wrong in
        [vec![("add", "a"), ("remove", "VIP")], vec![("add", "a"), ("value", "High")], vec![], vec![("add", "ä".repeat(201).as_str())]]
    {
        let fields: Vec<(&str, &str)> = wrong.iter().copied().chain([change]).collect();
        assert_eq!(analyst.post_form(&path, &fields).await.status, StatusCode::BAD_REQUEST, "{wrong:?}");
    }
    assert!(changes(&app, tenant).await.is_empty());
    let umlauts = "ä".repeat(200);
    analyst.post_form(&path, &[change, ("add", &umlauts)]).await.assert_redirect(&format!("/devices/{device}"));
}

#[tokio::test]
async fn a_batch_over_several_tenants_says_what_was_asked_of_each_and_names_the_one_in_the_way() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    let mut ids = Vec::new();
    for (tenant, mark) in [(alder, "one"), (birch, "two")] {
        ids.push(crate::pages::case(&app, tenant, mark).await.1.to_string());
        run(&app, tenant, "update alerts set product = 'defender_endpoint'").await;
    }
    let (analyst, other) = (app.sign_in(Role::Analyst).await, app.sign_in(Role::Analyst).await);
    let list = analyst.get("/alerts?q=Alert&size=100").await.assert_success();
    let (change, back) =
        (list.attribute("#batch input[name=change]", "value").unwrap(), list.attribute("#batch input[name=back]", "value").unwrap());
    let fields = [
        ("change", change.as_str()),
        ("back", &back),
        ("alert", &ids[0]),
        ("alert", &ids[1]),
        ("status", "Resolved"),
        ("verdict", "TruePositive/Malware"),
        ("comment", "Seen"),
    ];
    for closed in ["update tenants set state = 'paused'", "update tenants set needs_approval = true"] {
        run(&app, birch, closed).await;
        let refused = analyst.post_form("/alerts/batch", &fields).await;
        assert!(refused.status == StatusCode::CONFLICT && refused.html.contains("Birch is not read at the moment"), "{}", refused.html);
        assert_eq!(refused.texts("h1"), ["Not possible now"]);
        assert!(changes(&app, alder).await.is_empty() && changes(&app, birch).await.is_empty());
        run(&app, birch, "update tenants set state = 'active', needs_approval = false").await;
    }
    let reply = analyst.post_form("/alerts/batch", &fields).await;
    let there = reply.headers["location"].to_str().unwrap().to_owned();
    let page = analyst.get(&there).await.assert_success();
    let next = "It is sent as soon as a worker is free and Microsoft lets us.";
    assert_eq!(page.texts("tbody td"), ["Alder", "Waiting", "1 alert", next, "Birch", "Waiting", "1 alert", next]);
    assert!(page.html.contains(&format!("/tenants/{birch}/changes")));
    assert_eq!(page.attribute("a.primary", "href").as_deref(), Some("/alerts?q=Alert&size=100"));
    assert_eq!(other.get(&there).await.status, StatusCode::NOT_FOUND, "it is the asker's");
    let away = analyst.get(&format!("/alerts/batch/{change}?back=sort%3Dx")).await.assert_success();
    assert_eq!(away.attribute("a.primary", "href").as_deref(), Some("/alerts"));
}

#[tokio::test]
async fn a_reading_at_once_is_one_event_whoever_asks_and_a_refusal_says_what_to_do() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let analyst = app.sign_in(Role::Analyst).await;
    analyst.post_form(&format!("/tenants/{tenant}/sync"), &[]).await.assert_redirect(&format!("/tenants/{tenant}"));
    let program = crate::api::Program::of(&app, Role::Lead, None).await;
    let post = axum::http::Method::POST;
    assert_eq!(program.call(post.clone(), &format!("/tenants/{tenant}/sync"), None).await.0, StatusCode::ACCEPTED);
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let events: i64 = sqlx::query_scalar("select count(*) from audit_log where action = 'tenant.sync'").fetch_one(&mut *tx).await.unwrap();
    drop(tx);
    assert_eq!(events, 2);
    let of = device(&app, tenant, "mine").await;
    let act = json!({"action": "collect_package", "comment": "Look at it"});
    let (_, change) = program.call(post.clone(), &format!("/devices/{of}/actions"), Some(act)).await;
    let link = format!("/actions/{}/link", change["id"].as_str().unwrap());
    let (status, problem) = program.call(post.clone(), &link, Some(json!({}))).await;
    let told = "Microsoft gave no link. Microsoft has no such record. Ask again in a while.";
    assert_eq!((status, problem["detail"].as_str()), (StatusCode::CONFLICT, Some(told)));
    run(&app, tenant, "update tenants set state = 'paused'").await;
    let refused = analyst.post_form(&format!("/tenants/{tenant}/sync"), &[]).await;
    assert_eq!((refused.status, refused.texts("h1")), (StatusCode::CONFLICT, vec!["Not possible now".to_owned()]));
    assert_eq!(program.call(post, &format!("/tenants/{tenant}/sync"), None).await.0, StatusCode::CONFLICT);
}
