//! Words of incidents and alerts.

/// How bad. Ordered: `Critical` is greatest. Stored as a number so that lists sort by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[repr(i16)]
pub enum Severity {
    Unknown = 0,
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
    Critical = 5,
}

impl Severity {
    /// Worst first.
    pub const ALL: [Self; 6] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Informational, Self::Unknown];

    /// The spelling in URLs and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Informational => "informational",
            Self::Unknown => "unknown",
        }
    }

    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Critical => "Critical",
            Self::High => "High",
            Self::Medium => "Medium",
            Self::Low => "Low",
            Self::Informational => "Informational",
            Self::Unknown => "Unknown",
        }
    }

    /// The shape that goes with word and colour.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Critical => "◆",
            Self::High => "▲",
            Self::Medium => "■",
            Self::Low => "●",
            Self::Informational => "○",
            Self::Unknown => "?",
        }
    }

    /// Microsoft's word, in any case. What is not in the list is `Unknown`; the caller keeps the word as it came.
    pub fn of_microsoft(word: &str) -> Self {
        Self::ALL.into_iter().find(|severity| severity.as_str().eq_ignore_ascii_case(word)).unwrap_or(Self::Unknown)
    }
}

impl std::str::FromStr for Severity {
    type Err = super::words::UnknownWord;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or(super::words::UnknownWord)
    }
}

super::words::words! {
    /// Where the work stands, in our words for every product.
    Status {
        New = "new",
        InProgress = "in_progress",
        Resolved = "resolved",
        /// Merged into another incident.
        Redirected = "redirected",
        Unknown = "unknown",
    }
}

impl Status {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::InProgress => "In progress",
            Self::Resolved => "Resolved",
            Self::Redirected => "Merged",
            Self::Unknown => "Unknown",
        }
    }

    /// Microsoft's word, in any case: `Active` and `New` are `New`. What is not in the list is `Unknown`.
    pub fn of_microsoft(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "new" | "active" => Self::New,
            "inprogress" => Self::InProgress,
            "resolved" => Self::Resolved,
            "redirected" => Self::Redirected,
            _ => Self::Unknown,
        }
    }
}
