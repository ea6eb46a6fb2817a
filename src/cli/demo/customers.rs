//! The demo's customers: Microsoft's side in the stand-in, the portal's side through the functions that pages use.

use crate::app::onboarding::known_apps;
use crate::config::Config;
use crate::demo::{Example, ExampleKind, StandIn, examples, prepare};
use crate::model::clock::now;
use crate::model::registration::{Raw, Registration};
use crate::model::{Cloud, ConsentOutcome, DirectoryId, PermissionState, Product, TenantId, TenantState, Verdict};
use crate::store::audit::{Actor, By};
use crate::store::consents::{Ending, LIFETIME, Start};
use crate::store::invites::Invite;
use crate::store::permissions::{self, Permission};
use crate::store::tenants::{self, Tenant};
use crate::store::tickets::Ticket;
use crate::store::{Db, Scoped, bindings, consents, invites, offboarding, tickets};
use crate::sync::engine::Queue;
use anyhow::{Context, Result, anyhow};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Examples of every kind, and a few more; what follows in the list are healthy customers.
const KINDS: usize = 16;

const DEMO: By = By { actor: Actor::System("demo"), ip: None };
const CUSTOMER: By = By { actor: Actor::Customer, ip: None };

/// Sets up `count` customers of a cloud on both sides and asks the worker to check those that have consented. One more has a directory at the
/// stand-in and is not a customer yet: its name and domain are the answer.
pub async fn register(
    db: &Db,
    queue: &Queue,
    config: &Config,
    microsoft: &StandIn,
    (cloud, count): (Cloud, usize),
) -> Result<(String, String)> {
    let now = now();
    let known = known_apps(config);
    let mut tx = db.all_tenants().await?;
    for example in examples(cloud, count) {
        let (apps, ids) = apps_of(config, &example);
        prepare(&mut microsoft.world(), &example, &ids, now);
        let tenant = create(&mut tx, &registration(&example, apps, &known)?, now).await?;
        bring_into_its_state(&mut tx, queue, &example, &tenant, now).await.with_context(|| example.name.clone())?;
    }
    tx.commit().await?;
    let newcomer = examples(cloud, count.max(KINDS) + 1).pop().context("there is always one more example")?;
    prepare(&mut microsoft.world(), &newcomer, &[], now);
    Ok((newcomer.name, newcomer.domain))
}

/// The smallest app that covers what is to be read there, and for a customer with whom all is well those for more than reading.
fn apps_of(config: &Config, example: &Example) -> (Vec<String>, Vec<Uuid>) {
    let covers = |products: &[Product]| example.products.iter().all(|product| products.contains(product));
    let is_more = |app: &&crate::config::App| super::MORE.iter().any(|(name, _)| *name == app.name);
    let fits = |app: &&crate::config::App| app.cloud == example.cloud && covers(&app.permissions.keys().copied().collect::<Vec<_>>());
    let linked = |app: &&crate::config::App| app.consent.comes_back() == (example.kind != ExampleKind::Reported);
    let reader = config.app.iter().filter(|app| !is_more(app)).filter(fits).filter(linked).min_by_key(|app| app.permissions.len());
    // Every directory has Graph, also one that is not read through it.
    let has = |product: &Product| *product == Product::Graph || example.products.contains(product);
    let has_all = |app: &&crate::config::App| app.permissions.keys().all(has);
    let more = config.app.iter().filter(|app| is_more(app) && has_all(app) && app.cloud == example.cloud);
    let more = more.filter(|_| matches!(example.kind, ExampleKind::Healthy | ExampleKind::Outgrown));
    reader.into_iter().chain(more).map(|app| (app.name.clone(), app.client_id)).unzip()
}

fn registration(example: &Example, apps: Vec<String>, known: &[(&str, Cloud)]) -> Result<Registration> {
    let contacts = example.contacts.iter().map(|(name, mail)| format!("{name} <{mail}>")).collect::<Vec<_>>().join("\n");
    // Two customers' directories are not known beforehand: staff will approve what is learnt at a consent, and enter what is told.
    let unknown = matches!(example.kind, ExampleKind::Pending | ExampleKind::Reported);
    let directory = if unknown { String::new() } else { example.directory_id.to_string() };
    let raw = Raw {
        name: example.name.clone(),
        directory,
        domain: example.domain.clone(),
        cloud: example.cloud.to_string(),
        apps: Some(apps),
        tags: example.tags.join(","),
        group: example.group.to_owned(),
        contacts,
        notes: String::new(),
        ..Raw::default()
    };
    raw.check(known).map_err(|wrong| anyhow!("the example {} is wrong: {wrong:?}", example.name))
}

async fn create(tx: &mut Scoped, new: &Registration, now: DateTime<Utc>) -> Result<Tenant> {
    let id = TenantId::new();
    tenants::create(tx, &DEMO, id, new, now).await?;
    tenants::get(tx, id).await?.context("a tenant that was just made")
}

