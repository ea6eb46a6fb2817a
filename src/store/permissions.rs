//! What each app may do in each tenant's directory: asked for, granted, licensed, proven to work.

use super::Scoped;
use crate::model::{PermissionState, Product, TenantId, Verdict};
use chrono::{DateTime, Utc};

/// One permission of one app in one tenant's directory.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Permission {
    /// The app's name in the configuration.
    pub app: String,
    pub product: Product,
    /// Microsoft's name: "Incident.Read.All".
    pub permission: String,
    /// Whether the configuration asks for it. False: granted although not asked for any more.
    pub expected: bool,
    /// Named in the app's token; `None`: not yet known.
    pub granted: Option<bool>,
    /// The product answers for this directory.
    pub licensed: Option<bool>,
    /// A real call succeeded; `None`: not tried.
    pub working: Option<bool>,
    pub state: PermissionState,
    /// For people: why it is not simply good.
    pub reason: Option<String>,
    pub checked_at: Option<DateTime<Utc>>,
    /// When it began to stand as it does.
    pub since: Option<DateTime<Utc>>,
    /// How it stood when that was last known for certain: what a change is measured against.
    pub settled: Option<Verdict>,
    /// The operation of Microsoft's that was tried: "xdr.incidents.list".
    pub proof: Option<String>,
    pub tried_at: Option<DateTime<Utc>>,
    /// Microsoft's own answer in short: "HTTP 403 Forbidden", "AADSTS700016".
    pub answer: Option<String>,
    /// What staff do about it.
    pub remedy: Option<String>,
    /// What the customer is told.
    pub remedy_customer: Option<String>,
}

impl Permission {
    /// A permission that is asked for and of which nothing is known.
    pub fn asked(app: &str, product: Product, permission: &str) -> Self {
        Self {
            app: app.to_owned(),
            product,
            permission: permission.to_owned(),
            expected: true,
            granted: None,
            licensed: None,
            working: None,
            state: PermissionState::Asked,
            reason: None,
            checked_at: None,
            since: None,
            settled: None,
            proof: None,
            tried_at: None,
            answer: None,
            remedy: None,
            remedy_customer: None,
        }
    }

    /// All of it in one word.
    pub const fn verdict(&self) -> Verdict {
        match (self.state, self.working) {
            (PermissionState::Granted, Some(true)) => Verdict::Works,
            (PermissionState::Granted, Some(false)) => Verdict::Fails,
            (PermissionState::Granted, None) => Verdict::Untried,
            (PermissionState::Missing, _) => Verdict::Missing,
            (PermissionState::Revoked, _) => Verdict::Revoked,
            (PermissionState::Unlicensed, _) => Verdict::Unlicensed,
            (PermissionState::Unknown, _) => Verdict::Unknown,
            (PermissionState::Asked, _) => Verdict::Asked,
        }
    }

    /// Whether it is about the same app, product and permission.
    pub fn is_same(&self, other: &Self) -> bool {
        self.app == other.app && self.product == other.product && self.permission == other.permission
    }
}

