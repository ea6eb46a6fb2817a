//! Whoever may see one of two tenants meets no mark of the other, whatever they ask for, and cannot tell its ids from unknown ones. An
//! administrator, who sees both, meets it nearly everywhere.

use crate::api::{Program, described};
use crate::app::Visitor;
use crate::canary::{ASKED, FOREIGN, NOBODYS, Scene, assert_same, has, plain, unknown};
use crate::routes::{GET, ROUTES};
use axum::http::Method;
use std::collections::BTreeSet;
use std::time::Instant;
use uuid::Uuid;
use watchfloor::model::{Role, TenantId};

/// What is asked of each list besides its plain address.
fn questions(foreign: TenantId) -> Vec<String> {
    ["", "status=all", "status=all&sort=tenant", "status=all&charts=1", "hidden=all&status=all", "size=200", "since=7d"]
        .map(str::to_owned)
        .into_iter()
        .chain(["tenant", "title", "detector", "user", "device", "owner"].map(|by| format!("status=all&by={by}")))
        .chain(
            ["q", "tag", "owner", "group", "title", "detector", "category", "entity", "find", "name", "text", "actor"]
                .map(|name| format!("status=all&{name}={ASKED}")),
        )
        .chain([
            format!("tenant={foreign}"),
            format!("status=all&tenant={foreign}&not=tenant"),
            "q=can&status=all".into(),
            "q=shared&status=all".into(),
        ])
        .collect()
}

/// Everybody who may see one tenant alone, or none.
async fn readers(scene: &Scene) -> Vec<(String, Visitor)> {
    let mut readers = Vec::new();
    for role in [Role::Viewer, Role::Analyst, Role::Lead] {
        scene.app.forget_attempts().await;
        readers.push((role.to_string(), scene.app.sign_in_for(role, &[scene.own]).await));
    }
    readers.push(("a lead of no tenant".to_owned(), scene.app.sign_in_for(Role::Lead, &[]).await));
    readers
}

/// Pages on which an administrator meets the mark.
const MET: &[&str] = &[
    "/",
    "/incidents",
    "/alerts",
    "/incidents/{id}",
    "/alerts/{id}",
    "/incidents/export.csv",
    "/alerts/export.json",
    "/tenants",
    "/tenants/{tenant}",
    "/devices",
    "/devices/{device}",
    "/hunting/{hunt}",
    "/suppressions",
    "/suppressions/{id}",
    "/admin/tenants",
    "/tenants/{tenant}/changes",
    "/tenants/{tenant}/consent",
    "/incidents/{id}/preview",
    "/shift",
];

#[tokio::test]
async fn nobody_meets_another_tenants_words_in_any_page_list_file_count_or_suggestion() {
    let mut scene = Scene::start().await;
    let admin = scene.app.sign_in(Role::Admin).await;
    let readers = readers(&scene).await;
    let (mut met, mut asked) = (BTreeSet::new(), 0);
    for (route, method, ..) in ROUTES.iter().filter(|(route, ..)| !["/live", "/logout"].contains(route)) {
        let (own, theirs, nobodys) = (scene.of(scene.own, route).await, scene.of(scene.foreign, route).await, unknown(route));
        let questions = if *method == GET && !route.contains('{') { questions(scene.foreign) } else { vec![String::new()] };
        for (n, (who, reader)) in readers.iter().enumerate() {
            // Whoever may most asks everything, and the others a part of it, each another one.
            let all = questions.iter().enumerate().filter(|(at, _)| who == "lead" || at % readers.len() == n);
            for (_, question) in all {
                let [own, theirs, nobodys] = [&own, &theirs, &nobodys].map(|path| format!("{path}?{question}"));
                let ask = async |path: &str| if *method == GET { reader.get(path).await } else { reader.post_form(path, &[]).await };
                let (theirs, of_theirs) = (ask(&theirs).await, theirs);
                asked += 1;
                if question.contains(ASKED) {
                    // What was asked for comes back in the fields; beside that, it is as if nobody had it.
                    let other = ask(&of_theirs.replace(ASKED, NOBODYS)).await;
                    let theirs = plain(&theirs, &of_theirs).replace(ASKED, NOBODYS);
                    assert_same(&theirs, &plain(&other, &of_theirs), &format!("{who}: {method} {of_theirs}"));
                    continue;
                }
                assert!(!has(&theirs, FOREIGN), "{who}: {method} {of_theirs}\n{}", theirs.html);
                if route.contains('{') {
                    let of_nobody = ask(&nobodys).await;
                    assert_eq!(theirs.status, of_nobody.status, "{who}: {method} {of_theirs}");
                    assert_same(&plain(&theirs, &of_theirs), &plain(&of_nobody, &nobodys), &format!("{who}: {method} {of_theirs}"));
                    let mine = ask(&own).await;
                    assert!(!has(&mine, FOREIGN), "{who}: {method} {own}\n{}", mine.html);
                    assert!(*method != GET || !mine.status.is_server_error(), "{who}: {own}: {}", mine.html);
                }
                assert!(!theirs.status.is_server_error(), "{who}: {of_theirs}: {}", theirs.html);
            }
        }
        if *method == GET && has(&admin.get(&format!("{theirs}?status=all")).await, FOREIGN) {
            met.insert(*route);
        }
    }
    let missing: Vec<_> = MET.iter().filter(|route| !met.contains(**route)).collect();
    assert!(
        missing.is_empty() && asked > 1_500,
        "not even an administrator meets the mark at {missing:?}; {asked} were asked; met at {met:?}"
    );
}

