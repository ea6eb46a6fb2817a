//! Defender for Cloud Apps, as pages and API use it: changes are written down and waited for a little, answers are read.

pub use crate::microsoft::cloud_apps::{Account, Activity, Category, File, List, Stream, Subnet, categories, list, streams};

use super::AppState;
use super::questions::Refusal;
use crate::model::cloud_apps::{LARGEST_LOG, Upload};
use crate::model::{AlertId, ChangeId, ChangeState, Product, Scope, TenantId, clock};
use crate::store::alerts::Alert;
use crate::store::audit::By;
use crate::store::changes::{self, Change, New};
use crate::store::{Db, alerts, tenants, uploads};
use std::time::Duration;

/// How long the outcome of a change is waited for before the page is shown without it.
const PATIENCE: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_millis(80);

/// Writes a change down within somebody's scope and queues its sending.
pub async fn intend(state: &AppState, scope: &Scope, by: &By, tenant: TenantId, new: &New<'_>) -> Result<ChangeId, Refusal> {
    let change = ChangeId::new();
    intend_as(state, scope, by, (tenant, change), new).await?;
    Ok(change)
}

async fn intend_as(state: &AppState, scope: &Scope, by: &By, (tenant, change): (TenantId, ChangeId), new: &New<'_>) -> Result<(), Refusal> {
    let mut tx = state.db.begin(scope).await?;
    let found = tenants::get(&mut tx, tenant).await?.ok_or(Refusal::NoTenant)?;
    if !found.state.is_read() || found.needs_approval {
        return Err(Refusal::NotRead);
    }
    changes::intend(&mut tx, by, tenant, change, new, clock::now()).await?;
    state.queue.push(&mut tx, tenant, change).await?;
    tx.commit().await?;
    Ok(())
}

/// How a change stands once it has been sent, or after four seconds.
pub async fn outcome(db: &Db, tenant: TenantId, change: ChangeId) -> Result<Option<Change>, Refusal> {
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

/// These alerts, if every one is a Cloud Apps alert of this tenant within the scope. At most a hundred.
pub async fn alerts_of(db: &Db, scope: &Scope, tenant: TenantId, ids: &[AlertId]) -> Result<Option<Vec<Alert>>, Refusal> {
    let mut tx = db.begin(scope).await?;
    let mut found = Vec::new();
    for id in ids.iter().take(100) {
        match alerts::get(&mut tx, *id).await? {
            Some(alert) if alert.tenant_id == tenant && alert.product == Product::CloudApps.as_str() => found.push(alert),
            _ => return Ok(None),
        }
    }
    tx.commit().await?;
    Ok(Some(found))
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
    part: i32,
    size: usize,
    rest: Vec<u8>,
}

/// Why a log is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("The file is larger than 64 MiB. Split it.")]
    TooLarge,
    #[error("The file is empty.")]
    Empty,
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<sqlx::Error> for UploadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl Inbox {
    /// For one log of one tenant within somebody's scope.
    pub async fn open(state: &AppState, scope: &Scope, tenant: TenantId) -> Result<Self, Refusal> {
        let mut tx = state.db.begin(scope).await?;
        let found = tenants::get(&mut tx, tenant).await?.ok_or(Refusal::NoTenant)?;
        tx.commit().await?;
        if !found.state.is_read() || found.needs_approval {
            return Err(Refusal::NotRead);
        }
        let (db, scope) = (state.db.clone(), scope.clone());
        Ok(Self { db, scope, tenant, change: ChangeId::new(), part: 0, size: 0, rest: Vec::new() })
    }

    /// The next bytes.
    pub async fn take(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.size += bytes.len();
        if self.size > LARGEST_LOG {
            return Err(UploadError::TooLarge);
        }
        self.rest.extend_from_slice(bytes);
        while self.rest.len() >= uploads::PART {
            let after = self.rest.split_off(uploads::PART);
            self.put().await?;
            self.rest = after;
        }
        Ok(())
    }

    async fn put(&mut self) -> Result<(), UploadError> {
        let mut tx = self.db.begin(&self.scope).await?;
        uploads::put(&mut tx, self.tenant, self.change, self.part, &self.rest, clock::now()).await?;
        tx.commit().await?;
        self.part += 1;
        self.rest.clear();
        Ok(())
    }

    /// The end of the log: the change that carries it to Microsoft.
    pub async fn end(mut self, state: &AppState, by: &By, upload: &Upload) -> Result<ChangeId, UploadError> {
        if self.size == 0 {
            return Err(UploadError::Empty);
        }
        if !self.rest.is_empty() {
            self.put().await?;
        }
        let new = New {
            operation: "cloud_apps.discovery.done_upload",
            args: &[&upload.stream],
            subject: &format!("{} for {}", upload.filename, upload.stream),
            request: Some(upload.request()),
            comment: None,
        };
        intend_as(state, &self.scope, by, (self.tenant, self.change), &new).await?;
        Ok(self.change)
    }
}
