//! How a question to Microsoft stands, beside its answer on a page (`ui::told`, `ui::nothing`).

use super::show::When;
use crate::model::LookupState;
use crate::store::lookups::Lookup;
use chrono::{DateTime, Utc};

/// How a question stands, for the line above its answer.
pub struct Told {
    pub state: LookupState,
    pub when: When,
    pub reason: Option<String>,
    /// The answer is what such an answer should be.
    read: bool,
}

impl Told {
    /// `read`: the answer, if there is one, could be read.
    pub fn of(lookup: &Lookup, now: DateTime<Utc>, read: bool) -> Self {
        let when = When::new(lookup.answered_at.unwrap_or(lookup.asked_at), now);
        Self { state: lookup.state, when, reason: lookup.reason.clone(), read }
    }

    /// What stands where nothing is listed: that there is none, only if Microsoft said so.
    pub const fn nothing<'a>(&self, none: &'a str) -> &'a str {
        match self.state {
            LookupState::Answered if self.read => none,
            LookupState::Answered => "Microsoft’s answer could not be read, so nothing is known.",
            LookupState::Asked | LookupState::Failed => "Not known yet.",
        }
    }
}
