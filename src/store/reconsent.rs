//! Which tenants must consent again: an app asks for something now that it was not granted, though the customer once consented to the app.
//! Derived on each look from the configuration and from what tokens named; nothing is kept that could grow stale.

use super::Scoped;
use crate::model::{Product, TenantId};

/// What the configuration asks for, as three columns of equal length.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    apps: Vec<String>,
    products: Vec<Product>,
    permissions: Vec<String>,
}

impl Expected {
    /// One permission of an app.
    pub fn add(&mut self, app: &str, product: Product, permission: &str) {
        self.apps.push(app.to_owned());
        self.products.push(product);
        self.permissions.push(permission.to_owned());
    }
}

/// An app a tenant must consent to again.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Needed {
    pub tenant_id: TenantId,
    pub app: String,
    /// Microsoft's names of what is asked for and not granted, in alphabetical order.
    pub permissions: Vec<String>,
}

/// What the scope's tenants (or one of them) must consent to again, by tenant and app; at most 10,000 rows. Left out: tenants without a
/// proven directory and offboarded ones, permissions of products the directory does not have, and those of which nothing is known just now.
pub async fn needed(tx: &mut Scoped, expected: &Expected, tenant: Option<TenantId>) -> sqlx::Result<Vec<Needed>> {
    if expected.apps.is_empty() {
        return Ok(Vec::new());
    }
    // Nearly every tenant has all: who has less is found by counting, and only of those it is told what they lack.
    let products: Vec<&str> = expected.products.iter().map(|product| product.as_str()).collect();
    sqlx::query_as(
        "with wanted as materialized (
             select * from unnest($1::text[], $2::text[], $3::text[]) as w (app, product, permission)
         ), settled as materialized (
             select p.tenant_id, p.app, count(*) as n from tenant_permissions as p join wanted as w using (app, product, permission)
             where ($4::uuid is null or p.tenant_id = $4) and not (p.granted is false and p.state not in ('unlicensed', 'unknown'))
             group by p.tenant_id, p.app
         ), short as materialized (
             select t.tenant_id, a.app
             from tenants as t join (select app, count(*) as n from wanted group by app) as a on a.app = any(t.apps)
             left join settled as s on s.tenant_id = t.tenant_id and s.app = a.app
             where t.state <> 'offboarded' and t.directory_id is not null and not t.needs_approval and ($4::uuid is null or t.tenant_id = $4)
               and coalesce(s.n, 0) < a.n
         )
         select t.tenant_id, w.app, array_agg(distinct w.permission order by w.permission) as permissions
         from short as t
         join wanted as w on w.app = t.app
         left join tenant_permissions as p
             on p.tenant_id = t.tenant_id and p.app = w.app and p.product = w.product and p.permission = w.permission
         where (p.tenant_id is null or (p.granted is false and p.state not in ('unlicensed', 'unknown')))
           and exists (select from tenant_permissions as g
                       where g.tenant_id = t.tenant_id and g.app = w.app and (g.granted or g.state = 'revoked'))
         group by t.tenant_id, w.app
         order by t.tenant_id, w.app
         limit 10000",
    )
    .bind(&expected.apps)
    .bind(&products)
    .bind(&expected.permissions)
    .bind(tenant)
    .persistent(false)
    .fetch_all(&mut **tx)
    .await
}
