//! Evidence for people. Microsoft's APIs write the same thing in four shapes; each kind is read from whichever members are there.

use super::show;
use serde_json::Value;

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub icon: &'static str,
    /// "User"; of a kind we do not know, Microsoft's word.
    pub kind: String,
    pub title: String,
    pub facts: Vec<(&'static str, String)>,
    /// Only for process.
    pub command: Option<String>,
    /// Microsoft's words on it, with a sign: "Malicious", "Remediated".
    pub verdicts: Vec<(&'static str, String)>,
    /// The whole record, where the kind is not known.
    pub json: Option<String>,
}

/// What is shown of a kind: members as JSON pointers, the first that is filled counts.
struct Kind {
    /// Microsoft's words, lower case.
    names: &'static [&'static str],
    icon: &'static str,
    label: &'static str,
    title: &'static [&'static str],
    facts: &'static [(&'static str, &'static [&'static str])],
}

const HASHES: [(&str, &[&str]); 2] =
    [("SHA-256", &["/sha256", "/fileDetails/sha256", "/imageFile/sha256"]), ("SHA-1", &["/sha1", "/fileDetails/sha1", "/imageFile/sha1"])];

const KINDS: &[Kind] = &[
    Kind {
        names: &["user", "account"],
        icon: "user",
        label: "User",
        title: &["/userPrincipalName", "/userAccount/userPrincipalName", "/pa", "/accountName", "/userAccount/accountName", "/label"],
        facts: &[
            ("Account", &["/accountName", "/userAccount/accountName", "/label"]),
            ("Domain", &["/domainName", "/userAccount/domainName"]),
            ("Name", &["/userAccount/displayName"]),
            ("SID", &["/userSid", "/userAccount/userSid"]),
            ("Entra id", &["/aadUserId", "/userAccount/azureAdUserId"]),
        ],
    },
    Kind {
        names: &["device", "host", "machine"],
        icon: "device",
        label: "Device",
        title: &["/deviceDnsName", "/hostName", "/computerDnsName", "/label", "/mdatpDeviceId", "/mdeDeviceId"],
        facts: &[
            ("System", &["/osPlatform"]),
            ("Version", &["/version"]),
            ("Risk", &["/riskScore"]),
            ("Health", &["/healthStatus"]),
            ("Onboarding", &["/onboardingStatus"]),
            ("Group", &["/rbacGroupName"]),
            ("Defender id", &["/mdatpDeviceId", "/mdeDeviceId"]),
            ("Entra id", &["/aadDeviceId", "/azureAdDeviceId"]),
        ],
    },
    Kind {
        names: &["process"],
        icon: "process",
        label: "Process",
        title: &["/fileName", "/imageFile/fileName"],
        facts: &[
            ("Folder", &["/filePath", "/imageFile/filePath"]),
            ("Process id", &["/processId"]),
            ("Started", &["/processCreationTime", "/processCreationDateTime"]),
            ("Parent", &["/parentProcessFileName", "/parentProcessImageFile/fileName"]),
            ("Parent id", &["/parentProcessId"]),
            ("As", &["/userAccount/accountName", "/accountName"]),
            HASHES[0],
            HASHES[1],
        ],
    },
    Kind {
        names: &["file"],
        icon: "file",
        label: "File",
        title: &["/fileName", "/fileDetails/fileName", "/label"],
        facts: &[("Folder", &["/filePath", "/fileDetails/filePath"]), ("Publisher", &["/fileDetails/filePublisher"]), HASHES[0], HASHES[1]],
    },
    Kind {
        names: &["ip"],
        icon: "net",
        label: "IP address",
        title: &["/ipAddress", "/address", "/label"],
        facts: &[("Country", &["/countryLetterCode", "/location/countryName"])],
    },
    Kind { names: &["url"], icon: "net", label: "URL", title: &["/url", "/label"], facts: &[] },
    Kind {
        names: &["mailbox"],
        icon: "mail",
        label: "Mailbox",
        title: &["/mailboxAddress", "/primaryAddress", "/upn"],
        facts: &[("Name", &["/mailboxDisplayName", "/displayName"])],
    },
    Kind {
        names: &["mailmessage", "analyzedmessage"],
        icon: "mail",
        label: "Message",
        title: &["/subject"],
        facts: &[
            ("From", &["/sender", "/p2Sender/emailAddress", "/p1Sender/emailAddress"]),
            ("To", &["/recipient", "/recipientEmailAddress"]),
            ("Delivery", &["/deliveryAction"]),
            ("Place", &["/deliveryLocation"]),
            ("Sender's address", &["/senderIp"]),
            ("Links", &["/urlCount"]),
            ("Attachments", &["/attachmentsCount"]),
        ],
    },
    Kind {
        names: &["mailcluster"],
        icon: "mail",
        label: "Group of messages",
        title: &["/clusterBy", "/subject"],
        facts: &[("Value", &["/clusterByValue"])],
    },
    Kind {
        names: &["registry", "registrykey", "registryvalue"],
        icon: "key",
        label: "Registry",
        title: &["/registryKey", "/registryValueName"],
        facts: &[
            ("Hive", &["/registryHive"]),
            ("Name", &["/registryValueName"]),
            ("Value", &["/registryValue"]),
            ("Type", &["/registryValueType"]),
        ],
    },
    Kind {
        names: &["securitygroup", "grouptag"],
        icon: "user",
        label: "Group",
        title: &["/securityGroupName", "/displayName", "/label"],
        facts: &[],
    },
    Kind {
        names: &["cloudapplication", "oauthapplication", "service"],
        icon: "net",
        label: "App",
        title: &["/displayName", "/label", "/name"],
        facts: &[("Id", &["/appId"])],
    },
    Kind { names: &["policyrule"], icon: "more", label: "Policy", title: &["/label"], facts: &[("Type", &["/policyType"])] },
];

