//! `/incidents/bulk` and `/jobs/{id}`: one change for every incident that a filter finds, and what becomes of it.

use super::acting::{Triage, id, refused};
use super::bearer::{Bearer, Body, Id};
use super::listing::{ListQuery, TenantRef};
use super::problem::{Problem, ProblemBody};
use crate::app::triage::Wish;
use crate::app::{self, AppState};
use crate::model::{BulkId, IncidentId, Role, clock};
use crate::store::Scoped;
use crate::store::bulk::{self, New, Told, Which};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The most incidents that are named one by one.
const MOST_IDS: usize = 1_000;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(get))
}

/// Which incidents, and what they are to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBulk {
    /// The parameters of `GET /incidents`, but `sort`, `limit` and `cursor`; those of several values as lists. At least one.
    filter: Option<ListQuery>,
    /// Instead of a filter: at most 1,000.
    #[serde(default)]
    ids: Vec<uuid::Uuid>,
    /// As in `PATCH /incidents/{id}`, but tags are added to those that are there.
    change: Triage,
}

/// How often something was said.
#[derive(Serialize, ToSchema)]
struct Reason {
    reason: String,
    count: i64,
}

/// What became of a job in one tenant.
#[derive(Serialize, ToSchema)]
struct JobTenant {
    tenant: TenantRef,
    matched: i64,
    succeeded: i64,
    failed: i64,
    waiting: i64,
    /// Before they were sent.
    called_off: i64,
    /// Most frequent first.
    reasons: Vec<Reason>,
}

impl From<Told> for JobTenant {
    fn from(of: Told) -> Self {
        let Told { tenant_id, tenant_name, matched, waiting, done, failed, cancelled, reasons, .. } = of;
        let reasons = reasons.into_iter().filter_map(|said| Some(Reason { reason: said.reason?, count: said.count })).collect();
        let tenant = TenantRef { id: tenant_id.0, name: tenant_name };
        Self { tenant, matched, succeeded: done, failed, waiting, called_off: cancelled, reasons }
    }
}

/// A job, as far as its tenants are in scope.
#[derive(Serialize, ToSchema)]
struct Job {
    id: uuid::Uuid,
    /// running, done
    state: &'static str,
    created_at: DateTime<Utc>,
    /// The login of whoever made it.
    asked_by: String,
    matched: i64,
    succeeded: i64,
    failed: i64,
    waiting: i64,
    /// Before they were sent.
    called_off: i64,
    /// Found, but not to be changed from here: merged into other incidents, or not Defender's.
    left_out: i32,
    tenants: Vec<JobTenant>,
}

impl Job {
    async fn read(tx: &mut Scoped, user: &Bearer, bulk: BulkId) -> Result<Self, Problem> {
        let found = bulk::get(tx, user.id, bulk).await?.filter(|found| found.started_at.is_some()).ok_or(Problem::NotFound)?;
        let tenants: Vec<JobTenant> = bulk::tally(tx, bulk).await?.into_iter().map(JobTenant::from).collect();
        let sum = |of: fn(&JobTenant) -> i64| tenants.iter().map(of).sum();
        let waiting = sum(|tenant| tenant.waiting);
        Ok(Self {
            id: bulk.0,
            state: if waiting > 0 { "running" } else { "done" },
            created_at: found.started_at.unwrap_or(found.created_at),
            asked_by: found.actor,
            matched: sum(|tenant| tenant.matched),
            succeeded: sum(|tenant| tenant.succeeded),
            failed: sum(|tenant| tenant.failed),
            waiting,
            called_off: sum(|tenant| tenant.called_off),
            left_out: found.left_out,
            tenants,
        })
    }
}

/// Changes every incident that a filter finds now, or these, at most 10,000: 202 at once, and `GET /jobs/{id}` tells the rest. It acts with
/// the rights that the token's user has when it acts. An incident that is not as it was found is left alone. Analysts and better. Takes
/// `Idempotency-Key`.
#[utoipa::path(post, path = "/incidents/bulk", tag = "queue", request_body = NewBulk, responses(
    (status = ACCEPTED, body = Job, headers(("location" = String, description = "The job"))),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn start(
    user: Bearer,
    State(state): State<AppState>,
    headers: HeaderMap,
    Body(new): Body<NewBulk>,
) -> Result<(StatusCode, [(header::HeaderName, String); 1], Json<Job>), Problem> {
    user.needs(Role::Analyst)?;
    let bulk = BulkId(id(&user, &headers)?.0);
    let asked = json!({ "filter": new.filter, "ids": new.ids, "change": new.change });
    let mut tx = user.begin().await?;
    let known = bulk::get(&mut tx, user.id, bulk).await?;
    match known {
        None => begin(&mut tx, &state, (&user, bulk), new, &asked).await?,
        Some(known) if known.asked.as_ref() == Some(&asked) => {}
        Some(_) => return Err(refused(app::acting::Refusal::Reused)),
    }
    let job = Job::read(&mut tx, &user, bulk).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, format!("{}/jobs/{bulk}", super::BASE))], Json(job)))
}

async fn begin(tx: &mut Scoped, state: &AppState, (user, bulk): (&Bearer, BulkId), new: NewBulk, asked: &Value) -> Result<(), Problem> {
    let (by, now) = (user.by(), clock::now());
    let ids: Vec<IncidentId> = new.ids.into_iter().map(IncidentId).collect::<BTreeSet<_>>().into_iter().collect();
    let either = || Problem::field("filter", "give either a filter that says something, or ids, at most 1,000");
    let (filter, words) = match new.filter {
        Some(filter) if ids.is_empty() => {
            let words = filter.words().ok_or_else(either)?;
            (Some(filter.check(user, &[])?.filter), words)
        }
        None if (1..=MOST_IDS).contains(&ids.len()) => (None, "chosen one by one".to_owned()),
        _ => return Err(either()),
    };
    let which = match &filter {
        Some(filter) => Which::Found(filter),
        None if crate::store::incidents::these(tx, &ids).await?.len() < ids.len() => return Err(Problem::NotFound),
        None => Which::These(&ids),
    };
    let frozen = New { bulk, words: &words, query: "", asked: Some(asked), undoes: None, which };
    if !app::bulk::freeze(tx, &by, &frozen, now).await.map_err(refused)? {
        // The same call at the same moment, or an id that is another's.
        return Err(Problem::Conflict("It is just being asked for. Try again in a second.".to_owned()));
    }
    let wish: Wish = new.change.into();
    app::bulk::start(tx, &state.queue, (&by, user), bulk, &wish, now).await.map_err(refused)
}

/// A job: what became of it in each tenant of the scope. Whoever made it sees it, and whoever sees one of its tenants. Analysts and better.
#[utoipa::path(get, path = "/jobs/{id}", tag = "queue", params(("id" = uuid::Uuid, Path, description = "The job")), responses(
    (status = OK, body = Job),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get(user: Bearer, Id(bulk): Id<BulkId>) -> Result<Json<Job>, Problem> {
    user.needs(Role::Analyst)?;
    let mut tx = user.begin().await?;
    let job = Job::read(&mut tx, &user, bulk).await?;
    tx.commit().await?;
    Ok(Json(job))
}
