//! What happened to an incident, in one line: its alerts, what changed at Microsoft, what was asked for from here, and our notes.

use crate::model::change::deed;
use crate::model::{AlertId, ChangeState, NoteId, Severity, Status};
use crate::store::alerts::Alert;
use crate::store::changes::Change;
use crate::store::incidents::IncidentEvent;
use crate::store::notes::Note;
use crate::web::{names, show};
use chrono::{DateTime, Utc};

/// Of a note's first line so many characters are repeated.
const EXCERPT: usize = 120;

/// What kind of thing happened: its word, its sign and its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Alert,
    AtMicrosoft,
    FromHere,
    Note,
}

impl Kind {
    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alert => "Alert",
            Self::AtMicrosoft => "At Microsoft",
            Self::FromHere => "From here",
            Self::Note => "Note",
        }
    }

    /// The class of its line.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::AtMicrosoft => "change",
            Self::FromHere => "ours",
            Self::Note => "note",
        }
    }

    /// The name of its icon.
    pub const fn icon(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::AtMicrosoft => "net",
            Self::FromHere => "user",
            Self::Note => "file",
        }
    }
}

/// One thing that happened.
pub struct Moment {
    pub at: DateTime<Utc>,
    pub kind: Kind,
    pub text: String,
    pub alert: Option<AlertId>,
    pub note: Option<NoteId>,
    /// Of what was asked for from here.
    pub state: Option<ChangeState>,
    pub who: Option<String>,
}

impl Moment {
    fn new(at: DateTime<Utc>, kind: Kind, text: String) -> Self {
        Self { at, kind, text, alert: None, note: None, state: None, who: None }
    }
}

/// Everything in one line, the latest first.
pub fn timeline(events: &[IncidentEvent], alerts: &[Alert], changes: &[Change], notes: &[Note]) -> Vec<Moment> {
    let at_microsoft = events.iter().map(|event| Moment::new(event.at, Kind::AtMicrosoft, remote(event)));
    let raised = alerts
        .iter()
        .map(|alert| Moment { alert: Some(alert.alert_id), ..Moment::new(alert.created_at, Kind::Alert, alert.title.clone()) });
    let from_here = changes.iter().map(|change| Moment {
        state: Some(change.state),
        who: Some(change.actor.clone()),
        ..Moment::new(change.created_at, Kind::FromHere, ours(change))
    });
    let notes = notes.iter().map(|note| Moment {
        note: Some(note.note_id),
        who: Some(note.author.clone()),
        ..Moment::new(note.created_at, Kind::Note, excerpt(&note.text))
    });
    let mut line: Vec<Moment> = notes.chain(from_here).chain(at_microsoft).chain(raised).collect();
    line.sort_by_key(|moment| std::cmp::Reverse(moment.at));
    line
}

/// "Status: New → In progress".
pub fn remote(event: &IncidentEvent) -> String {
    let shown = |value: &Option<String>| {
        let Some(value) = value else { return if event.kind == "owner" { "nobody" } else { "nothing" }.to_owned() };
        match event.kind.as_str() {
            "status" => value.parse::<Status>().map_or_else(|_| value.clone(), |status| status.label().to_owned()),
            "severity" => value.parse::<Severity>().map_or_else(|_| value.clone(), |severity| severity.label().to_owned()),
            "classification" => show::words(value),
            _ => value.clone(),
        }
    };
    match event.kind.as_str() {
        "opened" => "First read from Defender".to_owned(),
        "merged" => format!("Merged into incident {}", shown(&event.after)),
        kind => format!("{}: {} → {}", show::words(kind), shown(&event.before), shown(&event.after)),
    }
}

/// "Update incident: status Resolved, owner ann@example.com “Clean.”"
fn ours(change: &Change) -> String {
    let members = change.request.as_ref().and_then(|request| request.as_object()).into_iter().flatten();
    let told = members.filter(|(name, _)| !name.starts_with('@') && !matches!(name.as_str(), "comment" | "alertIds"));
    let told: Vec<String> = told
        .map(|(name, value)| {
            let (name, value) = names::member(name, value);
            format!("{} {value}", name.to_lowercase())
        })
        .collect();
    let mut text = deed(&change.operation).to_owned();
    if !told.is_empty() {
        text = format!("{text}: {}", told.join(", "));
    }
    match change.comment.as_deref() {
        Some(comment) => format!("{text} “{}”", excerpt(comment)),
        None => text,
    }
}

/// The first line, and of it the beginning.
fn excerpt(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let begin: String = line.chars().take(EXCERPT).collect();
    if begin.len() < text.trim().len() { format!("{begin} …") } else { begin }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_or_one_of_several_lines_is_repeated_in_part() {
        assert_eq!([excerpt("Seen"), excerpt("\n a\nb"), excerpt("")], ["Seen", "a …", ""]);
        assert_eq!(excerpt(&"ü".repeat(121)).chars().count(), 122);
    }

    #[test]
    fn each_kind_has_a_word_and_a_class_of_its_own() {
        let kinds = [Kind::Alert, Kind::AtMicrosoft, Kind::FromHere, Kind::Note];
        for unlike in [kinds.map(Kind::word), kinds.map(Kind::class), kinds.map(Kind::icon)] {
            assert_eq!(std::collections::BTreeSet::from(unlike).len(), kinds.len(), "{unlike:?}");
        }
    }
}
