//! One incident.

use super::changes::Line;
use super::error::PageError;
use super::evidence::{self, Proof};
use super::extract::{Id, User};
use super::filters;
use super::originals::{OriginalText, portal_link};
use super::page::Page;
use super::scope::ScopedDb;
use super::show::{self, When};
use super::triage::{Form, Sent};
use crate::app::AppState;
use crate::app::acting::Refusal;
use crate::model::{AlertId, IncidentId, Scope, Severity, Status, clock, verdict};
use crate::store;
use crate::store::alerts::{Alert, AlertOriginal};
use crate::store::incidents::{Incident, IncidentEvent, Sighting};
use askama::Template;
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Entities whose sightings are looked for.
const ENTITIES: usize = 40;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents/{id}", get(detail))
}

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage {
    user: User,
    incident: Incident,
    /// Where it was merged into, if that is here too.
    target: Option<IncidentId>,
    alerts: Vec<AlertPart>,
    entities: Vec<Entity>,
    timeline: Vec<Moment>,
    originals: Vec<OriginalText>,
    link: Option<String>,
    /// What was changed from here lately.
    lines: Vec<Line>,
    /// For who may change it from here.
    form: Option<Form>,
    now: DateTime<Utc>,
}

impl IncidentPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn first_and_last(&self) -> Option<(When, When)> {
        let times = || self.alerts.iter().map(|part| part.alert.created_at);
        Some((When::new(times().min()?, self.now), When::new(times().max()?, self.now)))
    }

    fn techniques(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.alerts.iter().flat_map(|part| part.alert.mitre_techniques.iter().map(String::as_str)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// An alert with what its originals say.
pub struct AlertPart {
    pub alert: Alert,
    pub description: Option<String>,
    pub actions: Option<String>,
    pub proofs: Vec<Proof>,
    pub originals: Vec<OriginalText>,
}

impl AlertPart {
    /// Puts an alert and its originals together; of several, the one with the most evidence is shown.
    pub fn new(alert: Alert, originals: &[store::incidents::Original], now: DateTime<Utc>) -> Self {
        let bodies: Vec<serde_json::Value> = originals.iter().filter_map(|original| serde_json::from_str(&original.body).ok()).collect();
        let text = |name: &str| bodies.iter().find_map(|body| body.get(name)?.as_str().filter(|text| !text.is_empty()).map(show::visible));
        Self {
            description: text("description").filter(|text| *text != alert.title),
            actions: text("recommendedActions").or_else(|| text("recommendedAction")),
            proofs: bodies.iter().map(evidence::of_alert).max_by_key(Vec::len).unwrap_or_default(),
            originals: originals.iter().map(|original| OriginalText::new(original, now)).collect(),
            alert,
        }
    }
}

/// An entity, and where else it was seen.
struct Entity {
    name: String,
    elsewhere: Option<Sighting>,
}

/// One line of the time line.
struct Moment {
    at: DateTime<Utc>,
    /// "alert" or "change".
    class: &'static str,
    text: String,
    alert: Option<AlertId>,
}

async fn detail(user: User, db: ScopedDb, Id(id): Id<IncidentId>) -> Result<Page<impl Template>, PageError> {
    page(&db, user, id, None).await
}

/// For who may change it from here.
pub(super) fn form(user: &User, of: &Incident, back: Option<(Sent, Refusal)>) -> Option<Form> {
    let can_change = user.is_analyst() && of.product == "defender_xdr" && of.status != Status::Redirected;
    can_change.then(|| Form::new(format!("/incidents/{}", of.incident_id), &of.tenant_name, (verdict::XDR, true), of.into(), back))
}

/// The incident's page; `back`: a form that was refused, and why.
pub(super) async fn page(
    db: &ScopedDb,
    user: User,
    id: IncidentId,
    back: Option<(Sent, Refusal)>,
) -> Result<Page<impl Template + use<>>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let incident = store::incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let tenant = incident.tenant_id;
    let target = match &incident.redirect_to {
        Some(other) => store::incidents::find_external(&mut tx, tenant, &incident.product, other).await?,
        None => None,
    };
    let alerts = store::alerts::of_incident(&mut tx, tenant, id).await?;
    let ids: Vec<AlertId> = alerts.iter().map(|alert| alert.alert_id).collect();
    let alert_originals = store::alerts::originals(&mut tx, tenant, &ids).await?;
    let events = store::incidents::events(&mut tx, tenant, id).await?;
    let originals = store::incidents::originals(&mut tx, tenant, id).await?;
    let names = &incident.entities[..incident.entities.len().min(ENTITIES)];
    let scope = match &user.scope {
        Scope::All => None,
        Scope::Tenants(tenants) => Some(tenants.as_slice()),
    };
    let sightings = store::incidents::sightings(&mut tx, scope, id, names).await?;
    let changed = store::changes::recent(&mut tx, tenant, Some(&incident.external_id), 50).await?;
    tx.commit().await?;
    let changed = changed.into_iter().filter(|change| change.operation.contains(".incidents.")).take(5);
    let entities = incident
        .entities
        .iter()
        .map(|name| Entity { name: name.clone(), elsewhere: sightings.iter().find(|sighting| sighting.entity == *name).cloned() });
    Ok(Page(IncidentPage {
        target,
        entities: entities.collect(),
        timeline: timeline(&events, &alerts),
        alerts: parts(alerts, alert_originals, now),
        originals: originals.iter().map(|original| OriginalText::new(original, now)).collect(),
        lines: changed.map(|change| Line::new(change, now)).collect(),
        form: form(&user, &incident, back),
        link: portal_link(incident.url.as_deref(), incident.directory_id),
        user,
        incident,
        now,
    }))
}

fn parts(mut alerts: Vec<Alert>, originals: Vec<AlertOriginal>, now: DateTime<Utc>) -> Vec<AlertPart> {
    let mut by_alert: BTreeMap<AlertId, Vec<store::incidents::Original>> = BTreeMap::new();
    for row in originals {
        by_alert.entry(row.alert_id).or_default().push(row.original);
    }
    alerts.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.created_at)));
    let part = |alert: Alert| {
        let originals = by_alert.remove(&alert.alert_id).unwrap_or_default();
        AlertPart::new(alert, &originals, now)
    };
    alerts.into_iter().map(part).collect()
}

