//! What a customer is told when a trip ended: in plain words, with nothing of the request and no word about other customers.

use super::Ask;
use crate::model::ConsentOutcome;

/// A page's worth of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of the HTTP answer.
    pub status: u16,
    pub title: &'static str,
    pub text: &'static str,
}

impl Told {
    /// Answers that belong to no trip of ours.
    pub const STRAY: Self = Self {
        status: 400,
        title: "We do not know this answer",
        text: "This page is where Microsoft sends you back to after an approval that began at our link. Please open the link you were sent \
               and begin there. Nothing was changed.",
    };
    /// A refusal without a `state`, as the older consent page sends it: which try it ends is not known.
    pub const UNKNOWN_ATTEMPT: Self = Self {
        status: 400,
        title: "An unknown attempt ended",
        text: "Microsoft says that an approval was declined or did not go through, but not which one. If it was yours, nothing was changed: \
               open the link you were sent and try again whenever you are ready.",
    };
    /// A state that was answered before.
    pub const REPLAYED: Self = Self {
        status: 400,
        title: "This answer was used already",
        text: "Each approval is taken once. Open the link you were sent to see how far things are. Nothing was changed.",
    };

    /// For a trip that ended so.
    pub const fn of(outcome: ConsentOutcome) -> Self {
        let (status, title, text) = match outcome {
            ConsentOutcome::Granted | ConsentOutcome::Proven => (200, "Thank you", "The approval has arrived."),
            ConsentOutcome::Reported | ConsentOutcome::Skipped => (200, "Thank you", "We have noted what you told us."),
            ConsentOutcome::Declined => (
                403,
                "You declined",
                "Nothing was changed in your directory. If that was not what you meant, open the link again whenever you are ready.",
            ),
            ConsentOutcome::WrongDirectory => (
                403,
                "That was another directory",
                "The account you used belongs to another directory than the one that is to be connected. Open the link again and use an \
                 administrator account of the right organisation.",
            ),
            ConsentOutcome::ForeignDirectory => (
                403,
                "This directory cannot be connected here",
                "Your directory was not connected with this link. Your provider has been told and will contact you.",
            ),
            ConsentOutcome::WrongCloud => (
                409,
                "Your directory is in another Microsoft cloud",
                "Your organisation's directory is in another of Microsoft's clouds than the one this link is for. Nothing was changed. Your \
                 provider has been told and will send you another link.",
            ),
            ConsentOutcome::AdminApprovalNeeded => (
                403,
                "An administrator is needed",
                "Your account may not approve this for your organisation. Please pass the link to a Global Administrator or Privileged Role \
                 Administrator.",
            ),
            ConsentOutcome::MissingServicePrincipal => (
                409,
                "A product is not set up in your directory",
                "Microsoft could not complete the approval because your directory lacks one of the products it is for. Your provider has been \
                 told and can ask for less, or you enable the product and open the link again.",
            ),
            ConsentOutcome::OtherBrowser => (
                403,
                "Please stay in one browser",
                "The approval began in another browser, so it cannot be taken here. Open the link you were sent and go through it in one \
                 browser.",
            ),
            ConsentOutcome::Expired => {
                (403, "That took too long", "An approval must come back within ten minutes. Open the link you were sent and begin again.")
            }
            ConsentOutcome::Refused => (
                403,
                "The answer could not be trusted",
                "What came back does not fit what was asked. Nothing was changed. Open the link you were sent and begin again.",
            ),
            ConsentOutcome::Failed => (
                409,
                "Microsoft did not complete it",
                "The approval did not go through and your provider has been told. You can open the link and try again in a few minutes.",
            ),
        };
        Self { status, title, text }
    }

    /// The same with a sentence made for the very error.
    #[must_use]
    pub const fn with(self, text: &'static str) -> Self {
        Self { text, ..self }
    }
}

/// What an app is for, taken from what it asks for: "Reading and hunting in Defender XDR". One that asks for nothing has its name.
pub fn purpose(name: &str, asks: &[Ask]) -> String {
    let hunts = |ask: &&Ask| ask.permission.contains("Hunting") || ask.permission.starts_with("AdvancedQuery");
    let reads = asks.iter().any(|ask| !ask.changes && !hunts(&ask));
    let deeds = [(reads, "reading"), (asks.iter().any(|ask| hunts(&ask)), "hunting"), (asks.iter().any(|ask| ask.changes), "acting")];
    let deeds: Vec<&str> = deeds.into_iter().filter(|(is_so, _)| *is_so).map(|(_, deed)| deed).collect();
    let mut products: Vec<&str> = asks.iter().map(|ask| ask.product.label()).collect();
    products.dedup();
    let text = if deeds.is_empty() { name.to_owned() } else { format!("{} in {}", listed(&deeds), listed(&products)) };
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// "a, b and c".
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [more @ .., last] => format!("{} and {last}", more.join(", ")),
    }
}
