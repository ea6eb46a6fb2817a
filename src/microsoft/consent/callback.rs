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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microsoft::consent::Who;
    use crate::model::ConsentOutcome;

    const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

    fn failure(query: &str) -> (Option<String>, Failure) {
        match parse_callback(query) {
            Callback::Failed { state, failure } => (state, failure),
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn the_documented_answers_are_read() {
        let file = include_str!("../../../tests/fixtures/entra-adminconsent-callbacks.json");
        let cases: Vec<serde_json::Value> = serde_json::from_str(file).unwrap();
        let query = |n: usize| cases[n]["url"].as_str().unwrap().split_once('?').unwrap().1.to_owned();
        let Callback::Granted { tenant, state, scope } = parse_callback(&query(0)) else { panic!() };
        assert_eq!((tenant.to_string().as_str(), state.as_str()), (TENANT, "12345"));
        assert_eq!(scope, "https://graph.microsoft.com/Calendars.Read https://graph.microsoft.com/Mail.Send");
        let Callback::Granted { tenant, state, .. } = parse_callback(&query(1)) else { panic!() };
        assert_eq!((tenant.to_string().as_str(), state.as_str()), ("a8990e1f-ff32-408a-9f8e-78d3b9139b95", "state=12345"));
        let (state, failure) = failure(&query(2));
        assert_eq!((state, failure.error.as_str(), failure.aadsts), (None, "permission_denied", None));
        assert_eq!(failure.meaning().outcome, ConsentOutcome::Declined);
    }

    #[test]
    fn an_error_decides_even_beside_admin_consent_and_a_tenant() {
        let query = format!(
            "admin_consent=True&tenant={TENANT}&state=s1&error=access_denied&error_subcode=cancel&error_description=AADSTS65004%3a+User+declined.\
             %0d%0aTrace+ID%3a+0000aaaa-11bb-cccc-dd22-eeeeee333333%0d%0aCorrelation+ID%3a+aaaa0000-bb11-2222-33cc-444444dddddd%0d%0a\
             Timestamp%3a+2025-01-15+10%3a20%3a30Z"
        );
        let (state, failure) = failure(&query);
        assert_eq!(state.as_deref(), Some("s1"));
        assert_eq!((failure.error.as_str(), failure.aadsts, failure.subcode.as_deref()), ("access_denied", Some(65_004), Some("cancel")));
        assert_eq!(failure.trace_id.map(|id| id.to_string()).as_deref(), Some("0000aaaa-11bb-cccc-dd22-eeeeee333333"));
        assert_eq!(failure.correlation_id.map(|id| id.to_string()).as_deref(), Some("aaaa0000-bb11-2222-33cc-444444dddddd"));
    }

    #[test]
    fn one_refusal_under_three_names_is_one_outcome() {
        for query in [
            "error=consent_required&error_description=AADSTS65004%3a+x&state=s",
            "error=access_denied&error_description=AADSTS65004%3a+x&state=s",
            "error=access_denied&state=s",
            "error=permission_denied",
            "error=something_new&error_subcode=cancel&state=s",
        ] {
            assert_eq!(failure(query).1.meaning().outcome, ConsentOutcome::Declined, "{query}");
        }
        let (_, missing) = failure("error=access_denied&error_description=AADSTS650052%3a+x&state=s");
        assert_eq!(missing.meaning().outcome, ConsentOutcome::MissingServicePrincipal);
        let (_, approval) = failure("error=access_denied&error_description=AADSTS90094%3a+x&state=s");
        assert_eq!((approval.meaning().outcome, approval.meaning().remedy.who), (ConsentOutcome::AdminApprovalNeeded, Who::Customer));
    }

    #[test]
    fn markup_in_an_error_never_gets_through() {
        let (_, failure) = failure("error=%3Cscript%3Ealert(1)%3C%2Fscript%3E&error_subcode=%22%3E&error_description=%3Cimg%3E&state=s");
        assert_eq!((failure.error.as_str(), failure.subcode, failure.aadsts), ("unreadable", None, None));
    }

    #[test]
    fn consent_is_believed_only_when_every_part_is_there_once() {
        for good in ["true", "True", "TRUE"] {
            let query = format!("admin_consent={good}&tenant={TENANT}&state=s");
            assert!(matches!(parse_callback(&query), Callback::Granted { .. }), "{good}");
        }
        for bad in [
            String::new(),
            format!("admin_consent=False&tenant={TENANT}&state=s"),
            format!("tenant={TENANT}&state=s"),
            format!("admin_consent=True&tenant={TENANT}"),
            format!("admin_consent=True&tenant={TENANT}&state="),
            format!("admin_consent=True&tenant={TENANT}&state={}", "s".repeat(600)),
            "admin_consent=True&state=s".to_owned(),
            "admin_consent=True&tenant=contoso.com&state=s".to_owned(),
            "admin_consent=True&tenant=organizations&state=s".to_owned(),
            "admin_consent=True&tenant=9188040d-6c67-4c5b-b112-36a304b66dad&state=s".to_owned(),
            format!("admin_consent=True&tenant={TENANT}&tenant={TENANT}&state=s"),
            format!("admin_consent=True&tenant={TENANT}&state=s&state=t"),
            format!("admin_consent=True&admin_consent=True&tenant={TENANT}&state=s"),
            format!("admin_consent=True&tenant={TENANT}&state=s&code=c"),
            "error=a&error=b&state=s".to_owned(),
            "code=&state=s".to_owned(),
            "code=c".to_owned(),
        ] {
            assert!(matches!(parse_callback(&bad), Callback::Unknown), "{bad}");
        }
    }

    #[test]
    fn a_sign_in_hands_over_its_code_and_never_shows_it() {
        let answer = parse_callback("code=0.ASecretCode&state=s&session_state=x");
        assert!(matches!(&answer, Callback::SignedIn { state, .. } if state == "s"));
        assert!(!format!("{answer:?}").contains("ASecretCode"));
    }
}
