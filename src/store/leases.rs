//! Who works on an incident now: a word among colleagues, not a lock. It ends by itself.

use super::Scoped;
use super::audit::{self, By};
use super::incidents::Incident;
use crate::model::{IncidentId, TenantId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

/// How long it holds without a sign of life.
pub const LASTS: TimeDelta = TimeDelta::minutes(30);

/// Somebody at work.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Lease {
    pub user_id: UserId,
    /// For people.
    pub name: String,
    pub login: String,
    /// The name of whoever had it when this person began.
    pub taken_from: Option<String>,
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Who works on an incident at `now`.
pub async fn current(tx: &mut Scoped, tenant: TenantId, incident: IncidentId, now: DateTime<Utc>) -> sqlx::Result<Option<Lease>> {
    sqlx::query_as("select * from incident_leases where tenant_id = $1 and incident_id = $2 and until > $3")
        .bind(tenant)
        .bind(incident)
        .bind(now)
        .fetch_optional(&mut **tx)
        .await
}

/// Somebody begins to work on an incident, or goes on. False: somebody else does, who is not the one that was `shown`, and nothing was
/// written. Who begins has an audit row ("lease.take").
pub async fn take(
    tx: &mut Scoped,
    (by, name): (&By, &str),
    of: &Incident,
    shown: Option<UserId>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let Some(user) = by.user() else { return Ok(false) };
    let done: Option<(bool, Option<String>)> = sqlx::query_as(
        "insert into incident_leases as l (tenant_id, incident_id, user_id, name, login, since, until)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (tenant_id, incident_id) do update set
             user_id = excluded.user_id, name = excluded.name, login = excluded.login, until = excluded.until,
             since = case when l.until > $6 and l.user_id = $3 then l.since else $6 end,
             taken_from = case when l.until <= $6 then null when l.user_id = $3 then l.taken_from else l.name end
         where l.until <= $6 or l.user_id in ($3, $8)
         returning since = $6, taken_from",
    )
    .bind(of.tenant_id)
    .bind(of.incident_id)
    .bind(user)
    .bind(name)
    .bind(by.login())
    .bind(now)
    .bind(now + LASTS)
    .bind(shown)
    .fetch_optional(&mut **tx)
    .await?;
    let Some((begins, from)) = done else { return Ok(false) };
    if begins {
        let mut event = by.event("lease.take").tenant(of.tenant_id).object(of.subject());
        event = event.after(json!({ "incident": of.incident_id, "until": now + LASTS }));
        event.before = from.map(|name| json!({ "by": name }));
        audit::record(tx, event).await?;
    }
    Ok(true)
}

/// Somebody at work on an incident shows a sign of life. Whoever is not at work on it does not begin by that.
pub async fn renew(tx: &mut Scoped, by: &By, of: &Incident, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update incident_leases set until = $5 where tenant_id = $1 and incident_id = $2 and user_id = $3 and until > $4")
        .bind(of.tenant_id)
        .bind(of.incident_id)
        .bind(by.user())
        .bind(now)
        .bind(now + LASTS)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Somebody stops working on an incident, with the audit row ("lease.end"). Whoever is not at work on it changes nothing.
pub async fn end(tx: &mut Scoped, by: &By, of: &Incident, now: DateTime<Utc>) -> sqlx::Result<()> {
    let done =
        sqlx::query("update incident_leases set until = $4 where tenant_id = $1 and incident_id = $2 and user_id = $3 and until > $4")
            .bind(of.tenant_id)
            .bind(of.incident_id)
            .bind(by.user())
            .bind(now)
            .execute(&mut **tx)
            .await?;
    if done.rows_affected() == 1 {
        let after = json!({ "incident": of.incident_id });
        audit::record(tx, by.event("lease.end").tenant(of.tenant_id).object(of.subject()).after(after)).await?;
    }
    Ok(())
}
