//! Messages of the audit log for a syslog receiver, and how they get there.
//!
//! The head is that of RFC 5424. Over TCP each message tells its length (RFC 6587, "octet counting"). A connection carries one batch and is
//! then closed for writing; only when the receiver has closed it too, the batch has arrived. A batch of which that is not known is sent again:
//! a receiver may get a row twice, and knows it by its position.

use crate::config::LogFormat;
use crate::store::audit_chain::{Link, Row};
use chrono::SecondsFormat;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use url::Url;

/// How long a batch may take, with connecting.
const PATIENCE: Duration = Duration::from_secs(20);
/// "Log audit" (RFC 5424, table 1).
const FACILITY: u8 = 13;
/// The enterprise number that is set aside for examples (RFC 5612): the project has none of its own.
const DATA_ID: &str = "audit@32473";

/// A row of the chain as it is told to others.
pub struct Message<'a> {
    /// The portal's host.
    pub portal: &'a str,
    pub link: &'a Link,
    /// `None`: it was deleted from the log, which is told too.
    pub row: Option<&'a Row>,
}

impl Message<'_> {
    /// The whole message, without framing.
    pub fn text(&self, format: LogFormat) -> String {
        let (at, action, severity) = match self.row {
            Some(row) => (row.at.to_rfc3339_opts(SecondsFormat::Micros, true), row.action.as_str(), severity(&row.result)),
            None => ("-".to_owned(), "audit.deleted", 2),
        };
        let head = format!("<{}>1 {at} {} watchfloor - {}", FACILITY * 8 + severity, printable(self.portal, 255), printable(action, 32));
        match format {
            LogFormat::Rfc5424 => format!("{head} {} {}", self.data(), self.sentence()),
            LogFormat::Cef => format!("{head} - {}", self.cef(action, severity)),
        }
    }

    /// Names and values of what there is.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let Link { head, audit_id } = self.link;
        let mut fields = vec![("position", head.position.to_string()), ("hash", head.digits()), ("id", audit_id.to_string())];
        let Some(row) = self.row else { return fields };
        let optional = [
            ("actor", Some(row.actor.clone())),
            ("actorKind", Some(row.actor_kind.clone())),
            ("userId", row.user_id.map(|id| id.to_string())),
            ("ip", row.ip.clone()),
            ("tenant", row.tenant_id.map(|id| id.to_string())),
            ("action", Some(row.action.clone())),
            ("object", row.object.clone()),
            ("result", Some(row.result.clone())),
            ("request", row.request_id.clone()),
            ("before", row.before.clone()),
            ("after", row.after.clone()),
        ];
        fields.extend(optional.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))));
        fields
    }

    fn data(&self) -> String {
        let mut text = format!("[{DATA_ID}");
        for (name, value) in self.fields() {
            let _ = write!(text, " {name}=\"{}\"", escaped(&value, &['"', '\\', ']']));
        }
        text + "]"
    }

    fn sentence(&self) -> String {
        let text = match self.row {
            Some(row) => format!("{} {} {} {}", row.actor, row.action, row.object.as_deref().unwrap_or("-"), row.result),
            None => format!("row {} was deleted from the audit log", self.link.audit_id),
        };
        escaped(&text, &[])
    }

    /// The Common Event Format: "ArcSight Common Event Format Implementation Standard", version 25.
    fn cef(&self, action: &str, severity: u8) -> String {
        // Its severities rise from 0 to 10, syslog's fall from 7 to 0.
        let mut text = format!("CEF:0|Watchfloor|Watchfloor|{}|{action}|{action}|{}|", env!("CARGO_PKG_VERSION"), 10 - severity);
        if let Some(row) = self.row {
            let _ = write!(text, "rt={} ", row.at.timestamp_millis());
        }
        for (name, value) in self.fields() {
            let (key, label) = match name {
                "id" => ("externalId", None),
                "actor" => ("suser", None),
                "userId" => ("suid", None),
                "ip" => ("src", None),
                "action" => ("act", None),
                "result" => ("outcome", None),
                "object" => ("cs1", Some("object")),
                "tenant" => ("cs2", Some("tenant")),
                "before" => ("cs3", Some("before")),
                "after" => ("cs4", Some("after")),
                "hash" => ("cs5", Some("hash")),
                "request" => ("flexString1", Some("request")),
                "position" => ("cn1", Some("position")),
                _ => ("cs6", Some("actorKind")),
            };
            if let Some(label) = label {
                let _ = write!(text, "{key}Label={label} ");
            }
            let _ = write!(text, "{key}={} ", escaped(&value, &['=', '\\']));
        }
        text.trim_end().to_owned()
    }
}

/// "Notice", "warning" or "error".
fn severity(result: &str) -> u8 {
    match result {
        "ok" => 5,
        "refused" => 4,
        _ => 3,
    }
}

/// What a field of the head may be: some printable ASCII, and something at all.
fn printable(text: &str, longest: usize) -> String {
    let text: String = text.chars().filter(char::is_ascii_graphic).take(longest).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// With a backslash before each of `signs`, and control characters made visible: nothing in it begins another line or message.
fn escaped(text: &str, signs: &[char]) -> String {
    let mut safe = String::with_capacity(text.len());
    for sign in text.chars() {
        if signs.contains(&sign) {
            safe.push('\\');
        }
        if sign.is_control() {
            safe.extend(sign.escape_unicode().filter(|sign| *sign != '\\'));
        } else {
            safe.push(sign);
        }
    }
    safe
}

/// Sends messages to `tcp://host:port` or `udp://host:port`.
///
/// # Errors
/// One sentence for people, which names the receiver: it is not known whether it got them.
pub async fn send(receiver: &Url, messages: &[String]) -> Result<(), String> {
    let (Some(host), Some(port)) = (receiver.host_str(), receiver.port()) else {
        return Err("the receiver has no host and port".to_owned());
    };
    let address = (host.trim_matches(['[', ']']), port);
    let sent = tokio::time::timeout(PATIENCE, async {
        if receiver.scheme() == "udp" { by_udp(address, messages).await } else { by_tcp(address, messages).await }
    });
    match sent.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("{receiver} did not take the audit log: {error}")),
        Err(_) => Err(format!("{receiver} did not take the audit log within {} s", PATIENCE.as_secs())),
    }
}

async fn by_tcp(address: (&str, u16), messages: &[String]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let batch: String = messages.iter().map(|message| format!("{} {message}", message.len())).collect();
    stream.write_all(batch.as_bytes()).await?;
    stream.shutdown().await?;
    // What the receiver might say does not matter; that it ends does.
    while stream.read(&mut [0; 256]).await? > 0 {}
    Ok(())
}

async fn by_udp((host, port): (&str, u16), messages: &[String]) -> std::io::Result<()> {
    let to = tokio::net::lookup_host((host, port)).await?.next().ok_or_else(|| std::io::Error::other("no such host"))?;
    let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    socket.connect(to).await?;
    for message in messages {
        socket.send(message.as_bytes()).await?;
    }
    Ok(())
}
