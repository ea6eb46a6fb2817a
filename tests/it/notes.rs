//! Notes on an incident: who may write and read them, that each is written once, shown as text, and never goes to Microsoft.

use crate::api::Program;
use crate::app::{Reply, TestApp, Visitor};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use watchfloor::model::{IncidentId, Role, TenantId};

/// What the notes of a tenant say, oldest first.
async fn texts(app: &TestApp, tenant: TenantId) -> Vec<String> {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query_scalar("select text from notes order by created_at").fetch_all(&mut *tx).await.unwrap()
}

/// The audit rows of an action, oldest first.
async fn audited(app: &TestApp, tenant: TenantId, action: &str) -> Vec<Value> {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let rows = sqlx::query_scalar("select after from audit_log where action = $1 order by at, after::text").bind(action);
    rows.fetch_all(&mut *tx).await.unwrap()
}

async fn write(visitor: &Visitor, incident: IncidentId, id: &str, text: &str) -> Reply {
    visitor.post_form(&format!("/incidents/{incident}/notes"), &[("note", id), ("text", text)]).await
}

fn fresh() -> String {
    Uuid::now_v7().to_string()
}

#[tokio::test]
async fn nobody_writes_a_note_who_may_not_and_another_tenants_incident_is_none() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let (mine, _) = crate::pages::case(&app, own, "MINE").await;
    let (theirs, _) = crate::pages::case(&app, foreign, "THEIRS").await;
    let (viewer, analyst) = (app.sign_in(Role::Viewer).await, app.sign_in_for(Role::Analyst, &[own]).await);
    assert_eq!(write(&viewer, mine, &fresh(), "x").await.status, StatusCode::FORBIDDEN);
    let (foreign_one, unknown) = (write(&analyst, theirs, &fresh(), "x").await, write(&analyst, IncidentId::new(), &fresh(), "x").await);
    assert_eq!([foreign_one.status, unknown.status], [StatusCode::NOT_FOUND; 2]);
    let path = format!("/incidents/{mine}/notes");
    for token in ["", "x", analyst.form_token("/elsewhere").as_str()] {
        let refused = analyst.post_raw(&path, &[("form_token", token), ("note", &fresh()), ("text", "x")]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{token}");
    }
    let stranger = app.stranger().post_raw(&path, &[("note", &fresh()), ("text", "x")]).await;
    assert!(stranger.headers["location"].to_str().unwrap().starts_with("/login"));
    assert_eq!(texts(&app, own).await.len() + texts(&app, foreign).await.len(), 0);

    // A note of the other's tenant is neither read nor pinned.
    let lead = app.sign_in(Role::Lead).await;
    let note = fresh();
    write(&lead, theirs, &note, "FOREIGN-TEXT").await.assert_redirect(&format!("/incidents/{theirs}#note-{note}"));
    for incident in [mine, theirs] {
        let refused = analyst.post_form(&format!("/incidents/{incident}/notes/{note}/pin"), &[("pinned", "true")]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{incident}");
    }
    assert_eq!(lead.post_form(&format!("/incidents/{mine}/notes/{note}/pin"), &[("pinned", "true")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        viewer.post_form(&format!("/incidents/{theirs}/notes/{note}/pin"), &[("pinned", "true")]).await.status,
        StatusCode::FORBIDDEN
    );
    assert!(audited(&app, foreign, "note.pin").await.is_empty());
    let page = viewer.get(&format!("/incidents/{theirs}")).await.assert_success();
    assert_eq!((page.texts(".note-list .note-text"), page.texts("form.note-form").len()), (vec!["FOREIGN-TEXT".to_owned()], 0));
}

#[tokio::test]
async fn a_note_sent_twice_is_one_and_the_same_form_with_another_text_is_told() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let (other, _) = crate::pages::case(&app, tenant, "other").await;
    let (analyst, colleague) = (app.sign_in(Role::Analyst).await, app.sign_in(Role::Analyst).await);
    let page = analyst.get(&format!("/incidents/{incident}")).await.assert_success();
    let id = page.attribute("form.note-form input[name=note]", "value").unwrap();
    for _ in 0..2 {
        write(&analyst, incident, &id, "Called the user").await.assert_redirect(&format!("/incidents/{incident}#note-{id}"));
    }
    let again = write(&analyst, incident, &id, "Called the user.\nIt was not them").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.html.contains("with another text"), "{}", again.html);
    assert_eq!(again.texts("form.note-form textarea"), ["Called the user. It was not them"], "nothing written is lost");
    let fresh_one = again.attribute("form.note-form input[name=note]", "value").unwrap();
    assert_ne!(fresh_one, id);
    assert_eq!(write(&colleague, incident, &id, "Called the user").await.status, StatusCode::CONFLICT, "another person's id");
    assert_eq!(write(&analyst, other, &id, "Called the user").await.status, StatusCode::CONFLICT, "another incident's id");
    assert_eq!(texts(&app, tenant).await, ["Called the user"]);
    let rows = audited(&app, tenant, "note.add").await;
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["note"] == id && !rows[0].to_string().contains("Called"), "the log does not repeat the text: {rows:?}");
    write(&analyst, incident, &fresh_one, "Called the user.\nIt was not them").await;
    let page = analyst.get(&format!("/incidents/{incident}")).await.assert_success();
    assert_eq!(page.texts(".note-list .note-text"), ["Called the user", "Called the user. It was not them"], "the newest is last");
}

