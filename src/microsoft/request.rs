//! One call to an API: token, manners, tries, and what the answer means.

use super::clouds::{self, Api};
use super::consent::word;
use super::error::{CallError, NetworkFault};
use super::http::{Answer, Outgoing};
use super::lanes::{Lane, Manner, Service, Watch};
use super::operations::{Operation, Way};
use super::{Client, Target, hunting};
use crate::model::Product;
use chrono::{DateTime, Utc};
use reqwest::Method;
use std::time::Duration;
use url::Url;
use uuid::Uuid;

/// A call to be made.
pub(super) struct Ask<'a> {
    target: Target,
    app: &'a str,
    operation: &'static Operation,
    api: Api,
    pub(super) url: Url,
    body: Option<String>,
}

impl<'a> Ask<'a> {
    /// The operation's call for one tenant as one app. `args` take the places in its path, in their order, encoded.
    ///
    /// # Errors
    /// [`CallError::NotFound`] for an argument that could not be the id of anything; nothing is sent then.
    pub(super) fn new(
        client: &Client,
        target: &Target,
        app: &'a str,
        operation: &'static Operation,
        args: &[&str],
    ) -> Result<Self, CallError> {
        if args.iter().any(|arg| arg.is_empty() || arg.len() > 1024 || arg.bytes().all(|byte| byte == b'.')) {
            return Err(CallError::NotFound);
        }
        let api = client.api(target, operation.product);
        let mut url = clouds::compiled(&api.base);
        let mut args = args.iter();
        if let Ok(mut path) = url.path_segments_mut() {
            for part in operation.path().split('/') {
                match part.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?.1))) {
                    Some((before, after)) => path.push(&format!("{before}{}{after}", args.next().unwrap_or(&""))),
                    None => path.push(part),
                };
            }
        }
        Ok(Self { target: target.clone(), app, operation, api, url, body: None })
    }

    /// With a JSON body.
    #[must_use]
    pub(super) fn json(self, body: &serde_json::Value) -> Self {
        Self { body: Some(body.to_string()), ..self }
    }

    /// With more of a query.
    pub(super) fn query(&mut self, pairs: &[(&str, &str)]) {
        self.url.query_pairs_mut().extend_pairs(pairs);
    }

    fn method(&self) -> Method {
        match self.operation.method() {
            "POST" => Method::POST,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => Method::GET,
        }
    }

    /// Graph takes a text for Latin-1 unless it is told, see Microsoft's page "security: runHuntingQuery".
    fn content_type(&self) -> &'static str {
        if self.operation.product == Product::Graph { "application/json; charset=utf-8" } else { "application/json" }
    }

    /// Without this header Graph hides the members it added to an enumeration, see Microsoft's page "Use the Microsoft Graph API", evolvable
    /// enumerations.
    fn headers(&self) -> Vec<(&'static str, &'static str)> {
        if self.operation.product == Product::Graph { vec![("prefer", "include-unknown-enum-members")] } else { Vec::new() }
    }

    fn outgoing(&self) -> Outgoing {
        Outgoing {
            headers: self.headers(),
            slow: self.operation.way == Way::Hunt,
            body: self.body.clone().map(|body| (self.content_type(), body)),
            ..Outgoing::new(self.method(), self.url.clone())
        }
    }
}

impl Client {
    /// Makes the call and returns the body of a success. A 401 drops the token and is tried once with a fresh one.
    pub(super) async fn ask(&self, ask: &Ask<'_>, watch: &Watch) -> Result<String, CallError> {
        let app = self.app_for(ask.app, &ask.target)?;
        let manner = Manner { budget: Some(ask.operation.budget), pace: ask.target.pace, way: ask.operation.way };
        let service =
            if ask.operation.way == Way::Hunt { Service::Hunting(ask.operation.product) } else { Service::Api(ask.operation.product) };
        let lane = self.lanes().lane(ask.target.tenant, service);
        let _turn = lane.turn().await;
        lane.open(&manner, watch.now())?;
        let mut answer = None;
        for fresh in [false, true] {
            let token = self.token(&ask.target, app, &ask.api, fresh, watch).await.map_err(CallError::before_sending)?;
            let outgoing = Outgoing { bearer: Some(token.secret.clone()), ..ask.outgoing() };
            let this = self.send(&lane, &outgoing, &manner, watch).await?;
            let refused = this.status == 401;
            answer = Some(this);
            if !refused {
                break;
            }
        }
        let result = answer.map_or(Err(CallError::Unauthorized), |answer| judge(ask, answer));
        if matches!(result, Err(CallError::Forbidden { .. } | CallError::Unauthorized)) {
            // The next call asks for a token that may know of a consent given meanwhile.
            self.drop_token(&ask.target, app, &ask.api).await;
        }
        result
    }

