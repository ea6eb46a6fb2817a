//! The audit log's chain: who changes, deletes or slips in a row of it breaks the hashes from there on.
//!
//! A row's hash is SHA-256 over the hash before it and all of the row. Rows get into the chain a few seconds after they are committed, by
//! [`extend`]; the order is that in which they were found, which is nearly but not always that of their ids. Whoever can write to the
//! database as its owner could compute the chain anew: what they cannot change is what was told outside ([`Head`], or a shipped row).

use super::Scoped;
use crate::model::hex;
use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A row that is committed later than so many others that were begun after it is never chained; [`unchained`] tells of it.
const OVERTAKEN: i64 = 100_000;
/// Of all advisory locks, the one of whoever extends the chain.
const LOCK: i64 = 0x7761_7463_6861_696e;

/// How far the chain reaches, and its hash there. Written as `position:hash`, in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Head {
    /// Rows in the chain; 0: none.
    pub position: i64,
    /// 32 bytes; empty where there are no rows.
    pub hash: Vec<u8>,
}

impl Head {
    /// The hash in hexadecimal.
    pub fn digits(&self) -> String {
        hex::encode(&self.hash)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.position, self.digits())
    }
}

impl FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a head is written as POSITION:HASH, with 64 hexadecimal digits";
        let (position, hash) = text.trim().split_once(':').ok_or(WRONG)?;
        let position = position.parse().ok().filter(|position| *position > 0).ok_or(WRONG)?;
        Ok(Self { position, hash: hex::decode(hash).ok_or(WRONG)?.into() })
    }
}

/// All of a row of the log.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    pub audit_id: i64,
    pub at: DateTime<Utc>,
    pub actor_kind: String,
    pub actor: String,
    pub user_id: Option<Uuid>,
    pub ip: Option<String>,
    pub tenant_id: Option<Uuid>,
    pub action: String,
    pub object: Option<String>,
    /// JSON, as PostgreSQL writes it.
    pub before: Option<String>,
    /// The same.
    pub after: Option<String>,
    pub result: String,
    pub request_id: Option<String>,
}

/// The columns of [`Row`].
macro_rules! rows {
    ($which:literal) => {
        concat!(
            "select a.audit_id, a.at, a.actor_kind, a.actor, a.user_id, a.ip, a.tenant_id, a.action, a.object, a.before::text as before,
                    a.after::text as after, a.result, a.request_id
             from audit_log as a where ",
            $which
        )
    };
}

impl Row {
    /// The row's hash behind another one. Each field is told with its length, so that no two rows look alike.
    fn hash(&self, before: &[u8]) -> Vec<u8> {
        let mut hash = Context::new(&SHA256);
        hash.update(before);
        let (id, at) = (self.audit_id.to_string(), self.at.timestamp_micros().to_string());
        let (user, tenant) = (self.user_id.map(|id| id.to_string()), self.tenant_id.map(|id| id.to_string()));
        let fields = [
            Some(id.as_str()),
            Some(&at),
            Some(&self.actor_kind),
            Some(&self.actor),
            user.as_deref(),
            self.ip.as_deref(),
            tenant.as_deref(),
            Some(&self.action),
            self.object.as_deref(),
            self.before.as_deref(),
            self.after.as_deref(),
            Some(&self.result),
            self.request_id.as_deref(),
        ];
        for field in fields {
            // What is not there is told apart from what is empty.
            hash.update(&field.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
            hash.update(field.unwrap_or_default().as_bytes());
        }
        hash.finish().as_ref().to_vec()
    }
}

/// Puts rows that are committed and not in the chain yet at its end, at most `limit`; returns how many. 0 also while another process is at it.
/// Needs an all-tenants transaction of the worker.
pub async fn extend(tx: &mut Scoped, limit: i64) -> sqlx::Result<usize> {
    if !sqlx::query_scalar::<_, bool>("select pg_try_advisory_xact_lock($1)").bind(LOCK).fetch_one(&mut **tx).await? {
        return Ok(0);
    }
    let mut head = head(tx).await?;
    let rows: Vec<Row> = sqlx::query_as(rows!(
        "a.audit_id > (select coalesce(max(c.audit_id), 0) from audit_chain as c) - $2
         and not exists (select from audit_chain as c where c.audit_id = a.audit_id) order by a.audit_id limit $1"
    ))
    .bind(limit)
    .bind(OVERTAKEN)
    .fetch_all(&mut **tx)
    .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let (mut ids, mut hashes) = (Vec::new(), Vec::new());
    for row in &rows {
        head.hash = row.hash(&head.hash);
        ids.push(row.audit_id);
        hashes.push(head.hash.clone());
    }
    sqlx::query(
        "insert into audit_chain (position, audit_id, hash)
         select $1 + n, audit_id, hash from unnest($2::bigint[], $3::bytea[]) with ordinality as u (audit_id, hash, n)",
    )
    .bind(head.position)
    .bind(&ids)
    .bind(&hashes)
    .execute(&mut **tx)
    .await?;
    Ok(rows.len())
}

/// How far the chain reaches.
pub async fn head(tx: &mut Scoped) -> sqlx::Result<Head> {
    let head = sqlx::query_as("select position, hash from audit_chain order by position desc limit 1").fetch_optional(&mut **tx).await?;
    Ok(head.unwrap_or_default())
}

/// A row of the chain.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Link {
    /// The chain up to this row, with it.
    #[sqlx(flatten)]
    pub head: Head,
    pub audit_id: i64,
}

