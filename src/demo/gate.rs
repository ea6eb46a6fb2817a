//! What every call to a security API passes: token, throttling, planned faults, permission.

use super::call::{Answer, Call};
use super::faults::Fault;
use super::hosts::{self, Api};
use super::login;
use super::world::World;
use crate::model::{Cloud, DirectoryId, Product};
use axum::http::header;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};

/// One operation: its published limits, and the roles of which one is enough.
pub(super) struct Operation {
    /// Operations of one name share their limits.
    pub name: &'static str,
    pub per_minute: usize,
    pub per_hour: usize,
    pub roles: &'static [&'static str],
}

/// Who called when, per directory and operation; and who was told to wait.
#[derive(Default)]
pub(super) struct Limits {
    calls: HashMap<(DirectoryId, &'static str), VecDeque<DateTime<Utc>>>,
    /// By the name of the operation, or of the API when a whole API was told to be left alone.
    blocked: HashMap<(DirectoryId, &'static str), DateTime<Utc>>,
}

impl Limits {
    pub fn forget(&mut self, directory: DirectoryId) {
        self.blocked.retain(|(dir, _), _| *dir != directory);
        self.calls.retain(|(dir, _), _| *dir != directory);
    }

    /// Counts a call; when it is one too many, says for how many seconds to wait.
    fn count(&mut self, directory: DirectoryId, operation: &Operation, now: DateTime<Utc>) -> Option<i64> {
        let calls = self.calls.entry((directory, operation.name)).or_default();
        while calls.front().is_some_and(|at| *at <= now - TimeDelta::hours(1)) {
            calls.pop_front();
        }
        let wait_for = |oldest: Option<&DateTime<Utc>>, window: TimeDelta| oldest.map(|at| (*at + window - now).num_seconds() + 1);
        let minute = calls.iter().rev().nth(operation.per_minute - 1).filter(|at| **at > now - TimeDelta::minutes(1));
        let wait = wait_for(minute, TimeDelta::minutes(1))
            .or_else(|| if calls.len() >= operation.per_hour { wait_for(calls.front(), TimeDelta::hours(1)) } else { None });
        if wait.is_none() {
            calls.push_back(now);
        }
        wait
    }

    /// Remembers what the caller has been told: seconds, with or without a fraction, or an HTTP date.
    pub fn told(&mut self, directory: DirectoryId, operation: &'static str, retry_after: &str, now: DateTime<Utc>) {
        let milliseconds = retry_after.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds < 1e9).map(|s| s * 1000.0);
        let date = || DateTime::parse_from_rfc2822(retry_after).ok().map(|date| date.with_timezone(&Utc));
        #[expect(clippy::cast_possible_truncation, reason = "below 10^12")]
        let until = milliseconds.map(|ms| now + TimeDelta::milliseconds(ms as i64)).or_else(date);
        if let Some(until) = until.filter(|until| *until > now) {
            self.blocked.insert((directory, operation), until);
        }
    }

    /// How many seconds the caller has still to wait.
    pub fn remaining(&self, directory: DirectoryId, operation: &'static str, now: DateTime<Utc>) -> Option<i64> {
        let until = self.blocked.get(&(directory, operation)).filter(|until| **until > now)?;
        Some((*until - now).num_seconds() + 1)
    }
}

/// An error in the shape of the API that sends it.
pub(super) fn refusal(api: Api, status: u16, code: &str, message: &str) -> Answer {
    match api {
        Api::DefenderXdr | Api::DefenderEndpoint => Answer::defender(status, code, message),
        Api::CloudApps => Answer::json(status, &json!({"detail": message})),
        Api::Graph => Answer::graph(status, code, message),
        Api::Token => Answer::json(status, &json!({"error": "temporarily_unavailable", "error_description": message})),
    }
}

/// Lets a call in, or refuses it; then bends the answer if a fault is planned.
pub(super) fn serve(
    world: &mut World,
    call: &Call,
    api: Api,
    operation: &Operation,
    work: impl FnOnce(&mut World, DirectoryId) -> Answer,
) -> Answer {
    serve_as(world, call, api, operation, |world, directory, _| work(world, directory))
}

/// The same for an operation that looks at the caller's roles itself.
pub(super) fn serve_as(
    world: &mut World,
    call: &Call,
    api: Api,
    operation: &Operation,
    work: impl FnOnce(&mut World, DirectoryId, &[String]) -> Answer,
) -> Answer {
    let (directory, roles) = match token(world, call, api) {
        Ok(visitor) => visitor,
        Err(reason) => return unauthorized(call, api, reason),
    };
    let now = world.now();
    if let Some(seconds) = world.limits.remaining(directory, operation.name, now) {
        let mut answer = too_many(api, seconds);
        answer.early = true;
        return answer.of(api, directory);
    }
    if let Some(seconds) = world.limits.count(directory, operation, now) {
        world.limits.told(directory, operation.name, &seconds.to_string(), now);
        return too_many(api, seconds).of(api, directory);
    }
    let fault = world.faults.take(directory, api, call.method != axum::http::Method::GET);
    if let Some(Fault::Throttle(Some(retry_after))) = &fault {
        world.limits.told(directory, operation.name, retry_after, now);
    }
    if let Some(instead) = fault.as_ref().and_then(|fault| fault.instead(api)) {
        return instead.of(api, directory);
    }
    let allowed = operation.roles.iter().any(|needed| roles.iter().any(|role| role.eq_ignore_ascii_case(needed)));
    let answer = if allowed { work(world, directory, &roles) } else { forbidden(api, operation) };
    let answer = match &fault {
        Some(fault) => fault.bend(call, answer),
        None => answer,
    };
    answer.of(api, directory)
}

fn forbidden(api: Api, operation: &Operation) -> Answer {
    let needed = operation.roles.join(",");
    match api {
        Api::CloudApps => refusal(api, 403, "Forbidden", "Insufficient role based permissions"),
        Api::Graph => {
            let roles = format!("API requires one of '{}'.", operation.roles.join(", "));
            refusal(api, 403, "Forbidden", &format!("Missing application roles. {roles}"))
        }
        _ => refusal(
            api,
            403,
            "Forbidden",
            &format!("The application does not have any of the required application permissions ({needed}) to access the resource."),
        ),
    }
}

fn too_many(api: Api, seconds: i64) -> Answer {
    let message = format!("API calls quota exceeded. Please try again in {seconds} seconds.");
    refusal(api, 429, "TooManyRequests", &message).header(header::RETRY_AFTER, seconds.to_string())
}

fn unauthorized(call: &Call, api: Api, reason: &str) -> Answer {
    let cloud = Cloud::ALL.iter().find(|cloud| hosts::serves(&call.host, **cloud)).copied().unwrap_or(Cloud::Commercial);
    let login = login::host_of(cloud);
    let challenge = format!(
        "Bearer authorization_uri=\"https://{login}/common/oauth2/authorize\", error=\"invalid_token\", error_description=\"{reason}\""
    );
    let code = if api == Api::Graph { "InvalidAuthenticationToken" } else { "Unauthorized" };
    refusal(api, 401, code, reason).header(header::WWW_AUTHENTICATE, challenge)
}

/// The directory and the roles of a good token for this API.
fn token(world: &World, call: &Call, api: Api) -> Result<(DirectoryId, Vec<String>), &'static str> {
    let header = call.header(&header::AUTHORIZATION).ok_or("Authorization header is missing.")?;
    let token = header.strip_prefix("Bearer ").ok_or("The authorization scheme must be Bearer.")?;
    let claims = world.keys.read(token).ok_or("The signature is invalid.")?;
    let now = world.now().timestamp();
    if claims["exp"].as_i64().is_none_or(|exp| exp <= now) {
        return Err("The token is expired.");
    }
    let product = match api {
        Api::DefenderXdr => Product::DefenderXdr,
        Api::DefenderEndpoint => Product::DefenderEndpoint,
        Api::Graph => Product::Graph,
        Api::CloudApps | Api::Token => Product::CloudApps,
    };
    let directory = claims["tid"].as_str().and_then(DirectoryId::parse).and_then(|id| world.directories.get(&id));
    let directory = directory.ok_or("The tenant is not known.")?;
    if claims["aud"].as_str().and_then(|audience| hosts::resource_in(directory.cloud, audience)) != Some(product) {
        return Err("The audience is invalid.");
    }
    if !hosts::serves(&call.host, directory.cloud) {
        return Err("The tenant is in another cloud.");
    }
    if claims["uti"].as_str().and_then(|uti| uti.parse::<u64>().ok()).is_none_or(|number| number < directory.oldest_token) {
        return Err("The token has been revoked.");
    }
    let text = |role: &Value| role.as_str().map(str::to_owned);
    let roles = claims["roles"].as_array().map(|roles| roles.iter().filter_map(text).collect()).unwrap_or_default();
    Ok((directory.id, roles))
}
