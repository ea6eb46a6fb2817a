//! The devices of Defender for Endpoint: written by the reading job, read for lists, pages and the API.

use super::Scoped;
use super::lists::{COUNT_CAP, pattern};
use crate::model::{DeviceId, TenantId};
use chrono::{DateTime, Utc};

/// One device with its tenant's name. Words of open lists are Microsoft's.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Device {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub device_id: DeviceId,
    /// Microsoft's id.
    pub external_id: String,
    pub name: String,
    pub health: Option<String>,
    pub risk: Option<String>,
    pub exposure: Option<String>,
    pub value: Option<String>,
    pub onboarding: Option<String>,
    pub os: Option<String>,
    pub os_version: Option<String>,
    pub device_group: Option<String>,
    pub last_ip: Option<String>,
    pub external_ip: Option<String>,
    pub aad_id: Option<String>,
    pub tags: Vec<String>,
    pub first_seen: Option<DateTime<Utc>>,
    pub last_seen: Option<DateTime<Utc>>,
    /// When this version was read from Microsoft.
    pub synced_at: DateTime<Utc>,
    /// Since when Microsoft shows it no more.
    pub gone_at: Option<DateTime<Utc>>,
}

/// A device as it is to be stored.
#[derive(Clone, Debug)]
pub struct Row {
    pub external_id: String,
    pub name: String,
    pub health: Option<String>,
    pub risk: Option<String>,
    pub exposure: Option<String>,
    pub value: Option<String>,
    pub onboarding: Option<String>,
    pub os: Option<String>,
    pub os_version: Option<String>,
    pub device_group: Option<String>,
    pub last_ip: Option<String>,
    pub external_ip: Option<String>,
    pub aad_id: Option<String>,
    pub tags: Vec<String>,
    pub first_seen: Option<DateTime<Utc>>,
    pub last_seen: Option<DateTime<Utc>>,
    /// The JSON as it came.
    pub body: String,
}

/// The columns of [`Device`].
macro_rules! columns {
    () => {
        "select d.tenant_id, t.name as tenant_name, d.device_id, d.external_id, d.name, d.health, d.risk, d.exposure, d.value, d.onboarding, d.os,
                d.os_version, d.device_group, d.last_ip, d.external_ip, d.aad_id, d.tags, d.first_seen, d.last_seen, d.synced_at, d.gone_at"
    };
}

/// What a list is asked for. An empty list or `None` asks for nothing in particular.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `None`: every tenant of the scope.
    pub tenants: Option<Vec<TenantId>>,
    /// Part of the name, an address, or an id.
    pub text: Option<String>,
    pub health: Vec<String>,
    pub risk: Vec<String>,
    pub exposure: Vec<String>,
    pub os: Vec<String>,
    pub tags: Vec<String>,
    /// Those that Microsoft shows no more, too.
    pub with_gone: bool,
}

macro_rules! of_filter {
    ($start:expr, $end:literal) => {
        concat!(
            $start,
            " where d.tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded'))
                and ($1::uuid[] is null or d.tenant_id = any ($1))
                and ($2::text is null or d.name ilike $2 or d.external_id = $3 or d.last_ip = $3 or d.external_ip = $3 or d.aad_id = $3)
                and ($4::text[] is null or d.health = any ($4)) and ($5::text[] is null or d.risk = any ($5))
                and ($6::text[] is null or d.exposure = any ($6)) and ($7::text[] is null or d.os = any ($7))
                and ($8::text[] is null or d.tags && $8) and ($9 or d.gone_at is null)",
            $end
        )
    };
}

macro_rules! bind {
    ($query:expr, $filter:expr) => {
        $query
            .bind($filter.tenants.clone())
            .bind($filter.text.as_deref().map(pattern))
            .bind($filter.text.as_deref().map(str::trim))
            .bind(some($filter.health.iter().cloned()))
            .bind(some($filter.risk.iter().cloned()))
            .bind(some($filter.exposure.iter().cloned()))
            .bind(some($filter.os.iter().cloned()))
            .bind(some($filter.tags.iter().cloned()))
            .bind($filter.with_gone)
    };
}

