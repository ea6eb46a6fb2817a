//! Rules that hide alerts nobody needs to look at. A rule deletes nothing and tells Microsoft nothing.
//!
//! A rule itself belongs to no tenant, but may name a customer's people or devices; the tenants it is for are rows of `suppression_tenants`,
//! which row-level security hides. So a rule is seen by those who see every tenant it is for, and each query below that reads
//! `suppressions` for a person says so itself. What a rule hides is said once, by the function `suppresses` of the schema: `preview` asks
//! it before a rule is made, `apply` of what is stored and of what is read.

mod apply;
mod preview;
mod shown;

pub(super) use apply::{concern, forget, judge_read};
pub use apply::{expire, pending, regroup, work_off};
pub use preview::{CAP, Found, Preview, preview};
pub use shown::{Hit, Standing, labels, latest, standing};

use super::Scoped;
use super::audit::{self, By};
use crate::model::{SuppressionId, TenantId, UserId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::types::Json;

/// What a rule hides: alerts that have all of what is given here. At least one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Criteria {
    /// A detector's id, in lower case.
    pub detector: Option<String>,
    /// The whole title in plain words, whatever their case; `*` stands for anything.
    pub title: Option<String>,
    /// `kind:value`, lower case.
    pub entity: Option<String>,
}

impl Criteria {
    /// What people know a rule by.
    pub fn label(&self) -> String {
        let title = self.title.as_ref().map(|title| format!("“{title}”"));
        let detector = self.detector.as_ref().map(|detector| format!("detector {detector}"));
        [title, detector, self.entity.clone()].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}

/// A time at which a rule was made to last longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    pub at: DateTime<Utc>,
    /// Who, by login.
    pub by: String,
    pub until: DateTime<Utc>,
    pub reason: String,
}

/// One rule, as its reader may see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Rule {
    pub suppression_id: SuppressionId,
    /// It is for the tenants of this group; `None`: for one tenant.
    pub group_name: Option<String>,
    /// How many tenants it is for.
    pub tenants: i32,
    /// The one tenant, where it is for one.
    pub tenant_id: Option<TenantId>,
    pub tenant_name: Option<String>,
    #[sqlx(flatten)]
    pub criteria: Criteria,
    pub reason: String,
    pub user_id: Option<UserId>,
    /// The login of whoever made it.
    pub owner: String,
    pub made_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// `None`: it is in force.
    pub ended_at: Option<DateTime<Utc>>,
    /// `None`, where it has ended: it ran out.
    pub ended_by: Option<String>,
    pub history: Json<Vec<Extension>>,
    /// Alerts that it has hidden, each once.
    pub hits: i64,
    pub last_hit_at: Option<DateTime<Utc>>,
    /// Some of the stored alerts are still to be looked through.
    pub pending: bool,
}

impl Rule {
    /// Whether it hides alerts.
    pub const fn is_in_force(&self) -> bool {
        self.ended_at.is_none()
    }
}

/// The rules that the transaction's scope may see, and what follows.
macro_rules! visible {
    ($rest:literal) => {
        concat!(
            "select s.suppression_id, s.group_name, s.tenants, s.detector, s.title, s.entity, s.reason, s.user_id, s.owner, s.made_at, s.expires_at,
                    s.ended_at, s.ended_by, s.history, p.hits, p.last_hit_at, p.pending,
                    case when s.group_name is null then p.tenant_id end as tenant_id, case when s.group_name is null then p.tenant_name end as tenant_name
             from suppressions as s
             cross join lateral (
                 select count(*) filter (where p.left_at is null) as seen, coalesce(sum(p.hits), 0)::bigint as hits, max(p.last_hit_at) as last_hit_at,
                        coalesce(bool_or(p.pending), false) as pending, (array_agg(t.tenant_id))[1] as tenant_id, min(t.name) as tenant_name
                 from suppression_tenants as p join tenants as t on t.tenant_id = p.tenant_id where p.suppression_id = s.suppression_id) as p
             where ((select current_setting('app.all_tenants', true) = 'on') or (p.seen = s.tenants and p.seen > 0)) ",
            $rest
        )
    };
}
use visible;

/// A rule about to be made.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// The form's or the caller's own.
    pub id: SuppressionId,
    /// The group it is for; without one, there is exactly one tenant.
    pub group: Option<&'a str>,
    pub criteria: &'a Criteria,
    /// 1 to 1,000 characters.
    pub reason: &'a str,
    pub expires_at: DateTime<Utc>,
}

