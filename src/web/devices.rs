//! The list of devices over all tenants.

use super::error::PageError;
use super::extract::{Query, User};
use super::filters;
use super::page::Page;
use super::picks::{self, Choose, Pick, TENANTS};
use super::scope::ScopedDb;
use super::show::{When, capped, visible};
use crate::app::AppState;
use crate::model::{DeviceId, TenantId, clock};
use crate::store::device_reads::{self, DeviceRead, Summary};
use crate::store::devices::{self, Device, Filter};
use crate::store::overview::{self, TenantName};
use askama::Template;
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Deserialize;

const ROWS: i64 = 100;
/// So many tenants whose devices are not read are named.
const GAPS: i64 = 50;

pub fn routes() -> Router<AppState> {
    Router::new().route("/devices", get(list))
}

/// What the list is asked for, as it stands in the address. Empty values ask for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    tenant: Vec<String>,
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
    fn filter(&self, user: &User, tenants: &[TenantId]) -> Result<(Filter, Option<DeviceId>), PageError> {
        let all = [&self.q, &self.health, &self.risk, &self.exposure, &self.os, &self.tag];
        if all.iter().any(|text| text.contains('\0') || text.len() > 500) {
            return Err(wrong());
        }
        let after = some(&self.after).map(|text| text.parse().map_err(|_| wrong())).transpose()?;
        let list = |text: &String| some(text).into_iter().collect();
        let filter = Filter {
            tenants: user.scope.narrowed(tenants),
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

    fn tenants(&self) -> Result<Vec<TenantId>, PageError> {
        self.tenant.iter().filter(|text| !text.is_empty()).map(|text| text.parse().map_err(|_| wrong())).collect()
    }

    fn is_filtered(&self) -> bool {
        let all = [&self.q, &self.health, &self.risk, &self.exposure, &self.os, &self.tag];
        self.tenant.iter().any(|text| !text.is_empty()) || all.iter().any(|text| !text.is_empty())
    }

    fn page(&self, after: &str) -> String {
        let pairs = [
            ("q", self.q.as_str()),
            ("health", &self.health),
            ("risk", &self.risk),
            ("exposure", &self.exposure),
            ("os", &self.os),
            ("tag", &self.tag),
            ("gone", &self.gone),
            ("after", after),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.iter().filter(|(_, text)| !text.is_empty()));
        query.extend_pairs(self.tenant.iter().filter(|text| !text.is_empty()).map(|tenant| ("tenant", tenant)));
        format!("/devices?{}", query.finish())
    }
}

fn wrong() -> PageError {
    PageError::BadRequest("The address of this list is not one that Watchfloor makes.".into())
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
    /// Those that the filter asks for, and those that it offers.
    chosen: Vec<TenantId>,
    tenants: Vec<TenantName>,
    systems: Vec<String>,
    reads: Summary,
    gaps: Vec<DeviceRead>,
    now: DateTime<Utc>,
}

impl DeviceList {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn total_text(&self) -> String {
        capped(self.total)
    }

    /// Gaps that are not named.
    fn more_gaps(&self) -> i64 {
        self.reads.gaps - i64::try_from(self.gaps.len()).unwrap_or(i64::MAX)
    }

    fn oldest(&self) -> Option<When> {
        self.reads.oldest.map(|at| When::new(at, self.now))
    }

    /// The filter of tenants.
    fn pick(&self) -> Pick {
        let choose = |tenant: &TenantName| Choose {
            value: tenant.tenant_id.to_string(),
            label: visible(&tenant.name),
            chosen: self.chosen.contains(&tenant.tenant_id),
        };
        Pick::new("tenant", "Tenant", self.tenants.iter().map(choose).collect(), "")
    }

    /// Whether there may be more tenants than the filter offers.
    fn is_cut(&self) -> bool {
        picks::are_cut(&self.tenants)
    }
}

async fn list(user: User, db: ScopedDb, Query(asked): Query<Asked>) -> Result<Page<DeviceList>, PageError> {
    let chosen = asked.tenants()?;
    let (filter, after) = asked.filter(&user, &chosen)?;
    let mut tx = db.begin().await?;
    let mut devices = devices::list(&mut tx, &filter, after, ROWS + 1).await?;
    let total = devices::count(&mut tx, &filter).await?;
    let tenants = overview::first_names(&mut tx, TENANTS, &chosen).await?;
    let systems = device_reads::systems(&mut tx).await?;
    let reads = device_reads::summary(&mut tx).await?;
    let gaps = if reads.gaps > 0 { device_reads::gaps(&mut tx, GAPS).await? } else { Vec::new() };
    tx.commit().await?;
    let more = i64::try_from(devices.len()).is_ok_and(|rows| rows > ROWS);
    if more {
        devices.pop();
    }
    let next = devices.last().filter(|_| more).map(|last| last.device_id);
    Ok(Page(DeviceList { user, asked, devices, total, next, chosen, tenants, systems, reads, gaps, now: clock::now() }))
}
