//! `watchfloor sync`

use super::database::Database;
use super::{Usage, say};
use crate::config::Config;
use crate::microsoft::Client;
use crate::model::clock::now;
use crate::model::{Product, TenantId};
use crate::store::runs::Run;
use crate::store::{Db, DbRole, sync_state, tenants};
use crate::sync::read::{Reader, read};
use anyhow::{Context, Result};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Read one customer's products now, and print what came.
///
/// Exit code 1 if a reading failed or none was possible; a wait that Microsoft asked for is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  watchfloor sync --tenant 0193a1b2-…")]
pub struct Args {
    /// The customer's id, as `watchfloor tenant list` shows it.
    #[arg(long)]
    tenant: TenantId,
}

pub async fn run(config: &Config, args: Args) -> Result<ExitCode> {
    let microsoft = Client::configured(config, now()).map_err(Usage)?;
    let database = Database::ready(config).await?;
    let db = database.connect(DbRole::Worker, 4).await?;
    hurry(&db, args.tenant).await?;
    let reader = Reader::new(db.clone(), microsoft, config.sync.clone(), CancellationToken::new());
    let (mut good, mut bad) = (0, 0);
    for product in Product::ALL {
        if let Some(run) = read(&reader, args.tenant, *product, now()).await? {
            *if run.error.is_some() { &mut bad } else { &mut good } += 1;
            say(line(&run))?;
        }
    }
    if good + bad == 0 {
        say("Nothing was read: no product is connected, or each waits because Microsoft asked for it, or another process reads it.")?;
    }
    db.close().await;
    Ok(ExitCode::from(u8::from(bad > 0 || good == 0)))
}

/// Makes every product due.
async fn hurry(db: &Db, tenant: TenantId) -> Result<()> {
    let mut tx = db.tenant(tenant).await?;
    tenants::get(&mut tx, tenant).await?.with_context(|| format!("there is no tenant {tenant}"))?;
    for product in Product::ALL {
        sync_state::hurry(&mut tx, tenant, *product).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn line(run: &Run) -> String {
    let Run { calls, seen, added, changed, quarantined, .. } = run;
    let outcome = run.outcome.as_deref().unwrap_or("under way");
    let counts = format!("{calls} calls, {seen} records, {added} new, {changed} changed, {quarantined} unreadable");
    let error = run.error.as_deref().map(|error| format!(" — {error}")).unwrap_or_default();
    format!("{:<24} {outcome:<14} {counts}{error}", run.product.label())
}