async fn bring_into_its_state(tx: &mut Scoped, queue: &Queue, example: &Example, tenant: &Tenant, now: DateTime<Utc>) -> Result<()> {
    let id = tenant.tenant_id;
    match example.kind {
        ExampleKind::Pending => {
            invites::create(tx, &DEMO, id, &tickets::mint(id)?, None, now).await?;
        }
        ExampleKind::Declined => turned_away(tx, tenant, ConsentOutcome::Declined, None, now).await?,
        ExampleKind::WrongDirectory => {
            turned_away(tx, tenant, ConsentOutcome::WrongDirectory, Some(example.consenting_directory()), now).await?;
        }
        ExampleKind::Reported => reported(tx, tenant, example.directory_id, now).await?,
        ExampleKind::Offboarded => offboarding::offboard(tx, &DEMO, tenant, now).await?,
        ExampleKind::Paused => {
            bindings::bind(tx, &DEMO, tenant, example.directory_id, false, now).await?;
            tenants::set_state(
                tx,
                &DEMO,
                id,
                &[TenantState::Verifying],
                TenantState::Paused,
                "Paused during the move to a new office.",
                now,
            )
            .await?;
        }
        ExampleKind::Revoked => {
            bindings::bind(tx, &DEMO, tenant, example.directory_id, false, now).await?;
            once_granted(tx, example, tenant, now).await?;
            queue.verify(tx, id).await?;
        }
        _ => {
            bindings::bind(tx, &DEMO, tenant, example.directory_id, false, now).await?;
            queue.verify(tx, id).await?;
        }
    }
    Ok(())
}

/// A customer who was read until its administrator took the consent back: the next check finds out.
async fn once_granted(tx: &mut Scoped, example: &Example, tenant: &Tenant, now: DateTime<Utc>) -> Result<()> {
    let id = tenant.tenant_id;
    tenants::set_state(tx, &DEMO, id, &[TenantState::Verifying], TenantState::Active, "Every product is read.", now).await?;
    for &product in example.products {
        let app = tenant.apps.first().context("an example asks for an app")?;
        let row = Permission {
            granted: Some(true),
            licensed: Some(true),
            working: Some(true),
            state: PermissionState::Granted,
            checked_at: Some(now),
            since: Some(now),
            settled: Some(Verdict::Works),
            ..Permission::asked(app, product, super::permissions(product)[0])
        };
        permissions::record(tx, id, &row).await?;
    }
    Ok(())
}

/// A customer who has been to Microsoft and came back without a consent.
async fn turned_away(
    tx: &mut Scoped,
    tenant: &Tenant,
    outcome: ConsentOutcome,
    directory: Option<DirectoryId>,
    now: DateTime<Utc>,
) -> Result<()> {
    let id = tenant.tenant_id;
    let trip = Trip::begin(tx, tenant, now).await?;
    let attempt = consents::find(tx, id, &trip.state.hash).await?.context("a trip that just began")?;
    consents::answer(tx, &attempt, now).await?;
    consents::end(tx, &CUSTOMER, &attempt, &Ending::new(outcome, directory, None)).await?;
    tenants::await_consent(tx, id, outcome.label(), now).await?;
    Ok(())
}

/// A customer who has been to Microsoft by the link that comes back to nobody, and says which directory has accepted.
async fn reported(tx: &mut Scoped, tenant: &Tenant, directory: DirectoryId, now: DateTime<Utc>) -> Result<()> {
    let trip = Trip::begin(tx, tenant, now).await?;
    let said = tickets::mint(tenant.tenant_id)?;
    let start = Start { state_hash: &said.hash, expires_at: now, ..trip.start(tenant, now)? };
    consents::say(tx, &CUSTOMER, &start, ConsentOutcome::Reported, Some(directory), now).await?;
    tenants::await_directory(tx, tenant.tenant_id, now).await?;
    Ok(())
}

/// A trip of a customer's administrator to Microsoft.
struct Trip {
    invite: Invite,
    state: Ticket,
    browser: Ticket,
}

impl Trip {
    /// The customer opens a new link and goes.
    async fn begin(tx: &mut Scoped, tenant: &Tenant, now: DateTime<Utc>) -> Result<Self> {
        let id = tenant.tenant_id;
        let invite = invites::create(tx, &DEMO, id, &tickets::mint(id)?, None, now).await?;
        invites::open(tx, &CUSTOMER, &invite, now).await?;
        let trip = Self { invite, state: tickets::mint(id)?, browser: tickets::random()? };
        consents::begin(tx, &CUSTOMER, &trip.start(tenant, now)?, now).await?;
        Ok(trip)
    }

    fn start<'a>(&'a self, tenant: &'a Tenant, now: DateTime<Utc>) -> Result<Start<'a>> {
        Ok(Start {
            tenant: tenant.tenant_id,
            invite: self.invite.invite_id,
            app: tenant.apps.first().context("an example asks for an app")?,
            state_hash: &self.state.hash,
            browser_hash: &self.browser.hash,
            expires_at: now + LIFETIME,
            sign_in: None,
        })
    }
}
