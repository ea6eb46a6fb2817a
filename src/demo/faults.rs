//! What can be made to go wrong, per directory and API.

use super::call::{Answer, Call};
use super::hosts::Api;
use super::world::World;
use crate::model::DirectoryId;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// One way to answer wrongly.
#[derive(Clone, Debug)]
pub enum Fault {
    /// 429 with this `Retry-After`, as written, or without one. A call before that time is refused and noted as early.
    Throttle(Option<String>),
    /// This status with an error body in the API's own shape.
    Status(u16),
    /// This status, content type and text instead of the answer.
    Body(u16, &'static str, String),
    /// The first half of the right answer.
    TruncatedJson,
    /// The right answer after a while.
    Slow(Duration),
    /// 401 although the token is good.
    Unauthorized,
    /// 403 although the role is there.
    Forbidden,
    /// 403 with the code `DisabledFeature`.
    DisabledFeature,
    /// The right answer with this `@odata.nextLink`.
    NextLink(String),
    /// The right answer with an `@odata.nextLink` to itself.
    LoopingPages,
    /// For a call that changes something: it is not carried out, and the connection is cut.
    Cut,
    /// For a call that changes something: it is carried out, but the answer is lost.
    Acted(Loss),
    /// Token endpoint: a token of another directory.
    TokenOf(DirectoryId),
    /// Token endpoint: this status, `error` and AADSTS number.
    Entra(u16, &'static str, u32),
    /// Token endpoint: this value as `expires_in`.
    ExpiresIn(Value),
    /// Token endpoint: a bad `id_token`.
    IdToken(IdTokenLie),
}

/// How the answer to a call that was carried out gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The connection is cut before the body.
    Cut,
    /// The connection is cut in the middle of the body.
    Half,
    /// An answer that comes too late, or never.
    Silence(Duration),
    /// This status with an error body.
    Status(u16),
    /// 503 with a `Retry-After` of so many seconds.
    Busy(u32),
}

/// What is wrong with one host, for every directory.
#[derive(Clone, Copy, Debug)]
pub enum HostFault {
    /// The right answers after a while.
    Slow(Duration),
    /// 404: it has none of the data.
    NotFound,
    /// This status.
    Status(u16),
}

/// What is wrong with an `id_token`.
#[derive(Clone, Copy, Debug)]
pub enum IdTokenLie {
    /// `alg: none` and no signature.
    Unsigned,
    /// A signature that does not fit.
    Forged,
    /// `alg: HS256`, signed with the published key as if it were a secret.
    PublicKeyAsSecret,
    /// The name of a key that is not published.
    UnknownKey,
    WrongNonce,
    NoNonce,
    WrongAudience,
    WrongIssuer,
    Expired,
    /// `nbf` and `exp` so many seconds from now.
    Times {
        from: i64,
        until: i64,
    },
    /// `tid` and `iss` of another directory.
    Directory(DirectoryId),
    /// The person showed who they are an hour ago, although they were to be asked anew.
    OldProof,
}

impl Fault {
    /// A page of HTML under status 200, as a proxy might send.
    pub fn html() -> Self {
        Self::Body(200, "text/html", "<!doctype html><title>Sign in</title><p>Sign in to continue".to_owned())
    }

    /// Status 200 with nothing in it.
    pub fn empty() -> Self {
        Self::Body(200, "application/json", String::new())
    }

    /// Status 200 with this text, said to be JSON.
    pub fn json(text: impl Into<String>) -> Self {
        Self::Body(200, "application/json", text.into())
    }

    /// Status 200 with an error inside.
    pub fn error_in_200() -> Self {
        Self::json(json!({"error": {"code": "InternalServerError", "message": "", "target": "0"}}).to_string())
    }

    /// What is said instead of the right answer, if this fault has no use for it.
    pub(super) fn instead(&self, api: Api) -> Option<Answer> {
        let refuse = |status, code, message| super::gate::refusal(api, status, code, message);
        Some(match self {
            Self::Throttle(retry_after) => {
                let answer = refuse(429, "TooManyRequests", "Too many requests. Please try again later.");
                match retry_after {
                    Some(text) => answer.header(axum::http::header::RETRY_AFTER, text.clone()),
                    None => answer,
                }
            }
            Self::Status(status) => refuse(*status, "InternalServerError", ""),
            Self::Body(status, kind, text) => {
                let mut answer = Answer::json(*status, &Value::Null);
                answer.set_body(kind, text.clone());
                answer
            }
            Self::Unauthorized => refuse(401, "Unauthorized", "The token is not accepted."),
            Self::Forbidden => refuse(403, "Forbidden", "The application does not have any of the required application permissions."),
            Self::Cut => {
                let mut answer = Answer::json(200, &Value::Null);
                answer.cut = Some(0);
                answer
            }
            Self::DisabledFeature => refuse(403, "DisabledFeature", "The feature is turned off for the tenant."),
            _ => return None,
        })
    }

