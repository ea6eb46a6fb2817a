//! The words that Microsoft's APIs take for status, classification and determination, as data: its pages contradict one another, so what it
//! refuses is shown in its own words.

/// What one API takes.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    pub statuses: &'static [&'static str],
    /// Each classification with its determinations.
    pub classifications: &'static [(&'static str, &'static [&'static str])],
}

/// After Microsoft's page "Update incidents API" of Defender XDR.
pub const XDR: Words = Words {
    statuses: &["Active", "InProgress", "Resolved"],
    classifications: &[
        (
            "TruePositive",
            &["MultiStagedAttack", "MaliciousUserActivity", "CompromisedAccount", "Malware", "Phishing", "UnwantedSoftware", "Other"],
        ),
        ("InformationalExpectedActivity", &["SecurityTesting", "LineOfBusinessApplication", "ConfirmedActivity", "Other"]),
        ("FalsePositive", &["Clean", "NoEnoughDataToValidate", "Other"]),
    ],
};

/// After Microsoft's page "Update alert" of Defender for Endpoint.
pub const ENDPOINT: Words = Words {
    statuses: &["New", "InProgress", "Resolved"],
    classifications: &[
        (
            "TruePositive",
            &["MultiStagedAttack", "MaliciousUserActivity", "CompromisedUser", "Malware", "Phishing", "UnwantedSoftware", "Other"],
        ),
        ("InformationalExpectedActivity", &["SecurityTesting", "LineOfBusinessApplication", "ConfirmedUserActivity", "Other"]),
        ("FalsePositive", &["NotMalicious", "InsufficientData", "Other"]),
    ],
};
