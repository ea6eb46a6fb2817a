//! Counts for Prometheus, on an address of their own that no customer can reach.

use super::listen::{self, Stop};
use anyhow::Result;
use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusBuilder;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Seconds; upper bounds.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Starts counting, and serves `/metrics` until told to stop.
pub async fn serve(address: SocketAddr, stop: Stop) -> Result<JoinHandle<()>> {
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    let upkeep = handle.clone();
    let asked = stop.asked.clone();
    tokio::spawn(asked.run_until_cancelled_owned(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(5));
        loop {
            tick.tick().await;
            upkeep.run_upkeep();
        }
    }));
    let listener = listen::bind("metrics_listen", address).await?;
    let router = Router::new().route("/metrics", get(async move || handle.render()));
    Ok(tokio::spawn(async move { listen::serve(listener, router, &[], stop).await }))
}
