//! The HTTP client: the only one that carries Microsoft's tokens.

use super::error::{CallError, NetworkFault};
use super::log_store::Store;
use super::{azure, clouds};
use crate::config::Outbound;
use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Method, Proxy, redirect};
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;
use url::Url;

/// The largest answer, unpacked: 32 MiB.
pub const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// HTTP/1.1 with kept-alive connections. A shared HTTP/2 connection ends at the server's limit of some 100 streams and lets one lost packet
/// stall every tenant at once; here a slow answer holds up nobody else, and the lanes keep the number of connections at a few dozen.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    /// For answers that take minutes to come.
    slow: reqwest::Client,
    /// For Azure's endpoint on the machine itself: plain http, and never through the proxy.
    near: reqwest::Client,
    /// Set for the stand-in cloud only.
    stand_in: Option<SocketAddr>,
}

/// One request. `url` is always the real one.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) bearer: Option<Arc<SecretString>>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    /// Whether the answer may take up to 200 seconds.
    pub(super) slow: bool,
    /// Its content type, and the body.
    pub(super) body: Option<(&'static str, String)>,
}

impl Outgoing {
    /// A bare request, to be filled.
    pub(super) const fn new(method: Method, url: Url) -> Self {
        Self { method, url, bearer: None, headers: Vec::new(), slow: false, body: None }
    }
}

/// A whole answer, of any status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: String,
}

impl Http {
    pub(super) fn new(outbound: &Outbound) -> Result<Self> {
        Ok(Self { client: Self::real(outbound, TIME, SILENCE)?, slow: Self::real(outbound, SLOW, SLOW)?, near: near()?, stand_in: None })
    }

    fn real(outbound: &Outbound, time: Duration, silence: Duration) -> Result<reqwest::Client> {
        let mut builder = base(time, silence).https_only(true);
        if let Some(proxy) = &outbound.proxy {
            builder = builder.proxy(Proxy::https(proxy.clone()).context("outbound.proxy is not usable")?);
        }
        if let Some(file) = &outbound.ca_file {
            let wrong = || format!("outbound.ca_file = {}", file.display());
            let pem = std::fs::read(file).with_context(wrong)?;
            let certificates = Certificate::from_pem_bundle(&pem).with_context(wrong)?;
            ensure!(!certificates.is_empty(), "{}: there is no certificate in it", wrong());
            builder = builder.tls_certs_merge(certificates);
        }
        builder.build().context(UNMADE)
    }

    pub(super) fn stand_in(address: SocketAddr) -> Result<Self> {
        ensure!(address.ip().is_loopback(), "the stand-in cloud must be on a loopback address");
        let client = |time, silence| base(time, silence).build().context(UNMADE);
        Ok(Self { client: client(TIME, SILENCE)?, slow: client(SLOW, SLOW)?, near: near()?, stand_in: Some(address) })
    }

    /// Where an address of Microsoft's is found: itself, or its place in the stand-in cloud.
    pub(super) fn place(&self, url: &Url) -> Url {
        let (Some(address), Some(host)) = (self.stand_in, url.host_str()) else { return url.clone() };
        let mut place = clouds::compiled(&format!("http://{address}/"));
        place.set_path(&format!("/{host}{}", url.path()));
        place.set_query(url.query());
        place
    }

    /// Sends once. `now` is what a date in `Retry-After` is compared with when the answer has none of its own.
    pub(super) async fn send(&self, outgoing: &Outgoing, now: DateTime<Utc>) -> Result<Answer, CallError> {
        if !clouds::is_allowed(&outgoing.url) {
            return Err(CallError::RefusedLink);
        }
        let client = if outgoing.slow { &self.slow } else { &self.client };
        self.deliver(client, outgoing, now).await
    }

    /// Sends once to a Key Vault, with a token of the portal's own that goes nowhere else.
    pub(super) async fn send_to_vault(&self, outgoing: &Outgoing, now: DateTime<Utc>) -> Result<Answer, CallError> {
        if !azure::is_vault(&outgoing.url) {
            return Err(CallError::RefusedLink);
        }
        self.deliver(&self.client, outgoing, now).await
    }

