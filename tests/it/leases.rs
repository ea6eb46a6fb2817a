//! Who works on an incident: said, seen by the others, taken over in the open, and over by itself.

use crate::app::{TestApp, Visitor};
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;
use watchfloor::model::{IncidentId, Role, TenantId, UserId};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::{incidents, leases};

async fn named(app: &TestApp, role: Role, tenants: Option<&[TenantId]>, name: &str) -> (Visitor, UserId) {
    let (login, id) = app.user(role, tenants).await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    sqlx::query("update users set display_name = $2 where user_id = $1").bind(id).bind(name).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    (app.enter(&login).await, id)
}

async fn audited(app: &TestApp, tenant: TenantId) -> Vec<(String, Option<Value>)> {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query_as("select action, before from audit_log where action like 'lease.%' order by audit_id").fetch_all(&mut *tx).await.unwrap()
}

/// Moves what is said so many minutes into the past.
async fn pass(app: &TestApp, tenant: TenantId, minutes: i32) {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let text = "update incident_leases set since = since - make_interval(mins => $1), until = until - make_interval(mins => $1)";
    sqlx::query(text).bind(minutes).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// What is said in the head of an incident's page.
async fn told(visitor: &Visitor, incident: IncidentId) -> Option<String> {
    visitor
        .get(&format!("/incidents/{incident}"))
        .await
        .assert_success()
        .texts(".head .line .chip")
        .into_iter()
        .find(|chip| chip.contains("work"))
}

#[tokio::test]
async fn nobody_says_it_who_may_not_change_the_incident() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let (mine, _) = crate::pages::case(&app, own, "MINE").await;
    let (theirs, _) = crate::pages::case(&app, foreign, "THEIRS").await;
    let (viewer, analyst) = (app.sign_in(Role::Viewer).await, app.sign_in_for(Role::Analyst, &[own]).await);
    let path = format!("/incidents/{mine}/work");
    assert_eq!(viewer.post_form(&path, &[("act", "take")]).await.status, StatusCode::FORBIDDEN);
    for incident in [theirs, IncidentId::new()] {
        let refused = analyst.post_form(&format!("/incidents/{incident}/work"), &[("act", "take")]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(analyst.post_raw(&path, &[("act", "take"), ("form_token", "x")]).await.status, StatusCode::FORBIDDEN);
    for bad in [vec![], vec![("act", "steal")], vec![("act", "take"), ("until", "2099-01-01")]] {
        assert_eq!(analyst.post_form(&path, &bad).await.status, StatusCode::BAD_REQUEST, "{bad:?}");
    }
    analyst.get(&format!("/incidents/{mine}")).await.assert_success();
    assert_eq!((told(&viewer, mine).await, audited(&app, own).await.len()), (None, 0), "opening the page says nothing");
    assert!(viewer.get(&format!("/incidents/{mine}")).await.texts("form[action$='/work']").is_empty());
}

#[tokio::test]
async fn the_others_see_it_and_one_of_them_takes_over_in_the_open_and_only_from_whom_they_saw() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let (ada, ada_id) = named(&app, Role::Analyst, None, "Ada").await;
    let (ben, ben_id) = named(&app, Role::Analyst, None, "Ben").await;
    let viewer = app.sign_in(Role::Viewer).await;
    let (page, path) = (format!("/incidents/{incident}"), format!("/incidents/{incident}/work"));
    for _ in 0..2 {
        ada.post_form(&path, &[("act", "take")]).await.assert_redirect(&page);
    }
    assert_eq!(audited(&app, tenant).await, [("lease.take".to_owned(), None)], "going on is no event");
    pass(&app, tenant, 12).await;
    assert_eq!(told(&ben, incident).await.as_deref(), Some("Ada has been working on this for 12 min"));
    assert_eq!(told(&viewer, incident).await.as_deref(), Some("Ada has been working on this for 12 min"));
    assert_eq!(told(&ada, incident).await.as_deref(), Some("You have been working on this for 12 min"));
    let html = ben.get(&page).await.html;
    assert!(html.find("Ask before you change it").unwrap() < html.find("name=\"assigned_to\"").unwrap(), "before the form");

    let late = ben.post_form(&path, &[("act", "take")]).await;
    assert!(late.status == StatusCode::CONFLICT && late.html.contains("Ada has begun to work on this"), "{}", late.html);
    ben.post_form(&path, &[("act", "end")]).await.assert_redirect(&page);
    assert_eq!(told(&ben, incident).await.as_deref(), Some("Ada has been working on this for 12 min"), "nobody ends it for another");
    let shown = ben.get(&page).await.attribute("form[action$='/work'] input[name=shown]", "value").unwrap();
    assert_eq!(shown, ada_id.to_string());
    ben.post_form(&path, &[("act", "take"), ("shown", &shown)]).await.assert_redirect(&page);
    pass(&app, tenant, 1).await;
    assert_eq!(told(&ada, incident).await.as_deref(), Some("Ben has been working on this for 1 min"));
    assert!(ada.get(&page).await.texts(".work")[0].contains("taken over from Ada"));
    assert_eq!(audited(&app, tenant).await[1..], [("lease.take".to_owned(), Some(json!({"by": "Ada"})))]);
    let stale = ada.post_form(&path, &[("act", "take"), ("shown", &shown)]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "the page showed Ada herself");
    ben.post_form(&path, &[("act", "end")]).await.assert_redirect(&page);
    assert_eq!(told(&ada, incident).await, None);
    ada.post_form(&path, &[("act", "take"), ("shown", &ben_id.to_string())]).await.assert_redirect(&page);
    assert!(!ada.get(&page).await.texts(".work")[0].contains("taken over"), "from nobody");
    let actions: Vec<String> = audited(&app, tenant).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["lease.take", "lease.take", "lease.end", "lease.take"]);
}

