//! Permissions that stopped doing what they did: told once, shown until they are mended or somebody has taken note.

use super::Scoped;
use super::audit::{self, Actor, By, Event};
use super::permissions::Permission;
use crate::model::{Product, TenantId, Verdict};
use chrono::{DateTime, Utc};
use serde_json::json;

/// One change for the worse.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Drift {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub app: String,
    pub product: Product,
    pub permission: String,
    /// When it was noticed.
    pub at: DateTime<Utc>,
    pub was: Verdict,
    pub became: Verdict,
    pub reason: Option<String>,
}

const SYNC: Actor = Actor::System("sync");

/// Notes how a permission stands, if that is a change of what was last certain: one audit event, and a drift that is shown or one that is
/// mended. Called in the transaction that records the permission.
pub async fn note(tx: &mut Scoped, tenant: TenantId, was: Option<Verdict>, row: &Permission, now: DateTime<Utc>) -> sqlx::Result<()> {
    let became = row.verdict();
    let Some(was) = was.filter(|was| *was != became && (was.is_bad() || became.is_bad())) else { return Ok(()) };
    let action = match became {
        Verdict::Works | Verdict::Untried => "consent.permission_mended",
        Verdict::Revoked | Verdict::Missing => "consent.permission_revoked",
        Verdict::Unlicensed => "consent.permission_unlicensed",
        Verdict::Fails => "consent.permission_refused",
        Verdict::Unknown | Verdict::Asked => return Ok(()),
    };
    mend(tx, tenant, row, now).await?;
    if became.is_bad() {
        sqlx::query(
            "insert into permission_drifts (tenant_id, app, product, permission, at, was, became, reason) values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict do nothing",
        )
        .bind(tenant)
        .bind(&row.app)
        .bind(row.product)
        .bind(&row.permission)
        .bind(now)
        .bind(was)
        .bind(became)
        .bind(&row.reason)
        .execute(&mut **tx)
        .await?;
    }
    let event = Event::new(SYNC, action).tenant(tenant).object(&row.permission).before(json!({ "verdict": was }));
    let after = json!({ "app": row.app, "product": row.product, "verdict": became, "reason": row.reason, "answer": row.answer });
    audit::record(tx, event.after(after)).await
}

async fn mend(tx: &mut Scoped, tenant: TenantId, row: &Permission, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update permission_drifts set mended_at = $5
         where tenant_id = $1 and app = $2 and product = $3 and permission = $4 and mended_at is null",
    )
    .bind(tenant)
    .bind(&row.app)
    .bind(row.product)
    .bind(&row.permission)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// [`shown`] of the tenants for which `$which` holds.
macro_rules! shown {
    ($which:literal) => {
        concat!(
            "select d.tenant_id, t.name as tenant_name, d.app, d.product, d.permission, d.at, d.was, d.became, d.reason
             from permission_drifts as d join tenants as t on t.tenant_id = d.tenant_id
             where d.mended_at is null and d.acknowledged_at is null and t.state <> 'offboarded' and ",
            $which,
            " order by d.at desc, d.tenant_id, d.app, d.product, d.permission limit $2"
        )
    };
}

/// What is to be shown: changes neither mended nor taken note of, newest first, at most `limit`; of one tenant, or of the whole scope
/// without the offboarded.
pub async fn shown(tx: &mut Scoped, tenant: Option<TenantId>, limit: i64) -> sqlx::Result<Vec<Drift>> {
    const ALL: &str = shown!("$1::uuid is null");
    const ONE: &str = shown!("d.tenant_id = $1");
    sqlx::query_as(if tenant.is_some() { ONE } else { ALL }).bind(tenant).bind(limit).fetch_all(&mut **tx).await
}

/// Somebody has taken note of a tenant's changes up to a time: they are not shown any more. Writes the audit row. False: there were none.
pub async fn acknowledge(tx: &mut Scoped, by: &By, tenant: TenantId, up_to: DateTime<Utc>, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let noted: Vec<String> = sqlx::query_scalar(
        "update permission_drifts set acknowledged_at = $3, acknowledged_by = $4
         where tenant_id = $1 and at <= $2 and mended_at is null and acknowledged_at is null
         returning permission",
    )
    .bind(tenant)
    .bind(up_to)
    .bind(now)
    .bind(by.login())
    .fetch_all(&mut **tx)
    .await?;
    if noted.is_empty() {
        return Ok(false);
    }
    let event = by.event("consent.change_acknowledged").tenant(tenant).object(noted.join(", "));
    audit::record(tx, event).await?;
    Ok(true)
}
