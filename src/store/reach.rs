//! Which tenants a user sees: all, those named, those of groups, and never those that are denied. `reach_of` in the database says what comes of it,
//! at each request.

use super::Scoped;
use crate::model::{TenantId, UserId};
use serde::Serialize;

/// What an administrator has chosen for a user who does not see all tenants; of one who does, only what is denied counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// Named tenants.
    pub tenants: Vec<TenantId>,
    /// Groups, as tenants name theirs: whichever tenants are in them.
    pub groups: Vec<String>,
    /// Never these. Administrators are denied none.
    pub denied: Vec<TenantId>,
}

/// What was chosen, of the tenants within the transaction's scope; in the order of ids and names.
pub async fn find(tx: &mut Scoped, user: UserId) -> sqlx::Result<Reach> {
    let (tenants, groups, denied) = sqlx::query_as(
        "select array(select g.tenant_id from grants as g where g.user_id = u.user_id and not g.denied order by 1),
                array(select unnest(u.tenant_groups) order by 1),
                array(select g.tenant_id from grants as g where g.user_id = u.user_id and g.denied order by 1)
         from users as u where u.user_id = $1",
    )
    .bind(user)
    .fetch_optional(&mut **tx)
    .await?
    .unwrap_or_default();
    Ok(Reach { tenants, groups, denied })
}

/// Chooses anew, within the transaction's scope: tenants that it does not reach are neither added nor taken. A tenant that is named and denied is
/// denied. The caller ends the user's sessions where that takes something away.
pub async fn set(tx: &mut Scoped, user: UserId, reach: &Reach) -> sqlx::Result<()> {
    sqlx::query("update users set tenant_groups = $2 where user_id = $1").bind(user).bind(&reach.groups).execute(&mut **tx).await?;
    sqlx::query("delete from grants where user_id = $1 and tenant_id <> all ($2 || $3)")
        .bind(user)
        .bind(&reach.tenants)
        .bind(&reach.denied)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "insert into grants (user_id, tenant_id, denied)
         select $1, tenant_id, tenant_id = any ($3) from tenants where tenant_id = any ($2 || $3)
         on conflict (tenant_id, user_id) do update set denied = excluded.denied",
    )
    .bind(user)
    .bind(&reach.tenants)
    .bind(&reach.denied)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether somebody's reach hangs on one of these groups.
pub async fn hangs_on(tx: &mut Scoped, groups: &[&str]) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from users where tenant_groups && $1::text[])").bind(groups).fetch_one(&mut **tx).await
}
