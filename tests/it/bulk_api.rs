//! Bulk jobs as a program meets them.

use crate::api::Program;
use crate::app::TestApp;
use crate::bulk::{audited, run};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use watchfloor::model::Role;

#[tokio::test]
async fn a_programs_job_stays_in_its_scope_and_says_what_is_wrong_with_it() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let mine = crate::pages::case(&app, own, "mine").await.0;
    let theirs = crate::pages::case(&app, foreign, "theirs").await.0;
    run(&app, own, "update incidents set classification = null, determination = null").await;
    let (analyst, viewer) = (Program::of(&app, Role::Analyst, Some(&[own])).await, Program::of(&app, Role::Viewer, None).await);
    let take = json!({"assigned_to": "ann@msp.example"});
    let of = |filter: Value, change: &Value| json!({"filter": filter, "change": change});
    let all = of(json!({"status": ["new"]}), &take);
    assert_eq!(viewer.post("/incidents/bulk", all.clone()).await.0, StatusCode::FORBIDDEN);
    for ids in [[theirs.0], [Uuid::now_v7()]] {
        let asked = json!({"ids": [mine.0, ids[0]], "change": take});
        assert_eq!(analyst.post("/incidents/bulk", asked).await.0, StatusCode::NOT_FOUND);
    }
    let (many, one): (Vec<Uuid>, _) = ((0..1001).map(|_| Uuid::now_v7()).collect(), [mine.0]);
    for (asked, field) in [
        (of(json!({}), &take), "filter"),
        (of(json!({"status": []}), &take), "filter"),
        (of(json!({"limit": 5, "status": ["new"]}), &take), "filter"),
        (of(json!({"status": ["odd"]}), &take), "status"),
        (json!({"change": take}), "filter"),
        (json!({"ids": many, "change": take}), "filter"),
        (json!({"ids": one, "filter": {"q": "x"}, "change": take}), "filter"),
        (json!({"ids": one, "change": {}}), "change"),
        (json!({"ids": one, "change": {"status": "Resolved", "comment": "x"}}), "classification"),
    ] {
        let (status, problem) = analyst.post("/incidents/bulk", asked.clone()).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{asked}: {problem}");
    }
    assert_eq!(audited(&app, "bulk.started").await, 0);
    let (status, job) = analyst.post("/incidents/bulk", of(json!({"status": ["new"], "tenant": [own.0, foreign.0]}), &take)).await;
    assert_eq!((status, &job["matched"], &job["state"]), (StatusCode::ACCEPTED, &json!(1), &json!("running")), "{job}");
    assert_eq!(job["tenants"][0]["tenant"], json!({"id": own.0, "name": "Own"}));
    assert!(!job.to_string().contains("Foreign"));
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(analyst.get(&path).await, (StatusCode::OK, job));
    // Seen by whoever sees one of its tenants; for others it is like one that there is not.
    let elsewhere = Program::of(&app, Role::Admin, None).await;
    assert_eq!(elsewhere.get(&path).await.0, StatusCode::OK);
    let stranger = Program::of(&app, Role::Lead, Some(&[foreign])).await;
    let (status, mut hidden) = stranger.get(&path).await;
    let (_, mut unknown) = stranger.get(&format!("/jobs/{}", Uuid::now_v7())).await;
    for problem in [&mut hidden, &mut unknown] {
        problem["instance"].take();
    }
    assert_eq!((status, hidden), (StatusCode::NOT_FOUND, unknown));
    assert_eq!(viewer.get(&path).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_same_key_is_the_same_job_and_never_another() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let mine = crate::pages::case(&app, tenant, "mine").await.0;
    let (analyst, other) = (Program::of(&app, Role::Analyst, None).await, Program::of(&app, Role::Analyst, None).await);
    let asked = json!({"ids": [mine.0], "change": {"status": "InProgress"}});
    let mut ids = Vec::new();
    for program in [&analyst, &analyst, &other] {
        let reply = program.keyed(Method::POST, "/incidents/bulk", "key-1", asked.clone()).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.html);
        let job: Value = serde_json::from_str(&reply.html).unwrap();
        assert_eq!(reply.headers["location"], format!("/api/v1/jobs/{}", job["id"].as_str().unwrap()));
        ids.push(job["id"].clone());
    }
    assert!(ids[0] == ids[1] && ids[0] != ids[2], "{ids:?}");
    assert_eq!(audited(&app, "bulk.started").await, 2);
    let different = json!({"ids": [mine.0], "change": {"status": "Active"}});
    assert_eq!(analyst.keyed(Method::POST, "/incidents/bulk", "key-1", different).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(audited(&app, "bulk.started").await, 2);
}
