//! Several changes at once, for pages and the API.

use super::Change;
use crate::model::{ChangeId, TenantId};
use crate::store::Scoped;
use crate::store::audit::By;

/// The changes without [`answer`](Change::answer), which may be large.
macro_rules! changes {
    () => {
        "select tenant_id, change_id, operation, args, subject, request, wish, expects, behind, comment, actor, state, reason, external_id,
                null::jsonb as answer, looks, created_at, sent_at, finished_at
         from changes"
    };
}

/// A statement on the changes of a tenant.
macro_rules! listed {
    ($which:literal) => {
        concat!(changes!(), " where tenant_id = $1", $which)
    };
}

/// The latest changes of a tenant, newest first; of one object of Microsoft's if `of` names it.
pub async fn recent(tx: &mut Scoped, tenant: TenantId, of: Option<&str>, limit: i64) -> sqlx::Result<Vec<Change>> {
    sqlx::query_as(listed!(" and ($2::text is null or args[1] = $2) order by created_at desc, change_id desc limit $3"))
        .bind(tenant)
        .bind(of)
        .bind(limit)
        .persistent(false)
        .fetch_all(&mut **tx)
        .await
}

/// A page of a tenant's changes, newest first: those before the one at `before`.
pub async fn list(tx: &mut Scoped, tenant: TenantId, before: Option<ChangeId>, limit: i64) -> sqlx::Result<Vec<Change>> {
    sqlx::query_as(
        listed!(" and ($2::uuid is null or (created_at, change_id) < (select created_at, change_id from changes where tenant_id = $1 and change_id = $2))
           order by created_at desc, change_id desc limit $3"),
    )
    .bind(tenant)
    .bind(before)
    .bind(limit)
    .persistent(false)
    .fetch_all(&mut **tx)
    .await
}

/// The latest changes that touch one object of Microsoft's, also one of several, newest first.
pub async fn touching(tx: &mut Scoped, tenant: TenantId, object: &str, limit: i64) -> sqlx::Result<Vec<Change>> {
    sqlx::query_as(listed!(" and args @> array[$2::text] order by created_at desc, change_id desc limit $3"))
        .bind(tenant)
        .bind(object)
        .bind(limit)
        .fetch_all(&mut **tx)
        .await
}

/// The latest changes of an incident of a tenant's and of these alerts, also among several, newest first. All by Microsoft's ids.
pub async fn of_case(tx: &mut Scoped, tenant: TenantId, incident: &str, alerts: &[String], limit: i64) -> sqlx::Result<Vec<Change>> {
    sqlx::query_as(listed!(
        " and ((args[1] = $2 and operation like '%.incidents.%') or (args[1] = any ($3) and operation like '%.alerts.%')
                       or (args[1] = 'batch' and operation = 'endpoint.alerts.batch' and request -> 'alertIds' ?| $3))
           order by created_at desc, change_id desc limit $4"
    ))
    .bind(tenant)
    .bind(incident)
    .bind(alerts)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}

/// The latest changes of a tenant whose operation begins so, newest first.
pub async fn of_product(tx: &mut Scoped, tenant: TenantId, prefix: &str, limit: i64) -> sqlx::Result<Vec<Change>> {
    sqlx::query_as(listed!(" and starts_with(operation, $2) order by created_at desc, change_id desc limit $3"))
        .bind(tenant)
        .bind(prefix)
        .bind(limit)
        .fetch_all(&mut **tx)
        .await
}

/// These changes, each with its tenant's name, by name; those that are not there, or not in the transaction's scope, are left out.
pub async fn among(tx: &mut Scoped, wanted: &[(TenantId, ChangeId)]) -> sqlx::Result<Vec<(String, Change)>> {
    let (tenants, ids): (Vec<TenantId>, Vec<ChangeId>) = wanted.iter().copied().unzip();
    let rows: Vec<Named> = sqlx::query_as(concat!(
        "select t.name as tenant_name, c.* from unnest($1::uuid[], $2::uuid[]) as w (tenant_id, change_id) join (",
        changes!(),
        ") as c on c.tenant_id = w.tenant_id and c.change_id = w.change_id join tenants as t on t.tenant_id = c.tenant_id order by t.name"
    ))
    .bind(&tenants)
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.tenant_name, row.change)).collect())
}

/// Notes that these changes of a tenant were asked for by one form; ids that are no change are left out.
pub async fn join(tx: &mut Scoped, tenant: TenantId, batch: ChangeId, changes: &[ChangeId]) -> sqlx::Result<()> {
    let update = sqlx::query("update changes set batch = $2 where tenant_id = $1 and change_id = any($3)");
    update.bind(tenant).bind(batch).bind(changes).execute(&mut **tx).await?;
    Ok(())
}

/// What a user asked for by one form, each with its tenant's name, by name and in the order in which it was asked for; at most 4,000.
pub async fn together(tx: &mut Scoped, by: &By, batch: ChangeId) -> sqlx::Result<Vec<(String, Change)>> {
    let rows: Vec<Named> = sqlx::query_as(concat!(
        "select t.name as tenant_name, c.* from (",
        changes!(),
        " where batch = $1 and user_id = $2) as c join tenants as t on t.tenant_id = c.tenant_id
          order by t.name, t.tenant_id, c.created_at, c.change_id limit 4000"
    ))
    .bind(batch)
    .bind(by.user())
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.tenant_name, row.change)).collect())
}

/// What a user asked for by one form of one object of Microsoft's, in the order in which it was asked for.
pub async fn of_batch(tx: &mut Scoped, by: &By, batch: ChangeId, tenant: TenantId, object: &str) -> sqlx::Result<Vec<Change>> {
    sqlx::query_as(listed!(" and batch = $2 and user_id = $3 and args[1] = $4 order by created_at, change_id"))
        .bind(tenant)
        .bind(batch)
        .bind(by.user())
        .bind(object)
        .fetch_all(&mut **tx)
        .await
}

#[derive(sqlx::FromRow)]
struct Named {
    tenant_name: String,
    #[sqlx(flatten)]
    change: Change,
}
