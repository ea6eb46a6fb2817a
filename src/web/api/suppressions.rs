//! `/suppressions`: rules that hide alerts from the queue. They delete nothing and tell Microsoft nothing.

mod preview;

use super::acting::{id, refused};
use super::bearer::{Bearer, Body, Id, Query};
use super::listing::TenantRef;
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::app::acting::Refusal;
use crate::app::suppressions::{self as rules, Over, USUAL, Wish};
use crate::model::{Role, SuppressionId, TenantId, clock};
use crate::store::suppressions::{self, Rule};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, make)).merge(preview::routes()).routes(routes!(get, end))
}

/// A rule that hides alerts which have all of `detector`, `title` and `entity` that are given.
#[derive(Serialize, ToSchema)]
struct SuppressionRule {
    id: uuid::Uuid,
    /// The tenant it is for, where it is for one.
    tenant: Option<TenantRef>,
    /// The group it is for, whoever is in it.
    group: Option<String>,
    /// How many tenants it is for.
    tenants: i32,
    /// In lower case.
    detector: Option<String>,
    /// The whole title in any case; `*` stands for anything.
    title: Option<String>,
    /// `kind:value`
    entity: Option<String>,
    reason: String,
    /// The login of whoever made it.
    owner: String,
    made_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// Null with `ended_at`: it ran out.
    ended_by: Option<String>,
    /// Alerts that it has hidden, each counted once.
    hits: i64,
    last_hit_at: Option<DateTime<Utc>>,
    /// Some stored alerts are still to be hidden or brought back.
    pending: bool,
}

impl From<Rule> for SuppressionRule {
    fn from(of: Rule) -> Self {
        let tenant = of.tenant_id.map(|id| TenantRef { id: id.0, name: of.tenant_name.unwrap_or_default() });
        Self {
            id: of.suppression_id.0,
            tenant,
            group: of.group_name,
            tenants: of.tenants,
            detector: of.criteria.detector,
            title: of.criteria.title,
            entity: of.criteria.entity,
            reason: of.reason,
            owner: of.owner,
            made_at: of.made_at,
            expires_at: of.expires_at,
            ended_at: of.ended_at,
            ended_by: of.ended_by,
            hits: of.hits,
            last_hit_at: of.last_hit_at,
            pending: of.pending,
        }
    }
}

/// A page of rules.
#[derive(Serialize, ToSchema)]
struct RuleList {
    data: Vec<SuppressionRule>,
    /// Ask for the next page with it; null on the last page.
    next_cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RulesQuery {
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<uuid::Uuid>,
}

/// The rules whose tenants are all in scope: those in force first, then the latest.
#[utoipa::path(get, path = "/suppressions", tag = "queue", params(RulesQuery), responses(
    (status = OK, body = RuleList),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer, Query(query): Query<RulesQuery>) -> Result<Json<RuleList>, Problem> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", "must be a number from 1 to 200"));
    }
    let mut tx = user.begin().await?;
    let mut rows = suppressions::list(&mut tx, query.cursor.map(SuppressionId), limit + 1).await?;
    tx.commit().await?;
    let more = i64::try_from(rows.len()).is_ok_and(|rows| rows > limit);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|last| last.suppression_id.to_string());
    Ok(Json(RuleList { data: rows.into_iter().map(SuppressionRule::from).collect(), next_cursor }))
}

/// What is to be hidden: of `tenant` and `group` one, of the others at least one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Hide {
    tenant: Option<uuid::Uuid>,
    /// A group of which every tenant is in scope.
    group: Option<String>,
    /// Microsoft's id of the detection rule.
    #[serde(default)]
    detector: String,
    /// The whole title in any case; `*` stands for anything.
    #[serde(default)]
    title: String,
    /// `kind:value`, such as user:ada@example.com
    #[serde(default)]
    entity: String,
}

impl Hide {
    fn wish(&self) -> Result<Wish<'_>, Problem> {
        let over = match (self.tenant, &self.group) {
            (Some(tenant), None) => Over::Tenant(TenantId(tenant)),
            (None, Some(group)) => Over::Group(group.clone()),
            _ => return Err(Problem::field("tenant", "Give either tenant or group.")),
        };
        Ok(Wish { over, detector: &self.detector, title: &self.title, entity: &self.entity })
    }
}

fn not_there(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NoTenant => Problem::field("tenant", "There is no such tenant or group in the token's scope."),
        other => refused(other),
    }
}

/// A rule about to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSuppression {
    tenant: Option<uuid::Uuid>,
    /// A group of which every tenant is in scope.
    group: Option<String>,
    #[serde(default)]
    detector: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    entity: String,
    /// 1 to 1,000 characters.
    reason: String,
    /// 1 to 365; 30 if it is left out.
    days: Option<i64>,
    /// From the answer of `POST /suppressions/preview` to just this tenant or group, detector, title and entity.
    previewed: String,
}

/// Makes a rule that was previewed. Leads and better. Takes `Idempotency-Key`.
#[utoipa::path(post, path = "/suppressions", tag = "queue", request_body = NewSuppression, responses(
    (status = CREATED, body = SuppressionRule),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn make(
    user: Bearer,
    State(state): State<AppState>,
    headers: HeaderMap,
    Body(new): Body<NewSuppression>,
) -> Result<(StatusCode, Json<SuppressionRule>), Problem> {
    user.needs(Role::Lead)?;
    let rule = SuppressionId(id(&user, &headers)?.0);
    let NewSuppression { tenant, group, detector, title, entity, reason, days, previewed } = new;
    let hide = Hide { tenant, group, detector, title, entity };
    let wish = hide.wish()?;
    let mut tx = user.begin().await?;
    let seen = |fingerprint: &str| fingerprint == previewed;
    let lasting = (reason.as_str(), days.unwrap_or(USUAL));
    rules::make(&mut tx, &state.db, (&user.by(), &user.scope), rule, (&wish, seen), lasting, clock::now()).await.map_err(not_there)?;
    let made = suppressions::get(&mut tx, rule).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// One rule.
#[utoipa::path(get, path = "/suppressions/{id}", tag = "queue", params(("id" = uuid::Uuid, Path, description = "The rule")), responses(
    (status = OK, body = SuppressionRule),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get(user: Bearer, Id(rule): Id<SuppressionId>) -> Result<Json<SuppressionRule>, Problem> {
    let mut tx = user.begin().await?;
    let found = suppressions::get(&mut tx, rule).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(found.into()))
}

/// Ends a rule: what it hides comes back. One that has ended stays as it is. Leads and better.
#[utoipa::path(delete, path = "/suppressions/{id}", tag = "queue", params(("id" = uuid::Uuid, Path, description = "The rule")), responses(
    (status = OK, body = SuppressionRule),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn end(user: Bearer, Id(rule): Id<SuppressionId>) -> Result<Json<SuppressionRule>, Problem> {
    user.needs(Role::Lead)?;
    let mut tx = user.begin().await?;
    let found = suppressions::get(&mut tx, rule).await?.ok_or(Problem::NotFound)?;
    rules::end(&mut tx, &user.by(), &found, clock::now()).await.map_err(refused)?;
    let ended = suppressions::get(&mut tx, rule).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok(Json(ended.into()))
}
