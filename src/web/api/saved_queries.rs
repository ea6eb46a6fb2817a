//! `/saved-queries`: hunting queries kept for later.

use super::bearer::Bearer;
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::model::Role;
use crate::store;
use axum::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A query kept for later.
#[derive(Serialize, ToSchema)]
struct SavedQuery {
    id: uuid::Uuid,
    name: String,
    description: String,
    query: String,
    /// Everybody who hunts sees it.
    team: bool,
    author: String,
    updated_at: DateTime<Utc>,
}

/// The queries kept for later.
#[derive(Serialize, ToSchema)]
struct SavedList {
    data: Vec<SavedQuery>,
}

/// The team's saved queries and the user's own. Analysts and better.
#[utoipa::path(get, path = "/saved-queries", tag = "hunting", responses(
    (status = OK, body = SavedList),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer) -> Result<Json<SavedList>, Problem> {
    user.needs(Role::Analyst)?;
    let mut tx = user.begin().await?;
    let queries = store::saved_queries::list(&mut tx, user.id).await?;
    tx.commit().await?;
    let data = queries.into_iter().map(|of| SavedQuery {
        id: of.query_id.0,
        name: of.name,
        description: of.description,
        query: of.query,
        team: of.team,
        author: of.author,
        updated_at: of.updated_at,
    });
    Ok(Json(SavedList { data: data.collect() }))
}
