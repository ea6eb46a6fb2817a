//! Stores what was read from Microsoft: a batch at a time, one statement per table, nothing at all for what has not changed.
//!
//! A record is the same as before when the same API sent the same bytes. A version never goes back: an older one is dropped.
//! Incidents and their alerts may come in any order and from several APIs; they are linked as soon as both are there.
//!
//! A batch is some hundred keys to look up. The statements say so in a form that leaves the planner no choice (`lateral … offset 0`,
//! scalar sub-selects): while a table's statistics are not gathered yet, a plain join walks through the tenant's whole history once
//! per key, which was measured to be a hundred times slower.

use super::quarantine::{Bad, Kind};
use super::{Scoped, suppressions};
use crate::model::{Product, Severity, Status, TenantId};
use chrono::{DateTime, Utc};

mod alerts;
mod incidents;
mod links;

/// An incident as it is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Microsoft's id.
    pub external_id: String,
    pub title: String,
    pub severity: Severity,
    /// Microsoft's own word.
    pub severity_raw: String,
    pub status: Status,
    /// Microsoft's own word.
    pub status_raw: String,
    pub classification: Option<String>,
    pub determination: Option<String>,
    pub assigned_to: Option<String>,
    pub tags: Vec<String>,
    /// Microsoft's id of the incident this one was merged into.
    pub redirect_to: Option<String>,
    /// "kind:value", lower case.
    pub entities: Vec<String>,
    /// Products (our words) and services (Microsoft's words) whose alerts it holds.
    pub products: Vec<String>,
    pub url: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The JSON as it came.
    pub body: String,
}

/// An alert as it is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The product whose id it bears, whichever API sent it.
    pub product: Product,
    pub external_id: String,
    /// Microsoft's id of its incident.
    pub incident_external_id: Option<String>,
    pub title: String,
    pub severity: Severity,
    pub severity_raw: String,
    pub status: Status,
    pub status_raw: String,
    pub classification: Option<String>,
    pub determination: Option<String>,
    pub category: Option<String>,
    pub service_source: Option<String>,
    pub detection_source: Option<String>,
    pub detector_id: Option<String>,
    pub assigned_to: Option<String>,
    pub device: Option<String>,
    pub account: Option<String>,
    pub mitre_techniques: Vec<String>,
    pub entities: Vec<String>,
    pub url: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Where Microsoft tells it.
    pub resolved_at: Option<DateTime<Utc>>,
    /// It came inside its incident.
    pub inside: bool,
    pub body: String,
}

/// What a batch did to the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub added: usize,
    pub changed: usize,
}

impl std::ops::AddAssign for Written {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.changed += other.changed;
    }
}

/// Stores incidents and alerts that `api` sent for one tenant. Incidents are Defender XDR's, whichever API tells of them. At most about 1,000 of each at a time. Batches of one tenant take turns.
///
/// # Errors
/// [`is_contention`] tells whether the whole transaction may be tried again.
pub async fn store(tx: &mut Scoped, tenant: TenantId, api: Product, incidents: &[Incident], alerts: &[Alert]) -> sqlx::Result<Written> {
    if incidents.is_empty() && alerts.is_empty() {
        return Ok(Written::default());
    }
    take_turn(tx, tenant).await?;
    let mut affected = links::Affected::default();
    let mut written = incidents::store(tx, tenant, api, incidents, &mut affected).await?;
    written += alerts::store(tx, tenant, api, alerts, &mut affected).await?;
    links::settle(tx, tenant, &affected).await?;
    if affected.is_any() && suppressions::concern(tx, tenant).await? {
        let touched = links::touched(tx, tenant, &affected).await?;
        suppressions::judge_read(tx, tenant, &affected.alerts, touched).await?;
    }
    Ok(written)
}

/// Writes what Microsoft answered to a change of an incident: the incident without its alerts. So what follows from them stays, and so does
/// the original, until the next reading brings the whole. An incident that is not known yet is left to that reading as well.
pub async fn answered(tx: &mut Scoped, tenant: TenantId, incident: &Incident) -> sqlx::Result<()> {
    take_turn(tx, tenant).await?;
    incidents::answered(tx, tenant, incident).await
}

/// Two APIs report the same alert, and an incident's alerts may come apart from it: without turns, each could miss the other's row. A rule
/// that is made meanwhile could miss an alert, and the alert the rule.
pub(super) async fn take_turn(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('ingest ' || $1::text, 0))").bind(tenant).execute(&mut **tx).await?;
    Ok(())
}

/// The same without waiting: false if it is somebody else's turn.
pub(super) async fn try_turn(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<bool> {
    sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended('ingest ' || $1::text, 0))")
        .bind(tenant)
        .fetch_one(&mut **tx)
        .await
}

/// Whether a record that could not be read has come again, with the same id of Microsoft's, in a form that could be.
pub async fn is_newer_known(tx: &mut Scoped, tenant: TenantId, bad: &Bad, id: &str) -> sqlx::Result<bool> {
    let text = match bad.kind {
        Kind::Incident => "select exists (select from incidents where tenant_id = $1 and external_id = $2 and synced_at > $3)",
        Kind::Alert => "select exists (select from alerts where tenant_id = $1 and external_id = $2 and synced_at > $3)",
    };
    sqlx::query_scalar(text).bind(tenant).bind(id).bind(bad.last_seen).fetch_one(&mut **tx).await
}

/// Whether a transaction failed only because of another one at the same time (serialization failure, deadlock, lock not had in time).
pub fn is_contention(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01" | "55P03"))
}

/// What stands between the values of a list on its way into the database; no value holds it.
const SEPARATOR: &str = "\u{1f}";

fn hash(body: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes()).as_ref().to_vec()
}

/// One column of a batch, bound as an array.
fn column<'a, R, V>(rows: &'a [R], value: impl Fn(&'a R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

fn joined(values: &[String]) -> String {
    values.join(SEPARATOR)
}