/// At most `limit` (1 to 201) devices by name, those after the device `after`.
pub async fn list(tx: &mut Scoped, filter: &Filter, after: Option<DeviceId>, limit: i64) -> sqlx::Result<Vec<Device>> {
    const LIST: &str = of_filter!(
        concat!(columns!(), " from devices as d join tenants as t on t.tenant_id = d.tenant_id"),
        " and ($10::uuid is null or (lower(d.name), d.device_id) > (select lower(name), device_id from devices where device_id = $10))
          order by lower(d.name), d.device_id limit $11"
    );
    bind!(sqlx::query_as(LIST), filter).bind(after).bind(limit).persistent(false).fetch_all(&mut **tx).await
}

/// How many devices the filter finds, at most 1,001.
pub async fn count(tx: &mut Scoped, filter: &Filter) -> sqlx::Result<i64> {
    const COUNT: &str = of_filter!("select count(*) from (select 1 from devices as d", " limit $10) as capped");
    bind!(sqlx::query_scalar(COUNT), filter).bind(COUNT_CAP + 1).persistent(false).fetch_one(&mut **tx).await
}

/// One device of the transaction's scope.
pub async fn get(tx: &mut Scoped, device: DeviceId) -> sqlx::Result<Option<Device>> {
    sqlx::query_as(concat!(
        columns!(),
        " from devices as d join tenants as t on t.tenant_id = d.tenant_id where d.device_id = $1 and t.state <> 'offboarded'"
    ))
    .bind(device)
    .fetch_optional(&mut **tx)
    .await
}

/// Our id of a tenant's device, by Microsoft's id.
pub async fn find_external(tx: &mut Scoped, tenant: TenantId, external_id: &str) -> sqlx::Result<Option<DeviceId>> {
    sqlx::query_scalar("select device_id from devices where tenant_id = $1 and external_id = $2")
        .bind(tenant)
        .bind(external_id)
        .fetch_optional(&mut **tx)
        .await
}

/// Our id of a tenant's device, by its full name; the one seen last, if several bear it.
pub async fn find_named(tx: &mut Scoped, tenant: TenantId, name: &str) -> sqlx::Result<Option<DeviceId>> {
    sqlx::query_scalar(
        "select device_id from devices where tenant_id = $1 and lower(name) = lower($2) order by gone_at is not null, last_seen desc limit 1",
    )
    .bind(tenant)
    .bind(name)
    .fetch_optional(&mut **tx)
    .await
}

/// A device's JSON as it came.
pub async fn original(tx: &mut Scoped, tenant: TenantId, device: DeviceId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("select body::text from devices where tenant_id = $1 and device_id = $2")
        .bind(tenant)
        .bind(device)
        .fetch_optional(&mut **tx)
        .await
}

/// Stores devices as they are at `now`; at most about 1,000 at a time.
pub async fn store(tx: &mut Scoped, tenant: TenantId, rows: &[Row], now: DateTime<Utc>) -> sqlx::Result<()> {
    for row in rows {
        sqlx::query(
            "insert into devices (tenant_id, device_id, external_id, name, health, risk, exposure, value, onboarding, os, os_version, device_group,
                                  last_ip, external_ip, aad_id, tags, first_seen, last_seen, body, synced_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::json, $20)
             on conflict (tenant_id, external_id) do update set
                 name = excluded.name, health = excluded.health, risk = excluded.risk, exposure = excluded.exposure, value = excluded.value,
                 onboarding = excluded.onboarding, os = excluded.os, os_version = excluded.os_version, device_group = excluded.device_group,
                 last_ip = excluded.last_ip, external_ip = excluded.external_ip, aad_id = excluded.aad_id, tags = excluded.tags,
                 first_seen = excluded.first_seen, last_seen = excluded.last_seen, body = excluded.body, synced_at = excluded.synced_at,
                 gone_at = null
             where devices.synced_at <= excluded.synced_at",
        )
        .bind(tenant)
        .bind(DeviceId::new())
        .bind(&row.external_id)
        .bind(&row.name)
        .bind(&row.health)
        .bind(&row.risk)
        .bind(&row.exposure)
        .bind(&row.value)
        .bind(&row.onboarding)
        .bind(&row.os)
        .bind(&row.os_version)
        .bind(&row.device_group)
        .bind(&row.last_ip)
        .bind(&row.external_ip)
        .bind(&row.aad_id)
        .bind(&row.tags)
        .bind(row.first_seen)
        .bind(row.last_seen)
        .bind(&row.body)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// `None` for an empty list.
fn some<T>(values: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let values: Vec<T> = values.collect();
    (!values.is_empty()).then_some(values)
}
