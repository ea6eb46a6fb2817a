//! An incident at the side of its list: a part of a page, without a frame.

use super::deadline::{self, Clock};
use super::error::PageError;
use super::extract::{Id, User};
use super::filters;
use super::incident;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::When;
use super::triage::Form;
use crate::app::AppState;
use crate::model::{IncidentId, clock, entity};
use crate::store;
use crate::store::alerts::Alert;
use crate::store::incidents::Incident;
use askama::Template;
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, Utc};

/// So many entities and alerts; the rest is on the incident's page.
const ENTITIES: usize = 8;
const ALERTS: usize = 12;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents/{id}/preview", get(preview))
}

#[derive(Template)]
#[template(path = "preview.html")]
struct Preview {
    user: User,
    incident: Incident,
    alerts: Vec<Alert>,
    description: Option<String>,
    link: Option<String>,
    form: Option<Form>,
    now: DateTime<Utc>,
}

impl Preview {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn clocks(&self) -> Vec<Clock> {
        deadline::both(&self.incident, self.now)
    }

    fn entities(&self) -> &[String] {
        &self.incident.entities[..self.incident.entities.len().min(ENTITIES)]
    }

    /// Worst first.
    fn shown(&self) -> &[Alert] {
        &self.alerts[..self.alerts.len().min(ALERTS)]
    }

    fn more(&self) -> usize {
        self.alerts.len().saturating_sub(ALERTS)
    }
}

async fn preview(user: User, db: ScopedDb, Id(id): Id<IncidentId>) -> Result<Page<Preview>, PageError> {
    let mut tx = db.begin().await?;
    let mut incident = store::incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    entity::sort(&mut incident.entities);
    let mut alerts = store::alerts::of_incident(&mut tx, incident.tenant_id, id).await?;
    incident::worst_first(&mut alerts);
    let worst: Vec<_> = alerts.iter().take(1).map(|alert| alert.alert_id).collect();
    let originals = store::alerts::originals(&mut tx, incident.tenant_id, &worst).await?;
    tx.commit().await?;
    let originals: Vec<_> = originals.into_iter().map(|row| row.original).collect();
    let description = incident::description(&originals).filter(|text| alerts.first().is_none_or(|worst| *text != worst.title));
    Ok(Page(Preview {
        link: incident.portal(),
        form: incident::form(&user, &incident, None),
        user,
        incident,
        alerts,
        description,
        now: clock::now(),
    }))
}
