//! Where the log goes: standard error, as JSON for a service, as text for a person.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// A service logs what it does; the other commands only what went wrong, because they answer on standard output.
/// `RUST_LOG` overrides, in the usual form: `watchfloor=debug,sqlx=warn`.
pub fn start(service: bool) {
    let usual = if service { "info,sqlx=warn,graphile_worker=warn" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if service && !std::io::stderr().is_terminal() {
        log.json().flatten_event(true).init();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).init();
    }
}