    /// Asks the machine itself for a token of its identity. Nothing of Microsoft's is sent there.
    pub(super) async fn ask_machine(
        &self,
        url: &Url,
        header: (&'static str, &SecretString),
        now: DateTime<Utc>,
    ) -> Result<Answer, CallError> {
        if !azure::is_machine(url) {
            return Err(CallError::RefusedLink);
        }
        let mut value =
            HeaderValue::try_from(header.1.expose_secret()).map_err(|_| CallError::NotConfigured("IDENTITY_HEADER is no header"))?;
        value.set_sensitive(true);
        let request = self.near.get(self.place(url)).header(ACCEPT, "application/json").header(header.0, value);
        receive(request.send().await.map_err(fault)?, now).await
    }

    async fn deliver(&self, client: &reqwest::Client, outgoing: &Outgoing, now: DateTime<Utc>) -> Result<Answer, CallError> {
        let mut request = client.request(outgoing.method.clone(), self.place(&outgoing.url)).header(ACCEPT, "application/json");
        if let Some(token) = &outgoing.bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
                .map_err(|_| CallError::Unexpected("the token cannot be sent in a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        for (name, value) in &outgoing.headers {
            request = request.header(*name, *value);
        }
        if let Some((content_type, body)) = &outgoing.body {
            request = request.header(CONTENT_TYPE, *content_type).body(body.clone());
        }
        receive(request.send().await.map_err(fault)?, now).await
    }
}

/// The whole answer.
async fn receive(mut response: reqwest::Response, now: DateTime<Utc>) -> Result<Answer, CallError> {
    let (status, retry_after) = (response.status().as_u16(), wait_of(response.headers(), now));
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(fault)? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(CallError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    // A page with one broken character is still a page: U+FFFD takes its place.
    let body = String::from_utf8(bytes).unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned());
    Ok(Answer { status, retry_after, body })
}

impl Http {
    /// Puts a file of `size` bytes where Microsoft asked for it: no token, no redirect, its own two headers. The address is checked again, and
    /// is never logged. Source: Microsoft's page "Perform file upload".
    pub(super) async fn put(
        &self,
        url: &Url,
        store: Store,
        (size, content): (u64, impl AsyncRead + Send + 'static),
    ) -> Result<(), CallError> {
        let provider = if store == Store::Azure { "azure" } else { "aws" };
        if Store::of(url, provider) != Some(store) {
            return Err(CallError::RefusedLink);
        }
        let body = reqwest::Body::wrap_stream(ReaderStream::with_capacity(content, 64 * 1024));
        let mut request = self.slow.put(self.place(url)).header(CONTENT_LENGTH, size).body(body);
        if store == Store::Azure {
            request = request.header("x-ms-blob-type", "BlockBlob");
        }
        let status = request.send().await.map_err(fault)?.status().as_u16();
        match status {
            200..300 => Ok(()),
            500.. => Err(CallError::Server { status }),
            _ => Err(CallError::Rejected { status, code: None, told: Some("The store did not take the file.".to_owned()) }),
        }
    }
}

/// The most a call may take in all, and the longest silence in it; and both for a hunting query, which Microsoft ends after 200 seconds.
const TIME: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_secs(210);
const UNMADE: &str = "the HTTP client could not be made";

fn near() -> Result<reqwest::Client> {
    base(TIME, SILENCE).build().context(UNMADE)
}

fn base(time: Duration, silence: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("watchfloor/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .http1_only()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(silence)
        .timeout(time)
        .pool_idle_timeout(Duration::from_secs(50))
        .tcp_keepalive(Duration::from_secs(30))
}

/// Where the way broke. The cause is logged without the address, whose query may hold a state.
fn fault(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let causes = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    tracing::debug!(causes, "a call to Microsoft broke");
    CallError::Network(match () {
        () if causes.contains("certificate") => NetworkFault::Certificate,
        () if error.is_timeout() && !error.is_connect() => NetworkFault::Timeout,
        () if error.is_connect() => NetworkFault::Connect,
        () => NetworkFault::Broken,
    })
}

fn wait_of(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let server_time = text(DATE).and_then(http_date).unwrap_or(now);
    text(RETRY_AFTER).and_then(|value| retry_after(value, server_time))
}

/// Reads `Retry-After`: seconds, whole or with a fraction, or an HTTP date compared with the server's own time. At most 15 minutes;
/// nonsense is `None`.
pub(super) fn retry_after(value: &str, server_time: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<f64>() {
        Ok(seconds) if seconds.is_nan() => return None,
        Ok(seconds) => Duration::try_from_secs_f64(seconds.min(super::lanes::LONGEST_WAIT.as_secs_f64())).ok()?,
        Err(_) => (http_date(value)? - server_time).to_std().ok()?,
    };
    Some(wait.min(super::lanes::LONGEST_WAIT))
}

fn http_date(value: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(value).ok().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_retry_after_is_understood_or_ignored() {
        let server_time = http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        for (value, expected) in [
            ("7", Some(7.0)),
            (" 7 ", Some(7.0)),
            ("2.128", Some(2.128)),
            ("0", Some(0.0)),
            ("999999", Some(900.0)),
            ("1e300", Some(900.0)),
            ("inf", Some(900.0)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30.0)),
            ("Thu, 22 Oct 2015 07:28:30 GMT", Some(900.0)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", None),
            ("-5", None),
            ("NaN", None),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, server_time).map(|wait| wait.as_secs_f64()), expected, "{value}");
        }
    }

    #[test]
    fn the_stand_in_cloud_is_on_loopback_or_refused() {
        assert!(Http::stand_in("127.0.0.1:80".parse().unwrap()).is_ok());
        assert!(Http::stand_in("[::1]:80".parse().unwrap()).is_ok());
        for far in ["192.0.2.1:80", "10.0.0.1:80", "0.0.0.0:80", "[2001:db8::1]:80"] {
            assert!(Http::stand_in(far.parse().unwrap()).is_err(), "{far}");
        }
    }

    #[test]
    fn only_the_host_part_of_an_address_moves_into_the_stand_in_cloud() {
        let http = Http::stand_in("127.0.0.1:4000".parse().unwrap()).unwrap();
        let url = Url::parse("https://api.security.microsoft.com/api/incidents?%24top=1&%24filter=a%20b").unwrap();
        assert_eq!(http.place(&url).as_str(), "http://127.0.0.1:4000/api.security.microsoft.com/api/incidents?%24top=1&%24filter=a%20b");
    }
}
