//! `/tenants/{id}/cloud-apps/…`: changes of Defender for Cloud Apps. Each is written down and sent by a job: the answer is 202 with the
//! change, and `GET /changes/{id}` tells what became of it. All take `Idempotency-Key`. What only reads is asked by
//! `POST /tenants/{id}/lookups`.

use super::acting::{accepted, id, refused};
use super::bearer::{Bearer, Body, Id, Query};
use super::changes::Change;
use super::problem::{Problem, ProblemBody};
use crate::app::cloud_apps::{self, Inbox};
use crate::app::{AppState, acting};
use crate::model::cloud_apps::{ActivityFeedback, Closing, Feedback, Range, Upload, Verdict, is_id};
use crate::model::{AlertId, ChangeId, Role, TenantId};
use crate::store::changes::New;
use axum::Json;
use axum::body::HttpBody;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::pin::Pin;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(close))
        .routes(routes!(read))
        .routes(routes!(unread))
        .routes(routes!(feedback))
        .routes(routes!(create_range))
        .routes(routes!(update_range, delete_range))
        .routes(routes!(upload))
}

type Answer = Result<(StatusCode, Json<Change>), Problem>;

/// Writes a change down and answers with it.
async fn intend(user: &Bearer, state: &AppState, (tenant, change): (TenantId, ChangeId), new: &New<'_>) -> Answer {
    let mut tx = user.begin().await?;
    let outcome = acting::want(&mut tx, &state.queue, &user.by(), tenant, change, new).await;
    accepted(tx, outcome, change).await
}

/// What Microsoft is told about its detection.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewFeedback {
    text: String,
    /// Where Microsoft may ask back.
    contact_email: Option<String>,
}

impl From<NewFeedback> for Feedback {
    fn from(new: NewFeedback) -> Self {
        Self { text: new.text, contact: new.contact_email.filter(|mail| !mail.is_empty()) }
    }
}

/// Alerts to be closed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Close {
    /// Ids of Watchfloor's; at least one, at most 100.
    alerts: Vec<uuid::Uuid>,
    /// benign, false_positive, true_positive
    verdict: String,
    /// benign: 2, 4, 5, 6; `false_positive`: 0, 1, 3, 4; `true_positive`: none.
    reason_id: Option<i64>,
    #[serde(default)]
    comment: String,
    feedback: Option<NewFeedback>,
}

/// Closes alerts of Defender for Cloud Apps, in one call to Microsoft. Analysts and better.
#[utoipa::path(post, path = "/tenants/{id}/cloud-apps/alerts/close", tag = "cloud apps", params(("id" = uuid::Uuid, Path, description = "The tenant")), request_body = Close, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn close(
    user: Bearer,
    State(state): State<AppState>,
    Id(tenant): Id<TenantId>,
    headers: HeaderMap,
    Body(new): Body<Close>,
) -> Answer {
    user.needs(Role::Analyst)?;
    let change = id(&user, &headers)?;
    let ids: Vec<AlertId> = new.alerts.into_iter().map(AlertId).collect();
    let verdict: Verdict = new.verdict.parse().map_err(|_| Problem::field("verdict", "It is benign, false_positive or true_positive."))?;
    let alerts = cloud_apps::alerts_of(&state.db, &user.scope, tenant, &ids).await.map_err(refused)?.ok_or(Problem::NotFound)?;
    let external: Vec<String> = alerts.iter().map(|alert| alert.external_id.clone()).collect();
    let closing = Closing::new(external, verdict, new.reason_id, &new.comment, new.feedback.map(Feedback::from));
    let closing = closing.map_err(|why| Problem::field("alerts", why))?;
    let args: Vec<&str> = closing.ids().iter().map(String::as_str).collect();
    let (subject, request) = (cloud_apps::subject(&alerts), Some(closing.body()));
    let comment = Some(new.comment.as_str()).filter(|comment| !comment.is_empty());
    let new = New { operation: verdict.operation(), args: &args, subject: &subject, request, comment };
    intend(&user, &state, (tenant, change), &new).await
}

