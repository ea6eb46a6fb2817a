//! The registry: tenants, their state and what staff know of them. Each change writes its audit row.

use super::audit::{self, By};
use super::{Scoped, reach, suppressions};
use crate::model::registration::Registration;
use crate::model::{Adapter, Cloud, CloudAppsHost, DirectoryId, Places, Region, Seat, TenantId, TenantState};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::types::Json;

/// One customer.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Tenant {
    pub tenant_id: TenantId,
    pub name: String,
    /// Proven by a sign-in; `None` until then.
    pub directory_id: Option<DirectoryId>,
    /// Preset by staff, or approved by them: a consent from another directory is refused.
    pub expected_directory_id: Option<DirectoryId>,
    pub domain: Option<String>,
    pub cloud: Cloud,
    /// The region of its Defender for Endpoint; `None`: the general host is asked.
    pub endpoint_region: Option<Region>,
    /// The region is the one that was found to answer fastest, or waits to be found.
    pub endpoint_auto: bool,
    pub endpoint_probed_at: Option<DateTime<Utc>>,
    /// How the regions answered then.
    pub endpoint_probe: Option<Json<Vec<super::regions::Tried>>>,
    /// Its own portal of Defender for Cloud Apps; `None`: the general host is asked.
    pub cloud_apps_host: Option<CloudAppsHost>,
    /// The API through which its incidents and Endpoint alerts are read; `None`: by what is granted, see [`super::adapters`].
    pub incident_api: Option<Adapter>,
    pub state: TenantState,
    pub state_since: DateTime<Utc>,
    /// One sentence for staff.
    pub state_reason: Option<String>,
    /// Names of the configured apps the customer is asked to consent to.
    pub apps: Vec<String>,
    pub tags: Vec<String>,
    pub tenant_group: Option<String>,
    pub contacts: String,
    pub notes: String,
    /// The directory was learnt at consent and waits for staff.
    pub needs_approval: bool,
    /// When the rows are deleted; set when offboarded.
    pub purge_after: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Also the version that an edit says it was based on.
    pub updated_at: DateTime<Utc>,
}

/// Why a change of the registry was not written. The transaction is then of no further use.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("another tenant has this name")]
    NameTaken,
    #[error("the directory belongs to another tenant")]
    DirectoryTaken,
    /// Somebody else was faster, or the tenant is not in a state that allows it.
    #[error("the tenant has changed meanwhile")]
    Changed,
    /// Who sees the tenant hangs on the group that it leaves or joins: only an administrator decides that.
    #[error("who sees this tenant hangs on its group, which only an administrator changes")]
    GroupHeld,
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(sqlx::error::DatabaseError::constraint) {
            Some("tenants_name") => Self::NameTaken,
            Some("tenants_directory") => Self::DirectoryTaken,
            _ => Self::Database(error),
        }
    }
}

/// Adds a tenant in state `invited`. The transaction's scope must hold `tenant`, or every tenant.
pub async fn create(tx: &mut Scoped, by: &By, tenant: TenantId, new: &Registration, now: DateTime<Utc>) -> Result<(), WriteError> {
    sqlx::query(
        "insert into tenants (tenant_id, name, expected_directory_id, domain, cloud, apps, tags, tenant_group, contacts, notes,
                              state_since, created_at, updated_at, endpoint_region, endpoint_auto, cloud_apps_host)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $11, $12, $13, $14)",
    )
    .bind(tenant)
    .bind(&new.name)
    .bind(new.directory)
    .bind(&new.domain)
    .bind(new.cloud)
    .bind(&new.apps)
    .bind(&new.tags)
    .bind(&new.group)
    .bind(&new.contacts)
    .bind(&new.notes)
    .bind(now)
    .bind(new.region.region())
    .bind(new.region == Seat::Fastest)
    .bind(&new.cloud_apps_host)
    .execute(&mut **tx)
    .await?;
    if let Some(user) = by.user() {
        // Who may only see some tenants sees the one they add.
        sqlx::query("insert into grants (tenant_id, user_id) select $1, user_id from users where user_id = $2 and not all_tenants")
            .bind(tenant)
            .bind(user)
            .execute(&mut **tx)
            .await?;
    }
    audit::record(tx, by.event("tenant.create").tenant(tenant).object(&new.name).after(facts(new))).await?;
    if new.group.is_some() {
        suppressions::regroup(tx, tenant, new.group.as_deref(), now).await?;
    }
    Ok(())
}

/// Writes what staff may edit, if the tenant is still the one they read (`version` is its `updated_at`) and not offboarded.
/// The preset directory can be changed only while none is bound; afterwards that takes a rebind. A group on which somebody's reach hangs is joined
/// and left by administrators and the command line only.
pub async fn update(
    tx: &mut Scoped,
    by: &By,
    old: &Tenant,
    new: &Registration,
    version: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    if old.tenant_group != new.group && !is_administrator(tx, by).await? {
        let groups: Vec<&str> = [&old.tenant_group, &new.group].into_iter().flatten().map(String::as_str).collect();
        if reach::hangs_on(tx, &groups).await? {
            return Err(WriteError::GroupHeld);
        }
    }
    let done = sqlx::query(
        "update tenants set name = $3, expected_directory_id = case when directory_id is null then $4 else expected_directory_id end,
                            domain = $5, cloud = case when directory_id is null then $6 else cloud end, apps = $7, tags = $8,
                            tenant_group = $9, contacts = $10, notes = $11, updated_at = $12,
                            endpoint_region = case when $14 then endpoint_region else $13 end, endpoint_auto = $14, cloud_apps_host = $15
         where tenant_id = $1 and updated_at = $2 and state <> 'offboarded'",
    )
    .bind(old.tenant_id)
    .bind(version)
    .bind(&new.name)
    .bind(new.directory)
    .bind(&new.domain)
    .bind(new.cloud)
    .bind(&new.apps)
    .bind(&new.tags)
    .bind(&new.group)
    .bind(&new.contacts)
    .bind(&new.notes)
    .bind(now)
    .bind(new.region.region())
    .bind(new.region == Seat::Fastest)
    .bind(&new.cloud_apps_host)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(WriteError::Changed);
    }
    let event = by.event("tenant.update").tenant(old.tenant_id).object(&new.name).before(facts(&old.registration())).after(facts(new));
    audit::record(tx, event).await?;
    if old.tenant_group != new.group {
        suppressions::regroup(tx, old.tenant_id, new.group.as_deref(), now).await?;
    }
    Ok(())
}