#[tokio::test]
async fn an_empty_or_too_long_note_comes_back_and_a_long_one_in_any_script_is_taken() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let analyst = app.sign_in(Role::Analyst).await;
    for (text, told) in
        [(String::new(), "Write something"), (" \r\n\t\n ".to_owned(), "Write something"), ("a".repeat(10_001), "at most 10,000")]
    {
        let reply = write(&analyst, incident, &fresh(), &text).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(reply.texts("#note-problem")[0].contains(told));
        assert_eq!(reply.texts("form.note-form textarea")[0], text.trim());
    }
    assert!(texts(&app, tenant).await.is_empty());
    let longest = "𓀀".repeat(9_998) + "\r\nx";
    assert_eq!(write(&analyst, incident, &fresh(), &longest).await.status, StatusCode::SEE_OTHER, "a line break is one character");
    assert_eq!(texts(&app, tenant).await, [longest.replace('\r', "")]);
}

#[tokio::test]
async fn a_note_is_text_with_its_lines_labelled_internal_and_pinned_for_the_next_shift() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let (analyst, viewer) = (app.sign_in(Role::Analyst).await, app.sign_in(Role::Viewer).await);
    let (path, id) = (format!("/incidents/{incident}"), fresh());
    write(&analyst, incident, &id, "<b>Hot</b>\r\n  second & last\u{202e}").await;
    let page = viewer.get(&path).await.assert_success();
    assert!(page.html.contains("&#60;b&#62;Hot&#60;/b&#62;\n  second &#38; last⟨U+202E⟩"), "{}", page.html);
    assert!(page.texts(".note-head")[0].starts_with("Test Person analyst-"), "{:?}", page.texts(".note-head"));
    assert_eq!(page.texts(".note-head .chip.internal"), ["Internal"]);
    assert!(page.texts(".pinned").is_empty());
    assert!(page.texts(".timeline li.note")[0].starts_with("Note <b>Hot</b> …"), "{:?}", page.texts(".timeline li.note"));

    let pin = format!("{path}/notes/{id}/pin");
    for (pinned, shown, rows) in [("true", 1, 1), ("true", 1, 1), ("false", 0, 2), ("true", 1, 3)] {
        analyst.post_form(&pin, &[("pinned", pinned)]).await.assert_redirect(&format!("{path}#note-{id}"));
        let page = viewer.get(&path).await.assert_success();
        assert_eq!(page.texts(".pinned").len(), shown, "{pinned}");
        assert_eq!(audited(&app, tenant, "note.pin").await.len(), rows, "{pinned}");
    }
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let changes: i64 = sqlx::query_scalar("select count(*) from changes").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(changes, 0, "nothing is sent to Microsoft");
    drop(tx);
    for rewriting in
        ["update notes set text = 'x'", "update notes set author = 'x'", "update notes set created_at = now()", "delete from notes"]
    {
        for db in [&app.db.web, &app.db.worker] {
            let mut tx = db.tenant(tenant).await.unwrap();
            let refused = sqlx::query(rewriting).execute(&mut *tx).await.unwrap_err();
            assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{rewriting}");
        }
    }
}

#[tokio::test]
async fn programs_read_and_write_notes_once_for_each_key() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let (incident, _) = crate::pages::case(&app, own, "MINE").await;
    let (theirs, _) = crate::pages::case(&app, foreign, "THEIRS").await;
    let (viewer, analyst) = (Program::of(&app, Role::Viewer, None).await, Program::of(&app, Role::Analyst, Some(&[own])).await);
    let path = format!("/incidents/{incident}/notes");
    assert_eq!(viewer.post(&path, json!({"text": "x"})).await.0, StatusCode::FORBIDDEN);
    assert_eq!(analyst.post(&format!("/incidents/{theirs}/notes"), json!({"text": "x"})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(analyst.get(&format!("/incidents/{theirs}/notes")).await.0, StatusCode::NOT_FOUND);
    for (bad, status) in [
        (json!({"text": " "}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"text": "a".repeat(10_001)}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({}), StatusCode::BAD_REQUEST),
        (json!({"text": "x", "pinned": true}), StatusCode::BAD_REQUEST),
    ] {
        let (got, problem) = analyst.post(&path, bad).await;
        assert_eq!(got, status, "{problem}");
    }
    let mut written = Vec::new();
    for (key, text) in [("A", "One"), ("A", "One"), ("B", "Two"), ("C", "Three")] {
        let reply = analyst.keyed(Method::POST, &path, key, json!({ "text": text })).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.html);
        written.push(serde_json::from_str::<Value>(&reply.html).unwrap());
    }
    assert_eq!(written[0], written[1]);
    assert_eq!((&written[0]["text"], &written[0]["author"], &written[0]["pinned"]), (&json!("One"), &json!("Test Person"), &json!(false)));
    let reused = analyst.keyed(Method::POST, &path, "A", json!({"text": "Other"})).await;
    assert_eq!(reused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!((texts(&app, own).await, audited(&app, own, "note.add").await.len()), (vec!["One".into(), "Two".into(), "Three".into()], 3));

    let (_, first) = viewer.get(&format!("{path}?limit=2")).await;
    let (_, rest) = viewer.get(&format!("{path}?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    let told =
        |page: &Value| page["data"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((told(&first), told(&rest), &rest["next_cursor"]), (vec!["Three".into(), "Two".into()], vec!["One".into()], &Value::Null));
    for bad in ["limit=0", "limit=201", "limit=x", "cursor=x", "other=1"] {
        assert!(viewer.get(&format!("{path}?{bad}")).await.0.is_client_error(), "{bad}");
    }
}
