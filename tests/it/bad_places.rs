//! The same bad input in the other places that take any: files of tenants, the command line, and the forms of customers' pages.

use crate::app::TestApp;
use crate::bad_input::{forms_of, judge, samples};
use crate::commands::{portal_with_an_app, run};
use crate::guests;
use crate::program::Program;
use crate::registry::import;
use rustix::process::Signal;
use std::collections::BTreeSet;
use watchfloor::model::Role;
use watchfloor::model::import::COLUMNS;

/// A file in which each column holds the sample once, and a cell that is not closed.
fn files(sample: &str) -> Vec<String> {
    let quoted = format!("\"{}\"", sample.replace('"', "\"\""));
    let mut files: Vec<String> = COLUMNS
        .iter()
        .filter(|column| **column != "name")
        .map(|column| format!("name,{column}\r\nContoso {column},{quoted}\r\n"))
        .collect();
    files.extend([format!("name\r\n{quoted}\r\n"), format!("{quoted}\r\nContoso\r\n"), format!("name,notes\r\n{sample},\"{sample}")]);
    files
}

#[tokio::test]
async fn a_file_of_tenants_takes_bad_input_without_a_fault() {
    let app = TestApp::start().await;
    let lead = app.sign_in(Role::Lead).await;
    for sample in samples() {
        for file in files(&sample) {
            for decided in ["", "yes"] {
                let reply = import(&lead, &[("text", &file), ("import", decided)]).await;
                judge(&reply, &format!("{file:?} {decided}"));
            }
        }
    }
    let page = lead.get("/admin/tenants").await.assert_success();
    judge(&page, "the registry afterwards");
}

#[test]
fn the_command_line_takes_bad_input_without_a_fault() {
    let dir = portal_with_an_app();
    // Commands are quick beside a database that runs.
    let mut program = Program::start(&dir, &["serve", "--role", "web"]);
    program.line("There is no administrator yet");
    let judge = |args: &[&str]| {
        let (code, out, error) = run(&dir, args);
        assert!((0..=2).contains(&code), "{args:?}: {code} {error}");
        for word in ["panicked", "RUST_BACKTRACE", "src/", "PgDatabaseError"] {
            assert!(!error.contains(word) && !out.contains(word), "{args:?}: {error}");
        }
    };
    let mut all = String::from("name,notes\n");
    for sample in samples() {
        for file in files(&sample).iter().filter(|file| file.starts_with("name,notes")) {
            all += file.split_once("\r\n").unwrap().1;
        }
        // No argument holds a NUL.
        if !sample.contains('\0') {
            judge(&["tenant", "add", "--", &sample]);
        }
    }
    for sample in ["' or 1=1; --", "\u{202e}txt.exe", "../../../etc/passwd", "00000000-0000-0000-0000-000000000000", "-1"] {
        judge(&["tenant", "invite", "--", sample]);
        judge(&["user", "add", "--name", sample, "--role", "viewer", "--", sample]);
        judge(&["user", "disable", "--", sample]);
        judge(&["sync", "--tenant", sample]);
        judge(&["api-token", "create", "--name", sample, "--", sample]);
    }
    for (name, content) in [("bad.csv", all.into_bytes()), ("bytes.csv", vec![0xff, 0xfe, 0, 1, b'\n', 0x80]), ("empty.csv", Vec::new())] {
        std::fs::write(dir.join(name), content).unwrap();
        judge(&["tenant", "import", name]);
    }
    judge(&["tenant", "import", "nowhere.csv"]);
    judge(&["tenant", "list"]);
    assert!(program.stop(Signal::TERM).success());
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn the_forms_of_customers_pages_take_bad_input_without_a_fault() {
    let app = guests::portal().await;
    let contoso = guests::bound(&app, "Contoso").await;
    let incident = guests::incident(&app, contoso.tenant, "A case").await;
    guests::share(&app, contoso.tenant, incident, true).await;
    guests::person(&app, &contoso, "Eve", true).await;
    let (_, ada) = guests::person(&app, &contoso, "Ada", true).await;
    let mut forms = BTreeSet::new();
    for page in ["/customer".to_owned(), format!("/customer/incidents/{incident}"), "/customer/people".to_owned()] {
        let html = ada.get(&page).await.assert_success().html;
        for form in forms_of(&html).iter().filter(|form| form.action.starts_with("/customer/") && !form.action.contains("logout")) {
            forms.insert(form.action.clone());
            for (field, sample) in form.tries() {
                let reply = ada.post_form(&form.action, &form.filled(&field, &sample)).await;
                judge(&reply, &format!("{} of {page}: {field}={sample:?}", form.action));
            }
        }
    }
    assert!(forms.len() >= 2, "{forms:?}");
    for sample in samples().iter().filter(|sample| !sample.contains('\0')) {
        let asked =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("after", sample).append_pair("invite", sample).finish();
        for path in ["/customer/incidents", "/customer/login", "/login/customer", "/login/customer/callback"] {
            let path = format!("{path}?{asked}");
            if path.len() < 8_000 {
                judge(&ada.get(&path).await, &path);
            }
        }
    }
}
