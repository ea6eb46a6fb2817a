//! People who work the queue of a large data set together, while new incidents arrive: `cargo bench --bench desk -- [--analysts 50]
//! [--seconds 180] [--think 2] [--arrivals 60000] [--tenants 2000] [--alerts 5000000] [--incidents 1000000] [--data DIR]`.
//!
//! Beside the data set of `pages` stand twenty tenants of the stand-in for Microsoft, whose incidents are worked on: portal, worker, database
//! and stand-in share the machine. Each analyst opens the queue, filters it, looks at an incident, takes it and closes it, with a pause of
//! `think` seconds in the mean before each step; they choose among the first few, so that they often meet. `arrivals`: new incidents a day.
//! Told are how long each step takes, and what must not be: an answer that is an error, a page that is not understood, a change that is not
//! at Microsoft as the database says, one that was lost or does not end, an incident that two people took from the same page, a form that
//! was refused and left something behind, or to which nobody was faster. Without a taking, a closing and a refusal nothing is proven.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on should stop, and its output is its purpose")]

mod analyst;
mod check;
mod customers;
#[path = "../pages/data.rs"]
mod data;
#[path = "../pages/portal.rs"]
mod portal;

use analyst::Notes;
use data::Size;
use portal::Portal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use watchfloor::config;
use watchfloor::model::Role;
use watchfloor::store::embedded::{Embedded, Kind, temporary_dir};
use watchfloor::store::{Db, DbRole};
use watchfloor::sync::engine;

fn text(name: &str) -> Option<String> {
    let arguments: Vec<String> = std::env::args().collect();
    arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned()
}

fn number(name: &str, default: u32) -> u32 {
    text(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::main]
async fn main() {
    let size = Size {
        tenants: number("--tenants", 2_000).try_into().unwrap(),
        alerts: number("--alerts", 5_000_000).try_into().unwrap(),
        incidents: number("--incidents", 1_000_000).try_into().unwrap(),
        seed: 1,
    };
    let server = match text("--data").map(PathBuf::from) {
        Some(dir) => Embedded::start(&dir, Kind::Kept).await.unwrap(),
        None => Embedded::start(&temporary_dir(), Kind::Temporary).await.unwrap(),
    };
    let owner = data::prepare(&server, size).await;
    let (cloud, apps, microsoft) = customers::start().await;
    let portal = Portal::start(owner.clone(), apps, microsoft.clone()).await;
    let worker = Db::connect(owner, DbRole::Worker, 20).await.unwrap();
    customers::register(&worker).await;
    let stop = CancellationToken::new();
    let settings = config::Sync { interval: Duration::from_secs(20), ..config::Sync::default() };
    let working = tokio::spawn(engine::run(worker.clone(), microsoft, settings, stop.clone(), watchfloor::app::bulk::work));
    customers::wait_until_read(&worker).await;

    let (analysts, seconds) = (number("--analysts", 50), number("--seconds", 180));
    let think = Duration::from_secs(number("--think", 2).into());
    println!("{analysts} analysts for {seconds} s, {think:?} in the mean before each step");
    let until = Instant::now() + Duration::from_secs(seconds.into());
    let arriving = tokio::spawn(customers::arrive(Arc::clone(&cloud), number("--arrivals", 60_000), until));
    let mut people = tokio::task::JoinSet::new();
    for n in 0..analysts {
        let person = portal.person(Role::Analyst, &[]).await;
        people.spawn(analyst::work(person, worker.clone(), n, think, until));
    }
    let mut notes = Notes::default();
    while let Some(done) = people.join_next().await {
        notes.add(done.unwrap());
    }
    let arrived = arriving.await.unwrap();
    check::settle(&worker).await;
    notes.tell();
    println!("{arrived} incidents arrived meanwhile");
    let faults = check::against_ledger(&worker, &cloud, &notes).await;
    stop.cancel();
    working.await.unwrap().unwrap();
    assert!(faults == 0 && notes.errors == 0, "see above");
}
