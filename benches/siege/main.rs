//! What strangers can do to those who work: `cargo bench --bench siege -- [--seconds 300] [--rate 200] [--idle 10000] [--slow 2000]
//! [--pages 20] [--peace 60]`.
//!
//! The demo runs as a process of its own, and one of its people looks at the queue so many times a second, whatever comes: first in peace, then
//! while strangers from two thousand addresses try to sign in, half of them by that person's name, then while they hold connections open that say
//! nothing or very little, and open each anew that is closed. Told are the pages' median and 95th percentile beside those in peace, answers
//! that were none, how long after the end of it the person's own password opens the door again, and the most memory that the process took.
//! `--seconds` is how long each of the two lasts, and `--peace` how long it is quiet before each.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on should stop, and its output is its purpose"
)]

mod demo;
mod strangers;

use demo::Demo;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The bar of security: pages at most twice as slow, fifteen minutes without the owner at most, so many MiB.
const BARS: (f64, Duration, u64) = (2.0, Duration::from_secs(15 * 60), 512);

pub fn number(name: &str, default: u32) -> u32 {
    let arguments: Vec<String> = std::env::args().collect();
    let text = arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
    text.map_or(default, |text| text.parse().unwrap())
}

/// How long pages took, in milliseconds, and how many were none.
#[derive(Default)]
struct Pages {
    times: Vec<f64>,
    failed: usize,
}

impl Pages {
    fn at(&mut self, percent: usize) -> f64 {
        self.times.sort_by(f64::total_cmp);
        self.times[(self.times.len() * percent / 100).min(self.times.len() - 1)]
    }

    fn tell(&mut self, what: &str, peace: Option<f64>) {
        let (median, late) = (self.at(50), self.at(95));
        let times = peace.map_or(String::new(), |peace| format!(", {:.2} × peace (bar {:.0} ×)", late / peace, BARS.0));
        println!("{what:<34} {:>6} pages, p50 {median:>6.1} ms, p95 {late:>6.1} ms{times}, {} failed", self.times.len(), self.failed);
    }
}

/// The queue, asked for at an even pace that does not wait for answers.
async fn look(demo: &Arc<Demo>, cookie: &str, time: Duration) -> Pages {
    let pages = Arc::new(Mutex::new(Pages::default()));
    let mut tick = tokio::time::interval(Duration::from_secs(1) / number("--pages", 20));
    let (end, mut running) = (Instant::now() + time, tokio::task::JoinSet::new());
    while Instant::now() < end {
        tick.tick().await;
        let (demo, cookie, pages) = (demo.clone(), cookie.to_owned(), pages.clone());
        running.spawn(async move {
            let begun = Instant::now();
            let good = demo.page("/incidents", &cookie).await;
            let mut pages = pages.lock().await;
            pages.times.push(begun.elapsed().as_secs_f64() * 1_000.0);
            pages.failed += usize::from(!good);
        });
    }
    while running.join_next().await.is_some() {}
    std::mem::take(&mut *pages.lock().await)
}

fn tell_memory(demo: &Demo) {
    println!("{:<34} {:>6} MiB at most until here (bar {})", "", demo.most_memory(), BARS.2);
}

#[tokio::main]
async fn main() {
    demo::open_many();
    let demo = Arc::new(Demo::start());
    let time = Duration::from_secs(number("--seconds", 300).into());
    let quiet = Duration::from_secs(number("--peace", 60).into());
    let cookie = demo.enter([127, 0, 0, 9]).await.expect("the owner gets in");
    look(&demo, &cookie, Duration::from_secs(5)).await;
    let mut peace = look(&demo, &cookie, quiet).await;
    peace.tell("in peace", None);
    tell_memory(&demo);
    let late = peace.at(95);

    let attempts = Arc::new(AtomicUsize::new(0));
    let guessing = tokio::spawn(strangers::guess(demo.clone(), number("--rate", 200), attempts.clone()));
    let mut guessed = look(&demo, &cookie, time).await;
    guessing.abort();
    guessed.tell(&format!("{} attempts to sign in", attempts.load(Ordering::Relaxed)), Some(late));
    tell_memory(&demo);

    let shut_out = Instant::now();
    let waiting = tokio::spawn({
        let demo = demo.clone();
        async move {
            let mut from = 10;
            while demo.enter([127, 0, 0, from]).await.is_none() {
                from = if from == 250 { 10 } else { from + 1 };
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            shut_out.elapsed()
        }
    });
    let mut peace = look(&demo, &cookie, quiet).await;
    peace.tell("in peace again", None);
    let late = peace.at(95);
    let held = Arc::new(AtomicUsize::new(0));
    let holding = tokio::spawn(strangers::hold(demo.clone(), number("--idle", 10_000), number("--slow", 2_000), held.clone()));
    let mut beside = look(&demo, &cookie, time).await;
    holding.abort();
    beside.tell(&format!("{} connections, again and again", held.load(Ordering::Relaxed)), Some(late));
    tell_memory(&demo);
    println!("the owner gets in {} s after the last attempt (bar {} s)", waiting.await.unwrap().as_secs(), BARS.1.as_secs());
}
