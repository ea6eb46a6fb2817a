//! Watchfloor: a self-hosted portal for managed security service providers.
#![doc = include_str!("../ARCHITECTURE.md")]

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod demo;
pub mod microsoft;
pub mod model;
pub mod store;
pub mod sync;
pub mod web;