#[tokio::test]
async fn no_call_of_the_api_tells_another_tenants_words_or_that_an_id_is_its_own() {
    let mut scene = Scene::start().await;
    let admin = Program::of(&scene.app, Role::Admin, None).await;
    let mut met = BTreeSet::new();
    for (method, path) in described(&scene.app).await.into_iter().filter(|(method, _)| *method == Method::GET) {
        let (own, theirs, nobodys) = (scene.of(scene.own, &path).await, scene.of(scene.foreign, &path).await, unknown(&path));
        for role in [Role::Viewer, Role::Analyst, Role::Lead] {
            let program = Program::of(&scene.app, role, Some(&[scene.own])).await;
            let questions = if path.contains('{') { vec![String::new()] } else { questions(scene.foreign) };
            for question in questions.iter().map(|question| question.replace("status=all&", "")) {
                if question.contains(ASKED) {
                    let ask = async |word| {
                        let at = format!("{own}?{}", question.replace(ASKED, word));
                        plain(&program.answer(method.clone(), &at, None).await, &own)
                    };
                    assert_same(&ask(ASKED).await.replace(ASKED, NOBODYS), &ask(NOBODYS).await, &format!("{role} {own}?{question}"));
                    continue;
                }
                for at in [&own, &theirs] {
                    let reply = program.answer(method.clone(), &format!("{at}?{question}"), None).await;
                    assert!(!has(&reply, FOREIGN) && !reply.status.is_server_error(), "{role} {at}?{question}\n{}", reply.html);
                }
            }
            if path.contains('{') {
                let of_theirs = program.answer(method.clone(), &theirs, None).await;
                let of_nobody = program.answer(method.clone(), &nobodys, None).await;
                assert_eq!(of_theirs.status, of_nobody.status, "{role} {theirs}");
                assert_same(&plain(&of_theirs, &theirs), &plain(&of_nobody, &nobodys), &format!("{role} {theirs}"));
            }
        }
        if has(&admin.answer(method, &theirs, None).await, FOREIGN) {
            met.insert(path);
        }
    }
    for path in
        ["/incidents", "/incidents/{id}", "/alerts/{id}", "/devices/{id}", "/tenants", "/hunts/{id}", "/suppressions/{id}", "/coverage"]
    {
        assert!(met.contains(path), "not even an administrator meets the mark at {path}: {met:?}");
    }
}

#[tokio::test]
async fn a_foreign_id_takes_as_long_as_an_unknown_one() {
    let scene = Scene::start().await;
    let analyst = scene.app.sign_in_for(Role::Analyst, &[scene.own]).await;
    for kind in ["incidents", "alerts", "devices", "tenants"] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..100 {
            // In turn, so that whatever else the machine does falls on both.
            for (id, times) in [scene.foreign.0, Uuid::now_v7()].into_iter().zip(&mut times) {
                let begun = Instant::now();
                analyst.get(&format!("/{kind}/{id}")).await;
                times.push(begun.elapsed());
            }
        }
        let [foreign, nobodys] = times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 5].as_secs_f64() // what else the machine does only ever adds
        });
        assert!((foreign / nobodys - 1.0).abs() < 0.5, "{kind}: {foreign} s and {nobodys} s for the faster fifth");
    }
}
