//! Words and request bodies of Defender for Cloud Apps, shared by pages, API, outbox and client. Source: Microsoft's pages below "Defender for
//! Cloud Apps REST API".

mod closing;
mod discovery;
mod queries;
mod ranges;

pub use closing::{ActivityFeedback, Closing, Feedback, MOST_IDS, Verdict};
pub use discovery::{FORMATS, LARGEST_LOG, SOURCES, Upload, category};
pub use queries::{ActivityQuery, alert_activities, alert_entities, entity_key, entity_keys, everything, next_page, open_alerts};
pub use ranges::{CATEGORIES, Range, category_name};

/// Whether a text can be Microsoft's id of one of these records: an alert's 24 digits, an activity's number with underscores, a key in base64.
/// It only keeps nonsense out of addresses; that the record exists is Microsoft's to say.
pub fn is_id(text: &str) -> bool {
    (1..=512).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-+/=.:|".contains(c))
        && text.contains(char::is_alphanumeric)
}

/// An address of e-mail, as far as a form can tell.
fn is_mail(text: &str) -> bool {
    let parts = text.split_once('@');
    text.len() <= 254
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
}
