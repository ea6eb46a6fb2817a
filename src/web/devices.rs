//! The list of devices over all tenants.

use super::error::PageError;
use super::extract::{Query, User};
use super::filters;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::{When, capped};
use crate::app::AppState;
use crate::model::{DeviceId, TenantId, clock};
use crate::store::device_reads::{self, DeviceRead};
use crate::store::devices::{self, Device, Filter};
use crate::store::overview::{self, TenantName};
use askama::Template;
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

const ROWS: i64 = 100;

pub fn routes() -> Router<AppState> {
    Router::new().route("/devices", get(list))
}

/// What the list is asked for, as it stands in the address. Empty values ask for nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    health: String,
    #[serde(default)]
    risk: String,
    #[serde(default)]
    exposure: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    gone: String,
    #[serde(default)]
    after: String,
}

impl Asked {
    fn filter(&self, user: &User) -> Result<(Filter, Option<DeviceId>), PageError> {
        let wrong = || PageError::BadRequest("The address of this list is not one that Watchfloor makes.".into());
        let all = [&self.q, &self.health, &self.risk, &self.exposure, &self.os, &self.tag];
        if all.iter().any(|text| text.contains('\0') || text.len() > 500) {
            return Err(wrong());
        }
        let tenant: Option<TenantId> = some(&self.tenant).map(|text| text.parse().map_err(|_| wrong())).transpose()?;
        let after = some(&self.after).map(|text| text.parse().map_err(|_| wrong())).transpose()?;
        let list = |text: &String| some(text).into_iter().collect();
        let filter = Filter {
            tenants: user.scope.narrowed(tenant.as_slice()),
            text: some(&self.q),
            health: list(&self.health),
            risk: list(&self.risk),
            exposure: list(&self.exposure),
            os: list(&self.os),
            tags: list(&self.tag),
            with_gone: !self.gone.is_empty(),
        };
        Ok((filter, after))
    }

    fn is_filtered(&self) -> bool {
        [&self.q, &self.tenant, &self.health, &self.risk, &self.exposure, &self.os, &self.tag].iter().any(|text| !text.is_empty())
    }

    fn page(&self, after: &str) -> String {
        let pairs = [
            ("q", self.q.as_str()),
            ("tenant", &self.tenant),
            ("health", &self.health),
            ("risk", &self.risk),
            ("exposure", &self.exposure),
            ("os", &self.os),
            ("tag", &self.tag),
            ("gone", &self.gone),
            ("after", after),
        ];
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs.iter().filter(|(_, text)| !text.is_empty())).finish();
        format!("/devices?{query}")
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DeviceList {
    user: User,
    asked: Asked,
    devices: Vec<Device>,
    total: i64,
    next: Option<DeviceId>,
    tenants: Vec<TenantName>,
    systems: Vec<String>,
    reads: Vec<DeviceRead>,
    now: DateTime<Utc>,
}

impl DeviceList {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn total_text(&self) -> String {
        capped(self.total)
    }

    /// The tenants whose devices are not what they should be.
    fn gaps(&self) -> Vec<&DeviceRead> {
        self.reads.iter().filter(|read| read.is_gap()).collect()
    }

    /// The least fresh of the readings that went well.
    fn oldest(&self) -> Option<When> {
        self.reads.iter().filter_map(|read| read.read_at).min().map(|at| When::new(at, self.now))
    }
}

async fn list(user: User, db: ScopedDb, Query(asked): Query<Asked>) -> Result<Page<DeviceList>, PageError> {
    let (filter, after) = asked.filter(&user)?;
    let mut tx = db.begin().await?;
    let mut devices = devices::list(&mut tx, &filter, after, ROWS + 1).await?;
    let total = devices::count(&mut tx, &filter).await?;
    let tenants = overview::names(&mut tx).await?;
    let systems = device_reads::systems(&mut tx).await?;
    let reads = device_reads::list(&mut tx).await?;
    tx.commit().await?;
    let more = i64::try_from(devices.len()).is_ok_and(|rows| rows > ROWS);
    if more {
        devices.pop();
    }
    let next = devices.last().filter(|_| more).map(|last| last.device_id);
    Ok(Page(DeviceList { user, asked, devices, total, next, tenants, systems, reads, now: clock::now() }))
}
