//! The clocks of a service level: what is due, and whether that is late.

use super::words::words;
use chrono::{DateTime, Utc};

words! {
    /// How a clock stands.
    SlaState {
        /// Its time is over.
        Breached = "breached",
        /// A quarter of its time is left, or less, and no more than a day.
        AtRisk = "at_risk",
        OnTrack = "on_track",
    }
}

impl SlaState {
    pub const fn label(self) -> &'static str {
        match self {
            Self::Breached => "Breached",
            Self::AtRisk => "At risk",
            Self::OnTrack => "On track",
        }
    }
}

words! {
    /// What has to be done by then.
    Aim {
        Acknowledge = "acknowledge",
        Resolve = "resolve",
    }
}

/// The clock of an incident that ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    pub aim: Aim,
    pub due: DateTime<Utc>,
    pub state: SlaState,
}
