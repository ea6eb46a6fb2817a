//! Errors of Entra's token endpoint.

use super::consent::{by_number, first_number, word};
use super::{CallError, odata, wire};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
struct Refusal {
    #[serde(default, deserialize_with = "wire::text")]
    error: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    error_description: Option<String>,
    #[serde(default)]
    error_codes: Vec<u32>,
    #[serde(default, deserialize_with = "wire::text")]
    trace_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    correlation_id: Option<String>,
}

/// Reads an error of the token endpoint. Of several numbers the first one this version can explain counts. Times are never read: the
/// documentation itself prints placeholders.
pub(super) fn read_refusal(body: &str) -> CallError {
    let Some(refusal) = odata::object(body).ok().and_then(|body| serde_json::from_str::<Refusal>(body).ok()) else {
        return CallError::Unexpected("it is neither a token nor an error");
    };
    let numbers = first_number(refusal.error_description.as_deref().unwrap_or_default()).into_iter().chain(refusal.error_codes);
    let numbers: Vec<u32> = numbers.collect();
    let number = numbers.iter().copied().find(|number| by_number(*number).is_some()).or(numbers.first().copied());
    let error = refusal.error.as_deref().and_then(word).unwrap_or_else(|| "unreadable".to_owned());
    let id = |text: Option<String>| text.and_then(|text| Uuid::try_parse(&text).ok()).map(tracing::field::display);
    tracing::info!(
        error,
        aadsts = number,
        trace_id = id(refusal.trace_id),
        correlation_id = id(refusal.correlation_id),
        "Entra refused a token"
    );
    CallError::of_entra(number, &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_sorted_by_their_number() {
        let read = read_refusal;
        assert_eq!(
            read(include_str!("../../tests/fixtures/composed-entra-token-error-700016.json")),
            CallError::ConsentLost { aadsts: Some(700_016) }
        );
        assert_eq!(
            read(include_str!("../../tests/fixtures/composed-entra-token-error-7000215.json")),
            CallError::OurCredential { aadsts: Some(7_000_215) }
        );
        assert_eq!(
            read(include_str!("../../tests/fixtures/entra-token-error-70011.json")),
            CallError::Entra { aadsts: Some(70_011), error: "invalid_scope".to_owned() }
        );
        assert_eq!(read(r#"{"error":"invalid_grant","error_codes":[70002,70008]}"#).remedy().who, crate::microsoft::consent::Who::Customer);
        assert_eq!(read(r#"{"error":"invalid_client","error_codes":[]}"#), CallError::OurCredential { aadsts: None });
        assert_eq!(read(r#"{"error":"temporarily_unavailable"}"#), CallError::Throttled { retry_after: None });
        assert_eq!(
            read(r#"{"error":"<b>","error_description":"<script>"}"#),
            CallError::Entra { aadsts: None, error: "unreadable".to_owned() }
        );
        for bad in ["", "null", "<html>", "[1]"] {
            assert!(matches!(read(bad), CallError::Unexpected(_)), "{bad}");
        }
    }
}
