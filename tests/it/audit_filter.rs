//! The audit page offers a filter for whatever is recorded, and none that finds nothing; what it finds can be saved whole.

use crate::api::Program;
use crate::app::TestApp;
use crate::staff;
use axum::http::StatusCode;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use watchfloor::model::{Role, clock};
use watchfloor::store::audit::{Actor, Event, record};

/// The names of events in the source: `noun.verb` in the files that record any, and the one word `login`.
fn events(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            events(&path, names);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.contains(".event(") || text.contains("Event::new(") {
            names.extend(text.split('"').filter(|word| is_event(word)).map(str::to_owned));
        }
    }
}

fn is_event(word: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let verb = |part: &str| (plain(part) && part != "html") || (part.starts_with('{') && part.ends_with('}'));
    word == "login" || word.split_once('.').is_some_and(|(noun, rest)| plain(noun) && verb(rest))
}

#[tokio::test]
async fn every_event_is_found_by_a_filter_and_every_filter_finds_an_event() {
    let mut names = BTreeSet::new();
    events(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    assert!(names.len() > 40 && names.contains("change.{}") && names.contains("login"), "{names:?}");
    let app = TestApp::start().await;
    let admin = app.sign_in(Role::Admin).await;
    let page = admin.get("/admin/audit").await.assert_success();
    let document = scraper::Html::parse_document(&page.html);
    let options = scraper::Selector::parse("select[name=action] option").unwrap();
    let offered: Vec<&str> =
        document.select(&options).filter_map(|option| option.value().attr("value")).filter(|v| !v.is_empty()).collect();
    let missed: Vec<&String> = names.iter().filter(|name| !offered.iter().any(|start| name.starts_with(start))).collect();
    assert!(missed.is_empty(), "no filter finds {missed:?}");
    let idle: Vec<&&str> = offered.iter().filter(|start| !names.iter().any(|name| name.starts_with(**start))).collect();
    assert!(idle.is_empty(), "nothing is recorded as {idle:?}");
}

#[tokio::test]
async fn a_filter_finds_what_it_says_and_the_file_holds_all_of_it() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let admin = app.sign_in(Role::Admin).await;
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    for n in 0..1_100 {
        let event = Event::new(Actor::System("sync"), "sync.asked").tenant(tenant).object(format!("=cmd {n}"));
        record(&mut tx, if n == 7 { event.refused() } else { event }).await.unwrap();
    }
    tx.commit().await.unwrap();
    let rows = async |query: &str| admin.get(&format!("/admin/audit{query}")).await.assert_success().texts("tbody tr").len();
    assert_eq!(rows("?action=sync.").await, 100);
    assert_eq!(rows("?action=sync.&result=refused").await, 1);
    assert_eq!(rows("?actor=SYN&result=refused").await, 1);
    assert_eq!(rows("?actor=nobody").await, 0);
    let today = clock::now().date_naive();
    assert_eq!(rows(&format!("?actor=sync&result=refused&from={today}&to={today}")).await, 1, "the last day is in it");
    assert_eq!(rows(&format!("?actor=sync&to={}", today.pred_opt().unwrap())).await, 0);
    for wrong in ["?result=maybe", "?from=yesterday", "?before=x", "?tenant=x", "?action=A", "?actor=%00", "?to=9999999-01-01"] {
        assert_eq!(admin.get(&format!("/admin/audit{wrong}")).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let file = admin.get("/admin/audit/export.csv?actor=sync").await.assert_success();
    assert_eq!(file.html.lines().count(), 1_101, "with its head");
    assert!(file.html.contains("\"'=cmd 1099\"") && !file.html.contains("\"=cmd"), "nothing a spreadsheet would run");
    assert_eq!(rows("?action=audit.exported").await, 1);
}

#[tokio::test]
async fn a_row_bears_the_number_that_its_requests_answer_bears() {
    let app = staff::portal().await;
    let of = async |action: &'static str| {
        let mut tx = app.db.web.all_tenants().await.unwrap();
        let query =
            sqlx::query_scalar::<_, Option<String>>("select request_id from audit_log where action = $1 order by audit_id desc limit 1");
        query.bind(action).fetch_one(&mut *tx).await.unwrap()
    };
    let admin = app.sign_in(Role::Admin).await;
    let reply = admin.post_form("/logout", &[]).await;
    assert_eq!(of("session.logout").await.unwrap(), reply.headers["x-request-id"].to_str().unwrap());
    // An answer from Microsoft is taken in a task of its own, and is a part of its request all the same.
    let mut ann = staff::Browser::new(&app);
    let reply = ann.sign_in("ann@watchers.example").await;
    let number = of("login.entra").await.unwrap();
    assert_eq!(number, reply.headers["x-request-id"].to_str().unwrap());
    // Programs and files tell it; what no request did has none.
    let mut tx = app.db.worker.no_tenant().await.unwrap();
    record(&mut tx, Event::new(Actor::System("test"), "test.job")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(of("test.job").await, None);
    let (_, list) = Program::of(&app, Role::Admin, None).await.get("/audit?action=login.entra").await;
    assert_eq!(list["data"][0]["request"], json!(number));
    let file = app.sign_in(Role::Admin).await.get("/admin/audit/export.csv?action=login.").await.assert_success().html;
    assert!(file.contains(&number), "{file}");
}
