//! One alert.

use super::changes::Line;
use super::cloud_apps::alert_part::CloudPart;
use super::error::PageError;
use super::extract::{Id, User};
use super::filters;
use super::incident::AlertPart;
use super::originals::portal_link;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::When;
use crate::app::{AppState, acting};
use crate::model::{AlertId, ChangeId, clock};
use crate::store;
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
    change: ChangeId,
    now: DateTime<Utc>,
}

impl AlertPage {
    /// Whether the reader may change it from here.
    fn can_change(&self) -> bool {
        self.user.is_analyst() && self.part.alert.product == "defender_endpoint"
    }

    fn path(&self) -> String {
        format!("/alerts/{}", self.part.alert.alert_id)
    }

    fn verdict(&self) -> String {
        let words = [&self.part.alert.classification, &self.part.alert.determination];
        words.into_iter().flatten().map(|word| super::show::words(word)).collect::<Vec<_>>().join(", ")
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }
}

async fn detail(user: User, db: ScopedDb, Id(id): Id<AlertId>) -> Result<Page<AlertPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let alert = store::alerts::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let originals = store::alerts::originals(&mut tx, alert.tenant_id, &[id]).await?;
    let incident = match alert.incident_id {
        Some(incident) => store::incidents::get(&mut tx, incident).await?,
        None => None,
    };
    let originals: Vec<_> = originals.into_iter().map(|row| row.original).collect();
    let cloud = CloudPart::of(&mut tx, &alert, &originals, now).await?;
    let changed = store::changes::recent(&mut tx, alert.tenant_id, Some(&alert.external_id), 50).await?;
    tx.commit().await?;
    let changed = changed.into_iter().filter(|change| change.operation.contains(".alerts.")).take(5);
    let (lines, change) = (changed.map(|change| Line::new(change, now)).collect(), acting::fresh());
    let link = portal_link(alert.url.as_deref(), alert.directory_id);
    Ok(Page(AlertPage { user, part: AlertPart::new(alert, &originals, now), incident, link, cloud, lines, change, now }))
}
