//! One incident.

mod notes;
mod share;
pub(super) mod timeline;
mod work;

use super::changes::Line;
use super::deadline::{self, Clock};
use super::error::PageError;
use super::evidence::{Evidence, Proof, Step};
use super::extract::{Id, User};
use super::filters;
use super::incident_batch::can_change;
use super::live::Watch;
use super::originals::OriginalText;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::{self, When};
use super::triage::{Form, Sent};
use crate::app::AppState;
use crate::app::acting::Refusal;
use crate::model::{AlertId, IncidentId, Status, SuppressionId, UserId, clock, entity, verdict};
use crate::store;
use crate::store::alerts::{Alert, AlertOriginal};
use crate::store::incidents::Incident;
use crate::store::related::{self, Elsewhere, Related, Sighting, TELLING};
use crate::store::shares::Share;
use askama::Template;
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, Utc};
use notes::NotesPart;
use share::SharePart;
use std::collections::{BTreeMap, HashMap};
use timeline::{Moment, timeline};
use work::WorkPart;

/// Entities whose sightings are looked for, and which related incidents share.
const ENTITIES: usize = 40;
/// The latest changes from here that the time line holds.
const CHANGES: i64 = 200;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents/{id}", get(detail)).merge(notes::routes()).merge(share::routes()).merge(work::routes())
}

#[derive(Template)]
#[template(path = "incident.html")]
pub(super) struct IncidentPage {
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
    live: Watch,
    notes: NotesPart,
    work: WorkPart,
    share: SharePart,
    /// `None`: looking for them took too long.
    related: Option<Vec<Related>>,
    /// What the rules that hide alerts of it are called, where the reader may see them.
    rules: HashMap<SuppressionId, String>,
    now: DateTime<Utc>,
}

impl IncidentPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn clocks(&self) -> Vec<Clock> {
        deadline::both(&self.incident, self.now)
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
    pub evidence: Evidence,
    pub originals: Vec<OriginalText>,
}

impl AlertPart {
    /// Puts an alert and its originals together; of several, the one with the most evidence is shown.
    pub fn new(alert: Alert, originals: &[store::incidents::Original], now: DateTime<Utc>) -> Self {
        let bodies = bodies(originals);
        let text = |name: &str| said(&bodies, name);
        Self {
            description: text("description").filter(|text| *text != alert.title),
            actions: text("recommendedActions").or_else(|| text("recommendedAction")),
            evidence: bodies.iter().map(Evidence::of_alert).max_by_key(Evidence::len).unwrap_or_default(),
            originals: originals.iter().map(|original| OriginalText::new(original, now)).collect(),
            alert,
        }
    }
}

fn bodies(originals: &[store::incidents::Original]) -> Vec<serde_json::Value> {
    originals.iter().filter_map(|original| serde_json::from_str(&original.body).ok()).collect()
}

fn said(bodies: &[serde_json::Value], name: &str) -> Option<String> {
    bodies.iter().find_map(|body| body.get(name)?.as_str().filter(|text| !text.is_empty()).map(show::visible))
}

/// What an alert's originals say it is.
pub(super) fn description(originals: &[store::incidents::Original]) -> Option<String> {
    said(&bodies(originals), "description")
}

pub(super) fn worst_first(alerts: &mut [Alert]) {
    alerts.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.created_at)));
}

/// An entity, and where else it was seen.
struct Entity {
    name: String,
    elsewhere: Option<Sighting>,
}

/// A form that comes back, and why.
pub(super) enum Back {
    Nothing,
    Change(Box<(Sent, Refusal)>),
    Note(notes::Sent, &'static str),
}

async fn detail(user: User, db: ScopedDb, Id(id): Id<IncidentId>) -> Result<Page<impl Template>, PageError> {
    let who = user.who();
    let page = page(&db, user, id, Back::Nothing).await?;
    // The customer may read who looked. A page is not lost over it.
    if let Err(error) = looked(&db, &page.0.incident, (who.0, &who.1)).await {
        tracing::warn!(%error, "a look at an incident was not noted");
    }
    Ok(page)
}

async fn looked(db: &ScopedDb, of: &Incident, who: (UserId, &str)) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    store::looks::note(&mut tx, of, who, clock::now()).await?;
    tx.commit().await
}

/// For who may change it from here.
pub(super) fn form(user: &User, of: &Incident, back: Option<(Sent, Refusal)>) -> Option<Form> {
    let can_change = user.is_analyst() && can_change(of);
    can_change.then(|| Form::new(format!("/incidents/{}", of.incident_id), &of.tenant_name, (verdict::XDR, true), of.into(), back))
}

