//! `tests/ASVS.md` says of each requirement how it stands, once; its sum is right, and the tests that it names exist and are run.

use crate::security_table::{is_test, quoted, read};
use std::collections::BTreeMap;
use std::path::Path;

const STATES: [&str; 4] = ["met", "partly", "not met", "does not apply"];

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect()
}

fn faults(document: &str) -> Vec<String> {
    let (mut faults, mut seen, mut counts) = (Vec::new(), BTreeMap::<String, usize>::new(), [0_usize; 4]);
    for line in document.lines().filter(|line| line.starts_with("| ") && line.as_bytes().get(2).is_some_and(u8::is_ascii_digit)) {
        let [ids, asks, state, evidence] = cells(line)[..] else {
            faults.push(format!("{line}: not four cells"));
            continue;
        };
        let Some(place) = STATES.iter().position(|known| *known == state) else {
            faults.push(format!("{ids}: {state:?} is none of {STATES:?}"));
            continue;
        };
        for id in ids.split(", ") {
            *seen.entry(id.to_owned()).or_default() += 1;
            counts[place] += 1;
        }
        if asks.is_empty() || evidence.is_empty() {
            faults.push(format!("{ids}: an empty cell"));
        }
        for name in quoted(evidence) {
            let is_file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists();
            if name.contains("::") && !is_test(name) || name.starts_with("src/") && !name.contains("::") && !is_file {
                faults.push(format!("{ids}: there is no {name}"));
            }
        }
    }
    faults.extend(seen.iter().filter(|(_, count)| **count != 1).map(|(id, count)| format!("{id}: {count} rows")));
    let sum = format!("| both | {} | {} | {} | {} | 253 |", counts[0], counts[1], counts[2], counts[3]);
    if counts.iter().sum::<usize>() != 253 || !document.contains(&sum) {
        faults.push(format!("it should say {sum}"));
    }
    faults
}

#[test]
fn each_requirement_has_one_row_that_says_how_it_stands_and_names_tests_that_exist() {
    assert_eq!(faults(&read("tests/ASVS.md")), Vec::<String>::new());
}

#[test]
fn each_way_in_which_the_list_can_be_wrong_is_found() {
    let good = read("tests/ASVS.md");
    let row = good.lines().find(|line| line.starts_with("| 4.1.1 |")).unwrap();
    for (broken, found) in [
        (String::new(), "it should say"),
        (format!("{row}\n{row}"), "4.1.1: 2 rows"),
        (row.replace("| met |", "| nearly |"), "4.1.1: \"nearly\" is none of"),
        (row.replace("| met |", "| not met |"), "it should say"),
        (row.replace("sessions::every", "sessions::no"), "4.1.1: there is no sessions::no"),
    ] {
        let told = faults(&good.replace(row, &broken));
        assert!(told.iter().any(|fault| fault.starts_with(found)), "{broken}: {told:?}");
    }
}
