//! What a change of shift asks for: what was read since a time, the notes that are pinned, who has how much to do, and how long it took.
//!
//! All of it is of the transaction's scope without offboarded tenants. What changed leaves out what rules hide; what was done counts it,
//! as the days of the overview do.

mod times;
mod work;

use super::Scoped;
use super::incidents::IncidentEvent;
use super::lists::HISTORY;
use crate::model::{IncidentId, NoteId, Severity, Status, TenantId};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use uuid::Uuid;

pub use times::{Lasted, acknowledged, resolved};
pub use work::{Changes, OWNERS, Open, Resolved, changes, open, resolved_by};

/// Of what was read since a time, so many events are looked at, the newest.
pub const EVENTS: i64 = 10_000;
/// So many incidents that changed are told.
pub const INCIDENTS: i64 = 20;
/// Of each of them so many events, the newest.
pub const EVENTS_OF_ONE: i64 = 8;
/// So many pinned notes are told.
pub const NOTES: i64 = 50;

/// How many incidents something happened to; each is counted once for each thing, however often it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Sums {
    /// With any change at all.
    pub changed: i64,
    /// Read for the first time.
    pub opened: i64,
    /// Nobody's before, then somebody's.
    pub taken: i64,
    /// To a higher severity.
    pub raised: i64,
    pub resolved: i64,
    /// Resolved before, then open.
    pub reopened: i64,
}

/// An incident that changed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Changed {
    pub tenant_id: TenantId,
    pub tenant_name: String,
    pub incident_id: IncidentId,
    /// Microsoft's id.
    pub external_id: String,
    pub title: String,
    pub severity: Severity,
    pub status: Status,
    /// Microsoft's word for the status.
    pub status_raw: String,
    pub assigned_to: Option<String>,
    /// Microsoft's time of the latest of the changes.
    pub latest: DateTime<Utc>,
}

/// What was read since a time.
#[derive(Clone, Debug, Default)]
pub struct News {
    pub sums: Sums,
    /// Open ones first, then the worst, then the latest; at most [`INCIDENTS`].
    pub incidents: Vec<Changed>,
    /// More than [`EVENTS`] were read; the sums are of the newest.
    pub cut: bool,
}

/// The least id of what is written down in this millisecond or later: events are named by the time at which they are written (UUID v7).
fn first_id(at: DateTime<Utc>) -> Uuid {
    Uuid::from_u128(u128::try_from(at.timestamp_millis()).unwrap_or(0) << 80)
}

/// A row of [`news`].
#[derive(sqlx::FromRow)]
struct Placed {
    #[sqlx(flatten)]
    incident: Changed,
    #[sqlx(flatten)]
    sums: Sums,
}

/// What was read since a time, and is not dated more than [`HISTORY`] before it.
pub async fn news(tx: &mut Scoped, since: DateTime<Utc>) -> sqlx::Result<News> {
    // The events' index holds all that is asked of them.
    let rows: Vec<Placed> = sqlx::query_as(
        "with read as materialized (
             select incident_id, meaning, at from incident_events
             where event_id >= $1 and at >= $2 order by event_id desc limit $3
         ), happened as (
             select incident_id, max(at) as latest, bit_or(meaning) as meaning from read group by incident_id
         ), changed as materialized (
             select h.*, i.is_open, i.severity from happened as h
             cross join lateral (
                 select tenant_id, is_open, severity from incidents as i where i.incident_id = h.incident_id and not i.hidden offset 0
             ) as i
             where i.tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded'))
         ), sums as materialized (
             select count(*) as changed, count(*) filter (where meaning & 1 <> 0) as opened, count(*) filter (where meaning & 2 <> 0) as taken,
                    count(*) filter (where meaning & 4 <> 0) as raised, count(*) filter (where meaning & 8 <> 0) as resolved,
                    count(*) filter (where meaning & 16 <> 0) as reopened
             from changed
         ), worst as materialized (
             select incident_id, latest from changed order by is_open desc, severity desc, latest desc, incident_id limit $4
         )
         select s.*, w.latest, i.tenant_id, i.incident_id, i.external_id, i.title, i.severity, i.status, i.status_raw, i.assigned_to,
                t.name as tenant_name
         from sums as s cross join worst as w join incidents as i on i.incident_id = w.incident_id
         join tenants as t on t.tenant_id = i.tenant_id
         order by i.is_open desc, i.severity desc, w.latest desc, i.incident_id",
    )
    .bind(first_id(since))
    .bind(since - HISTORY)
    .bind(EVENTS)
    .bind(INCIDENTS)
    .fetch_all(&mut **tx)
    .await?;
    let read: i64 = sqlx::query_scalar(
        "select count(*) from (select 1 from incident_events where event_id >= $1 and at >= $2 order by event_id desc limit $3) as read",
    )
    .bind(first_id(since))
    .bind(since - HISTORY)
    .bind(EVENTS + 1)
    .fetch_one(&mut **tx)
    .await?;
    let sums = rows.first().map(|row| row.sums).unwrap_or_default();
    Ok(News { sums, incidents: rows.into_iter().map(|row| row.incident).collect(), cut: read > EVENTS })
}

