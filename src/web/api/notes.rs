//! `/incidents/{id}/notes`: what our people wrote down about an incident for one another. Nothing of it goes to Microsoft.

use super::acting::{id, refused};
use super::bearer::{Bearer, Body, Id, Query};
use super::problem::{Problem, ProblemBody};
use crate::app::AppState;
use crate::app::notes::{self, Written};
use crate::model::{IncidentId, NoteId, Role, clock};
use crate::store;
use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The calls of this group.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, add))
}

/// A note on an incident.
#[derive(Serialize, ToSchema)]
struct Note {
    id: uuid::Uuid,
    incident_id: uuid::Uuid,
    /// The name of whoever wrote it.
    author: String,
    login: String,
    /// Plain text with its line breaks.
    text: String,
    /// For the next shift.
    pinned: bool,
    created_at: DateTime<Utc>,
}

impl From<store::notes::Note> for Note {
    fn from(of: store::notes::Note) -> Self {
        let store::notes::Note { note_id, incident_id, author, login, text, pinned, created_at, .. } = of;
        Self { id: note_id.0, incident_id: incident_id.0, author, login, text, pinned, created_at }
    }
}

/// A page of notes.
#[derive(Serialize, ToSchema)]
struct Notes {
    data: Vec<Note>,
    /// Ask for the next page with it; null on the last page.
    next_cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct NotesQuery {
    /// 1 to 200
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<uuid::Uuid>,
}

/// The notes of an incident, newest first.
#[utoipa::path(get, path = "/incidents/{id}/notes", tag = "queue", params(("id" = uuid::Uuid, Path, description = "The incident"), NotesQuery), responses(
    (status = OK, body = Notes),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list(user: Bearer, Id(incident): Id<IncidentId>, Query(query): Query<NotesQuery>) -> Result<Json<Notes>, Problem> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", "must be a number from 1 to 200"));
    }
    let mut tx = user.begin().await?;
    let of = store::incidents::get(&mut tx, incident).await?.ok_or(Problem::NotFound)?;
    let mut rows = store::notes::list(&mut tx, of.tenant_id, incident, query.cursor.map(NoteId), limit + 1).await?;
    tx.commit().await?;
    let more = i64::try_from(rows.len()).is_ok_and(|rows| rows > limit);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|last| last.note_id.to_string());
    Ok(Json(Notes { data: rows.into_iter().map(Note::from).collect(), next_cursor }))
}

/// A note about to be written.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNote {
    /// Plain text, 1 to 10,000 characters.
    text: String,
}

/// Writes a note. Analysts and better. Takes `Idempotency-Key`.
#[utoipa::path(post, path = "/incidents/{id}/notes", tag = "queue", params(("id" = uuid::Uuid, Path, description = "The incident")), request_body = NewNote, responses(
    (status = CREATED, body = Note),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn add(
    user: Bearer,
    Id(incident): Id<IncidentId>,
    headers: HeaderMap,
    Body(new): Body<NewNote>,
) -> Result<(StatusCode, Json<Note>), Problem> {
    user.needs(Role::Analyst)?;
    let note = NoteId(id(&user, &headers)?.0);
    let mut tx = user.begin().await?;
    let of = store::incidents::get(&mut tx, incident).await?.ok_or(Problem::NotFound)?;
    let written = Written { id: note, text: &new.text, shared: false };
    notes::add(&mut tx, (&user.by(), &user.name), &of, written, clock::now()).await.map_err(refused)?;
    let written = store::notes::get(&mut tx, of.tenant_id, note).await?.ok_or(Problem::NotFound)?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(written.into())))
}
