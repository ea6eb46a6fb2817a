//! One alert.

use super::changes::Line;
use super::cloud_apps::alert_part::CloudPart;
use super::error::PageError;
use super::evidence::{Proof, Step};
use super::extract::{Id, User};
use super::filters;
use super::incident::AlertPart;
use super::live::Watch;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::When;
use super::triage::{Form, Sent};
use crate::app::AppState;
use crate::app::acting::Refusal;
use crate::model::{AlertId, clock, verdict};
use crate::store;
use crate::store::alerts::Alert;
use crate::store::incidents::Incident;
use askama::Template;
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, Utc};

pub fn routes() -> Router<AppState> {
    Router::new().route("/alerts/{id}", get(detail))
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    user: User,
    part: AlertPart,
    incident: Option<Incident>,
    link: Option<String>,
    cloud: Option<CloudPart>,
    /// What was changed from here lately.
    lines: Vec<Line>,
    /// For who may change it from here.
    form: Option<Form>,
    live: Watch,
    /// What the rule that hides it is called, where the reader may see it.
    rule: Option<String>,
    now: DateTime<Utc>,
}

impl AlertPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }
}

async fn detail(user: User, db: ScopedDb, Id(id): Id<AlertId>) -> Result<Page<impl Template>, PageError> {
    page(&db, user, id, None).await
}

fn form(user: &User, of: &Alert, back: Option<(Sent, Refusal)>) -> Option<Form> {
    let can_change = user.is_analyst() && of.product == "defender_endpoint";
    can_change.then(|| Form::new(format!("/alerts/{}", of.alert_id), &of.tenant_name, (verdict::ENDPOINT, false), of.into(), back))
}

/// The alert's page; `back`: a form that was refused, and why.
pub(super) async fn page(
    db: &ScopedDb,
    user: User,
    id: AlertId,
    back: Option<(Sent, Refusal)>,
) -> Result<Page<impl Template + use<>>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let live = Watch::record(format!("/alerts/{id}"), &store::live::seen(&mut tx).await?);
    let alert = store::alerts::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let originals = store::alerts::originals(&mut tx, alert.tenant_id, &[id]).await?;
    let incident = match alert.incident_id {
        Some(incident) => store::incidents::get(&mut tx, incident).await?,
        None => None,
    };
    let originals: Vec<_> = originals.into_iter().map(|row| row.original).collect();
    let cloud = CloudPart::of(&mut tx, &alert, &originals, now).await?;
    let rules: Vec<_> = alert.suppressed_by.into_iter().collect();
    let rule = store::suppressions::labels(&mut tx, &rules).await?.into_values().next();
    let changed = store::changes::recent(&mut tx, alert.tenant_id, Some(&alert.external_id), 50).await?;
    tx.commit().await?;
    let changed = changed.into_iter().filter(|change| change.operation.contains(".alerts.")).take(5);
    let lines = changed.map(|change| Line::new(change, now)).collect();
    let form = form(&user, &alert, back);
    let link = alert.portal();
    Ok(Page(AlertPage { user, part: AlertPart::new(alert, &originals, now), incident, link, cloud, lines, form, live, rule, now }))
}
