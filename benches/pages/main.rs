//! How long pages take over a large data set: `cargo bench --bench pages -- [--tenants 2000] [--alerts 5000000] [--incidents 1000000]
//! [--rounds 40] [--data DIR] [--only WORD] [--statements PATH [--forty]]`.
//!
//! Two databases are made (`data`): of the size asked for and of a tenth of it. In each round every page is asked for in both, one after the
//! other, with the floor page between them; so whatever else the machine does meets all alike. Told are the whole answer's median and 95th
//! percentile, and the one by the other; the sum of what its statements took as sqlx measured it, how often the bar holds it
//! (2 × (SQL + floor)), and how the SQL grew from the small data set; or the error that a page answers. `--data` keeps the databases for the
//! next run. `--statements` prints what one page asks, for somebody of all tenants or of forty, and how long each took in the median.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on should stop, and its output is its purpose")]

mod data;
mod floor;
mod pages;
mod portal;
mod statements;

use data::Size;
use pages::{People, Visit, Who};
use portal::{Person, Portal};
use reqwest::StatusCode;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use watchfloor::microsoft::Client;
use watchfloor::model::clock;
use watchfloor::store::embedded::{Embedded, Kind, temporary_dir};

struct Asked {
    size: Size,
    rounds: usize,
    data: Option<PathBuf>,
    only: Option<String>,
    statements: Option<String>,
    /// Whose statements are told.
    who: Who,
}

impl Asked {
    fn of_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let text = |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned();
        let number = |name: &str, default: i32| text(name).map_or(default, |text| text.parse().unwrap());
        Self {
            size: Size {
                tenants: number("--tenants", 2_000),
                alerts: number("--alerts", 5_000_000),
                incidents: number("--incidents", 1_000_000),
                seed: number("--seed", 1),
            },
            rounds: number("--rounds", 40).try_into().unwrap(),
            data: text("--data").map(PathBuf::from),
            only: text("--only"),
            statements: text("--statements"),
            who: if arguments.iter().any(|argument| argument == "--forty") { Who::Forty } else { Who::Admin },
        }
    }
}

/// What one page was measured at in one of the data sets, in milliseconds.
#[derive(Default)]
struct Times {
    whole: Vec<f64>,
    sql: Vec<f64>,
    /// What it answered instead of the page; it was not asked again.
    failed: Option<StatusCode>,
}

impl Times {
    fn note(&mut self, measured: Result<(f64, f64), StatusCode>) {
        match measured {
            Ok((whole, sql)) => {
                self.whole.push(whole);
                self.sql.push(sql);
            }
            Err(status) => self.failed = Some(status),
        }
    }
}

#[tokio::main]
async fn main() {
    statements::install();
    let asked = Asked::of_arguments();
    let server = match &asked.data {
        Some(dir) => Embedded::start(dir, Kind::Kept).await.unwrap(),
        None => Embedded::start(&temporary_dir(), Kind::Temporary).await.unwrap(),
    };
    let nobody = || Client::stand_in(([127, 0, 0, 1], 9).into(), &[], clock::now()).unwrap();
    let large = Portal::start(data::prepare(&server, asked.size).await, Vec::new(), nobody()).await;
    let tenth = Size { alerts: asked.size.alerts / 10, incidents: asked.size.incidents / 10, ..asked.size };
    let small = Portal::start(data::prepare(&server, tenth).await, Vec::new(), nobody()).await;
    if let Some(path) = &asked.statements {
        return tell_statements(People::new(&large).await.person(asked.who), path, asked.rounds).await;
    }
    let floor = floor::start(&large).await;
    let (large, small) = (People::new(&large).await, People::new(&small).await);
    let mut visits: Vec<(Visit, Visit)> = large.visits().await.into_iter().zip(small.visits().await).collect();
    if let Some(word) = &asked.only {
        visits.retain(|(visit, _)| visit.name.contains(word.as_str()));
    }
    let (mut floors, mut times): (Vec<f64>, Vec<_>) = (Vec::new(), visits.iter().map(|_| (Times::default(), Times::default())).collect());
    // The first rounds fill caches, and are not counted.
    for round in 0..asked.rounds + 3 {
        for ((visit, smaller), (in_large, in_small)) in visits.iter().zip(&mut times) {
            if in_large.failed.or(in_small.failed).is_some() {
                continue;
            }
            let (floor, _) = floor.get("/floor").await.unwrap();
            let measured = measure(large.person(visit.who), &visit.path).await;
            let in_tenth = measure(small.person(smaller.who), &smaller.path).await;
            if round >= 3 {
                floors.push(milliseconds(floor));
                in_large.note(measured);
                in_small.note(in_tenth);
            }
        }
    }
    tell(&visits, &mut times, &mut floors);
}

async fn measure(person: &Person, path: &str) -> Result<(f64, f64), StatusCode> {
    statements::begin();
    let answer = person.get(path).await;
    let sql: f64 = statements::end().iter().map(|statement| statement.seconds).sum();
    let (took, _) = answer?;
    Ok((milliseconds(took), sql * 1000.0))
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// The value that so many of a hundred do not exceed.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

fn tell(visits: &[(Visit, Visit)], times: &mut [(Times, Times)], floors: &mut [f64]) {
    let floor = percentile(floors, 50);
    println!("floor page: {floor:.2} ms, 95 %: {:.2} ms", percentile(floors, 95));
    println!(
        "{:<44} {:>8} {:>8} {:>7} {:>8} {:>6} {:>8} {:>6}",
        "page", "p50 ms", "p95 ms", "95 ÷ 50", "SQL p50", "× bar", "a tenth", "grew"
    );
    for ((visit, _), (large, small)) in visits.iter().zip(times) {
        if let Some(status) = large.failed.or(small.failed) {
            let size = if large.failed.is_some() { "large" } else { "small" };
            println!("{:<44} answered {status} in the {size} data set, after {} rounds", visit.name, large.whole.len());
            continue;
        }
        let (whole, sql, small_sql) = (percentile(&mut large.whole, 50), percentile(&mut large.sql, 50), percentile(&mut small.sql, 50));
        let slow = percentile(&mut large.whole, 95);
        println!(
            "{:<44} {whole:>8.2} {slow:>8.2} {:>7.2} {sql:>8.2} {:>6.2} {small_sql:>8.2} {:>6.2}",
            visit.name,
            slow / whole,
            whole / (2.0 * (sql + floor)),
            sql / small_sql
        );
    }
}

/// What one page asks, in the order of the last time, each with the median of what such a statement took.
async fn tell_statements(person: &Person, path: &str, rounds: usize) {
    let (mut took, mut last, mut answer): (BTreeMap<String, Vec<f64>>, Vec<String>, _) = (BTreeMap::new(), Vec::new(), None);
    for round in 0..rounds + 3 {
        statements::begin();
        answer = Some(person.get(path).await);
        last.clear();
        for statement in statements::end() {
            let text = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
            if round >= 3 {
                took.entry(text.clone()).or_default().push(statement.seconds * 1000.0);
            }
            last.push(text);
        }
    }
    for text in last {
        println!("{:>9.2} ms  {text}", took.get_mut(&text).map_or(0.0, |times| percentile(times, 50)));
    }
    match answer {
        Some(Ok((took, text))) => println!("{:>9.2} ms  the whole answer, the last time; {} bytes", milliseconds(took), text.len()),
        Some(Err(status)) => println!("the answer was {status}"),
        None => {}
    }
}
