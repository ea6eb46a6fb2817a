//! What every handler can be given.

pub mod acting;
pub mod budgets;
pub mod bulk;
pub mod cloud_apps;
pub mod collected;
pub mod hunts;
pub mod live;
pub mod notes;
pub mod notices;
pub mod onboarding;
pub mod places;
pub mod questions;
pub mod readings;
pub mod seats;
pub mod suppressions;
pub mod triage;

use crate::auth::entra::Door;
use crate::auth::passwords::Hasher;
use crate::config::Config;
use crate::microsoft;
use crate::store::Db;
use crate::sync::engine::Queue;
use axum::extract::FromRef;
use std::sync::Arc;
use url::Url;

/// The state of the web part. Cheap to clone.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// Works as the web role.
    pub db: Db,
    pub config: Arc<Config>,
    pub hasher: Hasher,
    pub queue: Queue,
    pub microsoft: microsoft::Client,
    /// What every page tells those who run the portal.
    pub notices: notices::Notices,
    /// Who waits for changes.
    pub live: live::Live,
    /// Present in `watchfloor demo` only.
    pub demo: Option<Arc<Demo>>,
}

impl FromRef<AppState> for Door {
    fn from_ref(state: &AppState) -> Self {
        let AppState { db, microsoft, config, .. } = state.clone();
        Self { db, microsoft, config }
    }
}

/// What the demo tells its visitors: who may sign in, and where the stand-in for Microsoft is.
#[derive(Clone, Debug)]
pub struct Demo {
    pub logins: Vec<DemoLogin>,
    /// The stand-in's own page.
    pub stand_in: Url,
    /// Name and domain of somebody who could become a customer.
    pub newcomer: (String, String),
    /// Somebody of a customer's who may sign in.
    pub customer: Option<DemoCustomer>,
}

/// A person of an example customer's; at the stand-in anybody may pick them.
#[derive(Clone, Debug)]
pub struct DemoCustomer {
    /// What they sign in as.
    pub username: String,
    /// One line: who this is.
    pub about: String,
}

/// An example account; its password is public.
#[derive(Clone, Debug)]
pub struct DemoLogin {
    pub login: String,
    pub password: String,
    /// One line: what this person can do.
    pub about: String,
}
