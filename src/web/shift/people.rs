//! Who has how much to do, as the page shows it.

use crate::model::Severity;
use crate::store::shift::{Changes, OWNERS, Open, Resolved};
use crate::web::show::{capped, visible};
use std::collections::BTreeMap;
use url::form_urlencoded;

/// One owner, or nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// "Nobody", or the name as Microsoft or our log writes it.
    pub name: String,
    pub is_nobody: bool,
    /// It is the reader.
    pub is_reader: bool,
    open: i64,
    pub worst: Option<Severity>,
    pub resolved: i64,
    pub asked: i64,
    pub failed: i64,
    /// Every spelling of the name that has open incidents.
    spelled: Vec<String>,
}

impl Worker {
    /// "12" or "1,000+".
    pub fn open_text(&self) -> String {
        capped(self.open)
    }

    /// Their open incidents in the queue.
    pub fn queue(&self) -> Option<String> {
        let names = self.spelled.iter().map(String::as_str).chain(self.is_nobody.then_some("none"));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(names.map(|name| ("owner", name))).finish();
        (self.open > 0).then(|| format!("/incidents?{query}"))
    }
}

/// Nobody first, then who has most. Names are the same in any case, as Microsoft writes one person's in several.
pub fn workers(open: Vec<Open>, resolved: Vec<Resolved>, changes: Vec<Changes>, reader: &str) -> Vec<Worker> {
    let mut nobody = Worker { name: "Nobody".to_owned(), is_nobody: true, ..Worker::default() };
    let mut people: BTreeMap<String, Worker> = BTreeMap::new();
    let reader = reader.to_lowercase();
    let named = |key: &str, name: &str| Worker { name: visible(name), is_reader: key == reader, ..Worker::default() };
    for Open { owner, open, worst } in open {
        let Some(owner) = owner else {
            (nobody.open, nobody.worst) = (open, worst);
            continue;
        };
        let key = owner.to_lowercase();
        let worker = people.entry(key.clone()).or_insert_with(|| named(&key, &owner));
        worker.open += open;
        worker.worst = worker.worst.max(worst);
        worker.spelled.push(owner);
    }
    for Resolved { owner, resolved } in resolved {
        match owner {
            Some(key) => people.entry(key.clone()).or_insert_with(|| named(&key, &key)).resolved = resolved,
            None => nobody.resolved = resolved,
        }
    }
    for Changes { actor: key, asked, failed } in changes {
        let worker = people.entry(key.clone()).or_insert_with(|| named(&key, &key));
        (worker.asked, worker.failed) = (asked, failed);
    }
    let mut workers: Vec<Worker> = people.into_values().collect();
    workers.sort_by_key(|worker| std::cmp::Reverse((worker.open, worker.resolved + worker.asked)));
    workers.insert(0, nobody);
    workers
}

/// How many of them are shown beside nobody.
pub fn shown() -> usize {
    usize::try_from(OWNERS).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_is_one_row_however_the_name_is_written_and_nobody_stands_on_top() {
        let open = |owner: Option<&str>, open, worst| Open { owner: owner.map(str::to_owned), open, worst: Some(worst) };
        let workers = workers(
            vec![
                open(None, 1, Severity::Low),
                open(Some("Ann@x"), 2, Severity::Low),
                open(Some("ann@X"), 1001, Severity::High),
                open(Some("b c"), 5, Severity::Medium),
            ],
            vec![Resolved { owner: Some("ann@x".to_owned()), resolved: 7 }, Resolved { owner: None, resolved: 9 }],
            vec![Changes { actor: "zoe".to_owned(), asked: 3, failed: 1 }],
            "Zoe",
        );
        let told: Vec<_> = workers.iter().map(|w| (w.name.as_str(), w.open_text(), w.worst, w.resolved, w.asked, w.failed)).collect();
        assert_eq!(
            told,
            [
                ("Nobody", "1".to_owned(), Some(Severity::Low), 9, 0, 0),
                ("Ann@x", "1,000+".to_owned(), Some(Severity::High), 7, 0, 0),
                ("b c", "5".to_owned(), Some(Severity::Medium), 0, 0, 0),
                ("zoe", "0".to_owned(), None, 0, 3, 1),
            ]
        );
        let links: Vec<_> = workers.iter().map(Worker::queue).collect();
        let link = |query: &str| Some(format!("/incidents?{query}"));
        assert_eq!(links, [link("owner=none"), link("owner=Ann%40x&owner=ann%40X"), link("owner=b+c"), None]);
        assert_eq!(workers.iter().map(|worker| worker.is_reader).collect::<Vec<_>>(), [false, false, false, true]);
    }
}
