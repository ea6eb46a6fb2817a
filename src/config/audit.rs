//! Where the audit log is sent to.

use anyhow::{Result, ensure};
use serde::Deserialize;
use std::fmt;
use url::Url;

/// How the audit log leaves the portal.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// A syslog receiver: `tcp://host:port` or `udp://host:port`. Absent: the log is kept in the database alone.
    #[serde(default)]
    pub syslog: Option<Url>,
    #[serde(default)]
    pub format: LogFormat,
}

/// What a message of the audit log looks like. Both have the head of RFC 5424.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Structured data.
    #[default]
    Rfc5424,
    /// ArcSight's Common Event Format.
    Cef,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rfc5424 => "rfc5424",
            Self::Cef => "cef",
        })
    }
}

impl Audit {
    /// What the types alone cannot say.
    pub fn validate(&self) -> Result<()> {
        if let Some(url) = &self.syslog {
            let bare =
                url.path().trim_matches('/').is_empty() && url.query().is_none() && url.username().is_empty() && url.password().is_none();
            ensure!(
                matches!(url.scheme(), "tcp" | "udp")
                    && url.host_str().is_some_and(|host| !host.is_empty())
                    && url.port().is_some()
                    && bare,
                "audit.syslog must be tcp://host:port or udp://host:port"
            );
        }
        Ok(())
    }
}
