//! A file of tenants: its rows are counted as editors count them, and no more than the most.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use watchfloor::model::Cloud;
use watchfloor::model::import::{MOST_ROWS, read};

fuzz_target!(|text: &str| {
    let Ok(rows) = read(text, &[("defender", Cloud::Commercial)], &BTreeSet::new(), &BTreeSet::new()) else { return };
    assert!(rows.len() <= MOST_ROWS);
    assert!(rows.iter().all(|row| row.line > 1 && row.line <= text.matches(['\n', '\r']).count() + 1), "{rows:?}");
    assert!(rows.windows(2).all(|pair| pair[0].line < pair[1].line), "{rows:?}");
});
