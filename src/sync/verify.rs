//! What a tenant's consent really allows: asked of Entra (the roles in a fresh token) and proven by a call for each permission.
//!
//! `find` asks Microsoft, `judge` says what the answers mean for each permission, and this file stores it and draws the consequences.

mod find;
mod judge;

pub use find::{Finding, find};
pub use judge::rows;

use super::engine::Verify;
use super::read::{READ_STATES, Reader};
use super::{adapter, health};
use crate::microsoft::operations::Operation;
use crate::microsoft::{CallError, Pace};
use crate::model::{Adapter, PermissionState, Product, SyncHealth, TenantId, TenantState};
use crate::store::tenants::{self, Tenant};
use crate::store::{Scoped, adapters, claims, drifts, permissions, rebinds, sync_state};
use chrono::{DateTime, TimeDelta, Utc};

/// Products that are read, in the order of their words: whoever writes several rows of a tenant's takes them so. Permissions of others are
/// checked and shown.
const READ: [Product; 3] = [Product::CloudApps, Product::DefenderEndpoint, Product::DefenderXdr];

/// Entra's replicas take minutes to agree on a fresh consent: what is missing is looked for again after these pauses.
const PAUSES: [TimeDelta; 3] = [TimeDelta::seconds(30), TimeDelta::minutes(2), TimeDelta::minutes(5)];

/// Longer than any of these pauses: after it a check that was to look again has got lost.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);

/// In this round what is missing is missing.
pub const LAST_ROUND: u8 = 3;

/// What could not be found out because Microsoft was busy is asked again after this.
const BUSY_PAUSE: TimeDelta = TimeDelta::minutes(15);

/// Checks every app and product of a tenant and stores what it found: permissions, which products are read, the tenant's state, and
/// the first readings. `round` counts the repeats after a fresh consent, for which somebody waits; the last one is also the check that
/// nobody waits for.
///
/// # Errors
/// When the database fails. What Microsoft refuses is a result.
pub async fn verify(reader: &Reader, tenant: TenantId, round: u8, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.tenant(tenant).await?;
    // Before anything is read of a new directory.
    rebinds::clear(&mut tx, tenant).await?;
    let found = tenants::get(&mut tx, tenant).await?;
    let known = permissions::list(&mut tx, tenant).await?;
    tx.commit().await?;
    let Some(tenant) = found.filter(is_checked) else { return Ok(()) };
    let pace = if round < LAST_ROUND { Pace::Person } else { Pace::Background };
    let Some(target) = super::target(&tenant).map(|target| target.at(pace)) else { return Ok(()) };
    let mut findings = Vec::new();
    for name in &tenant.apps {
        let Some(app) = reader.microsoft.app(name) else { continue };
        for (&product, expected) in app.permissions.iter().filter(|(_, expected)| !expected.is_empty()) {
            findings.push(find(&reader.microsoft, &target, (name, product, expected), &known, now).await);
        }
    }
    store(reader, &tenant, &findings, round, now).await?;
    super::push::count(reader, tenant.tenant_id, now).await?;
    super::alarms::note(&reader.db, &reader.microsoft).await?;
    Ok(())
}

/// The check that nobody waits for: what is missing is missing. While a fresh consent is still looked for nothing is judged.
///
/// # Errors
/// As [`verify`].
pub async fn recheck(reader: &Reader, tenant: TenantId, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.tenant(tenant).await?;
    let known = permissions::list(&mut tx, tenant).await?;
    tx.commit().await?;
    if known.iter().any(|row| judge::is_awaited(row) && row.checked_at.is_some_and(|at| now - at < PATIENCE)) {
        return Ok(());
    }
    verify(reader, tenant, LAST_ROUND, now).await
}

fn is_checked(tenant: &Tenant) -> bool {
    !matches!(tenant.state, TenantState::Invited | TenantState::ConsentPending | TenantState::Offboarded)
}

