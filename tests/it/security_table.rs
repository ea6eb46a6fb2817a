//! `SECURITY.md` says of each rule and each threat how it stands, and whatever it names as proof is a test that exists and is run.

use std::collections::BTreeMap;
use std::path::Path;

const STATES: [&str; 3] = ["holds", "partly", "open"];

/// A file of the project; empty where there is none.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default()
}

/// The ids that have a row each.
fn expected() -> Vec<String> {
    (1..=50).map(|rule| rule.to_string()).chain((1..=20).map(|threat| format!("T{threat}"))).collect()
}

/// Whether there is this test: `limits::some_test` stands in `tests/it/limits.rs`, `src/config.rs::some_test` in that file.
pub fn is_test(name: &str) -> bool {
    let Some((file, function)) = name.rsplit_once("::") else { return false };
    let text = if file.starts_with("src/") {
        read(file)
    } else if read("tests/it/main.rs").lines().any(|line| line == format!("mod {file};")) {
        read(&format!("tests/it/{file}.rs"))
    } else {
        return false; // nobody compiles it
    };
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            let rest = lines.find_map(|line| Some(line.split_once("fn ")?.1));
            if rest.and_then(|rest| rest.split('(').next()) == Some(function) {
                return true;
            }
        }
    }
    false
}

/// What is wrong with one row behind its id: rule, state, proof, and what is missing.
fn faults_in_row(cells: &[&str]) -> Vec<String> {
    let [rule, state, proof, gap] = *cells else { return vec![format!("a row has five cells, not {}", cells.len() + 1)] };
    let is_empty = |cell: &str| cell.trim_matches(['–', '-', ' ']).is_empty();
    let mut faults = Vec::new();
    if is_empty(rule) {
        faults.push("it does not say what it is about".to_owned());
    }
    if !STATES.contains(&state) {
        faults.push(format!("{state:?} is none of {STATES:?}"));
    }
    let names = quoted(proof);
    if state != "open" && names.is_empty() {
        faults.push("it names no test".to_owned());
    }
    faults.extend(names.into_iter().filter(|name| !is_test(name)).map(|name| format!("there is no test {name}")));
    if state != "holds" && is_empty(gap) {
        faults.push("it does not say what is missing".to_owned());
    }
    faults
}

fn faults(document: &str) -> Vec<String> {
    let (mut faults, mut rows) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for line in document.lines().map(str::trim).filter(|line| line.starts_with('|')) {
        let line = line.strip_prefix('|').unwrap_or(line);
        let cells: Vec<&str> = line.strip_suffix('|').unwrap_or(line).split('|').map(str::trim).collect();
        let (id, rest) = (cells[0], &cells[1..]);
        if ["Rule", "Threat"].contains(&id) || id.starts_with("---") {
            continue;
        }
        *rows.entry(id).or_default() += 1;
        faults.extend(faults_in_row(rest).into_iter().map(|fault| format!("{id}: {fault}")));
    }
    for id in expected() {
        match rows.remove(id.as_str()) {
            Some(1) => {}
            Some(count) => faults.push(format!("{id}: {count} rows")),
            None => faults.push(format!("{id}: no row")),
        }
    }
    faults.extend(rows.keys().map(|id| format!("{id}: there is no such rule or threat")));
    faults
}

/// What stands below a heading, up to the next one of its kind.
fn section(document: &str, heading: &str) -> String {
    let kind = heading.split(' ').next().unwrap_or_default();
    let below = document.split(&format!("\n{heading}\n")).nth(1).unwrap_or_default();
    below.split(&format!("\n{kind} ")).next().unwrap_or_default().to_owned()
}

#[test]
fn each_rule_and_threat_has_one_row_that_says_how_it_stands_and_names_tests_that_exist() {
    assert_eq!(faults(&section(&read("SECURITY.md"), "## What is guaranteed")), Vec::<String>::new());
}

