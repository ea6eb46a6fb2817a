//! Leases: who reads what, and since when. Held by the database's clock, each with a fence number that grows.

use crate::model::{Adapter, Cloud, CloudAppsHost, DirectoryId, Product, Region, SyncHealth, TenantId};
use crate::store::Scoped;
use chrono::{DateTime, Utc};

/// What a reader needs to know, as it stood when the lease was taken.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claim {
    pub fence: i64,
    pub directory_id: DirectoryId,
    pub cloud: Cloud,
    pub endpoint_region: Option<Region>,
    pub cloud_apps_host: Option<CloudAppsHost>,
    /// Names of the tenant's apps.
    pub apps: Vec<String>,
    /// The API that staff decided on.
    #[sqlx(rename = "incident_api")]
    pub pinned: Option<Adapter>,
    /// The API of the last reading.
    pub adapter: Option<Adapter>,
    /// The API that would not serve this tenant when it was asked last.
    pub refused: Option<Adapter>,
    pub state: SyncHealth,
    pub watermark: Option<DateTime<Utc>>,
    pub complete_until: Option<DateTime<Utc>>,
    pub backfill_from: Option<DateTime<Utc>>,
    pub backfill_done: f64,
    pub backfill_skip: i32,
    pub backfill_link: Option<String>,
    pub last_success: Option<DateTime<Utc>>,
    pub failing_since: Option<DateTime<Utc>>,
    pub failures: i32,
    pub reconciled_day: Option<DateTime<Utc>>,
    pub reconciled_week: Option<DateTime<Utc>>,
    /// Records of this product wait in quarantine.
    pub quarantined: bool,
    /// What the tenant's apps have been granted, each as "app product permission".
    pub granted: Vec<String>,
    /// The start of a run that never ended: its reader died.
    pub died: Option<DateTime<Utc>>,
}

/// A reading that may begin: its lease is taken.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claimed {
    pub tenant_id: TenantId,
    pub product: Product,
    #[sqlx(flatten)]
    pub claim: Claim,
}

/// The statement that takes leases of readings of `sync_state as s` for which `$of` holds. The due ones come first, by their index, and each
/// tenant is looked up for itself: of thousands of tenants few are due at a time.
macro_rules! claim {
    ($of:literal) => {
        concat!(
            "with old as (
                select s.tenant_id, s.product, t.directory_id, t.cloud, t.endpoint_region, t.cloud_apps_host, t.apps, t.incident_api,
                       case when s.lease_until is not null then s.last_attempt end as died
                from sync_state as s cross join lateral (select * from tenants where tenants.tenant_id = s.tenant_id offset 0) as t
                where s.enabled and s.next_due <= greatest($1, now()) and (s.lease_until is null or s.lease_until < clock_timestamp()) and ",
            $of,
            "     and t.state in ('active', 'degraded', 'blind') and not t.needs_approval and t.directory_id is not null
                order by s.next_due limit $2 for update of s skip locked)
            update sync_state as s set lease_until = clock_timestamp() + interval '15 s', fence = s.fence + 1, last_attempt = $1, hurried = false
            from old where s.tenant_id = old.tenant_id and s.product = old.product
            returning s.tenant_id, s.product, s.fence, old.directory_id, old.cloud, old.endpoint_region, old.cloud_apps_host, old.apps,
                old.incident_api, s.adapter, s.refused, s.state, s.watermark, s.complete_until, s.backfill_from, s.backfill_done, s.backfill_skip,
                s.backfill_link, s.last_success, s.failing_since, s.failures, s.reconciled_day, s.reconciled_week, old.died,
                exists (select from quarantine as q where q.tenant_id = s.tenant_id and q.product = s.product) as quarantined,
                array(select concat_ws(' ', p.app, p.product, p.permission) from tenant_permissions as p
                      where p.tenant_id = s.tenant_id and p.granted) as granted"
        )
    };
}

/// Takes the leases, for 15 s, of up to `limit` readings that are due at `now`, longest overdue first: of products that nobody reads, of
/// tenants that are to be read (not paused, offboarded or unapproved). `first`: of first readings, or of all others. Needs an all-tenants
/// transaction, and leaves its planner set for this alone.
pub async fn claim_due(tx: &mut Scoped, first: bool, limit: i64, now: DateTime<Utc>) -> sqlx::Result<Vec<Claimed>> {
    // After a standstill everything is due, and the planner, which counts on few, would look at all of it each time.
    tx.keep_plans().await?;
    sqlx::query("set local enable_sort = off").execute(&mut **tx).await?;
    sqlx::query_as(claim!("(s.backfill_done < 1) = $3")).bind(now).bind(limit).bind(first).fetch_all(&mut **tx).await
}

/// The same for one product of one tenant. `None`: not due, read by somebody else, or not to be read.
pub async fn claim(tx: &mut Scoped, tenant: TenantId, product: Product, now: DateTime<Utc>) -> sqlx::Result<Option<Claim>> {
    let query = sqlx::query_as(claim!("s.tenant_id = $3 and s.product = $4")).bind(now).bind(1_i64).bind(tenant).bind(product);
    let claimed: Option<Claimed> = query.fetch_optional(&mut **tx).await?;
    Ok(claimed.map(|claimed| claimed.claim))
}

/// Keeps the lease for 15 s more. False: it is lost, and the transaction must not commit.
pub async fn hold(tx: &mut Scoped, tenant: TenantId, product: Product, fence: i64) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update sync_state set lease_until = clock_timestamp() + interval '15 s' where tenant_id = $1 and product = $2 and fence = $3",
    )
    .bind(tenant)
    .bind(product)
    .bind(fence)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the lease back in the middle of a run. False: it was lost meanwhile, and the transaction must not commit.
pub async fn release(tx: &mut Scoped, tenant: TenantId, product: Product, fence: i64) -> sqlx::Result<bool> {
    let done = sqlx::query("update sync_state set lease_until = null where tenant_id = $1 and product = $2 and fence = $3")
        .bind(tenant)
        .bind(product)
        .bind(fence)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}