/// What of an incident the page is made of.
struct Read {
    incident: Incident,
    target: Option<IncidentId>,
    alerts: Vec<Alert>,
    alert_originals: Vec<AlertOriginal>,
    originals: Vec<store::incidents::Original>,
    events: Vec<store::incidents::IncidentEvent>,
    elsewhere: Option<Elsewhere>,
    changes: Vec<store::changes::Change>,
    notes: Vec<store::notes::Note>,
    lease: Option<store::leases::Lease>,
    share: Option<Share>,
    rules: HashMap<SuppressionId, String>,
}

async fn read(tx: &mut store::Scoped, id: IncidentId, now: DateTime<Utc>) -> Result<Read, PageError> {
    let mut incident = store::incidents::get(tx, id).await?.ok_or(PageError::NotFound)?;
    entity::sort(&mut incident.entities);
    let tenant = incident.tenant_id;
    let target = match &incident.redirect_to {
        Some(other) => store::incidents::find_external(tx, tenant, &incident.product, other).await?,
        None => None,
    };
    let alerts = store::alerts::of_incident(tx, tenant, id).await?;
    let ids: Vec<AlertId> = alerts.iter().map(|alert| alert.alert_id).collect();
    let theirs: Vec<String> = alerts.iter().map(|alert| alert.external_id.clone()).collect();
    let hiding: Vec<_> = alerts.iter().filter_map(|alert| alert.suppressed_by).collect();
    let names = &incident.entities[..incident.entities.len().min(ENTITIES)];
    Ok(Read {
        target,
        alert_originals: store::alerts::originals(tx, tenant, &ids).await?,
        originals: store::incidents::originals(tx, tenant, id).await?,
        events: store::incidents::events(tx, tenant, id).await?,
        elsewhere: related::elsewhere(tx, (tenant, id), names, now).await?,
        changes: store::changes::of_case(tx, tenant, &incident.external_id, &theirs, CHANGES).await?,
        notes: store::notes::list(tx, tenant, id, None, notes::SHOWN + 1).await?,
        lease: store::leases::current(tx, tenant, id, now).await?,
        share: store::shares::get(tx, tenant, id).await?,
        rules: store::suppressions::labels(tx, &hiding).await?,
        alerts,
        incident,
    })
}

/// The incident's page; `back`: a form that was refused.
pub(super) async fn page(db: &ScopedDb, user: User, id: IncidentId, back: Back) -> Result<Page<IncidentPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let live = Watch::record(format!("/incidents/{id}"), &store::live::seen(&mut tx).await?);
    let read = read(&mut tx, id, now).await?;
    tx.commit().await?;
    let (change, note) = match back {
        Back::Nothing => (None, None),
        Back::Change(refused) => (Some(*refused), None),
        Back::Note(sent, why) => (None, Some((sent, why))),
    };
    let notes = NotesPart::new(&user, (id, read.share.is_some()), read.notes, note);
    let timeline = timeline(&read.events, &read.alerts, &read.changes, &notes.notes);
    let changed = read.changes.into_iter().filter(|change| change.operation.contains(".incidents.")).take(5);
    let incident = read.incident;
    let (sightings, related) = read.elsewhere.map_or((Vec::new(), None), |found| (found.sightings, Some(found.related)));
    let elsewhere = |name: &String| sightings.iter().find(|sighting| sighting.entity == *name).cloned();
    Ok(Page(IncidentPage {
        target: read.target,
        entities: incident.entities.iter().map(|name| Entity { name: name.clone(), elsewhere: elsewhere(name) }).collect(),
        timeline,
        alerts: parts(read.alerts, read.alert_originals, now),
        originals: read.originals.iter().map(|original| OriginalText::new(original, now)).collect(),
        lines: changed.map(|change| Line::new(change, now)).collect(),
        form: form(&user, &incident, change),
        link: incident.portal(),
        work: WorkPart::new(&user, &incident, read.lease),
        share: SharePart::new(&user, id, read.share),
        related,
        rules: read.rules,
        notes,
        user,
        incident,
        live,
        now,
    }))
}

fn parts(mut alerts: Vec<Alert>, originals: Vec<AlertOriginal>, now: DateTime<Utc>) -> Vec<AlertPart> {
    let mut by_alert: BTreeMap<AlertId, Vec<store::incidents::Original>> = BTreeMap::new();
    for row in originals {
        by_alert.entry(row.alert_id).or_default().push(row.original);
    }
    worst_first(&mut alerts);
    let part = |alert: Alert| {
        let originals = by_alert.remove(&alert.alert_id).unwrap_or_default();
        AlertPart::new(alert, &originals, now)
    };
    alerts.into_iter().map(part).collect()
}
