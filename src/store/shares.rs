//! Incidents that are shared with their customer, and what the customer then sees of them. Everything is read by the tenant and through its shares,
//! under row-level security; the functions of search are never asked, because how long they take tells of other tenants.

use super::Scoped;
use super::audit::{self, By};
use super::incidents::Incident;
use crate::model::{IncidentId, Severity, Status, TenantId};
use chrono::{DateTime, Utc};
use serde_json::json;

/// That an incident is shared.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Share {
    /// The person's name then.
    pub shared_by: String,
    pub shared_at: DateTime<Utc>,
}

/// An incident as its customer sees it. Nothing else of it is read for them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Shared {
    pub incident_id: IncidentId,
    pub title: String,
    pub severity: Severity,
    pub status: Status,
    pub status_raw: String,
    pub alert_count: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
    /// The provider waits for an answer since then.
    pub waiting_since: Option<DateTime<Utc>>,
    pub shared_at: DateTime<Utc>,
}

/// An alert of a shared incident.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SharedAlert {
    pub title: String,
    /// A [`crate::model::Product`] in its spelling.
    pub product: String,
    pub severity: Severity,
    pub status: Status,
    pub status_raw: String,
    pub created_at: DateTime<Utc>,
}

/// How many incidents are shared.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Numbers {
    pub open: i64,
    pub all: i64,
}

/// Whether an incident is shared.
pub async fn get(tx: &mut Scoped, tenant: TenantId, incident: IncidentId) -> sqlx::Result<Option<Share>> {
    sqlx::query_as("select shared_by, shared_at from incident_shares where tenant_id = $1 and incident_id = $2")
        .bind(tenant)
        .bind(incident)
        .fetch_optional(&mut **tx)
        .await
}

/// Shares an incident with its customer, or ends that, with its audit row ("incident.share", "incident.unshare"). What stands so already stays,
/// without a row. `name`: of the person.
pub async fn set(tx: &mut Scoped, (by, name): (&By, &str), of: &Incident, shared: bool) -> sqlx::Result<()> {
    let done = if shared {
        sqlx::query("insert into incident_shares (tenant_id, incident_id, shared_by) values ($1, $2, $3) on conflict do nothing")
            .bind(of.tenant_id)
            .bind(of.incident_id)
            .bind(name)
            .execute(&mut **tx)
            .await?
    } else {
        sqlx::query("delete from incident_shares where tenant_id = $1 and incident_id = $2")
            .bind(of.tenant_id)
            .bind(of.incident_id)
            .execute(&mut **tx)
            .await?
    };
    if done.rows_affected() == 1 {
        let event = by.event(if shared { "incident.share" } else { "incident.unshare" });
        audit::record(tx, event.tenant(of.tenant_id).object(of.subject()).after(json!({ "incident": of.incident_id }))).await?;
    }
    Ok(())
}

/// Rows of [`Shared`] of the tenant `$1`.
macro_rules! shared {
    ($rest:literal) => {
        concat!(
            "select r.incident_id, r.title, r.severity, r.status, r.status_raw, r.alert_count, r.created_at, r.updated_at, r.resolved_at, r.waiting_since,
                    s.shared_at
             from incident_shares as s join incidents as r on r.tenant_id = s.tenant_id and r.incident_id = s.incident_id
             where s.tenant_id = $1 ",
            $rest
        )
    };
}

/// The incidents that are shared with a tenant, the last shared first: those after the one at `after`, at most `limit`.
pub async fn list(tx: &mut Scoped, tenant: TenantId, after: Option<IncidentId>, limit: i64) -> sqlx::Result<Vec<Shared>> {
    sqlx::query_as(shared!(
        "and ($2::uuid is null
              or (s.shared_at, s.incident_id) < (select shared_at, incident_id from incident_shares where tenant_id = $1 and incident_id = $2))
         order by s.shared_at desc, s.incident_id desc limit $3"
    ))
    .bind(tenant)
    .bind(after)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// One of them. `None`: there is no such incident, it is another tenant's, or it is not shared.
pub async fn incident(tx: &mut Scoped, tenant: TenantId, incident: IncidentId) -> sqlx::Result<Option<Shared>> {
    sqlx::query_as(shared!("and s.incident_id = $2")).bind(tenant).bind(incident).fetch_optional(&mut **tx).await
}

/// The alerts of a shared incident, the worst first, at most 200; none of one that is not shared.
pub async fn alerts(tx: &mut Scoped, tenant: TenantId, incident: IncidentId) -> sqlx::Result<Vec<SharedAlert>> {
    sqlx::query_as(
        "select a.title, a.product, a.severity, a.status, a.status_raw, a.created_at
         from incident_shares as s join alerts as a on a.tenant_id = s.tenant_id and a.incident_id = s.incident_id
         where s.tenant_id = $1 and s.incident_id = $2
         order by a.severity desc, a.created_at desc, a.alert_id limit 200",
    )
    .bind(tenant)
    .bind(incident)
    .fetch_all(&mut **tx)
    .await
}

/// How many are shared with a tenant, and how many of them are open.
pub async fn numbers(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Numbers> {
    sqlx::query_as(
        "select count(*) filter (where r.is_open) as open, count(*) as all
         from incident_shares as s join incidents as r on r.tenant_id = s.tenant_id and r.incident_id = s.incident_id where s.tenant_id = $1",
    )
    .bind(tenant)
    .fetch_one(&mut **tx)
    .await
}