#[tokio::test]
async fn it_ends_by_itself_and_a_note_or_change_of_the_same_person_keeps_it() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let (ada, _) = named(&app, Role::Analyst, None, "Ada").await;
    let (ben, _) = named(&app, Role::Analyst, None, "Ben").await;
    let page = format!("/incidents/{incident}");
    ada.post_form(&format!("{page}/work"), &[("act", "take")]).await.assert_redirect(&page);
    let note = async |visitor: &Visitor| {
        let fields = [("note", Uuid::now_v7().to_string()), ("text", "Seen".to_owned())];
        visitor.post_form(&format!("{page}/notes"), &[("note", &fields[0].1), ("text", &fields[1].1)]).await
    };
    let change = async |visitor: &Visitor, take: bool| {
        let id = Uuid::now_v7().to_string();
        let mut fields = vec![("change", id.as_str()), ("status", ""), ("assigned_to", "owner-mark"), ("verdict", ""), ("comment", "Seen")];
        fields.extend(take.then_some(("take", "1")));
        visitor.post_form(&page, &fields).await.assert_redirect(&page);
    };
    pass(&app, tenant, 29).await;
    note(&ada).await;
    pass(&app, tenant, 29).await;
    assert_eq!(told(&ben, incident).await.as_deref(), Some("Ada has been working on this for 58 min"));
    change(&ada, false).await;
    pass(&app, tenant, 29).await;
    assert!(told(&ben, incident).await.is_some(), "a change of hers");
    note(&ben).await;
    change(&ben, true).await;
    assert_eq!(
        told(&ben, incident).await.as_deref(),
        Some("Ada has been working on this for 1 h"),
        "who takes the incident does not push her aside"
    );
    pass(&app, tenant, 2).await;
    assert_eq!(told(&ben, incident).await, None, "what others do keeps nothing");
    note(&ada).await;
    change(&ada, false).await;
    assert_eq!(told(&ben, incident).await, None, "and what has ended is not begun by a note");
    change(&ben, true).await;
    pass(&app, tenant, 1).await;
    assert_eq!(told(&ada, incident).await.as_deref(), Some("Ben has been working on this for 1 min"), "who takes it works on it");
}

#[tokio::test]
async fn half_an_hour_is_half_an_hour_by_the_time_that_is_given() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, _) = crate::pages::case(&app, tenant, "mark").await;
    let (ada, ben) = (
        By { actor: Actor::User(UserId::new(), "ada".into()), ip: None },
        By { actor: Actor::User(UserId::new(), "ben".into()), ip: None },
    );
    let begin: DateTime<Utc> = "2026-11-26T08:00:00.000000123Z".parse().unwrap();
    let at = |seconds: i64| begin + TimeDelta::seconds(seconds);
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let of = incidents::get(&mut tx, incident).await.unwrap().unwrap();
    assert!(leases::take(&mut tx, (&ada, "Ada"), &of, None, begin).await.unwrap());
    assert!(!leases::take(&mut tx, (&ben, "Ben"), &of, None, at(1799)).await.unwrap());
    assert!(leases::current(&mut tx, tenant, incident, at(1799)).await.unwrap().is_some());
    assert!(leases::current(&mut tx, tenant, incident, at(1800)).await.unwrap().is_none());
    leases::renew(&mut tx, &ada, &of, at(1800)).await.unwrap();
    assert!(leases::current(&mut tx, tenant, incident, at(1800)).await.unwrap().is_none(), "too late");
    assert!(leases::take(&mut tx, (&ben, "Ben"), &of, None, at(1800)).await.unwrap());
    let lease = leases::current(&mut tx, tenant, incident, at(1801)).await.unwrap().unwrap();
    assert_eq!((lease.name.as_str(), lease.taken_from), ("Ben", None));
    let events: i64 = sqlx::query_scalar("select count(*) from audit_log where action = 'lease.take'").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(events, 2);
}
