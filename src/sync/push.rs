//! Carries a change to Microsoft: claimed in one transaction, sent once without one, its outcome noted in another.
//!
//! A process that dies between the first and the last leaves the change in state `sending`, from which it is never sent again: Microsoft
//! is asked what became of it (`push/look.rs`). The same when an answer is lost. Only what certainly was not sent (we were asked to wait, no
//! connection, no token) goes back to `intended`.

mod before;
mod cloud_apps;
mod endpoint;
mod graph;
mod look;
mod machine;
mod outcome;
mod xdr;

use super::Clock;
use super::read::Reader;
use crate::microsoft::operations::{self, Operation};
use crate::microsoft::{CallError, Granted, NetworkFault, Pace, Target};
use crate::model::{ChangeId, ChangeState, TenantId};
use crate::store::changes::{self, Change};
use crate::store::{Scoped, permissions, tenants, usage};
use before::{Stands, Turn};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// After so long in vain a change that could not be sent has failed.
const PATIENCE: TimeDelta = TimeDelta::hours(1);

/// A call that has not ended so long after its change was claimed is given up: it may have waited for its turn, and must not be made when
/// somebody may already have found that Microsoft knows nothing of it. Of an upload this is the last of three calls: only that one acts, and
/// nobody concludes from an old log that it was not carried out.
const SEND_WITHIN: TimeDelta = TimeDelta::seconds(100);

/// What Microsoft is to be asked, and as which app.
struct Errand {
    target: Target,
    app: String,
    operation: &'static Operation,
    apps: Vec<String>,
    granted: Vec<Granted>,
}

impl Errand {
    /// The answer to another operation, one that only reads.
    async fn ask(
        &self,
        reader: &Reader,
        operation: &'static Operation,
        args: &[&str],
        query: &[(&str, &str)],
        now: DateTime<Utc>,
    ) -> Result<String, CallError> {
        let app = reader.microsoft.app_to_call(operation, &self.apps, &self.granted)?;
        reader.microsoft.look_up(&self.target, &app, operation, args, (query, None), now).await
    }
}

/// Does the next thing for a change: sends it if nobody has, else asks what became of it. Returns when to come again, if at all.
///
/// # Errors
/// When the database fails. What Microsoft refuses is a result.
pub async fn push(reader: &Reader, tenant: TenantId, change: ChangeId, now: DateTime<Utc>) -> anyhow::Result<Option<TimeDelta>> {
    carry(reader, tenant, change, Pace::Person, now).await
}

/// The same with another share of Microsoft's limits.
///
/// # Errors
/// As [`push`].
pub async fn carry(
    reader: &Reader,
    tenant: TenantId,
    change: ChangeId,
    pace: Pace,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<TimeDelta>> {
    let mut tx = reader.db.tenant(tenant).await?;
    let Some(found) = changes::get(&mut tx, change).await? else { return Ok(None) };
    if found.state.is_final() {
        return Ok(None);
    }
    let errand = match errand(reader, &mut tx, &found, pace).await? {
        Ok(errand) => errand,
        Err(reason) => return give_up(tx, &found, reason, now).await,
    };
    let claimed = match before::turn(&mut tx, &found, now).await? {
        Turn::Now => changes::claim(&mut tx, &found, now).await?,
        Turn::Later => None,
        Turn::Never => return Ok(tx.commit().await.map(|()| None)?),
    };
    tx.commit().await?;
    let clock = Clock::start(now);
    let next = match claimed {
        Some(claimed) => send(reader, &errand, &claimed, clock).await,
        None if found.state == ChangeState::Intended => Ok(Some(before::SOON)),
        None => look::look(reader, &errand, &found, now).await,
    }?;
    count(reader, tenant, clock.now()).await?;
    super::alarms::note(&reader.db, &reader.microsoft).await?;
    Ok(next)
}

async fn errand(reader: &Reader, tx: &mut Scoped, change: &Change, pace: Pace) -> anyhow::Result<Result<Errand, &'static str>> {
    let Some(tenant) = tenants::get(tx, change.tenant_id).await? else { return Ok(Err("The tenant is gone.")) };
    let granted = super::grants(permissions::granted(tx, change.tenant_id).await?);
    let Some(operation) = operations::all().find(|operation| operation.name == change.operation) else {
        return Ok(Err("This version does not know the operation."));
    };
    if !tenant.is_open() {
        return Ok(Err("The tenant is paused, offboarded or not approved."));
    }
    let Some(target) = super::target(&tenant).map(|target| target.at(pace)) else {
        return Ok(Err("The tenant has no directory."));
    };
    let needs = machine::needs(tx, change, operation).await?;
    let Ok(app) = reader.microsoft.app_to_call(needs, &tenant.apps, &granted) else {
        return Ok(Err("No app of this tenant asks for the permission this needs."));
    };
    Ok(Ok(Errand { target, app, operation, apps: tenant.apps, granted }))
}

/// Microsoft cannot be asked. What has not been sent has failed; what has been sent may be asked about later, but not for ever.
async fn give_up(mut tx: Scoped, change: &Change, reason: &'static str, now: DateTime<Utc>) -> anyhow::Result<Option<TimeDelta>> {
    let next = if change.state != ChangeState::Intended && now - change.created_at < look::LAST {
        changes::looked(&mut tx, change, &format!("Microsoft cannot be asked what became of it. {reason}"), false, true).await?;
        Some(TimeDelta::minutes(10))
    } else {
        changes::settle(&mut tx, change, &outcome::plain(ChangeState::Failed, Some(reason)), now).await?;
        None
    };
    tx.commit().await?;
    Ok(next)
}

