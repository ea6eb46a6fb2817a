//! What Microsoft sends the browser back with: which trip it belongs to, whether it may count, and what follows.

use super::told::Told;
use super::{Desk, Flow, prove, trip};
use crate::auth::limits::{self, Attempt as Tried};
use crate::microsoft::consent::{Callback, Failure, parse_callback};
use crate::model::{Cloud, ConsentOutcome, ConsentStep, DirectoryId, TenantId, TenantState};
use crate::store::audit::{Actor, By};
use crate::store::consents::{Attempt, Ending};
use crate::store::invites::Invite;
use crate::store::tenants::Tenant;
use crate::store::{self, Scoped, tickets};
use chrono::{DateTime, Utc};
use url::Url;

/// What the browser gets.
#[derive(Debug)]
pub enum Reply {
    /// On to Microsoft, to sign in.
    Away(Url),
    /// Back to the onboarding page, which shows how far things are.
    Back,
    Told(Told),
}

/// A trip whose state was used up just now.
pub(super) struct Trip {
    pub attempt: Attempt,
    pub tenant: Tenant,
    pub invite: Invite,
}

/// Takes an answer. Run it where a lost connection cannot cut it off.
pub async fn answer(desk: &Desk, query: &str, flow: Option<&Flow>, ip: Option<String>, now: DateTime<Utc>) -> anyhow::Result<Reply> {
    let callback = parse_callback(query);
    let state = match &callback {
        Callback::Granted { state, .. } | Callback::SignedIn { state, .. } | Callback::Failed { state: Some(state), .. } => state,
        Callback::Failed { state: None, .. } => return stray(desk, ip, "an error without a state", Told::UNKNOWN_ATTEMPT).await,
        Callback::Unknown => return stray(desk, ip, "not an answer of Microsoft's", Told::STRAY).await,
    };
    let Some((tenant, hash)) = tickets::read(state) else { return stray(desk, ip, "an unknown state", Told::STRAY).await };
    // Asked before the tenant's own transaction, so that no request holds two connections.
    let holder = match &callback {
        Callback::Granted { tenant: claimed, .. } => held_by_another(desk, *claimed, tenant).await?,
        _ => false,
    };
    let mut tx = desk.db.tenant(tenant).await?;
    let Some(attempt) = store::consents::find(&mut tx, tenant, &hash).await? else {
        drop(tx);
        return stray(desk, ip, "an unknown state", Told::STRAY).await;
    };
    let by = By { actor: Actor::Customer, ip };
    if !store::consents::answer(&mut tx, &attempt, now).await? {
        store::consents::replayed(&mut tx, &by, &attempt).await?;
        tx.commit().await?;
        return Ok(Reply::Told(Told::REPLAYED));
    }
    let invite = store::invites::get(&mut tx, tenant, attempt.invite_id).await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?;
    let (Some(tenant), Some(invite)) = (tenant, invite) else { anyhow::bail!("an attempt without its tenant or invite") };
    let mut trip = Trip { attempt, tenant, invite };
    if let Some((outcome, why)) = trip.unfit(flow, now) {
        return refuse(tx, &by, &trip, Ending::new(outcome, None, Some(why)), Told::of(outcome), now).await;
    }
    if let Some(hash) = flow.map(Flow::hash).filter(|hash| *hash != trip.attempt.browser_hash) {
        store::consents::follow(&mut tx, &trip.attempt, &hash).await?;
        trip.attempt.browser_hash = hash; // what follows belongs to this browser alone
    }
    match (callback, trip.attempt.step) {
        (Callback::Failed { failure, .. }, _) => failed(tx, &by, &trip, &failure, now).await,
        (Callback::Granted { tenant: claimed, .. }, ConsentStep::AdminConsent) => granted(desk, tx, &by, &trip, claimed, holder, now).await,
        (Callback::SignedIn { code, .. }, ConsentStep::SignIn) => prove::signed_in(desk, tx, &by, &trip, &code, now).await,
        _ => {
            let why = "The answer is not of the kind that was asked for.";
            refuse(tx, &by, &trip, Ending::new(ConsentOutcome::Refused, None, Some(why)), Told::of(ConsentOutcome::Refused), now).await
        }
    }
}

impl Trip {
    /// Why the answer may not count, whatever it says.
    fn unfit(&self, flow: Option<&Flow>, now: DateTime<Utc>) -> Option<(ConsentOutcome, &'static str)> {
        if flow.is_none_or(|flow| !flow.may_follow(&self.attempt.browser_hash)) {
            Some((ConsentOutcome::OtherBrowser, "The answer came to another browser than the one that began. Ask the customer to use one."))
        } else if now >= self.attempt.expires_at {
            Some((ConsentOutcome::Expired, "The answer came too late. The customer may open the link again."))
        } else if !self.invite.is_valid(now) {
            Some((ConsentOutcome::Refused, "The link was used, revoked or too old when the answer came. Send a new one."))
        } else {
            None
        }
    }
}

async fn stray(desk: &Desk, ip: Option<String>, reason: &str, told: Told) -> anyhow::Result<Reply> {
    let mut tx = desk.db.no_tenant().await?;
    // Anybody can send such answers; the log tells of some, and then of how many.
    if limits::attempt(&mut tx, Tried::Stray, ip.as_deref()).await?.is_none() {
        store::consents::stray(&mut tx, &By { actor: Actor::Stranger, ip }, reason).await?;
    }
    tx.commit().await?;
    Ok(Reply::Told(told))
}

