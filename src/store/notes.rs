//! Notes on an incident, of our own people for one another. They are never changed and never sent to Microsoft.

use super::Scoped;
use super::audit::{self, By};
use super::incidents::Incident;
use crate::model::{IncidentId, NoteId, TenantId, UserId};
use chrono::{DateTime, Utc};
use serde_json::json;

/// One note.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Note {
    pub tenant_id: TenantId,
    pub note_id: NoteId,
    pub incident_id: IncidentId,
    pub user_id: Option<UserId>,
    /// The person's name when they wrote it.
    pub author: String,
    pub login: String,
    /// Plain text with its line breaks.
    pub text: String,
    /// For the next shift.
    pub pinned: bool,
    pub created_at: DateTime<Utc>,
}

/// A note about to be written.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// The form's or the caller's own.
    pub id: NoteId,
    /// The person's name.
    pub author: &'a str,
    /// 1 to 10,000 characters.
    pub text: &'a str,
}

/// Writes a note down, with its audit row ("note.add", which does not repeat the text). False: the id is known already, and nothing was
/// written.
pub async fn add(tx: &mut Scoped, by: &By, of: &Incident, new: New<'_>, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into notes (tenant_id, note_id, incident_id, user_id, author, login, text, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (tenant_id, note_id) do nothing",
    )
    .bind(of.tenant_id)
    .bind(new.id)
    .bind(of.incident_id)
    .bind(by.user())
    .bind(new.author)
    .bind(by.login())
    .bind(new.text)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let after = json!({ "note": new.id, "incident": of.incident_id, "characters": new.text.chars().count() });
    audit::record(tx, by.event("note.add").tenant(of.tenant_id).object(of.subject()).after(after)).await?;
    Ok(true)
}

/// Pins a note for the next shift or takes the pin away, with its audit row ("note.pin"). A note that is so already stays, without a row.
pub async fn pin(tx: &mut Scoped, by: &By, of: &Incident, note: NoteId, pinned: bool) -> sqlx::Result<()> {
    let done = sqlx::query("update notes set pinned = $4 where tenant_id = $1 and incident_id = $2 and note_id = $3 and pinned <> $4")
        .bind(of.tenant_id)
        .bind(of.incident_id)
        .bind(note)
        .bind(pinned)
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() == 1 {
        let event = by.event("note.pin").tenant(of.tenant_id).object(of.subject());
        let (before, after) = (json!({ "pinned": !pinned }), json!({ "note": note, "incident": of.incident_id, "pinned": pinned }));
        audit::record(tx, event.before(before).after(after)).await?;
    }
    Ok(())
}

/// One note of a tenant.
pub async fn get(tx: &mut Scoped, tenant: TenantId, note: NoteId) -> sqlx::Result<Option<Note>> {
    sqlx::query_as("select * from notes where tenant_id = $1 and note_id = $2").bind(tenant).bind(note).fetch_optional(&mut **tx).await
}

/// The notes of an incident, newest first: those before the one at `before`, at most `limit`.
pub async fn list(tx: &mut Scoped, tenant: TenantId, incident: IncidentId, before: Option<NoteId>, limit: i64) -> sqlx::Result<Vec<Note>> {
    sqlx::query_as(
        "select * from notes
         where tenant_id = $1 and incident_id = $2
           and ($3::uuid is null or (created_at, note_id) < (select created_at, note_id from notes where tenant_id = $1 and note_id = $3))
         order by created_at desc, note_id desc limit $4",
    )
    .bind(tenant)
    .bind(incident)
    .bind(before)
    .bind(limit)
    .persistent(false)
    .fetch_all(&mut **tx)
    .await
}
