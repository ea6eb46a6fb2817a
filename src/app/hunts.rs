//! Starting a hunt: what is checked before one is written down, the same for pages and programs.

use crate::model::hunt::{LONGEST_QUERY, is_timespan};
use crate::model::{HuntApi, HuntId, Scope, TenantId};
use crate::store::audit::By;
use crate::store::hunts::{self, Huntable, MOST_TENANTS, New};
use crate::store::limits::{self, Limit};
use crate::store::{Db, Scoped};
use crate::sync::engine::Queue;
use chrono::{DateTime, TimeDelta, Utc};

/// What one person, or one program of theirs, may start: so many at once, and then one every half minute.
const QUOTA: Limit = Limit { burst: 60.0, each_second: 1.0 / 30.0 };

/// Over which tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// Every tenant of the scope that is read.
    All,
    /// Those of a group.
    Group(String),
    /// These, whatever their state: one that is not read says so.
    These(Vec<TenantId>),
}

/// What somebody wants to hunt for.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// Empty: the query's first line.
    pub title: &'a str,
    pub query: &'a str,
    pub api: HuntApi,
    /// ISO 8601.
    pub timespan: Option<&'a str>,
    pub over: Over,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What is wrong with which field.
    #[error("{0}: {1}")]
    Field(&'static str, &'static str),
    /// One of the tenants is not in the scope, or there is none.
    #[error("there is no such tenant")]
    NoTenant,
    /// Too many were started; and how long until the next. That is written into the audit log now and then.
    #[error("too many hunts")]
    TooMany(TimeDelta),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// What [`Refusal::TooMany`] says.
pub const TOO_MANY: &str = "You have started 60 hunts in a short time. From now on one can be started every half minute.";

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Writes a hunt down and queues it in each of its tenants, within somebody's scope.
///
/// # Errors
/// [`Refusal`]; then nothing was written.
pub async fn start(db: &Db, queue: &Queue, scope: &Scope, by: &By, wish: &Wish<'_>, now: DateTime<Utc>) -> Result<HuntId, Refusal> {
    let query = wish.query.trim();
    if query.is_empty() {
        return Err(Refusal::Field("query", "Write a query."));
    }
    if query.chars().count() > LONGEST_QUERY {
        return Err(Refusal::Field("query", "A query has at most 10,000 characters."));
    }
    if query.contains('\0') || wish.title.contains('\0') {
        return Err(Refusal::Field("query", "There is a character in it that no query can have."));
    }
    if wish.timespan.is_some_and(|timespan| !is_timespan(timespan)) {
        return Err(Refusal::Field("timespan", "A time span is written as ISO 8601 says: P7D, PT12H, or two times with a slash between."));
    }
    let mut tx = db.begin(scope).await?;
    let tenants = chosen(&mut tx, &wish.over).await?;
    let bucket = format!("hunts of {}", by.login());
    if let Some(wait) = limits::take(&mut tx, &bucket, QUOTA).await? {
        limits::tell(&mut tx, &bucket, by.ip.as_deref()).await?;
        tx.commit().await?;
        return Err(Refusal::TooMany(wait));
    }
    let title = match wish.title.trim() {
        "" => query.lines().next().unwrap_or_default(),
        title => title,
    };
    let title: String = title.chars().take(120).collect();
    let hunt = HuntId::new();
    hunts::start(&mut tx, by, hunt, &New { title: &title, query, api: wish.api, timespan: wish.timespan }, &tenants, now).await?;
    queue.hunt(&mut tx, hunt, &tenants).await?;
    tx.commit().await?;
    Ok(hunt)
}

async fn chosen(tx: &mut Scoped, over: &Over) -> Result<Vec<TenantId>, Refusal> {
    let all = hunts::huntable(tx).await?;
    let ready = |tenant: &&Huntable| tenant.is_ready();
    let mut tenants: Vec<TenantId> = match over {
        Over::All => all.iter().filter(ready).map(|tenant| tenant.tenant_id).collect(),
        Over::Group(group) => {
            let mine = |tenant: &&Huntable| tenant.tenant_group.as_ref() == Some(group);
            all.iter().filter(ready).filter(mine).map(|tenant| tenant.tenant_id).collect()
        }
        Over::These(these) => {
            if these.iter().any(|id| !all.iter().any(|tenant| tenant.tenant_id == *id)) {
                return Err(Refusal::NoTenant);
            }
            these.clone()
        }
    };
    tenants.sort_unstable();
    tenants.dedup();
    match tenants.len() {
        0 => Err(Refusal::Field("tenants", "Choose at least one tenant that is read.")),
        n if n > MOST_TENANTS => Err(Refusal::Field("tenants", "A hunt runs over at most 2,000 tenants.")),
        _ => Ok(tenants),
    }
}