pub(super) async fn held_by_another(desk: &Desk, directory: DirectoryId, tenant: TenantId) -> anyhow::Result<bool> {
    let mut tx = desk.db.all_tenants().await?;
    Ok(store::tenants::holder(&mut tx, directory, Some(tenant)).await?.is_some())
}

/// Writes how the trip ended, for staff and for the audit log, and tells the customer.
pub(super) async fn refuse(mut tx: Scoped, by: &By, trip: &Trip, ending: Ending, told: Told, now: DateTime<Utc>) -> anyhow::Result<Reply> {
    store::consents::end(&mut tx, by, &trip.attempt, &ending).await?;
    let reason = ending.error.as_deref().unwrap_or(ending.outcome.label());
    store::tenants::await_consent(&mut tx, trip.tenant.tenant_id, reason, now).await?;
    tx.commit().await?;
    Ok(Reply::Told(told))
}

async fn failed(tx: Scoped, by: &By, trip: &Trip, failure: &Failure, now: DateTime<Utc>) -> anyhow::Result<Reply> {
    let meaning = failure.meaning();
    let staff = if meaning.outcome == ConsentOutcome::WrongCloud { other_cloud(trip.tenant.cloud) } else { meaning.remedy.staff };
    let ending = Ending {
        outcome: meaning.outcome,
        directory: None,
        aadsts: failure.aadsts.and_then(|number| i32::try_from(number).ok()),
        error: Some(staff.to_owned()),
        correlation_id: failure.correlation_id.map(|id| id.to_string()),
        trace_id: failure.trace_id.map(|id| id.to_string()),
    };
    refuse(tx, by, trip, ending, Told::of(meaning.outcome).with(meaning.remedy.customer), now).await
}

/// What staff do about a directory that is not of the tenant's cloud.
const fn other_cloud(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial | Cloud::Gcc => {
            "This directory belongs to another national cloud, most likely the US government's: register the app there, set the tenant's cloud, \
             send a new link."
        }
        Cloud::GccHigh | Cloud::Dod => {
            "This directory does not belong to the US government's cloud that the tenant is set to: set the tenant's cloud and an app registered \
             there, send a new link."
        }
    }
}

/// Microsoft says that `claimed` consented. The claim is put to the proof at once, unless this browser has proven that directory already.
async fn granted(
    desk: &Desk,
    mut tx: Scoped,
    by: &By,
    trip: &Trip,
    claimed: DirectoryId,
    held: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<Reply> {
    let Trip { attempt, tenant, invite } = trip;
    let others = store::consents::of_invite(&mut tx, tenant.tenant_id, invite.invite_id).await?;
    // What another browser claims is nothing that an honest customer could be held to.
    let granted = |other: &&Attempt| {
        other.app != attempt.app && other.outcome == Some(ConsentOutcome::Granted) && other.browser_hash == attempt.browser_hash
    };
    let wrong = if tenant.directory_id.or(tenant.expected_directory_id).is_some_and(|expected| expected != claimed) {
        Some((ConsentOutcome::WrongDirectory, "The consent came from another directory than the registered one."))
    } else if held {
        Some((ConsentOutcome::ForeignDirectory, "The consent came from a directory that belongs to another tenant of the registry."))
    } else if others.iter().filter(granted).any(|other| other.directory_id != Some(claimed)) {
        Some((ConsentOutcome::WrongDirectory, "The apps were consented to in different directories."))
    } else {
        None
    };
    if let Some((outcome, why)) = wrong {
        return refuse(tx, by, trip, Ending::new(outcome, Some(claimed), Some(why)), Told::of(outcome), now).await;
    }
    store::consents::end(&mut tx, by, attempt, &Ending::new(ConsentOutcome::Granted, Some(claimed), None)).await?;
    let proofs = store::consents::proofs(&mut tx, tenant.tenant_id, invite.invite_id).await?;
    if tenant.directory_id == Some(claimed) && proofs.contains(&(attempt.browser_hash.clone(), claimed)) {
        settle(desk, &mut tx, by, tenant, invite, now).await?;
        tx.commit().await?;
        return Ok(Reply::Back);
    }
    store::tenants::await_consent(&mut tx, tenant.tenant_id, "The customer has approved; the directory is being proven.", now).await?;
    let away = trip::begin_sign_in(desk, &mut tx, by, attempt, claimed, now).await?;
    tx.commit().await?;
    Ok(Reply::Away(away))
}

/// After a change to what a link with a proven directory asks for: the link is used up once nothing on it is left to do, and tokens are asked
/// what was granted. `tenant` as it stands now.
pub(super) async fn settle(
    desk: &Desk,
    tx: &mut Scoped,
    by: &By,
    tenant: &Tenant,
    invite: &Invite,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let attempts = store::consents::of_invite(tx, tenant.tenant_id, invite.invite_id).await?;
    let proofs = store::consents::proofs(tx, tenant.tenant_id, invite.invite_id).await?;
    let is_proven = |attempt: &Attempt| proofs.iter().any(|(hash, of)| *hash == attempt.browser_hash && Some(*of) == attempt.directory_id);
    let is_settled = |attempt: &Attempt| match attempt.outcome {
        Some(ConsentOutcome::Granted) => is_proven(attempt),
        outcome => outcome.is_some_and(ConsentOutcome::is_settled),
    };
    let apps = super::apps_on(&desk.config, tenant, invite);
    if apps.iter().all(|app| attempts.iter().any(|attempt| attempt.app == app.name && is_settled(attempt))) {
        store::invites::consume(tx, by, tenant.tenant_id, invite.invite_id, now).await?;
    }
    if !tenant.needs_approval && tenant.state != TenantState::Paused {
        desk.queue.verify(tx, tenant.tenant_id).await?;
    }
    Ok(())
}
