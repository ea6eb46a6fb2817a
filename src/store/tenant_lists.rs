//! Lists of tenants for pages: who is worst off, what is read of each, what the registry knows already.

use super::Scoped;
use crate::model::{DirectoryId, PermissionState, Product, SyncHealth, TenantId, TenantState};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// What of the registry is asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name, domain, group, a tag or the directory id, in any case. Empty: everything.
    pub text: String,
    /// `None`: every state but offboarded.
    pub state: Option<TenantState>,
    /// These alone.
    pub only: Option<Vec<TenantId>>,
}

/// One tenant as a list shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Line {
    pub tenant_id: TenantId,
    pub name: String,
    pub domain: Option<String>,
    pub directory_id: Option<DirectoryId>,
    pub tenant_group: Option<String>,
    pub tags: Vec<String>,
    pub contacts: String,
    pub state: TenantState,
    pub state_since: DateTime<Utc>,
    pub state_reason: Option<String>,
    pub needs_approval: bool,
    /// Open incidents of all products and severities.
    pub open_incidents: i64,
    /// Those of severity critical or high.
    pub urgent_incidents: i64,
}

/// Worst first: what staff must act on, then by open incidents, then by name. `limit` lines after the first `skip`.
pub async fn list(tx: &mut Scoped, filter: &Filter, skip: i64, limit: i64) -> sqlx::Result<Vec<Line>> {
    // Every incident is counted under Defender XDR, whichever API told of it.
    sqlx::query_as(
        "select t.tenant_id, t.name, t.domain, t.directory_id, t.tenant_group, t.tags, t.contacts, t.state, t.state_since, t.state_reason,
                t.needs_approval, coalesce(c.open, 0) as open_incidents, coalesce(c.urgent, 0) as urgent_incidents
         from tenants as t
         left join lateral (
             select (incidents_critical + incidents_high + incidents_medium + incidents_low + incidents_informational
                     + incidents_unknown)::bigint as open, (incidents_critical + incidents_high)::bigint as urgent
             from tenant_counts where tenant_id = t.tenant_id and product = 'defender_xdr'
         ) as c on true
         where (case when $1::text is null then t.state <> 'offboarded' else t.state = $1 end)
           and ($2 = '' or strpos(lower(concat_ws(' ', t.name, t.domain, t.tenant_group, array_to_string(t.tags, ' '),
                                                  coalesce(t.directory_id, t.expected_directory_id))), lower($2)) > 0)
           and ($5::uuid[] is null or t.tenant_id = any($5))
         order by array_position(array['blind', 'degraded', 'verifying', 'consent_pending', 'invited', 'active', 'paused', 'offboarded'], t.state),
                  urgent_incidents desc, open_incidents desc, lower(t.name), t.tenant_id
         offset $3 limit $4",
    )
    .bind(filter.state)
    .bind(&filter.text)
    .bind(skip)
    .bind(limit)
    .bind(&filter.only)
    .persistent(false)
    .fetch_all(&mut **tx)
    .await
}

/// Every tenant of the scope that is not offboarded, by name.
pub async fn full(tx: &mut Scoped) -> sqlx::Result<Vec<super::tenants::Tenant>> {
    sqlx::query_as("select * from tenants where state <> 'offboarded' order by lower(name), tenant_id").fetch_all(&mut **tx).await
}

/// How many tenants of the scope stand in each state; states without tenants are left out.
pub async fn count_states(tx: &mut Scoped) -> sqlx::Result<Vec<(TenantState, i64)>> {
    sqlx::query_as("select state, count(*) from tenants group by state").fetch_all(&mut **tx).await
}

/// One product of one tenant as a list shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ProductLine {
    pub tenant_id: TenantId,
    pub product: Product,
    /// `None`: no reading is planned yet.
    pub health: Option<SyncHealth>,
    pub last_success: Option<DateTime<Utc>>,
    /// How far the first reading is, 0 to 1.
    pub backfill_done: f64,
    /// The worst of the product's expected permissions; `None`: nothing is known of any.
    pub permission: Option<PermissionState>,
    pub reason: Option<String>,
}

/// The products of some tenants, by tenant and product.
pub async fn products(tx: &mut Scoped, tenants: &[TenantId]) -> sqlx::Result<Vec<ProductLine>> {
    sqlx::query_as(
        "with granted as (
             select tenant_id, product,
                    (array['revoked', 'missing', 'unlicensed', 'unknown', 'asked', 'granted'])[min(array_position(
                        array['revoked', 'missing', 'unlicensed', 'unknown', 'asked', 'granted'], state))] as permission
             from tenant_permissions where tenant_id = any($1) and expected group by tenant_id, product),
         reading as (select * from sync_state where tenant_id = any($1) and enabled)
         select coalesce(r.tenant_id, g.tenant_id) as tenant_id, coalesce(r.product, g.product) as product, r.state as health, r.last_success,
                coalesce(r.backfill_done, 0) as backfill_done, g.permission, r.reason
         from reading as r full join granted as g on g.tenant_id = r.tenant_id and g.product = r.product
         order by 1, 2",
    )
    .bind(tenants)
    .fetch_all(&mut **tx)
    .await
}

/// The names (lower case) and directories of every tenant that is not offboarded, for an import's preview. Ask in an all-tenants
/// transaction.
pub async fn registered(tx: &mut Scoped) -> sqlx::Result<(BTreeSet<String>, BTreeSet<DirectoryId>)> {
    let rows: Vec<(String, Option<DirectoryId>, Option<DirectoryId>)> =
        sqlx::query_as("select name, directory_id, expected_directory_id from tenants where state <> 'offboarded'")
            .fetch_all(&mut **tx)
            .await?;
    let mut known = (BTreeSet::new(), BTreeSet::new());
    for (name, bound, expected) in rows {
        known.0.insert(name.to_lowercase());
        known.1.extend(bound.into_iter().chain(expected));
    }
    Ok(known)
}
