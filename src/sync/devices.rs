//! Reads the list of a tenant's devices, whole, a few times a day. Reading twice does no harm.

use super::push;
use super::read::Reader;
use crate::microsoft::machines::Machine;
use crate::microsoft::operations::endpoint;
use crate::microsoft::{CallError, Pace};
use crate::model::TenantId;
use crate::store::devices::{self, Row};
use crate::store::tenants::{self, Tenant};
use crate::store::{device_reads, permissions};
use chrono::{DateTime, TimeDelta, Utc};

/// Microsoft's own report of a device is about a day old at most.
const EVERY: TimeDelta = TimeDelta::hours(4);
/// What passes by itself is tried again after this.
const SOON: TimeDelta = TimeDelta::minutes(15);
/// More pages than this are not a list but a loop.
const MOST_PAGES: u32 = 1000;

/// Reads every device of a tenant.
///
/// # Errors
/// When the database fails. What Microsoft refuses is a result.
pub async fn read(reader: &Reader, tenant: TenantId, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.tenant(tenant).await?;
    let Some(registered) = tenants::get(&mut tx, tenant).await?.filter(Tenant::is_open) else {
        return Ok(());
    };
    let granted = super::grants(permissions::granted(&mut tx, tenant).await?);
    device_reads::begin(&mut tx, tenant, now + SOON).await?;
    tx.commit().await?;
    let Some(target) = super::target(&registered).map(|target| target.at(Pace::Background)) else { return Ok(()) };
    let app = reader.microsoft.app_to_call(&endpoint::MACHINES_LIST, &registered.apps, &granted);
    let (mut skip, mut bad, mut result) = (0, 0, app.as_ref().map(|_| ()).map_err(Clone::clone));
    for page in 0..MOST_PAGES {
        let Ok(app) = &app else { break };
        match reader.microsoft.endpoint_machines(&target, app, skip, now).await {
            Ok(page) => {
                let rows: Vec<Row> = page.records.iter().filter_map(|record| row_of(record.get())).collect();
                bad += page.records.len() - rows.len();
                let mut tx = reader.db.tenant(tenant).await?;
                if tenants::get(&mut tx, tenant).await?.is_none_or(|now| now.directory_id != registered.directory_id) {
                    return Ok(()); // bound to another directory meanwhile
                }
                devices::store(&mut tx, tenant, &rows, now).await?;
                tx.commit().await?;
                skip = skip.saturating_add(u32::try_from(page.records.len()).unwrap_or(u32::MAX));
                if !page.more {
                    break;
                }
            }
            Err(error) => {
                result = Err(error);
                break;
            }
        }
        if page + 1 == MOST_PAGES {
            result = Err(CallError::Unexpected("its pages do not end"));
        }
    }
    finish(reader, tenant, result.map(|()| bad), now).await
}

/// Notes how it went. `result`: how many devices could not be read. Then none is taken to be gone, for it may be one of them.
async fn finish(reader: &Reader, tenant: TenantId, result: Result<usize, CallError>, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.tenant(tenant).await?;
    match result {
        Ok(0) => device_reads::complete(&mut tx, tenant, now, now + EVERY).await?,
        Ok(bad) => {
            tracing::warn!(%tenant, bad, "devices could not be read");
            let reason = format!("{bad} of the devices that Microsoft sent could not be read. The others are stored.");
            device_reads::failed(&mut tx, tenant, &reason, now, now + EVERY).await?;
        }
        Err(error) => {
            let wait = match error {
                CallError::Throttled { retry_after: Some(wait) } => TimeDelta::from_std(wait).unwrap_or(SOON),
                ref passing if passing.is_passing() => SOON,
                _ => EVERY,
            };
            device_reads::failed(&mut tx, tenant, &error.reason(), now, now + wait).await?;
        }
    }
    push::add_usage(reader, &mut tx, tenant, now).await?;
    tx.commit().await?;
    Ok(())
}

fn row_of(body: &str) -> Option<Row> {
    serde_json::from_str::<Machine>(body).ok().map(|machine| row(machine, body))
}

/// A device as the store keeps it.
pub(super) fn row(machine: Machine, body: &str) -> Row {
    let clip = |text: Option<String>| text.map(|text| text.chars().take(300).collect::<String>());
    Row {
        name: clip(machine.computer_dns_name).unwrap_or_else(|| machine.id.clone()),
        external_id: machine.id,
        health: clip(machine.health_status),
        risk: clip(machine.risk_score),
        exposure: clip(machine.exposure_level),
        value: clip(machine.device_value),
        onboarding: clip(machine.onboarding_status),
        os: clip(machine.os_platform),
        os_version: clip(machine.version),
        device_group: clip(machine.rbac_group_name),
        last_ip: clip(machine.last_ip_address),
        external_ip: clip(machine.last_external_ip_address),
        aad_id: clip(machine.aad_device_id),
        tags: machine.machine_tags.into_iter().take(200).filter_map(|tag| clip(Some(tag))).collect(),
        first_seen: machine.first_seen,
        last_seen: machine.last_seen,
        body: body.to_owned(),
    }
}
