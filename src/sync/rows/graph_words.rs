//! Graph's words in the spelling of the Defender APIs, so that history shows no change where only the API has changed. Words that are not
//! here are kept as they came. Sources: Microsoft's pages on the enumerations of the Graph security API, "Update incidents API" and
//! "incident resource type" of Defender XDR.

/// Graph's word, without case, and the Defender APIs' own. Of Graph's words for the same the first is sent.
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
    ("notMalicious", "Clean"),
    ("clean", "Clean"),
    ("notEnoughDataToValidate", "NoEnoughDataToValidate"),
    ("insufficientData", "NoEnoughDataToValidate"),
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

/// Graph's word for a value of this member, of whichever API's words that is; one that is not here stays as it is.
pub(super) fn to_graph(member: &str, word: &str) -> String {
    let words = match member {
        "status" => STATUS,
        "classification" => CLASSIFICATION,
        "determination" => DETERMINATION,
        _ => return word.to_owned(),
    };
    let meaning = of(words, Some(word.to_owned())).unwrap_or_default();
    let known = words.iter().find(|(_, ours)| ours.eq_ignore_ascii_case(&meaning));
    known.map_or(meaning, |(theirs, _)| (*theirs).to_owned())
}

/// The Defender APIs' word for Graph's.
pub(super) fn of(words: Words, word: Option<String>) -> Option<String> {
    let word = word?;
    let known = words.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(&word));
    Some(known.map_or(word, |(_, ours)| (*ours).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::verdict::{ENDPOINT, XDR};

    #[test]
    fn each_word_that_a_form_offers_has_its_word_of_graphs() {
        for words in [XDR, ENDPOINT] {
            let verdicts = words.classifications.iter().flat_map(|(_, determinations)| determinations.iter());
            let classifications =
                words.classifications.iter().map(|(classification, _)| ("classification", classification, CLASSIFICATION));
            let statuses = words.statuses.iter().map(|status| ("status", status, STATUS));
            for (member, word, known) in statuses.chain(classifications).chain(verdicts.map(|word| ("determination", word, DETERMINATION)))
            {
                let sent = to_graph(member, word);
                assert!(known.iter().any(|(theirs, _)| *theirs == sent), "{word}: {sent}");
            }
        }
        let of_endpoint = ["CompromisedUser", "ConfirmedUserActivity", "InsufficientData", "NotMalicious", "Other"];
        let sent = of_endpoint.map(|word| to_graph("determination", word));
        assert_eq!(sent, ["compromisedAccount", "confirmedActivity", "notEnoughDataToValidate", "notMalicious", "other"]);
        assert_eq!([to_graph("status", "Odd"), to_graph("status", "active"), to_graph("assignedTo", "Ann")], ["Odd", "active", "Ann"]);
    }
}
