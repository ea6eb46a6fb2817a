//! What an access token says of itself. Read, not verified: the token came from Entra over TLS, and the API is the one to verify it.
//!
//! Names and values: Microsoft's page "Access token claims reference". Clients are to treat access tokens as opaque, so whatever cannot be
//! read here is told and stops nothing but a token of another directory.

use super::clouds;
use crate::model::{DirectoryId, Product};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

/// The claims that are kept; all others are forgotten at once.
const KNOWN: [&str; 18] = [
    "aud", "iss", "tid", "appid", "appidacr", "azp", "azpacr", "roles", "scp", "oid", "sub", "idtyp", "idp", "iat", "nbf", "exp", "ver",
    "uti",
];

/// How far our clock and Entra's may differ.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// A token, described.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// An object of the claims this program knows, without the signature; `null` when the token could not be read.
    pub all: Value,
    /// What is not as it should be, the worst first.
    pub problems: Vec<Problem>,
}

/// Something about a token that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Issued in another directory than the one asked. The token was dropped.
    WrongDirectory,
    /// For another app than ours.
    ForeignApp,
    /// For another API than the one asked for.
    UnexpectedAudience,
    /// It carries no application permission at all; Entra issues it all the same.
    NoRoles,
    /// It acts for a person, not for the app alone.
    NotAppOnly,
    Expired,
    NotYetValid,
    /// Neither version 1.0 nor 2.0.
    UnknownVersion,
    /// No JSON Web Token that can be read. It may work all the same.
    Unreadable,
}

impl Problem {
    /// A fixed word, for tables and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongDirectory => "wrong_directory",
            Self::ForeignApp => "foreign_app",
            Self::UnexpectedAudience => "unexpected_audience",
            Self::NoRoles => "no_roles",
            Self::NotAppOnly => "not_app_only",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownVersion => "unknown_version",
            Self::Unreadable => "unreadable",
        }
    }

    /// The claim it is about.
    pub const fn claim(self) -> Option<&'static str> {
        Some(match self {
            Self::WrongDirectory => "tid",
            Self::ForeignApp => "appid",
            Self::UnexpectedAudience => "aud",
            Self::NoRoles => "roles",
            Self::NotAppOnly => "idtyp",
            Self::Expired => "exp",
            Self::NotYetValid => "nbf",
            Self::UnknownVersion => "ver",
            Self::Unreadable => return None,
        })
    }

    /// One sentence for staff.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::WrongDirectory => "The token is of another directory than this tenant's. It was dropped.",
            Self::ForeignApp => "The token is for another app than the one configured.",
            Self::UnexpectedAudience => "The token is for another API than the one asked for; the API may refuse it.",
            Self::NoRoles => "The token carries no permission: nothing was granted, or Microsoft's copies of the consent lag.",
            Self::NotAppOnly => "The token is not one of the app alone.",
            Self::Expired => "The token has expired, or this machine's clock is ahead.",
            Self::NotYetValid => "The token is not valid yet, or this machine's clock is behind.",
            Self::UnknownVersion => "The token is of a version this program does not know.",
            Self::Unreadable => "The token cannot be read. Microsoft may have changed its format; calls may work all the same.",
        }
    }
}

/// What a token is compared with.
pub(super) struct Expected<'a> {
    pub directory: DirectoryId,
    pub client_id: Uuid,
    /// The resource as it was asked for.
    pub audience: &'a str,
    pub product: Product,
}

impl Claims {
    /// Describes the claims of a token at a time.
    pub(super) fn of(claims: Option<&Value>, expected: &Expected<'_>, now: DateTime<Utc>) -> Self {
        let Some(claims) = claims else { return Self { all: Value::Null, problems: vec![Problem::Unreadable] } };
        let time = |name: &str| integer(&claims[name]).and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let client = text(&claims["appid"]).or_else(|| text(&claims["azp"]));
        let found = [
            (Problem::WrongDirectory, directory(claims).and_then(|tid| DirectoryId::parse(&tid)) != Some(expected.directory)),
            (Problem::ForeignApp, client.is_none_or(|id| Uuid::try_parse(&id) != Ok(expected.client_id))),
            (Problem::UnexpectedAudience, !text(&claims["aud"]).is_some_and(|aud| is_for(&aud, expected))),
            (Problem::NoRoles, roles(claims).is_empty()),
            (Problem::NotAppOnly, text(&claims["idtyp"]).is_some_and(|kind| kind != "app") || !claims["scp"].is_null()),
            (Problem::Expired, time("exp").is_none_or(|end| end + SKEW < now)),
            (Problem::NotYetValid, time("nbf").is_some_and(|start| start - SKEW > now)),
            (Problem::UnknownVersion, text(&claims["ver"]).is_some_and(|version| version != "1.0" && version != "2.0")),
        ];
        Self { all: claims.clone(), problems: found.into_iter().filter(|(_, is)| *is).map(|(problem, _)| problem).collect() }
    }
}

