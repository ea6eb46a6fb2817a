//! The integration tests: production router and client, a real PostgreSQL, and the stand-in cloud over HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod access;
mod api;
mod app;
mod browser;
mod cancelled;
mod catalogue;
mod cloud;
mod configuration;
mod consent;
mod counters;
mod customer;
mod drift;
mod embedded;
mod engine;
mod fake;
mod faults;
mod first_start;
mod fixtures;
mod floors;
mod interrupted;
mod isolation;
mod lists;
mod microsoft;
mod microsoft_faults;
mod migrations;
mod outbound;
mod pages;
mod program;
mod registry;
mod rig;
mod signing_in;
mod stand_in;
mod stand_in_client;
mod support;
mod sync;
