//! One call to an API: token, manners, tries, and what the answer means.

use super::consent::word;
use super::error::{CallError, NetworkFault};
use super::http::{Answer, Outgoing};
use super::lanes::{Lane, Service, Watch};
use super::{Client, Target, clouds};
use crate::model::Product;
use reqwest::Method;
use std::time::Duration;
use url::Url;
use uuid::Uuid;

/// A call to be made.
pub(super) struct Ask<'a> {
    target: Target,
    app: &'a str,
    product: Product,
    method: Method,
    pub(super) url: Url,
    body: Option<String>,
}

impl<'a> Ask<'a> {
    /// A GET of `path` below the product's base.
    pub(super) fn get(target: &Target, app: &'a str, product: Product, path: &str) -> Self {
        let url = clouds::compiled(&format!("{}/{path}", clouds::api(target.cloud, product).base));
        Self { target: *target, app, product, method: Method::GET, url, body: None }
    }

    /// A POST that only reads, and so may be tried again.
    pub(super) fn reading_post(target: &Target, app: &'a str, product: Product, path: &str, body: &serde_json::Value) -> Self {
        Self { method: Method::POST, body: Some(body.to_string()), ..Self::get(target, app, product, path) }
    }

    pub(super) fn query(&mut self, pairs: &[(&str, &str)]) {
        self.url.query_pairs_mut().extend_pairs(pairs);
    }

    /// Adds one segment to the path, encoded.
    pub(super) fn segment(&mut self, segment: &str) {
        if let Ok(mut path) = self.url.path_segments_mut() {
            path.push(segment);
        }
    }
}

impl Client {
    /// Makes the call and returns the body of a success. A 401 drops the token and is tried once with a fresh one.
    pub(super) async fn ask(&self, ask: &Ask<'_>, watch: &Watch) -> Result<String, CallError> {
        let app = self.app_for(ask.app, &ask.target)?;
        let audience = clouds::api(ask.target.cloud, ask.product).audience;
        let lane = self.lanes().lane(ask.target.tenant, Service::Api(ask.product));
        let _turn = lane.turn().await;
        lane.open(watch.now())?;
        let mut answer = None;
        for fresh in [false, true] {
            let token = self.token(&ask.target, app, audience, fresh, watch).await?;
            let outgoing = Outgoing {
                method: ask.method.clone(),
                url: ask.url.clone(),
                bearer: Some(token.secret.clone()),
                body: ask.body.clone().map(|body| ("application/json", body)),
            };
            let this = self.send(&lane, &outgoing, watch).await?;
            let refused = this.status == 401;
            answer = Some(this);
            if !refused {
                break;
            }
        }
        let result = answer.map_or(Err(CallError::Unauthorized), |answer| judge(ask, answer));
        if matches!(result, Err(CallError::Forbidden { .. } | CallError::Unauthorized)) {
            // The next call asks for a token that may know of a consent given meanwhile.
            self.drop_token(&ask.target, app, audience).await;
        }
        result
    }

    /// Sends until an answer comes that says something: up to five times on server and network errors, with a random pause before each
    /// further try that may be twice as long as the one before, 60 seconds at most.
    pub(super) async fn send(&self, lane: &Lane, outgoing: &Outgoing, watch: &Watch) -> Result<Answer, CallError> {
        lane.open(watch.now())?;
        let mut last = CallError::Network(NetworkFault::Broken);
        for attempt in 0..lane.tries() {
            if attempt > 0 {
                tokio::time::sleep(pause(self.retry_delay(), attempt)).await;
            }
            let outcome = {
                let _place = lane.places.acquire().await;
                self.http().send(outgoing, watch.now()).await
            };
            last = match outcome {
                Ok(answer) if answer.status == 429 || (answer.status == 503 && answer.retry_after.is_some()) => {
                    return Err(lane.throttled(answer.retry_after, watch.now()));
                }
                Ok(answer) if answer.status >= 500 || answer.status == 408 => CallError::Server { status: answer.status },
                Ok(answer) => {
                    lane.answered();
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

/// Full jitter: anything between nothing and base · 2^(attempt − 1), at most 60 seconds.
fn pause(base: Duration, attempt: u32) -> Duration {
    let longest = base.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(Duration::from_secs(60));
    let random = u32::from_be_bytes(*Uuid::new_v4().as_bytes().first_chunk().unwrap_or(&[0; 4]));
    longest.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// What an answer means. Error bodies are read for their code only; Microsoft's tracking id goes to the log.
fn judge(ask: &Ask<'_>, answer: Answer) -> Result<String, CallError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let code = body.pointer("/error/code").or_else(|| body.pointer("/error")).and_then(|code| code.as_str()).and_then(word);
    let tracking = body.pointer("/error/target").and_then(|id| id.as_str()).and_then(|id| Uuid::try_parse(id).ok());
    tracing::info!(
        tenant = %ask.target.tenant, product = ask.product.as_str(), status = answer.status, code, tracking = tracking.map(tracing::field::display),
        "Microsoft refused a call"
    );
    Err(match answer.status {
        300..=399 => CallError::Unexpected("it leads to another address"),
        401 => CallError::Unauthorized,
        403 if code.as_deref() == Some("DisabledFeature") => CallError::NoLicence { aadsts: None },
        403 => CallError::Forbidden { code },
        404 => CallError::NotFound,
        status => CallError::Rejected { status, code },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
