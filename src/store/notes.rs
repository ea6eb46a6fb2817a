//! Notes on an incident, of our own people for one another. They are never changed and never sent to Microsoft.

use super::Scoped;
use super::audit::{self, By};
use super::incidents::Incident;
use crate::model::{CustomerId, IncidentId, NoteId, TenantId, UserId};
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
    /// The customer reads it, too, as long as the incident is shared with them.
    pub shared: bool,
    /// The customer's person who wrote it.
    pub customer_id: Option<CustomerId>,
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
    /// For the customer, too. Such a note is not written while the incident is not shared.
    pub shared: bool,
}

/// A note as the customer sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Shared {
    pub note_id: NoteId,
    pub author: String,
    pub text: String,
    /// One of the customer's own people wrote it.
    pub is_own: bool,
    pub created_at: DateTime<Utc>,
}

/// Writes a note down, with its audit row ("note.add", or "customer.note" of a customer's person; neither repeats the text). False: the id is known
/// already, or the note is shared and its incident is not, and nothing was written.
pub async fn add(tx: &mut Scoped, by: &By, of: &Incident, new: New<'_>, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into notes (tenant_id, note_id, incident_id, user_id, author, login, text, created_at, shared, customer_id)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
         where not $9 or exists (select from incident_shares where tenant_id = $1 and incident_id = $3)
         on conflict (tenant_id, note_id) do nothing",
    )
    .bind(of.tenant_id)
    .bind(new.id)
    .bind(of.incident_id)
    .bind(by.user())
    .bind(new.author)
    .bind(by.login())
    .bind(new.text)
    .bind(now)
    .bind(new.shared)
    .bind(by.customer())
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let mut after = json!({ "note": new.id, "incident": of.incident_id, "characters": new.text.chars().count() });
    if new.shared {
        after["shared"] = true.into();
    }
    let action = if by.customer().is_some() { "customer.note" } else { "note.add" };
    audit::record(tx, by.event(action).tenant(of.tenant_id).object(of.subject()).after(after)).await?;
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

/// The notes of a shared incident that the customer sees, the oldest first: at most the latest `limit`. None of an incident that is not shared.
pub async fn shared(tx: &mut Scoped, tenant: TenantId, incident: IncidentId, limit: i64) -> sqlx::Result<Vec<Shared>> {
    sqlx::query_as(
        "select * from (
             select n.note_id, n.author, n.text, n.customer_id is not null as is_own, n.created_at from notes as n
             join incident_shares as s on s.tenant_id = n.tenant_id and s.incident_id = n.incident_id
             where n.tenant_id = $1 and n.incident_id = $2 and n.shared
             order by n.created_at desc, n.note_id desc limit $3
         ) as latest order by created_at, note_id",
    )
    .bind(tenant)
    .bind(incident)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await
}
