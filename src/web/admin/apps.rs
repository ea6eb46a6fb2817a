//! The configured apps: what they ask for, where they answer, how long their credential lasts.

use crate::app::AppState;
use crate::app::onboarding::{self, Ask, Desk};
use crate::config::{self, ConsentForm};
use crate::model::clock;
use crate::web::extract::{Admin, User};
use crate::web::page::Page;
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
}

struct App {
    name: String,
    cloud: &'static str,
    consent: ConsentForm,
    optional: bool,
    client_id: String,
    asks: Vec<Ask>,
    certificate: bool,
    expires: Option<When>,
    /// `ok`, `warn` (30 days) or `bad` (7 days, or over).
    class: &'static str,
}

impl App {
    fn new(app: &config::App, expires: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        let class = match expires {
            Some(at) if at - now < TimeDelta::days(7) => "bad",
            Some(at) if at - now < TimeDelta::days(30) => "warn",
            _ => "ok",
        };
        Self {
            name: app.name.clone(),
            cloud: app.cloud.label(),
            consent: app.consent,
            optional: app.optional,
            client_id: app.client_id.to_string(),
            asks: onboarding::asks(app),
            certificate: app.certificate_file.is_some(),
            expires: expires.map(|at| When::new(at, now)),
            class,
        }
    }
}

async fn show(State(desk): State<Desk>, Admin(user): Admin) -> Page<AppsPage> {
    let now = clock::now();
    let apps = desk.config.app.iter().map(|app| App::new(app, onboarding::credential_ends(&desk, app), now)).collect();
    Page(AppsPage { user, callback: desk.config.consent_callback().to_string(), apps })
}
