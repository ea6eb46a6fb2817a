//! The cheapest real call of each product: does the API answer this app for this directory?

use super::cloud_apps::envelope;
use super::lanes::Watch;
use super::odata;
use super::request::Ask;
use super::{CallError, Client, Target};
use crate::model::Product;
use chrono::{DateTime, Utc};
use serde_json::json;

impl Client {
    /// Reads one record of the product and forgets it.
    pub async fn probe(&self, target: &Target, app: &str, product: Product, now: DateTime<Utc>) -> Result<(), CallError> {
        let path = match product {
            Product::CloudApps => {
                let ask = Ask::reading_post(target, app, product, "alerts/", &json!({"skip": 0, "limit": 1}));
                return envelope(&self.ask(&ask, &Watch::start(now)).await?).map(drop);
            }
            Product::DefenderXdr => "incidents",
            Product::DefenderEndpoint => "alerts",
            Product::Graph => "security/incidents",
        };
        let mut ask = Ask::get(target, app, product, path);
        ask.query(&[("$top", "1")]);
        odata::page(self, ask, 1, now).await.map(drop)
    }
}
