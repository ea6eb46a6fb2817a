//! The rules of the house that a compiler does not know, read from the source itself. ARCHITECTURE.md explains them.

use std::path::{Path, PathBuf};

/// Which floor a top-level module stands on. It may name lower floors only, never a neighbour; but `config` uses `model`'s words.
const FLOORS: &[(&str, u8)] = &[
    ("model", 0),
    ("config", 0),
    ("microsoft", 1),
    ("store", 1),
    ("demo", 1),
    ("sync", 2),
    ("auth", 2),
    ("app", 3),
    ("web", 4),
    ("cli", 5),
    ("main", 6),
];

/// Text that is at home in some modules only: what to look for, where it may stand.
const AT_HOME: &[(&str, &[&str])] = &[
    ("sqlx::query", &["store"]),
    ("sqlx::raw_sql", &["store"]),
    ("sqlx::Executor", &["store"]),
    ("query_as(", &["store"]),
    ("query_scalar(", &["store"]),
    ("reqwest::", &["microsoft", "auth"]),
    ("askama::", &["web"]),
    ("graphile_worker::", &["sync", "store"]),
    ("clap::", &["cli", "main"]),
];

/// Never, anywhere in our own text. Split, so that this file does not hold them itself.
const NOWHERE: &[&str] = &[concat!("#[al", "low("), concat!("#![al", "low("), concat!("/wo", "rk/"), concat!("sha", "red/")];

const LONGEST_FILE: usize = 300;

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// The path below `src`, as module names: `src/store/mod.rs` is `["store"]`, `src/web/queue.rs` is `["web", "queue"]`.
fn modules(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| *part != "mod").collect()
}

/// What follows `crate::` or enough `super::` to reach the crate's root, with one more name where there is one.
fn imports(path: &str, text: &str) -> Vec<String> {
    let depth = modules(path).len();
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    let to_root = "super::".repeat(depth);
    for start in ["crate::", "watchfloor::", to_root.as_str()] {
        for (at, _) in code.match_indices(start) {
            let rest = code[at + start.len()..].trim_start();
            if let Some(group) = rest.strip_prefix('{') {
                found.extend(top_level(group));
            } else {
                found.push(rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next().unwrap_or("").to_owned());
            }
        }
    }
    found
}

/// The members of a braced import up to its closing brace; what stands in inner braces stays with its member.
fn top_level(group: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(String::new()),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                members.last_mut().unwrap().push(c);
            }
        }
    }
    members.into_iter().map(|member| member.trim().to_owned()).filter(|member| !member.is_empty()).collect()
}

/// What is wrong with one source file.
fn faults_in_source(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let modules = modules(path);
    let own = modules[0];
    if let Some(own_floor) = floor(own) {
        for import in imports(path, text) {
            let (target, part) = import.split_once("::").unwrap_or((&import, ""));
            let Some(target_floor) = floor(target).filter(|_| target != own) else { continue };
            if target_floor >= own_floor && (own, target) != ("config", "model") {
                faults.push(format!("{path}: floor {own_floor} names {target} on floor {target_floor}"));
            }
            if own == "web" && target == "microsoft" && part.split("::").next() != Some("consent") {
                faults.push(format!("{path}: of microsoft, web may name consent only, not {import}"));
            }
        }
        for (word, homes) in AT_HOME {
            if text.contains(word) && !homes.contains(&own) {
                faults.push(format!("{path}: {word} is at home in {homes:?}"));
            }
        }
    } else if own != "lib" {
        faults.push(format!("{path}: the module {own} stands on no floor; add it to FLOORS and to ARCHITECTURE.md"));
    }
    faults.extend(too_long(path, text));
    faults
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let list = ["package-lock.json", "Cargo.lock", "ASVS.md"].iter().any(|name| path.ends_with(name));
    (lines > LONGEST_FILE && !list).then(|| format!("{path}: {lines} lines; split it by meaning"))
}

fn faults_in_template(path: &str, text: &str) -> Vec<String> {
    let spaceless: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut faults = Vec::new();
    if spaceless.contains("|safe") {
        faults.push(format!("{path}: |safe turns off escaping"));
    }
    for handler in ["onclick=", "onsubmit=", "onchange=", "onload=", "style=\"", "javascript:"] {
        if spaceless.contains(handler) {
            faults.push(format!("{path}: {handler} does not run under our content security policy"));
        }
    }
    faults
}

