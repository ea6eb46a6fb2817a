//! Defender for Cloud Apps, as pages and API use it: what is changed is waited for a little, answers are read.

pub use crate::microsoft::cloud_apps::{Account, Activity, Category, File, List, Stream, Subnet, categories, list, streams};

use super::acting::{self, Refusal};
use crate::model::cloud_apps::{LARGEST_LOG, MOST_IDS, Upload};
use crate::model::{AlertId, ChangeId, ChangeState, Product, Scope, TenantId, clock};
use crate::store::alerts::Alert;
use crate::store::audit::By;
use crate::store::changes::{self, Change, New};
use crate::store::{Db, Scoped, alerts, uploads};
use crate::sync::engine::Queue;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long the outcome of a change is waited for before the page is shown without it.
const PATIENCE: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_millis(80);

/// How a change stands once it has been sent, or after four seconds.
pub async fn outcome(db: &Db, tenant: TenantId, change: ChangeId) -> sqlx::Result<Option<Change>> {
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut tx = db.tenant(tenant).await?;
        let found = changes::get(&mut tx, change).await?;
        tx.commit().await?;
        let waits = found.as_ref().is_some_and(|found| matches!(found.state, ChangeState::Intended | ChangeState::Sending));
        if !waits || tokio::time::Instant::now() >= patience {
            return Ok(found);
        }
        tokio::time::sleep(STEP).await;
    }
}

/// These alerts, if every one is a Cloud Apps alert of this tenant within the scope. More than a hundred are refused.
pub async fn alerts_of(db: &Db, scope: &Scope, tenant: TenantId, ids: &[AlertId]) -> Result<Option<Vec<Alert>>, Refusal> {
    if ids.len() > MOST_IDS {
        return Err(Refusal::Wrong("alerts", "At most 100 alerts can be chosen at once."));
    }
    let ids: BTreeSet<AlertId> = ids.iter().copied().collect();
    let mut tx = db.begin(scope).await?;
    let found = alerts::these(&mut tx, &ids.iter().copied().collect::<Vec<_>>()).await?;
    tx.commit().await?;
    let are_ours = found.len() == ids.len();
    let is_ours = |alert: &Alert| alert.tenant_id == tenant && alert.product == Product::CloudApps.as_str();
    Ok(Some(found).filter(|found| are_ours && found.iter().all(is_ours)))
}

/// What a change is about, for people: one alert by its title, several by their number.
pub fn subject(alerts: &[Alert]) -> String {
    match alerts {
        [alert] => alert.title.clone(),
        alerts => format!("{} alerts of Defender for Cloud Apps", alerts.len()),
    }
}

/// A log that arrives in pieces and is put down as it comes.
#[derive(Debug)]
pub struct Inbox {
    db: Db,
    scope: Scope,
    tenant: TenantId,
    change: ChangeId,
    /// The change was asked for before: what comes is let go.
    known: bool,
    part: i32,
    size: usize,
    rest: Vec<u8>,
}

/// Another file came under the same id.
const ANOTHER: Refusal =
    Refusal::Wrong("body", "Another file was begun under this id. Reload the page, or send this one with a key of its own.");

impl Inbox {
    /// For one log of one tenant within somebody's scope, and the change that is to carry it.
    pub async fn open(db: &Db, scope: &Scope, tenant: TenantId, change: ChangeId) -> Result<Self, Refusal> {
        let mut tx = db.begin(scope).await?;
        acting::open(&mut tx, tenant).await?;
        let known = changes::get(&mut tx, change).await?.is_some_and(|known| known.tenant_id == tenant);
        tx.commit().await?;
        Ok(Self { db: db.clone(), scope: scope.clone(), tenant, change, known, part: 0, size: 0, rest: Vec::new() })
    }

    /// The next bytes.
    pub async fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.size += bytes.len();
        if self.size > LARGEST_LOG {
            return Err(Refusal::Wrong("body", "The file is larger than 64 MiB. Split it."));
        }
        if self.known {
            return Ok(());
        }
        self.rest.extend_from_slice(bytes);
        while self.rest.len() >= uploads::PART {
            let after = self.rest.split_off(uploads::PART);
            self.put().await?;
            self.rest = after;
        }
        Ok(())
    }

    async fn put(&mut self) -> Result<(), Refusal> {
        let mut tx = self.db.begin(&self.scope).await?;
        if !uploads::put(&mut tx, self.tenant, self.change, self.part, &self.rest, clock::now()).await? {
            return Err(ANOTHER);
        }
        tx.commit().await?;
        self.part += 1;
        self.rest.clear();
        Ok(())
    }

    /// The end of the log: the change that carries it to Microsoft is written down.
    pub async fn end(mut self, tx: &mut Scoped, queue: &Queue, by: &By, upload: &Upload) -> Result<(), Refusal> {
        if self.size == 0 {
            return Err(Refusal::Wrong("body", "The file is empty."));
        }
        if !self.rest.is_empty() {
            self.put().await?;
        }
        if !self.known && usize::try_from(uploads::size(tx, self.tenant, self.change).await?) != Ok(self.size) {
            return Err(ANOTHER);
        }
        let new = New {
            operation: "cloud_apps.discovery.done_upload",
            args: &[&upload.stream],
            subject: &format!("{} for {}", upload.filename, upload.stream),
            request: Some(upload.request()),
            comment: None,
        };
        acting::want(tx, queue, by, self.tenant, self.change, &new).await
    }
}
