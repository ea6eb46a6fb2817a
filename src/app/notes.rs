//! Notes on incidents: checked, written once however often they are sent, and a sign of life of whoever works on the incident.

use super::acting::Refusal;
use crate::model::NoteId;
use crate::store::audit::By;
use crate::store::incidents::Incident;
use crate::store::notes::{self, New};
use crate::store::{Scoped, leases, waiting};
use chrono::{DateTime, Utc};

/// The longest note, in characters.
pub const LONGEST: usize = 10_000;

/// A note that somebody has written.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The form's or the caller's own.
    pub id: NoteId,
    pub text: &'a str,
    /// For the customer, too.
    pub shared: bool,
}

/// Writes a note of somebody's (`author`: their name) down; a customer's is the answer that the incident waited for. The same note under the same
/// id again is the same note; anything else under it is refused.
pub async fn add(
    tx: &mut Scoped,
    (by, author): (&By, &str),
    of: &Incident,
    Written { id, text, shared }: Written<'_>,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let text = tidy(text);
    if text.is_empty() {
        return Err(Refusal::Wrong("text", "Write something: an empty note helps nobody."));
    }
    if text.chars().count() > LONGEST {
        return Err(Refusal::Wrong("text", "A note has at most 10,000 characters. Nothing was saved: split it in two."));
    }
    if !notes::add(tx, by, of, New { id, author, text: &text, shared }, now).await? {
        let Some(known) = notes::get(tx, of.tenant_id, id).await? else {
            return Err(Refusal::Wrong("shared", "The incident is not shared with the customer any more. Nothing was saved."));
        };
        let same = known.incident_id == of.incident_id
            && (known.user_id, known.customer_id) == (by.user(), by.customer())
            && (known.text, known.shared) == (text, shared);
        return if same { Ok(()) } else { Err(Refusal::Reused) };
    }
    if by.customer().is_some() {
        waiting::end(tx, by, of).await?;
    }
    Ok(leases::renew(tx, by, of, now).await?)
}

/// A browser's text as it is stored: its line breaks those of everybody else, nothing empty around it, no character that PostgreSQL cannot
/// hold.
fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    let lines = text.trim_end();
    let blank = lines.lines().take_while(|line| line.trim().is_empty()).map(|line| line.len() + 1).sum::<usize>();
    lines.get(blank..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_keeps_its_line_breaks_and_indents_and_loses_what_is_empty_around_it() {
        assert_eq!(tidy("\r\n \r\n  a\r\n\r\n    b\r\n \r\n"), "  a\n\n    b");
        assert_eq!([tidy(" \r\n\t"), tidy(""), tidy("a\0b")], ["", "", "a\u{fffd}b"]);
    }
}