/// An audience is written as the API's address, with or without a closing slash, or as its app id.
fn is_for(aud: &str, expected: &Expected<'_>) -> bool {
    let bare = |text: &str| text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let names = clouds::names_of(expected.product).iter().copied().chain([expected.audience]);
    names.into_iter().any(|name| bare(name) == bare(aud))
}

/// The known claims of a token, or `None` when it is none that can be read.
pub(super) fn read(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let Value::Object(mut claims) = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()? else { return None };
    claims.retain(|name, _| KNOWN.contains(&name.as_str()));
    Some(Value::Object(claims))
}

/// The directory it was issued in.
pub(super) fn directory(claims: &Value) -> Option<String> {
    text(&claims["tid"])
}

/// The permissions it carries. Empty when none was granted.
pub(super) fn roles(claims: &Value) -> Vec<String> {
    claims["roles"].as_array().into_iter().flatten().filter_map(text).collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DIRECTORY: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    const CLIENT: &str = "11112222-bbbb-3333-cccc-4444dddd5555";

    fn encode(json: &str) -> String {
        format!("x.{}.y", BASE64_URL_SAFE_NO_PAD.encode(json))
    }

    fn good() -> Value {
        json!({"aud": "https://api.security.microsoft.com/", "tid": DIRECTORY, "appid": CLIENT, "roles": ["Incident.Read.All"], "idtyp": "app",
            "nbf": 1000, "exp": 4600, "ver": "1.0"})
    }

    fn problems(claims: &Value) -> Vec<Problem> {
        let expected = Expected {
            directory: DirectoryId::parse(DIRECTORY).unwrap(),
            client_id: CLIENT.parse().unwrap(),
            audience: "https://api.security.microsoft.com",
            product: Product::DefenderXdr,
        };
        Claims::of(Some(claims), &expected, DateTime::from_timestamp(2000, 0).unwrap()).problems
    }

    #[test]
    fn only_known_claims_of_a_readable_token_are_kept() {
        let claims = read(&encode(r#"{"tid":"t","roles":["A",7],"aud":"a","exp":5,"email":"a@b","signature":"x"}"#)).unwrap();
        assert_eq!(claims, json!({"tid": "t", "roles": ["A", 7], "aud": "a", "exp": 5}));
        assert_eq!((directory(&claims).as_deref(), roles(&claims)), (Some("t"), vec!["A".to_owned()]));
        assert_eq!(read(&encode("{}")), Some(json!({})));
        for opaque in ["", "abc", "a.b", "a.!!!.c", &encode("["), &encode("7")] {
            assert_eq!(read(opaque), None, "{opaque}");
        }
    }

    #[test]
    fn each_claim_that_is_not_as_it_should_be_is_named() {
        assert_eq!(problems(&good()), []);
        let guid = json!("8ee8fdad-f234-4243-8f3b-15c294843740");
        for (name, value, problem) in [
            ("aud", guid, None),
            ("tid", json!("11112222-0000-cccc-1111-dddd2222eeee"), Some(Problem::WrongDirectory)),
            ("tid", Value::Null, Some(Problem::WrongDirectory)),
            ("appid", json!(DIRECTORY), Some(Problem::ForeignApp)),
            ("appid", Value::Null, Some(Problem::ForeignApp)),
            ("aud", json!("https://api.securitycenter.microsoft.com"), Some(Problem::UnexpectedAudience)),
            ("roles", json!([]), Some(Problem::NoRoles)),
            ("roles", json!("Incident.Read.All"), Some(Problem::NoRoles)),
            ("idtyp", json!("user"), Some(Problem::NotAppOnly)),
            ("idtyp", Value::Null, None),
            ("scp", json!("user_impersonation"), Some(Problem::NotAppOnly)),
            ("exp", json!(1600), Some(Problem::Expired)),
            ("exp", json!("4600"), None),
            ("nbf", json!(2400), Some(Problem::NotYetValid)),
            ("ver", json!("3.0"), Some(Problem::UnknownVersion)),
        ] {
            let mut claims = good();
            claims[name] = value.clone();
            assert_eq!(problems(&claims), problem.into_iter().collect::<Vec<_>>(), "{name} = {value}");
        }
        let mut version_2 = good();
        version_2["azp"] = version_2["appid"].take();
        version_2["ver"] = json!("2.0");
        assert_eq!(problems(&version_2), []);
    }
}
