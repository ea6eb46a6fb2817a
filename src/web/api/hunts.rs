//! `/hunts`: a hunting query over one, several or all tenants, what became of it in each, and the rows.

use super::bearer::{Bearer, Body, Id, Query};
use super::listing::TenantRef;
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::app::hunts::{self, Over, Refusal, Wish};
use crate::model::{HuntApi, HuntId, Role, TenantId, clock};
use crate::store;
use crate::store::hunts::{Hunt, Part};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The most rows of one answer.
const MOST: usize = 200;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(start, list)).routes(routes!(get, cancel))
}

/// A query, and the tenants to run it in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewHunt {
    /// In Kusto; at most 10,000 characters.
    query: String,
    /// The query's first line, if there is none.
    #[serde(default)]
    title: String,
    /// These tenants.
    #[serde(default)]
    tenants: Vec<uuid::Uuid>,
    /// Every tenant in scope that is read; then without `tenants` and `group`.
    #[serde(default)]
    all: bool,
    /// Those of this group.
    group: Option<String>,
    /// auto (default), graph, defender_xdr, defender_endpoint
    api: Option<String>,
    /// ISO 8601, such as `P7D`; it reaches Graph only.
    timespan: Option<String>,
}

/// A hunt as the token's user may see it.
#[derive(Serialize, ToSchema)]
struct HuntBody {
    id: uuid::Uuid,
    title: String,
    query: String,
    /// auto, graph, defender_xdr, defender_endpoint
    api: String,
    timespan: Option<String>,
    /// The login of whoever ran it.
    asked_by: String,
    asked_at: DateTime<Utc>,
    /// Whether something may still happen.
    running: bool,
    /// cancelled or refused: what had not begun will not begin.
    stopped: Option<String>,
    reason: Option<String>,
    /// Over how many tenants it was started.
    tenants: i32,
    /// How many of those in scope have answered.
    answered: i64,
    rows: i64,
}

impl From<Hunt> for HuntBody {
    fn from(of: Hunt) -> Self {
        Self {
            id: of.hunt_id.0,
            running: of.is_running(),
            title: of.title,
            query: of.query,
            api: of.api.to_string(),
            timespan: of.timespan,
            asked_by: of.actor,
            asked_at: of.asked_at,
            stopped: of.stopped,
            reason: of.stop_reason,
            tenants: of.tenants,
            answered: of.answered,
            rows: of.row_count,
        }
    }
}

/// A hunt in one tenant.
#[derive(Serialize, ToSchema)]
struct Outcome {
    tenant: TenantRef,
    /// waiting, running, ok, no_such_table, no_permission, no_licence, throttled, quota, time_out, too_large, refused, failed, cancelled
    outcome: String,
    /// What was asked: graph.hunting.run, xdr.hunting.run, endpoint.query.run
    operation: Option<String>,
    rows: i32,
    /// Microsoft's cap of 100,000 rows was reached.
    truncated: bool,
    /// `[{name, type}]`
    columns: Value,
    stats: Option<Value>,
    reason: Option<String>,
    remedy: Option<&'static str>,
    tries: i32,
    /// Microsoft asked to wait until then.
    not_before: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<&Part> for Outcome {
    fn from(of: &Part) -> Self {
        Self {
            tenant: TenantRef { id: of.tenant_id.0, name: of.tenant_name.clone() },
            outcome: of.outcome.to_string(),
            operation: of.operation.clone(),
            rows: of.row_count,
            truncated: of.truncated,
            columns: serde_json::to_value(&of.columns.0).unwrap_or_default(),
            stats: of.stats.clone(),
            reason: of.reason.clone(),
            remedy: of.outcome.remedy(),
            tries: of.tries,
            not_before: of.not_before,
            ended_at: of.ended_at,
        }
    }
}

/// A row, with the tenant it was found in.
#[derive(Serialize, ToSchema)]
struct Row {
    tenant: TenantRef,
    /// As Microsoft wrote it, by column.
    row: Value,
}

/// A hunt with its outcomes and a page of its rows.
#[derive(Serialize, ToSchema)]
struct HuntDetail {
    #[serde(flatten)]
    hunt: HuntBody,
    outcomes: Vec<Outcome>,
    /// Every column that any tenant answered.
    columns: Value,
    data: Vec<Row>,
    /// Ask for the next rows with it; null on the last page.
    next_cursor: Option<String>,
}

/// Runs a query in tenants of the scope: 202 at once, and `GET /hunts/{id}` tells the rest. Analysts and better.
#[utoipa::path(post, path = "/hunts", tag = "hunting", request_body = NewHunt, responses(
    (status = ACCEPTED, body = HuntBody),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn start(user: Bearer, State(state): State<AppState>, Body(new): Body<NewHunt>) -> Result<(StatusCode, Json<HuntBody>), Problem> {
    user.needs(Role::Analyst)?;
    let api = new.api.as_deref().map_or(Ok(HuntApi::Auto), str::parse);
    let api = api.map_err(|_| Problem::field("api", "must be auto, graph, defender_xdr or defender_endpoint"))?;
    let over = match (new.all, new.group, new.tenants.is_empty()) {
        (true, None, true) => Over::All,
        (false, Some(group), true) => Over::Group(group),
        (false, None, false) => Over::These(new.tenants.into_iter().map(TenantId).collect()),
        _ => return Err(Problem::field("tenants", "give either tenants, or group, or all")),
    };
    let wish = Wish { title: &new.title, query: &new.query, api, timespan: new.timespan.as_deref(), over };
    let hunt = hunts::start(&state.db, &state.queue, &user.scope, &user.by(), &wish, clock::now()).await.map_err(refused)?;
    let mut tx = user.begin().await?;
    let started = store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(started.into())))
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Field(field, message) => Problem::field(field, message),
        Refusal::NoTenant => Problem::field("tenants", "There is no such tenant in the token's scope."),
        Refusal::TooMany(wait) => Problem::TooMany(hunts::TOO_MANY.to_owned(), wait),
        Refusal::Failed(error) => Problem::Internal(error),
    }
}

