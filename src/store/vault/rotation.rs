//! The keys of what is sealed already: whether all are at hand, and sealing it anew with the first.

use super::columns::{CHECK, Column, SEALED};
use super::{Place, kid};
use crate::model::TenantId;
use crate::store::audit::{self, By};
use crate::store::{Db, Scoped};
use anyhow::{Context, Result, bail, ensure};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;

/// So many rows are sealed anew in one transaction.
const BATCH: i64 = 100;
const KNOWN: &str = "watchfloor";

/// A key under which something is sealed, and in which table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    pub kid: String,
    pub table: &'static str,
}

/// Under which keys something is sealed. Needs an all-tenants transaction.
pub async fn in_use(tx: &mut Scoped) -> sqlx::Result<Vec<InUse>> {
    let mut found = Vec::new();
    for Column { table, name, .. } in SEALED {
        let ask = format!("select distinct split_part({name}, ':', 2) from {table} where {name} is not null order by 1 limit 100");
        let kids: Vec<String> = sqlx::query_scalar(AssertSqlSafe(ask)).fetch_all(&mut **tx).await?;
        found.extend(kids.into_iter().map(|kid| InUse { kid, table }));
    }
    Ok(found)
}

/// Makes sure that a process has the keys that those before it had, and that they open. The first process of all that has a key says what is
/// asked of the others. Run it before anything is sealed.
///
/// # Errors
/// One sentence that names the key that is missing and says what to do.
pub async fn acquaint(db: &Db) -> Result<()> {
    if db.vault.first().is_some() {
        let known = db.vault.seal(&check(), KNOWN)?;
        let mut tx = db.no_tenant().await?;
        sqlx::query("insert into vault_check (sealed) values ($1) on conflict do nothing").bind(known).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    all_at_hand(db).await
}

/// The same, and nothing is written.
///
/// # Errors
/// As [`acquaint`].
pub async fn all_at_hand(db: &Db) -> Result<()> {
    let mut tx = db.all_tenants().await?;
    let in_use = in_use(&mut tx).await?;
    if let Some(InUse { kid, .. }) = in_use.iter().find(|key| !db.vault.has(&key.kid)) {
        let mut tables: Vec<&str> = in_use.iter().filter(|key| key.kid == *kid).map(|key| key.table).collect();
        tables.dedup();
        bail!(
            "the database holds secrets under the master key {kid} (in {}), which is not at hand: name its file in key_files, or put it back as \
             master.key in data_dir",
            tables.join(", ")
        );
    }
    let sealed: Option<String> = sqlx::query_scalar("select sealed from vault_check").fetch_optional(&mut *tx).await?;
    if let Some(sealed) = sealed {
        let opened = db.vault.open(&check(), &sealed);
        ensure!(
            opened.is_ok_and(|text| text.expose_secret() == KNOWN),
            "the master key {} does not open what was sealed with it: the file or the database was changed",
            kid(&sealed).unwrap_or_default()
        );
    }
    Ok(tx.commit().await?)
}

fn check() -> Place {
    CHECK.at("true", None)
}

/// Seals everything with the first key that is under another, a hundred rows in a transaction: what was done stays done when it breaks off, and
/// the next run goes on from there. A row that somebody writes meanwhile is left alone and looked at again. Returns how many rows of each
/// column were sealed anew, and writes one row into the audit log.
///
/// # Errors
/// When something does not open; what was sealed anew until then is good.
pub async fn rotate(db: &Db, by: &By) -> Result<Vec<(&'static Column, u64)>> {
    let mut told = Vec::new();
    for column in SEALED {
        let mut count = 0;
        while let Some(sealed) = batch(db, column).await? {
            count += sealed;
        }
        told.push((column, count));
    }
    let counts: Map<String, Value> =
        told.iter().map(|(column, count)| (format!("{}.{}", column.table, column.name), json!(count))).collect();
    let mut tx = db.no_tenant().await?;
    let first = db.vault.first().unwrap_or_default();
    audit::record(&mut tx, by.event("keys.rotate").object(first).after(Value::Object(counts))).await?;
    tx.commit().await?;
    Ok(told)
}

/// One transaction of [`rotate`]: how many rows were sealed anew. `None`: there was nothing left to do.
pub async fn batch(db: &Db, column: &'static Column) -> Result<Option<u64>> {
    let Column { table, name, row, .. } = column;
    let first = db.vault.first().context("there is no master key")?;
    let mut tx = db.all_tenants().await?;
    let old = format!(
        "select ctid::text, {row}, {}, {name} from {table} where {name} is not null and not starts_with({name}, $1) limit $2",
        column.tenant()
    );
    let prefix = format!("v1:{first}:");
    let rows: Vec<(String, String, Option<TenantId>, String)> =
        sqlx::query_as(AssertSqlSafe(old)).bind(prefix).bind(BATCH).fetch_all(&mut *tx).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    // Only where it is still what was read: no lock is held, and a change of somebody else's is not undone.
    let put = format!("update {table} set {name} = $3 where ctid = $1::tid and {name} = $2");
    let mut count = 0;
    for (place, row, tenant, sealed) in rows {
        let anew = db.vault.reseal(&column.at(row.as_str(), tenant), &sealed).with_context(|| format!("{table}, row {row}"))?;
        let put = sqlx::query(AssertSqlSafe(put.as_str().to_owned())).bind(place).bind(sealed).bind(anew);
        count += put.execute(&mut *tx).await?.rows_affected();
    }
    tx.commit().await?;
    Ok(Some(count))
}
