//! The table of operations for people and the data the client works with are the same, and each row's test, page and call exist.

use crate::access::{pages, unnamed};
use crate::api::described;
use crate::app::TestApp;
use std::collections::BTreeSet;
use std::path::Path;
use watchfloor::microsoft::operations::{self, Way};
use watchfloor::model::change::deed;

const TABLE: &str = include_str!("../../src/microsoft/OPERATIONS.md");

struct Row<'a> {
    name: &'a str,
    call: &'a str,
    permissions: &'a str,
    limit: &'a str,
    page: &'a str,
    api: &'a str,
    test: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect::<Vec<_>>();
    let lines = TABLE.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| operation"));
    let row = |line| match cells(line)[..] {
        [name, call, permissions, limit, page, api, test] => Row { name, call, permissions, limit, page, api, test },
        ref other => panic!("a row has {} cells: {line}", other.len()),
    };
    lines.map(row).collect()
}

#[test]
fn the_table_names_every_operation_with_its_call_its_permissions_and_its_limit() {
    let of_client: Vec<_> = operations::all()
        .map(|operation| {
            let limit = format!("{} / {}", operation.budget.per_minute, operation.budget.per_hour);
            [operation.name.to_owned(), operation.call.to_owned(), operation.permissions.join(", "), limit]
        })
        .collect();
    let of_table: Vec<_> = rows().iter().map(|row| [row.name, row.call, row.permissions, row.limit].map(str::to_owned)).collect();
    assert_eq!(of_table, of_client);
}

/// Every function of the integration tests that is a test.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line.starts_with("#[tokio::test") || line == "#[test]" {
                let name = lines.find_map(|line| line.split("fn ").nth(1)?.split('(').next());
                names.extend(name.map(str::to_owned));
            }
        }
    }
    names
}

#[test]
fn each_operation_names_a_test_that_exists() {
    let tests = tests();
    assert!(tests.contains("each_operation_names_a_test_that_exists"), "this test finds itself");
    let without: Vec<_> =
        rows().into_iter().filter(|row| !tests.contains(row.test)).map(|row| format!("{}: {:?}", row.name, row.test)).collect();
    assert!(without.is_empty(), "{without:#?}");
}

#[tokio::test]
async fn each_operation_names_a_page_and_a_call_of_our_api_that_exist() {
    let app = TestApp::start().await;
    let calls: BTreeSet<String> = described(&app).await.iter().map(|(method, path)| format!("{method} {}", unnamed(path))).collect();
    let pages = pages();
    let mut wrong = Vec::new();
    for row in rows() {
        let asked_by_programs_alone = row.page == "–" && row.api == "POST /tenants/{id}/lookups";
        if !asked_by_programs_alone && !pages.contains(&unnamed(row.page)) {
            wrong.push(format!("{}: no page {:?}", row.name, row.page));
        }
        if !calls.contains(&unnamed(row.api)) {
            wrong.push(format!("{}: no call {:?}", row.name, row.api));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn whatever_is_changed_at_microsoft_has_words_for_people() {
    let changing = operations::all().filter(|operation| operation.way == Way::Write);
    let nameless: Vec<&str> = changing.map(|operation| operation.name).filter(|name| deed(name) == *name).collect();
    assert_eq!(nameless, [""; 0]);
}