/// Which hunts are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HuntsQuery {
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<DateTime<Utc>>,
}

/// A page of hunts.
#[derive(Serialize, ToSchema)]
struct HuntList {
    data: Vec<HuntBody>,
    next_cursor: Option<String>,
}

/// The user's own hunts, and those of others over tenants that are all in scope; newest first, of the last 30 days. Analysts and better.
#[utoipa::path(get, path = "/hunts", tag = "hunting", params(HuntsQuery), responses(
    (status = OK, body = HuntList),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer, Query(query): Query<HuntsQuery>) -> Result<Json<HuntList>, Problem> {
    user.needs(Role::Analyst)?;
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", "must be a number from 1 to 200"));
    }
    let mut tx = user.begin().await?;
    let hunts = store::hunts::recent(&mut tx, user.id, query.cursor, limit).await?;
    tx.commit().await?;
    let full = i64::try_from(hunts.len()).is_ok_and(|n| n == limit);
    let next_cursor = if full { hunts.last().map(|hunt| hunt.asked_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)) } else { None };
    Ok(Json(HuntList { data: hunts.into_iter().map(HuntBody::from).collect(), next_cursor }))
}

/// Which rows of a hunt.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RowsQuery {
    /// Rows: 0 to 200 (default)
    #[param(minimum = 0, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<usize>,
}

/// A hunt: its outcome in each tenant of the scope, and its rows, a page at a time. Analysts and better.
#[utoipa::path(get, path = "/hunts/{id}", tag = "hunting", params(("id" = uuid::Uuid, Path, description = "The hunt"), RowsQuery), responses(
    (status = OK, body = HuntDetail),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get(user: Bearer, Id(hunt): Id<HuntId>, Query(query): Query<RowsQuery>) -> Result<Json<HuntDetail>, Problem> {
    user.needs(Role::Analyst)?;
    let (limit, skip) = (query.limit.unwrap_or(MOST), query.cursor.unwrap_or(0));
    if limit > MOST {
        return Err(Problem::field("limit", "must be a number from 0 to 200"));
    }
    let mut tx = user.begin().await?;
    let hunt = store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(Problem::NotFound)?;
    let parts = store::hunts::parts(&mut tx, hunt.hunt_id).await?;
    let rows = store::hunt_rows::page(&mut tx, hunt.hunt_id, &parts, skip, limit).await?;
    tx.commit().await?;
    let next = skip.saturating_add(rows.len());
    let more = i64::try_from(next).is_ok_and(|next| next < hunt.row_count) && !rows.is_empty();
    let tenant = |part: usize| TenantRef { id: parts[part].tenant_id.0, name: parts[part].tenant_name.clone() };
    Ok(Json(HuntDetail {
        outcomes: parts.iter().map(Outcome::from).collect(),
        columns: serde_json::to_value(store::hunts::columns(&parts))?,
        data: rows.into_iter().map(|(part, row)| Row { tenant: tenant(part), row }).collect(),
        next_cursor: more.then(|| next.to_string()),
        hunt: hunt.into(),
    }))
}

/// Cancels a hunt: what has not begun will not begin. Analysts and better.
#[utoipa::path(delete, path = "/hunts/{id}", tag = "hunting", params(("id" = uuid::Uuid, Path, description = "The hunt")), responses(
    (status = OK, body = HuntBody),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn cancel(user: Bearer, Id(hunt): Id<HuntId>) -> Result<Json<HuntBody>, Problem> {
    user.needs(Role::Analyst)?;
    let mut tx = user.begin().await?;
    store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(Problem::NotFound)?;
    store::hunts::cancel(&mut tx, &user.by(), hunt, clock::now()).await?;
    let hunt = store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(hunt.into()))
}
