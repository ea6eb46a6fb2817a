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

use super::error::PageError;
use super::extract::User;
use super::show::When;
use crate::app::AppState;
use crate::app::cloud_apps;
use crate::app::questions::{self, Refusal};
use crate::model::{ChangeState, LookupId, LookupState, TenantId};
use crate::store::Scoped;
use crate::store::changes::{self, Change};
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

/// What every section has: whose it is, which one, and what was changed lately.
struct Head {
    tenant: Tenant,
    section: &'static str,
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
        Ok(Self { tenant: found, section, changes: changes::of_product(tx, tenant, prefix, 10).await?, now })
    }

    /// A path below the tenant's Cloud Apps.
    fn at(&self, rest: &str) -> String {
        path(self.tenant.tenant_id, rest)
    }

    /// Whether Microsoft may be asked or told anything.
    const fn is_open(&self) -> bool {
        self.tenant.state.is_read() && !self.tenant.needs_approval
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    const fn class(state: ChangeState) -> &'static str {
        match state {
            ChangeState::Done => "ok",
            ChangeState::Failed | ChangeState::Lost => "bad",
            ChangeState::Unknown => "warn",
            _ => "plain",
        }
    }

    /// In plain words.
    fn what(change: &Change) -> &'static str {
        match change.operation.as_str() {
            "cloud_apps.alerts.read" => "Marked as read",
            "cloud_apps.alerts.unread" => "Marked as unread",
            "cloud_apps.alerts.close_benign" => "Closed as benign",
            "cloud_apps.alerts.close_false_positive" => "Closed as a false positive",
            "cloud_apps.alerts.close_true_positive" => "Closed as a true positive",
            "cloud_apps.activities.feedback" => "Feedback",
            "cloud_apps.subnets.create" => "Range added",
            "cloud_apps.subnets.update" => "Range replaced",
            "cloud_apps.subnets.delete" => "Range deleted",
            "cloud_apps.discovery.done_upload" => "Log uploaded",
            _ => "Change",
        }
    }
}

fn path(tenant: TenantId, rest: &str) -> String {
    if rest.is_empty() { format!("/tenants/{tenant}/cloud-apps") } else { format!("/tenants/{tenant}/cloud-apps/{rest}") }
}

/// How a question stands, for the line above its answer.
struct Told {
    state: LookupState,
    when: When,
    reason: Option<String>,
}

impl Told {
    fn of(lookup: &Lookup, now: DateTime<Utc>) -> Self {
        let when = When::new(lookup.answered_at.unwrap_or(lookup.asked_at), now);
        Self { state: lookup.state, when, reason: lookup.reason.clone() }
    }
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
async fn change(state: &AppState, user: &User, tenant: TenantId, new: &changes::New<'_>) -> Result<Option<Change>, PageError> {
    let change = cloud_apps::intend(state, &user.scope, &user.by(), tenant, new).await.map_err(refused)?;
    cloud_apps::outcome(&state.db, tenant, change).await.map_err(refused)
}

fn refused(refusal: Refusal) -> PageError {
    match refusal {
        Refusal::NoTenant => PageError::NotFound,
        Refusal::NotRead => PageError::Conflict("This tenant is not read at the moment.".into()),
        Refusal::NoOperation => PageError::BadRequest("There is no such question.".into()),
        Refusal::Failed(error) => PageError::Internal(error),
    }
}

/// JSON as people read it.
fn pretty(json: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(json).ok();
    let text = value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| json.to_owned());
    super::show::visible(&text)
}
