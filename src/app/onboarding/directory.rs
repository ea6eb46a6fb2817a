//! A directory that staff enter, because the app's consent link comes back to nobody: entered by one person, proven by a token, confirmed by
//! another.

use super::{Desk, apps_of};
use crate::model::{DirectoryId, TenantId, TenantState, UserId};
use crate::store::audit::By;
use crate::store::tenants::WriteError;
use crate::store::{self, Scoped};
use chrono::{DateTime, Utc};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    Done,
    /// There is no such tenant in the scope.
    NoTenant,
    /// It cannot be, with the reason. It stands in the audit log.
    No(&'static str),
}

/// A lead enters the directory of a tenant that consented by a link which tells us nothing. `held`: another tenant has it, as an all-tenants
/// transaction saw before this one began. Queues the test by tokens; what is refused is written to the audit log. Commits.
pub async fn enter(
    desk: &Desk,
    mut tx: Scoped,
    (by, user): (&By, UserId),
    tenant: TenantId,
    (directory, held): (DirectoryId, bool),
    now: DateTime<Utc>,
) -> anyhow::Result<Judged> {
    const ACTION: &str = "tenant.directory_enter";
    let Some(found) = store::tenants::get(&mut tx, tenant).await? else { return Ok(Judged::NoTenant) };
    let why = if !apps_of(&desk.config, &found).iter().any(|app| !app.consent.comes_back()) {
        Some("Every app of this tenant has a link that comes back to us: the directory is learnt and proven by it. Make a link instead.")
    } else if found.directory_id.is_some()
        || !matches!(found.state, TenantState::Invited | TenantState::ConsentPending | TenantState::Verifying)
    {
        Some("This tenant does not wait for a directory.")
    } else if found.expected_directory_id.is_some_and(|expected| expected != directory) {
        Some("That is another directory than the one this tenant is registered with.")
    } else if held {
        Some("The directory belongs to another tenant.")
    } else {
        None
    };
    if let Some(why) = why {
        return turned_away(tx, by, tenant, directory, ACTION, why).await;
    }
    match store::entries::enter(&mut tx, by, user, &found, directory, now).await {
        Ok(()) => {}
        Err(WriteError::DirectoryTaken) => return Ok(Judged::No("The directory belongs to another tenant.")),
        Err(WriteError::Database(error)) => return Err(error.into()),
        Err(_) => {
            return Ok(Judged::No("Somebody changed this tenant meanwhile. Look again."));
        }
    }
    desk.queue.verify(&mut tx, tenant).await?;
    tx.commit().await?;
    Ok(Judged::Done)
}

/// Staff decide on a directory that waits for them: one that a sign-in has proven is decided by anybody; one that staff entered is confirmed
/// by another person than the one who entered it, and only once a token has proven the consent. Commits.
pub async fn judge(
    desk: &Desk,
    mut tx: Scoped,
    (by, user): (&By, UserId),
    tenant: TenantId,
    (directory, approved): (DirectoryId, bool),
    now: DateTime<Utc>,
) -> anyhow::Result<Judged> {
    let Some(found) = store::tenants::get(&mut tx, tenant).await? else { return Ok(Judged::NoTenant) };
    let entry = store::entries::open(&mut tx, tenant).await?;
    if let Some(why) = entry.as_ref().filter(|_| approved).and_then(|entry| objection(entry, user, directory)) {
        return turned_away(tx, by, tenant, directory, "tenant.approve", why).await;
    }
    let done = match (&entry, approved) {
        (Some(entry), true) => store::entries::approve(&mut tx, by, user, entry, now).await,
        (Some(entry), false) if entry.directory_id == directory => store::entries::refuse(&mut tx, by, user, entry, now).await,
        (Some(_), false) => Err(WriteError::Changed),
        (None, true) => store::bindings::approve(&mut tx, by, tenant, directory, now).await,
        (None, false) => store::bindings::refuse(&mut tx, by, tenant, directory, now).await,
    };
    match done {
        Ok(()) => {}
        Err(WriteError::Database(error)) => return Err(error.into()),
        Err(_) => return Ok(Judged::No("Somebody changed this tenant meanwhile. Go back, reload and look again.")),
    }
    if approved && found.state != TenantState::Paused {
        desk.queue.verify(&mut tx, tenant).await?;
    }
    tx.commit().await?;
    Ok(Judged::Done)
}

/// Why somebody may not confirm an entry.
fn objection(entry: &store::entries::Entry, user: UserId, directory: DirectoryId) -> Option<&'static str> {
    if entry.directory_id != directory {
        Some("Another directory was entered meanwhile. Go back, reload and look again.")
    } else if entry.entered_by == user {
        Some("You entered this directory yourself: somebody else must confirm it.")
    } else if !entry.is_proven() {
        Some("No token of this directory proves the consent yet. Check again, or refuse the directory.")
    } else {
        None
    }
}

async fn turned_away(
    mut tx: Scoped,
    by: &By,
    tenant: TenantId,
    directory: DirectoryId,
    action: &'static str,
    why: &'static str,
) -> anyhow::Result<Judged> {
    store::entries::turned_away(&mut tx, by, tenant, directory, action, why).await?;
    tx.commit().await?;
    Ok(Judged::No(why))
}
