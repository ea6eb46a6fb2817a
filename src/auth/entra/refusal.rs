//! Why nobody was signed in: a word for the audit log, a sentence for the person. Neither repeats anything of the request.

use crate::microsoft::SignedIn;
use crate::store::Scoped;
use crate::store::audit::{self, Actor, Event};
use crate::store::users::Account;
use serde_json::json;

/// Why an answer of Microsoft's did not lead in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It belongs to no trip of ours.
    Stray,
    /// Its state was answered before.
    Replayed,
    /// Another browser began the trip.
    OtherBrowser,
    /// It came after ten minutes.
    Late,
    /// Microsoft, or the person, said no.
    Declined,
    /// The id_token does not prove what it should. A security event.
    Unproven,
    /// Microsoft gave no id_token, or did not say which groups the person is in.
    Failed,
    /// The directory gives the person no role that is mapped.
    NoRole,
    /// The account was disabled here.
    Disabled,
    /// Of customers' people: nobody who may come in here, for whatever reason.
    NotKnown,
    /// A fresh proof was asked for, and this is somebody else's, an old one, or for a session that has ended.
    NotProven,
}

impl Refusal {
    /// For the audit log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stray => "stray",
            Self::Replayed => "replayed",
            Self::OtherBrowser => "other_browser",
            Self::Late => "late",
            Self::Declined => "declined",
            Self::Unproven => "unproven",
            Self::Failed => "failed",
            Self::NoRole => "no_role",
            Self::Disabled => "disabled",
            Self::NotKnown => "not_known",
            Self::NotProven => "not_proven",
        }
    }

    /// For the person at the sign-in page.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Stray => "We do not know this answer of Microsoft’s. Please begin again here.",
            Self::Replayed => "This answer of Microsoft’s was used already. Please begin again here.",
            Self::OtherBrowser => "This sign-in began in another browser, so it cannot end here. Please begin again here.",
            Self::Late => "That took longer than ten minutes. Please begin again here.",
            Self::Declined => "Microsoft did not sign you in, or you cancelled. You can try again here.",
            Self::Unproven => {
                "The answer could not be trusted, so you are not signed in. If it happens again, tell whoever runs this portal."
            }
            Self::Failed => "Microsoft did not confirm the sign-in. Try again in a moment; if it stays so, tell whoever runs this portal.",
            Self::NoRole => {
                "Microsoft knows you, but your organisation’s directory gives you no role in this portal. Ask whoever runs it, or use another \
                 account."
            }
            Self::NotKnown => {
                "Microsoft knows you, but nobody is let in here with this account. Use the one that you were invited with, or ask your security \
                 provider, or whoever administers this portal at your organisation, for a new invitation."
            }
            Self::NotProven => "Microsoft did not confirm that it is you who is signed in here. Please begin again.",
            Self::Disabled => "This account is disabled in this portal. Ask one of its administrators.",
        }
    }

    /// Of the answer: Microsoft has said who it is, and they may not come in.
    pub const fn is_forbidden(self) -> bool {
        matches!(self, Self::NoRole | Self::Disabled | Self::NotKnown)
    }
}

/// A refusal with what the audit log is to know besides.
pub(in crate::auth) struct Refused {
    pub why: Refusal,
    pub detail: Option<String>,
}

impl Refused {
    pub(in crate::auth) const fn because(why: Refusal) -> Self {
        Self { why, detail: None }
    }

    /// `detail` holds no token, no code and nothing a browser could have written freely.
    pub(in crate::auth) fn with(why: Refusal, detail: impl Into<String>) -> Self {
        Self { why, detail: Some(detail.into()) }
    }
}

impl Refused {
    /// Tells the log of the program what somebody should look at.
    pub(in crate::auth) fn alert(&self) {
        if self.why == Refusal::Unproven {
            tracing::error!(detail = self.detail, "an id_token was refused: somebody may be playing Microsoft, or a token was replayed");
        }
    }
}

/// Writes it down; with whom it was, where a verified token says so.
pub(super) async fn note(
    tx: &mut Scoped,
    refused: &Refused,
    who: Option<(&SignedIn, Option<&Account>)>,
    ip: Option<&str>,
) -> sqlx::Result<()> {
    let event = Event::new(Actor::Stranger, "login.entra_refused").ip(ip.map(str::to_owned)).refused();
    let reason = refused.why.word();
    let event = match who {
        None => event.after(json!({ "reason": reason, "detail": refused.detail })),
        Some((person, account)) => {
            let login = account.map_or_else(|| super::admit::username(person), |account| account.login.clone());
            event.object(login).after(json!({ "reason": reason, "directory": person.tid, "object_id": person.oid }))
        }
    };
    refused.alert();
    audit::record(tx, event).await
}
