//! What somebody wanted changed at Microsoft for one tenant, and what became of it.

use super::error::PageError;
use super::extract::{Id, Query, User};
use super::filters;
use super::headers::content_security_policy;
use super::page::Page;
use super::scope::ScopedDb;
use super::show::When;
use crate::app::{AppState, acting};
use crate::model::change::deed;
use crate::model::{ChangeId, ChangeState, TenantId, clock};
use crate::store;
use crate::store::changes::{self, Change};
use crate::store::tenants::Tenant;
use askama::Template;
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Deserialize;

const ROWS: i64 = 50;

pub fn routes() -> Router<AppState> {
    Router::new().route("/tenants/{tenant}/changes", get(list))
}

#[derive(Template)]
#[template(path = "tenants/changes.html")]
struct ChangeList {
    user: User,
    tenant: Tenant,
    lines: Vec<Line>,
    next: Option<ChangeId>,
    first: bool,
    /// For the forms; each has one of its own.
    fresh: Vec<ChangeId>,
    now: DateTime<Utc>,
}

/// Where a form of this page may lead: Microsoft's storage, see `app::collected`.
const STORAGE: &str = "https://core.windows.net https://*.core.windows.net https://*.core.usgovcloudapi.net https://*.securitycenter.windows.com \
                       https://*.security.microsoft.com https://*.securitycenter.microsoft.us";

impl ChangeList {
    fn at(&self, line: &Line, action: &str) -> String {
        format!("/tenants/{}/changes/{}/{action}", self.tenant.tenant_id, line.change.change_id)
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }
}

/// A change as a page shows it.
pub struct Line {
    pub change: Change,
    pub created: When,
    pub ended: Option<When>,
}

impl Line {
    /// As seen at `now`.
    pub fn new(change: Change, now: DateTime<Utc>) -> Self {
        let (created, ended) = (When::new(change.created_at, now), change.finished_at.map(|at| When::new(at, now)));
        Self { change, created, ended }
    }

    /// "Isolate device".
    pub fn what(&self) -> String {
        deed(&self.change.operation).to_owned()
    }

    /// A new change like it can be asked for.
    pub fn can_repeat(&self) -> bool {
        self.change.state == ChangeState::Lost
    }

    /// It runs at Microsoft and can be called off.
    pub fn can_cancel(&self) -> bool {
        self.change.state == ChangeState::Running && self.change.operation.starts_with("endpoint.act.")
    }

    /// A package can be fetched.
    pub fn has_package(&self) -> bool {
        self.change.state == ChangeState::Done && self.change.operation == "endpoint.act.collect"
    }

    /// The commands of a live response whose results can be fetched.
    pub fn results(&self) -> usize {
        let done = self.change.state == ChangeState::Done && self.change.operation == "endpoint.act.live_response";
        let commands = self.change.request.as_ref().filter(|_| done).and_then(|request| request["Commands"].as_array());
        commands.map(Vec::len).unwrap_or_default()
    }

    /// What is asked of Microsoft, member by member; the comment stands elsewhere.
    pub fn details(&self) -> Vec<(String, String)> {
        let members = self.change.request.as_ref().and_then(|request| request.as_object()).into_iter().flatten();
        let told = |name: &str| !name.eq_ignore_ascii_case("comment") && !name.starts_with('@');
        members.filter(|(name, _)| told(name)).map(|(name, value)| super::names::member(name, value)).collect()
    }
}

#[derive(Deserialize)]
struct Before {
    before: Option<ChangeId>,
}

async fn list(user: User, db: ScopedDb, Id(tenant): Id<TenantId>, Query(Before { before }): Query<Before>) -> Result<Response, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    let mut rows = changes::list(&mut tx, tenant.tenant_id, before, ROWS + 1).await?;
    tx.commit().await?;
    let more = i64::try_from(rows.len()).is_ok_and(|rows| rows > ROWS);
    if more {
        rows.pop();
    }
    let next = rows.last().filter(|_| more).map(|last| last.change_id);
    let lines: Vec<Line> = rows.into_iter().map(|change| Line::new(change, now)).collect();
    let fresh = lines.iter().map(|_| acting::fresh()).collect();
    let page = Page(ChangeList { user, tenant, lines, next, first: before.is_none(), fresh, now });
    Ok(([(header::CONTENT_SECURITY_POLICY, content_security_policy(Some(STORAGE)))], page).into_response())
}
