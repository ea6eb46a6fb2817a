//! What the stand-in was asked and what it showed. Secrets, assertions, codes and tokens never enter it.

use super::call::{Answer, Call, find};
use super::hosts::Api;
use crate::model::DirectoryId;
use axum::http::{HeaderName, header};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, VecDeque};

/// A demo that runs for days must not fill the memory.
const REQUESTS_KEPT: usize = 200_000;

/// One request and how it was answered.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: DateTime<Utc>,
    pub method: String,
    /// Of Microsoft's; empty for the stand-in's own pages.
    pub host: String,
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    /// Decoded; secrets are replaced by `(redacted)`.
    pub form: Vec<(String, String)>,
    /// Accept, content type, user agent; and whether there was an authorization.
    pub headers: Vec<(String, String)>,
    /// A JSON body as it came.
    pub json: Option<String>,
    pub directory: Option<DirectoryId>,
    pub api: Option<Api>,
    pub status: u16,
    /// It came before the `Retry-After` it had been given.
    pub early: bool,
}

impl Request {
    /// The first query value under a name.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// The first form value under a name.
    pub fn form(&self, name: &str) -> Option<&str> {
        find(&self.form, name)
    }
}

/// One version of one record that a caller has seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    pub directory: DirectoryId,
    pub api: Api,
    /// Microsoft's id, as text.
    pub id: String,
    /// `lastUpdateTime` of incidents and alerts as written; of a Cloud Apps alert its `timestamp`, `statusValue` and
    /// `resolutionStatusValue`.
    pub version: String,
}

/// Everything asked and shown so far.
#[derive(Default)]
pub struct Ledger {
    requests: VecDeque<Request>,
    shown: BTreeMap<Shown, DateTime<Utc>>,
}

impl Ledger {
    /// The last 200,000 requests, oldest first.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter()
    }

    /// The requests of one directory to one API, oldest first.
    pub fn requests_of(&self, directory: DirectoryId, api: Api) -> Vec<Request> {
        self.requests.iter().filter(|request| request.directory == Some(directory) && request.api == Some(api)).cloned().collect()
    }

    /// The requests that ignored a `Retry-After`.
    pub fn early(&self) -> Vec<Request> {
        self.requests.iter().filter(|request| request.early).cloned().collect()
    }

    /// Every record version shown of one directory by one API, with the time it was first shown.
    pub fn shown(&self, directory: DirectoryId, api: Api) -> Vec<(Shown, DateTime<Utc>)> {
        let mine = self.shown.iter().filter(|(shown, _)| shown.directory == directory && shown.api == api);
        mine.map(|(shown, at)| (shown.clone(), *at)).collect()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn show(&mut self, at: DateTime<Utc>, shown: Shown) {
        self.shown.entry(shown).or_insert(at);
    }

    pub(super) fn note(&mut self, at: DateTime<Utc>, call: &Call, answer: &Answer) {
        if self.requests.len() == REQUESTS_KEPT {
            self.requests.pop_front();
        }
        let is_json = call.header(&header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        let json = (is_json && !call.body.is_empty()).then(|| without_address(&String::from_utf8_lossy(&call.body)));
        self.requests.push_back(Request {
            at,
            method: call.method.to_string(),
            host: call.host.clone(),
            path: call.path.clone(),
            query: redacted(call.query.clone()),
            form: redacted(call.form()),
            headers: headers(call),
            json,
            directory: answer.directory,
            api: answer.api,
            status: answer.status,
            early: answer.early,
        });
    }
}

/// The address of an upload opens a store for whoever knows it.
fn without_address(body: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(body) {
        Ok(mut json) if json.get("uploadUrl").is_some() => {
            json["uploadUrl"] = "(redacted)".into();
            json.to_string()
        }
        _ => body.to_owned(),
    }
}

fn redacted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    for (name, value) in &mut pairs {
        if matches!(name.as_str(), "client_secret" | "client_assertion" | "code" | "code_verifier" | "refresh_token" | "password" | "sig") {
            "(redacted)".clone_into(value);
        }
    }
    pairs
}

fn headers(call: &Call) -> Vec<(String, String)> {
    const KEPT: [HeaderName; 4] = [header::ACCEPT, header::ACCEPT_ENCODING, header::CONTENT_TYPE, header::USER_AGENT];
    let mut kept: Vec<_> = KEPT.iter().filter_map(|name| call.header(name).map(|value| (name.to_string(), value.to_owned()))).collect();
    if let Some(authorization) = call.header(&header::AUTHORIZATION) {
        let scheme = authorization.split(' ').next().unwrap_or_default();
        kept.push(("authorization".to_owned(), format!("{scheme} (redacted)")));
    }
    kept
}
