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
    let products: Vec<&str> = expected.products.iter().map(|product| product.as_str()).collect();
    sqlx::query_as(
        "select t.tenant_id, w.app, array_agg(distinct w.permission order by w.permission) as permissions
         from tenants as t
         join unnest($1::text[], $2::text[], $3::text[]) as w (app, product, permission) on w.app = any(t.apps)
         left join tenant_permissions as p
             on p.tenant_id = t.tenant_id and p.app = w.app and p.product = w.product and p.permission = w.permission
         where t.state <> 'offboarded' and t.directory_id is not null and not t.needs_approval and ($4::uuid is null or t.tenant_id = $4)
           and (p.tenant_id is null or (p.granted is false and p.state not in ('unlicensed', 'unknown')))
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
    .fetch_all(&mut **tx)
    .await
}
