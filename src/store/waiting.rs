//! Incidents that wait for their customer's answer.

use super::Scoped;
use super::audit::{self, By};
use super::incidents::Incident;
use chrono::{DateTime, Utc};
use serde_json::json;

/// An open incident begins to wait for its customer, with its audit row ("incident.wait"). One that waits already, or is not open, stays as it is,
/// without a row.
pub async fn begin(tx: &mut Scoped, by: &By, of: &Incident, now: DateTime<Utc>) -> sqlx::Result<()> {
    let text = "update incidents set waiting_since = $3 where tenant_id = $1 and incident_id = $2 and is_open and waiting_since is null";
    let done = sqlx::query(text).bind(of.tenant_id).bind(of.incident_id).bind(now).execute(&mut **tx).await?;
    if done.rows_affected() == 1 {
        let event = by.event("incident.wait").tenant(of.tenant_id).object(of.subject());
        audit::record(tx, event.after(json!({ "incident": of.incident_id }))).await?;
    }
    Ok(())
}

/// It waits no more: somebody says so, or the customer has answered. With its audit row ("incident.wait_end"), which says since when it waited;
/// without one where it did not wait.
pub async fn end(tx: &mut Scoped, by: &By, of: &Incident) -> sqlx::Result<()> {
    let since: Option<DateTime<Utc>> = sqlx::query_scalar(
        "with waited as (select waiting_since from incidents where tenant_id = $1 and incident_id = $2 and waiting_since is not null for update)
         update incidents as i set waiting_since = null from waited as w where i.tenant_id = $1 and i.incident_id = $2 returning w.waiting_since",
    )
    .bind(of.tenant_id)
    .bind(of.incident_id)
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(since) = since {
        let event = by.event("incident.wait_end").tenant(of.tenant_id).object(of.subject());
        audit::record(tx, event.before(json!({ "waited_since": since })).after(json!({ "incident": of.incident_id }))).await?;
    }
    Ok(())
}

/// How many open incidents of the scope wait, without those that rules hide; at most 1,001 are counted.
pub async fn count(tx: &mut Scoped) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "select count(*) from (select from incidents where is_open and not hidden and waiting_since is not null
                               and tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded')) limit 1001) as waiting",
    )
    .fetch_one(&mut **tx)
    .await
}
