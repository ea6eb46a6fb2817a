//! Graph's words in the spelling of the Defender APIs, so that history shows no change where only the API has changed. Words that are not
//! here are kept as they came. Sources: Microsoft's pages on the enumerations of the Graph security API, "Update incidents API" and
//! "incident resource type" of Defender XDR.

/// Graph's word, without case, and the Defender APIs' own.
type Words = &'static [(&'static str, &'static str)];

/// Of incidents and of alerts.
pub(super) const STATUS: Words = &[
    ("active", "Active"),
    ("new", "New"),
    ("inProgress", "InProgress"),
    ("resolved", "Resolved"),
    ("redirected", "Redirected"),
    ("awaitingAction", "AwaitingAction"),
    ("unknown", "Unknown"),
];

pub(super) const SEVERITY: Words =
    &[("unknown", "UnSpecified"), ("informational", "Informational"), ("low", "Low"), ("medium", "Medium"), ("high", "High")];

pub(super) const CLASSIFICATION: Words = &[
    ("unknown", "Unknown"),
    ("truePositive", "TruePositive"),
    ("falsePositive", "FalsePositive"),
    ("informationalExpectedActivity", "InformationalExpectedActivity"),
];

pub(super) const DETERMINATION: Words = &[
    ("unknown", "NotAvailable"),
    ("apt", "Apt"),
    ("malware", "Malware"),
    ("securityPersonnel", "SecurityPersonnel"),
    ("securityTesting", "SecurityTesting"),
    ("unwantedSoftware", "UnwantedSoftware"),
    ("other", "Other"),
    ("multiStagedAttack", "MultiStagedAttack"),
    ("compromisedAccount", "CompromisedAccount"),
    ("compromisedUser", "CompromisedAccount"),
    ("phishing", "Phishing"),
    ("maliciousUserActivity", "MaliciousUserActivity"),
    ("clean", "Clean"),
    ("notMalicious", "Clean"),
    ("insufficientData", "NoEnoughDataToValidate"),
    ("notEnoughDataToValidate", "NoEnoughDataToValidate"),
    ("confirmedActivity", "ConfirmedActivity"),
    ("confirmedUserActivity", "ConfirmedActivity"),
    ("lineOfBusinessApplication", "LineOfBusinessApplication"),
];

/// Of the service that raised an alert.
pub(super) const SERVICE: Words = &[
    ("microsoftDefenderForEndpoint", "MicrosoftDefenderATP"),
    ("microsoftDefenderForIdentity", "AzureATP"),
    ("microsoftDefenderForCloudApps", "MicrosoftCloudAppSecurity"),
    ("microsoftDefenderForOffice365", "OfficeATP"),
];

/// Of what detected something.
pub(super) const DETECTION: Words = &[
    ("antivirus", "WindowsDefenderAv"),
    ("microsoftDefenderForEndpoint", "WindowsDefenderAtp"),
    ("microsoftDefenderForIdentity", "AzureATP"),
    ("microsoftDefenderForCloudApps", "MCAS"),
    ("cloudAppSecurity", "MCAS"),
    ("microsoftDefenderForOffice365", "OfficeATP"),
    ("officeATP", "OfficeATP"),
];

/// Whether two words of Graph's mean the same.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let meaning = |word: &str| of(DETERMINATION, Some(word.to_owned())).unwrap_or_default();
    meaning(one).eq_ignore_ascii_case(&meaning(other))
}

/// The Defender APIs' word for Graph's.
pub(super) fn of(words: Words, word: Option<String>) -> Option<String> {
    let word = word?;
    let known = words.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(&word));
    Some(known.map_or(word, |(_, ours)| (*ours).to_owned()))
}