/// The evidence in an alert's original, devices first.
pub fn of_alert(body: &Value) -> Vec<Proof> {
    let list = |name: &str| body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let devices = list("devices").iter().map(|item| proof("device", item));
    let others = list("entities").iter().chain(list("evidence")).map(|item| proof(kind_of(item), item));
    let mut proofs: Vec<Proof> = Vec::new();
    for proof in devices.chain(others) {
        if !proofs.contains(&proof) {
            proofs.push(proof);
        }
    }
    proofs
}

/// `#microsoft.graph.security.userEvidence`, `User` and `account` are words for one thing.
fn kind_of(item: &Value) -> &str {
    let word = ["@odata.type", "entityType", "type"].iter().find_map(|name| item.get(name).and_then(Value::as_str)).unwrap_or("unknown");
    let word = word.rsplit('.').next().unwrap_or(word);
    word.strip_suffix("Evidence").unwrap_or(word)
}

fn proof(word: &str, item: &Value) -> Proof {
    let lower = word.to_lowercase();
    let known = KINDS.iter().find(|kind| kind.names.contains(&lower.as_str()));
    let title = known.and_then(|kind| first(item, kind.title));
    let (Some(kind), Some(title)) = (known, title) else {
        let json = serde_json::to_string_pretty(&without_nulls(item)).unwrap_or_default();
        return Proof {
            icon: known.map_or("more", |kind| kind.icon),
            kind: show::words(word),
            title: known.map_or_else(|| show::words(word), |kind| kind.label.to_owned()),
            facts: Vec::new(),
            command: None,
            verdicts: Vec::new(),
            json: Some(show::visible(&json)),
        };
    };
    let facts = kind.facts.iter().filter_map(|(label, members)| Some((*label, first(item, members)?))).filter(|(_, value)| *value != title);
    Proof {
        icon: kind.icon,
        kind: kind.label.to_owned(),
        facts: facts.collect(),
        command: first(item, &["/processCommandLine"]),
        verdicts: verdicts(item),
        json: None,
        title,
    }
}

fn verdicts(item: &Value) -> Vec<(&'static str, String)> {
    let words = ["/verdict", "/remediationStatus", "/detectionStatus"].iter().filter_map(|member| first(item, &[member]));
    let telling = words.filter(|word| !matches!(word.to_lowercase().as_str(), "unknown" | "none" | "detected"));
    let signed = telling.map(|word| {
        let class = match word.to_lowercase().as_str() {
            "malicious" => "bad",
            "suspicious" | "active" => "warn",
            "remediated" | "prevented" | "blocked" | "nothreatsfound" => "ok",
            _ => "",
        };
        (class, show::words(&word))
    });
    signed.collect()
}

/// The first of the members that holds a text or a number.
fn first(item: &Value, members: &[&str]) -> Option<String> {
    members.iter().find_map(|member| match item.pointer(member)? {
        Value::String(text) if !text.trim().is_empty() => Some(show::visible(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_user_is_read_from_each_apis_shape() {
        for item in [
            json!({"entities": [{"entityType": "User", "accountName": "ada", "userPrincipalName": "ada@contoso.com", "sha1": null}]}),
            json!({"evidence": [{"@odata.type": "#microsoft.graph.security.userEvidence", "userAccount": {"accountName": "ada", "userPrincipalName": "ada@contoso.com"}}]}),
            json!({"entities": [{"type": "account", "label": "ada", "pa": "ada@contoso.com"}]}),
        ] {
            let proofs = of_alert(&item);
            assert_eq!((proofs[0].kind.as_str(), proofs[0].title.as_str()), ("User", "ada@contoso.com"), "{item}");
            assert_eq!(proofs[0].facts, [("Account", "ada".to_owned())], "{item}");
        }
    }

    #[test]
    fn a_process_shows_its_command_line_and_a_verdict_its_sign() {
        let proofs = of_alert(&json!({"evidence": [{"entityType": "Process", "fileName": "rundll32.exe", "processId": 3276,
            "processCommandLine": "rundll32.exe  c:\\temp\\a.dll", "verdict": "malicious", "detectionStatus": "Detected"}]}));
        assert_eq!(proofs[0].command.as_deref(), Some("rundll32.exe  c:\\temp\\a.dll"));
        assert_eq!(proofs[0].verdicts, [("bad", "Malicious".to_owned())]);
        assert_eq!(proofs[0].facts, [("Process id", "3276".to_owned())]);
    }

    #[test]
    fn a_kind_we_do_not_know_is_shown_whole() {
        let proofs = of_alert(&json!({"evidence": [{"nothing": null, "spin": "up", "type": "quantum"}, 7]}));
        assert_eq!(
            (proofs[0].kind.as_str(), proofs[0].json.as_deref()),
            ("Quantum", Some("{\n  \"spin\": \"up\",\n  \"type\": \"quantum\"\n}"))
        );
        assert_eq!(proofs[1].json.as_deref(), Some("7"));
        assert!(of_alert(&json!("not an alert")).is_empty());
    }
}
