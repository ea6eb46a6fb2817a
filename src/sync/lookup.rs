//! Puts a question to Microsoft on somebody's wish. Reading twice does no harm, so a job that died is simply done again.

use super::push;
use super::read::Reader;
use crate::microsoft::operations;
use crate::microsoft::{CallError, Pace};
use crate::model::{LookupId, LookupState, TenantId};
use crate::store::lookups::{self, Lookup};
use crate::store::tenants::Tenant;
use crate::store::{permissions, tenants};
use chrono::{DateTime, Utc};

/// Asks and stores the answer, or the reason why there is none.
///
/// # Errors
/// When the database fails. What Microsoft refuses is a result.
pub async fn look_up(reader: &Reader, tenant: TenantId, lookup: LookupId, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = reader.db.tenant(tenant).await?;
    let Some(question) = lookups::get(&mut tx, lookup).await?.filter(|question| question.state == LookupState::Asked) else {
        return Ok(());
    };
    let registered = tenants::get(&mut tx, tenant).await?;
    let granted = super::grants(permissions::granted(&mut tx, tenant).await?);
    tx.commit().await?;
    let answer = match registered {
        Some(registered) => ask(reader, &registered, &granted, &question, now).await,
        None => Err(CallError::NotConfigured("the tenant is gone")),
    };
    let told = answer.as_ref().map(String::as_str).map_err(|error| format!("{} {}", error.reason(), error.remedy().staff));
    let mut tx = reader.db.tenant(tenant).await?;
    lookups::answer(&mut tx, tenant, lookup, told.as_ref().copied().map_err(String::as_str), now).await?;
    push::add_usage(reader, &mut tx, tenant, now).await?;
    tx.commit().await?;
    super::alarms::note(&reader.db, &reader.microsoft).await
}

async fn ask(
    reader: &Reader,
    tenant: &Tenant,
    granted: &[crate::microsoft::Granted],
    question: &Lookup,
    now: DateTime<Utc>,
) -> Result<String, CallError> {
    let operation = operations::all().find(|operation| operation.name == question.operation);
    let operation = operation.ok_or(CallError::NotConfigured("this version does not know the operation"))?;
    let target = super::target(tenant).filter(|_| tenant.is_open());
    let target = target.ok_or(CallError::NotConfigured("the tenant is paused, offboarded or not approved"))?.at(Pace::Person);
    let app = reader.microsoft.app_to_call(operation, &tenant.apps, granted)?;
    let args: Vec<&str> = question.args.iter().map(String::as_str).collect();
    let query = question.query.as_object();
    let query: Vec<(&str, &str)> = query.into_iter().flatten().filter_map(|(name, text)| Some((name.as_str(), text.as_str()?))).collect();
    reader.microsoft.look_up(&target, &app, operation, &args, (&query, question.request.as_ref()), now).await
}
