//! The notes of an incident: written, pinned, shown.

use super::Back;
use crate::app::AppState;
use crate::app::acting::Refusal;
use crate::app::notes::{self, LONGEST, Written};
use crate::model::{IncidentId, NoteId, clock};
use crate::store;
use crate::store::notes::Note;
use crate::web::acting::refused;
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id, Posted, User};
use crate::web::scope::ScopedDb;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde::Deserialize;

/// So many of an incident's notes are shown, the latest.
pub const SHOWN: i64 = 200;

/// A character is at most four bytes, each written with three.
const BODY: usize = LONGEST * 12 + 4096;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/incidents/{id}/notes", post(add).layer(DefaultBodyLimit::max(BODY)))
        .route("/incidents/{id}/notes/{note}/pin", post(pin))
}

/// The form as the browser sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    note: NoteId,
    #[serde(default)]
    text: String,
    #[serde(default)]
    readers: Readers,
}

/// Who reads a note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readers {
    #[default]
    Internal,
    Shared,
}

impl Sent {
    fn written(&self) -> Written<'_> {
        Written { id: self.note, text: &self.text, shared: self.readers == Readers::Shared }
    }
}

/// The section of the page.
pub struct NotesPart {
    /// Where its form goes.
    pub path: String,
    /// The newest last.
    pub notes: Vec<Note>,
    /// There are older ones.
    pub more: bool,
    /// For who may write.
    pub form: Option<NoteForm>,
}

/// The form as the page shows it.
pub struct NoteForm {
    pub id: NoteId,
    pub text: String,
    /// The incident is shared: the note may be for the customer, too. `Some(true)`: that was chosen.
    pub share: Option<bool>,
    pub problem: Option<&'static str>,
}

impl NotesPart {
    /// `is_shared`: the customer sees the incident; `notes`: the newest first, one more than are shown if there is one.
    pub fn new(user: &User, (incident, is_shared): (IncidentId, bool), mut notes: Vec<Note>, back: Option<(Sent, &'static str)>) -> Self {
        let more = i64::try_from(notes.len()).is_ok_and(|there| there > SHOWN);
        if more {
            notes.pop();
        }
        notes.reverse();
        let chosen = back.as_ref().is_some_and(|(sent, _)| sent.readers == Readers::Shared);
        let (text, problem) = back.map_or_else(Default::default, |(sent, why)| (sent.text, Some(why)));
        let share = is_shared.then_some(chosen);
        let form = user.is_analyst().then(|| NoteForm { id: NoteId::new(), text, share, problem });
        Self { path: format!("/incidents/{incident}/notes"), notes, more, form }
    }

    /// Where a note is pinned.
    pub fn pin(&self, note: &NoteId) -> String {
        format!("{}/{note}/pin", self.path)
    }

    /// What the next shift must read.
    pub fn pinned(&self) -> Vec<&Note> {
        self.notes.iter().filter(|note| note.pinned).collect()
    }
}

async fn add(Analyst(user): Analyst, db: ScopedDb, Id(id): Id<IncidentId>, Posted(_, sent): Posted<Sent>) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let of = store::incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let outcome = notes::add(&mut tx, (&user.by(), &user.name), &of, sent.written(), clock::now()).await;
    let (status, why) = match outcome {
        Ok(()) => {
            tx.commit().await?;
            return Ok(Redirect::to(&format!("/incidents/{id}#note-{}", sent.note)).into_response());
        }
        Err(Refusal::Wrong(_, why)) => (StatusCode::UNPROCESSABLE_ENTITY, why),
        Err(Refusal::Reused) => (
            StatusCode::CONFLICT,
            "You have sent this form before, with another text: that note stands above. Save again to add this one too.",
        ),
        Err(other) => return Err(refused(other)),
    };
    drop(tx);
    Ok((status, super::page(&db, user, id, Back::Note(sent, why)).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    pinned: bool,
    back: Option<Origin>,
}

/// Another page that shows pinned notes, and has the form too.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Origin {
    Shift,
}

async fn pin(
    Analyst(user): Analyst,
    db: ScopedDb,
    Id((id, note)): Id<(IncidentId, NoteId)>,
    Posted(_, Pin { pinned, back }): Posted<Pin>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let of = store::incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    store::notes::get(&mut tx, of.tenant_id, note).await?.filter(|note| note.incident_id == id).ok_or(PageError::NotFound)?;
    store::notes::pin(&mut tx, &user.by(), &of, note, pinned).await?;
    tx.commit().await?;
    Ok(match back {
        Some(Origin::Shift) => Redirect::to("/shift#pinned"),
        None => Redirect::to(&format!("/incidents/{id}#note-{note}")),
    })
}