    /// Sends until an answer comes that says something: up to five times on server and network errors, with a random pause before each
    /// further try that may be twice as long as the one before, 60 seconds at most. What changes something is sent once.
    pub(super) async fn send(&self, lane: &Lane, outgoing: &Outgoing, manner: &Manner, watch: &Watch) -> Result<Answer, CallError> {
        let mut last = CallError::Network(NetworkFault::Broken);
        for attempt in 0..if manner.way == Way::Read { lane.tries() } else { 1 } {
            if attempt > 0 {
                tokio::time::sleep(pause(self.retry_delay(), attempt)).await;
            }
            lane.spend(manner, watch.now())?;
            let outcome = {
                let _place = lane.places.acquire().await;
                self.http().send(outgoing, watch.now()).await
            };
            last = match outcome {
                Ok(answer) if answer.status == 429 || (answer.status == 503 && answer.retry_after.is_some()) => {
                    let wait = too_many(lane, manner, &answer, watch.now());
                    // "Not now" of a 429 was said instead of doing it; a server that fails may have done it before.
                    let unsure = manner.way == Way::Write && answer.status >= 500;
                    return Err(if unsure { CallError::Server { status: answer.status } } else { wait });
                }
                Ok(answer) if answer.status >= 500 || answer.status == 408 => CallError::Server { status: answer.status },
                Ok(answer) => {
                    lane.answered(manner);
                    return Ok(answer);
                }
                Err(error @ CallError::Network(NetworkFault::Certificate)) => return Err(error),
                Err(error @ CallError::Network(_)) => error,
                Err(error) => return Err(error),
            };
        }
        lane.failed();
        Err(last)
    }
}

/// Closes the lane. Hunting has quotas of computing besides the number of calls, and the body tells which one is used up.
fn too_many(lane: &Lane, manner: &Manner, answer: &Answer, now: DateTime<Utc>) -> CallError {
    let quota = hunting::quota(&answer.body, answer.retry_after, now).filter(|_| manner.budget.is_some_and(hunting::is_of_hunting));
    let wait = match &quota {
        Some(CallError::Quota { retry_after, .. }) => Some(*retry_after),
        _ => answer.retry_after,
    };
    let throttled = lane.throttled(manner, wait, now);
    quota.unwrap_or(throttled)
}

/// Full jitter: anything between nothing and base · 2^(attempt − 1), at most 60 seconds.
fn pause(base: Duration, attempt: u32) -> Duration {
    let longest = base.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(Duration::from_secs(60));
    let random = u32::from_be_bytes(*Uuid::new_v4().as_bytes().first_chunk().unwrap_or(&[0; 4]));
    longest.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// What an answer means. Of an error body the code and, for people, the sentence count; Microsoft's tracking id goes to the log.
fn judge(ask: &Ask<'_>, answer: Answer) -> Result<String, CallError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(|text| text.as_str());
    let code = text("/error/code").or_else(|| text("/error")).and_then(word);
    let tracking = text("/error/target").or_else(|| text("/error/innerError/request-id")).and_then(|id| Uuid::try_parse(id).ok());
    tracing::info!(
        tenant = %ask.target.tenant, operation = ask.operation.name, status = answer.status, code, tracking = tracking.map(tracing::field::display),
        "Microsoft refused a call"
    );
    Err(match answer.status {
        300..=399 => CallError::Unexpected("it leads to another address"),
        401 => CallError::Unauthorized,
        403 if code.as_deref() == Some("DisabledFeature") => CallError::NoLicence { aadsts: None },
        403 => CallError::Forbidden { code },
        404 => CallError::NotFound,
        status => CallError::Rejected {
            status,
            code,
            told: ["/error/message", "/detail", "/message"].into_iter().find_map(text).and_then(sentence),
        },
    })
}

/// Microsoft's sentence, as far as it can stand on a page.
pub(super) fn sentence(text: &str) -> Option<String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microsoft::operations::{cloud_apps, endpoint};
    use crate::model::{Cloud, DirectoryId, TenantId};

    #[test]
    fn pauses_stay_within_their_bounds() {
        for attempt in 1..12 {
            for _ in 0..50 {
                let longest = Duration::from_secs(2_u64.pow(attempt - 1)).min(Duration::from_secs(60));
                assert!(pause(Duration::from_secs(1), attempt) <= longest);
            }
        }
        assert!((0..50).any(|_| pause(Duration::from_secs(1), 6) > Duration::from_secs(1)));
    }

    #[test]
    fn arguments_take_their_places_in_the_path_and_cannot_leave_them() {
        let client = Client::stand_in("127.0.0.1:1".parse().unwrap(), &[], DateTime::UNIX_EPOCH).unwrap();
        let target = Target::new(TenantId::new(), DirectoryId(Uuid::from_u128(1)), Cloud::Commercial);
        let path = |operation, args: &[&str]| Ask::new(&client, &target, "", operation, args).map(|ask| ask.url.path().to_owned());
        assert_eq!(path(&endpoint::ISOLATE_MACHINE, &["ab/../c?d"]).unwrap(), "/api/machines/ab%2F..%2Fc%3Fd/isolate");
        assert_eq!(
            path(&endpoint::ACTIONS_RESULT, &["x", "0"]).unwrap(),
            "/api/machineactions/x/GetLiveResponseResultDownloadLink(index=0)"
        );
        assert_eq!(path(&endpoint::MACHINES_ALERT_COUNT, &["x"]).unwrap(), "/api/machines/x/alerts/$count");
        assert_eq!(path(&cloud_apps::ENTITIES_TREE, &["a+b/c="]).unwrap(), "/cas/api/v1/entities/a+b%2Fc=/retrieve_tree/");
        for bad in ["", ".", ".."] {
            assert_eq!(path(&endpoint::MACHINES_GET, &[bad]), Err(CallError::NotFound), "{bad}");
        }
    }

    #[test]
    fn a_sentence_of_microsofts_is_one_line_of_bounded_length() {
        assert_eq!(sentence("  a\r\nb\u{0}  ").as_deref(), Some("a  b"));
        assert_eq!(sentence(" \n "), None);
        assert_eq!(sentence(&"x".repeat(1000)).unwrap().len(), 400);
    }
}
