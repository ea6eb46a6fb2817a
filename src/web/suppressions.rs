//! Rules that hide alerts: the list, making one, and the page of each.

mod make;
mod preview;
mod rule;

use super::chips::{self, Chip};
use super::error::PageError;
use super::extract::{Query, User};
use super::filters;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::When;
use crate::app::AppState;
use crate::model::{SuppressionId, clock};
use crate::store::suppressions::{self, Rule};
use askama::Template;
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

/// Rules of a page.
const SHOWN: i64 = 100;
/// A rule that ends within this time is marked.
const SOON: TimeDelta = TimeDelta::days(7);
/// What is offered as the days that a rule is in force.
const DAYS: [(i64, &str); 6] = [(7, "7 days"), (14, "14 days"), (30, "30 days"), (90, "90 days"), (180, "180 days"), (365, "a year")];

pub fn routes() -> Router<AppState> {
    Router::new().route("/suppressions", get(list)).merge(make::routes()).merge(preview::routes()).merge(rule::routes())
}

#[derive(Template)]
#[template(path = "suppressions/list.html")]
struct RuleList {
    user: User,
    rules: Vec<Rule>,
    /// The page begins with the first rule.
    first: bool,
    /// After which rule the next page begins.
    next: Option<SuppressionId>,
    now: DateTime<Utc>,
}

impl RuleList {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn standing(&self, rule: &Rule) -> Chip {
        standing(rule, self.now)
    }

    fn scope(rule: &Rule) -> String {
        scope(rule)
    }
}

/// How it stands with a rule.
fn standing(rule: &Rule, now: DateTime<Utc>) -> Chip {
    match (rule.ended_at, &rule.ended_by) {
        (None, _) if rule.expires_at - now < SOON => chips::chip("warn", "Ends soon"),
        (None, _) => chips::chip("ok", "In force"),
        (Some(_), Some(_)) => chips::chip("plain", "Ended"),
        (Some(_), None) => chips::chip("plain", "Ran out"),
    }
}

/// For which tenants a rule is, in words.
fn scope(rule: &Rule) -> String {
    let visible = |text: &String| super::show::visible(text);
    let group = |name: &String| format!("Group {} ({})", visible(name), super::show::count(i64::from(rule.tenants), "tenant", "tenants"));
    rule.group_name.as_ref().map_or_else(|| rule.tenant_name.as_ref().map(visible).unwrap_or_default(), group)
}

#[derive(Deserialize)]
struct Asked {
    after: Option<SuppressionId>,
}

async fn list(user: User, db: ScopedDb, Query(Asked { after }): Query<Asked>) -> Result<Page<RuleList>, PageError> {
    let mut tx = db.begin().await?;
    let mut rules = suppressions::list(&mut tx, after, SHOWN + 1).await?;
    tx.commit().await?;
    let more = i64::try_from(rules.len()).is_ok_and(|rules| rules > SHOWN);
    if more {
        rules.pop();
    }
    let next = rules.last().filter(|_| more).map(|rule| rule.suppression_id);
    Ok(Page(RuleList { user, rules, first: after.is_none(), next, now: clock::now() }))
}