/// A call that changes something, given up where it does not end in time. `clock`: runs since the change was claimed.
async fn in_time(clock: Clock, call: impl Future<Output = Result<String, CallError>>) -> Result<String, CallError> {
    let left = SEND_WITHIN.to_std().unwrap_or(Duration::ZERO).saturating_sub(clock.since.elapsed());
    unless(tokio::time::sleep(left), call).await
}

/// The end of the time is looked at first: a process that slept past it must not go on with the call.
async fn unless(over: impl Future<Output = ()>, call: impl Future<Output = Result<String, CallError>>) -> Result<String, CallError> {
    tokio::select! {
        biased;
        () = over => Err(CallError::Network(NetworkFault::Timeout)),
        answer = call => answer,
    }
}

async fn send(reader: &Reader, errand: &Errand, change: &Change, clock: Clock) -> anyhow::Result<Option<TimeDelta>> {
    if let Some(next) = held(reader, errand, change, clock).await? {
        return Ok(next);
    }
    let args: Vec<&str> = change.args.iter().map(String::as_str).collect();
    let answer = if let Some(answer) = cloud_apps::send(reader, errand, change, clock).await? {
        answer
    } else {
        let request = change.request.as_ref();
        in_time(clock, reader.microsoft.change(&errand.target, &errand.app, errand.operation, &args, request, clock.now())).await
    };
    let now = clock.now();
    let refused = match &answer {
        Err(error) if !error.may_have_acted() => Some(outcome::refused(reader, errand, change, error, now).await),
        _ => None,
    };
    let mut tx = reader.db.tenant(change.tenant_id).await?;
    let next = match answer {
        Ok(body) => outcome::answered(reader, &mut tx, errand, change, &body, now).await?,
        Err(error) if error.may_have_acted() => {
            let reason = error.reason();
            changes::settle(&mut tx, change, &outcome::plain(ChangeState::Unknown, Some(&reason)), now).await?;
            Some(look::FIRST)
        }
        Err(error) if error.is_passing() && now - change.created_at < PATIENCE => not_yet(&mut tx, change, &error, now).await?,
        Err(error) => {
            let (reason, external_id) = refused.unwrap_or_else(|| (error.reason(), None));
            let outcome = changes::Outcome { external_id: external_id.as_deref(), ..outcome::plain(ChangeState::Failed, Some(&reason)) };
            changes::settle(&mut tx, change, &outcome, now).await?;
            None
        }
    };
    tx.commit().await?;
    if cloud_apps::is_mine(change) {
        cloud_apps::after(reader, errand, change, now).await?;
    }
    Ok(next)
}

/// Notes that nothing may be sent, because the record does not stand as it was shown, or cannot be read. `None`: it may be sent; else when to
/// come again, if at all.
async fn held(reader: &Reader, errand: &Errand, change: &Change, clock: Clock) -> anyhow::Result<Option<Option<TimeDelta>>> {
    let stands = before::look(reader, errand, change, clock).await;
    if matches!(stands, Ok(Stands::AsShown)) {
        return Ok(None);
    }
    let mut tx = reader.db.tenant(change.tenant_id).await?;
    let next = match stands {
        Ok(Stands::Otherwise(why, body)) => {
            before::store(&mut tx, errand, change, &body, clock.now()).await?;
            changes::settle(&mut tx, change, &outcome::plain(ChangeState::Failed, Some(&why)), clock.now()).await?;
            None
        }
        Ok(Stands::AsShown) => None,
        Err(error) => not_yet(&mut tx, change, &error, clock.now()).await?,
    };
    tx.commit().await?;
    Ok(Some(next))
}

/// Nothing was sent: it goes back until Microsoft may be asked again, or has failed after [`PATIENCE`].
async fn not_yet(tx: &mut Scoped, change: &Change, error: &CallError, now: DateTime<Utc>) -> anyhow::Result<Option<TimeDelta>> {
    if now - change.created_at >= PATIENCE {
        changes::settle(tx, change, &outcome::plain(ChangeState::Failed, Some(&error.reason())), now).await?;
        return Ok(None);
    }
    let wait = match error {
        CallError::Throttled { retry_after: Some(wait) } => TimeDelta::from_std(*wait).unwrap_or(look::FIRST),
        _ => TimeDelta::seconds(15),
    };
    let waits = changes::put_back(tx, change.tenant_id, change.change_id, &error.reason()).await?;
    Ok(Some(if waits { wait } else { look::FIRST }))
}

/// Adds the calls made for a tenant to what it has used of Microsoft's limits.
pub async fn count(reader: &Reader, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    let mut tx = reader.db.tenant(tenant).await?;
    add_usage(reader, &mut tx, tenant, now).await?;
    tx.commit().await
}

/// The same in a transaction that is under way.
pub(super) async fn add_usage(reader: &Reader, tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    let used = reader.microsoft.take_usage(tenant);
    let added: Vec<_> =
        used.iter().map(|used| usage::Added { budget: used.budget, calls: used.calls, throttled: used.throttled }).collect();
    usage::add(tx, tenant, &added, now).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn a_call_whose_time_is_over_is_not_made_any_more() {
        let mut made = false;
        let call = async {
            made = true;
            Ok(String::new())
        };
        assert_eq!(unless(ready(()), call).await, Err(CallError::Network(NetworkFault::Timeout)));
        assert!(!made);
        assert_eq!(unless(pending(), async { Ok("answer".to_owned()) }).await.as_deref(), Ok("answer"));
    }
}
