//! What an alert's own page shows of Defender for Cloud Apps: its activities and accounts, asked for by a button, what was done with it, and
//! the form that closes it.

use super::accounts::{self, Row as AccountRow};
use super::activities::{self, Row as ActivityRow};
use super::{Told, ask};
use crate::app::AppState;
use crate::model::cloud_apps::{alert_activities, alert_entities, entity_keys};
use crate::model::{AlertId, Product, TenantId};
use crate::store::alerts::Alert;
use crate::store::changes::{self, Change};
use crate::store::incidents::Original;
use crate::store::lookups::{self, New};
use crate::store::{Scoped, alerts};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Posted};
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

const ACTIVITIES: &str = "cloud_apps.activities.list";
const ENTITIES: &str = "cloud_apps.entities.list";
const ALERT: &str = "cloud_apps.alerts.get";

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/alerts/{id}/cloud-apps", post(find))
}

/// The part of the alert's page.
pub struct CloudPart {
    pub activities: Vec<ActivityView>,
    pub activities_told: Option<Told>,
    pub accounts: Vec<AccountView>,
    pub accounts_told: Option<Told>,
    /// The alert as it was asked for alone, and how that was told.
    pub now_told: Option<Told>,
    pub now_text: Option<String>,
    pub changes: Vec<Change>,
    /// Whether the alert names accounts that can be asked for.
    pub has_accounts: bool,
    pub is_open: bool,
}

/// One activity as the alert's page shows it.
pub struct ActivityView {
    pub at: Option<crate::web::show::When>,
    pub what: String,
    pub user: String,
    pub app: String,
    pub from: String,
    pub json: String,
}

/// One account as the alert's page shows it.
pub struct AccountView {
    pub name: String,
    pub about: String,
    pub json: String,
}

impl CloudPart {
    /// `None`: the alert is none of Cloud Apps.
    pub async fn of(tx: &mut Scoped, alert: &Alert, originals: &[Original], now: DateTime<Utc>) -> sqlx::Result<Option<Self>> {
        if alert.product != Product::CloudApps.as_str() {
            return Ok(None);
        }
        let (tenant, id) = (alert.tenant_id, alert.external_id.as_str());
        let keys = keys_of(originals);
        let by_alert = json!({"filters": {"activity.alertId": {"eq": [id]}}});
        let found = lookups::latest_about(tx, tenant, ACTIVITIES, &by_alert).await?;
        let entities = match alert_entities(&keys) {
            Some(about) => lookups::latest_about(tx, tenant, ENTITIES, &json!({"filters": about["filters"]})).await?,
            None => None,
        };
        let alone = lookups::latest(tx, tenant, ALERT, Some(id)).await?;
        let listed = found.as_ref().and_then(activities::rows);
        let accounts = entities.as_ref().and_then(accounts::rows);
        Ok(Some(Self {
            activities_told: found.map(|found| Told::of(&found, now, listed.is_some())),
            activities: listed.unwrap_or_default().0.into_iter().map(|row| activity(row, now)).collect(),
            accounts_told: entities.map(|found| Told::of(&found, now, accounts.is_some())),
            accounts: accounts.unwrap_or_default().0.into_iter().map(account).collect(),
            now_text: alone.as_ref().and_then(|alone| alone.answer.as_deref()).map(super::pretty),
            now_told: alone.map(|found| Told::of(&found, now, true)),
            changes: changes::touching(tx, tenant, id, 10).await?,
            has_accounts: !keys.is_empty(),
            is_open: alert.status != crate::model::Status::Resolved,
        }))
    }
}

fn keys_of(originals: &[Original]) -> Vec<(String, i64)> {
    let bodies = originals.iter().filter_map(|original| serde_json::from_str::<Value>(&original.body).ok());
    bodies.map(|body| entity_keys(&body)).find(|keys| !keys.is_empty()).unwrap_or_default()
}

fn activity(row: ActivityRow, now: DateTime<Utc>) -> ActivityView {
    let activity = &row.activity;
    let from = [activity.ip().map(str::to_owned), activity.place()].into_iter().flatten().collect::<Vec<_>>().join(" · ");
    ActivityView {
        at: activity.timestamp.map(|at| crate::web::show::When::new(at, now)),
        what: activity.what().to_owned(),
        user: activity.user().unwrap_or_default().to_owned(),
        app: activity.app.clone().unwrap_or_default(),
        from,
        json: row.json,
    }
}

fn account(row: AccountRow) -> AccountView {
    let account = &row.account;
    let mut about: Vec<String> = account.email.iter().cloned().collect();
    about.extend(account.app().map(str::to_owned));
    about.push(account.standing().to_owned());
    about.extend(row.is_admin().then(|| "administrator".to_owned()));
    about.extend(row.is_external().then(|| "external".to_owned()));
    about.retain(|text| !text.is_empty());
    let name = account.display_name.clone().or_else(|| account.id.clone()).unwrap_or_else(|| "Account".to_owned());
    AccountView { name, about: about.join(" · "), json: row.json }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    /// activities, entities or alert.
    what: String,
}

async fn find(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    Id(id): Id<AlertId>,
    Posted(_, Find { what }): Posted<Find>,
) -> Result<Redirect, PageError> {
    let mut tx = state.db.begin(&user.scope).await?;
    let alert = alerts::get(&mut tx, id).await?.filter(|alert| alert.product == Product::CloudApps.as_str()).ok_or(PageError::NotFound)?;
    let originals = alerts::originals(&mut tx, alert.tenant_id, &[id]).await?;
    tx.commit().await?;
    let originals: Vec<Original> = originals.into_iter().map(|row| row.original).collect();
    let (tenant, external): (TenantId, &str) = (alert.tenant_id, &alert.external_id);
    let args = [external];
    let new = match what.as_str() {
        "activities" => New { operation: ACTIVITIES, request: Some(alert_activities(external)), ..New::default() },
        "entities" => {
            let request = alert_entities(&keys_of(&originals));
            New { operation: ENTITIES, request: Some(request.ok_or(PageError::NotFound)?), ..New::default() }
        }
        "alert" => New { operation: ALERT, args: &args, ..New::default() },
        _ => return Err(PageError::BadRequest("There is no such question.".into())),
    };
    ask(&state, &user, tenant, &new).await?;
    Ok(Redirect::to(&format!("/alerts/{id}")))
}
