//! Rules that hide alerts, as programs make, read and end them.

use crate::api::Program;
use crate::app::TestApp;
use crate::suppressing::{alert, audited, incident, number, read};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use watchfloor::model::{Role, TenantId};

async fn previewed(program: &Program, rule: &Value) -> Value {
    let (status, answer) = program.post("/suppressions/preview", rule.clone()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

fn with(rule: &Value, more: &Value) -> Value {
    let members = rule.as_object().unwrap().iter().chain(more.as_object().unwrap());
    Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[tokio::test]
async fn programs_of_others_and_of_lesser_roles_make_see_and_end_nothing() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let (lead, all) = (Program::of(&app, Role::Lead, Some(&[own])).await, Program::of(&app, Role::Lead, None).await);
    let rule = |tenant: TenantId| json!({ "tenant": tenant, "title": "Noise" });
    let seen = previewed(&all, &rule(foreign)).await["previewed"].clone();
    let wanted = with(&rule(foreign), &json!({ "reason": "x", "previewed": seen }));
    let (status, made) = all.post("/suppressions", wanted.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let theirs = format!("/suppressions/{}", made["id"].as_str().unwrap());
    for role in [Role::Viewer, Role::Analyst] {
        let program = Program::of(&app, role, None).await;
        assert_eq!(program.post("/suppressions/preview", rule(own)).await.0, StatusCode::FORBIDDEN);
        assert_eq!(program.post("/suppressions", wanted.clone()).await.0, StatusCode::FORBIDDEN);
        assert_eq!(program.call(Method::DELETE, &theirs, None).await.0, StatusCode::FORBIDDEN);
        assert_eq!(program.get(&theirs).await.0, StatusCode::OK);
    }
    assert_eq!(lead.get(&theirs).await.0, StatusCode::NOT_FOUND);
    assert_eq!(lead.call(Method::DELETE, &theirs, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(lead.get("/suppressions").await.1["data"], json!([]));
    let (unknown, known) =
        (lead.post("/suppressions/preview", rule(TenantId::new())).await, lead.post("/suppressions/preview", rule(foreign)).await);
    assert_eq!((unknown.0, known.0), (StatusCode::UNPROCESSABLE_ENTITY, StatusCode::UNPROCESSABLE_ENTITY));
    assert_eq!(unknown.1["detail"], known.1["detail"]);
    for bad in [
        json!({ "reason": "x", "previewed": seen }),
        json!({ "reason": "", "previewed": previewed(&lead, &rule(own)).await["previewed"] }),
        json!({ "reason": "x", "days": 366, "previewed": previewed(&lead, &rule(own)).await["previewed"] }),
        json!({ "reason": "x", "group": "Gold", "previewed": seen }),
    ] {
        assert_eq!(lead.post("/suppressions", with(&rule(own), &bad)).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    assert_eq!(lead.post("/suppressions", with(&rule(own), &json!({ "reason": "x" }))).await.0, StatusCode::BAD_REQUEST);
    assert_eq!((number(&app, "select count(*) from suppressions").await, audited(&app, "suppression.end").await), (1, 0));
}

#[tokio::test]
async fn a_program_makes_a_rule_once_for_each_key_and_lists_what_it_hides() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    read(&app, tenant, &[incident("1")], &[alert("A", Some("1"), "Noise A"), alert("B", None, "Real")]).await;
    let lead = Program::of(&app, Role::Lead, Some(&[tenant])).await;
    let rule = json!({ "tenant": tenant, "title": "noise *" });
    let seen = previewed(&lead, &rule).await;
    assert_eq!((&seen["alerts"], &seen["open"], &seen["true_positives"], &seen["days"]), (&json!(1), &json!(1), &json!(0), &json!(90)));
    assert_eq!((&seen["latest"][0]["title"], &seen["tenants"][0]["tenant"]["name"]), (&json!("Noise A"), &json!("Own")));
    let body = with(&rule, &json!({ "reason": "A scanner", "previewed": seen["previewed"] }));
    let mut made = Vec::new();
    for _ in 0..2 {
        let reply = lead.keyed(Method::POST, "/suppressions", "K", body.clone()).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.html);
        made.push(serde_json::from_str::<Value>(&reply.html).unwrap());
    }
    assert_eq!(made[0]["id"], made[1]["id"]);
    assert_eq!((&made[1]["hits"], &made[1]["tenant"]["name"], &made[1]["ended_at"]), (&json!(1), &json!("Own"), &Value::Null));
    let other = lead.keyed(Method::POST, "/suppressions", "K", with(&body, &json!({ "reason": "Another" }))).await;
    assert_eq!((other.status, audited(&app, "suppression.create").await), (StatusCode::UNPROCESSABLE_ENTITY, 1));

    let titles =
        |list: Value| list["data"].as_array().unwrap().iter().map(|row| row["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(titles(lead.get("/alerts").await.1), ["Real"]);
    let (_, hidden) = lead.get("/alerts?suppressed=only").await;
    assert_eq!((titles(hidden.clone()), &hidden["data"][0]["suppressed_by"]), (vec!["Noise A".into()], &made[0]["id"]));
    assert_eq!(titles(lead.get("/alerts?suppressed=yes").await.1).len(), 2);
    assert!(titles(lead.get("/incidents").await.1).is_empty());
    assert_eq!(lead.get("/incidents?suppressed=only").await.1["data"][0]["hidden"], true);
    assert_eq!(lead.get("/alerts?suppressed=maybe").await.0, StatusCode::UNPROCESSABLE_ENTITY);

    let path = format!("/suppressions/{}", made[0]["id"].as_str().unwrap());
    for _ in 0..2 {
        let (status, ended) = lead.call(Method::DELETE, &path, None).await;
        assert_eq!((status, ended["ended_at"].is_string()), (StatusCode::OK, true));
    }
    assert_eq!((titles(lead.get("/alerts").await.1).len(), audited(&app, "suppression.end").await), (2, 1));
    let (_, first) = lead.get("/suppressions?limit=1").await;
    assert_eq!((&first["data"][0]["id"], &first["next_cursor"]), (&made[0]["id"], &Value::Null));
    for n in 0..2 {
        let rule = json!({ "tenant": tenant, "title": format!("Page {n}") });
        let seen = previewed(&lead, &rule).await["previewed"].clone();
        lead.post("/suppressions", with(&rule, &json!({ "reason": "x", "previewed": seen }))).await;
    }
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let (_, page) = lead.get(&format!("/suppressions?limit=1{cursor}")).await;
        seen.push(page["data"][0]["title"].as_str().unwrap().to_owned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["Page 1", "Page 0", "noise *"], "those in force first");
}
