//! The beginning of a trip to Microsoft.

use super::{Desk, Flow};
use crate::model::DirectoryId;
use crate::store::audit::By;
use crate::store::consents::{Attempt, LIFETIME, SignIn, Start};
use crate::store::invites::Invite;
use crate::store::tenants::Tenant;
use crate::store::tickets::Ticket;
use crate::store::{self, Scoped, tickets};
use anyhow::Context;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
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
    if !super::apps_of(&desk.config, &tenant).iter().any(|known| known.name == app) {
        return Ok(None);
    }
    // A second tab of the same browser must not cut off the first.
    let flow = match flow.filter(|flow| flow.invite == token) {
        Some(flow) => flow,
        None => Flow::new(token)?,
    };
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
    for app in super::apps_of(&desk.config, tenant) {
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
    let secrets = SignIn { nonce, pkce_verifier: trip.verifier.expose_secret().to_owned() };
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
