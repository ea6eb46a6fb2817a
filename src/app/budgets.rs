//! Microsoft's documented limits beside what a tenant has used of them.

use crate::microsoft::operations;
use crate::model::{Product, TenantId};
use crate::store::{Scoped, usage};
use chrono::{DateTime, Utc};

/// One limit of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    pub product: Product,
    pub name: &'static str,
    /// What Microsoft allows.
    pub per_minute: u32,
    pub per_hour: u32,
    /// Within the last 60 minutes, weighed from whole hours.
    pub last_hour: i64,
    /// The most within one minute, in this hour and the one before.
    pub busiest_minute: i32,
    /// How often Microsoft, or Watchfloor for it, said "too many", in these hours.
    pub throttled: i64,
    pub last_24_hours: i64,
}

impl Budget {
    /// Nothing was called in 24 hours.
    pub fn is_idle(&self) -> bool {
        self.last_24_hours == 0 && self.throttled == 0
    }
}

/// Every limit of the tenant, by product; those that were not used stand at nought.
pub async fn of(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<Vec<Budget>> {
    let used = usage::list(tx, tenant, now).await?;
    let limits = Product::ALL.iter().flat_map(|&product| operations::budgets(product).into_iter().map(move |limit| (product, limit)));
    let budgets = limits.map(|(product, limit)| {
        let used = used.iter().find(|used| used.budget == limit.name);
        Budget {
            product,
            name: limit.name,
            per_minute: limit.per_minute,
            per_hour: limit.per_hour,
            last_hour: used.map_or(0, |used| used.last_hour),
            busiest_minute: used.map_or(0, |used| used.busiest_minute),
            throttled: used.map_or(0, |used| used.throttled),
            last_24_hours: used.map_or(0, |used| used.last_24_hours),
        }
    });
    Ok(budgets.collect())
}
