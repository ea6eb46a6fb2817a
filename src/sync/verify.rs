//! What a tenant's consent really allows: asked of Entra (the roles in a fresh token) and proven by one call per product.

use super::engine::Verify;
use super::health;
use super::read::{READ_STATES, Reader};
use crate::microsoft::{CallError, Target};
use crate::model::{PermissionState, Product, SyncHealth, TenantId, TenantState};
use crate::store::audit::{self, Actor, Event};
use crate::store::permissions::{self, Permission};
use crate::store::tenants::{self, Tenant};
use crate::store::{Scoped, sync_state};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

/// Products that are read. Permissions of others are checked and shown.
const READ: [Product; 3] = [Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps];

/// Entra's replicas take minutes to agree on a fresh consent: what is missing is looked for again after these pauses.
const PAUSES: [TimeDelta; 3] = [TimeDelta::seconds(30), TimeDelta::minutes(2), TimeDelta::minutes(5)];

/// In this round what is missing is missing.
pub(super) const LAST_ROUND: u8 = 3;

/// What was found out about one app and product.
struct Finding {
    app: String,
    product: Product,
    expected: Vec<String>,
    /// The roles of a fresh token.
    roles: Result<Vec<String>, CallError>,
    /// Whether a real call worked; `None`: not tried, for want of any role.
    probe: Option<Result<(), CallError>>,
}

/// Checks every app and product of a tenant and stores what it found: permissions, which products are read, the tenant's state, and
/// the first readings. `round` counts the repeats after a fresh consent.
///
/// # Errors
/// When the database fails. What Microsoft refuses is a result.
pub async fn verify(reader: &Reader, tenant: TenantId, round: u8, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.tenant(tenant).await?;
    let tenant = tenants::get(&mut tx, tenant).await?;
    tx.commit().await?;
    let Some(tenant) = tenant.filter(is_checked) else { return Ok(()) };
    let Some(target) = super::target(&tenant) else { return Ok(()) };
    let mut findings = Vec::new();
    for name in &tenant.apps {
        let Some(app) = reader.microsoft.app(name) else { continue };
        for (&product, expected) in app.permissions.iter().filter(|(_, expected)| !expected.is_empty()) {
            findings.push(find(reader, &target, name, product, expected.clone(), now).await);
        }
    }
    store(reader, &tenant, &findings, round, now).await?;
    super::push::count(reader, tenant.tenant_id, now).await?;
    Ok(())
}

fn is_checked(tenant: &Tenant) -> bool {
    !matches!(tenant.state, TenantState::Invited | TenantState::ConsentPending | TenantState::Offboarded)
}

async fn find(reader: &Reader, target: &Target, app: &str, product: Product, expected: Vec<String>, now: DateTime<Utc>) -> Finding {
    let roles = reader.microsoft.roles(target, app, product, now).await;
    let any = roles.as_ref().is_ok_and(|roles| expected.iter().any(|name| has(roles, name)));
    let probe = if any { Some(reader.microsoft.probe(target, app, product, now).await) } else { None };
    Finding { app: app.to_owned(), product, expected, roles, probe }
}

fn has(roles: &[String], name: &str) -> bool {
    roles.iter().any(|role| role.eq_ignore_ascii_case(name))
}

