//! What becomes of a job: tenant by tenant, with the reasons, and the incidents behind them.

use super::back;
use super::words::wished;
use crate::app::{self, AppState, acting};
use crate::model::{BulkId, IncidentId, TenantId, clock};
use crate::store::Scoped;
use crate::store::bulk::{self, Bulk, Line, Said, Told};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::{When, count, thousands};
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use url::form_urlencoded;

/// Reasons of one tenant, most frequent first; the rest is one link away.
const REASONS: usize = 4;
/// Incidents of one page.
const LINES: usize = 200;

pub fn routes() -> Router<AppState> {
    Router::new().route("/incidents/bulk/{bulk}/incidents", get(lines))
}

#[derive(Template)]
#[template(path = "bulk/told.html")]
struct JobPage {
    user: User,
    bulk: Bulk,
    tenants: Vec<Told>,
    /// The job that takes it back, and the one that tries again what failed.
    undone_by: Option<BulkId>,
    tried_again: Option<BulkId>,
    back: String,
    path: String,
    now: DateTime<Utc>,
}

/// The page of a job that has begun.
pub async fn page(mut tx: Scoped, user: User, bulk: Bulk) -> Result<Response, PageError> {
    let tenants = bulk::tally(&mut tx, bulk.bulk_id).await?;
    let (undone_by, tried_again) = bulk::after(&mut tx, user.id, bulk.bulk_id).await?;
    tx.commit().await?;
    let back = if bulk.is_of(user.id) { back(&bulk) } else { "/incidents".to_owned() };
    let path = format!("/incidents/bulk/{}", bulk.bulk_id);
    Ok(Page(JobPage { user, bulk, tenants, undone_by, tried_again, back, path, now: clock::now() }).into_response())
}

impl JobPage {
    fn text(n: i64) -> String {
        thousands(n)
    }

    /// Where a form of this page is sent to.
    fn act(&self, what: &str) -> String {
        format!("{}/{what}", self.path)
    }

    fn fresh() -> BulkId {
        BulkId(acting::fresh().0)
    }

    fn sum(&self, of: impl Fn(&Told) -> i64) -> i64 {
        self.tenants.iter().map(of).sum()
    }

    fn matched(&self) -> i64 {
        self.sum(|told| told.matched)
    }

    fn waiting(&self) -> i64 {
        self.sum(|told| told.waiting)
    }

    fn done(&self) -> i64 {
        self.sum(|told| told.done)
    }

    fn failed(&self) -> i64 {
        self.sum(|told| told.failed)
    }

    fn cancelled(&self) -> i64 {
        self.sum(|told| told.cancelled)
    }

    fn ended(&self) -> i64 {
        self.matched() - self.waiting()
    }

    /// "213 incidents of 14 tenants".
    fn head(&self) -> String {
        let tenants = i64::try_from(self.tenants.len()).unwrap_or(i64::MAX);
        format!("{} of {}", count(self.matched(), "incident", "incidents"), count(tenants, "tenant", "tenants"))
    }

    /// Tenants that the reader does not see.
    fn unseen(&self) -> i64 {
        (i64::from(self.bulk.tenants) - self.bulk.seen).max(0)
    }

    fn words(&self) -> Option<&str> {
        self.bulk.words_for(self.user.id, &self.user.scope)
    }

    fn wish(&self) -> String {
        wished(&self.bulk)
    }

    /// Something happens within seconds; an answer that was lost is looked for more rarely.
    fn moves(&self) -> bool {
        self.waiting() > self.sum(|told| told.unknown)
    }

    fn is_own(&self) -> bool {
        self.bulk.is_of(self.user.id)
    }

    fn can_stop(&self) -> bool {
        self.waiting() > 0 && app::bulk::may_stop(&self.user, &self.bulk)
    }

    fn can_try_again(&self) -> bool {
        self.is_own() && self.failed() > 0 && self.tried_again.is_none()
    }

    fn can_undo(&self) -> bool {
        self.is_own() && self.waiting() == 0 && self.sum(|told| told.changed) > 0 && app::bulk::has_undo(&self.bulk)
    }

    fn changed(&self) -> i64 {
        self.sum(|told| told.changed)
    }

    fn asked(&self) -> When {
        When::new(self.bulk.started_at.unwrap_or(self.bulk.created_at), self.now)
    }

    fn reasons(told: &Told) -> &[Said] {
        &told.reasons[..told.reasons.len().min(REASONS)]
    }

    fn more(told: &Told) -> usize {
        told.reasons.len().saturating_sub(REASONS)
    }

    /// The list of the incidents behind a number or a reason.
    fn list(&self, tenant: &TenantId, outcome: &str, reason: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("tenant", &tenant.to_string());
        if !outcome.is_empty() {
            query.append_pair("outcome", outcome);
        }
        if let Some(reason) = reason {
            query.append_pair("reason", reason);
        }
        format!("{}/incidents?{}", self.path, query.finish())
    }

    fn because(&self, said: &Said) -> String {
        self.list(&said.tenant_id, &said.outcome, said.reason.as_deref())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    tenant: Option<TenantId>,
    #[serde(default)]
    outcome: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    after: Option<IncidentId>,
}

#[derive(Template)]
#[template(path = "bulk/incidents.html")]
struct LinesPage {
    user: User,
    bulk: Bulk,
    lines: Vec<Line>,
    reason: Option<String>,
    next: Option<String>,
    path: String,
}

impl LinesPage {
    fn label(line: &Line) -> (&'static str, &'static str) {
        match line.outcome.as_str() {
            "done" => ("ok", "Done"),
            "failed" => ("bad", "Failed"),
            "cancelled" => ("", "Called off"),
            _ => ("note", "Waiting"),
        }
    }

    fn can_undo(&self, line: &Line) -> bool {
        line.changed && line.outcome != "waiting" && self.bulk.is_of(self.user.id) && app::bulk::has_undo(&self.bulk)
    }

    fn fresh() -> crate::model::ChangeId {
        acting::fresh()
    }
}

/// The incidents of a job that came to one end, with one reason, of one tenant, as far as the address says so.
async fn lines(Analyst(user): Analyst, db: ScopedDb, Id(id): Id<BulkId>, Query(which): Query<Which>) -> Result<Page<LinesPage>, PageError> {
    let mut tx = db.begin().await?;
    let bulk = bulk::get(&mut tx, user.id, id).await?.ok_or(PageError::NotFound)?;
    let Which { tenant, outcome, reason, after } = which;
    let most = i64::try_from(LINES).unwrap_or(i64::MAX);
    let mut lines = bulk::found(&mut tx, id, (tenant, outcome.as_deref(), reason.as_deref()), after, most + 1).await?;
    tx.commit().await?;
    let path = format!("/incidents/bulk/{id}");
    let more = lines.len() > LINES;
    lines.truncate(LINES);
    let next = lines.last().filter(|_| more).map(|last| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let pairs = [("tenant", tenant.map(|tenant| tenant.to_string())), ("outcome", outcome), ("reason", reason.clone())];
        query.extend_pairs(pairs.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))));
        query.append_pair("after", &last.incident_id.to_string());
        format!("{path}/incidents?{}", query.finish())
    });
    Ok(Page(LinesPage { user, bulk, lines, reason, next, path }))
}
