//! The customer's way in: an invite opened, each app consented to at Microsoft, the directory proven by a sign-in, and bound.
//!
//! A callback proves nothing by itself: it counts with a `state` of ours, once, in time, in the browser that began; and the directory it
//! names counts once a signed token names the same.

mod answer;
mod check;
mod directory;
mod lookup;
mod prove;
mod told;
mod trip;

pub use answer::{Reply, answer};
pub use check::{check, known_apps, proposed_apps};
pub use directory::{Judged, enter, judge};
pub use told::{Told, purpose};
pub use trip::{Word, begin, links, say};

use crate::config::{self, Config, ConsentForm};
use crate::microsoft;
use crate::model::{ConsentOutcome, Product, permission};
use crate::store::audit::By;
use crate::store::consents::Attempt;
use crate::store::coverage::Coverage;
use crate::store::invites::Invite;
use crate::store::reconsent::Expected;
use crate::store::tenants::Tenant;
use crate::store::{self, Db, tickets};
use crate::sync::engine::Queue;
use axum::extract::FromRef;
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// What the onboarding works with.
#[derive(Clone)]
pub struct Desk {
    pub db: Db,
    pub queue: Queue,
    pub microsoft: microsoft::Client,
    pub config: Arc<Config>,
}

impl FromRef<super::AppState> for Desk {
    fn from_ref(state: &super::AppState) -> Self {
        let super::AppState { db, queue, microsoft, config, .. } = state.clone();
        Self { db, queue, microsoft, config }
    }
}

/// What binds the trips to one browser: a cookie of 32 random bytes and the invite it came with.
#[derive(Clone)]
pub struct Flow {
    pub browser: String,
    pub invite: String,
}

impl Flow {
    /// Reads the cookie's value.
    pub fn read(cookie: &str) -> Option<Self> {
        let (browser, invite) = cookie.split_once('.')?;
        tickets::read(invite)?;
        Some(Self { browser: browser.to_owned(), invite: invite.to_owned() })
    }

    /// The cookie's value.
    pub fn cookie(&self) -> String {
        format!("{}.{}", self.browser, self.invite)
    }

    /// A new browser that holds an invite.
    pub fn new(invite: &str) -> anyhow::Result<Self> {
        Ok(Self { browser: tickets::random()?.text, invite: invite.to_owned() })
    }

    fn hash(&self) -> Vec<u8> {
        tickets::hash(&self.browser)
    }

    /// Whether a trip bound to `browser_hash` is this browser's: it began it, or the trip is bound to the invite it holds.
    fn may_follow(&self, browser_hash: &[u8]) -> bool {
        self.hash() == browser_hash || tickets::hash(&self.invite) == browser_hash
    }
}

/// Who stands at the door with a link.
#[derive(Debug)]
pub enum Visit {
    /// No link of ours.
    Unknown,
    /// It was used, revoked, or is too old.
    Ended,
    /// It may be used, or is being used up by this very browser.
    Open(Box<View>),
}

/// The onboarding as its page shows it.
#[derive(Debug)]
pub struct View {
    pub tenant: Tenant,
    pub invite: Invite,
    pub apps: Vec<AppStep>,
    /// Readings, once there are any.
    pub coverage: Vec<Coverage>,
}

impl View {
    /// A sign-in on this link has proven the directory.
    pub fn is_proven(&self) -> bool {
        self.tenant.directory_id.is_some() && self.invite.proven_at.is_some()
    }
}

/// One app the customer is asked to allow.
#[derive(Debug)]
pub struct AppStep {
    pub name: String,
    /// The customer may do without it.
    pub optional: bool,
    /// Whether Microsoft's link comes back to us.
    pub form: ConsentForm,
    pub asks: Vec<Ask>,
    pub last: Option<Attempt>,
}

/// One permission in plain words.
#[derive(Debug)]
pub struct Ask {
    pub product: Product,
    /// Microsoft's name.
    pub permission: String,
    pub plain: &'static str,
    /// It allows more than reading.
    pub changes: bool,
}

impl Ask {
    /// A permission by Microsoft's name.
    pub fn new(product: Product, permission: String) -> Self {
        let (plain, changes) = (permission::plain(product, &permission), permission::changes(&permission));
        Self { product, permission, plain, changes }
    }

    /// The icon that goes with it.
    pub const fn icon(&self) -> &'static str {
        if self.changes { "key" } else { "ok" }
    }
}

impl AppStep {
    /// What it is for: its name is the configuration's, and says nothing to a customer.
    pub fn purpose(&self) -> String {
        purpose(&self.name, &self.asks)
    }

    /// Microsoft says it was allowed.
    pub fn is_granted(&self) -> bool {
        self.last.as_ref().is_some_and(|attempt| attempt.outcome == Some(ConsentOutcome::Granted))
    }

    /// The customer does without it.
    pub fn is_skipped(&self) -> bool {
        self.outcome() == Some(ConsentOutcome::Skipped)
    }

