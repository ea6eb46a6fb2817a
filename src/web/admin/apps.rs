//! The configured apps: what they ask for, where they answer, how long their credential lasts.

use crate::app::AppState;
use crate::app::notices::{self, CredentialStatus};
use crate::app::onboarding::{self, Ask};
use crate::config::{self, ConsentForm};
use crate::model::clock;
use crate::store::alarms::{self, Alarm};
use crate::store::permissions::{self, Tally};
use crate::web::error::PageError;
use crate::web::extract::{Admin, User};
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::When;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/apps", get(show))
}

#[derive(Template)]
#[template(path = "admin/apps.html")]
struct AppsPage {
    user: User,
    callback: String,
    apps: Vec<App>,
    now: DateTime<Utc>,
    tallies: Vec<Tally>,
}

impl AppsPage {
    /// How the tenants stand with what an app asks for.
    fn of<'a>(&'a self, app: &'a App) -> impl Iterator<Item = &'a Tally> {
        self.tallies.iter().filter(|tally| tally.app == app.name)
    }
}

struct App {
    name: String,
    cloud: &'static str,
    consent: ConsentForm,
    optional: bool,
    client_id: String,
    asks: Vec<Ask>,
    credentials: Vec<Credential>,
    alarm: Option<Alarm>,
}

struct Credential {
    status: CredentialStatus,
    ends: Option<When>,
    /// Microsoft refuses it while the other one stands in.
    refused: Option<Alarm>,
    /// `ok`, `warn` (30 days) or `bad` (7 days, or over).
    class: &'static str,
}

impl Credential {
    fn new(status: CredentialStatus, alarms: &[Alarm], now: DateTime<Utc>) -> Self {
        let class = match status.ends_at {
            Some(at) if at - now < TimeDelta::days(7) => "bad",
            Some(at) if at - now < TimeDelta::days(30) => "warn",
            _ => "ok",
        };
        let refused = alarms.iter().find(|alarm| alarm.credential == status.place).cloned();
        Self { ends: status.ends_at.map(|at| When::new(at, now)), refused, class, status }
    }
}

impl AppsPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }
}

impl App {
    fn new(app: &config::App, statuses: Vec<CredentialStatus>, alarms: &[Alarm], now: DateTime<Utc>) -> Self {
        Self {
            name: app.name.clone(),
            cloud: app.cloud.label(),
            consent: app.consent,
            optional: app.optional,
            client_id: app.client_id.to_string(),
            asks: onboarding::asks(app),
            credentials: statuses.into_iter().map(|status| Credential::new(status, alarms, now)).collect(),
            alarm: alarms.iter().find(|alarm| alarm.credential.is_empty()).cloned(),
        }
    }
}

async fn show(State(state): State<AppState>, Admin(user): Admin, db: ScopedDb) -> Result<Page<AppsPage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let alarms = alarms::list(&mut tx).await?;
    let tallies = permissions::tally(&mut tx).await?;
    tx.commit().await?;
    let apps = state.config.app.iter().map(|app| {
        let alarms: Vec<Alarm> = alarms.iter().filter(|alarm| alarm.app == app.name).cloned().collect();
        App::new(app, notices::credentials(&state.microsoft, &app.name, now), &alarms, now)
    });
    let apps = apps.collect();
    Ok(Page(AppsPage { user, callback: state.config.consent_callback().to_string(), apps, now, tallies }))
}