fn faults_in_migrations(names: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let numbered = name.starts_with(&format!("{:04}_", n + 1));
        let plain =
            name.strip_suffix(".sql").is_some_and(|stem| stem.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
        if !(numbered && plain) {
            faults.push(format!("migrations/{name}: expected {:04}_what_it_does.sql", n + 1));
        }
    }
    faults
}

fn faults_in_any(path: &str, text: &str) -> Vec<String> {
    NOWHERE.iter().filter(|word| text.contains(**word)).map(|word| format!("{path}: {word} has no place in the project")).collect()
}

/// Every file below `dir`, with its path from the project's root.
fn files(dir: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting = vec![root.join(dir)];
    let mut files = Vec::new();
    while let Some(next) = waiting.pop() {
        if next.is_dir() {
            waiting.extend(std::fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = std::fs::read_to_string(&next) {
            files.push((next.strip_prefix(root).unwrap().display().to_string(), text));
        }
    }
    files.sort();
    files
}

#[test]
fn the_source_keeps_the_rules_of_the_house() {
    let mut faults = Vec::new();
    for (path, text) in files("src") {
        faults.extend(faults_in_source(&path, &text));
        faults.extend(faults_in_any(&path, &text));
    }
    for (path, text) in files("tests") {
        faults.extend(too_long(&path, &text));
        faults.extend(faults_in_any(&path, &text));
    }
    for (path, text) in files("templates") {
        faults.extend(faults_in_template(&path, &text));
    }
    for place in
        ["migrations", "templates", "static", "script", ".ci", "Makefile", "README.md", "ARCHITECTURE.md", "watchfloor.example.toml"]
    {
        for (path, text) in files(place) {
            faults.extend(faults_in_any(&path, &text));
        }
    }
    let names: Vec<String> =
        files("migrations").iter().map(|(path, _)| PathBuf::from(path).file_name().unwrap().to_str().unwrap().to_owned()).collect();
    faults.extend(faults_in_migrations(&names));
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn each_broken_rule_is_found() {
    for (path, text) in [
        ("src/store/mod.rs", "use crate::web::page;"),
        ("src/store/audit.rs", "use crate::microsoft::token::Token;"),
        ("src/demo/mod.rs", "fn x() { crate::microsoft::xdr::read() }"),
        ("src/sync/read.rs", "use crate::{model::{TenantId, Scope}, auth::User};"),
        ("src/auth/mod.rs", "use super::sync;"),
        ("src/auth/oidc.rs", "use super::super::sync;"),
        ("src/model/ids.rs", "use crate::config::Config;"),
        ("src/app.rs", "use crate::web::routes;"),
        ("src/web/queue.rs", "use crate::microsoft::xdr;"),
        ("src/web/queue.rs", "use crate::{store, microsoft::{consent, token}};"),
        ("src/web/queue.rs", "sqlx::query(\"select 1\")"),
        ("src/cli/sync.rs", "sqlx::query_scalar(\"select 1\")"),
        ("src/sync/read.rs", "let client = reqwest::Client::builder();"),
        ("src/store/users.rs", "#[derive(askama::Template)]"),
        ("src/helpers.rs", ""),
        ("src/web/long.rs", "\n".repeat(301).as_str()),
    ] {
        assert!(!faults_in_source(path, text).is_empty(), "{path}: {text}");
    }
    for fine in [
        "use crate::{store::Db, model::Scope};",
        "use crate::microsoft::consent;",
        "// crate::cli may not be named",
        "use super::page::Page;",
    ] {
        assert_eq!(faults_in_source("src/web/queue.rs", fine), Vec::<String>::new());
    }
    assert!(!faults_in_template("templates/a.html", "{{ title | safe }}").is_empty());
    assert!(!faults_in_template("templates/a.html", "<a onclick=\"x()\">").is_empty());
    for names in [&["0001_a.sql", "0003_b.sql"][..], &["1_a.sql"], &["0001-a.sql"], &["0001_A.sql"], &["0001_a.txt"]] {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert!(!faults_in_migrations(&names).is_empty(), "{names:?}");
    }
    for word in NOWHERE {
        assert!(!faults_in_any("README.md", word).is_empty());
    }
}
