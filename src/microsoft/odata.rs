//! Lists and records as the Defender APIs send them (OData): `{"value": […], "@odata.nextLink": "…"}`.

use super::lanes::Watch;
use super::request::Ask;
use super::{CallError, Client, clouds};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use url::Url;

/// Records in the order they came, each in its original text.
#[derive(Debug)]
pub struct Page {
    pub records: Vec<Box<RawValue>>,
    /// Whether to ask again, skipping the records received so far. Only a set of pages that ended with `false` is complete.
    pub more: bool,
}

/// A page of a list that is read link by link.
#[derive(Debug)]
pub struct Links {
    pub records: Vec<Box<RawValue>>,
    /// The next page, exactly as Microsoft named it; `None`: this was the last.
    pub next: Option<String>,
}

/// How many links one page may be split into, and how many bytes it may have in all.
const MAX_LINKS: usize = 50;
const MAX_PAGE: usize = 2 * super::http::MAX_ANSWER;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    value: Option<Vec<Box<RawValue>>>,
    #[serde(default, rename = "@odata.nextLink")]
    next_link: Option<String>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// Asks for up to `top` records, following the links within the page.
pub(super) async fn page(client: &Client, mut ask: Ask<'_>, top: u32, now: DateTime<Utc>) -> Result<Page, CallError> {
    let watch = Watch::start(now);
    let top = usize::try_from(top).unwrap_or(usize::MAX);
    let first = ask.url.clone();
    let (mut records, mut bytes, mut seen) = (Vec::new(), 0, HashSet::from([first.to_string()]));
    loop {
        let body = client.ask(&ask, &watch).await?;
        bytes += body.len();
        let (list, next) = read(&body, &first)?;
        records.extend(list);
        let Some(next) = next.filter(|_| records.len() < top) else { break };
        if !seen.insert(next.clone()) {
            return Err(CallError::Unexpected("its next page is one already read"));
        }
        if seen.len() > MAX_LINKS {
            return Err(CallError::Unexpected("its pages do not end"));
        }
        if bytes > MAX_PAGE {
            return Err(CallError::TooLarge);
        }
        go_to(&mut ask, &next)?;
    }
    let more = records.len() >= top;
    Ok(Page { records, more })
}

/// Asks for one page and says where the next one is. The link is guarded when it is followed as well: it may have been stored meanwhile.
pub(super) async fn links(client: &Client, ask: Ask<'_>, now: DateTime<Utc>) -> Result<Links, CallError> {
    let body = client.ask(&ask, &Watch::start(now)).await?;
    let (records, next) = read(&body, &ask.url)?;
    Ok(Links { records, next })
}

/// Turns a call for a list into one for a page of the same list.
pub(super) fn go_to(ask: &mut Ask<'_>, link: &str) -> Result<(), CallError> {
    ask.url = next_page(&ask.url, link)?;
    Ok(())
}

pub(super) fn read(body: &str, asked: &Url) -> Result<(Vec<Box<RawValue>>, Option<String>), CallError> {
    let list: List = serde_json::from_str(object(body)?).map_err(|_| CallError::Unexpected("it is broken JSON"))?;
    if list.error.is_some() {
        return Err(CallError::Unexpected("it says success and holds an error"));
    }
    let value = list.value.ok_or(CallError::Unexpected("it has no list of records (value)"))?;
    if let Some(link) = &list.next_link {
        next_page(asked, link)?;
    }
    Ok((value, list.next_link))
}

/// Reads a single record.
pub(super) fn record(body: &str) -> Result<Box<RawValue>, CallError> {
    let body = object(body)?;
    let members: HashMap<String, &RawValue> = serde_json::from_str(body).map_err(|_| CallError::Unexpected("it is broken JSON"))?;
    if members.is_empty() || members.contains_key("error") {
        return Err(CallError::Unexpected("it is no record"));
    }
    RawValue::from_string(body.to_owned()).map_err(|_| CallError::Unexpected("it is broken JSON"))
}

/// The text of an answer that must be one JSON object.
pub(super) fn object(body: &str) -> Result<&str, CallError> {
    let body = body.trim_start_matches('\u{feff}').trim();
    match body.as_bytes().first() {
        Some(b'{') => Ok(body),
        Some(b'<') => Err(CallError::Unexpected("it is a web page")),
        Some(_) => Err(CallError::Unexpected("it is no JSON object")),
        None => Err(CallError::Unexpected("it is empty")),
    }
}