/// What happened to one incident.
#[derive(sqlx::FromRow)]
struct Happened {
    incident_id: IncidentId,
    #[sqlx(flatten)]
    event: IncidentEvent,
}

/// The events behind [`News::incidents`], oldest first; of each incident the newest [`EVENTS_OF_ONE`].
pub async fn events(tx: &mut Scoped, of: &[Changed], since: DateTime<Utc>) -> sqlx::Result<HashMap<IncidentId, Vec<IncidentEvent>>> {
    let rows: Vec<Happened> = sqlx::query_as(
        "select e.* from unnest($1::uuid[], $2::uuid[]) as k (tenant_id, incident_id)
         cross join lateral (
             select e.event_id, e.incident_id, e.at, e.kind, e.before, e.after from incident_events as e
             where e.tenant_id = k.tenant_id and e.incident_id = k.incident_id and e.event_id >= $3 and e.at >= $4
             order by e.event_id desc limit $5
         ) as e
         order by e.event_id",
    )
    .bind(of.iter().map(|incident| incident.tenant_id.0).collect::<Vec<_>>())
    .bind(of.iter().map(|incident| incident.incident_id.0).collect::<Vec<_>>())
    .bind(first_id(since))
    .bind(since - HISTORY)
    .bind(EVENTS_OF_ONE)
    .fetch_all(&mut **tx)
    .await?;
    let mut events: HashMap<IncidentId, Vec<IncidentEvent>> = HashMap::new();
    for row in rows {
        events.entry(row.incident_id).or_default().push(row.event);
    }
    Ok(events)
}

/// A note for the next shift, and where it stands.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Pinned {
    pub tenant_name: String,
    pub incident_id: IncidentId,
    pub external_id: String,
    pub title: String,
    pub severity: Severity,
    pub status: Status,
    /// Microsoft's word for the status.
    pub status_raw: String,
    pub note_id: NoteId,
    /// The person's name when they wrote it.
    pub author: String,
    pub login: String,
    /// Plain text with its line breaks.
    pub text: String,
    pub created_at: DateTime<Utc>,
}

/// The notes that are pinned, newest first; at most [`NOTES`] + 1. Those of hidden incidents too: somebody pinned them.
pub async fn pinned(tx: &mut Scoped) -> sqlx::Result<Vec<Pinned>> {
    sqlx::query_as(
        "select t.name as tenant_name, i.incident_id, i.external_id, i.title, i.severity, i.status, i.status_raw, n.note_id, n.author, n.login,
                n.text, n.created_at
         from notes as n
         join incidents as i on i.tenant_id = n.tenant_id and i.incident_id = n.incident_id
         join tenants as t on t.tenant_id = n.tenant_id and t.state <> 'offboarded'
         where n.pinned order by n.created_at desc, n.note_id desc limit $1",
    )
    .bind(NOTES + 1)
    .fetch_all(&mut **tx)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_of_a_moment_comes_after_every_id_before_it_and_before_none_of_its_own() {
        let at = DateTime::from_timestamp_millis(1_800_000_000_123).unwrap();
        let made =
            |millis: u64| Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, (millis % 1000) as u32 * 1_000_000));
        assert!(made(1_800_000_000_122) < first_id(at) && first_id(at) < made(1_800_000_000_123));
        assert_eq!(first_id(DateTime::from_timestamp_millis(-1).unwrap()), Uuid::nil());
    }
}