    /// The right answer, bent.
    pub(super) fn bend(&self, call: &Call, mut answer: Answer) -> Answer {
        match self {
            Self::TruncatedJson => {
                let mut half = answer.body.len() / 2;
                while !answer.body.is_char_boundary(half) {
                    half -= 1;
                }
                answer.body.truncate(half);
            }
            Self::Slow(delay) | Self::Acted(Loss::Silence(delay)) => answer.delay = Some(*delay),
            Self::Acted(Loss::Cut) => answer.cut = Some(0),
            Self::Acted(Loss::Half) => answer.cut = Some(answer.body.len() / 2),
            Self::Acted(Loss::Status(status)) => {
                let api = answer.api.unwrap_or(Api::DefenderEndpoint);
                answer = super::gate::refusal(api, *status, "InternalServerError", "");
            }
            Self::Acted(Loss::Busy(seconds)) => {
                let api = answer.api.unwrap_or(Api::DefenderEndpoint);
                let busy = super::gate::refusal(api, 503, "ServiceUnavailable", "");
                answer = busy.header(axum::http::header::RETRY_AFTER, seconds.to_string());
            }
            Self::NextLink(link) => add_next_link(&mut answer, link),
            Self::LoopingPages => {
                let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.query).finish();
                add_next_link(&mut answer, &format!("https://{}{}?{query}", call.host, call.path));
            }
            _ => {}
        }
        answer
    }
}

fn add_next_link(answer: &mut Answer, link: &str) {
    if let Ok(Value::Object(mut body)) = serde_json::from_str(&answer.body) {
        body.insert("@odata.nextLink".to_owned(), json!(link));
        answer.body = Value::Object(body).to_string();
    }
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    Forever,
    /// This many calls.
    Calls(u32),
}

struct Planned {
    fault: Fault,
    /// Good answers before it begins.
    pass: u32,
    times: Times,
}

/// The faults waiting, each queue in the order of planning.
#[derive(Default)]
pub(super) struct Faults(HashMap<(DirectoryId, Api), VecDeque<Planned>>);

impl Faults {
    /// The fault of this call, if any. Those for calls that change something wait for one.
    pub fn take(&mut self, directory: DirectoryId, api: Api, writes: bool) -> Option<Fault> {
        let queue = self.0.get_mut(&(directory, api))?;
        let first = queue.front_mut()?;
        if !writes && matches!(first.fault, Fault::Cut | Fault::Acted(_)) {
            return None;
        }
        if first.pass > 0 {
            first.pass -= 1;
            return None;
        }
        let fault = first.fault.clone();
        match &mut first.times {
            Times::Forever => {}
            Times::Calls(left) if *left > 1 => *left -= 1,
            Times::Calls(_) => {
                queue.pop_front();
            }
        }
        Some(fault)
    }

    pub fn is_planned(&self, directory: DirectoryId, api: Api) -> bool {
        self.0.get(&(directory, api)).is_some_and(|queue| !queue.is_empty())
    }
}

impl World {
    /// Breaks one host for everybody, until another fault is set for it.
    pub fn break_host(&mut self, host: &str, fault: HostFault) {
        self.hosts.insert(host.to_owned(), fault);
    }

    /// The answer as a broken host gives it.
    pub(super) fn bent_by_host(&self, call: &Call, mut answer: Answer) -> Answer {
        let status = match self.hosts.get(&call.host) {
            None => return answer,
            Some(HostFault::Slow(delay)) => {
                answer.delay = Some(*delay);
                return answer;
            }
            Some(HostFault::NotFound) => 404,
            Some(HostFault::Status(status)) => *status,
        };
        let code = if status == 404 { "ResourceNotFound" } else { "Forbidden" };
        let mut bent = Answer::defender(status, code, "This host was asked to answer so.");
        (bent.api, bent.directory) = (answer.api, answer.directory);
        bent
    }

    /// Breaks an API for a directory. Several faults follow one another.
    pub fn fault(&mut self, directory: DirectoryId, api: Api, fault: Fault, times: Times) {
        self.fault_after(directory, api, 0, fault, times);
    }

    /// The same, after so many good answers.
    pub fn fault_after(&mut self, directory: DirectoryId, api: Api, pass: u32, fault: Fault, times: Times) {
        self.faults.0.entry((directory, api)).or_default().push_back(Planned { fault, pass, times });
    }

    /// Heals an API of a directory at once; a `Retry-After` given before is forgotten.
    pub fn heal(&mut self, directory: DirectoryId, api: Api) {
        self.faults.0.remove(&(directory, api));
        self.limits.forget(directory);
    }
}