/// A link to the next page is followed only to the very API asked: same scheme, host and port, and a path at or below the one asked.
pub(super) fn next_page(asked: &Url, link: &str) -> Result<Url, CallError> {
    let next = Url::parse(link).map_err(|_| CallError::RefusedLink)?;
    // Whoever decodes once more would find a way up in `..%2f`.
    let leads_on = |rest: &str| rest.is_empty() || (rest.starts_with('/') && !rest.contains(['%', '\\']) && !rest.contains(".."));
    let below = next.path().strip_prefix(asked.path()).is_some_and(leads_on);
    let same = clouds::is_allowed(&next) && next.host_str() == asked.host_str() && below && next.fragment().is_none();
    if same && link.len() <= 8 * 1024 { Ok(next) } else { Err(CallError::RefusedLink) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Url {
        Url::parse("https://api.security.microsoft.com/api/alerts?$top=10").unwrap()
    }

    #[test]
    fn a_next_page_of_the_same_list_is_followed() {
        for good in [
            "https://api.security.microsoft.com/api/alerts?$top=10&$skip=10",
            "https://api.security.microsoft.com:443/api/alerts?$skiptoken=abc",
        ] {
            assert!(next_page(&asked(), good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_next_page_anywhere_else_is_refused() {
        for bad in [
            "http://api.security.microsoft.com/api/alerts?$skip=10",
            "https://api.security.microsoft.com.evil.com/api/alerts",
            "https://evil.com/api.security.microsoft.com/api/alerts",
            "https://api.security.microsoft.com:8443/api/alerts",
            "https://api.security.microsoft.com\\@evil.com/api/alerts",
            "https://api.security.microsoft.com@evil.com/api/alerts",
            "https://user:pw@api.security.microsoft.com/api/alerts",
            "https://127.0.0.1/api/alerts",
            "/api/alerts?$skip=10",
            "//evil.com/api/alerts",
            "",
            "https://api.security.microsoft.com/api/machines",
            "https://api.security.microsoft.com/api/alertsandmore",
            "https://api.security.microsoft.com/api/alerts/../machines",
            "https://api.security.microsoft.com/api/alerts/%2e%2e/machines",
            "https://api.security.microsoft.com/api/alerts/..%2fmachines",
            "https://api.security.microsoft.com/api/alerts/..%5Cmachines",
            "https://api.security.microsoft.com/api/alerts/%252e%252e/machines",
            "https://api.security.microsoft.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/api/alerts",
            "https://graph.microsoft.com/api/alerts",
            "https://api.s\u{435}curity.microsoft.com/api/alerts",
            "https://api.security.microsoft.com/api/alerts#x",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert_eq!(next_page(&asked(), bad), Err(CallError::RefusedLink), "{bad}");
        }
        let long = format!("https://api.security.microsoft.com/api/alerts?$skiptoken={}", "x".repeat(10_000));
        assert_eq!(next_page(&asked(), &long), Err(CallError::RefusedLink));
    }

    #[test]
    fn what_is_no_list_is_an_error_and_never_an_empty_one() {
        for bad in [
            "",
            "   ",
            "null",
            "[]",
            "{}",
            "4",
            "<!doctype html><title>Sign in</title>",
            r#"{"value":null}"#,
            r#"{"value":{}}"#,
            r#"{"error":{"code":"InternalServerError"}}"#,
            r#"{"value":[],"error":{"code":"InternalServerError"}}"#,
            r#"{"value":[],"value":[]}"#,
            r#"{"value":[{"id":"#,
        ] {
            assert!(matches!(read(bad, &asked()), Err(CallError::Unexpected(_))), "{bad}");
            assert!(matches!(super::super::cloud_apps::envelope(bad), Err(CallError::Unexpected(_))), "{bad}");
        }
        let (empty, next) = read("\u{feff}{\"value\":[]}", &asked()).unwrap();
        assert!(empty.is_empty() && next.is_none());
    }

    #[test]
    fn a_record_keeps_its_text_and_an_empty_object_is_none() {
        let text = "{\"incidentId\" : 924565 , \"x\":1.0}";
        assert_eq!(record(text).unwrap().get(), text);
        for bad in ["{}", "", "null", r#"{"error":{"code":"NotFound"}}"#] {
            assert!(record(bad).is_err(), "{bad}");
        }
    }
}
