//! Invented security stories: the same seed always tells the same one, with the people and devices of the customer.

pub mod cast;
pub mod cloud;
pub mod endpoint;
pub mod graph;
mod graph_evidence;
pub mod incident;
pub mod names;
mod scenarios_endpoint;
mod scenarios_identity;

use chrono::{DateTime, Timelike, Utc};

/// Which product raised an alert.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Endpoint,
    CloudApps,
    Office,
    Identity,
}

impl Source {
    pub const fn service(self) -> &'static str {
        match self {
            Self::Endpoint => "MicrosoftDefenderATP",
            Self::CloudApps => "MicrosoftCloudAppSecurity",
            Self::Office => "OfficeATP",
            Self::Identity => "AzureATP",
        }
    }

    pub const fn detection(self) -> &'static str {
        match self {
            Self::Endpoint => "WindowsDefenderAtp",
            Self::CloudApps => "MCAS",
            Self::Office => "OfficeATP",
            Self::Identity => "AzureATP",
        }
    }
}

/// What an alert shows as evidence.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    User,
    Colleague,
    Ip,
    Url,
    File,
    Process,
    Mailbox,
    Mail,
    Registry,
    Group,
}

/// One alert of a story. `{…}` in texts is filled from the cast.
pub struct AlertPlan {
    pub source: Source,
    pub title: &'static str,
    pub text: &'static str,
    pub category: &'static str,
    pub severity: &'static str,
    pub techniques: &'static [&'static str],
    pub family: Option<&'static str>,
    pub evidence: &'static [Evidence],
}

/// One story: what happened, told by one or several products.
pub struct Scenario {
    /// Title of the incident.
    pub title: &'static str,
    pub file: &'static str,
    pub command: &'static str,
    pub alerts: &'static [AlertPlan],
}

impl Scenario {
    /// The worst of its alerts.
    pub fn severity(&self) -> &'static str {
        let worst = ["High", "Medium", "Low"].into_iter().find(|word| self.alerts.iter().any(|plan| plan.severity == *word));
        worst.unwrap_or("Informational")
    }
}

/// The story that a number stands for.
pub fn scenario(number: u64) -> &'static Scenario {
    let count = scenarios_endpoint::SCENARIOS.len() + scenarios_identity::SCENARIOS.len();
    let at = usize::try_from(number % count as u64).unwrap_or_default();
    scenarios_endpoint::SCENARIOS.get(at).unwrap_or_else(|| &scenarios_identity::SCENARIOS[at - scenarios_endpoint::SCENARIOS.len()])
}

/// A time as Microsoft writes it: UTC, up to seven digits of a second, no closing zeros.
pub fn stamp(at: DateTime<Utc>) -> String {
    let ticks = at.nanosecond() / 100 % 10_000_000;
    let seconds = at.format("%Y-%m-%dT%H:%M:%S");
    let fraction = format!("{ticks:07}");
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{seconds}Z") } else { format!("{seconds}.{fraction}Z") }
}

/// The same time without what Microsoft's clock does not tell.
pub fn to_ticks(at: DateTime<Utc>) -> DateTime<Utc> {
    at.with_nanosecond(at.nanosecond() / 100 * 100).unwrap_or(at)
}
