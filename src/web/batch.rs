//! Changing several alerts from their list, and what was asked for by that.

use super::acting::refused;
use super::error::PageError;
use super::extract::{Analyst, Id, Posted, Query, User};
use super::filters;
use super::list::Asked;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::count;
use super::triage::{given, verdict};
use crate::app::AppState;
use crate::app::acting::{self, Refusal};
use crate::app::triage::{self, Wish};
use crate::model::{AlertId, ChangeId, TenantId};
use crate::store;
use crate::store::alerts::Alert;
use crate::store::audit::By;
use crate::store::changes::{self, Change};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{get, post};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use url::form_urlencoded;

/// The rows of the longest page.
const MOST_ALERTS: usize = 200;

pub fn routes() -> Router<AppState> {
    Router::new().route("/alerts/batch", post(batch)).route("/alerts/batch/{change}", get(asked))
}

/// The form below the list of alerts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchForm {
    change: ChangeId,
    #[serde(default)]
    alert: Vec<AlertId>,
    status: String,
    verdict: String,
    #[serde(default)]
    take: Option<String>,
    comment: String,
    /// The list's filters, as its address has them.
    #[serde(default)]
    back: String,
}

impl BatchForm {
    fn wish(&self, login: &str) -> Wish {
        let (classification, determination) = verdict(&self.verdict);
        Wish {
            status: given(&self.status),
            assigned_to: self.take.as_ref().map(|_| login.to_owned()),
            classification: given(classification),
            determination: given(determination),
            comment: given(&self.comment),
            ..Wish::default()
        }
    }
}

/// The change of one tenant among those that one form asks for.
fn of_tenant(by: &By, form: ChangeId, tenant: TenantId) -> ChangeId {
    acting::change_of(by, &format!("{form} {tenant}"))
}

/// Changes the chosen alerts of Defender for Endpoint, tenant by tenant.
async fn batch(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Posted(_, form): Posted<BatchForm>,
) -> Result<Redirect, PageError> {
    if form.alert.is_empty() || form.alert.len() > MOST_ALERTS {
        return Err(PageError::BadRequest("Choose from 1 to 200 alerts.".into()));
    }
    let mut tx = db.begin().await?;
    let mut by_tenant: BTreeMap<TenantId, Vec<Alert>> = BTreeMap::new();
    let chosen: BTreeSet<AlertId> = form.alert.iter().copied().collect();
    let found = store::alerts::these(&mut tx, &chosen.iter().copied().collect::<Vec<_>>()).await?;
    if found.len() < chosen.len() {
        return Err(PageError::NotFound);
    }
    for alert in found {
        if alert.product != "defender_endpoint" {
            return Err(PageError::BadRequest("Only alerts of Defender for Endpoint can be changed together.".into()));
        }
        by_tenant.entry(alert.tenant_id).or_default().push(alert);
    }
    let (by, wish) = (user.by(), form.wish(&user.login));
    for (tenant, alerts) in &by_tenant {
        let change = of_tenant(&by, form.change, *tenant);
        let outcome = triage::alerts(&mut tx, &state, (&by, &user), (*tenant, alerts), change, &wish).await;
        let name = alerts.first().map_or("", |alert| alert.tenant_name.as_str());
        outcome.map_err(|refusal| match refusal {
            Refusal::NotRead => PageError::Conflict(
                format!("{name} is not read at the moment. Nothing was sent, to no tenant: leave its alerts out.").into(),
            ),
            other => refused(other),
        })?;
    }
    tx.commit().await?;
    let back: String = form_urlencoded::Serializer::new(String::new()).append_pair("back", &form.back).finish();
    Ok(Redirect::to(&format!("/alerts/batch/{}?{back}", form.change)))
}

#[derive(Template)]
#[template(path = "alerts_asked.html")]
struct AskedPage {
    user: User,
    rows: Vec<Row>,
    back: String,
}

/// One tenant's part of what was asked for.
struct Row {
    tenant: String,
    change: Change,
}

impl Row {
    /// "3 alerts".
    fn what(&self) -> String {
        let asked = self.change.asked();
        let alerts = asked[1].as_array().map_or(0, Vec::len);
        count(i64::try_from(alerts).unwrap_or(i64::MAX), "alert", "alerts")
    }

    /// Each alert is a change of its own, of which this is the first.
    fn is_first(&self) -> bool {
        self.change.operation.starts_with("graph.")
    }
}

#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    back: String,
}

/// What became of a form: one line for each tenant.
async fn asked(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(form): Id<ChangeId>,
    Query(Back { back }): Query<Back>,
) -> Result<Page<AskedPage>, PageError> {
    let mut tx = db.begin().await?;
    let (by, names) = (user.by(), store::overview::names(&mut tx).await?);
    let wanted: Vec<_> = names.iter().map(|tenant| (tenant.tenant_id, of_tenant(&by, form, tenant.tenant_id))).collect();
    let rows: Vec<Row> = changes::among(&mut tx, &wanted).await?.into_iter().map(|(tenant, change)| Row { tenant, change }).collect();
    tx.commit().await?;
    if rows.is_empty() {
        return Err(PageError::NotFound);
    }
    let back = Asked::read("/alerts", &back).map_or_else(|_| "/alerts".to_owned(), |list| list.address.here());
    Ok(Page(AskedPage { user, rows, back }))
}
