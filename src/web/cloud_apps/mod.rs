//! Defender for Cloud Apps of one tenant: alerts, activities, accounts, files, ranges of IP addresses, cloud discovery. What is not read all
//! the time is asked for by a button, and shown with its age.

mod accounts;
mod activities;
pub mod alert_part;
mod alerts;
mod discovery;
mod files;
mod ranges;
mod upload;

use super::acting::refused;
use super::chips::{self, Chip};
use super::error::PageError;
use super::extract::User;
use super::show::When;
use super::told::Told;
use crate::app::{AppState, acting, cloud_apps, questions};
use crate::model::{ChangeId, LookupId, Product, TenantId};
use crate::store::Scoped;
use crate::store::changes::{self, Change};
use crate::store::coverage::{self, Coverage};
use crate::store::lookups::{self, Lookup, New};
use crate::store::tenants::{self, Tenant};
use axum::Router;
use chrono::{DateTime, Utc};
use serde::Deserialize;

pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(alerts::routes())
        .merge(activities::routes())
        .merge(accounts::routes())
        .merge(files::routes())
        .merge(ranges::routes())
        .merge(discovery::routes())
        .merge(upload::routes())
        .merge(alert_part::routes())
}

/// What every section has: whose it is, which one, how its alerts are read, and what was changed lately.
struct Head {
    tenant: Tenant,
    section: &'static str,
    /// How Cloud Apps is read; `None`: not yet, or not at all.
    reading: Option<Coverage>,
    changes: Vec<Change>,
    now: DateTime<Utc>,
}

impl Head {
    async fn of(tx: &mut Scoped, tenant: TenantId, section: &'static str, now: DateTime<Utc>) -> Result<Self, PageError> {
        let found = tenants::get(tx, tenant).await?.ok_or(PageError::NotFound)?;
        let prefix = match section {
            "alerts" => "cloud_apps.alerts.",
            "activities" => "cloud_apps.activities.",
            "ranges" => "cloud_apps.subnets.",
            "discovery" => "cloud_apps.discovery.",
            _ => "cloud_apps.nothing.",
        };
        let reading = coverage::list(tx, Some(tenant)).await?.into_iter().find(|row| row.product == Product::CloudApps);
        Ok(Self { tenant: found, section, reading, changes: changes::of_product(tx, tenant, prefix, 10).await?, now })
    }

    /// A path below the tenant's Cloud Apps.
    fn at(&self, rest: &str) -> String {
        path(self.tenant.tenant_id, rest)
    }

    /// Whether Microsoft may be asked or told anything.
    const fn is_open(&self) -> bool {
        self.tenant.is_open()
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    /// Whether what has been read is all that there is, or was at the time that is shown.
    fn is_complete(&self) -> bool {
        self.reading.as_ref().is_some_and(|row| row.enabled && row.state.is_reading() && row.complete_until.is_some())
    }

    const fn chip(row: &Coverage) -> Chip {
        chips::reading(row.tenant_state, row.state)
    }
}

fn path(tenant: TenantId, rest: &str) -> String {
    if rest.is_empty() { format!("/tenants/{tenant}/cloud-apps") } else { format!("/tenants/{tenant}/cloud-apps/{rest}") }
}

/// Which answer a page shows; without one, the latest.
#[derive(Deserialize)]
struct Shown {
    answer: Option<LookupId>,
}

/// The answer a page shows: the one that is named, if it belongs here, else the latest of the first of these operations.
async fn answer(tx: &mut Scoped, tenant: TenantId, named: Option<LookupId>, operations: &[&str]) -> Result<Option<Lookup>, PageError> {
    if let Some(id) = named {
        let found = lookups::get(tx, id).await?.filter(|found| found.tenant_id == tenant);
        return found.filter(|found| operations.contains(&found.operation.as_str())).map(Some).ok_or(PageError::NotFound);
    }
    let first = operations.first().copied().unwrap_or_default();
    Ok(lookups::latest(tx, tenant, first, None).await?)
}

/// Asks Microsoft on somebody's wish.
async fn ask(state: &AppState, user: &User, tenant: TenantId, new: &New<'_>) -> Result<Lookup, PageError> {
    questions::ask(&state.db, &state.queue, &user.scope, &user.by(), tenant, new).await.map_err(refused)
}

/// The question for the page after an answer, if this is one of this tenant's that goes on.
async fn next_of(
    state: &AppState,
    user: &User,
    tenant: TenantId,
    after: LookupId,
    operation: &str,
) -> Result<serde_json::Value, PageError> {
    let mut tx = state.db.begin(&user.scope).await?;
    let before = lookups::get(&mut tx, after).await?.filter(|found| found.tenant_id == tenant && found.operation == operation);
    tx.commit().await?;
    let before = before.ok_or(PageError::NotFound)?;
    let answer = before.answer.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let next = before.request.zip(answer).and_then(|(request, answer)| crate::model::cloud_apps::next_page(&request, &answer));
    next.ok_or_else(|| PageError::BadRequest("There is no further page.".into()))
}

/// Writes a change down and waits a little for what becomes of it.
async fn change(
    state: &AppState,
    user: &User,
    (tenant, change): (TenantId, ChangeId),
    new: &changes::New<'_>,
) -> Result<Option<Change>, PageError> {
    let mut tx = state.db.begin(&user.scope).await?;
    acting::want(&mut tx, &state.queue, &user.by(), tenant, change, new).await.map_err(refused)?;
    tx.commit().await?;
    Ok(cloud_apps::outcome(&state.db, tenant, change).await?)
}

/// JSON as people read it.
fn pretty(json: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(json).ok();
    let text = value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| json.to_owned());
    super::show::visible(&text)
}
