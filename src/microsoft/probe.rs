//! The cheapest real call of each product: does the API answer this app for this directory?

use super::cloud_apps::envelope;
use super::lanes::Watch;
use super::odata;
use super::operations::{cloud_apps, endpoint, graph, xdr};
use super::request::Ask;
use super::{CallError, Client, Target};
use crate::model::Product;
use chrono::{DateTime, Utc};
use serde_json::json;

impl Client {
    /// Reads one record of the product and forgets it.
    pub async fn probe(&self, target: &Target, app: &str, product: Product, now: DateTime<Utc>) -> Result<(), CallError> {
        let operation = match product {
            Product::CloudApps => {
                let ask = Ask::new(self, target, app, &cloud_apps::ALERTS_LIST, &[])?.json(&json!({"skip": 0, "limit": 1}));
                return envelope(&self.ask(&ask, &Watch::start(now)).await?).map(drop);
            }
            Product::DefenderXdr => &xdr::INCIDENTS_LIST,
            Product::DefenderEndpoint => &endpoint::ALERTS_LIST,
            Product::Graph => &graph::INCIDENTS_LIST,
        };
        let mut ask = Ask::new(self, target, app, operation, &[])?;
        ask.query(&[("$top", "1")]);
        odata::page(self, ask, 1, now).await.map(drop)
    }
}