/// Or whoever needs no account.
async fn is_administrator(tx: &mut Scoped, by: &By) -> sqlx::Result<bool> {
    let Some(user) = by.user() else { return Ok(true) };
    sqlx::query_scalar("select exists (select from users where user_id = $1 and role = 'admin')").bind(user).fetch_one(&mut **tx).await
}

/// One tenant of the transaction's scope.
pub async fn get(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Option<Tenant>> {
    sqlx::query_as("select * from tenants where tenant_id = $1").bind(tenant).fetch_optional(&mut **tx).await
}

/// The tenant that has, or is registered with, a directory and is not offboarded. Ask in an all-tenants transaction, or another's
/// hold on the directory is not seen.
pub async fn holder(tx: &mut Scoped, directory: DirectoryId, except: Option<TenantId>) -> sqlx::Result<Option<Tenant>> {
    sqlx::query_as(
        "select * from tenants
         where (directory_id = $1 or expected_directory_id = $1) and state <> 'offboarded' and tenant_id is distinct from $2
         order by directory_id is null, tenant_id
         limit 1",
    )
    .bind(directory)
    .bind(except)
    .fetch_optional(&mut **tx)
    .await
}

/// Moves a tenant from one of the states `from` to `to`, with a sentence for staff. `Changed` if it is in none of them.
pub async fn set_state(
    tx: &mut Scoped,
    by: &By,
    tenant: TenantId,
    from: &[TenantState],
    to: TenantState,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let words: Vec<&str> = from.iter().map(|state| state.as_str()).collect();
    let before: Option<(String, String)> = sqlx::query_as(
        "with old as (select tenant_id, name, state from tenants where tenant_id = $1 for update)
         update tenants as t
         set state = $3, state_reason = $4, updated_at = $5,
             state_since = case when t.state = $3 then t.state_since else $5 end
         from old where t.tenant_id = old.tenant_id and old.state = any($2)
         returning old.name, old.state",
    )
    .bind(tenant)
    .bind(&words)
    .bind(to)
    .bind(reason)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    let Some((name, before)) = before else { return Err(WriteError::Changed) };
    let event = by.event("tenant.state").tenant(tenant).object(name).before(json!({ "state": before }));
    audit::record(tx, event.after(json!({ "state": to.as_str(), "reason": reason }))).await?;
    Ok(())
}

/// A tenant that waits for consent keeps waiting, with a sentence on how the last try went. Part of a consent's change, whose audit row
/// says the same; other states are left alone.
pub async fn await_consent(tx: &mut Scoped, tenant: TenantId, reason: &str, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update tenants set state_since = case when state = 'invited' then $3 else state_since end, state = 'consent_pending', state_reason = $2
         where tenant_id = $1 and state in ('invited', 'consent_pending')",
    )
    .bind(tenant)
    .bind(reason)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The customer says that they consented by a link that tells us nothing: the tenant waits, to be verified, for staff who enter its
/// directory. Part of a consent's change; tenants with a directory, and those that do not wait for consent, are left alone.
pub async fn await_directory(tx: &mut Scoped, tenant: TenantId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "update tenants set state_since = $2, state = 'verifying',
                state_reason = 'The customer says it has accepted. Enter its directory id; a token and a second person confirm it.'
         where tenant_id = $1 and state in ('invited', 'consent_pending') and directory_id is null",
    )
    .bind(tenant)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Tenant {
    /// Whether it is read, and Microsoft may be asked and told things for it: it is not paused, offboarded or unapproved.
    pub const fn is_open(&self) -> bool {
        self.state.is_read() && !self.needs_approval
    }

    /// Where its data lives.
    pub fn places(&self) -> Places {
        Places { endpoint: self.endpoint_region, cloud_apps: self.cloud_apps_host.clone() }
    }

    /// Where staff want its Defender for Endpoint to be asked.
    pub fn seat(&self) -> Seat {
        if self.endpoint_auto { Seat::Fastest } else { self.endpoint_region.map_or(Seat::General, Seat::In) }
    }

    /// What of it staff may edit.
    pub fn registration(&self) -> Registration {
        Registration {
            name: self.name.clone(),
            directory: self.expected_directory_id,
            domain: self.domain.clone(),
            cloud: self.cloud,
            region: self.seat(),
            cloud_apps_host: self.cloud_apps_host.clone(),
            apps: self.apps.clone(),
            tags: self.tags.clone(),
            group: self.tenant_group.clone(),
            contacts: self.contacts.clone(),
            notes: self.notes.clone(),
        }
    }
}

/// What of a registration goes into the audit log.
fn facts(of: &Registration) -> Value {
    json!({
        "name": of.name, "directory_id": of.directory, "domain": of.domain, "cloud": of.cloud,
        "endpoint_region": of.region.as_str(), "cloud_apps_host": of.cloud_apps_host, "apps": of.apps, "tags": of.tags,
        "group": of.group, "contacts": of.contacts, "notes": of.notes,
    })
}