/// The rows of the chain behind a position, in its order, at most `limit`; each with what the log has under its id. Needs an all-tenants
/// transaction.
pub async fn links(tx: &mut Scoped, after: i64, limit: i64) -> sqlx::Result<Vec<(Link, Option<Row>)>> {
    let links: Vec<Link> =
        sqlx::query_as("select position, audit_id, hash from audit_chain where position > $1 order by position limit $2")
            .bind(after)
            .bind(limit)
            .fetch_all(&mut **tx)
            .await?;
    let ids: Vec<i64> = links.iter().map(|link| link.audit_id).collect();
    let rows: Vec<Row> = sqlx::query_as(rows!("a.audit_id = any ($1)")).bind(ids).fetch_all(&mut **tx).await?;
    let mut rows: HashMap<i64, Row> = rows.into_iter().map(|row| (row.audit_id, row)).collect();
    Ok(links
        .into_iter()
        .map(|link| {
            let row = rows.remove(&link.audit_id);
            (link, row)
        })
        .collect())
}

/// What is wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The row with this id is in the chain and not in the log.
    Deleted(i64),
    /// The row with this id is not what it was, or a row before it was taken out of the chain.
    Changed(i64),
    /// The chain has no such position, though it has later ones.
    Missing(i64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted(id) => write!(f, "row {id} was deleted from the log"),
            Self::Changed(id) => write!(f, "row {id} is not what it was when it was chained"),
            Self::Missing(position) => write!(f, "position {position} is missing in the chain"),
        }
    }
}

/// Looks through the next rows of the chain behind `head`, at most `limit`: what is wrong there, and how far it looked. The same head back:
/// that was all. A row that is wrong is told once; from it on the chain's own hashes are followed. Needs an all-tenants transaction.
pub async fn verify(tx: &mut Scoped, head: &Head, limit: i64) -> sqlx::Result<(Head, Vec<Fault>)> {
    let (mut head, mut faults) = (head.clone(), Vec::new());
    for (link, row) in links(tx, head.position, limit).await? {
        if link.head.position != head.position + 1 {
            faults.push(Fault::Missing(head.position + 1));
        }
        match row {
            None => faults.push(Fault::Deleted(link.audit_id)),
            Some(row) if row.hash(&head.hash) != link.head.hash => faults.push(Fault::Changed(link.audit_id)),
            Some(_) => {}
        }
        head = link.head;
    }
    Ok((head, faults))
}

/// Whether the chain has this hash at this position: what was told outside is still so.
pub async fn holds(tx: &mut Scoped, told: &Head) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from audit_chain where position = $1 and hash = $2)")
        .bind(told.position)
        .bind(&told.hash)
        .fetch_one(&mut **tx)
        .await
}

/// Rows that are in the log and not in the chain, and when the first of them was written. Needs an all-tenants transaction.
pub async fn unchained(tx: &mut Scoped) -> sqlx::Result<(i64, Option<DateTime<Utc>>)> {
    sqlx::query_as(
        "select count(*), min(at) from audit_log as a where not exists (select from audit_chain as c where c.audit_id = a.audit_id)",
    )
    .fetch_one(&mut **tx)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head { position: 12, hash: (0..32).collect() };
        assert_eq!(head.to_string().parse(), Ok(head));
        for wrong in
            ["", "12", "12:", "0:00", "-1:00", "12:zz", "12:é", &format!("12:{}", "0".repeat(63)), &format!("12:+{}", "0".repeat(63))]
        {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }
}
