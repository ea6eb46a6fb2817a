//! The sign-in that proves a directory, and its binding.

use super::Desk;
use super::answer::{Reply, Trip, held_by_another, refuse, settle};
use super::told::Told;
use crate::microsoft::SignInError;
use crate::model::{ConsentOutcome, DirectoryId};
use crate::store::audit::By;
use crate::store::consents::Ending;
use crate::store::tenants::WriteError;
use crate::store::{self, Scoped};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

/// A sign-in came back with its code. No connection is held while Microsoft answers.
pub(super) async fn signed_in(
    desk: &Desk,
    mut tx: Scoped,
    by: &By,
    trip: &Trip,
    code: &SecretString,
    now: DateTime<Utc>,
) -> anyhow::Result<Reply> {
    let secrets = store::consents::take_secrets(&mut tx, &trip.attempt).await?;
    let (Some(secrets), Some(claimed)) = (secrets, trip.attempt.directory_id) else { anyhow::bail!("a sign-in without its secrets") };
    tx.commit().await?;
    let (callback, nonce, verifier) = (desk.config.consent_callback(), secrets.nonce.expose_secret(), &secrets.pkce_verifier);
    let redeemed = desk.microsoft.redeem(&trip.attempt.app, claimed, &callback, code, verifier, nonce, now).await;
    let (outcome, why) = match redeemed {
        Ok(person) if person.tid == claimed => return bind(desk, by, trip, claimed, now).await,
        Ok(_) => (ConsentOutcome::Refused, "The sign-in is of another directory than the consent.".to_owned()),
        Err(SignInError::Refused(why)) => (ConsentOutcome::Refused, format!("The sign-in proves nothing: {why}.")),
        Err(SignInError::Call(error)) => (ConsentOutcome::Failed, format!("{} {}", error.reason(), error.remedy().staff)),
    };
    let tx = desk.db.tenant(trip.tenant.tenant_id).await?;
    refuse(tx, by, trip, Ending::new(outcome, None, Some(&why)), Told::of(outcome), now).await
}

/// Binds the proven directory, notes it on the invite, and asks for the tests of the permissions: all or nothing. The invite stays valid for
/// the apps that are left on it; a later consent must come from the bound directory.
async fn bind(desk: &Desk, by: &By, trip: &Trip, directory: DirectoryId, now: DateTime<Utc>) -> anyhow::Result<Reply> {
    let tenant_id = trip.tenant.tenant_id;
    if held_by_another(desk, directory, tenant_id).await? {
        return not_bound(desk, by, trip, directory, ConsentOutcome::ForeignDirectory, now).await;
    }
    let mut tx = desk.db.tenant(tenant_id).await?;
    if !store::invites::prove(&mut tx, tenant_id, trip.invite.invite_id, now).await? {
        drop(tx);
        return not_bound(desk, by, trip, directory, ConsentOutcome::Refused, now).await;
    }
    let Some(tenant) = store::tenants::get(&mut tx, tenant_id).await? else { anyhow::bail!("the tenant is gone") };
    let needs_approval = tenant.needs_approval || (tenant.directory_id.is_none() && tenant.expected_directory_id.is_none());
    match store::bindings::bind(&mut tx, by, &tenant, directory, needs_approval, now).await {
        Ok(()) => {}
        Err(WriteError::DirectoryTaken) => {
            drop(tx);
            return not_bound(desk, by, trip, directory, ConsentOutcome::ForeignDirectory, now).await;
        }
        Err(WriteError::Database(error)) => return Err(error.into()),
        Err(_) => {
            drop(tx);
            return not_bound(desk, by, trip, directory, ConsentOutcome::WrongDirectory, now).await;
        }
    }
    store::consents::end(&mut tx, by, &trip.attempt, &Ending::new(ConsentOutcome::Proven, Some(directory), None)).await?;
    let Some(tenant) = store::tenants::get(&mut tx, tenant_id).await? else { anyhow::bail!("the tenant is gone") };
    settle(desk, &mut tx, by, &tenant, &trip.invite, now).await?;
    tx.commit().await?;
    Ok(Reply::Back)
}

async fn not_bound(
    desk: &Desk,
    by: &By,
    trip: &Trip,
    directory: DirectoryId,
    outcome: ConsentOutcome,
    now: DateTime<Utc>,
) -> anyhow::Result<Reply> {
    let why = match outcome {
        ConsentOutcome::ForeignDirectory => "The directory belongs to another tenant of the registry.",
        ConsentOutcome::WrongDirectory => "The directory is not the registered one.",
        _ => "The link was used or revoked meanwhile.",
    };
    let tx = desk.db.tenant(trip.tenant.tenant_id).await?;
    refuse(tx, by, trip, Ending::new(outcome, Some(directory), Some(why)), Told::of(outcome), now).await
}
