//! Consent: the link a customer's administrator follows, what comes back, and what each failure means. Pure: nothing is sent from here.

mod aadsts;
mod callback;
mod codes;
mod link;

pub(super) use aadsts::WRONG_CLOUD;
pub use callback::{Callback, Failure, parse_callback};
pub(super) use callback::{first_number, word};
pub(super) use codes::by_number;
pub use codes::{Meaning, Remedy, Trouble, Who, explain};
pub use link::{authorize_url, v1_url, v2_url};