async fn store(reader: &Reader, tenant: &Tenant, findings: &[Finding], round: u8, now: DateTime<Utc>) -> anyhow::Result<()> {
    let id = tenant.tenant_id;
    let mut tx = reader.db.tenant(id).await?;
    let known = permissions::list(&mut tx, id).await?;
    let may_lag = round < LAST_ROUND && (!tenant.state.is_read() || known.iter().any(judge::is_awaited));
    let mut missing = false;
    for finding in findings {
        for row in rows(finding, &known, may_lag, now) {
            missing |= row.granted == Some(false) && row.state != PermissionState::Asked;
            permissions::record(&mut tx, id, &row).await?;
            let was = known.iter().find(|old| old.is_same(&row)).and_then(|old| old.settled);
            drifts::note(&mut tx, id, was, &row, now).await?;
        }
        claims::record(&mut tx, id, &judge::claims(finding, now)).await?;
        if let Err(error) = &finding.roles
            && error.is_security_event()
        {
            health::forgery(&mut tx, id, finding.product, error.kind(), &error.reason()).await?;
        }
    }
    permissions::unexpect(&mut tx, id, now).await?;
    claims::forget(&mut tx, id, now).await?;
    if !tenant.needs_approval {
        let wanted: Vec<&Finding> = findings.iter().filter(|finding| !finding.is_done_without(&known)).collect();
        start_reading(reader, &mut tx, tenant, &wanted, may_lag && missing, now).await?;
        if tenant.endpoint_auto && tenant.endpoint_probed_at.is_none() {
            reader.queue.find_region(&mut tx, id).await?;
        }
    }
    permissions::checked(&mut tx, id, now).await?;
    // A tenant that is read may just have consented again.
    if round < LAST_ROUND && missing {
        let pause = PAUSES.get(usize::from(round)).copied().unwrap_or(TimeDelta::minutes(5));
        reader.queue.verify_at(&mut tx, Verify { tenant: id, round: round + 1 }, Some(now + pause)).await?;
    } else if findings.iter().any(Finding::is_passing) {
        reader.queue.recheck_at(&mut tx, id, Some(now + BUSY_PAUSE)).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Enables the products that an app of the tenant asks for, and moves the tenant on: at once if anything works, else when nothing
/// more is to be waited for.
async fn start_reading(
    reader: &Reader,
    tx: &mut Scoped,
    tenant: &Tenant,
    findings: &[&Finding],
    wait: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let id = tenant.tenant_id;
    let mut works = false;
    for product in READ {
        let lists = |finding: &&&Finding| Adapter::of(product).iter().any(|way| finding.asks_for(adapter::operation(product, *way)));
        if tenant.state.is_read() && findings.iter().filter(lists).any(|finding| finding.is_ours()) {
            continue; // the reading stands as it stood
        }
        let refused = adapters::refused(tx, id, product).await?;
        let adapter::Outlook { asked, trouble, refused } = adapter::outlook(product, tenant.incident_api, refused, findings);
        let told = trouble.as_ref().map(|(state, reason, remedy)| (*state, reason.as_str(), remedy.as_str()));
        let before = sync_state::set_enabled(tx, id, product, asked, told, now).await?;
        if let (Some(before), Some((after, reason, _))) = (before, told) {
            health::consent(tx, id, product, (before, after), Some(reason)).await?;
        } else if let Some(before @ SyncHealth::ConsentLost) = before {
            health::consent(tx, id, product, (before, SyncHealth::Waiting), None).await?;
        }
        adapters::refuse(tx, id, product, refused).await?;
        if asked && trouble.is_none() {
            works = true;
            reader.queue.read(tx, id, product).await?;
        }
    }
    if works || !wait {
        let from = [READ_STATES[0], READ_STATES[1], READ_STATES[2], TenantState::Verifying];
        health::settle(tx, id, &from, now).await?;
    }
    Ok(())
}

/// Why a list cannot be read, if the check shows that it cannot. What may pass by itself is left to the readings.
pub(super) fn trouble<'a>(findings: impl Iterator<Item = &'a Finding>, list: &Operation) -> Option<(SyncHealth, String, String)> {
    let mut worst = None;
    for finding in findings.filter(|finding| finding.asks_for(list)) {
        let missing = CallError::Forbidden { code: None };
        let error = match (&finding.roles, finding.answer_to(list)) {
            (Err(error), _) | (Ok(_), Some(Err(error))) => error,
            (Ok(_), None) => &missing,
            (Ok(_), Some(Ok(()))) => return None,
        };
        let state = match error {
            CallError::ConsentLost { .. } => SyncHealth::ConsentLost,
            CallError::Forbidden { .. } => SyncHealth::NoPermission,
            CallError::NoLicence { .. } => SyncHealth::NoLicence,
            _ => return None,
        };
        worst = Some((state, error.reason(), error.remedy().staff.to_owned()));
    }
    worst
}
