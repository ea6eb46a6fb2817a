//! What the demo's lead does to a customer's devices, as from their pages: one action that fails, and two that end well.

use crate::app::acting::{self, Act};
use crate::cli::listen::Stop;
use crate::demo::{Ending, Example, StandIn, examples};
use crate::model::action::Deed;
use crate::model::{ChangeId, Cloud, TenantId};
use crate::store::audit::{Actor, By};
use crate::store::devices::{self, Filter};
use crate::store::{Db, changes, tenants, users};
use crate::sync::engine::Queue;
use anyhow::{Context, Result};
use std::time::Duration;

/// Which device (by name), what, why, and how it ends at Microsoft.
const DEEDS: [(usize, Deed, &str, Ending); 3] = [
    (1, Deed::ScanFull, "Its antivirus was out of date for weeks", Ending::Failed),
    (0, Deed::Isolate, "Files are being encrypted", Ending::Succeeded),
    (0, Deed::ScanQuick, "What is left after the isolation?", Ending::Succeeded),
];
const LEAD: &str = "lead";
/// Between two looks at whether the next one can be asked for.
const PAUSE: Duration = Duration::from_secs(2);

/// The actions still to come.
pub struct Deeds {
    db: Db,
    queue: Queue,
    by: By,
    customer: Example,
    tenant: Option<TenantId>,
    done: usize,
    last: Option<ChangeId>,
}

impl Deeds {
    /// At the first example customer, who lets us act. The lead must have an account.
    pub async fn new(db: Db, queue: Queue, cloud: Cloud) -> Result<Self> {
        let customer = examples(cloud, 1).pop().context("there is a first example")?;
        let mut tx = db.all_tenants().await?;
        let lead = users::find_by_login(&mut tx, LEAD).await?.context("the lead has an account")?;
        let tenant = tenants::holder(&mut tx, customer.directory_id, None).await?.map(|tenant| tenant.tenant_id);
        tx.commit().await?;
        let by = By { actor: Actor::User(lead, LEAD.to_owned()), ip: None };
        Ok(Self { db, queue, by, customer, tenant, done: 0, last: None })
    }

    /// Asks for one action after the other.
    pub async fn carry_out(mut self, microsoft: &StandIn, stop: &Stop) {
        let mut due = tokio::time::interval(PAUSE);
        while self.done < DEEDS.len() && stop.asked.run_until_cancelled(due.tick()).await.is_some() {
            if let Some(Err(error)) = stop.asked.run_until_cancelled(self.go_on(microsoft)).await {
                tracing::warn!(error = format!("{error:#}"), "an action on a device of the demo has to wait");
            }
        }
    }

    /// Asks for the next action, once its device is known and the action before it has been sent.
    async fn go_on(&mut self, microsoft: &StandIn) -> Result<()> {
        let (Some(tenant), Some((device, deed, why, ending))) = (self.tenant, DEEDS.get(self.done).copied()) else { return Ok(()) };
        let mut tx = self.db.tenant(tenant).await?;
        if let Some(last) = self.last
            && changes::get(&mut tx, last).await?.is_some_and(|change| change.sent_at.is_none())
        {
            return Ok(());
        }
        let known = devices::list(&mut tx, &Filter::default(), None, 2).await?;
        let Some(device) = known.get(device) else {
            return self.look_for_devices(tx, tenant).await;
        };
        microsoft.world().end_next_action(self.customer.directory_id, ending);
        let change = acting::fresh();
        let act = Act { comment: why.to_owned(), ..Act::default() };
        acting::act(&mut tx, &self.queue, &self.by, device, change, (deed, &act)).await?;
        tx.commit().await?;
        (self.done, self.last) = (self.done + 1, Some(change));
        Ok(())
    }

    /// As the button above the list of devices does.
    async fn look_for_devices(&self, mut tx: crate::store::Scoped, tenant: TenantId) -> Result<()> {
        if tenants::get(&mut tx, tenant).await?.is_some_and(|tenant| tenant.state.is_read()) {
            self.queue.devices(&mut tx, tenant).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
