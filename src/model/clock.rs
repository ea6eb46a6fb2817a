//! The one place that reads the clock. Everything below a handler, a job or a command takes the time as an argument.

use chrono::{DateTime, Utc};

/// The time now. Call it in handlers, jobs and commands only, and pass the value down.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
