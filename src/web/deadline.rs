//! How the clocks of an incident are shown.

use super::chips;
use super::show::{When, left, span};
use crate::model::{Aim, Deadline, SlaState, Status};
use crate::store::incidents::Incident;
use chrono::{DateTime, Utc};

/// How a clock stands: "▲ 12 min left".
pub struct Mark {
    pub class: &'static str,
    pub sign: &'static str,
    pub text: String,
}

fn mark(class: &'static str, text: impl Into<String>) -> Mark {
    Mark { class, sign: chips::chip(class, "").sign, text: text.into() }
}

/// The clock that ends first, in a list, and what it is about.
pub fn first(incident: &Incident, now: DateTime<Utc>) -> Option<(Mark, String)> {
    let paused = incident.waiting_since.filter(|_| incident.acknowledge_by.or(incident.resolve_by).is_some());
    if paused.is_some() {
        return Some((mark("note", "Paused"), "The clocks stand still while it waits for the customer".to_owned()));
    }
    let Deadline { aim, due, state } = incident.deadline(now)?;
    let (class, text) = match state {
        SlaState::Breached => ("bad", format!("{} late", span(now - due))),
        SlaState::AtRisk => ("warn", format!("{} left", left(due - now))),
        SlaState::OnTrack => ("plain", format!("{} left", left(due - now))),
    };
    Some((mark(class, text), format!("{} by {}", verb(aim), When::new(due, now).exact())))
}

/// A clock of an incident, in its head.
pub struct Clock {
    /// "Resolve".
    pub label: &'static str,
    pub by: DateTime<Utc>,
    pub mark: Mark,
}

/// Both clocks, as far as something is agreed and known.
pub fn both(incident: &Incident, now: DateTime<Utc>) -> Vec<Clock> {
    let is_new = !incident.is_acknowledged() && incident.status != Status::Redirected;
    let resolved_at = incident.resolved_at.filter(|_| incident.status == Status::Resolved);
    let clocks = [
        (Aim::Acknowledge, incident.acknowledge_by, incident.acknowledged_at, is_new),
        (Aim::Resolve, incident.resolve_by, resolved_at, incident.status != Status::Redirected),
    ];
    let clock = |(aim, by, done, is_wanted): (Aim, Option<DateTime<Utc>>, Option<DateTime<Utc>>, bool)| {
        let by = by.filter(|_| done.is_some() || is_wanted)?;
        let mark = match done {
            Some(at) if at <= by => mark("ok", "in time"),
            Some(at) => mark("bad", format!("{} late", span(at - by))),
            None if incident.waiting_since.is_some() => mark("note", "paused"),
            None if by <= now => mark("bad", format!("{} late", span(now - by))),
            None => {
                let near = incident.deadline(now).is_some_and(|first| first.due == by && first.state == SlaState::AtRisk);
                mark(if near { "warn" } else { "plain" }, format!("{} left", left(by - now)))
            }
        };
        Some(Clock { label: label(aim, done.is_some()), by, mark })
    };
    clocks.into_iter().filter_map(clock).collect()
}

const fn verb(aim: Aim) -> &'static str {
    match aim {
        Aim::Acknowledge => "Acknowledge",
        Aim::Resolve => "Resolve",
    }
}

const fn label(aim: Aim, is_done: bool) -> &'static str {
    match (aim, is_done) {
        (Aim::Acknowledge, false) => "Acknowledge",
        (Aim::Acknowledge, true) => "Acknowledged",
        (Aim::Resolve, false) => "Resolve",
        (Aim::Resolve, true) => "Resolved",
    }
}