/// Makes a rule, with its audit row ("suppression.create"), and hides the first `most` alerts that are open and match; the rest is left to
/// [`work_off`]. For a group, [`groups`] must have been asked after [`lock_groups`] in this transaction. False: the id is known already,
/// and nothing was written.
pub async fn create(tx: &mut Scoped, by: &By, new: &New<'_>, tenants: &[TenantId], now: DateTime<Utc>, most: i64) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into suppressions (suppression_id, group_name, tenants, detector, title, entity, reason, user_id, owner, made_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (suppression_id) do nothing",
    )
    .bind(new.id)
    .bind(new.group)
    .bind(i32::try_from(tenants.len()).unwrap_or(i32::MAX))
    .bind(&new.criteria.detector)
    .bind(&new.criteria.title)
    .bind(&new.criteria.entity)
    .bind(new.reason)
    .bind(by.user())
    .bind(by.login())
    .bind(now)
    .bind(new.expires_at)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("insert into suppression_tenants (tenant_id, suppression_id) select tenant, $1 from unnest($2::uuid[]) as tenant")
        .bind(new.id)
        .bind(tenants)
        .execute(&mut **tx)
        .await?;
    let after = json!({
        "rule": new.id, "group": new.group, "tenants": tenants.len(), "detector": new.criteria.detector, "title": new.criteria.title,
        "entity": new.criteria.entity, "reason": new.reason, "expires_at": new.expires_at,
    });
    let event = about(by.event("suppression.create"), new.group.map_or(tenants.first().copied(), |_| None));
    audit::record(tx, event.object(new.criteria.label()).after(after)).await?;
    apply::work_off_some(tx, tenants, now, most).await?;
    Ok(true)
}

fn about(event: audit::Event<'_>, tenant: Option<TenantId>) -> audit::Event<'_> {
    match tenant {
        Some(tenant) => event.tenant(tenant),
        None => event,
    }
}

/// Ends a rule, with its audit row ("suppression.end"), and brings back the first `most` alerts; the rest is left to [`work_off`]. False: it
/// had ended before.
pub async fn end(tx: &mut Scoped, by: &By, rule: &Rule, now: DateTime<Utc>, most: i64) -> sqlx::Result<bool> {
    if rule.group_name.is_some() {
        lock_groups(tx).await?;
    }
    let done = sqlx::query("update suppressions set ended_at = $2, ended_by = $3 where suppression_id = $1 and ended_at is null")
        .bind(rule.suppression_id)
        .bind(now)
        .bind(by.login())
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let event = about(by.event("suppression.end"), rule.tenant_id).object(rule.criteria.label());
    audit::record(tx, event.after(json!({ "rule": rule.suppression_id, "hits": rule.hits }))).await?;
    let tenants = apply::mark(tx, rule.suppression_id).await?;
    apply::work_off_some(tx, &tenants, now, most).await?;
    Ok(true)
}

/// Gives a rule another end, with its audit row ("suppression.extend"). False: it has ended, or its end is not the one of `rule` any more.
pub async fn extend(
    tx: &mut Scoped,
    by: &By,
    rule: &Rule,
    (until, reason): (DateTime<Utc>, &str),
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let extension = Extension { at: now, by: by.login().to_owned(), until, reason: reason.to_owned() };
    let done = sqlx::query(
        "update suppressions set expires_at = $3, history = history || $4 where suppression_id = $1 and expires_at = $2 and ended_at is null",
    )
    .bind(rule.suppression_id)
    .bind(rule.expires_at)
    .bind(until)
    .bind(Json(vec![extension]))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let event = about(by.event("suppression.extend"), rule.tenant_id).object(rule.criteria.label());
    let after = json!({ "rule": rule.suppression_id, "expires_at": until, "reason": reason });
    audit::record(tx, event.before(json!({ "expires_at": rule.expires_at })).after(after)).await?;
    Ok(true)
}

/// One rule, if the scope may see it.
pub async fn get(tx: &mut Scoped, rule: SuppressionId) -> sqlx::Result<Option<Rule>> {
    sqlx::query_as(visible!("and s.suppression_id = $1")).bind(rule).fetch_optional(&mut **tx).await
}

/// The rules that the scope may see, those in force first, then the latest: those after the one at `after`, at most `limit`.
pub async fn list(tx: &mut Scoped, after: Option<SuppressionId>, limit: i64) -> sqlx::Result<Vec<Rule>> {
    sqlx::query_as(visible!(
        "and ($1::uuid is null or (s.ended_at is null, s.made_at, s.suppression_id)
                                < (select l.ended_at is null, l.made_at, l.suppression_id from suppressions as l where l.suppression_id = $1))
         order by (s.ended_at is null) desc, s.made_at desc, s.suppression_id desc limit $2"
    ))
    .bind(after)
    .bind(limit)
    .persistent(false)
    .fetch_all(&mut **tx)
    .await
}

/// A group of tenants.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Group {
    pub name: String,
    pub tenants: Vec<TenantId>,
}

/// The groups of the scope, by name, with those of their tenants that are not offboarded; at most 500. Whether a group is wholly in a
/// person's scope is known only in an all-tenants transaction.
pub async fn groups(tx: &mut Scoped) -> sqlx::Result<Vec<Group>> {
    sqlx::query_as(
        "select tenant_group as name, array_agg(tenant_id order by tenant_id) as tenants from tenants
         where tenant_group is not null and state <> 'offboarded' group by tenant_group order by tenant_group limit 500",
    )
    .fetch_all(&mut **tx)
    .await
}

/// Until this transaction ends, no tenant joins or leaves a group for rules.
pub async fn lock_groups(tx: &mut Scoped) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('groups of rules', 0))").execute(&mut **tx).await?;
    Ok(())
}
