//! What staff say of a tenant, checked beside what Microsoft and the registry know: the same for the form and the API.

use super::Desk;
use super::lookup::{elsewhere, find_directory, home_of};
use crate::config::Config;
use crate::model::registration::{Raw, Registration, Wrong};
use crate::model::{Cloud, Home};
use crate::store;
use crate::store::tenants::Tenant;
use chrono::{DateTime, Utc};

/// The configured apps with their clouds, as checks of a registration want them.
pub fn known_apps(config: &Config) -> Vec<(&str, Cloud)> {
    config.app.iter().map(|app| (app.name.as_str(), app.cloud)).collect()
}

/// The apps that a new tenant of a cloud is proposed: all but the optional ones, for more is asked of a customer only by somebody's choice.
pub fn proposed_apps(config: &Config, cloud: Cloud) -> Vec<String> {
    config.app.iter().filter(|app| app.cloud == cloud && !app.optional).map(|app| app.name.clone()).collect()
}

/// Checks what was sent, looks a domain up where no directory is given, asks Microsoft in which cloud the directory lives and whether another
/// tenant holds it. Where the cloud is another one, `raw` is changed to that cloud and its apps, as a proposal.
pub async fn check(
    desk: &Desk,
    raw: &mut Raw,
    tenant: Option<&Tenant>,
    now: DateTime<Utc>,
) -> anyhow::Result<Result<Registration, Vec<Wrong>>> {
    let mut good = match raw.check(&known_apps(&desk.config)) {
        Ok(good) => good,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let bound = tenant.is_some_and(|tenant| tenant.directory_id.is_some());
    let home = match (good.directory, &good.domain) {
        _ if bound => Home::Unsaid,
        (Some(directory), _) => home_of(desk, good.cloud, directory, now).await,
        (None, Some(domain)) => match find_directory(desk, good.cloud, domain, now).await {
            Ok((directory, home)) => {
                good.directory = Some(directory);
                home
            }
            Err(why) => return Ok(Err(vec![Wrong { field: "domain", why }])),
        },
        (None, None) => Home::Unsaid,
    };
    if let Some((why, proposal)) = elsewhere(good.cloud, home) {
        if let Some(cloud) = proposal {
            cloud.as_str().clone_into(&mut raw.cloud);
            raw.apps = Some(proposed_apps(&desk.config, cloud));
        }
        return Ok(Err(vec![Wrong { field: "cloud", why }]));
    }
    if let (Some(directory), false) = (good.directory, bound) {
        let mut tx = desk.db.all_tenants().await?;
        if store::tenants::holder(&mut tx, directory, tenant.map(|tenant| tenant.tenant_id)).await?.is_some() {
            let field = if raw.directory.trim().is_empty() { "domain" } else { "directory" };
            return Ok(Err(vec![Wrong { field, why: "Another tenant of the registry has this directory." }]));
        }
    }
    Ok(Ok(good))
}
