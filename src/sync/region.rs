//! Finds the region of Defender for Endpoint that answers a tenant fastest: each is asked for one device, three times, and the median
//! counts. A region that answers without data is not the tenant's.

use super::push;
use super::read::Reader;
use crate::microsoft::operations::probes::{self, Probe, Proof};
use crate::microsoft::{Pace, Target};
use crate::model::{Cloud, Places, Product, Region, TenantId};
use crate::store::regions::{self, Tried};
use crate::store::{permissions, tenants};
use chrono::{DateTime, Utc};
use std::time::Instant;

const TRIES: usize = 3;
/// The calls that will do, the cheapest first: one of them must be granted.
const BY: [&str; 2] = ["Machine.Read.All", "Alert.Read.All"];

/// Asks every region in turn and stores what was found. Nothing happens for a tenant that is not read, is not set to the fastest region,
/// or belongs to a government cloud, which has none.
///
/// # Errors
/// When the database fails. What Microsoft refuses is a result.
pub async fn find_fastest(reader: &Reader, tenant: TenantId, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.tenant(tenant).await?;
    let found = tenants::get(&mut tx, tenant).await?;
    let granted = super::grants(permissions::granted(&mut tx, tenant).await?);
    tx.commit().await?;
    let wanted = |tenant: &tenants::Tenant| tenant.endpoint_auto && tenant.cloud == Cloud::Commercial && tenant.is_open();
    let Some(tenant) = found.filter(wanted) else { return Ok(()) };
    let Some(target) = super::target(&tenant).map(|target| target.at(Pace::Background)) else { return Ok(()) };
    let chosen = BY.iter().find_map(|name| match probes::proof(Product::DefenderEndpoint, name) {
        Proof::By(probe) => {
            let had =
                granted.iter().any(|grant| grant.product == Product::DefenderEndpoint && probe.operation.rank(&grant.permission).is_some());
            let app = reader.microsoft.app_to_call(probe.operation, &tenant.apps, &granted).ok()?;
            had.then_some((probe, app))
        }
        Proof::Acts | Proof::Unused => None,
    });
    let Some((probe, app)) = chosen else { return Ok(()) };
    let mut tried = Vec::new();
    for &region in Region::ALL {
        let places = Places { endpoint: Some(region), ..target.places.clone() };
        tried.push(time(reader, &Target { places, ..target.clone() }, &app, probe, region, now).await);
    }
    let fastest = tried.iter().filter(|tried| tried.milliseconds.is_some()).min_by_key(|tried| tried.milliseconds);
    let mut tx = reader.db.tenant(tenant.tenant_id).await?;
    regions::found(&mut tx, &tenant, fastest.map(|tried| tried.region), &tried, now).await?;
    push::add_usage(reader, &mut tx, tenant.tenant_id, now).await?;
    tx.commit().await?;
    Ok(())
}

/// The median of three calls to one region.
async fn time(reader: &Reader, target: &Target, app: &str, probe: &Probe, region: Region, now: DateTime<Utc>) -> Tried {
    let mut times = Vec::new();
    while times.len() < TRIES {
        let started = Instant::now();
        match reader.microsoft.prove(target, app, probe, None, now).await {
            Ok(Some(_)) => times.push(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)),
            Ok(None) => return Tried { region, milliseconds: None, answer: "no data".to_owned() },
            Err(error) => {
                let answer = error.answer().unwrap_or_else(|| error.kind().to_owned());
                return Tried { region, milliseconds: None, answer };
            }
        }
    }
    times.sort_unstable();
    Tried { region, milliseconds: times.get(TRIES / 2).copied(), answer: "data".to_owned() }
}
