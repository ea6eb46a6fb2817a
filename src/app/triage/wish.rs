//! What somebody wants an incident or alert to be, and what of it is new.

use crate::app::acting::Refusal;
use crate::auth::Person;
use crate::store::alerts::Alert;
use crate::store::incidents::Incident;
use serde_json::{Map, Value, json};

/// What somebody wants an incident or alert to be. `None`: as it is.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Microsoft's words, those of the Defender APIs.
    pub status: Option<String>,
    /// An empty name takes the owner away.
    pub assigned_to: Option<String>,
    pub classification: Option<String>,
    pub determination: Option<String>,
    /// Incidents only.
    pub tags: Option<Vec<String>>,
    pub comment: Option<String>,
    /// What somebody saw when they wished it: of what they change, nothing may be different now.
    pub shown: Option<Now>,
    /// It gives back what was there before: nothing has to be said anew.
    pub is_way_back: bool,
}

/// How an incident or alert stands, or stood when it was shown.
#[derive(Clone, Debug, Default)]
pub struct Now {
    pub status: String,
    pub assigned_to: String,
    pub classification: String,
    pub determination: String,
    pub tags: Vec<String>,
}

impl From<&Incident> for Now {
    fn from(of: &Incident) -> Self {
        Self {
            status: of.status_raw.clone(),
            assigned_to: of.assigned_to.clone().unwrap_or_default(),
            classification: of.classification.clone().unwrap_or_default(),
            determination: of.determination.clone().unwrap_or_default(),
            tags: of.tags.clone(),
        }
    }
}

impl From<&Alert> for Now {
    fn from(of: &Alert) -> Self {
        Self {
            status: of.status_raw.clone(),
            assigned_to: of.assigned_to.clone().unwrap_or_default(),
            classification: of.classification.clone().unwrap_or_default(),
            determination: of.determination.clone().unwrap_or_default(),
            tags: Vec::new(),
        }
    }
}

impl Now {
    /// How those of a record's members stand that are to change, in the Defender APIs' words.
    pub(super) fn only(&self, members: &Map<String, Value>) -> Map<String, Value> {
        let value = |name: &str| match name {
            "status" => json!(self.status),
            "assignedTo" => json!(self.assigned_to),
            "classification" => json!(self.classification),
            "determination" => json!(self.determination),
            _ => json!(self.tags),
        };
        members.keys().map(|name| (name.clone(), value(name))).collect()
    }

    /// What these members of a record are now, for whoever saw them otherwise: "the owner is ann@msp.example now".
    pub fn told(&self, members: &[&str]) -> String {
        let or = |text: &str, none: &str| if text.is_empty() { none.to_owned() } else { text.to_owned() };
        let tell = |member: &&str| match *member {
            "status" => format!("the status is {} now", self.status),
            "assignedTo" => format!("the owner is {} now", or(&self.assigned_to, "nobody")),
            "classification" => format!("the classification is {} now", or(&self.classification, "none")),
            "determination" => format!("the determination is {} now", or(&self.determination, "none")),
            _ => format!("the tags are {} now", or(&self.tags.join(", "), "none")),
        };
        members.iter().map(tell).collect::<Vec<_>>().join(", ")
    }
}

/// Longer than anything Microsoft's portal makes. Characters, as in the forms.
const LONGEST: usize = 2_000;

/// Microsoft's words for no verdict.
const UNSAID: [&str; 4] = ["", "Unknown", "NotAvailable", "NotSet"];

pub(super) fn is_long(text: &str) -> bool {
    text.chars().count() > LONGEST
}

/// One of the texts.
type Part = fn(&Now) -> &String;

impl Wish {
    /// The members that are to change, in the Defender APIs' words: what differs from `now` or, without one, all that is wished for.
    pub(super) fn members(&self, now: Option<&Now>) -> Result<Map<String, Value>, Refusal> {
        let (mut members, mut changed) = (Map::new(), Vec::new());
        let shown = self.shown.as_ref().zip(now);
        let asked: [(&'static str, &Option<String>, Part); 4] = [
            ("status", &self.status, |now| &now.status),
            ("assignedTo", &self.assigned_to, |now| &now.assigned_to),
            ("classification", &self.classification, |now| &now.classification),
            ("determination", &self.determination, |now| &now.determination),
        ];
        for (name, asked, of) in asked {
            let Some(asked) = asked.as_deref().map(str::trim) else { continue };
            if is_long(asked) {
                return Err(Refusal::Wrong(name, "This is too long."));
            }
            if now.is_none_or(|now| of(now) != asked) {
                members.insert(name.to_owned(), json!(asked));
                changed.extend(shown.filter(|(shown, now)| of(shown) != of(now)).map(|_| name));
            }
        }
        if let Some(asked) = self.tags.as_ref().filter(|asked| now.is_none_or(|now| now.tags != **asked)) {
            members.insert("tags".to_owned(), json!(asked));
            // As one text, as a form shows them.
            changed.extend(shown.filter(|(shown, now)| shown.tags.join(", ") != now.tags.join(", ")).map(|_| "tags"));
        }
        if changed.is_empty() { Ok(members) } else { Err(Refusal::Changed(changed)) }
    }

    /// Whoever resolves what is not resolved says what it was, or leaves what is said there, and what was found.
    pub(super) fn closes_well(&self, now: &Now) -> Result<(), Refusal> {
        let is_closed = |status: &str| status.trim().eq_ignore_ascii_case("Resolved");
        if self.is_way_back || !self.status.as_deref().is_some_and(is_closed) || is_closed(&now.status) {
            return Ok(());
        }
        let says = |word: &str| !UNSAID.iter().any(|unsaid| word.trim().eq_ignore_ascii_case(unsaid));
        let anew = self.classification.as_deref().filter(|asked| *asked != now.classification);
        // A determination belongs to its classification.
        let determination = self.determination.as_deref().unwrap_or(if anew.is_some() { "" } else { &now.determination });
        if !says(anew.unwrap_or(&now.classification)) {
            return Err(Refusal::Wrong("classification", "To close it, say what it was: choose a verdict. Nothing was sent."));
        }
        if !says(determination) {
            return Err(Refusal::Wrong("determination", "To close it, say more exactly what it was: choose a verdict. Nothing was sent."));
        }
        if self.comment.as_deref().is_none_or(|comment| comment.trim().is_empty()) {
            return Err(Refusal::Wrong("comment", "To close it, say in a comment what was found. Nothing was sent."));
        }
        Ok(())
    }

    /// The comment as Microsoft gets it.
    pub(super) fn signed(&self, who: &Person) -> Result<Option<String>, Refusal> {
        let Some(comment) = self.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty()) else { return Ok(None) };
        if is_long(comment) {
            return Err(Refusal::Wrong("comment", "This is too long."));
        }
        Ok(Some(format!("{comment} ({}, {})", who.name, who.login)))
    }

    /// What is asked for, whatever of it differs from what is there.
    pub(super) fn asked(&self, kind: &str, ids: &[&str]) -> Value {
        let Self { status, assigned_to, classification, determination, tags, comment, shown: _, is_way_back: _ } = self;
        json!([kind, ids, status, assigned_to, classification, determination, tags, comment])
    }
}