async fn store(reader: &Reader, tenant: &Tenant, findings: &[Finding], round: u8, now: DateTime<Utc>) -> anyhow::Result<()> {
    let id = tenant.tenant_id;
    let mut tx = reader.db.tenant(id).await?;
    let known = permissions::list(&mut tx, id).await?;
    let may_lag = round < LAST_ROUND && !tenant.state.is_read();
    let mut missing = false;
    for finding in findings {
        for row in rows(finding, &known, may_lag, now) {
            missing |= row.granted == Some(false);
            permissions::record(&mut tx, id, &row).await?;
            note_revoked(&mut tx, id, &known, &row).await?;
        }
        if let Err(error) = &finding.roles
            && error.is_security_event()
        {
            health::forgery(&mut tx, id, finding.product, error.kind(), &error.reason()).await?;
        }
    }
    permissions::unexpect(&mut tx, id, now).await?;
    if !tenant.needs_approval {
        start_reading(reader, &mut tx, tenant, findings, may_lag && missing, now).await?;
    }
    if may_lag && missing {
        let pause = PAUSES.get(usize::from(round)).copied().unwrap_or(TimeDelta::minutes(5));
        reader.queue.verify_at(&mut tx, Verify { tenant: id, round: round + 1 }, Some(now + pause)).await?;
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
    findings: &[Finding],
    wait: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let id = tenant.tenant_id;
    let mut works = false;
    for product in READ {
        let of_product: Vec<_> = findings.iter().filter(|finding| finding.product == product).collect();
        let trouble = trouble(&of_product);
        let told = trouble.as_ref().map(|(state, reason, remedy)| (*state, reason.as_str(), remedy.as_str()));
        let before = sync_state::set_enabled(tx, id, product, !of_product.is_empty(), told, now).await?;
        if let (Some(before), Some((after, reason, _))) = (before, told) {
            health::consent(tx, id, product, (before, after), Some(reason)).await?;
        } else if let Some(before @ SyncHealth::ConsentLost) = before {
            health::consent(tx, id, product, (before, SyncHealth::Waiting), None).await?;
        }
        if !of_product.is_empty() && trouble.is_none() {
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

/// Why a product cannot be read, if the check shows that it cannot. What may pass by itself is left to the readings.
fn trouble(findings: &[&Finding]) -> Option<(SyncHealth, String, String)> {
    let mut worst = None;
    for finding in findings {
        let missing = CallError::Forbidden { code: None };
        let error = match (&finding.roles, &finding.probe) {
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

/// A row for each permission that the configuration asks for.
fn rows(finding: &Finding, known: &[Permission], may_lag: bool, now: DateTime<Utc>) -> Vec<Permission> {
    let row = |name: &String| {
        let old = known.iter().find(|row| row.app == finding.app && row.product == finding.product && row.permission == *name);
        let was_granted = old.is_some_and(|row| row.granted == Some(true) || row.state == PermissionState::Revoked);
        let granted = match &finding.roles {
            Ok(roles) => Some(has(roles, name)),
            Err(CallError::ConsentLost { .. }) => Some(false),
            Err(_) => None,
        };
        let unlicensed = [finding.roles.as_ref().err(), finding.probe.as_ref().and_then(|probe| probe.as_ref().err())];
        let unlicensed = unlicensed.into_iter().flatten().find(|error| matches!(error, CallError::NoLicence { .. }));
        let working = finding.probe.as_ref().filter(|_| granted == Some(true)).map(Result::is_ok);
        let (state, reason) = match (granted, unlicensed, &finding.roles) {
            (_, Some(error), _) => (PermissionState::Unlicensed, Some(error.reason())),
            (Some(true), ..) => {
                (PermissionState::Granted, finding.probe.as_ref().and_then(|probe| probe.as_ref().err()).map(CallError::reason))
            }
            (Some(false), ..) if was_granted => (PermissionState::Revoked, Some("It was granted once and is no longer.".to_owned())),
            (Some(false), ..) if may_lag => {
                (PermissionState::Unknown, Some("Not seen yet; Microsoft may need some minutes. It is looked for again.".to_owned()))
            }
            (Some(false), _, Err(error)) => (PermissionState::Missing, Some(error.reason())),
            (Some(false), ..) => (PermissionState::Missing, Some("The consent does not include it.".to_owned())),
            (None, _, roles) => (PermissionState::Unknown, roles.as_ref().err().map(CallError::reason)),
        };
        Permission {
            app: finding.app.clone(),
            product: finding.product,
            permission: name.clone(),
            expected: true,
            granted,
            licensed: if unlicensed.is_some() { Some(false) } else { working.filter(|working| *working) },
            working,
            state,
            reason,
            checked_at: Some(now),
        }
    };
    finding.expected.iter().map(row).collect()
}

async fn note_revoked(tx: &mut Scoped, tenant: TenantId, known: &[Permission], row: &Permission) -> sqlx::Result<()> {
    let same = |old: &&Permission| old.app == row.app && old.product == row.product && old.permission == row.permission;
    if row.state != PermissionState::Revoked || known.iter().find(same).is_some_and(|old| old.state == PermissionState::Revoked) {
        return Ok(());
    }
    let event = Event::new(Actor::System("sync"), "consent.permission_revoked").tenant(tenant).object(&row.permission);
    audit::record(tx, event.after(json!({ "app": row.app, "product": row.product }))).await
}
