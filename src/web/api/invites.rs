//! `/tenants/{id}/invites`: links for customers.

use super::bearer::{Bearer, Id};
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::app::onboarding::{self, Desk};
use crate::model::{Role, TenantId, TenantState, clock};
use crate::store::{self, tickets};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create))
}

/// A link to a tenant's onboarding page. It is shown once: only its hash is kept.
#[derive(Serialize, ToSchema)]
struct Invite {
    /// The page to send to the customer.
    url: String,
    expires_at: DateTime<Utc>,
    /// Where the page leads, an app each. They count only in a browser that has opened `url`.
    consents: Vec<Consent>,
}

/// Microsoft's consent link of one app.
#[derive(Serialize, ToSchema)]
struct Consent {
    app: String,
    url: String,
}

/// What a link asks for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvite {
    /// Some of the tenant's apps, for instance those to be consented to again; all of them if absent.
    apps: Option<Vec<String>>,
}

/// Makes a link for the customer, and ends the older ones. The body may be left out. Leads and administrators.
#[utoipa::path(post, path = "/tenants/{id}/invites", tag = "tenants", params(("id" = uuid::Uuid, Path, description = "The tenant")),
    request_body(content = Option<NewInvite>), responses(
    (status = CREATED, body = Invite),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create(
    user: Bearer,
    State(desk): State<Desk>,
    Id(tenant): Id<TenantId>,
    body: Bytes,
) -> Result<(StatusCode, Json<Invite>), Problem> {
    user.needs(Role::Lead)?;
    let unreadable = |error: serde_json::Error| Problem::BadRequest(format!("The body cannot be read: {error}."));
    let new: Option<NewInvite> = if body.is_empty() { None } else { serde_json::from_slice(&body).map_err(unreadable)? };
    let (now, by) = (clock::now(), user.by());
    let mut tx = user.begin().await?;
    let row = store::tenants::get(&mut tx, tenant).await?.ok_or(Problem::NotFound)?;
    if row.state == TenantState::Offboarded {
        return Err(Problem::Conflict("An offboarded tenant cannot be invited.".to_owned()));
    }
    let apps = onboarding::chosen(&row, new.unwrap_or_default().apps).map_err(|why| Problem::field("apps", why.to_owned()))?;
    let ticket = tickets::mint(tenant)?;
    let invite = store::invites::create(&mut tx, &by, tenant, &ticket, apps.as_deref(), now).await?;
    let links = onboarding::links(&desk, &mut tx, &by, &row, (&invite, &ticket), now).await?;
    tx.commit().await?;
    let url = desk.config.public_url.join(&format!("/onboard/{}", ticket.text))?.into();
    let consents = links.into_iter().map(|(app, url)| Consent { app, url: url.into() }).collect();
    Ok((StatusCode::CREATED, Json(Invite { url, expires_at: invite.expires_at, consents })))
}
