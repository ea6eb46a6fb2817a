//! The integration tests: production router and client, a real PostgreSQL, and the stand-in cloud over HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod cancelled;
mod catalogue;
mod configuration;
mod cloud;
mod counters;
mod embedded;
mod fake;
mod fixtures;
mod floors;
mod isolation;
mod microsoft;
mod lists;
mod migrations;
mod stand_in;
mod support;