/// Marks an alert as read. Analysts and better.
#[utoipa::path(post, path = "/tenants/{id}/cloud-apps/alerts/{alert}/read", tag = "cloud apps", params(("id" = uuid::Uuid, Path), ("alert" = uuid::Uuid, Path)), responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn read(user: Bearer, State(state): State<AppState>, Id(at): Id<(TenantId, AlertId)>, headers: HeaderMap) -> Answer {
    mark(&user, &state, at, &headers, "cloud_apps.alerts.read").await
}

/// Marks an alert as unread. Analysts and better.
#[utoipa::path(post, path = "/tenants/{id}/cloud-apps/alerts/{alert}/unread", tag = "cloud apps", params(("id" = uuid::Uuid, Path), ("alert" = uuid::Uuid, Path)), responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn unread(user: Bearer, State(state): State<AppState>, Id(at): Id<(TenantId, AlertId)>, headers: HeaderMap) -> Answer {
    mark(&user, &state, at, &headers, "cloud_apps.alerts.unread").await
}

async fn mark(user: &Bearer, state: &AppState, (tenant, alert): (TenantId, AlertId), headers: &HeaderMap, operation: &str) -> Answer {
    user.needs(Role::Analyst)?;
    let change = id(user, headers)?;
    let alerts = cloud_apps::alerts_of(&state.db, &user.scope, tenant, &[alert]).await.map_err(refused)?.ok_or(Problem::NotFound)?;
    let [alert] = &alerts[..] else { return Err(Problem::NotFound) };
    let new = New { operation, args: &[&alert.external_id], subject: &alert.title, request: None, comment: None };
    intend(user, state, (tenant, change), &new).await
}

/// Feedback on an activity.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OnActivity {
    /// A number of Microsoft's; its sample says "0".
    value: String,
    text: String,
    contact_email: Option<String>,
}

/// Sends feedback on an activity, by Microsoft's id. Analysts and better.
#[utoipa::path(post, path = "/tenants/{id}/cloud-apps/activities/{activity}/feedback", tag = "cloud apps", params(("id" = uuid::Uuid, Path), ("activity" = String, Path)), request_body = OnActivity, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn feedback(
    user: Bearer,
    State(state): State<AppState>,
    Id((tenant, activity)): Id<(TenantId, String)>,
    headers: HeaderMap,
    Body(new): Body<OnActivity>,
) -> Answer {
    user.needs(Role::Analyst)?;
    let change = id(&user, &headers)?;
    if !is_id(&activity) {
        return Err(Problem::NotFound);
    }
    let feedback = Feedback { text: new.text, contact: new.contact_email.filter(|mail| !mail.is_empty()) };
    let request = ActivityFeedback::new(&new.value, feedback).map_err(|why| Problem::field("text", why))?.body();
    let subject = format!("Activity {activity}");
    let new =
        New { operation: "cloud_apps.activities.feedback", args: &[&activity], subject: &subject, request: Some(request), comment: None };
    intend(&user, &state, (tenant, change), &new).await
}

/// A range of IP addresses, whole: an update blanks what it leaves out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRange {
    /// No other range of the tenant has it.
    name: String,
    /// 1 corporate, 2 administrative, 3 risky, 4 VPN, 5 cloud provider, 6 other
    category: i64,
    /// Networks such as `192.0.2.0/24`.
    subnets: Vec<String>,
    #[serde(default)]
    organization: String,
    #[serde(default)]
    tags: Vec<String>,
}

impl NewRange {
    fn check(&self) -> Result<Range, Problem> {
        Range::new(&self.name, self.category, &self.subnets.join("\n"), &self.organization, &self.tags.join("\n"))
            .map_err(|wrong| Problem::fields(wrong.into_iter()))
    }
}

