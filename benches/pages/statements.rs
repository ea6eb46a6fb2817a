//! What the database was asked, and how long each answer took, as sqlx tells its log.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

static LISTENING: AtomicBool = AtomicBool::new(false);
static HEARD: Mutex<Vec<Statement>> = Mutex::new(Vec::new());

#[derive(Clone, Debug, Default)]
pub struct Statement {
    pub text: String,
    pub seconds: f64,
}

struct Ear;

pub fn install() {
    let targets = tracing_subscriber::filter::Targets::new().with_target("sqlx::query", tracing::Level::DEBUG);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Ear.with_filter(targets))).unwrap();
}

/// Begins to listen.
pub fn begin() {
    HEARD.lock().unwrap().clear();
    LISTENING.store(true, Ordering::SeqCst);
}

/// Stops, and tells what was heard.
pub fn end() -> Vec<Statement> {
    LISTENING.store(false, Ordering::SeqCst);
    std::mem::take(&mut *HEARD.lock().unwrap())
}

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if LISTENING.load(Ordering::SeqCst) {
            let mut statement = Statement::default();
            event.record(&mut statement);
            HEARD.lock().unwrap().push(statement);
        }
    }
}

impl Visit for Statement {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.seconds = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let is_whole = field.name() == "db.statement" && !value.is_empty();
        if is_whole || (field.name() == "summary" && self.text.is_empty()) {
            value.clone_into(&mut self.text);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