/// Every permission known of a tenant, by app, product and name.
pub async fn list(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Vec<Permission>> {
    sqlx::query_as(
        "select app, product, permission, expected, granted, licensed, working, state, reason, checked_at, since, settled, proof, tried_at,
                answer, remedy, remedy_customer
         from tenant_permissions where tenant_id = $1 order by app, product, permission",
    )
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await
}

/// What the tenant's apps have been granted: app, product, permission.
pub async fn granted(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Vec<(String, Product, String)>> {
    sqlx::query_as("select app, product, permission from tenant_permissions where tenant_id = $1 and granted")
        .bind(tenant)
        .fetch_all(&mut **tx)
        .await
}

/// Stores what is known of one permission now.
pub async fn record(tx: &mut Scoped, tenant: TenantId, row: &Permission) -> sqlx::Result<()> {
    sqlx::query(
        "insert into tenant_permissions (tenant_id, app, product, permission, expected, granted, licensed, working, state, reason, checked_at,
                                         since, settled, proof, tried_at, answer, remedy, remedy_customer)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         on conflict (tenant_id, app, product, permission) do update set
             expected = excluded.expected, granted = excluded.granted, licensed = excluded.licensed, working = excluded.working,
             state = excluded.state, reason = excluded.reason, checked_at = excluded.checked_at, since = excluded.since,
             settled = excluded.settled, proof = excluded.proof, tried_at = excluded.tried_at, answer = excluded.answer,
             remedy = excluded.remedy, remedy_customer = excluded.remedy_customer",
    )
    .bind(tenant)
    .bind(&row.app)
    .bind(row.product)
    .bind(&row.permission)
    .bind(row.expected)
    .bind(row.granted)
    .bind(row.licensed)
    .bind(row.working)
    .bind(row.state)
    .bind(&row.reason)
    .bind(row.checked_at)
    .bind(row.since)
    .bind(row.settled)
    .bind(&row.proof)
    .bind(row.tried_at)
    .bind(&row.answer)
    .bind(&row.remedy)
    .bind(&row.remedy_customer)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Permissions that a check at `now` no longer asked about are not expected any more, and what was told of their changes is over.
pub async fn unexpect(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update tenant_permissions set expected = false where tenant_id = $1 and expected and checked_at is distinct from $2")
        .bind(tenant)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "update permission_drifts as d set mended_at = $2 from tenant_permissions as p
         where d.tenant_id = $1 and d.mended_at is null and not p.expected
           and p.tenant_id = d.tenant_id and p.app = d.app and p.product = d.product and p.permission = d.permission",
    )
    .bind(tenant)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many tenants stand how with one permission of one app.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Tally {
    pub app: String,
    pub product: Product,
    pub permission: String,
    /// Tenants of which it is asked.
    pub tenants: i64,
    pub works: i64,
    /// Granted, and not to be tried without acting.
    pub untried: i64,
    /// Granted, and the API refuses all the same.
    pub fails: i64,
    pub missing: i64,
    pub unlicensed: i64,
    /// Not known, or never looked at.
    pub unknown: i64,
}

/// Every expected permission over the tenants of the scope that are not offboarded, by app, product and name.
pub async fn tally(tx: &mut Scoped) -> sqlx::Result<Vec<Tally>> {
    sqlx::query_as(
        "select p.app, p.product, p.permission, count(*) as tenants,
                count(*) filter (where p.state = 'granted' and p.working) as works,
                count(*) filter (where p.state = 'granted' and p.working is null) as untried,
                count(*) filter (where p.state = 'granted' and not p.working) as fails,
                count(*) filter (where p.state in ('missing', 'revoked')) as missing,
                count(*) filter (where p.state = 'unlicensed') as unlicensed,
                count(*) filter (where p.state in ('unknown', 'asked')) as unknown
         from tenant_permissions as p join tenants as t on t.tenant_id = p.tenant_id
         where p.expected and t.state <> 'offboarded'
         group by p.app, p.product, p.permission order by p.app, p.product, p.permission limit 500",
    )
    .fetch_all(&mut **tx)
    .await
}

/// Forgets what was granted: another directory is bound.
pub async fn forget(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update tenant_permissions set granted = null, licensed = null, working = null, state = 'asked', reason = null, checked_at = null,
                                       since = null, settled = null, proof = null, tried_at = null, answer = null, remedy = null,
                                       remedy_customer = null
         where tenant_id = $1",
    )
    .bind(tenant)
    .execute(&mut **tx)
    .await?;
    sqlx::query("update permission_drifts set mended_at = $2 where tenant_id = $1 and mended_at is null")
        .bind(tenant)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    sqlx::query("delete from token_claims where tenant_id = $1").bind(tenant).execute(&mut **tx).await?;
    Ok(())
}

/// Notes that a tenant's permissions were checked, whatever was found: nothing, where no app of the configuration is left.
pub async fn checked(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update tenants set checked_at = $2 where tenant_id = $1").bind(tenant).bind(now).execute(&mut **tx).await?;
    Ok(())
}

/// Tenants that are read and whose permissions nobody has checked since `before`, longest ago first. Needs an all-tenants transaction.
pub async fn unchecked(tx: &mut Scoped, before: DateTime<Utc>, limit: i64) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar(
        "select tenant_id from tenants
         where state in ('active', 'degraded', 'blind', 'verifying') and directory_id is not null and (checked_at is null or checked_at < $1)
         order by checked_at nulls first, tenant_id limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}