/// Adds a range of IP addresses. Leads and administrators.
#[utoipa::path(post, path = "/tenants/{id}/cloud-apps/ranges", tag = "cloud apps", params(("id" = uuid::Uuid, Path)), request_body = NewRange, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_range(
    user: Bearer,
    State(state): State<AppState>,
    Id(tenant): Id<TenantId>,
    headers: HeaderMap,
    Body(new): Body<NewRange>,
) -> Answer {
    user.needs(Role::Lead)?;
    let change = id(&user, &headers)?;
    let range = new.check()?;
    let new = New { operation: "cloud_apps.subnets.create", args: &[], subject: range.name(), request: Some(range.body()), comment: None };
    intend(&user, &state, (tenant, change), &new).await
}

/// Replaces a range of IP addresses, by Microsoft's id. Leads and administrators.
#[utoipa::path(put, path = "/tenants/{id}/cloud-apps/ranges/{range}", tag = "cloud apps", params(("id" = uuid::Uuid, Path), ("range" = String, Path)), request_body = NewRange, responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_range(
    user: Bearer,
    State(state): State<AppState>,
    Id((tenant, range)): Id<(TenantId, String)>,
    headers: HeaderMap,
    Body(new): Body<NewRange>,
) -> Answer {
    user.needs(Role::Lead)?;
    let change = id(&user, &headers)?;
    if !is_id(&range) {
        return Err(Problem::NotFound);
    }
    let (args, new) = ([range.as_str()], new.check()?);
    let new = New { operation: "cloud_apps.subnets.update", args: &args, subject: new.name(), request: Some(new.body()), comment: None };
    intend(&user, &state, (tenant, change), &new).await
}

/// Deletes a range of IP addresses, by Microsoft's id. Leads and administrators.
#[utoipa::path(delete, path = "/tenants/{id}/cloud-apps/ranges/{range}", tag = "cloud apps", params(("id" = uuid::Uuid, Path), ("range" = String, Path)), responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_range(
    user: Bearer,
    State(state): State<AppState>,
    Id((tenant, range)): Id<(TenantId, String)>,
    headers: HeaderMap,
) -> Answer {
    user.needs(Role::Lead)?;
    let change = id(&user, &headers)?;
    if !is_id(&range) {
        return Err(Problem::NotFound);
    }
    let subject = format!("Range {range}");
    let new = New { operation: "cloud_apps.subnets.delete", args: &[&range], subject: &subject, request: None, comment: None };
    intend(&user, &state, (tenant, change), &new).await
}

/// What a log is.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Log {
    /// Its name.
    filename: String,
    /// Microsoft's word for its kind, such as `SQUID`.
    source: String,
    /// The data source it belongs to, or the name of the snapshot report.
    stream: String,
    /// Make a snapshot report of it.
    #[serde(default)]
    snapshot: bool,
}

/// Uploads a log to cloud discovery: the body is the file, at most 64 MiB. Leads and administrators.
#[utoipa::path(post, path = "/tenants/{id}/cloud-apps/discovery/uploads", tag = "cloud apps", params(("id" = uuid::Uuid, Path), Log), request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = ACCEPTED, body = Change),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn upload(
    user: Bearer,
    State(state): State<AppState>,
    Id(tenant): Id<TenantId>,
    Query(log): Query<Log>,
    headers: HeaderMap,
    mut body: axum::body::Body,
) -> Answer {
    user.needs(Role::Lead)?;
    let change = id(&user, &headers)?;
    let upload = Upload::new(&log.filename, &log.source, &log.stream, log.snapshot);
    let upload = upload.map_err(|(field, why)| Problem::field(if field == "file" { "filename" } else { field }, why))?;
    let mut inbox = Inbox::open(&state.db, &user.scope, tenant, change).await.map_err(refused)?;
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| Problem::BadRequest("The body broke off.".to_owned()))?;
        if let Ok(bytes) = frame.into_data() {
            inbox.take(&bytes).await.map_err(refused)?;
        }
    }
    let mut tx = user.begin().await?;
    let outcome = inbox.end(&mut tx, &state.queue, &user.by(), &upload).await;
    accepted(tx, outcome, change).await
}