    /// The customer says they accepted, and nothing else is known.
    pub fn is_reported(&self) -> bool {
        self.outcome() == Some(ConsentOutcome::Reported)
    }

    /// Nothing more is to be done for it on the page.
    pub fn is_settled(&self) -> bool {
        self.outcome().is_some_and(ConsentOutcome::is_settled)
    }

    fn outcome(&self) -> Option<ConsentOutcome> {
        self.last.as_ref()?.outcome
    }

    /// What to tell the customer of a try that failed.
    pub fn failure(&self) -> Option<Told> {
        let attempt = self.last.as_ref()?;
        let outcome = attempt.outcome.filter(|outcome| !outcome.is_well())?;
        let number = attempt.aadsts.and_then(|number| u32::try_from(number).ok());
        Some(
            number
                .map_or(Told::of(outcome), |number| Told::of(outcome).with(microsoft::consent::explain(Some(number), "").remedy.customer)),
        )
    }
}

/// What an app asks for, in plain words.
pub fn asks(app: &config::App) -> Vec<Ask> {
    let of = |(product, names): (&Product, &Vec<String>)| {
        let product = *product;
        names.clone().into_iter().map(move |name| Ask::new(product, name)).collect::<Vec<_>>()
    };
    app.permissions.iter().flat_map(of).collect()
}

/// The configured apps of a tenant, in its order.
pub fn apps_of<'a>(config: &'a Config, tenant: &Tenant) -> Vec<&'a config::App> {
    tenant.apps.iter().filter_map(|name| config.app.iter().find(|app| app.name == *name)).collect()
}

/// The apps a link asks for, in the order in which they are shown: what is needed first, then what is optional.
pub fn apps_on<'a>(config: &'a Config, tenant: &Tenant, invite: &Invite) -> Vec<&'a config::App> {
    let mut apps = apps_of(config, tenant);
    apps.retain(|app| invite.asks_for(&app.name));
    apps.sort_by_key(|app| app.optional);
    apps
}

/// The apps chosen for a link, each once and in the tenant's order; `None`: every app of the tenant.
///
/// # Errors
/// A sentence, when none is chosen or one is not the tenant's.
pub fn chosen(tenant: &Tenant, apps: Option<Vec<String>>) -> Result<Option<Vec<String>>, &'static str> {
    let Some(apps) = apps else { return Ok(None) };
    if apps.is_empty() {
        return Err("Choose at least one app.");
    }
    if apps.iter().any(|app| !tenant.apps.contains(app)) {
        return Err("An app is not among those this tenant is asked for.");
    }
    Ok(Some(tenant.apps.iter().filter(|app| apps.contains(app)).cloned().collect()))
}

/// Everything the configured apps ask for, as consents are compared with it.
pub fn expected(config: &Config) -> Expected {
    let mut expected = Expected::default();
    for app in &config.app {
        for (product, names) in &app.permissions {
            for name in names {
                expected.add(&app.name, *product, name);
            }
        }
    }
    expected
}

/// Looks at a link. The first look is noted. A used link shows how things go on, to the browser that used it alone.
pub async fn visit(desk: &Desk, by: &By, token: &str, flow: Option<&Flow>, now: DateTime<Utc>) -> anyhow::Result<Visit> {
    let Some((tenant_id, hash)) = tickets::read(token) else { return Ok(Visit::Unknown) };
    let mut tx = desk.db.tenant(tenant_id).await?;
    let Some(invite) = store::invites::find(&mut tx, tenant_id, &hash).await? else { return Ok(Visit::Unknown) };
    let Some(tenant) = store::tenants::get(&mut tx, tenant_id).await? else { return Ok(Visit::Unknown) };
    let mine = match flow.filter(|flow| flow.invite == token) {
        Some(flow) => store::consents::knows_browser(&mut tx, tenant_id, invite.invite_id, &flow.hash()).await?,
        None => false,
    };
    let going_on = mine && invite.used_at.is_some();
    if !invite.is_valid(now) && !going_on {
        return Ok(Visit::Ended);
    }
    if store::invites::open(&mut tx, by, &invite, now).await? {
        store::tenants::await_consent(&mut tx, tenant_id, "The customer has opened the link.", now).await?;
    }
    let attempts = store::consents::of_invite(&mut tx, tenant_id, invite.invite_id).await?;
    let coverage = store::coverage::list(&mut tx, Some(tenant_id)).await?;
    tx.commit().await?;
    let step = |app: &config::App| AppStep {
        name: app.name.clone(),
        optional: app.optional,
        form: app.consent,
        asks: asks(app),
        last: attempts.iter().find(|attempt| attempt.app == app.name).cloned(),
    };
    let apps = apps_on(&desk.config, &tenant, &invite).into_iter().map(step).collect();
    Ok(Visit::Open(Box::new(View { tenant, invite, apps, coverage })))
}