/// Alerts and changes in one line, the latest first.
fn timeline(events: &[IncidentEvent], alerts: &[Alert]) -> Vec<Moment> {
    let changes = events.iter().map(|event| Moment { at: event.at, class: "change", text: change(event), alert: None });
    let raised =
        alerts.iter().map(|alert| Moment { at: alert.created_at, class: "alert", text: alert.title.clone(), alert: Some(alert.alert_id) });
    let mut line: Vec<Moment> = changes.chain(raised).collect();
    line.sort_by_key(|moment| std::cmp::Reverse(moment.at));
    line
}

/// "Status: New → In progress".
fn change(event: &IncidentEvent) -> String {
    let shown = |value: &Option<String>| {
        let Some(value) = value else { return if event.kind == "owner" { "nobody" } else { "nothing" }.to_owned() };
        match event.kind.as_str() {
            "status" => value.parse::<Status>().map_or_else(|_| value.clone(), |status| status.label().to_owned()),
            "severity" => value.parse::<Severity>().map_or_else(|_| value.clone(), |severity| severity.label().to_owned()),
            "classification" => show::words(value),
            _ => value.clone(),
        }
    };
    match event.kind.as_str() {
        "opened" => "First read from Defender".to_owned(),
        "merged" => format!("Merged into incident {}", shown(&event.after)),
        kind => format!("{}: {} → {}", show::words(kind), shown(&event.before), shown(&event.after)),
    }
}
