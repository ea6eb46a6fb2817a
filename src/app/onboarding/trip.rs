//! The beginning of a trip to Microsoft.

use super::{Desk, Flow};
use crate::config;
use crate::model::{ConsentOutcome, DirectoryId, TenantState};
use crate::store::audit::By;
use crate::store::consents::{Attempt, LIFETIME, SignIn, Start};
use crate::store::invites::Invite;
use crate::store::tenants::Tenant;
use crate::store::tickets::Ticket;
use crate::store::{self, Scoped, tickets};
use anyhow::Context;
use chrono::{DateTime, Utc};
use url::Url;

/// Begins the consent to one app: where the browser goes, and the cookie it takes along. `None`: the link is of no use (any more), or the
/// app is not among those asked for.
pub async fn begin(
    desk: &Desk,
    by: &By,
    token: &str,
    app: &str,
    flow: Option<Flow>,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<(Url, Flow)>> {
    let Some((tenant_id, hash)) = tickets::read(token) else { return Ok(None) };
    let mut tx = desk.db.tenant(tenant_id).await?;
    let invite = store::invites::find(&mut tx, tenant_id, &hash).await?.filter(|invite| invite.is_valid(now));
    let tenant = store::tenants::get(&mut tx, tenant_id).await?;
    let (Some(invite), Some(tenant)) = (invite, tenant) else { return Ok(None) };
    if !super::apps_on(&desk.config, &tenant, &invite).iter().any(|known| known.name == app) {
        return Ok(None);
    }
    let flow = same_browser(flow, token)?;
    let state = tickets::mint(tenant_id)?;
    let start = Start {
        tenant: tenant_id,
        invite: invite.invite_id,
        app,
        state_hash: &state.hash,
        browser_hash: &flow.hash(),
        expires_at: now + LIFETIME,
        sign_in: None,
    };
    store::consents::begin(&mut tx, by, &start, now).await?;
    store::tenants::await_consent(&mut tx, tenant_id, "The customer is at Microsoft.", now).await?;
    tx.commit().await?;
    let directory = tenant.directory_id.or(tenant.expected_directory_id);
    let url = desk.microsoft.consent_url(app, directory, &desk.config.consent_callback(), &state.text);
    Ok(Some((url.context("the app asks for nothing")?, flow)))
}

/// A second tab of the same browser must not cut off the first.
fn same_browser(flow: Option<Flow>, token: &str) -> anyhow::Result<Flow> {
    match flow.filter(|flow| flow.invite == token) {
        Some(flow) => Ok(flow),
        None => Flow::new(token),
    }
}

/// What the customer says of an app on our page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// They accepted by a link that comes back to nobody; and perhaps which directory it was. A hint, nothing more.
    Accepted(Option<DirectoryId>),
    /// They do without an optional app.
    Skip,
}

/// Takes the customer's word. `None`: the link is of no use (any more), or this cannot be said of the app.
pub async fn say(
    desk: &Desk,
    by: &By,
    (token, app): (&str, &str),
    flow: Option<Flow>,
    word: Word,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<Flow>> {
    let Some((tenant_id, hash)) = tickets::read(token) else { return Ok(None) };
    let mut tx = desk.db.tenant(tenant_id).await?;
    let invite = store::invites::find(&mut tx, tenant_id, &hash).await?.filter(|invite| invite.is_valid(now));
    let tenant = store::tenants::get(&mut tx, tenant_id).await?;
    let (Some(invite), Some(tenant)) = (invite, tenant) else { return Ok(None) };
    let (outcome, directory) = match word {
        Word::Accepted(directory) => (ConsentOutcome::Reported, directory),
        Word::Skip => (ConsentOutcome::Skipped, None),
    };
    let fits = |known: &config::App| match word {
        Word::Accepted(_) => !known.consent.comes_back(),
        Word::Skip => known.optional,
    };
    if !super::apps_on(&desk.config, &tenant, &invite).into_iter().any(|known| known.name == app && fits(known)) {
        return Ok(None);
    }
    let flow = same_browser(flow, token)?;
    let state = tickets::mint(tenant_id)?;
    let start = Start {
        tenant: tenant_id,
        invite: invite.invite_id,
        app,
        state_hash: &state.hash,
        browser_hash: &flow.hash(),
        expires_at: now,
        sign_in: None,
    };
    store::consents::say(&mut tx, by, &start, outcome, directory, now).await?;
    if tenant.directory_id.is_some() && invite.proven_at.is_some() {
        super::answer::settle(desk, &mut tx, by, &tenant, &invite, now).await?;
    } else if outcome == ConsentOutcome::Reported {
        store::tenants::await_directory(&mut tx, tenant_id, now).await?;
        if tenant.directory_id.is_some() && !matches!(tenant.state, TenantState::Paused | TenantState::Offboarded) {
            desk.queue.verify(&mut tx, tenant_id).await?; // tokens say whether it is so
        }
    }
    tx.commit().await?;
    Ok(Some(flow))
}

/// Microsoft's consent link for each app of a tenant, as the API hands them out. Each counts once, as long as the invite does, and only in a
/// browser that has opened the invite.
pub async fn links(
    desk: &Desk,
    tx: &mut Scoped,
    by: &By,
    tenant: &Tenant,
    (invite, ticket): (&Invite, &Ticket),
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<(String, Url)>> {
    let mut links = Vec::new();
    for app in super::apps_on(&desk.config, tenant, invite) {
        let state = tickets::mint(tenant.tenant_id)?;
        let start = Start {
            tenant: tenant.tenant_id,
            invite: invite.invite_id,
            app: &app.name,
            state_hash: &state.hash,
            browser_hash: &ticket.hash,
            expires_at: invite.expires_at,
            sign_in: None,
        };
        store::consents::begin(tx, by, &start, now).await?;
        let directory = tenant.directory_id.or(tenant.expected_directory_id);
        let url = desk.microsoft.consent_url(&app.name, directory, &desk.config.consent_callback(), &state.text);
        links.push((app.name.clone(), url.context("the app asks for nothing")?));
    }
    Ok(links)
}

/// Begins the sign-in that proves the directory a consent has claimed.
pub(super) async fn begin_sign_in(
    desk: &Desk,
    tx: &mut Scoped,
    by: &By,
    consent: &Attempt,
    directory: DirectoryId,
    now: DateTime<Utc>,
) -> anyhow::Result<Url> {
    let (state, nonce) = (tickets::mint(consent.tenant_id)?, tickets::random()?.text);
    let trip = desk.microsoft.sign_in_url(&consent.app, directory, &desk.config.consent_callback(), &state.text, &nonce);
    let trip = trip.context("the app is not configured any more")?;
    let secrets = SignIn { nonce: nonce.into(), pkce_verifier: trip.verifier };
    let start = Start {
        tenant: consent.tenant_id,
        invite: consent.invite_id,
        app: &consent.app,
        state_hash: &state.hash,
        browser_hash: &consent.browser_hash,
        expires_at: now + LIFETIME,
        sign_in: Some((directory, &secrets)),
    };
    store::consents::begin(tx, by, &start, now).await?;
    Ok(trip.url)
}
