//! The consent doctor of one tenant: each permission with what is wrong, since when, Microsoft's answer, and what to do.

use super::chips;
use super::error::PageError;
use super::extract::{Analyst, Id, Posted, User};
use super::filters;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::When;
use crate::app::AppState;
use crate::model::{Product, TenantId, TenantState, Verdict, clock, permission};
use crate::store;
use crate::store::claims::Claims;
use crate::store::drifts::{self, Drift};
use crate::store::permissions::Permission;
use crate::store::tenants::Tenant;
use askama::Template;
use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

pub fn routes() -> Router<AppState> {
    Router::new().route("/tenants/{tenant}/consent", get(show)).route("/tenants/{tenant}/consent/acknowledge", post(acknowledge))
}

/// Changes shown at most.
pub const MOST: i64 = 20;

#[derive(Template)]
#[template(path = "tenants/consent.html")]
struct ConsentPage {
    user: User,
    tenant: Tenant,
    groups: Vec<Group>,
    drifts: Vec<Drift>,
    now: DateTime<Utc>,
}

/// One product of one app.
pub struct Group {
    pub app: String,
    pub product: Product,
    pub rows: Vec<Permission>,
    pub claims: Option<Told>,
}

/// What a token says, to be read.
pub struct Told {
    pub lines: Vec<Line>,
    /// What is wrong with the token as a whole.
    pub problems: Vec<String>,
    pub error: Option<String>,
    pub answer: Option<String>,
    pub fetched_at: DateTime<Utc>,
}

/// One claim.
pub struct Line {
    pub name: String,
    pub value: String,
    /// What is wrong with it.
    pub wrong: Vec<String>,
}

impl Group {
    /// Permissions by app and product.
    pub fn of(rows: Vec<Permission>, mut claims: Vec<Claims>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for row in rows {
            if let Some(group) = groups.iter_mut().find(|group| group.app == row.app && group.product == row.product) {
                group.rows.push(row);
                continue;
            }
            let at = claims.iter().position(|claims| claims.app == row.app && claims.product == row.product);
            let claims = at.map(|at| Told::of(claims.swap_remove(at)));
            groups.push(Self { app: row.app.clone(), product: row.product, rows: vec![row], claims });
        }
        groups
    }

    /// How many of the permissions that are asked for are good.
    pub fn good(&self) -> usize {
        self.expected().filter(|row| row.verdict().is_good()).count()
    }

    /// How many are asked for.
    pub fn asked(&self) -> usize {
        self.expected().count()
    }

    /// Those with something wrong.
    pub fn bad(&self) -> impl Iterator<Item = &Permission> {
        self.expected().filter(|row| !row.verdict().is_good())
    }

    fn expected(&self) -> impl Iterator<Item = &Permission> {
        self.rows.iter().filter(|row| row.expected)
    }
}

impl Told {
    fn of(claims: Claims) -> Self {
        let problems = claims.problems.0;
        let wrong = |name: &str| -> Vec<String> {
            problems.iter().filter(|problem| problem.claim.as_deref() == Some(name)).map(|problem| problem.why.clone()).collect()
        };
        let object = claims.claims.as_ref().and_then(Value::as_object);
        let mut lines: Vec<Line> = object
            .into_iter()
            .flatten()
            .map(|(name, value)| Line { name: name.clone(), value: text(name, value), wrong: wrong(name) })
            .collect();
        let mut whole = Vec::new();
        for problem in &problems {
            match &problem.claim {
                // A claim that is missing is a line of its own.
                Some(name) if object.is_some() && !lines.iter().any(|line| line.name == *name) => {
                    lines.push(Line { name: name.clone(), value: "not there".to_owned(), wrong: wrong(name) });
                }
                Some(name) if lines.iter().any(|line| line.name == *name) => {}
                _ => whole.push(problem.why.clone()),
            }
        }
        Self { lines, problems: whole, error: claims.error, answer: claims.answer, fetched_at: claims.fetched_at }
    }
}

/// A claim's value; times also as people read them.
fn text(name: &str, value: &Value) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Value::Array(items) = value {
        return items.iter().map(plain).collect::<Vec<_>>().join(", ");
    }
    let time = ["exp", "nbf", "iat"].contains(&name).then(|| value.as_i64().and_then(|at| DateTime::from_timestamp(at, 0))).flatten();
    match time {
        Some(time) => format!("{} ({})", plain(value), time.format("%Y-%m-%d %H:%M:%S UTC")),
        None => plain(value),
    }
}

impl ConsentPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    /// A path of this tenant's own.
    fn at(&self, action: &str) -> String {
        format!("/tenants/{}/{action}", self.tenant.tenant_id)
    }

    fn can_check(&self) -> bool {
        let closed = matches!(self.tenant.state, TenantState::Paused | TenantState::Offboarded);
        self.user.is_analyst() && self.tenant.directory_id.is_some() && !self.tenant.needs_approval && !closed
    }

    /// What a permission is for, in plain words.
    fn plain(row: &Permission) -> &'static str {
        permission::plain(row.product, &row.permission)
    }

    fn is_untried(row: &Permission) -> bool {
        row.verdict() == Verdict::Untried
    }
}

async fn show(user: User, db: ScopedDb, Id(tenant): Id<TenantId>) -> Result<Page<ConsentPage>, PageError> {
    let mut tx = db.begin().await?;
    let found = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    let rows = store::permissions::list(&mut tx, tenant).await?;
    let claims = if user.is_analyst() { store::claims::list(&mut tx, tenant).await? } else { Vec::new() };
    let drifts = drifts::shown(&mut tx, Some(tenant), MOST).await?;
    Ok(Page(ConsentPage { user, tenant: found, groups: Group::of(rows, claims), drifts, now: clock::now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    /// The newest change that was shown, in microseconds since 1970: one that came meanwhile has not been seen.
    up_to: i64,
}

async fn acknowledge(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<Noted>,
) -> Result<Redirect, PageError> {
    let up_to = DateTime::from_timestamp_micros(form.up_to).ok_or(PageError::BadRequest("The form says no time.".into()))?;
    let mut tx = db.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    drifts::acknowledge(&mut tx, &user.by(), tenant, up_to, clock::now()).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/tenants/{tenant}/consent")))
}