/// Every text in backticks.
pub fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn each_table_of_the_database_is_in_one_class_of_what_is_held() {
    let document = section(&read("SECURITY.md"), "### What it holds");
    let rows = document.lines().filter(|line| line.starts_with('|')).skip(2);
    let mut told: Vec<&str> = rows.flat_map(|row| quoted(row.split('|').nth(2).unwrap_or_default())).collect();
    let migrations = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")).unwrap();
    let text: String = migrations.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let made = text.lines().filter_map(|line| line.strip_prefix("create ")?.trim_start_matches("unlogged ").strip_prefix("table "));
    let mut made: Vec<&str> = made.filter_map(|rest| rest.split([' ', '(']).next()).collect();
    told.sort_unstable();
    made.sort_unstable();
    assert!(made.len() > 50, "{made:?}");
    assert_eq!(told, made);
}

#[test]
fn each_host_that_may_be_called_is_in_the_list_for_firewalls() {
    let document = section(&read("SECURITY.md"), "### Connections");
    let told = quoted(&document);
    let hosts_of = |file: &str, name: &str| -> Vec<String> {
        let source = read(file);
        let list = source.split(&format!("const {name}: ")).nth(1).and_then(|rest| rest.split(';').nth(1)).unwrap_or_default().to_owned();
        list.split('"').skip(1).step_by(2).map(|host| if host.starts_with('.') { format!("*{host}") } else { host.to_owned() }).collect()
    };
    let lists =
        [("src/microsoft/clouds.rs", "HOSTS", 9), ("src/microsoft/clouds.rs", "SUFFIXES", 7), ("src/microsoft/azure.rs", "VAULTS", 2)];
    for (file, name, count) in lists {
        let hosts = hosts_of(file, name);
        assert_eq!(hosts.len(), count, "{name}: {hosts:?}");
        for host in hosts {
            assert!(told.contains(&host.as_str()), "{host} of {name} is not in the list");
        }
    }
}

#[test]
fn each_way_in_which_the_table_can_be_wrong_is_found() {
    const PROOF: &str = "`security_table::each_way_in_which_the_table_can_be_wrong_is_found`";
    let row = |id: &str| {
        format!("| {id} | Something. | holds | {PROOF}, `src/auth/form_tokens.rs::a_token_is_good_for_its_own_session_and_path_only` | – |")
    };
    let good: Vec<String> = expected().iter().map(|id| row(id)).collect();
    let good = format!("| Rule | What | State | Proof | Missing |\n|---|---|---|---|---|\n{}\n", good.join("\n"));
    assert_eq!(faults(&good), Vec::<String>::new());
    let seven = row("7");
    for (broken, found) in [
        (String::new(), "7: no row"),
        (format!("{seven}\n{seven}"), "7: 2 rows"),
        (format!("{seven}\n{}", row("51")), "51: there is no such rule or threat"),
        (seven.replace("holds", "mostly").replace('–', "All."), "7: \"mostly\" is none of"),
        (seven.replace("Something.", ""), "7: it does not say what it is about"),
        (seven.replace('`', ""), "7: it names no test"),
        (seven.replace('`', "").replace("holds", "partly").replace('–', "All."), "7: it names no test"),
        (seven.replace("can_be_wrong", "is_never_wrong"), "7: there is no test security_table::each_way_in_which_the_table_is_never_wrong"),
        (seven.replace("`security_table::", "`nowhere::"), "7: there is no test nowhere::"),
        (seven.replace(PROOF, "`security_table::faults`"), "7: there is no test security_table::faults"),
        (seven.replace("src/auth/form_tokens.rs", "src/auth/secret.rs"), "7: there is no test src/auth/secret.rs::"),
        (seven.replace("holds", "partly"), "7: it does not say what is missing"),
        ("| 7 | Something. | open | – | – |".to_owned(), "7: it does not say what is missing"),
        ("| 7 | Something. | open | Nobody. |".to_owned(), "7: a row has five cells, not 4"),
    ] {
        let told = faults(&good.replace(&seven, &broken));
        assert!(told.len() == 1 && told[0].starts_with(found), "{broken}: {told:?}");
    }
}
