//! Questions to Microsoft on a person's wish: written down, answered by a job, and waited for a little, so that a page mostly shows the
//! answer at once and never depends on Microsoft.

use super::acting::{self, Refusal};
use crate::microsoft::operations::{self, Way};
use crate::model::{LookupId, LookupState, Scope, TenantId, clock};
use crate::store::Db;
use crate::store::audit::By;
use crate::store::lookups::{self, Lookup, New};
use crate::sync::engine::Queue;
use std::time::Duration;

/// How long an answer is waited for before the page is shown without it.
const PATIENCE: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_millis(80);
/// Answers that are keys to something: they are never stored.
const SECRET: [&str; 3] = ["endpoint.actions.package", "endpoint.actions.live_result", "cloud_apps.discovery.upload_url"];

/// Whether a question by this name can be asked: an operation that only reads, and whose answer may be stored.
pub fn is_question(operation: &str) -> bool {
    operations::all().any(|known| known.name == operation && known.way == Way::Read) && !SECRET.contains(&operation)
}

/// Asks, within somebody's scope, and waits up to four seconds for the answer. The question as it then stands.
pub async fn ask(db: &Db, queue: &Queue, scope: &Scope, by: &By, tenant: TenantId, new: &New<'_>) -> Result<Lookup, Refusal> {
    let lookup = LookupId::new();
    let mut tx = db.begin(scope).await?;
    acting::open(&mut tx, tenant).await?;
    if !is_question(new.operation) {
        return Err(Refusal::Wrong("operation", "This is no operation that only reads."));
    }
    lookups::ask(&mut tx, by, tenant, lookup, new, clock::now()).await?;
    queue.look_up(&mut tx, tenant, lookup).await?;
    tx.commit().await?;
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut tx = db.tenant(tenant).await?;
        let question = lookups::get(&mut tx, lookup).await?.ok_or(Refusal::NoTenant)?;
        tx.commit().await?;
        if question.state != LookupState::Asked || tokio::time::Instant::now() >= patience {
            return Ok(question);
        }
        tokio::time::sleep(STEP).await;
    }
}
