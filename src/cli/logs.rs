//! Where the log goes: standard error, as JSON for a service, as text for a person.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Who reads the log.
pub enum Reader {
    /// An operator's log collection: what happens.
    Service,
    /// Somebody at a terminal who wants an answer on standard output: what went wrong.
    Person,
    /// Somebody who looks at the demo, where customers are in trouble on purpose: what is wrong with Watchfloor itself.
    Visitor,
}

/// `RUST_LOG` overrides what is told, in the usual form: `watchfloor=debug,sqlx=warn`.
pub fn start(reader: &Reader) {
    let usual = match reader {
        Reader::Service => "info,sqlx=warn,graphile_worker=warn",
        Reader::Person => "warn,sqlx=error",
        Reader::Visitor => "error",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if matches!(reader, Reader::Service) && !std::io::stderr().is_terminal() {
        log.json().flatten_event(true).init();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).init();
    }
}
