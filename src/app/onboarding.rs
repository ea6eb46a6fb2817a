//! The customer's way in: an invite opened, each app consented to at Microsoft, the directory proven by a sign-in, and bound.
//!
//! A callback proves nothing by itself: it counts with a `state` of ours, once, in time, in the browser that began; and the directory it
//! names counts once a signed token names the same.

mod answer;
mod prove;
mod told;
mod trip;

pub use answer::{Reply, answer};
pub use told::Told;
pub use trip::{begin, links};

use crate::config::{self, Config};
use crate::microsoft::{self, FindError};
use crate::model::{Cloud, ConsentOutcome, DirectoryId, Product, permission};
use crate::store::audit::By;
use crate::store::consents::Attempt;
use crate::store::coverage::Coverage;
use crate::store::invites::Invite;
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

/// One app the customer is asked to allow.
#[derive(Debug)]
pub struct AppStep {
    pub name: String,
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
    /// The icon that goes with it.
    pub const fn icon(&self) -> &'static str {
        if self.changes { "key" } else { "ok" }
    }
}

impl AppStep {
    /// Microsoft says it was allowed.
    pub fn is_granted(&self) -> bool {
        self.last.as_ref().is_some_and(|attempt| attempt.outcome == Some(ConsentOutcome::Granted))
    }

    /// What to tell the customer of a try that failed.
    pub fn failure(&self) -> Option<Told> {
        self.last.as_ref()?.outcome.filter(|outcome| *outcome != ConsentOutcome::Granted).map(Told::of)
    }
}

/// What an app asks for, in plain words.
pub fn asks(app: &config::App) -> Vec<Ask> {
    let of = |(product, names): (&Product, &Vec<String>)| {
        let product = *product;
        let ask = move |name: String| {
            let (plain, changes) = (permission::plain(product, &name), permission::changes(&name));
            Ask { product, permission: name, plain, changes }
        };
        names.clone().into_iter().map(ask).collect::<Vec<_>>()
    };
    app.permissions.iter().flat_map(of).collect()
}

/// The configured apps of a tenant, in its order.
pub fn apps_of<'a>(config: &'a Config, tenant: &Tenant) -> Vec<&'a config::App> {
    tenant.apps.iter().filter_map(|name| config.app.iter().find(|app| app.name == *name)).collect()
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
        asks: asks(app),
        last: attempts.iter().find(|attempt| attempt.app == app.name).cloned(),
    };
    let apps = apps_of(&desk.config, &tenant).into_iter().map(step).collect();
    Ok(Visit::Open(Box::new(View { tenant, invite, apps, coverage })))
}

/// Which directory a domain belongs to, as Microsoft says; otherwise a sentence for staff.
pub async fn find_directory(desk: &Desk, cloud: Cloud, domain: &str, now: DateTime<Utc>) -> Result<DirectoryId, &'static str> {
    desk.microsoft.find_directory(cloud, domain, now).await.map_err(|error| match error {
        FindError::InvalidName | FindError::NotFound => "Microsoft knows no directory with this domain in this cloud.",
        FindError::Call(_) => "Microsoft could not be asked for this domain just now. Try again, or give the directory id.",
    })
}
