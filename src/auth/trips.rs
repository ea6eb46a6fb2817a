//! Ways to Microsoft and back, whoever goes. An answer counts with a state of ours, once, within ten minutes, in the browser that began.

use super::entra::refusal::{Refusal, Refused};
use super::limits::{self, Attempt};
use super::secret;
use crate::microsoft::consent::{Callback, Failure, parse_callback};
use crate::microsoft::{CallError, SignInError};
use crate::store::trips::{Answered, Bound};
use crate::store::{Scoped, tickets};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// How long Microsoft may take before we answer without it.
const PATIENCE: Duration = Duration::from_secs(12);

/// The secret by which a browser is known again: the one it has, if it is one of ours.
pub(super) fn browser(known: Option<String>) -> anyhow::Result<String> {
    match known.filter(|text| is_secret(text)) {
        Some(browser) => Ok(browser),
        None => Ok(secret::random()?.expose_secret().to_owned()),
    }
}

/// Whether a text looks like one of [`secret::random`].
fn is_secret(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// What an answer brings, before anybody knows whose it is.
pub(super) struct Brought {
    pub state_hash: Vec<u8>,
    /// A code, or what Microsoft says instead.
    code: Result<SecretString, String>,
}

/// Reads an answer. `None`: it can be nobody's.
pub(super) fn read(query: &str) -> Option<Brought> {
    match parse_callback(query) {
        Callback::SignedIn { state, code, .. } => Some(Brought { state_hash: tickets::hash(&state), code: Ok(code) }),
        Callback::Failed { state: Some(state), failure, .. } => {
            Some(Brought { state_hash: tickets::hash(&state), code: Err(told(&failure)) })
        }
        _ => None,
    }
}

/// Microsoft's word and number, without its sentence.
fn told(failure: &Failure) -> String {
    failure.aadsts.map_or_else(|| failure.error.clone(), |number| format!("{} AADSTS{number}", failure.error))
}

impl Brought {
    /// The trip that was found by the state, and the code for it, if the answer came to the browser that waits for it and in time.
    pub(super) fn of<T: Bound>(self, answered: Answered<T>, browser: Option<&str>) -> Result<(T, SecretString), Refused> {
        let trip = match answered {
            Answered::Now(trip) => trip,
            Answered::Before => return Err(Refused::because(Refusal::Replayed)),
            Answered::Unknown => return Err(Refused::because(Refusal::Stray)),
        };
        if browser.is_none_or(|browser| tickets::hash(browser) != trip.browser_hash()) {
            return Err(Refused::because(Refusal::OtherBrowser));
        }
        if trip.is_late() {
            return Err(Refused::because(Refusal::Late));
        }
        let code = self.code.map_err(|told| Refused::with(Refusal::Declined, told))?;
        Ok((trip, code))
    }
}

/// What Microsoft is asked, for as long as somebody waits.
pub(super) async fn in_time<T>(ask: impl Future<Output = Result<T, Refused>>) -> Result<T, Refused> {
    tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err(Refused::with(Refusal::Failed, "Microsoft did not answer in time.")))
}

/// Microsoft gave no token, or one that proves nothing.
pub(super) fn refused(error: SignInError) -> Refused {
    match error {
        SignInError::Refused(why) => Refused::with(Refusal::Unproven, why),
        SignInError::Call(error) => failed(&error),
    }
}

/// Microsoft gave no answer that could be used.
pub(super) fn failed(error: &CallError) -> Refused {
    Refused::with(Refusal::Failed, error.reason())
}

/// Whether a refusal is written down: anybody can send answers that nobody waits for, so the log tells of some, and then of how many.
pub(super) async fn is_told(tx: &mut Scoped, why: Refusal, ip: Option<&str>) -> anyhow::Result<bool> {
    let by_anybody = matches!(why, Refusal::Stray | Refusal::Replayed);
    Ok(!by_anybody || limits::attempt(tx, Attempt::Stray, ip).await?.is_none())
}
