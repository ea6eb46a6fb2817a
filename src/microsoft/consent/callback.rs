//! What Microsoft sends an administrator's browser back with.
//!
//! Shapes: the pages "Admin consent on the Microsoft identity platform" and "OAuth 2.0 authorization code flow". Everything in here was
//! carried by a browser, so none of it proves anything.

use super::codes::{self, Meaning};
use crate::model::DirectoryId;
use secrecy::SecretString;
use uuid::Uuid;

/// One answer.
#[derive(Debug)]
pub enum Callback {
    /// Microsoft says that an administrator of this directory consented. To be proven by a sign-in and a token.
    Granted { tenant: DirectoryId, state: String, scope: String },
    /// A sign-in came back with its one-time code.
    SignedIn { code: SecretString, state: String },
    /// Microsoft, or the administrator, said no. Without a `state` it belongs to no attempt of ours.
    Failed { state: Option<String>, failure: Failure },
    /// Not an answer of Microsoft's, or one that contradicts itself.
    Unknown,
}

/// Why it failed, without Microsoft's own words: those are carried by the browser and never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The `error` value, such as `access_denied`: ASCII letters, digits, `_` and `.`, at most 64; otherwise `unreadable`.
    pub error: String,
    /// The number of the first `AADSTS…` of the description.
    pub aadsts: Option<u32>,
    /// Microsoft's "Trace ID", for a support case.
    pub trace_id: Option<Uuid>,
    /// Microsoft's "Correlation ID", for a support case.
    pub correlation_id: Option<Uuid>,
    /// `error_subcode`, undocumented; `cancel` was seen when somebody pressed Cancel. Same alphabet as `error`.
    pub subcode: Option<String>,
}

impl Failure {
    /// What it means for the attempt and who has to do what.
    pub fn meaning(&self) -> Meaning {
        let cancelled = self.aadsts.is_none() && self.subcode.as_deref() == Some("cancel");
        codes::explain(self.aadsts, if cancelled { "access_denied" } else { &self.error })
    }
}

/// Longest value that is read at all. An authorization code is the longest honest one.
const LONGEST: usize = 8 * 1024;
/// Our own states are far shorter.
const LONGEST_STATE: usize = 512;

/// Reads the query of a request to the callback address, without the question mark.
///
/// The presence of `error` decides, never `admin_consent`: failures carry `admin_consent=True` too. A parameter that stands twice makes
/// the answer `Unknown`.
pub fn parse_callback(query: &str) -> Callback {
    let Some(answer) = Parameters::read(query) else { return Callback::Unknown };
    let state = answer.state.filter(|state| !state.is_empty() && state.len() <= LONGEST_STATE);
    if let Some(error) = answer.error {
        let description = answer.description.unwrap_or_default();
        let failure = Failure {
            error: word(&error).unwrap_or_else(|| "unreadable".to_owned()),
            aadsts: first_number(&description),
            trace_id: id_after(&description, "Trace ID:"),
            correlation_id: id_after(&description, "Correlation ID:"),
            subcode: answer.subcode.as_deref().and_then(word),
        };
        return Callback::Failed { state, failure };
    }
    let (Some(state), consented) = (state, answer.admin_consent) else { return Callback::Unknown };
    match (answer.tenant, answer.code) {
        (None, Some(code)) if !code.is_empty() => Callback::SignedIn { code: code.into(), state },
        (Some(tenant), None) if consented.is_some_and(|word| word.eq_ignore_ascii_case("true")) => match DirectoryId::parse(&tenant) {
            Some(tenant) => Callback::Granted { tenant, state, scope: answer.scope.unwrap_or_default() },
            None => Callback::Unknown,
        },
        _ => Callback::Unknown,
    }
}

#[derive(Default)]
struct Parameters {
    admin_consent: Option<String>,
    tenant: Option<String>,
    state: Option<String>,
    scope: Option<String>,
    code: Option<String>,
    error: Option<String>,
    description: Option<String>,
    subcode: Option<String>,
}

impl Parameters {
    /// `None` when a parameter stands twice or is absurdly long. Unknown ones (`session_state`, `error_uri`) are ignored.
    fn read(query: &str) -> Option<Self> {
        let mut all = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "admin_consent" => &mut all.admin_consent,
                "tenant" => &mut all.tenant,
                "state" => &mut all.state,
                "scope" => &mut all.scope,
                "code" => &mut all.code,
                "error" => &mut all.error,
                "error_description" => &mut all.description,
                "error_subcode" => &mut all.subcode,
                _ => continue,
            };
            if value.len() > LONGEST || place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(all)
    }
}

/// The number of the first `AADSTS…` in a description of Entra's.
pub(in crate::microsoft) fn first_number(description: &str) -> Option<u32> {
    description.split("AADSTS").skip(1).find_map(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    })
}

fn id_after(description: &str, label: &str) -> Option<Uuid> {
    let rest = description.split_once(label)?.1.trim_start();
    Uuid::try_parse(rest.get(..36)?).ok()
}

/// The value itself when it is a plain word.
pub(in crate::microsoft) fn word(value: &str) -> Option<String> {
    let plain = !value.is_empty() && value.len() <= 64 && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    plain.then(|| value.to_owned())
}
